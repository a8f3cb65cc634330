//! Moves between stores of each kind, and what a move copies.

use std::sync::Arc;
use std::time::Duration;

use super::everything::everything;
use super::failing_target::FailingTarget;
use super::fixture::{Fixture, Kind, START_MS, for_each_store, outcome, outcomes, plain, quiet};
use super::place::Place;
use super::retention::{HOUR_MS, MINUTE_MS};
use crate::domain::alert::Marks;
use crate::domain::audit::{Action, AuditEntry, AuditSource, Differences, Object, ObjectKind};
use crate::domain::{Retention, State, sample};
use crate::storage::error::OpenError;
use crate::storage::history::check::{Checked, check};
use crate::storage::ledger::Ledger;
use crate::storage::postgres::offline;
use crate::storage::postgres::start_error::StartError;
use crate::storage::postgres::store::PostgresStore;
use crate::storage::postgres::target::TargetDatabase;
use crate::storage::postgres::tests::settings;
use crate::storage::records::Change;
use crate::storage::sqlite::offline::UnusedStore;
use crate::storage::sqlite::store::Store;
use crate::storage::sqlite::target::TargetFile;
use crate::storage::transfer::moving::{Begun, MoveError, MoveSource, Moved, run};
use crate::storage::transfer::rows::PLAIN;
use crate::storage::transfer::{MoveTarget, Progress, TransferSource};
use crate::storage::{StorageError, StoreWrite};

for_each_store!(
    a_move_from_an_empty_store_makes_an_empty_store,
    a_store_that_is_not_empty_receives_no_move,
    a_move_begins_anew_after_its_source_was_used,
    a_row_that_differs_is_found,
    of_two_processes_one_goes_on,
);

/// Makes a test of each direction.
macro_rules! for_each_direction {
    ($($test:ident),* $(,)?) => {
        mod directions {
            use super::super::fixture::Kind::{Postgres, Sqlite};

            for_each_direction!(@ from_sqlite_to_postgres, Sqlite, Postgres, $($test),*);
            for_each_direction!(@ from_postgres_to_sqlite, Postgres, Sqlite, $($test),*);
            for_each_direction!(@ from_sqlite_to_sqlite, Sqlite, Sqlite, $($test),*);
            for_each_direction!(@ from_postgres_to_postgres, Postgres, Postgres, $($test),*);
        }
    };
    (@ $direction:ident, $from:ident, $to:ident, $($test:ident),*) => {
        mod $direction {
            $(
                #[test]
                fn $test() {
                    super::super::$test(super::$from, super::$to);
                }
            )*
        }
    };
}
for_each_direction!(a_move_has_every_row_and_can_be_used, a_move_that_ends_anywhere_goes_on,);

