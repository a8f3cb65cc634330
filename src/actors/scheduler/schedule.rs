//! Decides which service is due when. Pure; time is passed in.
//!
//! Each service has its own grid: `phase + k * interval` on the wall clock, with a phase computed
//! from its id ([`Spread`]). So the load is even, and a restart finds every service on the same
//! grid. From the first slot on, only monotonic time counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::first::{First, Slots};
use super::spread::Spread;
use crate::actors::due_heap::DueHeap;
use crate::actors::messages::probing::Job;
use crate::actors::monotonic_time::MonotonicTime;
use crate::domain::time::clock_watch::Moment;
use crate::domain::{IdMap, Kind, Service, ServiceId, ShardSet};

/// How much earlier than its due time a slot may join a batch that is due, which saves wake-ups: at
/// most the tolerance (`COALESCE_MS`) and at most a 40th of its interval, while the batch has fewer
/// than `EARLY_TOGETHER` jobs. A larger burst would wait at a target that many services share.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_millis(500);
const EARLY_SHARE: u32 = 40;
const EARLY_TOGETHER: usize = 32;

/// A start is quick when its slots passed within this time: they are all probed, a little late.
const QUICK_START: Duration = Duration::from_secs(1);

/// Longest interval of which a slot is left out at the start.
const LEFT_OUT_MOST: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Entry {
    service: Arc<Service>,
    /// The next slot.
    due: MonotonicTime,
    /// The first slot on the grid, when `due` is off the grid; equal to `due` otherwise.
    grid: MonotonicTime,
    /// Failures in a row, up to the failure threshold of the service.
    failures: u32,
}

/// Bound: one entry for each watched service, and the bound of the heap.
#[derive(Debug)]
pub struct Schedule {
    spread: Spread,
    /// How much earlier than due a slot may join a batch.
    tolerance: Duration,
    entries: IdMap<Entry>,
    /// By `Entry::due`.
    heap: DueHeap,
}

impl Default for Schedule {
    fn default() -> Self {
        Self::new(Spread::default(), DEFAULT_TOLERANCE)
    }
}

impl Schedule {
    pub fn new(spread: Spread, tolerance: Duration) -> Self {
        Self { spread, tolerance, entries: IdMap::default(), heap: DueHeap::default() }
    }

    /// Watched services.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a service, or replaces it and its slots. The wait for a heartbeat begins now, whatever
    /// `first` is: the service could not report before.
    pub fn watch(&mut self, service: Arc<Service>, first: First, now: Moment) {
        let Slots { due, grid } = if service.target.kind() == Kind::Push {
            let due = now.instant + service.heartbeat_timeout();
            Slots { due, grid: due }
        } else {
            first.slots(self.spread, &service, now)
        };
        let (id, due) = (service.id, due.into());
        self.entries.insert(id, Entry { service, due, grid: grid.into(), failures: 0 });
        self.push(due, id);
    }

    /// Probes can start, and heartbeats can arrive, from `now` on. After a start that was not
    /// quick, the slots of the grid that passed meanwhile are left out, unless the next one is more
    /// than [`LEFT_OUT_MOST`] later: together they would delay those after them.
    pub fn begin(&mut self, now: Instant) {
        self.restart_heartbeat_waits(now);
        let now = MonotonicTime::from(now);
        let is_quick = |(due, _)| now.saturating_duration_since(due) <= QUICK_START;
        if self.first().is_none_or(is_quick) {
            return;
        }
        let mut passed = Vec::new();
        while let Some((_, id)) = self.first().filter(|(due, _)| *due < now) {
            self.heap.pop();
            if let Some(entry) = self.entries.get_mut(id) {
                let is_next_soon = entry.service.interval.get() <= LEFT_OUT_MOST;
                // First probes are off the grid.
                if entry.due == entry.grid && is_next_soon {
                    entry.advance(now);
                }
                passed.push((entry.due, id));
            }
        }
        passed.into_iter().for_each(|(due, id)| self.push(due, id));
    }

    /// Uses the new definition from the next slot on. The slots stay, unless the interval changed.
    /// False when the service is not watched.
    pub fn revise(&mut self, service: Arc<Service>, now: Moment) -> bool {
        let Some(entry) = self.entries.get_mut(service.id) else { return false };
        let same_slots = entry.service.heartbeat_timeout() == service.heartbeat_timeout()
            && entry.service.target.kind() == service.target.kind();
        if entry.service.interval == service.interval && same_slots {
            entry.service = service;
        } else {
            self.watch(service, First::OnGrid, now);
        }
        true
    }

