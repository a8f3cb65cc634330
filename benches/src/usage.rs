//! What a process uses between two instants: CPU, wake-ups, bytes to and from the disk.

use std::collections::HashMap;

use procfs::process::Process;

use crate::program::Cpu;

/// The counters of a process at one instant.
pub struct Usage {
    cpu: Cpu,
    /// Voluntary context switches of each thread: after each of them, the thread is woken once.
    sleeps: HashMap<i32, u64>,
    written_bytes: u64,
    read_bytes: u64,
}

/// What was used between two instants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spent {
    pub cpu_us: f64,
    pub wake_ups: f64,
    /// To the disk, as the kernel counts pages that become dirty.
    pub written_bytes: f64,
    /// From the disk, without what the page cache had.
    pub read_bytes: f64,
}

impl Usage {
    pub fn of(pid: u32) -> Self {
        let process = Process::new(pid.cast_signed()).expect("a process");
        let io = process.io().expect("its input and output");
        let tasks = process.tasks().expect("its threads").flatten();
        let sleeps = tasks
            .filter_map(|task| Some((task.tid, task.status().ok()?.voluntary_ctxt_switches?)))
            .collect();
        let (written_bytes, read_bytes) = (io.write_bytes, io.read_bytes);
        Self { cpu: Cpu::of(pid), sleeps, written_bytes, read_bytes }
    }

    /// What was used since `before`; without threads that have ended meanwhile.
    pub fn since(&self, before: &Self) -> Spent {
        let of_thread = |(tid, now): (&i32, &u64)| {
            now - before.sleeps.get(tid).copied().unwrap_or_default().min(*now)
        };
        Spent {
            cpu_us: self.cpu.us_since(&before.cpu),
            wake_ups: self.sleeps.iter().map(of_thread).sum::<u64>() as f64,
            written_bytes: (self.written_bytes - before.written_bytes) as f64,
            read_bytes: (self.read_bytes - before.read_bytes) as f64,
        }
    }
}
