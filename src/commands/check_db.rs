//! `service-healthcheck check-db`: checks the integrity of a database without changing it.

use std::path::Path;

use super::output::print_line;
use crate::error::Error;
use crate::storage::history::check;
use crate::storage::history::check::Checked;
use crate::storage::sqlite::offline::{OfflineStore, Version};

/// Checks `file`, whether a service uses it or not. The error has one line per problem.
pub(super) fn run(file: &Path) -> Result<(), Error> {
    let mut store = OfflineStore::open(file)?;
    match check_pages(&mut store).map_err(Error::Failed)? {
        Version::Current => {
            let checked = check_history(&mut store).map_err(Error::Failed)?;
            let Checked { services, ticks, rollups, .. } = checked;
            print_line(format_args!(
                "whole: {services} services, {ticks} ticks, {rollups} roll-ups"
            ));
        }
        Version::Older => print_line(
            "whole, but written by an older version: the next start migrates it; its history was \
             not checked",
        ),
    }
    Ok(())
}

/// Checks the pages, and which version wrote them. The error has one line per problem; a newer
/// version is one.
pub(super) fn check_pages(store: &mut OfflineStore) -> Result<Version, String> {
    let damage = store.damage();
    if damage.is_empty() { store.version() } else { Err(damage.join("\n")) }
}

/// Checks the history of a database of this version. The error has one line per problem.
pub(super) fn check_history(store: &mut OfflineStore) -> Result<Checked, String> {
    let checked = check::check(store.rows()).map_err(|error| error.to_string())?;
    if checked.problems.is_empty() { Ok(checked) } else { Err(checked.problems.join("\n")) }
}
