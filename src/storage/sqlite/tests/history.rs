//! The history in a file: damage by other programs, failures within a commit, and free space.

use std::path::PathBuf;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::open_with_path;
use crate::domain::{Retention, State};
use crate::storage::contract::fixture::{
    Fixture, START_MS, listed, outcome, outcomes, plain, quiet,
};
use crate::storage::contract::ledger::{events, outcome as result};
use crate::storage::contract::retention::{DAY_MS, days, ten_days};
use crate::storage::error::StorageError;
use crate::storage::history::check::check;
use crate::storage::history::slice::SLICE;
use crate::storage::port::Query;
use crate::storage::records::GetService;
use crate::storage::sqlite::connection;
use crate::storage::sqlite::schema::service_metrics;

/// A fixture, and a connection as another program has it.
fn fixture(services: usize) -> (Fixture, SqliteConnection, PathBuf) {
    let (store, path) = open_with_path();
    let other = connection::writer(&path).unwrap();
    (Fixture::new(store, services), other, path.into())
}

#[test]
fn a_failed_group_changes_neither_store_nor_ledger() {
    let (mut f, mut other, _) = fixture(2);
    let ids = f.ids.clone();
    f.commit(&[result(ids[0], true, 0)], 0);
    let trigger = "CREATE TRIGGER no BEFORE INSERT ON service_ticks WHEN NEW.service_id = 2 \
        BEGIN SELECT RAISE(ABORT, 'injected'); END";
    other.batch_execute(trigger).unwrap();
    let group = [result(ids[0], false, 1_000), result(ids[1], true, 1_000)];
    assert!(f.ledger.commit(&mut *f.writer, &group, 0).is_err());
    other.batch_execute("DROP TRIGGER no").unwrap();
    let counts = |f: &mut Fixture| {
        let tally = GetService(ids[0]).run(&mut *f.reader).unwrap().tally.unwrap();
        (tally.tick_count, tally.down_count())
    };
    assert_eq!(counts(&mut f), (1, 0));
    f.commit(&group, 0);
    assert_eq!(counts(&mut f), (2, 1), "once, not twice");
}

#[test]
fn a_deleted_metric_is_stored_again() {
    let (mut f, mut other, _) = fixture(1);
    let id = f.ids[0];
    f.commit(&[result(id, true, 0)], 0);
    diesel::delete(service_metrics::table).execute(&mut other).unwrap();
    assert!(f.ledger.commit(&mut *f.writer, &[result(id, true, 1_000)], 0).is_err());
    f.commit(&[result(id, true, 2_000)], 0);
    let events = events(&mut *f.reader, id);
    assert_eq!(events.iter().map(|event| event.ended_ms).collect::<Vec<_>>(), [None, Some(2_000)]);
}

#[test]
fn a_metric_without_its_event_finds_the_open_event() {
    let (mut f, mut other, _) = fixture(1);
    let id = f.ids[0];
    f.commit(&[result(id, true, 0)], 0);
    other.batch_execute("UPDATE service_metrics SET latest_event_id = NULL").unwrap();
    f.ledger.forget_all();
    f.commit(&[result(id, false, 1_000)], 0);
    let events = events(&mut *f.reader, id);
    assert_eq!(events.iter().map(|event| event.ended_ms).collect::<Vec<_>>(), [None, Some(1_000)]);
}

#[test]
fn a_tick_that_no_metric_references_is_counted_when_it_is_deleted() {
    let (mut f, mut other, _) = fixture(1);
    let id = f.ids[0];
    let ticks = quiet(3, START_MS, 1_000);
    f.commit(&outcomes(id, &ticks), START_MS + 60_000);
    let stray =
        "INSERT INTO service_ticks (id, service_id, is_up, created_at_ms) VALUES (9, 1, TRUE, 0)";
    other.batch_execute(stray).unwrap();
    f.begin_sealing();
    let mut slice = f.prepare(4, SLICE).unwrap();
    f.publish(&mut slice, 1, START_MS + 60_000).unwrap();
    assert_eq!(f.writer.finish_sealing(START_MS + 60_000), Ok(1));
    assert_eq!(f.ticks(id), listed(&ticks));
    f.assert_consistent();
}

