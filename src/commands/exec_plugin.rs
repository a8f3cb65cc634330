//! `service-healthcheck exec-plugin`: the process of an external check, which becomes the plugin.

use std::process::ExitCode;

use crate::cli::PluginArgs;
use crate::probe::exec::launcher::{Launch, REFUSED, REFUSED_CODE};

/// Becomes the plugin. Returns only when that fails.
pub fn run(args: &PluginArgs) -> ExitCode {
    let PluginArgs { folder, memory_limit, parent, name, args } = args;
    let launch = Launch { folder, memory_limit: *memory_limit, parent: *parent, name, args };
    let Err(why) = launch.exec();
    eprintln!("{REFUSED}{why}");
    ExitCode::from(REFUSED_CODE)
}
