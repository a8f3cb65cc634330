//! Retention deletes what is too old, in short steps, and returns its space.

use std::time::{Duration, Instant};

use crate::domain::Retention;
use crate::domain::access::token::REVOKED_KEPT_MS;
use crate::storage::alerting::AlertingCutoffs;
use crate::storage::error::StorageError;
use crate::storage::port::{Expired, StoreWrite};

/// Time after which a step begins no further transaction. A transaction takes a few milliseconds,
/// so a step stays below the 50 ms that the writer may be blocked.
const STEP: Duration = Duration::from_millis(20);

/// Chunks per transaction.
const CHUNKS: u32 = 32;

/// Roll-ups or events per transaction.
const ROWS: u32 = 500;

/// Services that are searched at a time for something that is too old.
pub const SEARCHED: u32 = 256;

/// Age of a closed notification, and of a signal that was never settled.
const NOTIFICATIONS: Duration = Duration::from_secs(7 * 86_400);

/// The next service to expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The first service of those searched, living or not, with something that is too old.
    Old(i64),
    /// Nothing is too old up to this service.
    NoneUpTo(i64),
}

/// How far a round has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Progress {
    #[default]
    Ticks,
    /// Roll-ups and events of the services after this id.
    AfterService(i64),
    /// And maintenance, tokens and sessions.
    Alerting,
    Audit,
    Space,
    Done,
}

/// Takes the next step of a round. Cutoffs are computed from `now_ms`, in unix milliseconds.
pub fn step(
    store: &mut dyn StoreWrite,
    retention: Retention,
    mut progress: Progress,
    now_ms: i64,
) -> Result<Progress, StorageError> {
    let started = Instant::now();
    while progress != Progress::Done && started.elapsed() < STEP {
        progress = match progress {
            Progress::Ticks => {
                let is_more = store.expire_chunks(cutoff(now_ms, retention.ticks), CHUNKS)?;
                if is_more { progress } else { Progress::AfterService(0) }
            }
            Progress::AfterService(after) => {
                match store.expire_service(after, cutoff(now_ms, retention.rollups), ROWS)? {
                    None => Progress::Alerting,
                    Some(Expired { is_done: false, .. }) => progress,
                    Some(Expired { service_id, .. }) => Progress::AfterService(service_id),
                }
            }
            Progress::Alerting => {
                let cutoffs = AlertingCutoffs {
                    alerts_ms: cutoff(now_ms, retention.rollups),
                    notifications_ms: cutoff(now_ms, NOTIFICATIONS),
                    deliveries_ms: cutoff(now_ms, retention.deliveries),
                };
                let mut is_more = store.expire_spans(cutoffs.alerts_ms, ROWS)?;
                is_more |= store.expire_alerting(cutoffs, ROWS)?;
                let revoked_ms = now_ms.saturating_sub(REVOKED_KEPT_MS);
                is_more |= store.expire_access(revoked_ms, now_ms, ROWS)?;
                if is_more { progress } else { Progress::Audit }
            }
            Progress::Audit => {
                let is_more = store.expire_audit(cutoff(now_ms, retention.rollups), ROWS)?;
                if is_more { progress } else { Progress::Space }
            }
            Progress::Space => {
                if store.release_space()? {
                    progress
                } else {
                    Progress::Done
                }
            }
            Progress::Done => progress,
        };
    }
    Ok(progress)
}

fn cutoff(now_ms: i64, age: Duration) -> i64 {
    now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}
