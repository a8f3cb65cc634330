//! The actors. Each has a folder with its pure decisions beside it; [`messages`] is a leaf.
//!
//! Scheduler, pool, recorder, upkeep and event log run on the main arbiter; probers and canaries on
//! one arbiter a core; the live state ([`live`](crate::live)) and the relay
//! ([`relay`](crate::relay)) on arbiters of their own; the writer, each reader and each querier on
//! a thread of their own.
//!
//! | actor | messages | from | bound |
//! |---|---|---|---|
//! | [`Scheduler`] | `ServiceChanged` | recorder | one a change |
//! | | `ConfirmationResult` | pool | slots |
//! | | `HeartbeatReceived`, `GetLateness` | HTTP | connections |
//! | | `RestartHeartbeatWaits` | recorder | one a change of the self-check |
//! | | `LeaveShards` | recorder | one at a time |
//! | | `Stop` | app | one |
//! | [`Pool`] | `Dispatch` | scheduler | due slots, `DISPATCH_LIMIT` jobs each |
//! | | `ReviseService`, `RemoveService` | scheduler | one a change |
//! | | `ProbesFinished` | recorder | slots |
//! | | `ProbeNow` | HTTP | connections; the queue's limit |
//! | | `GetProbedShards` | recorder | one at a time |
//! | | `SubscribeConfirmations`, `Drain` | app | one |
//! | [`Prober`] × `RUNNER_POOL_SIZE` | `ToProber` | pool | three, by its lease |
//! | [`Canaries`] | `AreCanariesDead` | recorder | one at a time |
//! | [`Recorder`] | `ProbesEnded` | probers | slots, which stay leased; `RECORDER_BUFFER_LIMIT` |
//! | | `RecordOutcome` | HTTP | connections; `RECORDER_BUFFER_LIMIT` |
//! | | `MakeChange`, `ApplyFile` | HTTP, app | `CHANGES_LIMIT`, then `Busy` |
//! | | `ChangeMaintenance` | HTTP, span writer | `CHANGES_LIMIT`, then `Busy` |
//! | | `ChangeAccess` | HTTP | `CHANGES_LIMIT`, then `Busy` |
//! | | `Ask<Q>` | HTTP | `READS_LIMIT`, then `Busy` |
//! | | `SaveRelayed` | relay | one at a time |
//! | | `FindServices`, `GetOverview`, `OpenStream` | HTTP | connections |
//! | | `QueueUpkeepWrite` | upkeep | one at a time |
//! | | `GetStoreFailure` | HTTP, upkeep | connections; one |
//! | | `GetObservationFailure` | HTTP | connections |
//! | | `Subscribe`, `Flush` | app | one |
//! | | `ClaimShards`, `ChangesFound`, `RecordInbox`, `DropShards` | coordinator | one at a time |
//! | | `GiveBackShards` | coordinator | one at a time |
//! | [`Upkeep`] | `TicksCommitted` | recorder | one a commit |
//! | [`EventLog`] | `EventsBegan` | recorder | `MAILBOX_CAPACITY`, then dropped and counted |
//! | `Relay` | `TicksStored` | recorder | one a commit; its queue, then the store |
//! | | `LabelsChanged` | recorder | one a change |
//! | | `StopRelay` | app | one |
//! | `LiveState` | `ServicesUpdated` | recorder | one at a time, and one a query or change |
//! | | `ServicesDefined`, `MaintenanceChanged` | recorder | one a change |
//! | | `FindServices`, `GetOverview`, `OpenStream` | recorder | connections |
//! | | `CloseStreams` | app | one |
//! | [`Writer`] | `Commit`, `MakeChange`, `ApplyFile` | recorder | one at a time |
//! | | `ChangeMaintenance`, `ChangeAccess` | recorder | one at a time |
//! | | `UpkeepWrite`, `ShardsWrite`, `Close` | recorder | one at a time |
//! | [`Reader`] × 2 | `Ask<Q>` | recorder | `READS_LIMIT` |
//! | [`Reader`] of the upkeep | `Ask<Prepare>`, `Ask<GetUsage>` | upkeep | one of each at a time |
//! | | `Ask<ListDueSpans>` | span writer | one at a time |
//! | [`Coordinator`] | `StopCoordinator` | app | one |
//! | [`CoordinatorStore`] | `Look`, `EndInstance`, `Rejoin` | coordinator | one at a time |
//! | [`Querier`] × `QUERY_CONCURRENCY` | `RunQuery` | HTTP | as many, and `WAITING_LIMIT` more |
//!
//! Actix does not enforce the capacity of a mailbox (docs/design/actors.md), so every bound above
//! is a field or constant that its owner checks. The exception is `MAILBOX_CAPACITY`: it holds
//! because the recorder sends through one recipient that is never cloned.
//!
//! [`Canaries`]: self_check::canaries::Canaries
//! [`Coordinator`]: coordinator::Coordinator
//! [`CoordinatorStore`]: store::coordinator::CoordinatorStore
//! [`EventLog`]: event_log::EventLog
//! [`Pool`]: pool::Pool
//! [`Prober`]: prober::Prober
//! [`Querier`]: querier::Querier
//! [`Reader`]: store::readers::Reader
//! [`Recorder`]: recorder::Recorder
//! [`Scheduler`]: scheduler::Scheduler
//! [`Upkeep`]: upkeep::Upkeep
//! [`Writer`]: store::writer::Writer

pub mod access_registry;
pub mod coordinator;
pub mod current_windows;
pub mod due_heap;
pub mod event_log;
pub mod last_results;
pub mod membership;
pub mod messages;
pub mod monotonic_time;
pub mod open_alerts;
pub mod pool;
pub mod prober;
pub mod push_keys;
pub mod querier;
pub mod recorder;
pub mod revision;
pub mod runtime;
pub mod scheduler;
pub mod self_check;
pub mod service_changes;
pub mod shared_timer;
pub mod span_writer;
pub mod store;
pub mod upkeep;
