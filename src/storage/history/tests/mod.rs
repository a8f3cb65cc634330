//! The history as a whole, on a real file: what is told must be what happened.

mod histories;
mod model;
mod sealing;
mod steps;
mod upkeep;
mod windows;

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::retention;
use super::seal;
use crate::domain::Retention;
use crate::domain::Window;
use crate::domain::history::tick::{PHASES, StoredTick};
use crate::domain::outcome::Phases;
use crate::domain::{
    Definition, Failure, Options, Outcome, Reason, ServiceId, State, Thresholds, sample,
};
use crate::storage::history::check::check;
use crate::storage::history::retention::Progress;
use crate::storage::history::seal::Portion;
use crate::storage::history::slice::{Bounds, SLICE, Slice, next_slice};
use crate::storage::history::ticks::ListTicks;
use crate::storage::history::usage::{GetUsage, Usage};
use crate::storage::ledger::{Committed, Ledger};
use crate::storage::reader::Query;
use crate::storage::schema::{service_events, service_rollups, service_tick_chunks, services};
use crate::storage::writer::{Change, apply};
use crate::storage::{StorageError, Store, connection};

/// A Monday at noon, in unix milliseconds.
const START_MS: i64 = 1_795_435_200_000;

/// Failures that are the service's own.
const REASONS: [Reason; 4] = [Reason::Timeout, Reason::Status, Reason::Refused, Reason::DnsTimeout];

struct Fixture {
    connection: SqliteConnection,
    /// Reads beside it, as the keeper does.
    reader: SqliteConnection,
    ledger: Ledger,
    ids: Vec<ServiceId>,
    store: Store,
    _folder: tempfile::TempDir,
}

/// As many services, which ask for one result an event.
fn fixture(services: usize) -> Fixture {
    fixture_with(&vec![Thresholds::default(); services])
}

fn fixture_with(thresholds: &[Thresholds]) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db")).unwrap();
    let mut connection = connection::writer(store.path()).unwrap();
    connection.batch_execute("PRAGMA synchronous = OFF").unwrap();
    let reader = connection::reader(store.path()).unwrap();
    let numbered = thresholds.iter().enumerate();
    let ids = numbered
        .map(|(nth, thresholds)| {
            let options = Options { thresholds: *thresholds, ..Options::default() };
            let name = format!("service-{nth}");
            let definition = Definition { options: Arc::new(options), ..sample::definition(&name) };
            let change = Change::Create(Box::new(definition));
            apply(&mut connection, change, START_MS).unwrap().id
        })
        .collect();
    Fixture { connection, reader, ledger: Ledger::default(), ids, store, _folder: folder }
}

impl Fixture {
    fn commit(&mut self, group: &[Outcome], now_ms: i64) -> Committed {
        self.ledger.commit(&mut self.connection, group, now_ms).unwrap()
    }

    fn begin_sealing(&mut self) -> bool {
        let is_under_way = seal::begin(&mut self.connection).unwrap();
        self.ledger.sealing(is_under_way);
        is_under_way
    }

    fn prepare(&mut self, chunk_ticks: usize, bounds: Bounds) -> Option<Slice> {
        let prepared = self.reader.transaction(|reader| next_slice(reader, chunk_ticks, bounds));
        prepared.unwrap()
    }

    /// Publishes as the writer does, but as many services.
    fn publish(
        &mut self,
        slice: &mut Slice,
        services: usize,
        now_ms: i64,
    ) -> Result<Portion, StorageError> {
        let mut left = services;
        let published = seal::publish_until(&mut self.connection, slice, now_ms, || {
            left -= 1;
            left == 0
        });
        match &published {
            Ok(portion) => self.ledger.sealed(portion.ticks),
            Err(_) => self.ledger = Ledger::default(),
        }
        published
    }

    fn finish_sealing(&mut self, now_ms: i64) -> Result<(), StorageError> {
        let strays = seal::finish(&mut self.connection, now_ms)?;
        assert_eq!(strays, 0);
        self.ledger.sealing(false);
        Ok(())
    }

    /// Seals everything that is fresh, or what is left of a sealing that was broken off.
    fn seal(&mut self, chunk_ticks: usize, now_ms: i64) {
        assert!(self.begin_sealing());
        self.seal_rest(chunk_ticks, now_ms);
    }

