//! What the relay does next, and what follows from it. Pure; [`actor`](super::actor) carries it.
//!
//! The relay is *live* while every tick that is not relayed is in its queue. It is behind after the
//! start, and after an overflow of the queue: then it walks through the store. The queue opens
//! before a walk begins, so that what is committed during the walk is in the queue or in the walk.
//!
//! The ticks of a service leave in the order of their numbers. A portion is sent until the receiver
//! accepts or refuses it. What it refuses is halved, until one tick is alone: that one is passed
//! over, since no later attempt would succeed. After a failure, an empty request first finds out
//! whether the receiver takes requests at all, so that a wrong URL loses nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::metrics::tick_samples::SERIES;
use crate::relay::backoff::Backoff;
use crate::relay::limits::Limits;
use crate::relay::positions::{Admission, Positions, RelayTick};
use crate::relay::queue::Queue;
use crate::relay::response::Verdict;
use crate::relay::suspects::Suspects;
use crate::relay::walk::{Walk, WalkStep};
use crate::storage::history::rows::Unrelayed;
use crate::storage::history::unrelayed::{NumberedTick, UnrelayedTicks};
use crate::storage::relayed::RelayedSeqs;

/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// The next step; one is under way at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Send an empty request, and report with [`RelayState::checked`].
    Check,
    /// Send these ticks, and report with [`RelayState::answered`].
    Send(Vec<RelayTick>),
    /// Ask the store, and report with [`RelayState::listed`].
    List { after: i64, limit: u32 },
    /// Ask the store, and report with [`RelayState::read`].
    Read { services: Vec<Unrelayed>, limit: usize },
    /// Store the cursors, and report with [`RelayState::saved`].
    Save,
    /// Wait until then.
    Wait(Instant),
    /// Wait for ticks.
    Idle,
}

/// What an answer did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Answered {
    pub accepted_samples: usize,
    /// Passed over.
    pub refused: Option<RelayTick>,
}

/// Bounds: its [`Limits`], and two entries a service.
#[derive(Debug)]
pub struct RelayState {
    limits: Limits,
    queue: Queue,
    /// `None` while the relay is live.
    walk: Option<Walk>,
    /// Ticks are neither in the queue nor in the walk.
    is_behind: bool,
    /// Every tick of before is relayed.
    complete_to: Instant,
    walk_began: Instant,
    positions: Positions,
    suspects: Suspects,
    /// The first is sent next. Bound: the halves of one request.
    portions: VecDeque<Vec<RelayTick>>,
    /// When the oldest tick of `portions` came.
    portions_since: Instant,
    /// Samples that were passed over without an attempt, since the last call of
    /// [`RelayState::take_skipped`].
    skipped: usize,
    seqs: RelayedSeqs,
    must_save: bool,
    /// The receiver has accepted a request since the last failure.
    is_checked: bool,
    backoff: Backoff,
    paused_until: Option<Instant>,
}

impl RelayState {
    pub fn new(limits: Limits, seqs: RelayedSeqs, now: Instant) -> Self {
        Self {
            limits,
            queue: Queue::new(limits.queue),
            walk: None,
            is_behind: true,
            complete_to: now,
            walk_began: now,
            positions: Positions::default(),
            suspects: Suspects::new(limits.refused_run),
            portions: VecDeque::new(),
            portions_since: now,
            skipped: 0,
            seqs,
            must_save: false,
            is_checked: false,
            backoff: Backoff::default(),
            paused_until: None,
        }
    }

    /// The ticks of a commit, in order.
    pub fn committed(&mut self, ticks: impl ExactSizeIterator<Item = NumberedTick>, now: Instant) {
        if ticks.len() > 0 && !self.queue.push(ticks, now) {
            self.is_behind = true;
        }
    }

    /// The store may have ticks that were never in the queue.
    pub fn catch_up(&mut self) {
        self.is_behind = true;
    }

