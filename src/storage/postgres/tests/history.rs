//! The history in a database that another program changes.

use super::open_with_limit;
use crate::domain::{State, Window};
use crate::storage::contract::fixture::{Fixture, START_MS, outcome, outcomes, plain, quiet};
use crate::storage::contract::postgres_cluster::Database;
use crate::storage::contract::retention::{DAY_MS, ten_days};
use crate::storage::error::StorageError;
use crate::storage::history::check::check;
use crate::storage::history::slice::SLICE;

/// Rows before and after the damage are those of one transaction.
fn damaged(f: &mut Fixture, database: &Database, damage: &str) -> Vec<String> {
    let tables =
        ["service_tick_chunks", "service_rollups", "service_events", "service_ticks", "shards"];
    for table in tables {
        database.query(&format!("CREATE TABLE saved_{table} AS TABLE {table}"));
    }
    database.query(damage);
    let problems = check(&mut *f.reader).unwrap().problems;
    for table in tables {
        database.query(&format!(
            "TRUNCATE {table}; INSERT INTO {table} TABLE saved_{table}; DROP TABLE saved_{table}"
        ));
    }
    problems
}

#[test]
fn the_check_finds_changes_of_another_program() {
    let (store, database, _) = open_with_limit(None);
    let mut f = Fixture::new(store, 1);
    ten_days(&mut f);
    let fresh = plain(State::Up, START_MS + 10 * DAY_MS);
    f.commit(&[outcome(f.ids[0], &fresh)], fresh.at_ms);
    f.assert_consistent();
    for damage in [
        "DELETE FROM service_tick_chunks WHERE first_seq = 25; \
            UPDATE shards SET chunk_count = chunk_count - 1, \
                sealed_tick_count = sealed_tick_count - 12 WHERE shard = 0",
        "UPDATE service_tick_chunks SET first_seq = first_seq - 1 WHERE first_seq = 25",
        "UPDATE service_tick_chunks SET data = '\\x01' WHERE first_seq = 25",
        "UPDATE service_rollups SET response_sum_us = response_sum_us + 1 WHERE step_s = 86400",
        "UPDATE service_rollups SET up_ms = up_ms - 1, down_ms = down_ms + 1 WHERE step_s = 3600",
        "DELETE FROM service_rollups WHERE start_s = (SELECT min(start_s) FROM service_rollups)",
        "UPDATE service_events SET date_ended_ms = date_ended_ms - 1",
        "DELETE FROM service_ticks",
        "UPDATE shards SET sealed_byte_count = sealed_byte_count + 1 WHERE shard = 7",
        "UPDATE shards SET rollup_count = rollup_count + 1 WHERE shard = 0",
    ] {
        assert_ne!(damaged(&mut f, &database, damage), [""; 0], "{damage}");
        f.assert_consistent();
    }
}

#[test]
fn a_slice_whose_ticks_another_program_deleted_is_refused() {
    let (store, database, _) = open_with_limit(None);
    let mut f = Fixture::new(store, 1);
    let id = f.ids[0];
    f.commit(&outcomes(id, &quiet(3, START_MS, 1_000)), START_MS + 60_000);
    f.begin_sealing();
    let mut slice = f.prepare(4, SLICE).unwrap();
    database.query("DELETE FROM service_ticks WHERE seq = 2");
    let before = f.inspect.dump();
    let refused = f.publish(&mut slice, 1, START_MS + 60_000);
    assert!(matches!(refused, Err(StorageError::Conflict(_))), "{refused:?}");
    assert_eq!(f.inspect.dump(), before);
}

/// A phase above 2,147 s is capped in its column, and the rest is kept.
#[test]
fn a_response_time_of_hours_is_stored() {
    let (store, _, _) = open_with_limit(None);
    let mut f = Fixture::new(store, 1);
    let mut tick = plain(State::Up, START_MS);
    let phases = [0, 0, 0, 10_000_000_000, 0];
    (tick.phases_us, tick.response_time_us) = (Some(phases), 10_000_000_000);
    f.commit(&[outcome(f.ids[0], &tick)], START_MS);
    tick.phases_us = Some([0, 0, 0, i32::MAX as u64, 0]);
    assert_eq!(f.ticks(f.ids[0]), [(1, tick)]);
    f.seal(4, START_MS + 1);
    assert_eq!(f.ticks(f.ids[0]), [(1, tick)]);
    let hours = f.reader.rollups(f.ids[0], 3_600, Window::ALL).unwrap();
    assert_eq!(hours[0].stats.sum_us, 10_000_000_000);
}
