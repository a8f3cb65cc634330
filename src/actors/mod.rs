//! The actors. Decisions are pure ([`schedule`], [`spread`], [`mod@line`], [`buffer`],
//! [`health`], [`outage`], [`upkeep`],
//! [`beats`]); actors carry them.
//!
//! | actor | where | messages | from | bounded by |
//! |---|---|---|---|---|
//! | [`Scheduler`](scheduler::Scheduler) | main arbiter | `ServiceChanged` | recorder | changes, one at a time |
//! | | | `ConfirmationResult` | pool | slots |
//! | | | `HeartbeatSeen`, `GetLateness`, `Stop` | HTTP, app | connections; one |
//! | [`Pool`](pool::Pool) | main arbiter | `Dispatch` | scheduler | what is due together, `DISPATCH_LIMIT` jobs each |
//! | | | `Revise`, `Leave` | scheduler | changes |
//! | | | `Finished` | recorder | slots |
//! | | | `ProbeNow` | HTTP | connections; a place in the line each |
//! | | | `SubscribeConfirmations`, `Drain` | app | one |
//! | [`Prober`](prober::Prober) × `RUNNER_POOL_SIZE` | an arbiter a core | `RunProbe`, `GiveUp` | pool | one each: the slot is taken |
//! | [`Sentinel`](sentinel::Sentinel) | an arbiter of the probers | `AreCanariesDead` | recorder | one at a time |
//! | [`Recorder`](recorder::Recorder) | main arbiter | `Probed` | probers | one a slot, which stays taken; kept ones by `RECORDER_BUFFER_LIMIT` |
//! | | | `RecordOutcome` | HTTP | connections; kept ones by `RECORDER_BUFFER_LIMIT` |
//! | | | `MakeChange`, `ApplyFile` | HTTP, app | `CHANGES_LIMIT`, then told to come again |
//! | | | `Ask<Q>` | HTTP | `READS_LIMIT`, then told to come again |
//! | | | `GetTrouble`, `GetResults`, `Subscribe`, `Flush` | HTTP, app | connections; one |
//! | [`Writer`](writer::Writer) | a thread of its own | `Commit`, `MakeChange`, `ApplyFile`, `BeginSealing`, `Publish`, `FinishSealing`, `Retain`, `Close` | recorder | one at a time |
//! | [`Reader`](reader::Reader) × 2 | threads of their own | `Ask<Q>` | recorder | `READS_LIMIT` |
//! | [`Reader`](reader::Reader), the keeper | a thread of its own | `Ask<Prepare>`, `Ask<GetUsage>` | recorder | one slice and one count at a time |
//!
//! A mailbox bounds nothing (docs/design/actors.md), so every bound above is a field or constant that its owner checks.

pub mod beats;
pub mod board;
pub mod buffer;
pub mod health;
pub mod line;
pub mod outage;
pub mod pool;
pub mod prober;
pub mod reader;
pub mod recorder;
pub mod revision;
pub mod schedule;
pub mod scheduler;
pub mod sentinel;
pub mod spread;
mod told;
pub mod upkeep;
pub mod writer;

use tokio::sync::mpsc;

/// Held by an actor without which the process must not go on. Its end, by panic or otherwise, is told to the app.
#[derive(Debug)]
pub struct Lifeline {
    actor: &'static str,
    deaths: mpsc::UnboundedSender<&'static str>,
}

impl Lifeline {
    /// A lifeline that reports the death of `actor` to `deaths`; one message at most is ever sent.
    pub fn new(actor: &'static str, deaths: &mpsc::UnboundedSender<&'static str>) -> Self {
        Self { actor, deaths: deaths.clone() }
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        // Nobody listens any more once the app itself has ended.
        let _ = self.deaths.send(self.actor);
    }
}