/// Rows of the tables that the steps of a fixture do not fill; `HASH` is one of 32 bytes. Every
/// column that may be null has a value in one row.
const ROWS: &str = "\
    INSERT INTO channels (name, kind, origin, enabled, options, failing_since_ms) VALUES \
        ('a', 'slack', 'api', TRUE, '{}', 7), ('b', 'slack', 'api', TRUE, '{}', 7), \
        ('ops', 'slack', 'api', TRUE, '{\"a\":1}', 7), ('d', 'slack', 'api', TRUE, '{}', 7), \
        ('e', 'slack', 'api', TRUE, '{}', 7); \
    DELETE FROM channels WHERE name <> 'ops'; \
    INSERT INTO policies VALUES (2, 'all', 'api', 1, '{\"kind\":[\"down\"]}', '{}'); \
    INSERT INTO silences VALUES (4, '{\"name\":[\"a\"]}', 5, 6, 'ann', 'disks'); \
    INSERT INTO alerts VALUES (5, 1, 'down', 'critical', 'acknowledged', 10, 11, 12, 'ann', \
        'disks', 13, NULL, 'connect', 2, 'silence', 'core', '{}'), \
        (6, NULL, 'monitor', 'warning', 'resolved', 1, 2, NULL, NULL, NULL, NULL, 9, NULL, 1, \
        NULL, NULL, '{}'); \
    INSERT INTO notifications VALUES (3, 3, 'ann@example.org', 2, 'service:1', 1, 4, 3, 'open', 8, \
        2, 7, 'ref', 9, 5, 10, TRUE, '{}'); \
    INSERT INTO notification_alerts VALUES (3, 6), (3, 5); \
    INSERT INTO deliveries VALUES (9, 3, 3, 4, 6, 17, 'dead', 503, 'busy'); \
    INSERT INTO maintenances VALUES (2, 'api', '{\"cron\": \"0 2 * * *\"}', 2, 3, 4, 5); \
    INSERT INTO maintenance_spans VALUES (1, 10, 12, 2), (0, 5, 8, 2); \
    INSERT INTO api_tokens VALUES (4, 'a', 'shc_0000', HASH, '[\"read\"]', '[\"core\"]', 1, 'me', \
        2, 3, 4); \
    INSERT INTO api_sessions VALUES (HASH, 4, 5, 6); \
    INSERT INTO audit VALUES (7777, 8, 'token a', 4, '::1', 'service.update', 'service', 1, 'a', \
        '{\"a\":1}', '{\"a\":2}'); \
    UPDATE alerting SET next_alert_id = 70, next_notification_id = 80; \
    UPDATE services SET group_name = 'core', interval_seconds = 0.1, timeout_seconds = 2.5, \
        conditions = '[STATUS] == 200', options = '{\"labels\":{\"a\":\"b\"}}' WHERE id = 3; \
    INSERT INTO service_facts (id, service_id, at_ms, certificate_expires_at, tls_version, \
        http_version, redirects, ip_version) VALUES (12, 3, 5, 6, 'TLS 1.3', '2', 1, 6), \
        (11, 3, 7, NULL, NULL, NULL, 0, NULL); \
    UPDATE service_metrics SET unwatched_from_ms = 5, streak_is_up = FALSE, streak_count = 2, \
        streak_since_ms = 4, certificate_step = 14, certificate_fine_since_ms = 8, \
        result_run = -3, slow_run = 2, relayed_seq = 6, is_flapping = TRUE WHERE service_id = 3";

/// Fills every table of a new store; the services are more than two portions.
fn fill(place: &Place, kind: Kind) -> Fixture {
    let mut f = Fixture::new(place.open(), 150);
    let ids = f.ids.clone();
    let (busy, short, deleted, marked, last) = (ids[0], ids[1], ids[2], ids[3], ids[149]);
    // `busy` has chunks, some of which expire; `last` has no fresh ticks; `short` no sealed ones.
    for hour in 0..5 {
        let from_ms = START_MS + hour * HOUR_MS;
        f.commit(&outcomes(busy, &quiet(40, from_ms, MINUTE_MS)), 0);
        f.commit(&[outcome(busy, &plain(State::Down, from_ms + 45 * MINUTE_MS))], 0);
        f.commit(&outcomes(deleted, &quiet(7, from_ms, MINUTE_MS)), 0);
        if hour < 4 {
            f.commit(&outcomes(last, &quiet(7, from_ms, MINUTE_MS)), 0);
            f.seal(12, from_ms + 50 * MINUTE_MS);
        }
    }
    let now_ms = START_MS + 5 * HOUR_MS;
    let retention = Retention {
        ticks: Duration::from_millis((4 * HOUR_MS).unsigned_abs()),
        rollups: Duration::from_secs(86_400),
        deliveries: Duration::from_secs(86_400),
    };
    f.retain(retention, now_ms);
    assert!(f.reader.marks().unwrap().expired_ticks > 0);
    f.commit(&outcomes(short, &quiet(3, now_ms, MINUTE_MS)), 0);
    f.commit(&[outcome(short, &plain(State::Unknown, now_ms + HOUR_MS))], 0);
    for id in [deleted, ids[148]] {
        f.writer.define(Change::Delete(id), &AuditSource::COMMAND, now_ms).unwrap();
    }
    let marks = Marks { failures: vec![1], ..Marks::default() };
    f.ledger.set_marks([(marked, Arc::new(marks))].into_iter().collect());
    let down = outcome(marked, &plain(State::Down, START_MS + 6 * HOUR_MS));
    assert_eq!(f.commit(&[down], 0).signals, 1);
    let hash = match kind {
        Kind::Sqlite => "randomblob(32)",
        Kind::Postgres => "sha256('a')",
    };
    place.execute(&ROWS.replace("HASH", hash));
    f
}

enum Source {
    File(UnusedStore),
    Database(Box<PostgresStore>),
}

