//! The migrations of the PostgreSQL store, embedded in the binary.

use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::StoreConnection;
use super::start_error::StartError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The version of the program that migrated a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Current,
    /// The tables are not migrated yet.
    Older,
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Migrates the tables to this version of the program, in the transaction of the caller.
pub fn run(connection: &mut StoreConnection) -> Result<(), StartError> {
    let done = connection.run_pending_migrations(MIGRATIONS);
    done.map(|_| ()).map_err(|error| StartError::Migration(error.to_string()))
}

/// The version of a store. Error for a store of a newer version. Reads only; diesel's
/// `applied_migrations` would create its table.
pub fn version(connection: &mut StoreConnection) -> Result<Version, StartError> {
    let applied = diesel::sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY 1");
    let applied: Vec<Applied> = applied.load(connection)?;
    let known = names()?;
    let count = applied.len();
    if let Some(newer) = applied.into_iter().find(|row| !known.contains(&row.version)) {
        return Err(StartError::NewerStore(newer.version));
    }
    Ok(if count == known.len() { Version::Current } else { Version::Older })
}

/// The versions of the migrations that this program knows.
pub fn names() -> Result<Vec<String>, StartError> {
    let all: Vec<Box<dyn Migration<Pg>>> =
        MIGRATIONS.migrations().map_err(|error| StartError::Migration(error.to_string()))?;
    Ok(all.iter().map(|migration| migration.name().version().to_string()).collect())
}
