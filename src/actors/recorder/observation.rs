//! Finds services whose results are lost or never made by the monitor's own fault, and since when.
//! Pure; times are passed in.
//!
//! A service is unobserved once it has had no recorded result for longer than its allowance, which
//! is max(2 × interval, interval + timeout). Its *hole* then runs from its last recorded result, or
//! from the first dropped one, to its next recorded result.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::actors::due_heap::DueHeap;
use crate::actors::monotonic_time::MonotonicTime;
use crate::domain::time::step_back::StepBack;
use crate::domain::{Defaults, Definition, Failure, IdMap, Outcome, Reason, ServiceId, ShardSet};
use crate::storage::records::LoadedService;

/// Delay of a result beyond the allowance that makes no hole: a busy machine is late, and results
/// of services with a short interval are not lost then.
const LATENESS: Duration = Duration::from_secs(1);

/// A service without an attempt so far is unobserved this much later: first probes are spread.
const FIRST_PROBE_WITHIN: Duration = Duration::from_secs(60);

/// Longest time without a recorded result that is normal for a service.
pub fn allowance(definition: &Definition, defaults: &Defaults) -> Duration {
    let interval = definition.interval.unwrap_or(defaults.interval).get();
    let timeout = definition.timeout.unwrap_or(defaults.timeout).get();
    // A push service reports, or is late, within the timeout of its heartbeat.
    let heartbeat = definition.options.heartbeat.as_ref();
    let period = heartbeat.map_or(interval, |heartbeat| heartbeat.timeout(interval));
    (2 * period).max(period + timeout)
}

/// The watched services. Bound: one entry each, and the bound of the heap.
#[derive(Debug, Default)]
pub struct Observations {
    services: IdMap<Entry>,
    /// When each service is checked next, by `Entry::check`.
    checks: DueHeap,
    /// Results that are held or wait for room, of the services that have any: they are recorded
    /// later, or dropped.
    pending: IdMap<u32>,
    /// Services whose hole may not be buffered yet, in order.
    waiting: VecDeque<ServiceId>,
    /// Unobserved services by reason.
    unobserved: HashMap<Reason, usize>,
}

#[derive(Debug)]
struct Entry {
    allowance: Allowance,
    /// Start of the last recorded result on both clocks; before the first, when watching began.
    last: MonotonicTime,
    last_ms: i64,
    /// `None` for most services: nothing is missing.
    missing: Option<Box<Missing>>,
    /// At the end of the allowance, or before: then the next check is at its end.
    check: MonotonicTime,
}

/// The allowance of a service, and whether a probe of it has ended since watching began, in eight
/// bytes: nanoseconds, negative until then.
#[derive(Debug, Clone, Copy)]
struct Allowance(i64);

impl Allowance {
    /// Before the first probe.
    fn new(allowance: Duration) -> Self {
        // An optional heartbeat has the longest, two centuries.
        Self(-i64::try_from(allowance.as_nanos()).unwrap_or(i64::MAX))
    }

    fn get(self) -> Duration {
        Duration::from_nanos(self.0.unsigned_abs())
    }

    fn is_attempted(self) -> bool {
        self.0 > 0
    }

    fn attempted(self) -> Self {
        Self(self.0.abs())
    }

    fn changed(self, allowance: Duration) -> Self {
        let new = Self::new(allowance);
        if self.is_attempted() { new.attempted() } else { new }
    }
}

/// The results of a service since the last recorded one.
#[derive(Debug, Default)]
struct Missing {
    /// Start of the first result that was dropped, in unix milliseconds.
    first_dropped_ms: Option<i64>,
    /// Why the newest probe has no recorded result.
    cause: Option<Failure>,
    hole: Option<Hole>,
}

#[derive(Debug)]
struct Hole {
    /// The hole as an outcome that the ledger understands; `None` once it is buffered.
    outcome: Option<Outcome>,
    reason: Reason,
}

/// A service that became unobserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unobserved {
    pub id: ServiceId,
    /// Unix milliseconds.
    pub since_ms: i64,
    pub failure: Failure,
}

/// What a recorded result changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The hole that the result ends, unless it is buffered already.
    pub hole: Option<Outcome>,
    /// Whether the service was unobserved.
    pub is_back: bool,
}

/// Most services that are logged one by one each second; more are logged as a number.
pub const LOGGED_MOST: usize = 10;

