//! Settings of glibc's allocator, which it takes from the environment at the start of a process.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Largest free memory at the top of an arena, and largest block within an arena, in bytes. Setting
/// them ends glibc's adaptation, which raises both to megabytes after the first large response.
const THRESHOLD: &str = "131072";

/// Replaces this process by itself with settings that give memory back, unless the environment has
/// settings already. The process id stays; if it fails, the process continues as it is.
///
/// By default every thread has an arena of its own, and each keeps the largest free memory that it
/// ever had.
pub fn restart_with_settings() {
    if cfg!(not(target_env = "gnu")) || has_settings() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut words = env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    let arenas = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    // Returns only when it fails.
    let _ = command
        .args(words)
        .env("MALLOC_ARENA_MAX", arenas.to_string())
        .env("MALLOC_TRIM_THRESHOLD_", THRESHOLD)
        .env("MALLOC_MMAP_THRESHOLD_", THRESHOLD)
        .exec();
}

fn has_settings() -> bool {
    let is_setting = |name: OsString| {
        let name = name.to_string_lossy();
        name.starts_with("MALLOC_") || name == "GLIBC_TUNABLES"
    };
    env::vars_os().any(|(name, _)| is_setting(name))
}
