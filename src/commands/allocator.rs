//! Settings of glibc's allocator, which it takes from the environment at the start of a process.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variable that glibc reads.
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Set for the second start. glibc removes its own variable from the environment of a program that
/// has capabilities of its file.
const RESTARTED: &str = "SERVICE_HEALTHCHECK_RESTARTED";

/// Largest block within an arena, in bytes. Setting it ends glibc's adaptation, which raises it to
/// megabytes after the first large response.
const MMAP_THRESHOLD: usize = 128 << 10;

/// Largest free memory at the top of an arena, in bytes: what the probes of a batch allocate and
/// free. With less, the same pages are unmapped and faulted in again for each batch.
const TRIM_THRESHOLD: usize = 1 << 20;

/// Freed blocks of each size in the cache of a thread: as many as the probes of a batch have.
const CACHED_BLOCKS: usize = 32;

/// Replaces this process by itself, once, with settings that give memory back, unless the
/// environment has settings already. The process id stays; if it fails, the process continues as
/// it is.
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
    // Returns only when it fails.
    let _ = command.args(words).env(TUNABLES, settings()).env(RESTARTED, "1").exec();
}

fn settings() -> String {
    let arenas = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    // Without fast bins: each block of more than a kilobyte would merge them first.
    let settings = [
        ("arena_max", arenas),
        ("mmap_threshold", MMAP_THRESHOLD),
        ("trim_threshold", TRIM_THRESHOLD),
        ("tcache_count", CACHED_BLOCKS),
        ("mxfast", 0),
    ];
    let texts = settings.map(|(name, value)| format!("glibc.malloc.{name}={value}"));
    texts.join(":")
}

fn has_settings() -> bool {
    let is_setting = |name: OsString| {
        let name = name.to_string_lossy();
        name.starts_with("MALLOC_") || name == TUNABLES || name == RESTARTED
    };
    env::vars_os().any(|(name, _)| is_setting(name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// glibc ignores an unknown name without a word.
    #[test]
    fn glibc_takes_every_setting() {
        let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
        if !loader.exists() {
            return;
        }
        let listed = Command::new(loader).arg("--list-tunables").env(TUNABLES, settings()).output();
        let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
        for setting in settings().split(':') {
            let (name, value) = setting.split_once('=').unwrap();
            let value: usize = value.parse().unwrap();
            let is_taken = |line: &str| line.starts_with(&format!("{name}: {value:#x} "));
            assert!(listed.lines().any(is_taken), "{setting} in {listed}");
        }
    }
}
