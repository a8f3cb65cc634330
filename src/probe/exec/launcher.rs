//! The process that becomes a plugin: this program itself, which checks the plugin, limits itself,
//! and executes the plugin. A limit cannot be set between `fork` and `exec` without unsafe code.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rlimit::Resource;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::probe::exec::folder::{Trusted, find};

/// The hidden command of this program that runs [`Launch::exec`].
pub const COMMAND: &str = "exec-plugin";

/// This program, also after its file was replaced.
const PROGRAM: &str = "/proc/self/exe";

/// Exit code of a launcher that cannot run its plugin. Its error output is then [`REFUSED`] and the
/// reason.
pub const REFUSED_CODE: u8 = 126;
pub const REFUSED: &str = "service-healthcheck: ";

/// The environment of plugins: `LANG` has a decimal point, not a comma.
const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8")];

/// Most open files of a plugin. The limit of this program is so high that programs that close
/// every possible descriptor would take seconds.
const FILES_LIMIT: u64 = 1_024;

/// Settings of external checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRules {
    /// `PLUGINS_DIR`.
    pub folder: PathBuf,
    /// Most address space of a plugin's process, in bytes.
    pub memory_limit: u64,
}

/// The command that starts the launcher for the plugin `name`.
pub fn command(rules: &PluginRules, name: &str, args: &[String]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .arg(COMMAND)
        .arg("--folder")
        .arg(&rules.folder)
        .args(["--memory-limit", &rules.memory_limit.to_string()])
        .args(["--parent", &std::process::id().to_string()])
        .args(["--", name])
        .args(args)
        .env_clear()
        .envs(ENVIRONMENT)
        .current_dir("/");
    command
}

/// The plugin that a launcher executes.
#[derive(Debug)]
pub struct Launch<'a> {
    pub folder: &'a Path,
    pub memory_limit: u64,
    /// Process id of the monitor.
    pub parent: u32,
    pub name: &'a str,
    pub args: &'a [OsString],
}

impl Launch<'_> {
    /// Becomes the plugin. The error says why not.
    pub fn exec(&self) -> Result<Infallible, String> {
        let plugin = find(self.folder, self.name, Trusted::of_this_process())?;
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string())?;
        let parent = getppid().map(|parent| parent.as_raw_pid().unsigned_abs());
        if parent != Some(self.parent) {
            return Err("the monitor has ended".to_owned());
        }
        let mut command = Command::new(&plugin);
        command.args(self.args);
        for (resource, limit) in [
            (Resource::CORE, 0),
            (Resource::NOFILE, FILES_LIMIT),
            (Resource::AS, self.memory_limit),
        ] {
            let hard = resource.get_hard().map_err(|error| error.to_string())?;
            let limit = limit.min(hard);
            resource.set(limit, limit).map_err(|error| error.to_string())?;
        }
        Err(command.exec().to_string())
    }
}
