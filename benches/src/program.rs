//! The service under test as a process: start, CPU, memory, metrics, stop. Dropping it kills it.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use procfs::process::{MemoryMap, Process};
use rustix::process::{Pid, Signal, kill_process};
use service_healthcheck::metrics::{Format, Telemetry};

use crate::usage::Usage;

/// Longest wait for any condition.
const WAIT_LIMIT: Duration = Duration::from_secs(120);

/// Longest wait for a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The release binary beside this program.
pub fn own_binary() -> PathBuf {
    let binary =
        std::env::current_exe().expect("this program").with_file_name("service-healthcheck");
    assert!(binary.exists(), "{} is missing: `make bench` builds it", binary.display());
    binary
}

/// The folder of this program: on a disk, not in memory.
pub fn parent() -> PathBuf {
    let beside = std::env::current_exe().expect("this program");
    beside.parent().expect("its folder").to_owned()
}

/// A temporary folder beside this program.
pub fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("of-bench-").tempdir_in(parent()).expect("a folder")
}

/// A running service.
pub struct Program {
    child: Child,
    /// Host and port of its API.
    pub api: String,
    /// Time from the start until it was ready.
    pub ready_after: Duration,
}

impl Program {
    /// Starts `binary` in `folder` with `settings`, and waits until it is ready.
    pub fn start(binary: &Path, folder: &Path, settings: &[(&str, &str)]) -> Self {
        let started = Instant::now();
        let mut child = Command::new(binary)
            .arg("run")
            .current_dir(folder)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("API_PORT", "0")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the service");
        let log = child.stderr.take().expect("its log");
        let mut program = Self { child, api: String::new(), ready_after: Duration::ZERO };
        program.api = listening(log);
        wait_for("the service to be ready", || program.is_ready().then_some(()));
        program.ready_after = started.elapsed();
        program
    }

    pub fn is_ready(&self) -> bool {
        get(&self.api, "/v1/_internal/ready").is_ok_and(|(status, _)| status == 200)
    }

    pub fn cpu(&self) -> Cpu {
        Cpu::of(self.child.id())
    }

    pub fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }

    /// Resident memory now, and its maximum so far, in MiB.
    pub fn rss_mib(&self) -> (f64, f64) {
        let status = process(self.child.id()).status().expect("its status");
        let mib = |kib: Option<u64>| kib.unwrap_or_default() as f64 / 1_024.0;
        (mib(status.vmrss), mib(status.vmhwm))
    }

    /// Its memory by mapping.
    pub fn smaps(&self) -> Vec<MemoryMap> {
        process(self.child.id()).smaps().expect("its memory").0
    }

    /// Its metrics. Expensive with many services, so not for use during a measurement.
    pub fn metrics(&self) -> Metrics {
        Metrics(get(&self.api, "/metrics").expect("its metrics").1)
    }

    /// Makes it read its services file again (SIGHUP).
    pub fn reload(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).expect("it runs");
    }

    /// Stops it (SIGTERM); returns the duration, and the exit code unless a signal ended it.
    pub fn stop(mut self) -> (Duration, Option<i32>) {
        let started = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        let status = wait_for("the service to end", || self.child.try_wait().expect("its end"));
        (started.elapsed(), status.code())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the address of the API from the log; the rest of the log is discarded.
fn listening(log: impl Read + Send + 'static) -> String {
    let mut lines = BufReader::new(log).lines().map_while(Result::ok);
    let mut text = String::new();
    let address = lines.by_ref().find_map(|line| {
        text.push_str(&line);
        text.push('\n');
        Some(line.split_once("listening, address: ")?.1.to_owned())
    });
    std::thread::spawn(move || lines.for_each(drop));
    address.ok_or(text).expect("the service listens")
}

/// Polls until `poll` returns a value.
pub fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + WAIT_LIMIT;
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {WAIT_LIMIT:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Status and body of `GET path`.
pub fn get(address: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
    // In one write, since a target reads once.
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
}

/// An exposition of `/metrics`.
pub struct Metrics(String);

impl Metrics {
    /// The metrics of `telemetry`.
    pub fn of(telemetry: &Telemetry) -> Self {
        Self(telemetry.expose(Vec::new(), Format::Plain).expect("a text"))
    }

    /// Outcomes that are ticks in the store.
    pub fn recorded(&self) -> f64 {
        self.sum("service_healthcheck_outcomes_total{result=\"recorded\"}")
    }

    /// The sum of all samples whose line begins with `start`.
    pub fn sum(&self, start: &str) -> f64 {
        let lines = self.0.lines().filter(|line| line.starts_with(start));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    pub fn dropped(&self) -> f64 {
        self.sum("service_healthcheck_outcomes_total{result=\"dropped\"}")
    }

    /// Outcomes for the store that are not counted as recorded, orphaned or dropped: still on their
    /// way, or lost.
    pub fn unaccounted(&self) -> f64 {
        let probes = self.sum("service_healthcheck_probes_total");
        // Builds before the label was renamed use "ours".
        let local: f64 = ["local", "ours"]
            .map(|result| {
                self.sum(&format!("service_healthcheck_probes_total{{result=\"{result}\""))
            })
            .iter()
            .sum();
        probes - local - self.sum("service_healthcheck_outcomes_total")
    }

    /// Outcomes in the recorder's buffer.
    pub fn buffered(&self) -> f64 {
        self.sum("service_healthcheck_outcomes_buffered")
    }

    pub fn services(&self) -> f64 {
        self.sum("service_healthcheck_services ")
    }

    /// Running probes.
    pub fn busy(&self) -> f64 {
        self.sum("service_healthcheck_slots_busy")
    }
}

/// CPU time of each thread of a process at one instant, in nanoseconds.
pub struct Cpu(HashMap<i32, u64>);

impl Cpu {
    /// User and system time of the process.
    pub fn of(pid: u32) -> Self {
        let tasks = process(pid).tasks().expect("its threads").flatten();
        Self(
            tasks
                .filter_map(|task| Some((task.tid, task.schedstat().ok()?.sum_exec_runtime)))
                .collect(),
        )
    }

    /// User and system time of this process.
    pub fn own() -> Self {
        Self::of(std::process::id())
    }

    /// Microseconds since `before`; without threads that have ended meanwhile.
    pub fn us_since(&self, before: &Self) -> f64 {
        let spent =
            |(tid, now): (&i32, &u64)| now - before.0.get(tid).copied().unwrap_or(0).min(*now);
        self.0.iter().map(spent).sum::<u64>() as f64 / 1e3
    }
}

fn process(pid: u32) -> Process {
    Process::new(pid.cast_signed()).expect("a process")
}
