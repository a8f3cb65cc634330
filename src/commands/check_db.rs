//! `service-healthcheck check-db`: whether a database is whole, without changing it.

use std::fmt;
use std::path::Path;

use diesel::sqlite::SqliteConnection;

use crate::app::startup::Failed;
use crate::storage::exchange;
use crate::storage::history::check;
use crate::storage::history::check::Checked;
use crate::storage::migrations;
use crate::storage::migrations::Standing;

/// What a look through a database has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing is wrong with it.
    Whole(Checked),
    /// Its pages are whole; an older version wrote it, so its history can be told only when it has been migrated.
    Older,
    /// What is wrong, one sentence each.
    Broken(Vec<String>),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(Checked { services, ticks, rollups, .. }) => {
                write!(f, "whole: {services} services, {ticks} ticks, {rollups} roll-ups")
            }
            Self::Older => f.write_str(
                "whole, and written by an older version: it has yet to be migrated, which a start does; its history was \
                 not checked",
            ),
            Self::Broken(problems) => f.write_str(&problems.join("\n")),
        }
    }
}

/// Looks through `file`, whether a service works on it or not. An error when it is none of ours, or cannot be read.
pub fn check(file: &Path) -> Result<Found, Failed> {
    let mut connection = exchange::open(file)?;
    let found = pages(&mut connection);
    Ok(match found {
        Ok(Standing::Current) => history(&mut connection),
        Ok(Standing::Older) => Found::Older,
        Ok(Standing::Newer(migration)) => Found::Broken(vec![newer(&migration)]),
        Err(problems) => Found::Broken(problems),
    })
}

/// Looks through the pages, and tells which version wrote them if they are whole.
pub(super) fn pages(connection: &mut SqliteConnection) -> Result<Standing, Vec<String>> {
    let damage = exchange::damage(connection);
    if damage.is_empty() {
        migrations::standing(connection).map_err(|why| vec![why])
    } else {
        Err(damage)
    }
}

/// Looks through the history of a database of this version whose pages are whole.
pub(super) fn history(connection: &mut SqliteConnection) -> Found {
    match check::check(connection) {
        Ok(checked) if checked.problems.is_empty() => Found::Whole(checked),
        Ok(checked) => Found::Broken(checked.problems),
        Err(error) => Found::Broken(vec![error.to_string()]),
    }
}

/// That a newer version wrote it.
pub(super) fn newer(migration: &str) -> String {
    format!("it was written by a newer version (migration {migration})")
}