    /// A push service reported: it may be silent for its interval and grace from `now` on.
    pub fn heartbeat(&mut self, id: ServiceId, now: Instant) {
        let Some(entry) = self.entries.get_mut(id).filter(|entry| entry.is_push()) else { return };
        entry.failures = 0;
        entry.wait_for_heartbeat(now);
        let due = entry.due;
        self.push(due, id);
    }

    /// No push service could report until `now`: the wait of each begins anew.
    pub fn restart_heartbeat_waits(&mut self, now: Instant) {
        let mut has_any = false;
        for entry in self.entries.values_mut().filter(|entry| entry.is_push()) {
            entry.wait_for_heartbeat(now);
            has_any = true;
        }
        if has_any {
            self.heap.replace(current(&self.entries));
        }
    }

    /// The result of a probe of a service with a failure threshold. While a failure is not
    /// confirmed, the next probe is due after a shorter time than the interval. The slots of the
    /// grid stay.
    pub fn confirm(&mut self, id: ServiceId, is_up: bool, now: Instant) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let thresholds = &entry.service.options.thresholds;
        entry.failures = if is_up { 0 } else { (entry.failures + 1).min(thresholds.failure) };
        let again = MonotonicTime::from(now) + thresholds.confirm_after();
        if is_up || entry.failures >= thresholds.failure || again >= entry.due {
            return;
        }
        entry.grid = entry.grid.max(entry.due);
        entry.due = again;
        self.push(again, id);
    }

    pub fn unwatch(&mut self, id: ServiceId) {
        self.entries.remove(id);
        self.remove_stale();
    }

    /// Removes the services of these shards; returns them.
    pub fn unwatch_shards(&mut self, shards: &ShardSet) -> Vec<ServiceId> {
        let ids: Vec<ServiceId> = self.entries.keys().filter(|id| shards.contains(*id)).collect();
        self.entries.retain(|id, _| !shards.contains(id));
        self.remove_stale();
        ids
    }

    /// The next slot of all services.
    pub fn next_due(&mut self) -> Option<Instant> {
        self.first().map(|(due, _)| due.into())
    }

    /// At most `most` jobs that are due at `now`, the longest due first, and how many whole slots
    /// were skipped. Slots that are due soon join a small batch ([`early`]).
    pub fn pop_due(&mut self, now: Instant, most: usize) -> (Vec<Job>, u64) {
        let now = MonotonicTime::from(now);
        let mut jobs = Vec::new();
        let mut skipped = 0;
        while jobs.len() < most && self.first().is_some_and(|(due, _)| due <= now) {
            skipped += self.pop_first(now, &mut jobs);
        }
        while (1..EARLY_TOGETHER.min(most)).contains(&jobs.len()) && self.may_join(now, &jobs) {
            skipped += self.pop_first(now, &mut jobs);
        }
        (jobs, skipped)
    }

    /// Whether the next slot, which is not due yet, may join `jobs`; each service at most once.
    fn may_join(&mut self, now: MonotonicTime, jobs: &[Job]) -> bool {
        self.first().is_some_and(|(due, id)| {
            let Some(entry) = self.entries.get(id) else { return false };
            // A push service is late only once its slot is due.
            !entry.is_push()
                && due <= now + early(entry.service.interval.get(), self.tolerance)
                && jobs.iter().all(|job| job.service.id != id)
        })
    }

    fn pop_first(&mut self, now: MonotonicTime, jobs: &mut Vec<Job>) -> u64 {
        let Some((due, id)) = self.heap.pop() else { return 0 };
        let Some(entry) = self.entries.get_mut(id) else { return 0 };
        let (job, passed) = entry.advance(now.max(due));
        jobs.push(job);
        let due = entry.due;
        self.push(due, id);
        passed
    }

    /// The next slot and its service.
    fn first(&mut self) -> Option<(MonotonicTime, ServiceId)> {
        while let Some((due, id)) = self.heap.first() {
            if self.entries.get(id).is_some_and(|entry| entry.due == due) {
                return Some((due, id));
            }
            self.heap.pop();
        }
        None
    }

    fn push(&mut self, due: MonotonicTime, id: ServiceId) {
        self.heap.push(due, id);
        self.remove_stale();
    }

    fn remove_stale(&mut self) {
        if self.heap.is_stale(self.entries.len()) {
            self.heap.replace(current(&self.entries));
        }
    }
}

