//! Settings of glibc's allocator, which it takes from the environment at the start of a process.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variable that glibc reads.
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Largest block within an arena, in bytes. Setting it ends glibc's adaptation, which raises it to
/// megabytes after the first large response.
const MMAP_THRESHOLD: usize = 128 << 10;

/// Largest free memory at the top of an arena, in bytes: what the probes of a batch or two allocate
/// and free. With less, the kernel gives and takes the same pages again for each batch.
const TRIM_THRESHOLD: usize = 1 << 20;

/// Freed blocks of one size that a thread keeps for itself: as many as two batches of probes have.
const CACHED_BLOCKS: usize = 32;

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
    // Returns only when it fails.
    let _ = command.args(words).env(TUNABLES, settings()).exec();
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
        name.starts_with("MALLOC_") || name == TUNABLES
    };
    env::vars_os().any(|(name, _)| is_setting(name))
}
