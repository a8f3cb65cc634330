//! A store with services, its ledger, and steps of its history.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::audit::AuditSource;
use crate::domain::outcome::Phases;
use crate::domain::{
    Definition, Failure, Options, Outcome, PHASES, Reason, Retention, ServiceId, State, StoredTick,
    Thresholds, Window, sample,
};
use crate::storage::error::StorageError;
use crate::storage::history::check::check;
use crate::storage::history::retention;
use crate::storage::history::retention::Progress;
use crate::storage::history::rows::{Portion, Slice};
use crate::storage::history::sealing::publish_until;
use crate::storage::history::slice::{Bounds, SLICE, next_slice};
use crate::storage::history::ticks::ListTicks;
use crate::storage::ledger::{Committed, Ledger};
use crate::storage::port::{Query, StoreRead, StoreWrite, snapshot};
use crate::storage::records::{Change, GetUsage, Usage};
use crate::storage::{postgres, sqlite};

/// A Monday at noon, in unix milliseconds.
pub const START_MS: i64 = 1_795_435_200_000;

/// A store that the contract is tested with.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    /// Whether a sealing contains ticks that were recorded after it began, if they are there when
    /// the slice of their service is prepared.
    pub fn seals_later_ticks(self) -> bool {
        matches!(self, Self::Postgres)
    }

    /// Whether a new tick takes the place of the liveness mark.
    pub fn has_ticks_as_marks(self) -> bool {
        matches!(self, Self::Sqlite)
    }

    /// A new, empty store.
    pub fn open(self) -> TestStore {
        match self {
            Self::Sqlite => sqlite::tests::open(),
            Self::Postgres => postgres::tests::open(),
        }
    }
}

/// Makes one test a store of each function, which takes a [`Kind`].
macro_rules! for_each_store {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(
                #[test]
                fn $test() {
                    super::$test($crate::storage::contract::fixture::Kind::Sqlite);
                }
            )*
        }

        mod on_postgres {
            $(
                #[test]
                fn $test() {
                    super::$test($crate::storage::contract::fixture::Kind::Postgres);
                }
            )*
        }
    };
}
pub(super) use for_each_store;

/// An open store of one kind.
pub struct TestStore {
    pub writer: Box<dyn StoreWrite>,
    /// Reads concurrently with the writer.
    pub reader: Box<dyn StoreRead>,
    pub inspect: Box<dyn Inspect>,
    /// Removes the store when it is dropped.
    pub guard: Box<dyn Any>,
}

/// Reads of a test that the port has no use for.
pub trait Inspect {
    /// Number of rows, in the order of [`Usage::rows`], counted one by one.
    fn count_rows(&mut self) -> [u64; 6];
    /// Adds this many tokens.
    fn fill_tokens(&mut self, count: usize);
    /// Size of the sealed ticks, added up.
    fn sealed_bytes(&mut self) -> u64;
    /// The liveness mark as the next start finds it, in unix milliseconds.
    fn mark_ms(&mut self) -> Option<i64>;
    /// Every row that a sealing writes, as text.
    fn dump(&mut self) -> Vec<String>;
}

pub struct Fixture {
    pub writer: Box<dyn StoreWrite>,
    pub reader: Box<dyn StoreRead>,
    pub inspect: Box<dyn Inspect>,
    pub ledger: Ledger,
    pub ids: Vec<ServiceId>,
    _guard: Box<dyn Any>,
}

impl Fixture {
    /// `services` services with the default thresholds: one result makes an event.
    pub fn new(store: TestStore, services: usize) -> Self {
        Self::with_thresholds(store, &vec![Thresholds::default(); services])
    }

    pub fn with_thresholds(store: TestStore, thresholds: &[Thresholds]) -> Self {
        let TestStore { mut writer, reader, inspect, guard } = store;
        let numbered = thresholds.iter().enumerate();
        let ids = numbered
            .map(|(nth, thresholds)| {
                let options = Options { thresholds: *thresholds, ..Options::default() };
                let name = format!("service-{nth}");
                let definition =
                    Definition { options: Arc::new(options), ..sample::definition(&name) };
                writer
                    .define(Change::Create(Box::new(definition)), &AuditSource::COMMAND, START_MS)
                    .unwrap()
                    .id
            })
            .collect();
        Self { writer, reader, inspect, ledger: Ledger::default(), ids, _guard: guard }
    }

    /// At `now_ms`, or when the newest outcome began.
    pub fn commit(&mut self, group: &[Outcome], now_ms: i64) -> Committed {
        let newest_ms = group.iter().map(|outcome| outcome.started_at_ms).max();
        let now_ms = now_ms.max(newest_ms.unwrap_or(now_ms));
        self.ledger.commit(&mut *self.writer, group, now_ms).unwrap()
    }

    pub fn begin_sealing(&mut self) -> bool {
        let is_sealing = self.writer.begin_sealing().unwrap();
        self.ledger.sealing(is_sealing);
        is_sealing
    }

