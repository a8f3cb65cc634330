//! Runs a command to its end, and reads its output within limits.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus, Stdio};

use tokio::net::unix::pipe::Receiver;

use crate::domain::{Failure, Reason};
use crate::probe::exec::group::Group;

/// Most bytes of each output that are kept; what follows is discarded.
const KEPT_BYTES: usize = 64 * 1024;

/// A plugin that writes more bytes to one output is killed.
const OUTPUT_LIMIT: usize = 1024 * 1024;

/// A plugin that has ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Runs `command` in a group of its own, without input. When the leader exits, the rest of its
/// group is killed. Dropping the future kills the group.
pub async fn run(mut command: Command) -> Result<Finished, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::spawn(&mut command).map_err(|error| cannot_run(&error))?;
    let (stdout, stderr) = group.take_output();
    let mut stdout = Output::new(stdout.map(OwnedFd::from), "output")?;
    let mut stderr = Output::new(stderr.map(OwnedFd::from), "error output")?;
    loop {
        tokio::select! {
            exited = group.exited() => {
                exited.map_err(|error| cannot_run(&error))?;
                break;
            }
            read = stdout.read() => read?,
            read = stderr.read() => read?,
        }
    }
    let status = group.end().map_err(|error| cannot_run(&error))?;
    // Another process may hold a pipe open, so its end may never come.
    stdout.read_available()?;
    stderr.read_available()?;
    Ok(Finished { status, stdout: stdout.kept, stderr: stderr.kept })
}

/// A failure of this machine to start or watch a process.
fn cannot_run(error: &io::Error) -> Failure {
    const EAGAIN: i32 = 11;
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let reason = match error.raw_os_error() {
        Some(EAGAIN | ENOMEM | ENFILE | EMFILE) => Reason::LocalDescriptors,
        _ => Reason::LocalFault,
    };
    Failure::new(reason, format!("the plugin cannot be started: {error}"))
}

/// One output of a process.
struct Output {
    /// `None` after the end of the output.
    pipe: Option<Receiver>,
    name: &'static str,
    kept: Vec<u8>,
    read: usize,
}

impl Output {
    fn new(pipe: Option<OwnedFd>, name: &'static str) -> Result<Self, Failure> {
        let pipe = pipe.map(Receiver::from_owned_fd).transpose();
        let pipe = pipe.map_err(|error| cannot_run(&error))?;
        Ok(Self { pipe, name, kept: Vec::new(), read: 0 })
    }

    /// Waits for output and reads it. Never returns after the end of the output.
    async fn read(&mut self) -> Result<(), Failure> {
        match &self.pipe {
            Some(pipe) => pipe.readable().await.map_err(|error| cannot_run(&error))?,
            None => std::future::pending().await,
        }
        self.read_available()
    }

    /// Reads what is there.
    fn read_available(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 8 * 1024];
        while let Some(pipe) = &self.pipe {
            match pipe.try_read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(read) => {
                    self.read += read;
                    let free = KEPT_BYTES - self.kept.len();
                    self.kept.extend_from_slice(&buffer[..read.min(free)]);
                    if self.read > OUTPUT_LIMIT {
                        let name = self.name;
                        let detail = format!("an {name} of more than {OUTPUT_LIMIT} bytes");
                        return Err(Failure::new(Reason::LocalPlugin, detail));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(cannot_run(&error)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, test_kill_process};

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    fn is_running(pid: &str) -> bool {
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        // A process that is a zombie is not running.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
        test_kill_process(pid).is_ok() && stat.is_ok_and(|stat| !stat.contains(") Z"))
    }

    async fn wait_until_ended(pid: &str) {
        let began = Instant::now();
        while is_running(pid) {
            assert!(began.elapsed() < Duration::from_secs(60), "process {pid} runs");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn status_and_output_are_returned() {
        let finished = run(shell("echo out; echo err >&2; cat; exit 2")).await.unwrap();
        assert_eq!(finished.status.code(), Some(2));
        assert_eq!((finished.stdout, finished.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
        let killed = run(shell("kill -SEGV $$")).await.unwrap();
        assert_eq!(killed.status.signal(), Some(11));
    }

    #[tokio::test]
    async fn the_rest_of_the_group_ends_with_its_leader() {
        // The child holds the pipes open.
        let finished = run(shell("sleep 600 & echo $!")).await.unwrap();
        let child = String::from_utf8(finished.stdout).unwrap();
        wait_until_ended(&child).await;
    }

    #[tokio::test]
    async fn a_dropped_run_kills_the_group_and_reaps_its_leader() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let script = format!("sleep 600 & echo $$ $! > {}; wait", file.display());
        let running = run(shell(&script));
        let pids = async {
            loop {
                let pids = std::fs::read_to_string(&file).unwrap_or_default();
                if pids.ends_with('\n') {
                    return pids;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let pids = tokio::select! {
            _ = running => panic!("it ended by itself"),
            pids = pids => pids,
        };
        let (leader, child) = pids.split_once(' ').unwrap();
        wait_until_ended(child).await;
        let began = Instant::now();
        while Pid::from_raw(leader.parse().unwrap()).is_some_and(|it| test_kill_process(it).is_ok())
        {
            assert!(began.elapsed() < Duration::from_secs(60), "the leader is not reaped");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn output_is_kept_and_read_up_to_limits() {
        let finished = run(shell("head -c 300000 /dev/zero | tr '\\0' x")).await.unwrap();
        assert_eq!((finished.status.code(), finished.stdout.len()), (Some(0), KEPT_BYTES));
        let flood = run(shell("yes")).await.unwrap_err();
        assert_eq!(flood.reason, Reason::LocalPlugin);
        assert_eq!(flood.detail, "an output of more than 1048576 bytes");
        let flood = run(shell("yes >&2")).await.unwrap_err();
        assert_eq!(flood.detail, "an error output of more than 1048576 bytes");
    }

    #[tokio::test]
    async fn a_machine_without_processes_is_a_local_fault() {
        for errno in [11, 12, 23, 24] {
            let failure = cannot_run(&io::Error::from_raw_os_error(errno));
            assert_eq!(failure.reason, Reason::LocalDescriptors, "{errno}");
        }
        let missing = run(Command::new("/no/such/program")).await.unwrap_err();
        assert_eq!(missing.reason, Reason::LocalFault);
    }
}
