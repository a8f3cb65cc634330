//! Any history against its model: commits, clock steps, pauses, restarts, interleaved sealings, and
//! retention.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;

use super::fixture::{Fixture, Kind, START_MS, for_each_store, outcome};
use super::gaps::DEFAULT_INTERVAL;
use super::model;
use super::model::Service;
use super::steps::{Step, any_step};
use super::windows::{AnyWindow, any_window};
use crate::domain::audit::AuditSource;
use crate::domain::history::sketch::RELATIVE_ERROR;
use crate::domain::time::step_back::StepBack;
use crate::domain::{CountAs, Counting, Retention, State, Stats, StoredTick, Thresholds, Window};
use crate::spec::Patch;
use crate::storage::error::StorageError;
use crate::storage::history::rows::Slice;
use crate::storage::history::series::{GetSeries, Grid, Source};
use crate::storage::history::slice::SLICE;
use crate::storage::history::ticks;
use crate::storage::history::ticks::ListTicks;
use crate::storage::history::uptime::{GetUptime, spans};
use crate::storage::ledger::Ledger;
use crate::storage::port::Query;
use crate::storage::records::{Change, Gap};

for_each_store!(a_history_is_what_happened);

/// A store and its model.
struct Pair {
    store: Fixture,
    services: Vec<Service>,
    now_ms: i64,
    /// Unix milliseconds of the last commit.
    watched_ms: Option<i64>,
    /// The liveness mark, which is [`watched_ms`](Self::watched_ms) unless a tick took its place.
    mark_ms: Option<i64>,
    /// Starts of the newest tick, and of the newest one of the sealing.
    newest_tick_ms: Option<i64>,
    sealing_tick_ms: Option<i64>,
    /// Prepared slices, with the number of their sealing.
    slices: Vec<(Slice, u64)>,
    /// Sealings that have begun.
    sealings: u64,
    /// Number of ticks of each service when the sealing in progress began.
    sealing: Option<Vec<u64>>,
    kind: Kind,
    /// Ticks that are sealed.
    sealed: u64,
    was_set_back: bool,
    /// Roll-ups and events that ended before may have been deleted.
    rollups_from_ms: i64,
}