/// Services that became observed again since the last line in the log.
#[derive(Debug, Default)]
pub struct Back {
    /// The first [`LOGGED_MOST`] of them.
    pub first: Vec<ServiceId>,
    pub count: usize,
}

impl Back {
    pub fn push(&mut self, id: ServiceId) {
        self.count += 1;
        if self.first.len() < LOGGED_MOST {
            self.first.push(id);
        }
    }
}

impl Entry {
    /// The end of the allowance, of a service that was attempted.
    fn attempted_until(&self) -> MonotonicTime {
        self.last + self.allowance.get() + LATENESS
    }

    /// When the service becomes unobserved.
    fn observed_until(&self) -> MonotonicTime {
        let is_attempted = self.allowance.is_attempted();
        let first = if is_attempted { Duration::ZERO } else { FIRST_PROBE_WITHIN };
        self.attempted_until() + first
    }

    fn has_hole(&self) -> bool {
        self.missing.as_ref().is_some_and(|missing| missing.hole.is_some())
    }

    /// The hole, unless it is buffered.
    fn hole_mut(&mut self) -> Option<&mut Outcome> {
        self.missing.as_mut()?.hole.as_mut()?.outcome.as_mut()
    }

    /// Notes the hole of the service; returns since when and why it has one.
    fn begin_hole(&mut self, id: ServiceId) -> (i64, Failure) {
        let last_ms = self.last_ms;
        let missing = self.missing.get_or_insert_default();
        let (since_ms, failure) = missing.cause_since(last_ms);
        let outcome = Some(hole_outcome(id, since_ms, failure.clone()));
        missing.hole = Some(Hole { outcome, reason: failure.reason });
        (since_ms, failure)
    }
}

impl Missing {
    /// Since when and why there is no recorded result after the one at `last_ms`.
    fn cause_since(&self, last_ms: i64) -> (i64, Failure) {
        match (self.first_dropped_ms, &self.cause) {
            (Some(from_ms), _) => {
                let detail = "results were dropped: the store took no writes";
                (from_ms, Failure::new(Reason::Dropped, detail))
            }
            (None, Some(cause)) => (last_ms, cause.clone()),
            (None, None) => (last_ms, Failure::new(Reason::Missed, "no probe was made in time")),
        }
    }
}

/// A hole as an outcome with a local failure: no tick, but `unknown` from its start on.
fn hole_outcome(id: ServiceId, from_ms: i64, failure: Failure) -> Outcome {
    Outcome::without_details(id, from_ms, Duration::ZERO, Some(failure))
}

