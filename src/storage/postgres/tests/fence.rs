//! The fence: writes whose answer is lost, and instances that may not write any more.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;

use super::{TestDatabase, open_with_limit, settings};
use crate::domain::alert::{AlertKind, DeliveryOutcome, Edge, Marks, Settlement};
use crate::domain::audit::AuditSource;
use crate::domain::{Outcome, ServiceId, State};
use crate::storage::contract::alert_signals::firing;
use crate::storage::contract::alerting::samples::{delivery, due};
use crate::storage::contract::fixture::{Fixture, START_MS, outcome, plain};
use crate::storage::error::StorageError;
use crate::storage::ledger::Committed;
use crate::storage::postgres::connection::{Connection, Mode};
use crate::storage::postgres::instance::Instance;
use crate::storage::records::Change;
use crate::storage::relayed::RelayedSeqs;

/// Limit of the calls whose answer is to be lost.
const LIMIT: Duration = Duration::from_millis(400);

/// A store with one service.
struct Fenced {
    f: Fixture,
    database: Arc<TestDatabase>,
    instance: Arc<Instance>,
    id: ServiceId,
    /// Number of outcomes so far.
    made: i64,
    /// Numbers of the ticks that commits reported, for remote write.
    reported: Vec<u64>,
}

impl Fenced {
    fn new() -> Self {
        let (store, database, instance) = open_with_limit(Some(LIMIT));
        let mut f = Fixture::new(store, 1);
        f.ledger.relay(RelayedSeqs::default());
        let id = f.ids[0];
        Self { f, database, instance, id, made: 0, reported: Vec::new() }
    }

    /// The next outcomes, which alternate between up and down.
    fn next(&mut self, count: i64) -> Vec<Outcome> {
        let first = self.made;
        self.made += count;
        let state = |nth: i64| if nth % 2 == 0 { State::Up } else { State::Down };
        let ticks = (first..self.made).map(|nth| plain(state(nth), START_MS + nth * 1_000));
        ticks.map(|tick| outcome(self.id, &tick)).collect()
    }

    fn commit(&mut self, group: &[Outcome]) -> Result<Committed, StorageError> {
        let now_ms = START_MS + self.made * 1_000;
        let committed = self.f.ledger.commit(&mut *self.f.writer, group, now_ms)?;
        self.reported.extend(committed.ticks.iter().map(|tick| tick.seq));
        Ok(committed)
    }

    /// Commits a group whose answer is lost. The statement waits for a lock until the process has
    /// given it up, and then is stored or is not.
    fn lose(&mut self, group: &[Outcome], is_stored: bool) {
        let now_ms = START_MS + self.made * 1_000;
        self.lose_write(is_stored, |f| f.ledger.commit(&mut *f.writer, group, now_ms));
    }

    /// As [`lose`](Self::lose), for any write.
    fn lose_write<T: Debug>(
        &mut self,
        is_stored: bool,
        write: impl FnOnce(&mut Fixture) -> Result<T, StorageError>,
    ) {
        let mut other = Connection::open(&settings(&self.database.url()), Mode::Write).unwrap();
        other.batch_execute("BEGIN; SELECT FROM instances FOR UPDATE").unwrap();
        let lost = write(&mut self.f).unwrap_err();
        assert!(matches!(lost, StorageError::Unavailable(_)), "{lost:?}");
        if !is_stored {
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND wait_event_type = 'Lock'";
            assert_eq!(self.database.query(end).len(), 1);
        }
        other.batch_execute("COMMIT").unwrap();
    }

    #[track_caller]
    fn assert_recorded(&mut self) {
        assert_eq!(self.f.ticks(self.id).len() as i64, self.made);
        let all: Vec<u64> = (1..=self.made.cast_unsigned()).collect();
        assert_eq!(self.reported, all, "each tick is reported once, in order");
        self.f.assert_consistent();
    }
}

