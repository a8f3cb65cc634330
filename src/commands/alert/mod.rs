//! `service-healthcheck alert …`: channels, alerts and silences.

mod ack;
mod channels;
mod list;
mod render;
mod silence;
mod test;

use std::process::ExitCode;

use crate::cli::AlertCommand;
use crate::config::Config;
use crate::error::Error;

/// Runs one of the commands.
pub(super) fn run(config: &Config, command: &AlertCommand) -> Result<ExitCode, Error> {
    match command {
        AlertCommand::Test(args) => return test::run(config, args),
        AlertCommand::Render(args) => render::run(config, args),
        AlertCommand::List { all } => list::run(config, *all),
        AlertCommand::Ack(args) => ack::run(config, args),
        AlertCommand::Silence(command) => silence::run(config, command),
    }
    .map(|()| ExitCode::SUCCESS)
}
