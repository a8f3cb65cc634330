//! Takes outcomes in, lets them wait, or turns them away; and answers who waits for that.

use std::time::Instant;

use slog::error;

use super::{Phase, Recorder, Reply};
use crate::actors::pool::{Ended, Finished};
use crate::domain::{Outcome, Verdict};
use crate::metrics::Fate;

/// Whether an outcome was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is in the buffer, and will be in the store unless the process is killed, or the store takes no write to the end.
    Kept,
    /// It was counted and dropped: the store fails and the buffer is full, or the store is being closed.
    Dropped,
}

/// Who waits until an outcome is taken.
pub(super) enum Waiter {
    /// Somebody who reports it over HTTP.
    Client(Reply<Admission>),
    /// The slot in which it was probed.
    Slot(Ended),
}

impl Waiter {
    /// Answers; a slot is added to those of which the pool is to hear.
    fn answer(self, admission: Admission, ended: &mut Vec<Ended>) {
        match self {
            Self::Slot(end) => ended.push(end),
            // A client that no longer waits has gone; its outcome counts all the same.
            Self::Client(reply) => drop(reply.send(admission)),
        }
    }
}

impl Recorder {
    /// Takes an outcome: on the board, and into the buffer. Who waits for that is answered, now or when there is room.
    pub(super) fn take(&mut self, outcome: Outcome, waiter: Waiter, ended: &mut Vec<Ended>) {
        let outcome = match self.phase {
            Phase::Open => self.outage.take(outcome, Instant::now()),
            Phase::Closing | Phase::Closed => Some(outcome),
        };
        let Some(outcome) = outcome.filter(|outcome| outcome.verdict() != Verdict::Local) else {
            return waiter.answer(Admission::Kept, ended);
        };
        self.note(&outcome);
        if self.buffer.has_room() || self.phase == Phase::Closed || self.trouble().is_some() {
            waiter.answer(self.admit_or_drop(outcome), ended);
        } else {
            self.parked.push_back((outcome, waiter));
        }
    }

    /// Tells the pool of slots whose outcomes are taken.
    pub(super) fn free(&self, ended: Vec<Ended>) {
        if let Some(pool) = self.pool.as_ref().filter(|_| !ended.is_empty()) {
            pool.do_send(Finished(ended));
        }
    }

    /// Lets those in for whom there is room now; turns the others away when the store fails.
    pub(super) fn unpark(&mut self) {
        self.admit_released();
        let failing = self.trouble().is_some();
        let mut ended = Vec::new();
        while self.buffer.has_room() || failing {
            let Some((outcome, waiter)) = self.parked.pop_front() else { break };
            waiter.answer(self.admit_or_drop(outcome), &mut ended);
        }
        self.free(ended);
    }

    pub(super) fn admit_or_drop(&mut self, outcome: Outcome) -> Admission {
        if self.buffer.has_room() && self.phase != Phase::Closed {
            self.buffer.admit(outcome, Instant::now());
            return Admission::Kept;
        }
        self.telemetry.outcomes(Fate::Dropped, 1);
        if self.phase == Phase::Closed {
            return Admission::Dropped;
        }
        if self.dropped == 0 {
            error!(self.log, "the buffer is full; outcomes are dropped until the store takes writes again";
                "kept" => self.buffer.len());
        }
        self.dropped += 1;
        Admission::Dropped
    }
}