impl Source {
    fn open(place: &Place) -> Self {
        match place {
            Place::File(_) => Self::File(UnusedStore::open(&place.file()).unwrap()),
            Place::Database(database) => {
                let settings = settings(&database.url());
                let store = offline::open_unused(&settings, Duration::ZERO, &|_| {});
                Self::Database(Box::new(store.unwrap()))
            }
        }
    }

    fn snapshot<T, E: From<StorageError>>(
        &mut self,
        work: impl FnOnce(&mut dyn TransferSource) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            Self::File(file) => file.snapshot(work),
            Self::Database(database) => database.snapshot(work),
        }
    }

    fn describe(&mut self) -> MoveSource {
        let state = self.snapshot(|source| source.state()).unwrap();
        MoveSource { state, name: "the source".to_owned() }
    }
}

fn target(place: &Place, from: &MoveSource) -> Result<(Box<dyn MoveTarget>, Begun), OpenError> {
    Ok(match place {
        Place::File(_) => {
            let (target, begun) = TargetFile::open(&place.file(), from)?;
            (Box::new(target), begun)
        }
        Place::Database(database) => {
            let (target, begun) = TargetDatabase::open(&settings(&database.url()), from)?;
            (Box::new(target), begun)
        }
    })
}

/// A whole move.
fn move_to(from: &Place, to: &Place) -> (Begun, Result<Moved, MoveError>) {
    let mut source = Source::open(from);
    let described = source.describe();
    let (mut target, begun) = target(to, &described).unwrap();
    let moved = source.snapshot(|source| run(source, &mut *target, begun.progress(), &mut |_| {}));
    if moved.is_ok() {
        target.finish(&audited()).unwrap();
    }
    (begun, moved)
}

fn audited() -> AuditEntry {
    AuditEntry {
        at_ms: START_MS,
        source: AuditSource::COMMAND,
        action: Action::Move,
        object: Object { kind: ObjectKind::Store, id: None, name: None },
        differences: Differences { before: None, after: None },
    }
}

/// What can be read, without the row of the audit about the move.
fn read(place: &Place) -> (Vec<String>, Checked) {
    place.execute("DELETE FROM audit WHERE action = 'move'");
    let mut store = place.open();
    let all = everything(&mut *store.reader);
    (all, check(&mut *store.reader).unwrap())
}

fn a_move_has_every_row_and_can_be_used(from: Kind, to: Kind) {
    let (source, destination) = (Place::new(from), Place::new(to));
    let mut f = fill(&source, from);
    let runs = |store: &mut dyn StoreWrite| {
        let ids = store.all_service_ids().unwrap();
        store.entries(&ids).unwrap().iter().map(|entry| entry.runs).collect::<Vec<_>>()
    };
    let (all, checked) = (everything(&mut *f.reader), check(&mut *f.reader).unwrap());
    assert_eq!(checked.problems, [""; 0]);
    let (entries, ids) = (runs(&mut *f.writer), f.ids.clone());
    drop(f);
    source.close();
    for (table, columns) in PLAIN {
        for column in *columns {
            let filled = source.texts(&format!("SELECT count({column}) FROM {table}"));
            assert_ne!(filled, ["0"], "{table}.{column} has no value");
        }
    }

    let (begun, moved) = move_to(&source, &destination);
    let moved = moved.unwrap();
    assert_eq!(begun, Begun::New);
    assert_eq!((moved.services, moved.ticks), (150, checked.ticks));
    assert_eq!(moved.rollups, checked.rollups);
    assert!(move_again_is_refused_or_finished(&source, &destination));
    assert_eq!(read(&destination), (all, checked.clone()));

    // Results and sealings go on, and no id is given twice.
    let mut store = destination.open();
    assert_eq!(runs(&mut *store.writer), entries);
    let now_ms = START_MS + 7 * HOUR_MS;
    let resumed = store.writer.close_gap(now_ms, Duration::from_secs(15)).unwrap();
    assert_eq!(resumed.stopped_at_ms, Some(START_MS + 6 * HOUR_MS), "the newest tick");
    let mut ledger = Ledger::default();
    ledger.commit(&mut *store.writer, &outcomes(ids[0], &quiet(30, now_ms, 1)), now_ms).unwrap();
    let new = Change::Create(Box::new(sample::definition("new")));
    let new = store.writer.define(new, &AuditSource::COMMAND, now_ms).unwrap();
    assert!(new.id > ids[149]);
    let channel = "INSERT INTO channels (name, kind, origin, enabled, options) \
                   VALUES ('new', 'slack', 'api', TRUE, '{}')";
    destination.execute(channel);
    assert_eq!(destination.texts("SELECT max(id) FROM channels"), ["6"], "5 was given before");
    assert!(store.writer.begin_sealing().unwrap());
    let Checked { problems, ticks, .. } = check(&mut *store.reader).unwrap();
    assert_eq!((problems, ticks), (Vec::new(), checked.ticks + 30));
}