#[test]
fn the_file_shrinks_when_most_of_it_is_deleted() {
    let (mut f, mut other, file) = fixture(2);
    ten_days(&mut f);
    // Twelve megabytes of chunks of another service, which are never decoded.
    let chunks = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120) \
        INSERT INTO service_tick_chunks \
            (service_id, first_seq, from_ms, to_ms, tick_count, up_count, down_count, data) \
        SELECT 2, i, 1000 * i, 1000 * i, 1, 1, 0, randomblob(100000) FROM n; \
        INSERT INTO service_metrics \
            (service_id, tick_count, up_count, response_time_sum_ns, created_at, updated_at) \
        VALUES (2, 120, 120, 0, 0, 0); \
        UPDATE history SET chunk_count = chunk_count + 120, \
            sealed_tick_count = sealed_tick_count + 120, \
            sealed_byte_count = sealed_byte_count + 12000000";
    other.batch_execute(chunks).unwrap();
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    other.batch_execute(checkpoint).unwrap();
    let size = || file.metadata().unwrap().len();
    let (full, usage) = (size(), f.usage());
    assert_eq!(usage.file_bytes, full);
    assert!(full > 12_000_000 && usage.free_bytes < Some(100_000), "{usage:?}");

    let all = Retention { ticks: days(400), rollups: days(400), deliveries: days(400) };
    f.retain(all, START_MS + 10 * DAY_MS);
    other.batch_execute(checkpoint).unwrap();
    let usage = f.usage();
    f.assert_consistent();
    assert_eq!((usage.chunks, usage.sealed_ticks), (20, 240));
    // Up to 2048 free pages stay in the file.
    assert!(size() < 2_048 * 4_096 + 1_000_000, "{} of {full} bytes", size());
    assert_eq!(usage.file_bytes, size());
    assert!(
        usage.free_bytes < Some(2_048 * 4_096) && usage.free_bytes > Some(1_000_000),
        "{usage:?}"
    );
}

#[test]
fn the_check_finds_changes_of_another_program() {
    let (mut f, mut other, _) = fixture(1);
    ten_days(&mut f);
    let fresh = plain(State::Up, START_MS + 10 * DAY_MS);
    f.commit(&[outcome(f.ids[0], &fresh)], fresh.at_ms);
    for damage in [
        "DELETE FROM service_tick_chunks WHERE first_seq = 25; \
            UPDATE history SET chunk_count = chunk_count - 1, \
                sealed_tick_count = sealed_tick_count - 12",
        "UPDATE service_tick_chunks SET first_seq = first_seq - 1 WHERE first_seq = 25",
        "UPDATE service_tick_chunks SET data = x'01' WHERE first_seq = 25",
        "UPDATE service_rollups SET response_sum_us = response_sum_us + 1 WHERE step_s = 86400",
        "UPDATE service_rollups SET up_ms = up_ms - 1, down_ms = down_ms + 1 WHERE step_s = 3600",
        "DELETE FROM service_rollups WHERE start_s = (SELECT min(start_s) FROM service_rollups)",
        "UPDATE service_events SET date_ended_ms = date_ended_ms - 1",
        "UPDATE service_metrics SET latest_tick_id = latest_tick_id - 1",
        "DELETE FROM service_ticks",
        "UPDATE history SET sealed_byte_count = sealed_byte_count + 1",
        "INSERT INTO sealing_ticks \
            SELECT id - 1, 0, NULL, TRUE, FALSE, NULL, NULL, 0, 0, 0, 0, 0, 0, 0 \
            FROM service_ticks",
        "UPDATE history SET sealing_tick_count = 1",
    ] {
        f.assert_consistent();
        let undone: Result<(), StorageError> = other.transaction(|connection| {
            connection.batch_execute(damage)?;
            assert_ne!(check(connection)?.problems, [""; 0], "{damage}");
            Err(StorageError::Busy)
        });
        assert_eq!(undone, Err(StorageError::Busy));
    }
}