/// The items of the heap that are not stale.
fn current(entries: &IdMap<Entry>) -> impl Iterator<Item = (MonotonicTime, ServiceId)> {
    entries.iter().map(|(id, entry)| (entry.due, id))
}

impl Entry {
    fn is_push(&self) -> bool {
        self.service.target.kind() == Kind::Push
    }

    fn wait_for_heartbeat(&mut self, now: Instant) {
        self.due = MonotonicTime::from(now) + self.service.heartbeat_timeout();
        self.grid = self.due;
    }

    /// Moves on to the next slot. Returns the job of the newest slot before `now`, and the number
    /// of skipped slots before it.
    fn advance(&mut self, now: MonotonicTime) -> (Job, u64) {
        let interval = self.service.interval.get();
        let next = if self.due < self.grid { self.grid } else { self.due + interval };
        let (due, next_due, passed) = if now < next {
            (self.due, next, 0)
        } else {
            let late = now.saturating_duration_since(next);
            let more = (late.as_nanos() / interval.as_nanos()) as u64;
            let due = next + times(interval, more);
            (due, due + interval, more + 1)
        };
        (self.due, self.grid) = (next_due, next_due);
        let service = Arc::clone(&self.service);
        let job = Job { service, due: due.into(), next_due: next_due.into(), on_demand: false };
        (job, passed)
    }
}

/// How much earlier than due a service with this interval may be probed.
fn early(interval: Duration, tolerance: Duration) -> Duration {
    tolerance.min(interval / EARLY_SHARE)
}

/// Milliseconds from a service's slot to the start of its probe at `wall_ms` (unix milliseconds);
/// negative for a probe that joined a batch early. With the default tolerance, for benchmarks.
pub fn lateness_ms(spread: Spread, id: ServiceId, interval: Duration, wall_ms: i64) -> f64 {
    let ahead = spread.until_grid(id, interval, wall_ms);
    // Plus a millisecond, the resolution of the wall clock here.
    let is_early = ahead <= early(interval, DEFAULT_TOLERANCE) + Duration::from_millis(1);
    let late = if is_early { Duration::ZERO } else { interval };
    (late.as_secs_f64() - ahead.as_secs_f64()) * 1e3
}

