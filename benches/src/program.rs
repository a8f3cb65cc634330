//! The service under test, as a process: start, CPU, memory, what it tells, stop. It is killed when it is dropped.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use procfs::process::Process;
use rustix::process::{Pid, Signal, kill_process};
use service_healthcheck::metrics::{Format, Telemetry};

/// Longest time for anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Longest time for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The service as it was built beside this program.
pub fn own_binary() -> PathBuf {
    let binary =
        std::env::current_exe().expect("this program").with_file_name("service-healthcheck");
    assert!(binary.exists(), "{} is missing: `make bench` builds it", binary.display());
    binary
}

/// A new folder beside this program, which is on a disk and not in memory; it is removed when it is dropped.
pub fn folder() -> tempfile::TempDir {
    let beside = std::env::current_exe().expect("this program");
    let parent = beside.parent().expect("its folder");
    tempfile::Builder::new().prefix("of-bench-").tempdir_in(parent).expect("a folder")
}

/// A running service.
pub struct Program {
    child: Child,
    /// Host and port of its API.
    pub api: String,
    /// From its start until it was ready.
    pub ready_after: Duration,
}

impl Program {
    /// Starts `binary` in `folder` with these settings, and waits until it is ready.
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

    fn is_ready(&self) -> bool {
        get(&self.api, "/v1/_internal/ready").is_ok_and(|(status, _)| status == 200)
    }

    /// Its CPU time so far.
    pub fn cpu(&self) -> Cpu {
        Cpu::of(self.child.id())
    }

    /// Its memory in MiB: what is resident now, and the most that ever was.
    pub fn rss_mib(&self) -> (f64, f64) {
        let status = process(self.child.id()).status().expect("its status");
        let mib = |kib: Option<u64>| kib.unwrap_or_default() as f64 / 1_024.0;
        (mib(status.vmrss), mib(status.vmhwm))
    }

    /// What it counts of itself. With many services it tells a lot, so this is not for the time in which it is measured.
    pub fn metrics(&self) -> Metrics {
        Metrics(get(&self.api, "/metrics").expect("its metrics").1)
    }

    /// Has it read its services file again.
    pub fn reload(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).expect("it runs");
    }

    /// Asks it to stop; gives how long that took, and its exit code unless a signal ended it.
    pub fn stop(mut self) -> (Duration, Option<i32>) {
        let asked = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        let status = wait_for("the service to end", || self.child.try_wait().expect("its end"));
        (asked.elapsed(), status.code())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Address of the API; the rest of the log is read and dropped.
fn listening(log: impl Read + Send + 'static) -> String {
    let mut lines = BufReader::new(log).lines().map_while(Result::ok);
    let mut said = String::new();
    let address = lines.by_ref().find_map(|line| {
        said.push_str(&line);
        said.push('\n');
        Some(line.split_once("listening, address: ")?.1.to_owned())
    });
    std::thread::spawn(move || lines.for_each(drop));
    address.ok_or(said).expect("the service listens")
}

/// Polls until there is something.
pub fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `GET path`: status and body.
pub fn get(address: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    // In one piece, since a target reads once.
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
}

/// A text of `/metrics`.
pub struct Metrics(String);

impl Metrics {
    /// What `telemetry` tells.
    pub fn of(telemetry: &Telemetry) -> Self {
        Self(telemetry.expose(Vec::new(), Format::Plain).expect("a text"))
    }

    /// Outcomes that are ticks in the store.
    pub fn recorded(&self) -> f64 {
        self.sum("service_healthcheck_outcomes_total{result=\"recorded\"}")
    }

    /// The sum of all lines that begin so.
    pub fn sum(&self, start: &str) -> f64 {
        let lines = self.0.lines().filter(|line| line.starts_with(start));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Outcomes that were dropped.
    pub fn dropped(&self) -> f64 {
        self.sum("service_healthcheck_outcomes_total{result=\"dropped\"}")
    }

    /// Probes that led to an outcome for the store, less what became of them: what is still on its way, or lost.
    pub fn unaccounted(&self) -> f64 {
        let produced = self.sum("service_healthcheck_probes_total")
            - self.sum("service_healthcheck_probes_total{result=\"ours\"");
        produced - self.sum("service_healthcheck_outcomes_total")
    }

    /// Outcomes that wait for their commit.
    pub fn buffered(&self) -> f64 {
        self.sum("service_healthcheck_outcomes_buffered")
    }

    /// Services that are probed.
    pub fn services(&self) -> f64 {
        self.sum("service_healthcheck_services ")
    }

    /// Probes under way.
    pub fn busy(&self) -> f64 {
        self.sum("service_healthcheck_slots_busy")
    }
}

/// CPU time of a process at a moment, thread by thread, to the nanosecond.
pub struct Cpu(HashMap<i32, u64>);

impl Cpu {
    /// What the process has had, user and system.
    pub fn of(pid: u32) -> Self {
        let tasks = process(pid).tasks().expect("its threads").flatten();
        Self(
            tasks
                .filter_map(|task| Some((task.tid, task.schedstat().ok()?.sum_exec_runtime)))
                .collect(),
        )
    }

    /// What this very process has had.
    pub fn own() -> Self {
        Self::of(std::process::id())
    }

    /// Microseconds since `before`; what a thread had that has ended meanwhile is not in it.
    pub fn us_since(&self, before: &Self) -> f64 {
        let spent =
            |(tid, now): (&i32, &u64)| now - before.0.get(tid).copied().unwrap_or(0).min(*now);
        self.0.iter().map(spent).sum::<u64>() as f64 / 1e3
    }
}

fn process(pid: u32) -> Process {
    Process::new(pid.cast_signed()).expect("a process")
}
