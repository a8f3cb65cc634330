//! Parse the command line, read the configuration, run the command, exit with its code.

use std::process::ExitCode;

use clap::Parser;
use service_healthcheck::cli::{Cli, Command};
use service_healthcheck::commands;
use service_healthcheck::config::Config;
use service_healthcheck::error::Error;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    let cli = Cli::parse();
    // A plugin has neither the environment nor the directory of the monitor.
    if let Command::ExecPlugin(args) = &cli.command {
        return commands::exec_plugin(args);
    }
    let config = Config::from_env().map_err(Error::from);
    config.and_then(|config| commands::run(&cli.command, &config)).unwrap_or_else(|error| {
        eprintln!("{error}");
        error.exit_code()
    })
}