    pub fn next(&mut self, now: Instant) -> Step {
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Step::Wait(until);
        }
        self.paused_until = None;
        loop {
            if self.must_save {
                return Step::Save;
            }
            let step =
                if self.portions.is_empty() { self.gather(now) } else { self.next_portion() };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Sends the first portion; `None` when it need not be sent, or is two now.
    fn next_portion(&mut self) -> Option<Step> {
        let mut portion = self.portions.pop_front()?;
        let skipped = portion.iter().take_while(|tick| self.suspects.skips(tick)).count();
        if skipped > 0 {
            let rest = portion.split_off(skipped);
            self.pass_over(&portion);
            portion = rest;
        }
        if !portion.iter().any(RelayTick::has_samples) {
            self.relayed(&portion);
            return None;
        }
        let first_is_suspect = self.suspects.contains(portion[0].service_id);
        if first_is_suspect && portion.len() > 1 {
            self.portions.push_front(portion.split_off(1));
            self.portions.push_front(portion);
            return None;
        }
        let step = if self.is_checked { Step::Send(portion.clone()) } else { Step::Check };
        self.portions.push_front(portion);
        Some(step)
    }

    /// What is needed for the next portion; `None` when there is one, or may be.
    fn gather(&mut self, now: Instant) -> Option<Step> {
        let Some(walk) = &mut self.walk else {
            if !self.is_behind {
                return self.gather_live(now);
            }
            self.is_behind = false;
            self.walk_began = now;
            self.queue.open();
            self.walk = Some(Walk::default());
            return None;
        };
        match walk.next() {
            WalkStep::List { after } => Some(Step::List { after, limit: self.limits.read }),
            WalkStep::Read(services) => {
                Some(Step::Read { services, limit: self.limits.read as usize })
            }
            WalkStep::Relay => {
                self.portions_since = self.complete_to;
                self.cut();
                None
            }
            WalkStep::Done => {
                self.walk = None;
                self.complete_to = self.walk_began;
                self.must_save = !self.seqs.is_saved();
                None
            }
        }
    }

    fn gather_live(&mut self, now: Instant) -> Option<Step> {
        let Some(since) = self.queue.waits_since() else { return Some(Step::Idle) };
        let due = since + self.limits.linger;
        let is_full = self.queue.len() >= (self.limits.samples / SERIES.len()).max(1);
        if !is_full && due > now {
            return Some(Step::Wait(due));
        }
        self.portions_since = since;
        self.cut();
        None
    }

    /// Makes a portion of the first ticks of the walk or of the queue.
    fn cut(&mut self) {
        let (mut portion, mut samples) = (Vec::new(), 0);
        let is_walk = self.walk.is_some();
        while (portion.is_empty() || samples + SERIES.len() <= self.limits.samples)
            && portion.len() < self.limits.samples
        {
            let next = self.walk.as_mut().map_or_else(|| self.queue.pop(), Walk::pop);
            let Some(tick) = next else { break };
            match self.positions.admit(tick, is_walk) {
                Admission::Next(tick) => {
                    samples += tick.samples();
                    portion.push(tick);
                }
                Admission::Known => {}
                Admission::BehindGap => self.is_behind = true,
            }
        }
        if !portion.is_empty() {
            self.portions.push_back(portion);
        }
    }

    /// The answer to an empty request. A receiver that refuses it refuses everything.
    pub fn checked(&mut self, verdict: Verdict, now: Instant) {
        match verdict {
            Verdict::Accepted => self.is_checked = true,
            Verdict::Refused => self.failed(None, now),
            Verdict::Failed { retry_after } => self.failed(retry_after, now),
        }
    }

    /// The answer to the first portion.
    pub fn answered(&mut self, verdict: Verdict, now: Instant) -> Answered {
        let mut answered = Answered::default();
        match verdict {
            Verdict::Accepted => {
                self.backoff.succeeded();
                let portion = self.portions.pop_front().unwrap_or_default();
                for tick in &portion {
                    self.suspects.accepted(tick.service_id);
                    answered.accepted_samples += tick.samples();
                }
                self.relayed(&portion);
            }
            Verdict::Refused => {
                self.backoff.succeeded();
                let mut portion = self.portions.pop_front().unwrap_or_default();
                if portion.len() > 1 {
                    self.portions.push_front(portion.split_off(portion.len() / 2));
                    self.portions.push_front(portion);
                } else {
                    answered.refused = portion.first().copied();
                    portion.iter().for_each(|tick| self.suspects.refused(tick));
                    self.relayed(&portion);
                }
            }
            Verdict::Failed { retry_after } => self.failed(retry_after, now),
        }
        answered
    }

    fn failed(&mut self, retry_after: Option<Duration>, now: Instant) {
        self.is_checked = false;
        self.paused_until = Some(now + self.backoff.failed(retry_after));
    }

    /// Ticks of suspects that are not attempted.
    fn pass_over(&mut self, ticks: &[RelayTick]) {
        ticks.iter().for_each(|tick| self.suspects.passed_over(tick));
        self.skipped += ticks.iter().map(RelayTick::samples).sum::<usize>();
        self.relayed(ticks);
    }

    /// These ticks are done with.
    fn relayed(&mut self, ticks: &[RelayTick]) {
        for tick in ticks {
            let unsaved = self.seqs.relayed(tick.service_id, tick.seq);
            self.must_save |= unsaved >= self.limits.unsaved;
        }
    }

    /// The next services of the store that are behind, as it has them.
    pub fn listed(&mut self, rows: &[Unrelayed]) {
        let behind = rows.iter().filter_map(|row| {
            let relayed_seq = self.positions.newest(row.service_id).max(row.relayed_seq);
            (relayed_seq < row.newest_seq).then_some(Unrelayed { relayed_seq, ..*row })
        });
        let behind = behind.collect();
        let is_last = rows.len() < self.limits.read as usize;
        if let Some(walk) = &mut self.walk {
            walk.listed(rows, behind, is_last);
        }
    }

    /// The ticks of the services that were to be read.
    pub fn read(&mut self, ticks: UnrelayedTicks) {
        let Some(walk) = &mut self.walk else { return };
        for gone in walk.read(ticks) {
            self.positions.skip_to(gone.service_id, gone.newest_seq);
            self.seqs.relayed(gone.service_id, gone.newest_seq);
        }
    }

    /// The cursors are stored, or the store is unavailable.
    pub fn saved(&mut self, is_saved: bool, now: Instant) {
        self.must_save = !is_saved;
        if !is_saved {
            self.store_failed(now);
        }
    }

    /// The store did not answer: the same step follows again.
    pub fn store_failed(&mut self, now: Instant) {
        self.paused_until = Some(now + STORE_PAUSE);
    }

    /// Age of the oldest tick that is not relayed, or more.
    pub fn lag(&self, now: Instant) -> Duration {
        let since = if self.is_behind || self.walk.is_some() {
            Some(self.complete_to)
        } else if !self.portions.is_empty() {
            Some(self.portions_since)
        } else {
            self.queue.waits_since()
        };
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Number of samples that were passed over without an attempt, since the last call.
    pub fn take_skipped(&mut self) -> usize {
        std::mem::take(&mut self.skipped)
    }
}

#[cfg(test)]
mod tests;
