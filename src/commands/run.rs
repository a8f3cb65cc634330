//! `service-healthcheck run`: the monitor itself.

use std::process::ExitCode;

use slog::crit;

use super::allocator::restart_with_settings;
use crate::app;
use crate::cli::RunArgs;
use crate::config::Config;
use crate::domain::Role;
use crate::error::Error;
use crate::logging;

/// Runs the monitor until a signal stops it. The log has every error but those of the
/// configuration, which the caller prints.
pub(super) fn run(config: &Config, args: &RunArgs) -> Result<ExitCode, Error> {
    let storage = config.storage.clone().with_role(args.role.map(Role::from))?;
    let config = &Config { storage, ..config.clone() };
    restart_with_settings();
    let (log, queue) = logging::root(config.process.debug);
    logging::log_panics(log.clone());
    let result = match app::run(config, &log) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error @ Error::Config(_)) => Err(error),
        Err(error) => {
            crit!(log, "failed"; "error" => %error);
            Ok(error.exit_code())
        }
    };
    logging::flush(queue);
    result
}
