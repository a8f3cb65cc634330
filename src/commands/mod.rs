//! One file or folder per command. Each has a function `run` that prints its own result.

mod alert;
mod allocator;
mod backup;
mod check_db;
mod check_file;
mod client;
mod exec_plugin;
mod export;
mod health;
mod import;
mod move_store;
mod output;
mod probe;
mod restore;
mod run;
mod staged_file;
mod stored;
mod token;
mod unused_store;

use std::process::ExitCode;

pub use exec_plugin::run as exec_plugin;

use crate::cli::{Command, Import};
use crate::config::Config;
use crate::error::Error;

/// Runs `command` and returns its exit code. The caller prints the error.
pub fn run(command: &Command, config: &Config) -> Result<ExitCode, Error> {
    match command {
        Command::Run(args) => return run::run(config, args),
        Command::Probe(args) => return probe::run(config, args),
        Command::CheckFile { file } => check_file::run(config, file),
        Command::Import(Import::GoDb { file }) => import::go_db::run(config, file),
        Command::Export(args) => export::run(config, args),
        Command::Backup { file } => backup::run(config, file),
        Command::Restore { file } => restore::run(config, file),
        Command::Move { to } => move_store::run(config, to),
        Command::CheckDb { file } => check_db::run(config, file.as_deref()),
        Command::Health => health::run(config),
        Command::Token(command) => token::run(config, command),
        Command::Alert(command) => return alert::run(config, command),
        // Runs before the configuration is read: see `exec_plugin`.
        Command::ExecPlugin(args) => return Ok(exec_plugin(args)),
    }
    .map(|()| ExitCode::SUCCESS)
}
