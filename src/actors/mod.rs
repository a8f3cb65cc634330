//! The actors. Each has a folder with its pure decisions beside it; [`messages`] is a leaf.
//!
//! | actor | where | messages | from | bounded by |
//! |---|---|---|---|---|
//! | [`Scheduler`](scheduler::Scheduler) | main arbiter | `ServiceChanged` | recorder | one for each change |
//! | | | `ConfirmationResult` | pool | slots |
//! | | | `HeartbeatReceived`, `GetLateness`, `Stop` | HTTP, app | connections; one |
//! | [`Pool`](pool::Pool) | main arbiter | `Dispatch` | scheduler | due slots, `DISPATCH_LIMIT` jobs each |
//! | | | `ReviseService`, `RemoveService` | scheduler | one for each change |
//! | | | `ProbesFinished` | recorder | slots |
//! | | | `ProbeNow` | HTTP | connections; the queue's limit |
//! | | | `SubscribeConfirmations`, `Drain` | app | one |
//! | [`Prober`](prober::Prober) × `RUNNER_POOL_SIZE` | one arbiter a core | `RunProbe`, `Preempt` | pool | one each: the slot is leased |
//! | [`Canaries`](self_check::canaries::Canaries) | an arbiter of the probers | `AreCanariesDead` | recorder | one at a time |
//! | [`Recorder`](recorder::Recorder) | main arbiter | `ProbesEnded` | probers | slots, which stay leased; buffered by `RECORDER_BUFFER_LIMIT` |
//! | | | `RecordOutcome` | HTTP | connections; buffered by `RECORDER_BUFFER_LIMIT` |
//! | | | `MakeChange`, `ApplyFile` | HTTP, app | `CHANGES_LIMIT`, then `Busy` |
//! | | | `Ask<Q>` | HTTP | `READS_LIMIT`, then `Busy` |
//! | | | `QueueUpkeepWrite` | upkeep | one at a time |
//! | | | `GetTrouble`, `Subscribe`, `Flush` | HTTP, upkeep, app | connections; one |
//! | [`Upkeep`](upkeep::Upkeep) | main arbiter | `TicksCommitted` | recorder | one for each commit |
//! | [`EventLog`](event_log::EventLog) | main arbiter | `EventsBegan` | recorder | `MAILBOX_CAPACITY`, then counted and dropped |
//! | [`Writer`](store::writer::Writer) | its own thread | `Commit`, `MakeChange`, `ApplyFile`, `UpkeepWrite`, `Close` | recorder | one at a time |
//! | [`Reader`](store::readers::Reader) × 2 | their own threads | `Ask<Q>` | recorder | `READS_LIMIT` |
//! | [`Reader`](store::readers::Reader) of the upkeep | its own thread | `Ask<Prepare>`, `Ask<GetUsage>` | upkeep | one slice and one count at a time |
//!
//! Actix does not enforce the capacity of a mailbox (docs/design/actors.md), so every bound above is
//! a field or constant that its owner checks. The one exception is `MAILBOX_CAPACITY`, which holds
//! because the recorder sends through a single recipient that is never cloned.

pub mod event_log;
pub mod last_results;
pub mod messages;
pub mod pool;
pub mod prober;
pub mod recorder;
pub mod revision;
pub mod runtime;
pub mod scheduler;
pub mod self_check;
pub mod store;
pub mod upkeep;
