//! `service-healthcheck check-db`: checks the integrity of a database without changing it.

use std::path::Path;

use diesel::sqlite::SqliteConnection;

use super::output::print_line;
use crate::error::Error;
use crate::storage::exchange;
use crate::storage::history::check;
use crate::storage::history::check::Checked;
use crate::storage::migrations;
use crate::storage::migrations::Standing;

/// Checks `file`, whether a service uses it or not. The error has one line per problem.
pub(super) fn run(file: &Path) -> Result<(), Error> {
    let mut connection = exchange::open(file)?;
    match check_pages(&mut connection).map_err(Error::Failed)? {
        Standing::Current => {
            let checked = check_history(&mut connection).map_err(Error::Failed)?;
            let Checked { services, ticks, rollups, .. } = checked;
            print_line(format_args!(
                "whole: {services} services, {ticks} ticks, {rollups} roll-ups"
            ));
        }
        Standing::Older => print_line(
            "whole, but written by an older version: the next start migrates it; its history was \
             not checked",
        ),
        Standing::Newer(migration) => return Err(Error::Failed(newer(&migration))),
    }
    Ok(())
}

/// Checks the pages, and which version wrote them. The error has one line per problem.
pub(super) fn check_pages(connection: &mut SqliteConnection) -> Result<Standing, String> {
    let damage = exchange::damage(connection);
    if damage.is_empty() { migrations::standing(connection) } else { Err(damage.join("\n")) }
}

/// Checks the history of a database of this version. The error has one line per problem.
pub(super) fn check_history(connection: &mut SqliteConnection) -> Result<Checked, String> {
    let checked = check::check(connection).map_err(|error| error.to_string())?;
    if checked.problems.is_empty() { Ok(checked) } else { Err(checked.problems.join("\n")) }
}

pub(super) fn newer(migration: &str) -> String {
    format!("it was written by a newer version (migration {migration})")
}
