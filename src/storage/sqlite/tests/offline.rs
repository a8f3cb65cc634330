//! Files outside of a running service.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use crate::storage::sqlite::connection::Line;
use crate::storage::sqlite::files::{beside, has_beside};
use crate::storage::sqlite::offline::{ClosedFile, Counts, OfflineStore};
use crate::storage::sqlite::store::Store;
use crate::storage::sqlite::{connection, header};

fn number(connection: &mut SqliteConnection, query: &str) -> String {
    let query = format!("SELECT CAST(({query}) AS TEXT) AS line");
    diesel::sql_query(query).get_result::<Line>(connection).unwrap().line
}

#[test]
fn reading_leaves_no_trace_and_sees_later_writes_of_a_service() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a b#?%.db");
    drop(Store::open(&file).unwrap());
    let before = std::fs::read(&file).unwrap();
    let names = || std::fs::read_dir(folder.path()).unwrap().count();
    let count = names();
    drop(OfflineStore::open(&file).unwrap());
    assert_eq!((std::fs::read(&file).unwrap(), names()), (before, count));

    let mut reading = OfflineStore::open(&file).unwrap();
    assert!(reading.connection.batch_execute("DELETE FROM services").is_err());
    let store = Store::open(&file).unwrap();
    let mut writer = connection::writer(store.path()).unwrap();
    writer.batch_execute("CREATE TABLE t (x); INSERT INTO t VALUES (7)").unwrap();
    assert_eq!(number(&mut reading.connection, "SELECT x FROM t"), "7");
    assert_eq!(number(&mut OfflineStore::open(&file).unwrap().connection, "SELECT x FROM t"), "7");
}

#[test]
fn a_missing_or_empty_file_is_reported_and_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let message = |file: &Path| OfflineStore::open(file).err().unwrap().to_string();
    assert!(message(&file).ends_with("cannot be used: there is no such file"));
    assert!(!file.exists());
    std::fs::write(&file, "").unwrap();
    assert!(message(&file).ends_with("cannot be used: it is empty"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_copy_has_the_mark_incremental_vacuum_and_the_content_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("a.db"), folder.path().join("it's a copy.db"));
    let store = Store::open(&file).unwrap();
    let mut writer = connection::writer(store.path()).unwrap();
    writer.batch_execute("CREATE TABLE t (x); INSERT INTO t VALUES (7)").unwrap();
    std::fs::write(&copy, "").unwrap();
    let mut reading = OfflineStore::open(&file).unwrap();
    reading.copy_to(&copy).unwrap();
    assert!(reading.connection.batch_execute("DELETE FROM services").is_err());
    let mut copied = OfflineStore::open(&copy).unwrap();
    assert_eq!(number(&mut copied.connection, "SELECT x FROM t"), "7");
    let mark = "SELECT application_id FROM pragma_application_id";
    assert_eq!(number(&mut copied.connection, mark), header::APPLICATION_ID.to_string());
    assert_eq!(number(&mut copied.connection, "SELECT auto_vacuum FROM pragma_auto_vacuum"), "2");
    assert_eq!(copied.counts(), Ok(Counts { services: 0, ticks: 0 }));
    assert_eq!(copied.damage(), [""; 0]);
}

#[test]
fn a_database_is_closed_only_when_no_process_has_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let store = Store::open(&file).unwrap();
    let mut writer = connection::writer(store.path()).unwrap();
    writer.batch_execute("CREATE TABLE t (x)").unwrap();
    assert!(ClosedFile::close(&file).is_err());
    drop((writer, store));
    let closed = ClosedFile::close(&file).unwrap();
    assert!(!has_beside(&file, "-wal") && !beside(&file, "-journal").exists());
    assert!(OfflineStore::open(&file).is_err(), "other processes are locked out");
    drop(closed);
    OfflineStore::open(&file).unwrap();
}
