//! Any history against its model: commits, clock steps, pauses, restarts, sealings that cross, and retention.

use proptest::prelude::*;
use proptest::sample::Index;

use super::model;
use super::*;
use crate::domain::history::sketch::RELATIVE_ERROR;
use crate::domain::history::stats::Stats;
use crate::domain::history::timeline::UnknownAs;
use crate::spec::Patch;
use crate::storage::history::gaps;
use crate::storage::history::series::{GetSeries, Grid, Source};
use crate::storage::history::tests::model::Service;
use crate::storage::history::tests::steps::{Step, any_step};
use crate::storage::history::tests::windows::{AnyWindow, any_window};
use crate::storage::history::uptime::{GetUptime, spans};
use crate::storage::schema::history;

/// The store and the model of it side by side.
struct Pair {
    store: Fixture,
    services: Vec<Service>,
    now_ms: i64,
    /// Time of the last commit.
    watched_ms: Option<i64>,
    /// Slices that are prepared, with the number of their sealing.
    slices: Vec<(Slice, u64)>,
    /// Sealings that have begun.
    sealings: u64,
    /// The one that is under way, if one is: how many ticks it is about.
    sealing: Option<u64>,
    /// Ticks that are sealed.
    sealed: u64,
    was_set_back: bool,
    /// No roll-up or event that ended before need be there.
    rollups_from_ms: i64,
}

impl Pair {
    fn new(thresholds: &[(u32, u32)]) -> Self {
        let thresholds: Vec<Thresholds> = thresholds
            .iter()
            .map(|&(failure, success)| Thresholds { failure, success, confirm_interval: None })
            .collect();
        Self {
            store: fixture_with(&thresholds),
            services: thresholds.into_iter().map(Service::new).collect(),
            now_ms: START_MS,
            watched_ms: None,
            slices: Vec::new(),
            sealings: 0,
            sealing: None,
            sealed: 0,
            was_set_back: false,
            rollups_from_ms: i64::MIN,
        }
    }