    fn seal_rest(&mut self, chunk_ticks: usize, now_ms: i64) {
        while let Some(mut slice) = self.prepare(chunk_ticks, SLICE) {
            self.publish(&mut slice, usize::MAX, now_ms).unwrap();
            assert!(slice.is_published());
        }
        self.finish_sealing(now_ms).unwrap();
    }

    /// A whole round of retention.
    fn retain(&mut self, retention: Retention, now_ms: i64) {
        let mut progress = Progress::default();
        while progress != Progress::Done {
            progress = retention::step(&mut self.connection, retention, progress, now_ms).unwrap();
        }
    }

    /// Every tick of a service with its number, newest first.
    fn ticks(&mut self, id: ServiceId) -> Vec<(u64, StoredTick)> {
        let list = ListTicks {
            service_id: id,
            window: Window::ALL,
            state: None,
            reason: None,
            before: None,
            limit: usize::MAX,
        };
        let page = list.run(&mut self.reader).unwrap();
        assert_eq!(page.next, None);
        page.ticks
    }

    fn usage(&mut self) -> Usage {
        GetUsage.run(&mut self.reader).unwrap()
    }

    /// Holds every count against the rows that it counts, and has the history look for problems.
    #[track_caller]
    fn must_be_whole(&mut self) {
        let checked = check(&mut self.reader).unwrap();
        assert_eq!(checked.problems, Vec::<String>::new());
        let (usage, reader) = (self.usage(), &mut self.reader);
        let rows = [
            ("services", services::table.count().get_result(reader)),
            ("events", service_events::table.count().get_result(reader)),
            ("fresh_ticks", diesel::select(count("fresh_ticks")).get_result(reader)),
            ("sealed_ticks", service_tick_chunks::table.select(sum("tick_count")).first(reader)),
            ("chunks", service_tick_chunks::table.count().get_result(reader)),
            ("rollups", service_rollups::table.count().get_result(reader)),
        ];
        let rows = rows.map(|(what, count): (_, QueryResult<i64>)| (what, count.unwrap() as u64));
        assert_eq!(usage.rows(), rows);
        let bytes = service_tick_chunks::table.select(sum("length(data)")).first(reader).unwrap();
        assert_eq!(usage.sealed_bytes, i64::cast_unsigned(bytes));
        let told = [checked.services, checked.ticks, checked.rollups];
        assert_eq!(told, [usage.services, usage.fresh_ticks + usage.sealed_ticks, usage.rollups]);
    }
}

fn sum(column: &str) -> diesel::expression::SqlLiteral<diesel::sql_types::BigInt> {
    diesel::dsl::sql(&format!("coalesce(sum({column}), 0)"))
}

fn count(table: &str) -> diesel::expression::SqlLiteral<diesel::sql_types::BigInt> {
    diesel::dsl::sql(&format!("(SELECT count(*) FROM {table})"))
}

/// The outcome that is kept as `tick`.
fn outcome(service_id: ServiceId, tick: &StoredTick) -> Outcome {
    let [resolve, connect, tls, processing, transfer] =
        tick.phases_us.unwrap().map(Duration::from_micros);
    Outcome {
        response_time: Duration::from_micros(tick.response_time_us),
        http_status: tick.http_status,
        failure: tick.reason.map(|reason| Failure::new(reason, "it did not go well")),
        phases: Phases { resolve, connect, tls, processing, transfer },
        network_down: tick.state == State::Unknown,
        ..sample::outcome(service_id.get(), tick.at_ms)
    }
}

/// A tick at `at_ms` of which nothing else matters, but which differs from most others.
fn plain(state: State, at_ms: i64) -> StoredTick {
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
fn quiet(count: i64, from_ms: i64, every_ms: i64) -> Vec<StoredTick> {
    (0..count).map(|nth| plain(State::Up, from_ms + nth * every_ms)).collect()
}

fn outcomes(service_id: ServiceId, ticks: &[StoredTick]) -> Vec<Outcome> {
    ticks.iter().map(|tick| outcome(service_id, tick)).collect()
}

/// Ticks as they are listed: with their numbers from 1, newest first.
fn listed(ticks: &[StoredTick]) -> Vec<(u64, StoredTick)> {
    (1..).zip(ticks.iter().copied()).collect::<Vec<_>>().into_iter().rev().collect()
}
