//! The store in a database, read by a command, whether a service uses it or not.

use std::sync::Arc;
use std::time::Duration;

use super::connection::{Connection, Mode};
use super::migrations::Version;
use super::settings::Settings;
use super::start_checks;
use super::start_checks::Content;
use super::start_error::StartError;
use super::store::PostgresStore;
use crate::storage::error::{OpenError, StorageError};

/// Longest time of the checks.
const CHECKS_TIMEOUT: Duration = Duration::from_secs(10);

/// A store that only reads, without a limit for its calls. `None` for an empty schema. Changes
/// nothing.
pub fn open(settings: &Settings) -> Result<Option<PostgresStore>, OpenError> {
    let refused = |why| OpenError::Database { database: settings.shown(), why };
    if check(settings).map_err(refused)? == Content::Empty {
        return Ok(None);
    }
    let opened = PostgresStore::reader(Arc::new(settings.clone()), None);
    let opened = opened.and_then(PostgresStore::without_limit);
    opened.map(Some).map_err(|error| refused(interrupted(&error)))
}

fn interrupted(error: &StorageError) -> StartError {
    StartError::Interrupted(error.to_string())
}

/// Error unless the schema is empty, or its tables are those of this version.
fn check(settings: &Settings) -> Result<Content, StartError> {
    let mut connection = Connection::open(settings, Mode::Read)?;
    connection.limit(Some(CHECKS_TIMEOUT));
    start_checks::check_server(&mut connection)?;
    let content = start_checks::inspect(&mut connection)?;
    match content {
        Content::Empty => {}
        Content::Store(Version::Older) => return Err(StartError::OlderStore),
        Content::Store(Version::Current) => start_checks::check_program(&mut connection)?,
    }
    Ok(content)
}