    /// Ticks that are not sealed.
    fn fresh(&self) -> u64 {
        let all: usize = self.services.iter().map(|service| service.ticks.len()).sum();
        all as u64 - self.sealed
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Commit(said, every_ms) => self.commit(said, *every_ms),
            Step::Wait(ms) => {
                self.now_ms += ms;
                self.was_set_back |= *ms < 0;
            }
            Step::Enable(nth, is_enabled) => {
                self.enable(nth.index(self.services.len()), *is_enabled);
            }
            Step::Restart(ms) => self.restart(*ms),
            Step::Begin => self.begin(),
            Step::Prepare(chunk_ticks, bounds) => {
                let slice = self.store.prepare(*chunk_ticks, *bounds);
                assert!(slice.is_none() || self.sealing.is_some());
                self.slices.extend(slice.map(|slice| (slice, self.sealings)));
            }
            Step::Publish(services) => self.publish(*services),
            Step::Finish => self.finish(),
            Step::Seal(chunk_ticks) => {
                self.slices.clear();
                self.begin();
                while let Some(slice) = self.store.prepare(*chunk_ticks, SLICE) {
                    self.slices = vec![(slice, self.sealings)];
                    self.publish(usize::MAX);
                }
                self.finish();
            }
            Step::Retain { ticks_ms, rollups_ms } => self.retain(*ticks_ms, *rollups_ms),
        }
    }

    fn commit(&mut self, said: &[(Index, StoredTick)], every_ms: i64) {
        let (mut group, mut orphaned) = (Vec::new(), 0);
        for (nth, tick) in said {
            let nth = nth.index(self.services.len());
            self.now_ms += every_ms;
            let mut tick = *tick;
            tick.at_ms = self.now_ms;
            group.push(outcome(self.store.ids[nth], &tick));
            if self.services[nth].is_enabled {
                self.services[nth].tick(tick);
            } else {
                orphaned += 1;
            }
        }
        let done = self.store.commit(&group, self.now_ms);
        assert_eq!((done.recorded, done.orphaned), (group.len() - orphaned, orphaned));
        self.watched_ms = Some(self.now_ms);
    }

    fn enable(&mut self, nth: usize, is_enabled: bool) {
        let id = self.store.ids[nth];
        let change = [("enabled".to_owned(), is_enabled.into())].into_iter().collect();
        let change = Change::Update(id, Patch::new(change).unwrap());
        apply(&mut self.store.connection, change, self.now_ms).unwrap();
        self.store.ledger.forget(id);
        self.services[nth].enable(is_enabled, self.now_ms);
    }

    fn restart(&mut self, ms: i64) {
        self.store.ledger = Ledger::default();
        self.slices.clear();
        self.now_ms += ms;
        let gap = gaps::close(&mut self.store.connection, self.now_ms).unwrap();
        let Some(from_ms) = self.watched_ms.filter(|from_ms| *from_ms < self.now_ms) else {
            assert_eq!(gap, None);
            return;
        };
        let before: usize = self.services.iter().map(|service| service.events.len()).sum();
        self.services.iter_mut().for_each(|service| service.gap(from_ms, self.now_ms));
        let after: usize = self.services.iter().map(|service| service.events.len()).sum();
        let expected = gaps::Gap { from_ms, services: after - before };
        assert_eq!(gap, (after > before).then_some(expected));
        self.watched_ms = Some(self.now_ms);
    }

    fn begin(&mut self) {
        let fresh = self.fresh();
        let is_under_way = self.store.begin_sealing();
        assert_eq!(is_under_way, self.sealing.is_some() || fresh > 0);
        if is_under_way && self.sealing.is_none() {
            self.sealing = Some(fresh);
            self.sealings += 1;
        }
    }

    /// A slice that another one has overtaken is refused.
    fn publish(&mut self, services: usize) {
        if self.slices.is_empty() {
            return;
        }
        let before = self.fresh_ticks();
        let (mut slice, sealing) = self.slices.remove(0);
        let reached: i64 = history::table
            .select(history::sealing_service_id)
            .first(&mut self.store.reader)
            .unwrap();
        let published = self.store.publish(&mut slice, services, self.now_ms);
        if self.sealing.is_none() || sealing != self.sealings || slice.after < reached {
            assert!(matches!(published, Err(StorageError::Conflict(_))), "{published:?}");
            return;
        }
        let portion = published.unwrap();
        assert!(portion.services <= services);
        self.sealed += portion.ticks;
        assert_eq!(self.store.ledger.fresh().ticks, before - portion.ticks);
        if let Some(left) = &mut self.sealing {
            *left -= portion.ticks;
        }
        if !slice.is_published() {
            self.slices.insert(0, (slice, sealing));
        }
        for (nth, service) in self.services.iter().enumerate() {
            let kept: Vec<_> = service.kept().collect();
            assert_eq!(self.store.ticks(self.store.ids[nth]), kept);
        }
    }

    fn finish(&mut self) {
        let finished = self.store.finish_sealing(self.now_ms);
        if finished.is_ok() {
            assert_eq!(self.sealing.take(), Some(0), "every tick of it is sealed");
        } else {
            assert!(matches!(finished, Err(StorageError::Conflict(_))), "{finished:?}");
        }
    }

    fn retain(&mut self, ticks_ms: u64, rollups_ms: u64) {
        // It waits for a slice, as a slice waits for it.
        self.slices.clear();
        let (ticks, rollups) = (Duration::from_millis(ticks_ms), Duration::from_millis(rollups_ms));
        self.store.retain(Retention { ticks, rollups }, self.now_ms);
        let cutoff_ms = self.now_ms - ticks_ms.cast_signed();
        self.rollups_from_ms = self.rollups_from_ms.max(self.now_ms - rollups_ms.cast_signed());
        for (nth, service) in self.services.iter_mut().enumerate() {
            let left = self.store.ticks(self.store.ids[nth]);
            let mut numbers = left.iter().map(|(seq, _)| *seq as usize - 1).peekable();
            for place in (0..service.ticks.len()).rev() {
                let is_there = numbers.next_if_eq(&place).is_some();
                if !is_there && !service.is_expired[place] {
                    service.is_expired[place] = true;
                    assert!(service.ticks[place].at_ms < cutoff_ms, "tick {place} is not too old");
                }
            }
        }
        let old = service_tick_chunks::table.filter(service_tick_chunks::to_ms.lt(cutoff_ms));
        assert_eq!(old.count().get_result(&mut self.store.reader), Ok(0i64));
    }

    /// The newest moment that anything is dated to, or later.
    fn end_ms(&self) -> i64 {
        let all = self.services.iter();
        let times = all.flat_map(|service| service.ticks.iter().map(|tick| tick.at_ms));
        times.chain([self.now_ms]).max().unwrap_or_default() + 1_000
    }

    fn must_tell(&mut self, windows: &[AnyWindow]) {
        self.store.must_be_whole();
        assert_eq!(
            (self.store.usage().fresh_ticks, self.fresh_ticks()),
            (self.fresh(), self.fresh())
        );
        for nth in 0..self.services.len() {
            let id = self.store.ids[nth];
            let kept: Vec<_> = self.services[nth].kept().collect();
            assert_eq!(self.store.ticks(id), kept);
            if !self.was_set_back {
                let is_sorted = self.services[nth].is_expired.is_sorted_by(|one, next| one >= next);
                assert!(is_sorted, "only the oldest go");
            }
            self.must_tell_events(nth);
            let moments_ms = self.services[nth].moments_ms();
            for any in windows {
                let window = any.within(self.end_ms(), &moments_ms);
                self.must_list(nth, any, window);
                self.must_tell_uptime(nth, window);
                let grid = Grid::over(any.cut(window), any.step_ms);
                assert!(grid.count <= 2_000);
                self.must_tell_series(nth, grid);
            }
        }
    }

    /// As the ledger counts them; one that has just begun does not know them yet.
    fn fresh_ticks(&mut self) -> u64 {
        self.commit(&[], 0);
        self.store.ledger.fresh().ticks
    }

    /// What retention has left must be the newest events, with the newest of all among them.
    fn must_tell_events(&mut self, nth: usize) {
        let told = spans(&mut self.store.reader, self.store.ids[nth], Window::ALL).unwrap();
        let events = &self.services[nth].events;
        let (gone, left) = events.split_at(events.len() - told.len());
        assert_eq!(told, left);
        assert_eq!(left.is_empty(), events.is_empty());
        let is_old = |ended_ms: Option<i64>| ended_ms.is_some_and(|at| at < self.rollups_from_ms);
        assert!(gone.iter().all(|event| is_old(event.to_ms)), "{gone:?} went too soon");
    }

    fn must_list(&mut self, nth: usize, any: &AnyWindow, window: Window) {
        let (state, reason) = (any.state, any.reason);
        let mut expected: Vec<_> = self.services[nth].kept().collect();
        expected.retain(|(seq, tick)| {
            window.contains(tick.at_ms)
                && state.is_none_or(|state| state == tick.state)
                && reason.is_none_or(|reason| tick.reason == Some(reason))
                && any.before.is_none_or(|before| *seq < before)
        });
        let (mut listed, mut before) = (Vec::new(), any.before);
        loop {
            let (service_id, limit) = (self.store.ids[nth], any.limit);
            let list = ListTicks { service_id, window, state, reason, before, limit };
            let page = list.run(&mut self.store.reader).unwrap();
            listed.extend(page.ticks.iter().copied());
            before = page.next;
            if before.is_none() {
                assert!(!page.ticks.is_empty() || expected.is_empty(), "an empty last page");
                break;
            }
            assert_eq!(page.ticks.len(), limit);
        }
        assert_eq!(listed, expected);
    }

    fn must_tell_uptime(&mut self, nth: usize, window: Window) {
        let service_id = self.store.ids[nth];
        let told = spans(&mut self.store.reader, service_id, Window::ALL).unwrap();
        let events = &self.services[nth].events;
        let expected = model::totals(&events[events.len() - told.len()..], window);
        for unknown in UnknownAs::ALL {
            let query = GetUptime { service_id, window, unknown };
            let uptime = query.run(&mut self.store.reader).unwrap();
            assert_eq!(uptime.totals, expected);
            assert_eq!(uptime.totals.total(), (window.to_ms - window.from_ms).cast_unsigned());
            assert_eq!((uptime.up_ms(), uptime.down_ms()), model::counted(&expected, unknown));
        }
    }

    fn must_tell_series(&mut self, nth: usize, grid: Grid) {
        let (service, service_id) = (&self.services[nth], self.store.ids[nth]);
        let series = GetSeries { service_id, grid }.run(&mut self.store.reader).unwrap();
        assert_eq!(series.len(), grid.count);
        let rollup_ms = match grid.source() {
            Source::Ticks => None,
            Source::Hours => Some(3_600_000),
            Source::Days => Some(86_400_000),
        };
        let all = service.ticks.iter().zip(&service.is_expired);
        let left: Vec<StoredTick> = all
            .filter(|(_, is_expired)| rollup_ms.is_some() || !**is_expired)
            .map(|(tick, _)| *tick)
            .collect();
        for (start_ms, told) in grid.starts().zip(&series) {
            let end_ms = start_ms + grid.step_ms;
            // It may have lost the first of its roll-ups.
            if rollup_ms.is_some_and(|length_ms| start_ms + length_ms <= self.rollups_from_ms) {
                continue;
            }
            let ticks: Vec<StoredTick> = left
                .iter()
                .copied()
                .filter(|tick| (start_ms..end_ms).contains(&tick.at_ms))
                .collect();
            must_add_up(told, &ticks);
        }
    }
}

