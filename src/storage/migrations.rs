//! The migrations, embedded in the binary.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Brings the tables up to this version of the program.
///
/// A file that a newer version has migrated is refused, since this one does not know its tables.
pub fn run(connection: &mut SqliteConnection) -> Result<(), String> {
    let known: Vec<String> = names()?;
    let applied = connection.applied_migrations().map_err(|error| error.to_string())?;
    if let Some(newer) = applied.iter().find(|version| !known.contains(&version.to_string())) {
        return Err(format!("it was written by a newer version (migration {newer})"));
    }
    connection.run_pending_migrations(MIGRATIONS).map_err(|error| error.to_string())?;
    Ok(())
}

/// Whether the tables are those of this version. Asks without touching anything, as diesel's own question would not.
pub fn is_current(connection: &mut SqliteConnection) -> Result<bool, String> {
    let applied = diesel::sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY 1");
    let Ok(applied) = applied.load::<Applied>(connection) else { return Ok(false) };
    let mut known = names()?;
    known.sort();
    Ok(applied.into_iter().map(|row| row.version).eq(known))
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
        assert_eq!(is_current(&mut connection), Ok(false));
        run(&mut connection).unwrap();
        assert_eq!(is_current(&mut connection), Ok(true));
        let applied = connection.applied_migrations().unwrap();
        assert_eq!(applied.len(), names().unwrap().len());
        connection.revert_all_migrations(MIGRATIONS).unwrap();
        assert_eq!(connection.applied_migrations().unwrap().len(), 0);
        run(&mut connection).unwrap();
        assert_eq!(connection.applied_migrations().unwrap(), applied);
        run(&mut connection).unwrap();
    }
}