impl Pair {
    fn new(kind: Kind, thresholds: &[(u32, u32)]) -> Self {
        let thresholds: Vec<Thresholds> = thresholds
            .iter()
            .map(|&(failure, success)| Thresholds { failure, success, confirm_interval: None })
            .collect();
        Self {
            store: Fixture::with_thresholds(kind.open(), &thresholds),
            services: thresholds.into_iter().map(Service::new).collect(),
            now_ms: START_MS,
            watched_ms: None,
            mark_ms: None,
            newest_tick_ms: None,
            sealing_tick_ms: None,
            slices: Vec::new(),
            sealings: 0,
            sealing: None,
            kind,
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
            Step::Commit(results, every_ms) => self.commit(results, *every_ms),
            Step::Wait(ms) => {
                self.now_ms += ms;
                if *ms < 0 {
                    let (by_ms, to_ms) = (-ms, self.now_ms);
                    let step = StepBack { by_ms, to_ms, after_ms: to_ms };
                    self.set_back(by_ms);
                    let Fixture { ledger, writer, .. } = &mut self.store;
                    ledger.step_back(&mut **writer, &[step]).unwrap();
                }
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

    fn commit(&mut self, results: &[(Index, StoredTick)], every_ms: i64) {
        let (mut group, mut orphaned) = (Vec::new(), 0);
        let mut is_recorded = vec![false; self.services.len()];
        let mut newest_ms = None;
        for (nth, tick) in results {
            let nth = nth.index(self.services.len());
            self.now_ms += every_ms;
            let mut tick = *tick;
            tick.at_ms = self.now_ms;
            group.push(outcome(self.store.ids[nth], &tick));
            if self.services[nth].is_enabled {
                self.services[nth].tick(tick);
                is_recorded[nth] = true;
                newest_ms = Some(tick.at_ms);
            } else {
                orphaned += 1;
            }
        }
        let done = self.store.commit(&group, self.now_ms);
        assert_eq!((done.recorded, done.orphaned.len()), (group.len() - orphaned, orphaned));
        self.mark(newest_ms);
        for (service, _) in self.services.iter_mut().zip(is_recorded).filter(|(_, is)| *is) {
            service.recorded_s = Some(self.now_ms / 1_000);
        }
    }

    /// A commit with this newest tick sets the end of the observation. On SQLite the tick takes the
    /// place of the mark if it is new, and the mark is not old.
    fn mark(&mut self, newest_ms: Option<i64>) {
        let now_ms = self.now_ms;
        self.newest_tick_ms = newest_ms.or(self.newest_tick_ms);
        let is_in_place = |at_ms: &i64| self.kind.has_ticks_as_marks() && *at_ms >= now_ms - 2_000;
        let mark_ms = self.mark_ms.filter(|mark_ms| *mark_ms >= now_ms - 60_000);
        match (newest_ms.filter(is_in_place), mark_ms) {
            (Some(newest_ms), Some(mark_ms)) => self.watched_ms = Some(newest_ms.max(mark_ms)),
            _ => (self.mark_ms, self.watched_ms) = (Some(now_ms), Some(now_ms)),
        }
    }

    /// The clock was set back to `now_ms`, before the store has noted it.
    fn set_back(&mut self, by_ms: i64) {
        self.was_set_back |= by_ms > 0;
        // A slice that was prepared before has the old times.
        self.slices.clear();
        let fresh = self.store.reader.fresh_counts().unwrap();
        for (service, id) in self.services.iter_mut().zip(&self.store.ids) {
            let fresh = fresh.get(id).copied().unwrap_or_default();
            service.set_back(by_ms, self.now_ms, fresh as usize);
        }
        let now_ms = self.now_ms;
        let Self { watched_ms, mark_ms, newest_tick_ms, sealing_tick_ms, .. } = self;
        for at_ms in [watched_ms, mark_ms, newest_tick_ms, sealing_tick_ms].into_iter().flatten() {
            if *at_ms > now_ms {
                *at_ms = (*at_ms - by_ms).min(now_ms);
            }
        }
    }

    fn enable(&mut self, nth: usize, is_enabled: bool) {
        let id = self.store.ids[nth];
        let change = [("enabled".to_owned(), is_enabled.into())].into_iter().collect();
        let change = Change::Update(id, Patch::new(change).unwrap());
        self.store.writer.define(change, &AuditSource::COMMAND, self.now_ms).unwrap();
        self.store.ledger.forget(id);
        self.services[nth].enable(is_enabled, self.now_ms);
    }

    fn restart(&mut self, ms: i64) {
        self.store.ledger = Ledger::default();
        self.slices.clear();
        self.now_ms += ms;
        let events = self.services.iter().flat_map(|service| &service.events);
        let bounds = events.flat_map(|event| [Some(event.from_ms), event.to_ms]).flatten();
        let newest_ms = bounds.chain(self.watched_ms).max().unwrap_or(self.now_ms);
        let by_ms = newest_ms - self.now_ms;
        let mark_by_ms = self.watched_ms.map_or(0, |at_ms| at_ms - self.now_ms);
        if mark_by_ms > 0 {
            self.set_back(mark_by_ms);
        }
        self.set_back(0);
        let fresh = self.store.reader.fresh_counts().unwrap();
        let resumed = self.store.writer.close_gap(self.now_ms, DEFAULT_INTERVAL).unwrap();
        assert_eq!(resumed.set_back.map(|set_back| set_back.by_ms), (by_ms > 0).then_some(by_ms));
        assert_eq!(resumed.stopped_at_ms, self.watched_ms);
        let Some(from_ms) = self.watched_ms else { return };
        let (now_ms, interval_ms) = (self.now_ms, DEFAULT_INTERVAL.as_millis() as i64);
        let mut began = 0;
        for (service, id) in self.services.iter_mut().zip(&self.store.ids) {
            let is_sealed = !fresh.contains_key(id);
            if mark_by_ms > 1_000 || service.missed(from_ms, now_ms, interval_ms, is_sealed) {
                let before = service.events.len();
                service.gap(from_ms, now_ms);
                began += service.events.len() - before;
            }
        }
        let expected = Gap { from_ms, services: began };
        assert_eq!(resumed.gap, (began > 0).then_some(expected));
        (self.mark_ms, self.watched_ms) = (Some(now_ms), Some(now_ms));
    }

    fn begin(&mut self) {
        let fresh = self.fresh();
        let is_sealing = self.store.begin_sealing();
        assert_eq!(is_sealing, self.sealing.is_some() || fresh > 0);
        if is_sealing && self.sealing.is_none() {
            let counts = self.services.iter().map(|service| service.ticks.len() as u64);
            self.sealing = Some(counts.collect());
            self.sealing_tick_ms = self.newest_tick_ms;
            self.sealings += 1;
        }
    }

    /// A slice is refused after another one was published.
    fn publish(&mut self, services: usize) {
        if self.slices.is_empty() {
            return;
        }
        let before = self.fresh_ticks();
        let (mut slice, sealing) = self.slices.remove(0);
        let reached = self.store.reader.sealing().unwrap();
        let reached = reached.map_or(0, |sealing| sealing.done_through);
        let published = self.store.publish(&mut slice, services, self.now_ms);
        if self.sealing.is_none() || sealing != self.sealings || slice.after < reached {
            assert!(matches!(published, Err(StorageError::Conflict(_))), "{published:?}");
            return;
        }
        let portion = published.unwrap();
        assert!(portion.services <= services);
        self.sealed += portion.ticks;
        assert_eq!(self.store.ledger.fresh().ticks, before - portion.ticks);
        if !slice.is_published() {
            self.slices.insert(0, (slice, sealing));
        }
        for (nth, service) in self.services.iter().enumerate() {
            let remaining: Vec<_> = service.remaining().collect();
            assert_eq!(self.store.ticks(self.store.ids[nth]), remaining);
        }
    }

    fn finish(&mut self) {
        let finished = self.store.finish_sealing(self.now_ms);
        if finished.is_err() {
            assert!(matches!(finished, Err(StorageError::Conflict(_))), "{finished:?}");
            return;
        }
        let before = self.sealing.take().unwrap();
        // The ticks of the sealing are deleted, and the newest may have been the mark.
        self.mark_ms = self.mark_ms.max(self.sealing_tick_ms.take());
        let fresh = self.store.reader.fresh_counts().unwrap();
        for ((service, id), before) in self.services.iter().zip(&self.store.ids).zip(before) {
            let fresh = fresh.get(id).copied().unwrap_or_default();
            let later = service.ticks.len() as u64 - before;
            let is_sealed =
                if self.kind.seals_later_ticks() { fresh <= later } else { fresh == later };
            assert!(is_sealed, "{fresh} ticks are fresh, and {later} are later than the sealing");
        }
    }

    fn retain(&mut self, ticks_ms: u64, rollups_ms: u64) {
        // Retention never runs while a slice is prepared.
        self.slices.clear();
        let (ticks, rollups) = (Duration::from_millis(ticks_ms), Duration::from_millis(rollups_ms));
        self.store.retain(Retention { ticks, rollups, deliveries: rollups }, self.now_ms);
        let cutoff_ms = self.now_ms - ticks_ms.cast_signed();
        self.rollups_from_ms = self.rollups_from_ms.max(self.now_ms - rollups_ms.cast_signed());
        for (nth, service) in self.services.iter_mut().enumerate() {
            let left = self.store.ticks(self.store.ids[nth]);
            let mut numbers = left.iter().map(|(seq, _)| *seq as usize - 1).peekable();
            for index in (0..service.ticks.len()).rev() {
                let is_stored = numbers.next_if_eq(&index).is_some();
                if !is_stored && !service.is_expired[index] {
                    service.is_expired[index] = true;
                    assert!(service.ticks[index].at_ms < cutoff_ms, "tick {index} is not too old");
                }
            }
        }
        for id in self.store.ids.clone() {
            let rows = &mut *self.store.reader;
            for chunk in rows.chunks(id, Window::ALL, None).unwrap() {
                let (_, ticks) = ticks::open(rows, &chunk).unwrap();
                assert!(ticks.iter().any(|tick| tick.at_ms >= cutoff_ms), "{chunk:?} is too old");
            }
        }
    }

    /// Later than the time of every tick.
    fn end_ms(&self) -> i64 {
        let all = self.services.iter();
        let times = all.flat_map(|service| service.ticks.iter().map(|tick| tick.at_ms));
        times.chain([self.now_ms]).max().unwrap_or_default() + 1_000
    }

    fn check_answers(&mut self, windows: &[AnyWindow]) {
        self.store.assert_consistent();
        assert_eq!(
            (self.store.usage().fresh_ticks, self.fresh_ticks()),
            (self.fresh(), self.fresh())
        );
        for nth in 0..self.services.len() {
            let id = self.store.ids[nth];
            let remaining: Vec<_> = self.services[nth].remaining().collect();
            assert_eq!(self.store.ticks(id), remaining);
            if !self.was_set_back {
                let is_sorted = self.services[nth].is_expired.is_sorted_by(|one, next| one >= next);
                assert!(is_sorted, "only the oldest are deleted");
            }
            self.check_events(nth);
            let moments_ms = self.services[nth].moments_ms();
            for any in windows {
                let window = any.within(self.end_ms(), &moments_ms);
                self.check_list(nth, any, window);
                self.check_uptime(nth, window);
                let grid = Grid::over(any.cut(window), any.step_ms);
                assert!(grid.count <= 2_000);
                self.check_series(nth, grid);
            }
        }
    }

    /// As the ledger counts them, after a commit: a new ledger reads the count with its first.
    fn fresh_ticks(&mut self) -> u64 {
        self.commit(&[], 0);
        self.store.ledger.fresh().ticks
    }

    /// Retention deletes the oldest events, and never the newest of all.
    fn check_events(&mut self, nth: usize) {
        let answer = spans(&mut *self.store.reader, self.store.ids[nth], Window::ALL).unwrap();
        let events = &self.services[nth].events;
        let (deleted, left) = events.split_at(events.len() - answer.len());
        assert_eq!(answer, left);
        assert_eq!(left.is_empty(), events.is_empty());
        let is_old = |ended_ms: Option<i64>| ended_ms.is_some_and(|at| at < self.rollups_from_ms);
        assert!(
            deleted.iter().all(|event| is_old(event.to_ms)),
            "{deleted:?} were deleted too soon"
        );
    }

    fn check_list(&mut self, nth: usize, any: &AnyWindow, window: Window) {
        let (state, reason) = (any.state, any.reason);
        let mut expected: Vec<_> = self.services[nth].remaining().collect();
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
            let page = list.run(&mut *self.store.reader).unwrap();
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

    fn check_uptime(&mut self, nth: usize, window: Window) {
        let service_id = self.store.ids[nth];
        let answer = spans(&mut *self.store.reader, service_id, Window::ALL).unwrap();
        let events = &self.services[nth].events;
        let expected = model::totals(&events[events.len() - answer.len()..], window);
        for unknown in CountAs::ALL {
            let counting = Counting { unknown, ..Counting::default() };
            let query = GetUptime { service_id, window, counting };
            let uptime = query.run(&mut *self.store.reader).unwrap();
            assert_eq!(uptime.totals, expected);
            assert_eq!(uptime.totals.total(), (window.to_ms - window.from_ms).cast_unsigned());
            assert_eq!((uptime.up_ms(), uptime.down_ms()), model::counted(&expected, unknown));
        }
    }

    fn check_series(&mut self, nth: usize, grid: Grid) {
        let (service, service_id) = (&self.services[nth], self.store.ids[nth]);
        let series = GetSeries { service_id, grid }.run(&mut *self.store.reader).unwrap();
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
        for (start_ms, answer) in grid.starts().zip(&series) {
            let end_ms = start_ms + grid.step_ms;
            // Retention may have deleted its first roll-up.
            if rollup_ms.is_some_and(|length_ms| start_ms + length_ms <= self.rollups_from_ms) {
                continue;
            }
            let ticks: Vec<StoredTick> = left
                .iter()
                .copied()
                .filter(|tick| (start_ms..end_ms).contains(&tick.at_ms))
                .collect();
            assert_sums(answer, &ticks);
        }
    }
}

/// Compares `answer` with a recount of `ticks`.
fn assert_sums(answer: &Stats, ticks: &[StoredTick]) {
    let count = |state: State| ticks.iter().filter(|tick| tick.state == state).count() as u64;
    let counts = [State::Up, State::Down, State::Unknown].map(count);
    assert_eq!([answer.up, answer.down, answer.unknown], counts);
    let known: Vec<StoredTick> =
        ticks.iter().copied().filter(|tick| tick.state != State::Unknown).collect();
    let spent = || known.iter().map(|tick| tick.response_time_us);
    assert_eq!(
        (answer.sum_us, answer.min_us, answer.max_us),
        (spent().sum(), spent().min(), spent().max())
    );
    let phases = || known.iter().filter_map(|tick| tick.phases_us);
    assert_eq!(answer.phased, phases().count() as u64);
    for (nth, sum_us) in answer.phases_us.into_iter().enumerate() {
        assert_eq!(sum_us, phases().map(|phases| phases[nth]).sum::<u64>());
    }
    for q in [0.0, 0.5, 0.9, 0.99, 1.0] {
        let (quantile, expected) = (answer.quantile_us(q), model::quantile(&known, q));
        assert_eq!(quantile.is_some(), expected.is_some());
        let (quantile, expected) = (quantile.unwrap_or_default(), expected.unwrap_or_default());
        let off = quantile.abs_diff(expected) as f64;
        assert!(off <= expected as f64 * RELATIVE_ERROR, "{quantile} for {expected}");
    }
}

/// Whatever happens, and in whatever order: every answer is what happened.
fn a_history_is_what_happened(kind: Kind) {
    let config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(48) };
    proptest!(config, |(
        thresholds in prop::collection::vec((1u32..4, 1u32..4), 1..4),
        steps in prop::collection::vec(any_step(), 1..60),
        windows in prop::collection::vec(any_window(), 6),
    )| {
        let mut pair = Pair::new(kind, &thresholds);
        for (nth, step) in steps.iter().enumerate() {
            pair.take(step);
            if nth % 20 == 19 {
                pair.check_answers(&windows[..1]);
            }
        }
        pair.check_answers(&windows);
    });
}