/// Holds `told` against a recount of `ticks`.
fn must_add_up(told: &Stats, ticks: &[StoredTick]) {
    let count = |state: State| ticks.iter().filter(|tick| tick.state == state).count() as u64;
    let counts = [State::Up, State::Down, State::Unknown].map(count);
    assert_eq!([told.up, told.down, told.unknown], counts);
    let known: Vec<StoredTick> =
        ticks.iter().copied().filter(|tick| tick.state != State::Unknown).collect();
    let spent = || known.iter().map(|tick| tick.response_time_us);
    assert_eq!(
        (told.sum_us, told.min_us, told.max_us),
        (spent().sum(), spent().min(), spent().max())
    );
    let phases = || known.iter().filter_map(|tick| tick.phases_us);
    assert_eq!(told.phased, phases().count() as u64);
    for (nth, sum_us) in told.phases_us.into_iter().enumerate() {
        assert_eq!(sum_us, phases().map(|phases| phases[nth]).sum::<u64>());
    }
    for q in [0.0, 0.5, 0.9, 0.99, 1.0] {
        let (told, expected) = (told.quantile_us(q), model::quantile(&known, q));
        assert_eq!(told.is_some(), expected.is_some());
        let (told, expected) = (told.unwrap_or_default(), expected.unwrap_or_default());
        let off = told.abs_diff(expected) as f64;
        assert!(off <= expected as f64 * RELATIVE_ERROR, "{told} for {expected}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happens, and in whatever order: all that is told is what happened.
    #[test]
    fn what_is_told_is_what_happened(
        thresholds in prop::collection::vec((1u32..4, 1u32..4), 1..4),
        steps in prop::collection::vec(any_step(), 1..60),
        windows in prop::collection::vec(any_window(), 6),
    ) {
        let mut pair = Pair::new(&thresholds);
        for (nth, step) in steps.iter().enumerate() {
            pair.take(step);
            if nth % 20 == 19 {
                pair.must_tell(&windows[..1]);
            }
        }
        pair.must_tell(&windows);
    }
}
