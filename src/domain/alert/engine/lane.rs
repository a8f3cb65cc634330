//! The lane of a channel: its bucket of messages, its backoff, and what is due.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::alert::engine::gathering::{Gathering, GroupKey};

/// Messages that a channel may send at once.
const BURST: i64 = 5;

/// Milliseconds until a channel may send one more message.
pub const REFILL_MS: i64 = 15_000;

/// First and longest pause after failed attempts, in milliseconds.
const BACKOFF_MS: (i64, i64) = (1_000, 300_000);

/// A bucket of tokens, as the time at which it is full again (generic cell rate algorithm).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Milliseconds for one token; 0 for no limit.
    refill_ms: i64,
    /// Unix milliseconds.
    full_at_ms: i64,
}

impl Bucket {
    pub fn new(refill_ms: i64) -> Self {
        Self { refill_ms, full_at_ms: i64::MIN }
    }

    /// Number of messages that may be sent now.
    pub fn tokens(&self, now_ms: i64) -> i64 {
        if self.refill_ms == 0 {
            return i64::MAX;
        }
        let missing_ms = self.full_at_ms.saturating_sub(now_ms).max(0);
        BURST - missing_ms.div_euclid(self.refill_ms) - i64::from(missing_ms % self.refill_ms != 0)
    }

    pub fn take(&mut self, now_ms: i64) {
        self.full_at_ms = self.full_at_ms.max(now_ms) + self.refill_ms;
    }

    /// Takes [`take`](Self::take) back.
    pub fn give_back(&mut self) {
        self.full_at_ms = self.full_at_ms.saturating_sub(self.refill_ms);
    }

    /// When a token is there, in unix milliseconds.
    pub fn next_at_ms(&self) -> i64 {
        self.full_at_ms.saturating_sub((BURST - 1) * self.refill_ms)
    }
}

/// A channel that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// Unix milliseconds of the first failed attempt.
    pub since_ms: i64,
    /// Failed attempts in a row.
    pub attempts: u32,
    /// Unix milliseconds.
    pub retry_at_ms: i64,
}

/// Many alerts at once: what begins until its end joins one digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storm {
    /// The digest.
    pub notification_id: i64,
    /// Unix milliseconds; each alert that joins moves it.
    pub until_ms: i64,
}

/// What the engine needs of a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneSettings {
    pub channel_id: i64,
    pub name: String,
    pub enabled: bool,
    /// Whether alerts of the monitor's own are delivered here.
    pub system: bool,
    /// One notification each; empty for a kind with one request for all.
    pub recipients: Vec<String>,
    /// Milliseconds until the channel may send one more message.
    pub refill_ms: i64,
    /// A mirror receives the alerts themselves instead of notifications.
    pub is_mirror: bool,
}

#[derive(Debug)]
pub struct Lane {
    pub settings: LaneSettings,
    pub bucket: Bucket,
    pub failing: Option<Failing>,
    /// A request for this notification is under way.
    pub in_flight: Option<i64>,
    /// Unix milliseconds of the begin of the newest request.
    pub began_ms: i64,
    /// The request under way is being cancelled, in favour of other channels.
    pub is_preempted: bool,
    /// Time and id of the notifications with something to send.
    pub due: BTreeSet<(i64, i64)>,
    pub gatherings: BTreeMap<GroupKey, Gathering>,
    pub storm: Option<Storm>,
}

impl Lane {
    pub fn new(settings: LaneSettings, failing_since_ms: Option<i64>) -> Self {
        let failing =
            failing_since_ms.map(|since_ms| Failing { since_ms, attempts: 1, retry_at_ms: 0 });
        Self {
            bucket: Bucket::new(settings.refill_ms),
            settings,
            failing,
            in_flight: None,
            began_ms: 0,
            is_preempted: false,
            due: BTreeSet::new(),
            gatherings: BTreeMap::new(),
            storm: None,
        }
    }

    /// When the next attempt may begin; `None` without one that is due, and while one is under way.
    pub fn next_attempt_ms(&self) -> Option<i64> {
        if self.in_flight.is_some() || !self.settings.enabled {
            return None;
        }
        let (due_ms, _) = self.due.first()?;
        let retry_at_ms = self.failing.map_or(i64::MIN, |failing| failing.retry_at_ms);
        Some((*due_ms).max(retry_at_ms).max(self.bucket.next_at_ms()))
    }

    /// Notes a failed attempt. `jitter` is from 0.5 to 1. Returns when the next one is due.
    pub fn failed(&mut self, now_ms: i64, retry_after_ms: Option<i64>, jitter: f64) -> i64 {
        let before = self.failing;
        let attempts = before.map_or(0, |failing| failing.attempts).saturating_add(1);
        let (first, longest) = BACKOFF_MS;
        let doubled = first.saturating_mul(1_i64 << attempts.saturating_sub(1).min(20));
        let pause_ms = (doubled.min(longest) as f64 * jitter) as i64;
        let retry_at_ms = now_ms + retry_after_ms.unwrap_or(pause_ms);
        let since_ms = before.map_or(now_ms, |failing| failing.since_ms);
        self.failing = Some(Failing { since_ms, attempts, retry_at_ms });
        retry_at_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane() -> Lane {
        let settings = LaneSettings {
            channel_id: 1,
            name: "chat".to_owned(),
            enabled: true,
            system: false,
            recipients: Vec::new(),
            refill_ms: REFILL_MS,
            is_mirror: false,
        };
        Lane::new(settings, None)
    }

    #[test]
    fn a_bucket_has_five_messages_and_one_more_each_15_seconds() {
        let mut bucket = Bucket::new(REFILL_MS);
        for left in (0..BURST).rev() {
            assert!(bucket.next_at_ms() <= 1_000);
            bucket.take(1_000);
            assert_eq!(bucket.tokens(1_000), left);
        }
        assert_eq!(bucket.next_at_ms(), 1_000 + REFILL_MS);
        assert_eq!(bucket.tokens(1_000 + REFILL_MS), 1);
        assert_eq!(bucket.tokens(1_000 + 10 * REFILL_MS), BURST);
    }

    #[test]
    fn the_pause_doubles_up_to_five_minutes_and_a_demanded_one_counts() {
        let mut lane = lane();
        let pauses: Vec<i64> = (0..12).map(|_| lane.failed(0, None, 1.0)).collect();
        assert_eq!(pauses[..4], [1_000, 2_000, 4_000, 8_000]);
        assert_eq!(pauses[11], 300_000);
        assert_eq!(lane.failed(0, Some(60_000), 0.5), 60_000);
        assert_eq!(lane.failing.map(|failing| failing.since_ms), Some(0));
    }

    #[test]
    fn nothing_is_attempted_while_a_request_is_under_way() {
        let mut lane = lane();
        assert_eq!(lane.next_attempt_ms(), None);
        lane.due.insert((7, 1));
        assert_eq!(lane.next_attempt_ms(), Some(7));
        lane.failed(10, None, 1.0);
        assert_eq!(lane.next_attempt_ms(), Some(1_010));
        lane.in_flight = Some(1);
        assert_eq!(lane.next_attempt_ms(), None);
    }
}
