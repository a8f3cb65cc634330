//! What the server does for a commit, by its statistics.

use std::time::{Duration, Instant};

use super::{TestDatabase, open_in};
use crate::domain::State;
use crate::storage::contract::fixture::{Fixture, START_MS, outcome, plain};

/// So many that their metrics fill several pages.
const SERVICES: usize = 120;

const LIMIT: Duration = Duration::from_secs(60);

/// Commits a result of each service three times, of which the last ends its event. Returns what the
/// server then reports in the columns `wanted` of a table.
fn after_commits(table: &str, wanted: &str) -> Vec<i64> {
    let (store, database, _) = open_in(TestDatabase::alone(), None);
    let mut f = Fixture::new(store, SERVICES);
    // Plans the statement while the tables are empty.
    f.commit(&[], START_MS);
    for (nth, state) in (1..).zip([State::Up, State::Up, State::Down]) {
        let at_ms = START_MS + nth * 1_000;
        let group: Vec<_> = f.ids.iter().map(|id| outcome(*id, &plain(state, at_ms))).collect();
        f.commit(&group, at_ms);
    }
    // The end of a connection reports its statistics.
    drop(f);
    let all = format!(
        "SELECT n_tup_upd, {wanted} FROM pg_stat_user_tables WHERE relname = '{table}' \
         AND n_tup_upd + n_tup_ins >= {}",
        3 * SERVICES
    );
    let deadline = Instant::now() + LIMIT;
    loop {
        if let [row] = database.query(&all).as_slice() {
            return row.iter().map(|text| text.as_ref().unwrap().parse().unwrap()).collect();
        }
        assert!(Instant::now() < deadline, "no statistics of {table}");
    }
}

#[test]
fn a_commit_reads_the_rows_that_it_changes_whatever_the_plan_knew() {
    for table in ["service_metrics", "service_events"] {
        let read = after_commits(table, "seq_tup_read + idx_tup_fetch")[1];
        assert!(read <= 8 * SERVICES as i64, "{table}: {read} rows");
    }
}

#[test]
fn updates_of_metrics_touch_no_index() {
    let [updated, hot] = after_commits("service_metrics", "n_tup_hot_upd")[..] else {
        unreachable!("two columns")
    };
    assert_eq!((updated, hot), (2 * SERVICES as i64, 2 * SERVICES as i64));
}
