//! Opening a file.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::storage::error::OpenError;
use crate::storage::sqlite::connection;
use crate::storage::sqlite::connection::Line;
use crate::storage::sqlite::store::Store;

#[test]
fn a_second_store_on_the_same_file_is_refused_with_the_holder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let first = Store::open(&file).unwrap();
    let error = Store::open(&file).unwrap_err();
    let holder = format!("pid {}", std::process::id());
    assert_eq!(error, OpenError::InUse { file: file.clone(), holder });
    drop(first);
    Store::open(&file).unwrap();
}

#[test]
fn a_damaged_or_foreign_file_is_refused_and_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    drop(Store::open(&file).unwrap());
    let good = std::fs::read(&file).unwrap();

    let mut torn = good.clone();
    torn[4096 * 2..4096 * 4].fill(0xff);
    let truncated = good[..good.len() - 1].to_vec();
    for bad in [torn, truncated, b"a text, no database".to_vec(), vec![0; 8192]] {
        std::fs::write(&file, &bad).unwrap();
        let error = Store::open(&file).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. } | OpenError::Foreign { .. }), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), bad, "{error}");
    }
}

#[test]
fn an_interrupted_checkpoint_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let store = Store::open(&file).unwrap();
    let mut connection = connection::writer(store.path()).unwrap();
    connection.batch_execute("PRAGMA wal_autocheckpoint = 0").unwrap();
    connection
        .batch_execute("CREATE TABLE filler (x); INSERT INTO filler VALUES (zeroblob(200000))")
        .unwrap();
    // Both files as a crash leaves them, after the checkpoint has copied the first page.
    let (mut main, log) =
        (std::fs::read(&file).unwrap(), std::fs::read(folder.path().join("a.db-wal")).unwrap());
    connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let grown = std::fs::read(&file).unwrap();
    assert!(grown.len() > main.len());
    main[..4096].copy_from_slice(&grown[..4096]);
    drop((connection, store));

    let crashed = folder.path().join("b.db");
    std::fs::write(&crashed, main).unwrap();
    std::fs::write(folder.path().join("b.db-wal"), log).unwrap();
    let store = Store::open(&crashed).unwrap();
    let mut connection = connection::reader(store.path()).unwrap();
    let length = "SELECT CAST(length(x) AS TEXT) AS line FROM filler";
    let found: Line = diesel::sql_query(length).get_result(&mut connection).unwrap();
    assert_eq!(found.line, "200000");
}

#[test]
fn a_missing_folder_is_named() {
    let error = Store::open(Path::new("/nowhere/at/all.db")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all.db cannot be used"), "{error}");
}

#[test]
fn a_reader_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db")).unwrap();
    let mut reader = connection::reader(store.path()).unwrap();
    assert!(reader.batch_execute("DELETE FROM services").is_err());
}