/// A finished move that nobody has used is found, without a change.
fn move_again_is_refused_or_finished(source: &Place, destination: &Place) -> bool {
    let from = Source::open(source).describe();
    target(destination, &from).unwrap().1 == Begun::Finished
}

fn a_move_that_ends_anywhere_goes_on(from: Kind, to: Kind) {
    let (place, destination) = (Place::new(from), Place::new(to));
    let mut f = fill(&place, from);
    let all = everything(&mut *f.reader);
    drop(f);
    place.close();
    let mut source = Source::open(&place);
    let described = source.describe();
    let mut attempts = 0;
    // A portion has some 300 rows; each attempt gets a little further than the one before.
    loop {
        let (inner, begun) = target(&destination, &described).unwrap();
        assert_eq!(begun == Begun::New, attempts == 0);
        let mut failing = FailingTarget { target: inner, calls_left: 37 * attempts };
        let moved = source
            .snapshot(|source| run(source, &mut failing, begun.progress(), &mut |_| {}))
            .and_then(|moved| failing.finish(&audited()).map(|()| moved).map_err(Into::into));
        attempts += 1;
        match moved {
            Ok(moved) => {
                assert_eq!(moved.services, 150);
                break;
            }
            Err(MoveError::Storage(error)) => {
                assert_eq!(error, StorageError::Unavailable("killed".to_owned()));
            }
            Err(error) => panic!("{error}"),
        }
        drop(failing);
        refuses_services(&destination);
    }
    assert!(attempts > 4, "{attempts}");
    drop(source);
    assert_eq!(read(&destination).0, all);
}

/// Neither a service nor a command uses the target of an unfinished move.
#[track_caller]
fn refuses_services(destination: &Place) {
    let why = match destination {
        Place::File(_) => Store::open(&destination.file()).err().map(|error| error.to_string()),
        Place::Database(database) => match offline::open(&settings(&database.url())) {
            Err(OpenError::Database { why: why @ StartError::UnfinishedMove(_), .. }) => {
                Some(why.to_string())
            }
            _ => None,
        },
    };
    let why = why.expect("an unfinished move can be used");
    assert!(why.contains("it holds an unfinished move of the source; run the same"), "{why}");
}

fn a_move_from_an_empty_store_makes_an_empty_store(kind: Kind) {
    for to in [Kind::Sqlite, Kind::Postgres] {
        let (source, destination) = (Place::new(kind), Place::new(to));
        drop(source.open());
        source.close();
        let (begun, moved) = move_to(&source, &destination);
        assert_eq!((begun, moved), (Begun::New, Ok(Moved::default())));
        destination.execute("DELETE FROM audit");
        let mut store = destination.open();
        assert_eq!(check(&mut *store.reader).unwrap(), Checked::default());
        let resumed = store.writer.close_gap(START_MS, Duration::from_secs(15)).unwrap();
        assert_eq!(resumed.stopped_at_ms, None, "nothing was observed yet");
        let first = Change::Create(Box::new(sample::definition("first")));
        let first = store.writer.define(first, &AuditSource::COMMAND, START_MS).unwrap();
        assert_eq!(first.id.get(), 1);
    }
}

fn a_store_that_is_not_empty_receives_no_move(kind: Kind) {
    let (source, other) = (Place::new(Kind::Sqlite), Place::new(Kind::Sqlite));
    let destination = Place::new(kind);
    drop((source.open(), other.open(), destination.open()));
    destination.close();
    let described = |place: &Place| Source::open(place).describe();
    #[track_caller]
    fn assert_refused(place: &Place, from: &MoveSource, expected: &str) {
        let why = target(place, from).map(|(_, begun)| begun).unwrap_err().to_string();
        assert!(why.contains(expected), "{why}");
    }
    assert_refused(&destination, &described(&source), "it has a store already");
    let itself = described(&destination);
    assert_refused(&destination, &itself, "it is the configured store itself");

    let empty = Place::new(kind);
    drop(target(&empty, &described(&source)).unwrap());
    assert_refused(&empty, &described(&other), "an unfinished move of another store, the source");
    refuses_services(&empty);
    let (begun, moved) = move_to(&source, &empty);
    assert_eq!((begun, moved), (Begun::GoesOn(Progress::START), Ok(Moved::default())));
    assert_refused(&empty, &described(&other), "it has a store already");
    drop(empty.open());
    empty.close();
    assert_refused(&empty, &described(&source), "a service has used it since");
}

