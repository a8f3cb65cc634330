//! A copy of the store as an SQLite file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;

use super::{open_with_limit, settings};
use crate::domain::alert::{AlertKind, DeliveryOutcome, Marks, Notification, Settlement};
use crate::domain::audit::AuditSource;
use crate::domain::{Retention, ServiceId, State, sample};
use crate::storage::alerting::AlertingChange;
use crate::storage::contract::alert_signals::firing;
use crate::storage::contract::alerting::samples::{
    channel, delivery, due, policy, resolved, silence,
};
use crate::storage::contract::everything::everything;
use crate::storage::contract::fixture::{Fixture, START_MS, outcome, outcomes, plain, quiet};
use crate::storage::contract::postgres_cluster::Database;
use crate::storage::contract::retention::{HOUR_MS, MINUTE_MS};
use crate::storage::history::check::{Checked, check};
use crate::storage::ledger::Ledger;
use crate::storage::port::StoreWrite;
use crate::storage::postgres::store::PostgresStore;
use crate::storage::records::Change;
use crate::storage::sqlite::connection;
use crate::storage::sqlite::schema::{maintenance_spans, maintenances};
use crate::storage::sqlite::store::Store;
use crate::storage::sqlite::target::TargetFile;
use crate::storage::transfer::Copied;

/// Rows of each table of alerting.
fn add_alerting(f: &mut Fixture, id: ServiceId, database: &Database) {
    for change in [
        AlertingChange::CreateChannel(channel("ops")),
        AlertingChange::CreatePolicy(policy("all", &["ops"])),
        AlertingChange::CreateSilence(silence(9)),
    ] {
        f.writer.change_alerting(change, &AuditSource::COMMAND, 0).unwrap();
    }
    let marks = Marks { failures: vec![1], certificate_days: vec![14], ..Marks::default() };
    f.ledger.set_marks([(id, Arc::new(marks))].into_iter().collect());
    let mut down = outcome(id, &plain(State::Down, START_MS + 6 * HOUR_MS));
    down.details.certificate_expires_at = Some(0);
    assert_eq!(f.commit(&[down], 0).signals, 2);
    let settlement = Settlement {
        alerts: vec![firing(5, Some(id), AlertKind::Down), resolved(6, 7)],
        notifications: vec![due(3), Notification { closed_ms: Some(9), ..due(8) }],
        members: vec![(5, 3), (6, 3), (6, 8)],
        deliveries: vec![delivery(3, 5, DeliveryOutcome::Dead)],
        failing: vec![(1, Some(4))],
        ..Settlement::default()
    };
    f.writer.settle_alerts(&settlement).unwrap();
    database.query(
        "INSERT INTO maintenances \
             (origin, definition, effective_ms, mark_ms, created_at, updated_at) \
         VALUES ('api', '{\"cron\": \"0 2 * * *\"}', 2, 3, 4, 5); \
         INSERT INTO maintenance_spans VALUES (1, 10, 12, 1), (1, 5, 8, 1); \
         INSERT INTO api_tokens \
         VALUES (4, 'a', 'shc_0000', sha256('a'), '[\"read\",\"probe\"]', '[\"core\"]', \
             1, 'me', 2, 3, 4); \
         INSERT INTO api_sessions VALUES (sha256('b'), 4, 5, 6)",
    );
}

fn assert_maintenance(file: &Path) {
    let mut copy = connection::reader(file.to_str().unwrap()).unwrap();
    type Row = (i64, String, String, i64, i64, i64, i64);
    let rows: Vec<Row> = maintenances::table.load(&mut copy).unwrap();
    let definition = "{\"cron\": \"0 2 * * *\"}".to_owned();
    assert_eq!(rows, [(1, "api".to_owned(), definition, 2, 3, 4, 5)]);
    type Span = (i64, i64, i64, i64);
    let spans: Vec<Span> = maintenance_spans::table.load(&mut copy).unwrap();
    assert_eq!(spans, [(1, 5, 8, 1), (1, 10, 12, 1)]);
}

#[test]
fn a_copy_has_every_row_and_can_be_used() {
    let (store, database, _instance) = open_with_limit(None);
    // More than two portions.
    let mut f = Fixture::new(store, 150);
    let ids = f.ids.clone();
    let (busy, short, deleted, last) = (ids[0], ids[1], ids[2], ids[149]);
    // `busy` has chunks, some of which expire; `last` has no fresh ticks; `short` no sealed ones.
    for hour in 0..5 {
        let from_ms = START_MS + hour * HOUR_MS;
        f.commit(&outcomes(busy, &quiet(40, from_ms, MINUTE_MS)), 0);
        let down_ms = from_ms + 45 * MINUTE_MS;
        f.commit(&[outcome(busy, &plain(State::Down, down_ms))], 0);
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
    f.writer.define(Change::Delete(deleted), &AuditSource::COMMAND, now_ms).unwrap();
    f.writer.define(Change::Delete(ids[148]), &AuditSource::COMMAND, now_ms).unwrap();
    add_alerting(&mut f, last, &database);
    f.assert_consistent();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.db");
    let mut target = TargetFile::create(&file).unwrap();
    let mut source = PostgresStore::reader(settings(&database.url()), None).unwrap();
    let copied = source.copy_to(&mut target).unwrap();
    drop(target);
    let checked = check(&mut *f.reader).unwrap();
    assert_eq!(copied, Copied { services: 150, ticks: checked.ticks });

    let store = Store::open(&file).unwrap();
    let mut reader = store.file().reader().unwrap();
    assert_eq!(everything(&mut *reader), everything(&mut *f.reader));
    assert_eq!(check(&mut *reader).unwrap(), checked);
    let mut writer = store.file().writer().unwrap();
    let runs = |store: &mut dyn StoreWrite| store.entries(&[last]).unwrap()[0].runs;
    assert_eq!(runs(&mut *writer), runs(&mut *f.writer));
    assert_eq!(runs(&mut *writer).certificate_step, Some(14));
    assert_maintenance(&file);

    // Results and sealings go on, and no id is given twice.
    let mut ledger = Ledger::default();
    let more = outcomes(busy, &quiet(30, now_ms + HOUR_MS, MINUTE_MS));
    ledger.commit(&mut *writer, &more, now_ms + 2 * HOUR_MS).unwrap();
    let new = sample::definition("new");
    let new = writer.define(Change::Create(Box::new(new)), &AuditSource::COMMAND, now_ms).unwrap();
    assert!(new.id > last);
    let resumed = writer.close_gap(now_ms + 9 * HOUR_MS, Duration::from_secs(15)).unwrap();
    assert_eq!(resumed.stopped_at_ms, Some(now_ms + 2 * HOUR_MS));
    assert!(writer.begin_sealing().unwrap());
    let Checked { problems, ticks, .. } = check(&mut *reader).unwrap();
    assert_eq!((problems, ticks), (Vec::new(), checked.ticks + 30));
}

#[test]
fn a_copy_of_an_empty_store_is_an_empty_store() {
    let (store, database, _instance) = open_with_limit(None);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.db");
    let mut target = TargetFile::create(&file).unwrap();
    let mut source = PostgresStore::reader(settings(&database.url()), None).unwrap();
    assert_eq!(source.copy_to(&mut target).unwrap(), Copied::default());
    drop((target, store));
    let copy = Store::open(&file).unwrap();
    let mut writer = copy.file().writer().unwrap();
    assert_eq!(check(&mut *writer).unwrap(), Checked::default());
    let resumed = writer.close_gap(START_MS, Duration::from_secs(15)).unwrap();
    assert_eq!(resumed.stopped_at_ms, None, "nothing was observed yet");
}
