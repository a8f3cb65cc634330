//! What the dispatcher watches beside signals: itself, burn rates, and the watchdog.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use actix::SpawnHandle;

use super::messages::MessageSource;
use crate::domain::alert::settings::Watchdog;
use crate::domain::alert::{AlertKind, ChannelId, Facts, Message, NotificationState};
use crate::storage::alerting::burn_rates::Objective;

/// Interval between two looks at the scheduler, the store and the channels.
pub const WATCH_EVERY: Duration = Duration::from_secs(5);

/// Interval between two looks at burn rates.
pub const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Milliseconds for which the scheduler is late before an alert begins, and on time before it ends.
const LATE_FOR_MS: i64 = 60_000;

/// Milliseconds for which the store fails before an alert begins.
const STORE_FAILS_FOR_MS: i64 = 30_000;

/// A state that counts once it has lasted.
#[derive(Debug)]
pub struct Debounce {
    begins_after_ms: i64,
    ends_after_ms: i64,
    is_bad: bool,
    /// Unix milliseconds since when the observation differs from `is_bad`.
    differs_since_ms: Option<i64>,
}

impl Debounce {
    pub const fn new(begins_after_ms: i64, ends_after_ms: i64) -> Self {
        Self { begins_after_ms, ends_after_ms, is_bad: false, differs_since_ms: None }
    }

    /// Whether the newest observation is bad, or the state is.
    pub fn differs_or_bad(&self) -> bool {
        self.is_bad || self.differs_since_ms.is_some()
    }

    /// Notes an observation. `Some` when the state changes: whether it is bad now, and since when.
    pub fn observe(&mut self, is_bad: bool, now_ms: i64) -> Option<(bool, i64)> {
        if is_bad == self.is_bad {
            self.differs_since_ms = None;
            return None;
        }
        let since_ms = *self.differs_since_ms.get_or_insert(now_ms);
        let lasts_ms = if is_bad { self.begins_after_ms } else { self.ends_after_ms };
        if now_ms - since_ms < lasts_ms {
            return None;
        }
        self.is_bad = is_bad;
        self.differs_since_ms = None;
        Some((is_bad, since_ms))
    }
}

/// What the dispatcher watches.
pub struct OwnWatch {
    pub lateness: Debounce,
    pub store: Debounce,
    /// Begins while the store fails, so it is kept in memory alone.
    pub store_alert: Option<StoreAlert>,
}

/// An alert about the store: delivered at once and hourly, and its end.
#[derive(Debug)]
pub struct StoreAlert {
    pub since_ms: i64,
    pub detail: String,
    pub ended_ms: Option<i64>,
    /// Unix milliseconds of the newest delivery by channel. Bound: the channels.
    pub delivered: HashMap<ChannelId, i64>,
}

impl StoreAlert {
    pub fn message(
        &self,
        source: &MessageSource,
        state: NotificationState,
        now_ms: i64,
    ) -> Message {
        Message {
            state,
            kind: AlertKind::Store,
            severity: AlertKind::Store.severity(),
            key: source.own_key(&format!("store{}", self.since_ms)),
            description: String::new(),
            facts: Facts { detail: self.detail.clone(), ..Facts::default() },
            since_ms: self.since_ms,
            ended_ms: self.ended_ms,
            link: None,
            ..source.test_message(state, 0, now_ms)
        }
    }
}

impl Default for OwnWatch {
    fn default() -> Self {
        Self {
            lateness: Debounce::new(LATE_FOR_MS, LATE_FOR_MS),
            store: Debounce::new(STORE_FAILS_FOR_MS, 0),
            store_alert: None,
        }
    }
}

/// The services whose burn rates are evaluated.
#[derive(Debug, Default)]
pub struct BurnRates {
    /// Bound: the services with an objective and a route for it.
    pub objectives: Rc<[Objective]>,
    pub looks: u32,
    pub is_looking: bool,
}

/// The watchdog of the services file.
#[derive(Debug, Default)]
pub struct WatchdogCalls {
    pub watchdog: Option<Watchdog>,
    /// The timer of the next call.
    pub timer: Option<SpawnHandle>,
    /// Whether the newest call failed.
    pub has_failed: bool,
}

impl OwnWatch {
    /// Whether the store takes writes and the scheduler is on time, as far as is known.
    pub fn is_ready(&self) -> bool {
        !self.store.differs_or_bad() && !self.lateness.differs_or_bad()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_counts_once_it_has_lasted() {
        let mut late = Debounce::new(60_000, 30_000);
        assert_eq!(late.observe(true, 0), None);
        assert_eq!(late.observe(true, 59_999), None);
        assert_eq!(late.observe(false, 60_000), None, "a pause begins it anew");
        assert_eq!(late.observe(true, 70_000), None);
        assert_eq!(late.observe(true, 130_000), Some((true, 70_000)));
        assert_eq!(late.observe(true, 140_000), None, "reported once");
        assert_eq!(late.observe(false, 150_000), None);
        assert_eq!(late.observe(false, 180_000), Some((false, 150_000)));
    }
}