fn a_move_begins_anew_after_its_source_was_used(kind: Kind) {
    for to in [Kind::Sqlite, Kind::Postgres] {
        let (source, destination) = (Place::new(kind), Place::new(to));
        drop(fill(&source, kind));
        source.close();
        let mut first = Source::open(&source);
        let (inner, begun) = target(&destination, &first.describe()).unwrap();
        // More than a portion.
        let mut failing = FailingTarget { target: inner, calls_left: 300 };
        let moved =
            first.snapshot(|source| run(source, &mut failing, begun.progress(), &mut |_| {}));
        assert!(matches!(moved, Err(MoveError::Storage(_))));
        drop((first, failing));
        assert_ne!(destination.texts("SELECT count(*) FROM services"), ["0"]);

        let mut store = source.open();
        let gone = store.writer.all_service_ids().unwrap()[4];
        store.writer.define(Change::Delete(gone), &AuditSource::COMMAND, START_MS).unwrap();
        let all = everything(&mut *store.reader);
        drop(store);
        source.close();
        let (begun, moved) = move_to(&source, &destination);
        assert_eq!(begun, Begun::Anew);
        assert_eq!(moved.unwrap().services, 150);
        assert_eq!(read(&destination).0, all);
    }
}

fn a_row_that_differs_is_found(kind: Kind) {
    let (place, destination) = (Place::new(Kind::Sqlite), Place::new(kind));
    drop(fill(&place, Kind::Sqlite));
    let mut source = Source::open(&place);
    let from = source.describe();
    for (damage, expected) in [
        ("UPDATE service_events SET updated_at = updated_at + 1 WHERE id = 1", "service 1: "),
        ("DELETE FROM service_rollups WHERE service_id = 150", "rows of service_rollups"),
        ("UPDATE service_ticks SET http_status = 201 WHERE service_id = 2", "service 2: "),
        ("UPDATE channels SET options = '{}' WHERE id = 3", "other tables: "),
        ("DELETE FROM deliveries", "rows of deliveries, and the target has 0"),
        ("UPDATE alerting SET next_alert_id = 1", "next_alert_id: 1"),
    ] {
        let (mut copied, begun) = target(&destination, &from).unwrap();
        let is_first = damage.contains("service_events");
        assert_eq!(begun, if is_first { Begun::New } else { Begun::Anew });
        let all = Progress { behind_service_id: i64::MAX, is_copied: true };
        let copy = |source: &mut dyn TransferSource| {
            run(source, &mut *copied, begun.progress(), &mut |_| {})
        };
        source.snapshot(copy).unwrap();
        drop(copied);
        destination.execute(damage);
        let (mut copied, begun) = target(&destination, &from).unwrap();
        assert_eq!(begun.progress().is_copied, all.is_copied);
        let compared = source
            .snapshot(|source| run(source, &mut *copied, begun.progress(), &mut |_| {}))
            .unwrap_err()
            .to_string();
        assert!(compared.contains(expected), "{damage}: {compared}");
        drop(copied);
        refuses_services(&destination);
    }
}

fn of_two_processes_one_goes_on(kind: Kind) {
    let (place, destination) = (Place::new(Kind::Sqlite), Place::new(kind));
    drop(place.open());
    let from = Source::open(&place).describe();
    let (mut first, _) = target(&destination, &from).unwrap();
    match (kind, target(&destination, &from)) {
        (Kind::Sqlite, second) => {
            assert!(matches!(second, Err(OpenError::InUse { .. })), "its file is locked");
        }
        (Kind::Postgres, second) => {
            let (mut second, begun) = second.unwrap();
            assert_eq!(begun, Begun::GoesOn(Progress::START));
            first.begin().unwrap();
            let noted = first.note(Progress::START).unwrap_err().to_string();
            assert_eq!(noted, "another process goes on with this move");
            second.begin().unwrap();
            second.note(Progress::START).unwrap();
            second.commit().unwrap();
        }
    }
}
