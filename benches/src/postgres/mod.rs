//! Part 9: the store on PostgreSQL, with its server on the same machine; part 17: moves to it.

#[path = "../../../tests/support/postgres_cluster.rs"]
#[allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "shared with the tests")]
mod postgres_cluster;

mod commits;
mod moving;
mod outages;
mod pages;
mod probes;
mod sealing;
mod server;

use crate::table::Table;

/// Measures moves, and adds the rows.
pub fn run_move(table: &mut Table) {
    table.part("17. Moves between SQLite and PostgreSQL");
    moving::run(table);
}

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("9. PostgreSQL, its server on the same two cores");
    commits::run(table);
    sealing::run(table);
    probes::run(table);
    pages::run(table);
    outages::run(table);
}
