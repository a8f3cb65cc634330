//! `service-healthcheck check-db`: checks the integrity of a database without changing it.

use std::path::Path;

use super::output::print_line;
use super::stored::require_database;
use crate::config::Config;
use crate::error::Error;
use crate::storage::history::check;
use crate::storage::history::check::Checked;
use crate::storage::port::StoreRead;
use crate::storage::postgres::settings::Settings;
use crate::storage::sqlite::offline::{OfflineStore, Version};

/// Checks `file`, or without one the configured store, whether a service uses it or not. The error
/// has one line per problem.
pub(super) fn run(config: &Config, file: Option<&Path>) -> Result<(), Error> {
    match (file, &config.storage.database) {
        (None, Some(database)) => check_database(database),
        (file, _) => check_file(file.unwrap_or(&config.storage.file)),
    }
}

/// The content alone; the server manages its pages.
fn check_database(database: &Settings) -> Result<(), Error> {
    let mut store = require_database(database)?;
    print_whole(&check_history(&mut store).map_err(Error::Failed)?);
    Ok(())
}

fn check_file(file: &Path) -> Result<(), Error> {
    let mut store = OfflineStore::open(file)?;
    match check_pages(&mut store).map_err(Error::Failed)? {
        Version::Current => print_whole(&check_history(store.rows()).map_err(Error::Failed)?),
        Version::Older => print_line(
            "whole, but written by an older version: the next start migrates it; its history was \
             not checked",
        ),
    }
    Ok(())
}

fn print_whole(checked: &Checked) {
    let Checked { services, ticks, rollups, .. } = checked;
    print_line(format_args!("whole: {services} services, {ticks} ticks, {rollups} roll-ups"));
}

/// Checks the pages, and which version wrote them. The error has one line per problem; a newer
/// version is one.
pub(super) fn check_pages(store: &mut OfflineStore) -> Result<Version, String> {
    let damage = store.damage();
    if damage.is_empty() { store.version() } else { Err(damage.join("\n")) }
}

/// Checks the history of a store of this version. The error has one line per problem.
pub(super) fn check_history(rows: &mut dyn StoreRead) -> Result<Checked, String> {
    let checked = check::check(rows).map_err(|error| error.to_string())?;
    if checked.problems.is_empty() { Ok(checked) } else { Err(checked.problems.join("\n")) }
}