impl Observations {
    /// The enabled services of `services`. A service without a result counts from its creation.
    pub fn of<'s>(
        services: impl IntoIterator<Item = &'s LoadedService>,
        defaults: &Defaults,
        now: Instant,
    ) -> Self {
        let mut observations = Self::default();
        for service in services.into_iter().filter(|service| service.definition.enabled) {
            let last_ms = service.last_tick.unwrap_or(service.created_at).saturating_mul(1_000);
            observations.watch(service.id, allowance(&service.definition, defaults), last_ms, now);
        }
        observations
    }

    /// Adds a service whose last recorded result began at `last_ms` (unix milliseconds). Without a
    /// result, watching began then. A known service gets the new allowance, counted from now.
    pub fn watch(&mut self, id: ServiceId, allowance: Duration, last_ms: i64, now: Instant) {
        let now = MonotonicTime::from(now);
        if let Some(entry) = self.services.get_mut(id) {
            if entry.allowance.get() == allowance {
                return;
            }
            entry.allowance = entry.allowance.changed(allowance);
            entry.last = now;
        } else {
            let allowance = Allowance::new(allowance);
            let entry = Entry { allowance, last: now, last_ms, missing: None, check: now };
            let at = entry.attempted_until();
            self.services.insert(id, entry);
            return self.check_again(id, at);
        }
        self.check_in_time(id);
    }

    /// The results of probes under way will be discarded: the allowance is counted from now.
    pub fn restart(&mut self, id: ServiceId, now: Instant) {
        if let Some(entry) = self.services.get_mut(id) {
            entry.last = now.into();
        }
    }

    /// Whether the service was unobserved.
    pub fn unwatch(&mut self, id: ServiceId) -> bool {
        self.pending.remove(id);
        let missing = self.services.remove(id).and_then(|entry| entry.missing);
        let hole = missing.and_then(|missing| missing.hole);
        if let Some(hole) = &hole {
            *self.unobserved.entry(hole.reason).or_default() -= 1;
        }
        self.remove_stale();
        hole.is_some()
    }

    pub fn unwatch_shards(&mut self, shards: &ShardSet) {
        let ids: Vec<ServiceId> = self.services.keys().filter(|id| shards.contains(*id)).collect();
        ids.into_iter().for_each(|id| _ = self.unwatch(id));
    }

    pub fn watched(&self) -> usize {
        self.services.len()
    }

    /// Number of unobserved services by reason; reasons without any may be absent or 0.
    pub fn unobserved(&self) -> &HashMap<Reason, usize> {
        &self.unobserved
    }

    /// A result of the service waits to be recorded or dropped.
    pub fn pending(&mut self, id: ServiceId) {
        if self.services.get(id).is_some() {
            let before = self.pending.get(id).copied().unwrap_or_default();
            self.pending.insert(id, before + 1);
        }
    }

    /// A result that waited is decided on.
    pub fn decided(&mut self, id: ServiceId) {
        if let Some(before) = self.pending.remove(id).filter(|before| *before > 1) {
            self.pending.insert(id, before - 1);
        }
    }

    /// The result of a probe that began at `started` is recorded.
    pub fn recorded(&mut self, outcome: &Outcome, started: Instant) -> Observed {
        let id = outcome.service_id;
        let Some(entry) = self.services.get_mut(id) else { return Observed::default() };
        let mut observed = Observed::default();
        let silent_ms = outcome.started_at_ms.saturating_sub(entry.last_ms);
        let is_long =
            u128::from(silent_ms.max(0).unsigned_abs()) > entry.allowance.get().as_millis();
        if let Some(missing) = entry.missing.take() {
            let (from_ms, failure) = missing.cause_since(entry.last_ms);
            let Missing { first_dropped_ms, cause: _, hole } = *missing;
            if let Some(hole) = hole {
                observed = Observed { hole: hole.outcome, is_back: true };
                *self.unobserved.entry(hole.reason).or_default() -= 1;
            } else if first_dropped_ms.is_some() && is_long {
                observed.hole = Some(hole_outcome(id, from_ms, failure));
            }
            // A result that waited may be older than a dropped one.
            if first_dropped_ms.is_some_and(|at_ms| at_ms > outcome.started_at_ms) {
                entry.missing = Some(Box::new(Missing { first_dropped_ms, ..Missing::default() }));
            }
        }
        entry.allowance = entry.allowance.attempted();
        entry.last = entry.last.max(started.into());
        entry.last_ms = outcome.started_at_ms;
        let until = entry.observed_until();
        if until < entry.check {
            self.check_again(id, until);
        }
        observed
    }

    /// A probe ended with a local fault, and its result is not recorded.
    pub fn failed(&mut self, outcome: &Outcome) {
        if let Some(entry) = self.services.get_mut(outcome.service_id) {
            entry.allowance = entry.allowance.attempted();
            entry.missing.get_or_insert_default().cause = outcome.failure.clone();
            self.check_in_time(outcome.service_id);
        }
    }

    /// A result was dropped.
    pub fn dropped(&mut self, outcome: &Outcome) {
        if let Some(entry) = self.services.get_mut(outcome.service_id) {
            entry.allowance = entry.allowance.attempted();
            let missing = entry.missing.get_or_insert_default();
            missing.first_dropped_ms.get_or_insert(outcome.started_at_ms);
            self.check_in_time(outcome.service_id);
        }
    }

    /// The services that became unobserved since the last call. Takes time in proportion to the
    /// checks that are due: each service has about one an allowance.
    pub fn overdue(&mut self, now: Instant) -> Vec<Unobserved> {
        let now = MonotonicTime::from(now);
        let mut overdue = Vec::new();
        while let Some((at, id)) = self.checks.first()
            && at <= now
        {
            self.checks.pop();
            let Some(entry) = self.services.get_mut(id).filter(|entry| entry.check == at) else {
                continue;
            };
            let due = entry.observed_until();
            let again = if due > now {
                due
            } else if self.pending.get(id).is_some() {
                now + LATENESS
            } else {
                let again = now + entry.allowance.get() + LATENESS;
                if !entry.has_hole() {
                    let (since_ms, failure) = entry.begin_hole(id);
                    *self.unobserved.entry(failure.reason).or_default() += 1;
                    self.waiting.push_back(id);
                    overdue.push(Unobserved { id, since_ms, failure });
                }
                again
            };
            self.check_again(id, again);
        }
        overdue
    }

    /// The next hole that is not buffered yet, oldest first.
    pub fn next_hole(&mut self) -> Option<Outcome> {
        loop {
            let id = self.waiting.pop_front()?;
            let missing = self.services.get_mut(id).and_then(|entry| entry.missing.as_mut());
            let hole = missing.and_then(|missing| missing.hole.as_mut());
            if let Some(outcome) = hole.and_then(|hole| hole.outcome.take()) {
                return Some(outcome);
            }
        }
    }

    /// No result comes any more: what was dropped since the last recorded result is a hole.
    pub fn end(&mut self) {
        for (id, entry) in self.services.iter_mut() {
            let missing = entry.missing.as_ref();
            let has_dropped = missing.is_some_and(|missing| missing.first_dropped_ms.is_some());
            if has_dropped && !entry.has_hole() {
                let (_, failure) = entry.begin_hole(id);
                *self.unobserved.entry(failure.reason).or_default() += 1;
                self.waiting.push_back(id);
            }
        }
    }

    /// The process stalled until now: that time is a gap of all services already.
    pub fn stalled(&mut self, now: Instant) {
        for entry in self.services.values_mut() {
            entry.last = now.into();
        }
    }

    /// The wall clock was set back.
    pub fn move_back(&mut self, step: &StepBack) {
        for entry in self.services.values_mut() {
            entry.last_ms = step.moved(entry.last_ms);
            if let Some(missing) = &mut entry.missing {
                missing.first_dropped_ms = missing.first_dropped_ms.map(|at_ms| step.moved(at_ms));
            }
            if let Some(outcome) = entry.hole_mut() {
                outcome.started_at_ms = step.moved(outcome.started_at_ms);
            }
        }
    }

    /// Checks the service at the end of its allowance, if the next check is later than that. An
    /// earlier one finds that the allowance ends later, so a result needs no new check.
    fn check_in_time(&mut self, id: ServiceId) {
        if let Some(entry) = self.services.get(id) {
            let until = entry.observed_until();
            if until < entry.check {
                self.check_again(id, until);
            }
        }
    }

    fn check_again(&mut self, id: ServiceId, at: MonotonicTime) {
        if let Some(entry) = self.services.get_mut(id) {
            entry.check = at;
            self.checks.push(at, id);
            self.remove_stale();
        }
    }

    /// Removes stale checks, and holes that are over, once there are many.
    fn remove_stale(&mut self) {
        if self.checks.is_stale(self.services.len()) {
            self.checks.replace(self.services.iter().map(|(id, entry)| (entry.check, id)));
        }
        if self.waiting.len() > 2 * self.services.len() + 64 {
            let services = &self.services;
            self.waiting.retain(|id| services.get(*id).is_some_and(Entry::has_hole));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sample;

    const ID: i64 = 1;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn an_entry_is_small_since_each_service_has_one() {
        assert!(size_of::<Entry>() <= 40, "{} bytes", size_of::<Entry>());
    }

    fn id() -> ServiceId {
        ServiceId::new(ID).unwrap()
    }

    fn local(reason: Reason, at_s: i64) -> Outcome {
        let failure = Some(Failure::new(reason, "detail"));
        Outcome { failure, ..sample::outcome(ID, at_s * 1_000) }
    }

    /// A service with an allowance of 20 s, watched since 0 with a result at 0.
    fn observed() -> (Observations, Instant) {
        let (mut observations, start) = (Observations::default(), Instant::now());
        observations.watch(id(), seconds(20), 0, start);
        assert_eq!(observations.recorded(&sample::outcome(ID, 0), start), Observed::default());
        (observations, start)
    }

    fn hole(reason: Reason, from_s: i64) -> (Reason, i64) {
        (reason, from_s * 1_000)
    }

    fn overdue(observations: &mut Observations, now: Instant) -> Vec<(Reason, i64)> {
        let overdue = observations.overdue(now).into_iter();
        overdue.map(|service| (service.failure.reason, service.since_ms)).collect()
    }

    fn buffered(observations: &mut Observations) -> Option<(Reason, i64)> {
        let hole = observations.next_hole()?;
        Some((hole.failure.unwrap().reason, hole.started_at_ms))
    }

    #[test]
    fn the_allowance_is_two_intervals_or_an_interval_and_the_timeout() {
        let defaults = sample::defaults(10.0, 3.0);
        let definition = sample::definition("a");
        assert_eq!(allowance(&definition, &defaults), seconds(20));
        assert_eq!(allowance(&definition, &sample::defaults(10.0, 30.0)), seconds(40));
    }

    #[test]
    fn a_service_without_a_result_for_longer_than_its_allowance_is_unobserved_once() {
        let (mut observations, start) = observed();
        assert_eq!(overdue(&mut observations, start + seconds(20)), []);
        assert_eq!(overdue(&mut observations, start + seconds(21)), [hole(Reason::Missed, 0)]);
        assert_eq!(overdue(&mut observations, start + seconds(300)), []);
        assert_eq!(observations.unobserved()[&Reason::Missed], 1);
        assert_eq!(buffered(&mut observations), Some(hole(Reason::Missed, 0)));
        assert_eq!(buffered(&mut observations), None);
        let result = sample::outcome(ID, 301_000);
        let ends = observations.recorded(&result, start + seconds(301));
        assert_eq!(ends, Observed { hole: None, is_back: true });
        assert_eq!(observations.unobserved()[&Reason::Missed], 0);
        let again = start + seconds(301 + 21);
        assert_eq!(overdue(&mut observations, again), [hole(Reason::Missed, 301)]);
    }

    #[test]
    fn the_newest_local_fault_is_the_reason() {
        let (mut observations, start) = observed();
        observations.failed(&local(Reason::LocalPorts, 10));
        observations.failed(&local(Reason::LocalConfig, 20));
        let overdue = overdue(&mut observations, start + seconds(22));
        assert_eq!(overdue, [hole(Reason::LocalConfig, 0)]);
    }

    #[test]
    fn results_that_wait_are_not_lost() {
        let (mut observations, start) = observed();
        observations.pending(id());
        assert_eq!(overdue(&mut observations, start + seconds(60)), []);
        observations.decided(id());
        let held = sample::outcome(ID, 10_000);
        assert_eq!(observations.recorded(&held, start + seconds(10)), Observed::default());
        assert_eq!(overdue(&mut observations, start + seconds(62)), [hole(Reason::Missed, 10)]);
    }

    #[test]
    fn a_hole_of_dropped_results_begins_at_the_first_and_goes_before_the_next_result() {
        let (mut observations, start) = observed();
        for at_s in [10, 20] {
            observations.dropped(&sample::outcome(ID, at_s * 1_000));
        }
        let result = sample::outcome(ID, 30_000);
        let observed = observations.recorded(&result, start + seconds(30));
        let hole = observed.hole.unwrap();
        assert_eq!(hole.failure.unwrap().reason, Reason::Dropped);
        assert_eq!((hole.started_at_ms, observed.is_back), (10_000, false));

        observations.dropped(&sample::outcome(ID, 40_000));
        let observed = observations.recorded(&sample::outcome(ID, 50_000), start + seconds(50));
        assert_eq!(observed.hole, None, "not longer than the allowance");
    }

    #[test]
    fn a_hole_that_is_not_buffered_goes_before_the_next_result() {
        let (mut observations, start) = observed();
        observations.dropped(&sample::outcome(ID, 10_000));
        assert_eq!(overdue(&mut observations, start + seconds(22)), [hole(Reason::Dropped, 10)]);
        let observed = observations.recorded(&sample::outcome(ID, 90_000), start + seconds(90));
        assert_eq!(observed.hole.unwrap().started_at_ms, 10_000);
        assert!(observed.is_back);
        assert_eq!(buffered(&mut observations), None);
    }

    #[test]
    fn a_service_that_was_never_probed_waits_for_its_first_probe() {
        let (mut observations, start) = (Observations::default(), Instant::now());
        observations.watch(id(), seconds(20), 5_000, start);
        assert_eq!(overdue(&mut observations, start + seconds(80)), []);
        assert_eq!(overdue(&mut observations, start + seconds(81)), [hole(Reason::Missed, 5)]);
        observations.unwatch(id());
        assert_eq!(observations.unobserved()[&Reason::Missed], 0);

        observations.watch(id(), seconds(20), 5_000, start);
        observations.failed(&local(Reason::LocalResolver, 6));
        assert_eq!(
            overdue(&mut observations, start + seconds(21)),
            [hole(Reason::LocalResolver, 5)]
        );
    }

    #[test]
    fn a_first_result_that_is_dropped_ends_the_wait_for_the_first_probe() {
        let (mut observations, start) = (Observations::default(), Instant::now());
        observations.watch(id(), seconds(20), 0, start);
        observations.dropped(&sample::outcome(ID, 2_000));
        assert_eq!(overdue(&mut observations, start + seconds(21)), [hole(Reason::Dropped, 2)]);

        let (mut observations, start) = (Observations::default(), Instant::now());
        observations.watch(id(), seconds(20), 0, start);
        observations.dropped(&sample::outcome(ID, 2_000));
        observations.recorded(&sample::outcome(ID, 4_000), start + seconds(4));
        observations.failed(&local(Reason::LocalConfig, 6));
        let overdue = overdue(&mut observations, start + seconds(25));
        assert_eq!(overdue, [hole(Reason::LocalConfig, 4)]);
    }

    #[test]
    fn a_change_and_a_stall_begin_the_allowance_anew() {
        let (mut observations, start) = observed();
        observations.watch(id(), seconds(20), 0, start + seconds(20));
        assert_eq!(overdue(&mut observations, start + seconds(20)), []);
        assert_eq!(overdue(&mut observations, start + seconds(21)).len(), 1, "nothing changed");
        let (mut observations, start) = observed();
        observations.restart(id(), start + seconds(15));
        assert_eq!(overdue(&mut observations, start + seconds(35)), []);
        assert_eq!(overdue(&mut observations, start + seconds(36)).len(), 1);
        let (mut observations, start) = observed();
        observations.watch(id(), seconds(40), 0, start + seconds(15));
        assert_eq!(overdue(&mut observations, start + seconds(55)), []);
        observations.stalled(start + seconds(55));
        assert_eq!(overdue(&mut observations, start + seconds(95)), []);
        assert_eq!(overdue(&mut observations, start + seconds(96)), [hole(Reason::Missed, 0)]);
    }

    #[test]
    fn after_a_step_back_a_hole_begins_where_the_result_is_now() {
        let (mut observations, start) = observed();
        observations.recorded(&sample::outcome(ID, 5_000_000), start);
        observations.move_back(&StepBack {
            by_ms: 3_600_000,
            to_ms: 2_000_000,
            after_ms: 2_000_000,
        });
        assert_eq!(overdue(&mut observations, start + seconds(22)), [hole(Reason::Missed, 1_400)]);
    }

    #[test]
    fn what_was_dropped_before_the_end_is_a_hole() {
        let (mut observations, _) = observed();
        observations.end();
        assert_eq!(buffered(&mut observations), None);
        observations.dropped(&sample::outcome(ID, 5_000));
        observations.end();
        assert_eq!(buffered(&mut observations), Some(hole(Reason::Dropped, 5)));
    }

    #[test]
    fn the_longest_allowance_is_exact_until_the_first_probe_and_after_it() {
        let year = 365 * 86_400;
        for allowance in [seconds(200 * year + 3_600), Duration::from_nanos(200_000_001)] {
            let new = Allowance::new(allowance);
            assert_eq!((new.get(), new.is_attempted()), (allowance, false));
            let attempted = new.attempted();
            assert_eq!((attempted.get(), attempted.is_attempted()), (allowance, true));
            assert_eq!(attempted.attempted().get(), allowance);
            for before in [new, attempted] {
                let changed = before.changed(seconds(20));
                assert_eq!(changed.get(), seconds(20));
                assert_eq!(changed.is_attempted(), before.is_attempted());
            }
        }
        let (mut observations, start) = (Observations::default(), Instant::now());
        observations.watch(id(), seconds(200 * year), 0, start);
        observations.recorded(&sample::outcome(ID, 0), start);
        assert_eq!(overdue(&mut observations, start + seconds(50 * year)), []);
    }

    #[test]
    fn checks_of_changed_services_stay_bounded() {
        let (mut observations, start) = observed();
        for n in 0..10_000 {
            observations.watch(id(), seconds(20 + n % 2), 0, start + seconds(n));
        }
        assert!(observations.checks.items() <= 128, "{}", observations.checks.items());
    }
}
