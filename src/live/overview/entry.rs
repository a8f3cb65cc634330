//! One service of the overview.

use crate::domain::live::{LastResult, LiveStatus, NewestEvent};
use crate::domain::{Name, Reason, ServiceId, State, Status, StoredReason};
use crate::live::overview::texts::TextPart;

/// Reasons of [`Entry::reason`]: none, one that this version does not know, or the number of the
/// reason after these.
const NO_REASON: u8 = 0;
const OTHER_REASON: u8 = 1;

/// A flag of an [`Entry`].
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Flag {
    /// By its recent results, whatever its status is.
    Flapping = 1,
    Planned = 2,
    HasEvent = 4,
    HasResult = 8,
    /// The service was removed.
    Removed = 16,
    /// The order by name has the entry.
    Ordered = 32,
}

/// The state of a service. Its group and the failure of its newest event are elsewhere.
#[derive(Debug)]
pub(super) struct Entry {
    pub id: ServiceId,
    /// Shares its text with the definition.
    pub name: Name,
    since_ms: i64,
    result_ms: i64,
    /// In microseconds; at most 71 minutes.
    response_us: u32,
    /// Number of the newest change.
    pub seq: u32,
    pub group: u32,
    pub text: TextPart,
    reason: u8,
    pub status: Status,
    result_state: State,
    flags: u8,
}

// The order by name and the number of the version have four bytes of each service each. A last
// result takes 13 bytes, and 20 more the totals of the results, which the version has.
const _: () = assert!(size_of::<Entry>() + 4 + 4 - 13 <= 60);

impl Entry {
    pub fn new(id: ServiceId, name: Name, group: u32, text: TextPart) -> Self {
        Self {
            id,
            name,
            since_ms: 0,
            result_ms: 0,
            response_us: 0,
            seq: 0,
            group,
            text,
            reason: NO_REASON,
            status: Status::Pending,
            result_state: State::Unknown,
            flags: 0,
        }
    }

    pub fn has(&self, flag: Flag) -> bool {
        self.flags & flag as u8 != 0
    }

    pub fn set(&mut self, flag: Flag, is_set: bool) {
        if is_set {
            self.flags |= flag as u8;
        } else {
            self.flags &= !(flag as u8);
        }
    }

    pub fn is_removed(&self) -> bool {
        self.has(Flag::Removed)
    }

    pub fn live_status(&self) -> LiveStatus {
        LiveStatus {
            status: self.status,
            is_flapping: self.has(Flag::Flapping)
                && matches!(self.status, Status::Up | Status::Down),
            is_planned: self.has(Flag::Planned),
        }
    }

    /// Start of the newest event, in unix milliseconds.
    pub fn since_ms(&self) -> Option<i64> {
        self.has(Flag::HasEvent).then_some(self.since_ms)
    }

    pub fn has_reason(&self, reason: Reason) -> bool {
        self.reason == number(reason)
    }

    pub fn result(&self) -> Option<LastResult> {
        self.has(Flag::HasResult).then(|| LastResult {
            state: self.result_state,
            at_ms: self.result_ms,
            response_time_us: self.response_us.into(),
        })
    }

    pub fn set_result(&mut self, result: &LastResult) {
        self.set(Flag::HasResult, true);
        self.result_state = result.state;
        self.result_ms = result.at_ms;
        self.response_us = u32::try_from(result.response_time_us).unwrap_or(u32::MAX);
    }

    /// Sets the newest event; the caller keeps its failure.
    pub fn set_event(&mut self, is_enabled: bool, event: Option<&NewestEvent>) {
        self.status = Status::new(is_enabled, event.map(|event| event.state));
        self.set(Flag::HasEvent, event.is_some());
        self.since_ms = event.map_or(0, |event| event.since_ms);
        let failure = event.and_then(|event| event.failure.as_ref());
        self.reason = match failure.map(|failure| &failure.reason) {
            None => NO_REASON,
            Some(StoredReason::Known(reason)) => number(*reason),
            Some(StoredReason::Other(_)) => OTHER_REASON,
        };
    }
}

fn number(reason: Reason) -> u8 {
    reason as u8 + OTHER_REASON + 1
}
