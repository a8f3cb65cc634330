//! Files that are removed or replaced under an open store.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use diesel::connection::SimpleConnection;
use tempfile::TempDir;

use crate::domain::sample;
use crate::storage::error::OpenError;
use crate::storage::sqlite::connection;
use crate::storage::sqlite::rescue::Rescue;
use crate::storage::sqlite::store::Store;

fn open() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db")).unwrap();
    (folder, store)
}

#[test]
fn every_change_of_the_files_is_found_and_no_new_file_is_created() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 9] = [
        ("a.db was removed", |folder| fs::remove_file(folder.join("a.db")).unwrap()),
        ("a.db is another file now", |folder| {
            fs::copy(folder.join("a.db"), folder.join("b.db")).unwrap();
            fs::rename(folder.join("b.db"), folder.join("a.db")).unwrap();
        }),
        ("a.db was overwritten: it is empty", |folder| {
            fs::write(folder.join("a.db"), "").unwrap();
        }),
        ("a.db was overwritten: it is not an SQLite file", |folder| {
            fs::write(folder.join("a.db"), "a text").unwrap();
        }),
        ("a.db was overwritten: it has", |folder| {
            let bytes = fs::read(folder.join("a.db")).unwrap();
            fs::write(folder.join("a.db"), &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("a.db was overwritten: it is another database", |folder| {
            drop(Store::open(&folder.join("b.db")).unwrap());
            fs::copy(folder.join("b.db"), folder.join("a.db")).unwrap();
        }),
        ("a.db-wal was removed", |folder| fs::remove_file(folder.join("a.db-wal")).unwrap()),
        ("a.db-wal is another file now", |folder| {
            fs::copy(folder.join("a.db-wal"), folder.join("b")).unwrap();
            fs::rename(folder.join("b"), folder.join("a.db-wal")).unwrap();
        }),
        ("a.db-shm was removed", |folder| fs::remove_file(folder.join("a.db-shm")).unwrap()),
    ];
    for (expected, damage) in cases {
        let (folder, store) = open();
        let file = store.file();
        assert_eq!(file.check(), Ok(()));
        assert_eq!(file.change(), None);
        damage(folder.path());
        let names = || fs::read_dir(folder.path()).unwrap().count();
        let before = names();
        let error = file.check().unwrap_err().to_string();
        assert!(error.contains(expected), "{expected:?}: {error}");
        assert!(file.change().is_some_and(|change| error.ends_with(&change.detail)));
        assert!(file.writer().is_err() && file.reader().is_err(), "{expected:?}");
        drop(store);
        assert_eq!(names(), before, "{expected:?}");
    }
}

#[test]
fn a_change_stays_and_a_checkpoint_is_none() {
    let (folder, store) = open();
    let mut writer = store.file().writer().unwrap();
    writer.close_gap(1, std::time::Duration::from_secs(1)).unwrap();
    writer.checkpoint().unwrap();
    assert_eq!(store.file().check(), Ok(()));
    let (file, aside) = (folder.path().join("a.db"), folder.path().join("b.db"));
    fs::rename(&file, &aside).unwrap();
    assert!(store.file().check().is_err());
    fs::rename(&aside, &file).unwrap();
    assert!(store.file().check().is_err(), "what was written meanwhile may be lost");
}

#[test]
fn an_older_copy_of_the_same_run_is_found() {
    let (folder, store) = open();
    let (file, copy) = (folder.path().join("a.db"), folder.path().join("copy"));
    fs::copy(&file, &copy).unwrap();
    let mut other = connection::writer(store.path()).unwrap();
    other.batch_execute("CREATE TABLE t (x); PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert_eq!(store.file().check(), Ok(()));
    fs::copy(&copy, &file).unwrap();
    let error = store.file().check().unwrap_err().to_string();
    assert!(error.contains("was overwritten: it is an older copy"), "{error}");
    std::mem::forget(other);
}

#[test]
fn the_lock_holds_the_database_itself() {
    let (folder, store) = open();
    let in_folder = |name: &str| folder.path().join(name);
    fs::hard_link(in_folder("a.db"), in_folder("hard.db")).unwrap();
    symlink("a.db", in_folder("soft.db")).unwrap();
    fs::remove_file(in_folder("a.db.lock")).unwrap();
    // Closing another descriptor would end a lock of the process.
    fs::read(in_folder("a.db")).unwrap();
    for name in ["a.db", "hard.db", "soft.db"] {
        let error = Store::open(&in_folder(name)).unwrap_err();
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
        let _ = fs::remove_file(in_folder("a.db.lock"));
    }
    // SQLite's own locks are not affected.
    let mut writer = store.file().writer().unwrap();
    writer.close_gap(1, std::time::Duration::from_secs(1)).unwrap();
    drop((writer, store));
    Store::open(&in_folder("a.db")).unwrap();
}

#[test]
fn outcomes_that_cannot_be_committed_are_saved_as_lines() {
    let (folder, store) = open();
    fs::write(folder.path().join("a.db"), "").unwrap();
    assert!(store.file().check().is_err());
    let mut rescue = Rescue::new(store.file().clone(), 7_000);
    assert!(rescue.run(|store| store.checkpoint()).is_err(), "the content is gone");
    rescue.append(&[sample::outcome(1, 5), sample::outcome(2, 6)]).unwrap();
    rescue.append(&[sample::outcome(1, 7)]).unwrap();
    let rescued = rescue.finish();
    assert!(rescued.copy.is_err() && rescue.lost() == 0, "{rescued:?}");
    let lines = fs::read_to_string(rescued.outcomes.unwrap()).unwrap();
    assert_eq!(lines.lines().count(), 3);
    assert!(lines.contains(r#""service_id":2"#) && lines.contains(r#""time_ms":6"#), "{lines}");
    assert!(rescued.log.is_some_and(|log| log.ends_with("a.db.rescued-7.log")));
}
