//! The store in a database, read by a command, whether a service uses it or not.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::connection::{Connection, Mode};
use super::migrations::Version;
use super::registration;
use super::settings::Settings;
use super::start_checks;
use super::start_checks::Content;
use super::start_error::StartError;
use super::store::PostgresStore;
use super::takeover::Found;
use super::transfer;
use crate::storage::error::{OpenError, StorageError};

/// Pause between two looks at an instance that may be alive.
const LOOK_EVERY: Duration = Duration::from_millis(500);

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

/// As [`open`], for a store that no service uses: the living instances write nothing for `ttl`.
/// `report` receives why that takes time.
pub fn open_unused(
    settings: &Settings,
    ttl: Duration,
    report: &dyn Fn(&str),
) -> Result<PostgresStore, OpenError> {
    let refused = |why| OpenError::Database { database: settings.shown(), why };
    let mut store = open(settings)?.ok_or_else(|| refused(StartError::NoStore))?;
    let mut living = || {
        store
            .run(|connection| Ok(registration::living(connection)?))
            .map_err(|error| refused(interrupted(&error)))
    };
    let (seen, since) = (living()?, Instant::now());
    let mut left = seen.clone();
    if let Some(Found { id, name, .. }) = seen.first() {
        report(&format!(
            "{name:?}, instance {id}, has not ended; waiting whether it writes within {} s",
            ttl.as_secs()
        ));
    }
    while !left.is_empty() && since.elapsed() < ttl {
        thread::sleep(LOOK_EVERY);
        left = living()?;
        if let Some(writes) = left.iter().find(|found| !seen.contains(found)) {
            return Err(refused(StartError::Used(writes.clone())));
        }
    }
    let left_over = store.run(transfer::left_over).map_err(|error| refused(interrupted(&error)))?;
    match left_over {
        Some(why) => Err(refused(StartError::LeftOver(why))),
        None => Ok(store),
    }
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