fn times(interval: Duration, n: u64) -> Duration {
    let nanos = interval.as_nanos().saturating_mul(u128::from(n));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::service::options::Heartbeat;
    use crate::domain::{Options, Target, Template, Thresholds, sample};

    fn service(id: i64, interval_seconds: f64) -> Arc<Service> {
        Arc::new(sample::service(id, interval_seconds))
    }

    fn now() -> Moment {
        Moment { instant: Instant::now(), wall_ms: 1_700_000_000_000 }
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// A service that sends heartbeats.
    fn push_service(id: i64, interval_seconds: f64, grace: Duration) -> Arc<Service> {
        let mut watched = sample::service(id, interval_seconds);
        watched.target = Target::parse("push://job").unwrap();
        let heartbeat = Heartbeat { token: Template::literal("t"), grace, is_optional: false };
        watched.options = Arc::new(Options { heartbeat: Some(heartbeat), ..Options::default() });
        Arc::new(watched)
    }

    #[test]
    fn an_entry_is_small_since_each_service_has_one() {
        assert!(size_of::<Entry>() <= 32, "{} bytes", size_of::<Entry>());
    }

    #[test]
    fn lateness_counts_from_the_slot_of_the_probe() {
        let (id, interval) = (ServiceId::new(7).unwrap(), secs(60));
        // A phase after a whole minute on the wall clock is a slot.
        let spread = Spread::default();
        let slot_ms = 1_700_000_040_000 + spread.phase(id, interval).as_millis() as i64 + 1;
        let at = |offset_ms: i64| lateness_ms(spread, id, interval, slot_ms + offset_ms);
        assert!((0.0..=1.0).contains(&at(0)));
        assert!((250.0..=251.0).contains(&at(250)));
        assert!((-20.0..=-19.0).contains(&at(-20)), "the slot joined a batch early");
        assert!((59_399.0..=59_401.0).contains(&at(-600)), "no slot joins so early");
    }

    #[test]
    fn deadlines_are_fixed_rate() {
        let (mut schedule, now) = (Schedule::default(), now());
        schedule.watch(service(1, 10.0), First::OnGrid, now);
        let first = schedule.next_due().unwrap();
        assert!(first < now.instant + secs(10));
        // Popped three seconds late: the next slot stays where it was.
        let (jobs, skipped) = schedule.pop_due(first + secs(3), 9);
        assert_eq!((jobs.len(), skipped, jobs[0].due), (1, 0, first));
        assert_eq!(schedule.next_due(), Some(first + secs(10)));
        assert_eq!(jobs[0].next_due, first + secs(10));
    }

    #[test]
    fn slots_that_passed_during_a_quick_start_are_probed() {
        let (mut schedule, now) = (Schedule::default(), now());
        schedule.watch(service(1, 60.0), First::OnGrid, now);
        let slot = schedule.next_due().unwrap();
        schedule.begin(slot + secs(1));
        assert_eq!(schedule.pop_due(slot + secs(1), 9).0.len(), 1);
    }

    #[test]
    fn slots_that_passed_during_the_start_are_left_out() {
        let (mut schedule, now) = (Schedule::default(), now());
        let services = 1..=600;
        for id in services.clone() {
            schedule.watch(service(id, 60.0), First::OnGrid, now);
        }
        schedule.watch(service(601, 0.5), First::OnGrid, now);
        let soon = First::Soon(secs(3));
        schedule.watch(service(602, 60.0), soon, now);
        schedule.watch(push_service(603, 1.0, secs(1)), First::OnGrid, now);
        schedule.watch(service(604, 86_400.0), First::OnGrid, now);
        // Its slot passes, and the next one is a day later.
        let daily = ServiceId::new(604).unwrap();
        let passed_at = MonotonicTime::from(now.instant + secs(1));
        let entry = schedule.entries.get_mut(daily).unwrap();
        (entry.due, entry.grid) = (passed_at, passed_at);
        schedule.push(passed_at, daily);
        let slot =
            |schedule: &Schedule, id| schedule.entries.get(ServiceId::new(id)?).map(|it| it.due);
        let before: Vec<_> = services.clone().map(|id| slot(&schedule, id).unwrap()).collect();
        let ready = now.instant + secs(5);
        schedule.begin(ready);
        let mut passed = 0;
        for (id, before) in services.zip(before) {
            let is_passed = before < ready.into();
            passed += usize::from(is_passed);
            let expected = if is_passed { before + secs(60) } else { before };
            assert_eq!(slot(&schedule, id), Some(expected));
        }
        assert!((30..=70).contains(&passed), "{passed}");
        let (jobs, _) = schedule.pop_due(ready, 999);
        let ids = jobs.iter().map(|job| job.service.id.get());
        let mut late: Vec<i64> = ids.filter(|id| *id > 600).collect();
        late.sort_unstable();
        assert_eq!(late, [602, 604], "a first probe, and a slot that is not soon again");
        let heartbeat = slot(&schedule, 603).unwrap();
        assert_eq!(heartbeat, MonotonicTime::from(ready) + secs(2), "nobody could report before");
        assert!(slot(&schedule, 601).unwrap() <= MonotonicTime::from(ready) + secs(1));
    }

    #[test]
    fn skipped_slots_are_counted_and_not_probed_later() {
        let (mut schedule, now) = (Schedule::default(), now());
        schedule.watch(service(1, 10.0), First::OnGrid, now);
        let first = schedule.next_due().unwrap();
        let (jobs, skipped) = schedule.pop_due(first + secs(35), 9);
        assert_eq!((jobs.len(), skipped), (1, 3));
        assert_eq!(jobs[0].due, first + secs(30));
        assert_eq!(schedule.next_due(), Some(first + secs(40)));
    }

    #[test]
    fn a_restart_finds_the_same_grid() {
        let before = now();
        let after = Moment {
            instant: before.instant + Duration::from_millis(123_457),
            wall_ms: before.wall_ms + 123_457,
        };
        for id in 1..50 {
            let mut first = Schedule::default();
            first.watch(service(id, 10.0), First::OnGrid, before);
            let mut second = Schedule::default();
            second.watch(service(id, 10.0), First::OnGrid, after);
            let gap = second.next_due().unwrap() - first.next_due().unwrap();
            assert_eq!(gap.as_nanos() % secs(10).as_nanos(), 0, "{gap:?}");
        }
    }

    #[test]
    fn load_is_even_over_the_interval_however_many_there_are() {
        for services in [10, 100, 1_000, 3_000, 100_000] {
            let (mut schedule, now) =
                (Schedule::new(Spread::of(services), DEFAULT_TOLERANCE), now());
            for id in 1..=services as i64 {
                schedule.watch(service(id, 10.0), First::OnGrid, now);
            }
            let fair = services / 10;
            for tenth in 1..=10 {
                let (jobs, _) = schedule.pop_due(now.instant + secs(tenth), services);
                let uneven = jobs.len().abs_diff(fair);
                // A quarter of a second joins a small batch early.
                assert!(uneven <= 3 + fair / 20, "{} of {services} in second {tenth}", jobs.len());
            }
        }
    }

    #[test]
    fn slots_due_soon_join_a_small_batch_and_not_a_large_one() {
        let start = now();
        let pop = |services: i64, interval: f64, tolerance_ms: u64| {
            let tolerance = Duration::from_millis(tolerance_ms);
            let mut schedule = Schedule::new(Spread::default(), tolerance);
            for id in 1..=services {
                schedule.watch(service(id, interval), First::OnGrid, start);
            }
            let due = schedule.next_due().unwrap();
            let jobs = schedule.pop_due(due, 1_024).0;
            let earliest = jobs.iter().map(|job| job.due - due).max().unwrap();
            // The slots stay where they were.
            assert!(
                jobs.iter().all(|job| job.next_due == job.due + Duration::from_secs_f64(interval))
            );
            (jobs.len(), earliest)
        };
        let ms = Duration::from_millis;
        let (together, early) = pop(200, 1.0, 500);
        assert!((3..=EARLY_TOGETHER).contains(&together) && early <= ms(25), "{early:?}");
        let (together, early) = pop(20_000, 1.0, 500);
        assert!(together == EARLY_TOGETHER && early < ms(3), "{early:?}");
        let (_, early) = pop(200, 0.1, 500);
        assert!(early <= ms(3), "{early:?}");
        let (together, early) = pop(1_000, 60.0, 500);
        assert!((8..=10).contains(&together) && early <= ms(500), "{together} {early:?}");
        assert_eq!(pop(1_000, 60.0, 0), (1, ms(0)), "without a tolerance none joins");
    }

    #[test]
    fn a_service_joins_no_batch_that_has_it_already() {
        let (mut schedule, now) = (Schedule::default(), now());
        schedule.watch(service(1, 0.1), First::OnGrid, now);
        let first = schedule.next_due().unwrap();
        let (jobs, skipped) = schedule.pop_due(first + Duration::from_millis(96), 9);
        assert_eq!((jobs.len(), skipped), (1, 0));
    }

    #[test]
    fn a_new_service_is_probed_at_once_and_then_on_its_grid() {
        let (mut schedule, now) = (Schedule::default(), now());
        schedule.watch(service(7, 10.0), First::Now, now);
        let (jobs, _) = schedule.pop_due(now.instant, 9);
        assert_eq!(jobs[0].due, now.instant);
        let second = schedule.next_due().unwrap();
        assert!(second >= now.instant + secs(5) && second < now.instant + secs(15));
        let grid =
            now.instant + Spread::default().until_grid(jobs[0].service.id, secs(10), now.wall_ms);
        assert_eq!((second - grid).as_nanos() % secs(10).as_nanos(), 0);
    }

    #[test]
    fn a_removed_service_is_never_due_and_leaves_nothing_behind() {
        let (mut schedule, now) = (Schedule::default(), now());
        for id in 1..=1_000 {
            schedule.watch(service(id, 10.0), First::OnGrid, now);
        }
        for id in 1..=1_000 {
            schedule.unwatch(ServiceId::new(id).unwrap());
        }
        assert_eq!(schedule.next_due(), None);
        assert!(schedule.is_empty() && schedule.heap.items() <= 64);
    }

    #[test]
    fn a_revision_keeps_the_slots_and_a_new_interval_moves_them() {
        let (mut schedule, now) = (Schedule::default(), now());
        schedule.watch(service(1, 10.0), First::OnGrid, now);
        let due = schedule.next_due();
        assert!(schedule.revise(service(1, 10.0), now));
        assert_eq!(schedule.next_due(), due);
        for _ in 0..1_000 {
            schedule.revise(service(1, 20.0), now);
            schedule.revise(service(1, 10.0), now);
        }
        assert_eq!(schedule.next_due(), due);
        assert!(schedule.heap.items() <= 66, "{}", schedule.heap.items());
        assert!(!schedule.revise(service(2, 10.0), now));
    }

    #[test]
    fn an_unconfirmed_failure_is_probed_again_soon_and_the_slots_stay() {
        let (mut schedule, start) = (Schedule::default(), now());
        let mut watched = sample::service(1, 60.0);
        let thresholds = Thresholds { failure: 3, ..Thresholds::default() };
        watched.options = Arc::new(Options { thresholds, ..Options::default() });
        let id = watched.id;
        schedule.watch(Arc::new(watched), First::OnGrid, start);
        let first = schedule.next_due().unwrap();
        schedule.pop_due(first, 9);
        let slot = schedule.next_due().unwrap();
        assert_eq!(slot, first + secs(60));
        for nth in 1..=2 {
            schedule.confirm(id, false, first + secs(nth));
            assert_eq!(schedule.next_due(), Some(first + secs(nth + 1)), "again in a second");
            schedule.pop_due(first + secs(nth + 1), 9);
        }
        schedule.confirm(id, false, first + secs(3));
        assert_eq!(schedule.next_due(), Some(slot), "three in a row are enough");
        schedule.pop_due(slot, 9);
        schedule.confirm(id, false, slot);
        assert_eq!(schedule.next_due(), Some(slot + secs(60)), "the failure is confirmed already");
        schedule.confirm(id, true, slot);
        schedule.confirm(id, false, slot);
        assert_eq!(schedule.next_due(), Some(slot + secs(1)), "a new failure");
    }

    #[test]
    fn a_push_service_is_due_when_its_heartbeat_is_late_and_then_every_interval() {
        let (mut schedule, start) = (Schedule::default(), now());
        let watched = push_service(1, 10.0, secs(5));
        let id = watched.id;
        schedule.watch(watched, First::Now, start);
        assert_eq!(schedule.next_due(), Some(start.instant + secs(15)));
        schedule.heartbeat(id, start.instant + secs(12));
        assert_eq!(schedule.next_due(), Some(start.instant + secs(27)));
        assert_eq!(schedule.pop_due(start.instant + secs(27), 9).0.len(), 1);
        assert_eq!(schedule.next_due(), Some(start.instant + secs(37)));
        schedule.heartbeat(id, start.instant + secs(30));
        assert_eq!(schedule.next_due(), Some(start.instant + secs(45)));
        schedule.watch(service(2, 10.0), First::OnGrid, start);
        let due = |schedule: &Schedule, id| Instant::from(schedule.entries.get(id).unwrap().due);
        let probed = due(&schedule, ServiceId::new(2).unwrap());
        schedule.restart_heartbeat_waits(start.instant + secs(44));
        assert_eq!(due(&schedule, id), start.instant + secs(59), "the wait begins anew");
        assert_eq!(schedule.next_due(), Some(probed), "other slots stay");
        let again = Arc::clone(&schedule.entries.get(id).unwrap().service);
        schedule.watch(again, First::OnGrid, Moment { instant: start.instant + secs(50), ..start });
        assert_eq!(due(&schedule, id), start.instant + secs(65), "as after a restart");
    }

    #[test]
    fn an_optional_heartbeat_is_never_due_until_it_is_required() {
        let (mut schedule, start) = (Schedule::default(), now());
        let job = |is_optional| {
            let mut watched = sample::service(1, 10.0);
            watched.target = Target::parse("push://job").unwrap();
            let heartbeat =
                Heartbeat { token: Template::literal("t"), grace: Duration::ZERO, is_optional };
            watched.options =
                Arc::new(Options { heartbeat: Some(heartbeat), ..Options::default() });
            Arc::new(watched)
        };
        schedule.watch(job(true), First::Now, start);
        let year = Duration::from_secs(365 * 86_400);
        for _ in 0..2 {
            assert_eq!(schedule.pop_due(start.instant + year, 9).0.len(), 0);
            schedule.heartbeat(job(true).id, start.instant);
        }
        assert!(schedule.revise(job(false), start));
        assert_eq!(schedule.next_due(), Some(start.instant + secs(10)));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Watch(i64, f64, First),
        Revise(i64, f64),
        Unwatch(i64),
        Heartbeat(i64),
        RestartHeartbeatWaits,
        Confirm(i64, bool),
        /// So many milliseconds later, at most so many jobs.
        Pop(u64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let id = || 1..20_i64;
        let interval = || prop_oneof![Just(0.1), Just(10.0), Just(60.0)];
        let first = prop_oneof![
            Just(First::Now),
            Just(First::OnGrid),
            Just(First::Soon(secs(3))),
            (-120_000..60_000_i64).prop_map(|ms| First::After(now().wall_ms + ms)),
        ];
        prop_oneof![
            10 => (id(), interval(), first).prop_map(|(id, it, first)| Step::Watch(id, it, first)),
            5 => (id(), interval()).prop_map(|(id, interval)| Step::Revise(id, interval)),
            2 => id().prop_map(Step::Unwatch),
            5 => id().prop_map(Step::Heartbeat),
            1 => Just(Step::RestartHeartbeatWaits),
            10 => (id(), any::<bool>()).prop_map(|(id, is_up)| Step::Confirm(id, is_up)),
            10 => (0..30_000_u64, 1..30_usize).prop_map(|(ms, most)| Step::Pop(ms, most)),
        ]
    }

    proptest! {
        /// Whatever moves the slots, a service is due at its own slot, once, and the longest due
        /// first.
        #[test]
        fn a_slot_that_moved_is_due_once(steps in prop::collection::vec(step(), 0..300)) {
            let (mut schedule, mut now) = (Schedule::default(), now());
            let service = |id: i64, interval| match id % 4 {
                0 => push_service(id, interval, secs(5)),
                _ => {
                    let mut watched = sample::service(id, interval);
                    let thresholds = Thresholds { failure: 3, ..Thresholds::default() };
                    watched.options = Arc::new(Options { thresholds, ..Options::default() });
                    Arc::new(watched)
                }
            };
            let id = |id| ServiceId::new(id).unwrap();
            for step in steps {
                match step {
                    Step::Watch(id, interval, first) => {
                        schedule.watch(service(id, interval), first, now);
                    }
                    Step::Revise(nth, interval) => {
                        let is_watched = schedule.entries.get(id(nth)).is_some();
                        prop_assert_eq!(schedule.revise(service(nth, interval), now), is_watched);
                    }
                    Step::Unwatch(nth) => schedule.unwatch(id(nth)),
                    Step::Heartbeat(nth) => schedule.heartbeat(id(nth), now.instant),
                    Step::RestartHeartbeatWaits => schedule.restart_heartbeat_waits(now.instant),
                    Step::Confirm(nth, is_up) => schedule.confirm(id(nth), is_up, now.instant),
                    Step::Pop(ms, most) => {
                        now.instant += Duration::from_millis(ms);
                        now.wall_ms += ms as i64;
                        let mut due: Vec<_> = current(&schedule.entries).collect();
                        due.sort_unstable();
                        let is_due = |(due, _): &&_| *due <= MonotonicTime::from(now.instant);
                        let expected = due.iter().filter(is_due).count().min(most);
                        let (jobs, _) = schedule.pop_due(now.instant, most);
                        prop_assert!(jobs.len() >= expected);
                        // The early ones of a small batch follow.
                        for (job, (_, id)) in jobs.iter().zip(due) {
                            prop_assert_eq!(job.service.id, id);
                            let next = schedule.entries.get(id).unwrap().due;
                            prop_assert_eq!(job.next_due, Instant::from(next));
                            prop_assert!(job.next_due > now.instant && job.next_due > job.due);
                        }
                    }
                }
                let next = current(&schedule.entries).min();
                prop_assert_eq!(schedule.next_due(), next.map(|(due, _)| Instant::from(due)));
                let most = schedule.len() + schedule.len() / 4 + 64;
                prop_assert!(schedule.heap.items() <= most, "{} items", schedule.heap.items());
            }
        }
    }
}