#[test]
fn a_commit_whose_answer_is_lost_is_stored_once() {
    for is_stored in [true, false] {
        let mut fenced = Fenced::new();
        let first = fenced.next(3);
        fenced.commit(&first).unwrap();
        let lost = fenced.next(4);
        fenced.lose(&lost, is_stored);
        let more = fenced.next(2);
        let done = fenced.commit(&[lost, more].concat()).unwrap();
        assert_eq!((done.recorded, done.began.len()), (6, 6), "stored: {is_stored}");
        fenced.assert_recorded();
    }
}

#[test]
fn a_lost_group_may_be_divided_and_continued() {
    for is_stored in [true, false] {
        let mut fenced = Fenced::new();
        let lost = fenced.next(5);
        fenced.lose(&lost, is_stored);
        let (front, back) = lost.split_at(2);
        let first = fenced.commit(front).unwrap();
        let more = fenced.next(3);
        let rest = fenced.commit(&[back, more.as_slice()].concat()).unwrap();
        assert_eq!(first.recorded + rest.recorded, 8, "stored: {is_stored}");
        let last = fenced.next(1);
        assert_eq!(fenced.commit(&last).unwrap().recorded, 1);
        fenced.assert_recorded();
    }
}

#[test]
fn another_write_after_a_lost_commit_settles_it_too() {
    for is_stored in [true, false] {
        let mut fenced = Fenced::new();
        let lost = fenced.next(2);
        fenced.lose(&lost, is_stored);
        let other = crate::domain::sample::definition("another");
        fenced
            .f
            .writer
            .define(Change::Create(Box::new(other)), &AuditSource::COMMAND, START_MS)
            .unwrap();
        assert_eq!(fenced.commit(&lost).unwrap().recorded, 2, "stored: {is_stored}");
        assert_eq!(fenced.commit(&[]).unwrap(), Committed::default());
        fenced.assert_recorded();
    }
}

#[test]
fn two_answers_in_a_row_may_be_lost() {
    for (first_is_stored, second_is_stored) in
        [(true, true), (true, false), (false, true), (false, false)]
    {
        let mut fenced = Fenced::new();
        let first = fenced.next(3);
        fenced.lose(&first, first_is_stored);
        let second = fenced.next(2);
        let both = [first, second].concat();
        fenced.lose(&both, second_is_stored);
        let case = format!("stored: {first_is_stored}, {second_is_stored}");
        assert_eq!(fenced.commit(&both).unwrap().recorded, 5, "{case}");
        fenced.assert_recorded();
    }
}

#[test]
fn an_instance_that_was_ended_writes_nothing() {
    let mut fenced = Fenced::new();
    let group = fenced.next(1);
    fenced.commit(&group).unwrap();
    fenced.database.query("UPDATE instances SET ended_at_ms = 1, ended_by = 77");
    let more = fenced.next(1);
    let error = fenced.commit(&more).unwrap_err();
    let why = format!("this instance ({}) was ended by instance 77", fenced.instance.id());
    assert_eq!(error, StorageError::Unavailable(why.clone()));
    assert_eq!(fenced.instance.end(), Some(why.clone()));
    let other = crate::domain::sample::definition("another");
    let error = fenced
        .f
        .writer
        .define(Change::Create(Box::new(other)), &AuditSource::COMMAND, START_MS)
        .unwrap_err();
    assert_eq!(error, StorageError::Unavailable(why));
    assert_eq!(fenced.f.ticks(fenced.id).len(), 1);
    assert_eq!(fenced.f.reader.load_services().unwrap().len(), 1);
}

