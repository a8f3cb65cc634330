//! Tests of the SQLite store alone, and the store that the contract is tested with.

mod history;
mod offline;
mod opening;
mod watching;

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;

use super::connection;
use super::schema::{service_events, service_rollups, service_tick_chunks, services};
use super::store::Store;
use crate::storage::contract::fixture::{Inspect, TestStore};
use crate::storage::gaps::GapWrite;

/// A new store in a folder of its own, without syncs.
pub fn open() -> TestStore {
    open_with_path().0
}

/// As [`open`], with the path of the file.
fn open_with_path() -> (TestStore, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let TestStore { guard, writer, reader, inspect } = open_at(&file);
    let guard = Box::new((guard, folder));
    let path = file.canonicalize().unwrap().to_str().unwrap().to_owned();
    (TestStore { guard, writer, reader, inspect }, path)
}

/// The store in this file, which is created when it is missing, without syncs.
pub fn open_at(file: &Path) -> TestStore {
    let store = Store::open(file).unwrap();
    let path = store.path().to_owned();
    let mut writer = connection::writer(&path).unwrap();
    writer.batch_execute("PRAGMA synchronous = OFF").unwrap();
    TestStore {
        writer: Box::new(writer),
        reader: Box::new(connection::reader(&path).unwrap()),
        inspect: Box::new(connection::reader(&path).unwrap()),
        guard: Box::new(store),
    }
}

impl Inspect for SqliteConnection {
    fn count_rows(&mut self) -> [u64; 6] {
        let rows: [QueryResult<i64>; 6] = [
            services::table.count().get_result(self),
            service_events::table.count().get_result(self),
            diesel::select(number("SELECT count(*) FROM fresh_ticks")).get_result(self),
            service_tick_chunks::table.select(sum("tick_count")).first(self),
            service_tick_chunks::table.count().get_result(self),
            service_rollups::table.count().get_result(self),
        ];
        rows.map(|count| count.unwrap().cast_unsigned())
    }

    fn sealed_bytes(&mut self) -> u64 {
        let bytes = service_tick_chunks::table.select(sum("length(data)")).first(self).unwrap();
        i64::cast_unsigned(bytes)
    }

    fn mark_ms(&mut self) -> Option<i64> {
        self.moments().unwrap().mark_ms
    }

    fn fill_tokens(&mut self, count: usize) {
        const FILL: &str = "\
            WITH RECURSIVE numbers (nth) AS ( \
                SELECT 1 UNION ALL SELECT nth + 1 FROM numbers WHERE nth < ?) \
            INSERT INTO api_tokens (name, shown, hash, scopes, created_at_ms, created_by) \
            SELECT 'filler ' || nth, 'shc_0000', randomblob(32), '[\"read\"]', 0, '' FROM numbers";
        // This connection only reads.
        let file = diesel::dsl::sql::<Text>("SELECT file FROM pragma_database_list");
        let file: String = file.get_result(self).unwrap();
        let mut writer = SqliteConnection::establish(&file).unwrap();
        diesel::sql_query(FILL).bind::<BigInt, _>(count as i64).execute(&mut writer).unwrap();
    }

    fn dump(&mut self) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Line {
            #[diesel(sql_type = Text)]
            line: String,
        }
        const ROWS: &str = "\
            SELECT 'chunk ' || id || ' ' || first_seq || ' ' || hex(data) AS line \
                FROM service_tick_chunks \
            UNION ALL SELECT 'tick ' || id || ' ' || coalesce(step_back, '') FROM fresh_ticks \
            UNION ALL SELECT 'rollup ' || service_id || ' ' || step_s || ' ' || start_s || ' ' \
                || up_count || ' ' || up_ms || ' ' || hex(sketch) FROM service_rollups \
            UNION ALL SELECT 'history ' || sealed_tick_id || ' ' || sealed_at_ms || ' ' \
                || chunk_count || ' ' || sealed_tick_count || ' ' || sealed_byte_count || ' ' \
                || rollup_count || ' ' || sealing_service_id || ' ' || sealing_tick_count \
                FROM history";
        let lines: Vec<Line> = diesel::sql_query(ROWS).load(self).unwrap();
        lines.into_iter().map(|line| line.line).collect()
    }
}

fn sum(column: &str) -> diesel::expression::SqlLiteral<BigInt> {
    diesel::dsl::sql(&format!("coalesce(sum({column}), 0)"))
}

fn number(query: &str) -> diesel::expression::SqlLiteral<BigInt> {
    diesel::dsl::sql(&format!("({query})"))
}
