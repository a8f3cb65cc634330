//! Command line → configuration → log → the thing asked for → exit code.

use std::fmt::Display;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use service_healthcheck::app;
use service_healthcheck::app::startup::{self, Failed};
use service_healthcheck::cli::{Cli, Command, Import};
use service_healthcheck::commands::check_db::{self as check, Found};
use service_healthcheck::commands::probe::{self as probe_once, Asked};
use service_healthcheck::commands::{backup, check_file, export, health, restore};
use service_healthcheck::config::{Config, ConfigError};
use service_healthcheck::domain::Service;
use service_healthcheck::{clock, logging};

/// Contract, "Command line".
const FAILED: u8 = 1;
const WRONG_USE: u8 = 2;

/// What an export gathers before it is written.
const EXPORT_BUFFER_BYTES: usize = 64 * 1024;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    let cli = Cli::parse();
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    match cli.command {
        Command::Run => run(&config),
        Command::Import(Import::GoDb { file }) => import_go_db(&config, &file),
        Command::Probe { url, timeout, condition, option, json } => {
            let asked = Asked { url, timeout, condition, option };
            probe(&config, probe_once::service(&asked, &config), json)
        }
        Command::CheckFile { file } => check_file(&config, &file),
        Command::Export { format, services, from, to } => {
            let asked = |window| export::Asked { format, services, window };
            export(&config, export::window(from, to).map(asked))
        }
        Command::Backup { file } => told(backup::backup(&config.db_file, &file).map(say)),
        Command::Restore { file } => {
            told(restore::restore(&config.db_file, &file, clock::unix_ms() / 1_000).map(say))
        }
        Command::CheckDb { file } => check_db(&file.unwrap_or(config.db_file)),
        Command::Health => told(health::check(&config)),
    }
}

fn run(config: &Config) -> ExitCode {
    let (log, queue) = logging::root(config.debug);
    logging::log_panics(log.clone());
    let code = match app::run(config, &log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Config(error)) => refuse(&error),
        Err(error) => {
            slog::crit!(log, "failed"; "error" => %error);
            ExitCode::from(FAILED)
        }
    };
    logging::write_out(queue);
    code
}

fn probe(config: &Config, service: Result<Service, ConfigError>, json: bool) -> ExitCode {
    let (service, rules) = match (service, startup::rules(config)) {
        (Ok(service), Ok(rules)) => (service, rules),
        (Err(error), _) | (_, Err(error)) => return refuse(&error),
    };
    let outcome = probe_once::run(&service, rules);
    if json {
        say(probe_once::as_json(&service, &outcome));
    } else {
        say(probe_once::told(&service, &outcome));
    }
    ExitCode::from(if outcome.failure.is_none() { 0 } else { FAILED })
}

fn check_file(config: &Config, file: &Path) -> ExitCode {
    match check_file::plan(config, file) {
        Err(Failed::Config(error)) => refuse(&error),
        plan => told(plan.map(|lines| lines.iter().for_each(say))),
    }
}

fn export(config: &Config, asked: Result<export::Asked, ConfigError>) -> ExitCode {
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => return refuse(&error),
    };
    let out = BufWriter::with_capacity(EXPORT_BUFFER_BYTES, std::io::stdout().lock());
    told(export::run(&config.db_file, &asked, out).map(|exported| {
        if exported.skipped > 0 {
            eprintln!(
                "{} ticks are left out: they are not later than the one before, as after a clock was set back",
                exported.skipped
            );
        }
    }))
}

fn check_db(file: &Path) -> ExitCode {
    told(check::check(file).and_then(|found| match found {
        Found::Broken(_) => Err(Failed::System(found.to_string())),
        Found::Whole(_) | Found::Older => {
            say(found);
            Ok(())
        }
    }))
}

fn import_go_db(config: &Config, file: &Path) -> ExitCode {
    told(app::import_go_db(config, file).map(|summary| {
        for finding in &summary.findings {
            say(finding);
        }
        say(format_args!(
            "imported {} services, {} events and {} ticks into {}",
            summary.services,
            summary.events,
            summary.ticks,
            config.db_file.display()
        ));
    }))
}

/// Writes a line to standard output. A reader that has gone misses it, and nothing else comes of that.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn told<E: Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(FAILED)
        }
    }
}

fn refuse(error: &ConfigError) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(WRONG_USE)
}