    pub fn prepare(&mut self, chunk_ticks: usize, bounds: Bounds) -> Option<Slice> {
        snapshot(&mut *self.reader, |rows| next_slice(rows, chunk_ticks, bounds)).unwrap()
    }

    /// As the writer actor, but ends after `services` services.
    pub fn publish(
        &mut self,
        slice: &mut Slice,
        services: usize,
        now_ms: i64,
    ) -> Result<Portion, StorageError> {
        let mut left = services;
        let published = publish_until(&mut *self.writer, slice, now_ms, &mut || {
            left -= 1;
            left == 0
        });
        match &published {
            Ok(portion) => self.ledger.sealed(portion.ticks),
            Err(_) => self.ledger = Ledger::default(),
        }
        published
    }

    pub fn finish_sealing(&mut self, now_ms: i64) -> Result<(), StorageError> {
        let strays = self.writer.finish_sealing(now_ms)?;
        assert_eq!(strays, 0);
        self.ledger.sealing(false);
        Ok(())
    }

    /// Seals all fresh ticks, or the rest of a sealing in progress.
    pub fn seal(&mut self, chunk_ticks: usize, now_ms: i64) {
        assert!(self.begin_sealing());
        self.seal_rest(chunk_ticks, now_ms);
    }

    pub fn seal_rest(&mut self, chunk_ticks: usize, now_ms: i64) {
        while let Some(mut slice) = self.prepare(chunk_ticks, SLICE) {
            self.publish(&mut slice, usize::MAX, now_ms).unwrap();
            assert!(slice.is_published());
        }
        self.finish_sealing(now_ms).unwrap();
    }

    /// A whole round of retention.
    pub fn retain(&mut self, retention: Retention, now_ms: i64) {
        let mut progress = Progress::default();
        while progress != Progress::Done {
            progress = retention::step(&mut *self.writer, retention, progress, now_ms).unwrap();
        }
    }

    /// Every tick of a service with its number, newest first.
    pub fn ticks(&mut self, id: ServiceId) -> Vec<(u64, StoredTick)> {
        let list = ListTicks {
            service_id: id,
            window: Window::ALL,
            state: None,
            reason: None,
            before: None,
            limit: usize::MAX,
        };
        let page = list.run(&mut *self.reader).unwrap();
        assert_eq!(page.next, None);
        page.ticks
    }

    pub fn usage(&mut self) -> Usage {
        GetUsage.run(&mut *self.reader).unwrap()
    }

    /// Compares every counter with the rows that it counts, and checks the history.
    #[track_caller]
    pub fn assert_consistent(&mut self) {
        let checked = check(&mut *self.reader).unwrap();
        assert_eq!(checked.problems, Vec::<String>::new());
        let usage = self.usage();
        assert_eq!(usage.rows().map(|(_, count)| count), self.inspect.count_rows());
        assert_eq!(usage.sealed_bytes, self.inspect.sealed_bytes());
        let counts = [checked.services, checked.ticks, checked.rollups];
        assert_eq!(counts, [usage.services, usage.fresh_ticks + usage.sealed_ticks, usage.rollups]);
    }
}

/// The outcome that is stored as `tick`.
pub fn outcome(service_id: ServiceId, tick: &StoredTick) -> Outcome {
    let [resolve, connect, tls, processing, transfer] =
        tick.phases_us.unwrap().map(Duration::from_micros);
    Outcome {
        response_time: Duration::from_micros(tick.response_time_us),
        http_status: tick.http_status,
        failure: tick.reason.map(|reason| Failure::new(reason, "a failure")),
        phases: Phases { resolve, connect, tls, processing, transfer },
        network_down: tick.state == State::Unknown,
        ..sample::outcome(service_id.get(), tick.at_ms)
    }
}

/// A tick whose response time depends on `at_ms`, so that most differ from each other.
pub fn plain(state: State, at_ms: i64) -> StoredTick {
    let spent = at_ms.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44;
    let mut phases_us = [spent / 8; PHASES];
    phases_us[3] = spent - 4 * (spent / 8);
    let is_up = state == State::Up;
    StoredTick {
        at_ms,
        state,
        response_time_us: spent,
        phases_us: Some(phases_us),
        http_status: is_up.then_some(200),
        reason: (!is_up).then_some(Reason::Timeout),
    }
}

/// `count` ticks up, one every `every_ms`.
pub fn quiet(count: i64, from_ms: i64, every_ms: i64) -> Vec<StoredTick> {
    (0..count).map(|nth| plain(State::Up, from_ms + nth * every_ms)).collect()
}

pub fn outcomes(service_id: ServiceId, ticks: &[StoredTick]) -> Vec<Outcome> {
    ticks.iter().map(|tick| outcome(service_id, tick)).collect()
}

/// Ticks as they are listed: with their numbers from 1, newest first.
pub fn listed(ticks: &[StoredTick]) -> Vec<(u64, StoredTick)> {
    (1..).zip(ticks.iter().copied()).collect::<Vec<_>>().into_iter().rev().collect()
}