#[test]
fn a_database_that_has_lost_commits_is_told_and_read_again() {
    let mut fenced = Fenced::new();
    for _ in 0..3 {
        let group = fenced.next(2);
        fenced.commit(&group).unwrap();
    }
    // As a server that was one commit behind.
    fenced.database.query(
        "UPDATE instances SET commit_no = commit_no - 1; \
        DELETE FROM service_ticks WHERE seq > 4; \
        DELETE FROM service_events WHERE id > (SELECT max(id) - 2 FROM service_events); \
        UPDATE service_events SET date_ended_ms = NULL \
            WHERE id = (SELECT max(id) FROM service_events); \
        UPDATE service_metrics SET tick_count = 4, up_count = 2, response_time_sum_ns = \
            (SELECT sum(coalesce(unphased_us, 0) + dns_us + connect_us + tls_us + first_byte_us \
                + transfer_us) * 1000 FROM service_ticks), \
            latest_event_id = (SELECT max(id) FROM service_events)",
    );
    let group = fenced.next(2);
    let error = fenced.commit(&group).unwrap_err();
    assert!(error.to_string().contains("has lost its newest commits"), "{error}");
    assert_eq!(fenced.commit(&group).unwrap().recorded, 2);
    // Two ticks were reported, and then lost; those after them have their numbers.
    fenced.made -= 2;
    fenced.reported.drain(4..6);
    fenced.assert_recorded();
}

#[test]
fn a_metric_that_another_program_deleted_is_a_conflict_that_stores_nothing() {
    let mut fenced = Fenced::new();
    let group = fenced.next(2);
    fenced.commit(&group).unwrap();
    fenced.database.query("DELETE FROM service_metrics");
    let more = fenced.next(1);
    let why = "its row in service_metrics is missing".to_owned();
    assert_eq!(fenced.commit(&more).unwrap_err(), StorageError::Conflict(why));
    let count = &fenced.database.query("SELECT count(*) FROM service_ticks")[0][0];
    assert_eq!(count.as_deref(), Some("2"));
}

/// A settlement whose answer is lost is written again: it changes nothing more.
#[test]
fn a_settlement_whose_answer_is_lost_can_be_repeated() {
    for is_stored in [true, false] {
        let mut fenced = Fenced::new();
        let marks = Arc::new(Marks { failures: vec![1], ..Marks::default() });
        fenced.f.ledger.set_marks([(fenced.id, marks)].into_iter().collect());
        let group = fenced.next(2);
        assert_eq!(fenced.commit(&group).unwrap().signals, 1);
        let signal = fenced.f.reader.alert_signals(9).unwrap().remove(0);
        let settlement = Settlement {
            signals: vec![signal.id],
            alerts: vec![firing(1, Some(fenced.id), AlertKind::Down)],
            notifications: vec![due(1)],
            members: vec![(1, 1)],
            deliveries: vec![delivery(1, 5, DeliveryOutcome::Delivered)],
            ..Settlement::default()
        };
        fenced.lose_write(is_stored, |f| f.writer.settle_alerts(&settlement));
        let group = fenced.next(2);
        assert_eq!(fenced.commit(&group).unwrap().signals, 1);
        fenced.f.writer.settle_alerts(&settlement).unwrap();
        let left = fenced.f.reader.alert_signals(9).unwrap();
        assert_eq!(left.len(), 1, "stored: {is_stored}");
        assert!(left[0].id > signal.id);
        let stored = fenced.f.reader.alert(1).unwrap();
        assert_eq!(stored.alert, settlement.alerts[0]);
        assert_eq!((stored.notifications, stored.deliveries.len()), (vec![due(1)], 1));
        fenced.assert_recorded();
    }
}

#[test]
fn the_signals_of_a_commit_whose_answer_is_lost_are_stored_once() {
    for is_stored in [true, false] {
        let mut fenced = Fenced::new();
        let marks = Arc::new(Marks { failures: vec![1], ..Marks::default() });
        fenced.f.ledger.set_marks([(fenced.id, marks)].into_iter().collect());
        let lost = fenced.next(4);
        fenced.lose(&lost, is_stored);
        let more = fenced.next(1);
        let done = fenced.commit(&[lost, more].concat()).unwrap();
        assert_eq!((done.recorded, done.signals), (5, 2), "stored: {is_stored}");
        let signals = fenced.f.reader.alert_signals(9).unwrap();
        let edges: Vec<_> = signals.iter().map(|signal| signal.edge).collect();
        assert_eq!(edges, [Edge::Begin; 2]);
        fenced.assert_recorded();
    }
}
