//! A running plugin: a process group that is killed as a whole, and its process, which is reaped.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The leaders of all groups that are not reaped yet, so that their process ids are not reused.
/// Bound: one a prober.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

fn running() -> MutexGuard<'static, BTreeSet<i32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills every running plugin, at the end of the program.
pub fn kill_all() {
    for leader in running().iter().filter_map(|leader| Pid::from_raw(*leader)) {
        kill(leader);
    }
}

/// A group that has ended already is no error.
fn kill(leader: Pid) {
    let _ = kill_process_group(leader, Signal::KILL);
}

/// Readable when the process exits.
#[expect(deprecated, reason = "its replacement is unsafe; an `OwnedFd` keeps its descriptor")]
fn watch(process: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(process, Interest::READABLE)
}

/// Killed on drop.
pub struct Group {
    leader: Pid,
    /// `None` once it is reaped, or passed on to be.
    child: Option<Child>,
    exit: Option<AsyncFd<OwnedFd>>,
}

impl Group {
    /// Starts `command` as the leader of a new group.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).spawn()?;
        let leader = Pid::from_child(&child);
        running().insert(leader.as_raw_pid());
        let mut group = Self { leader, child: Some(child), exit: None };
        let exit = pidfd_open(leader, PidfdFlags::empty())?;
        group.exit = Some(watch(exit)?);
        Ok(group)
    }

    /// The pipes of the process, if they were requested and not taken before.
    pub fn take_output(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        match &mut self.child {
            Some(child) => (child.stdout.take(), child.stderr.take()),
            None => (None, None),
        }
    }

    /// Waits until the leader exits, and leaves it to be reaped.
    pub async fn exited(&self) -> io::Result<()> {
        if let Some(exit) = &self.exit {
            exit.readable().await?.retain_ready();
        }
        Ok(())
    }

    /// Kills what is left of the group, and reaps its leader, which has exited.
    pub fn end(mut self) -> io::Result<ExitStatus> {
        kill(self.leader);
        let child = self.child.take().ok_or(io::ErrorKind::NotFound)?;
        reap(self.leader, child)
    }
}

/// Waits for the exit of `child`.
fn reap(leader: Pid, mut child: Child) -> io::Result<ExitStatus> {
    // First, since the process id may be reused once the process is reaped.
    running().remove(&leader.as_raw_pid());
    child.wait()
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(child) = self.child.take() else { return };
        kill(self.leader);
        let (leader, exit) = (self.leader, self.exit.take());
        // A killed process may take a moment to exit. At the end of the program the kernel reaps.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let exited = match &exit {
                    Some(exit) => exit.readable().await.is_ok(),
                    None => true,
                };
                if exited {
                    let _ = reap(leader, child);
                }
            });
        }
    }
}
