//! The migrations, embedded in the binary.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::cold::transfer::moves;
use crate::storage::error::StorageError;
use crate::storage::transfer::target_error::unfinished_move;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Migrates the tables to this version of the program.
///
/// Error for a file that a newer version has migrated, whose tables this one does not know.
pub fn run(connection: &mut SqliteConnection) -> Result<(), String> {
    version(connection)?;
    connection.run_pending_migrations(MIGRATIONS).map_err(|error| error.to_string())?;
    // An older version may have begun it.
    require_no_move(connection)?;
    recount(connection).map_err(|error| error.to_string())
}

/// Creates the tables in an empty file, in the transaction of the caller.
pub fn create(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    let done = connection.run_pending_migrations(MIGRATIONS);
    done.map(drop).map_err(|error| StorageError::Unavailable(error.to_string()))
}

/// Corrects the number of living services, in case another program changed services without the
/// triggers. Scans an index.
fn recount(connection: &mut SqliteConnection) -> QueryResult<()> {
    const LIVING: &str = "(SELECT count(*) FROM services WHERE deleted_at IS NULL)";
    connection.immediate_transaction(|connection| {
        let add = format!("INSERT OR IGNORE INTO service_count (id, living) VALUES (1, {LIVING})");
        diesel::sql_query(add).execute(connection)?;
        let update = format!("UPDATE service_count SET living = {LIVING} WHERE living <> {LIVING}");
        diesel::sql_query(update).execute(connection)?;
        Ok(())
    })
}

/// The version of the program that wrote a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    Current,
    /// The tables are not migrated yet.
    Older,
}

/// As [`version_of_tables`]; an error, too, for a file that a move has not filled yet.
pub fn version(connection: &mut SqliteConnection) -> Result<Version, String> {
    let version = version_of_tables(connection)?;
    if version == Version::Current {
        require_no_move(connection)?;
    }
    Ok(version)
}

fn require_no_move(connection: &mut SqliteConnection) -> Result<(), String> {
    match moves::unfinished(connection).map_err(|error| error.to_string())? {
        Some(source) => Err(unfinished_move(&source, "remove the file")),
        None => Ok(()),
    }
}

/// Error for a file of a newer version. Reads only; diesel's `applied_migrations` would create its
/// table.
pub fn version_of_tables(connection: &mut SqliteConnection) -> Result<Version, String> {
    let text = |error: diesel::result::Error| error.to_string();
    let exists =
        "SELECT name AS version FROM sqlite_schema WHERE name = '__diesel_schema_migrations'";
    if diesel::sql_query(exists).load::<Applied>(connection).map_err(text)?.is_empty() {
        return Ok(Version::Older);
    }
    let applied = diesel::sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY 1");
    let applied = applied.load::<Applied>(connection).map_err(text)?;
    let known = names()?;
    if let Some(newer) = applied.iter().find(|row| !known.contains(&row.version)) {
        let migration = &newer.version;
        return Err(format!("it was written by a newer version (migration {migration})"));
    }
    Ok(if applied.len() == known.len() { Version::Current } else { Version::Older })
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
}

fn names() -> Result<Vec<String>, String> {
    use diesel::migration::{Migration, MigrationSource};
    let all: Vec<Box<dyn Migration<diesel::sqlite::Sqlite>>> =
        MIGRATIONS.migrations().map_err(|error| error.to_string())?;
    Ok(all.iter().map(|migration| migration.name().version().to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_goes_up_down_and_up() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        assert_eq!(version(&mut connection), Ok(Version::Older));
        run(&mut connection).unwrap();
        assert_eq!(version(&mut connection), Ok(Version::Current));
        let applied = connection.applied_migrations().unwrap();
        assert_eq!(applied.len(), names().unwrap().len());
        connection.revert_all_migrations(MIGRATIONS).unwrap();
        assert_eq!(connection.applied_migrations().unwrap().len(), 0);
        run(&mut connection).unwrap();
        assert_eq!(connection.applied_migrations().unwrap(), applied);
        run(&mut connection).unwrap();
        let later = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000')";
        diesel::sql_query(later).execute(&mut connection).unwrap();
        let error = version(&mut connection).unwrap_err();
        assert_eq!(error, "it was written by a newer version (migration 99991231000000)");
    }
}
