//! `service-healthcheck check-file FILE`: what a services file would change, without changing anything.

use std::path::Path;

use crate::app::startup::Failed;
use crate::config::{Config, ConfigError};
use crate::domain::{Definition, ServiceId};
use crate::services_file;
use crate::storage::exchange;
use crate::storage::migrations;
use crate::storage::migrations::Standing;
use crate::storage::reader::{LoadedService, load_known};

/// The plan of `file` against the configured store, one line a service. Without a store, every entry is new.
pub fn plan(config: &Config, file: &Path) -> Result<Vec<String>, Failed> {
    let refuse = |problems| ConfigError { problems };
    let entries = services_file::read(file, &config.variables).map_err(refuse)?;
    let known = known(&config.db_file)?;
    let plan = services_file::plan(&entries, &known).map_err(refuse)?;
    let same = entries.len() - plan.add.len() - plan.change.len();
    let added = plan.add.iter().map(|definition| line('+', None, definition));
    let changed = plan.change.iter().map(|(id, definition)| line('~', Some(*id), definition));
    let removed = known
        .iter()
        .filter(|known| plan.remove.contains(&known.id))
        .map(|known| line('-', Some(known.id), &known.definition));
    let summary = format!(
        "{} added, {} changed, {} removed, {same} unchanged",
        plan.add.len(),
        plan.change.len(),
        plan.remove.len()
    );
    Ok(added.chain(changed).chain(removed).chain([summary]).collect())
}

fn line(sign: char, id: Option<ServiceId>, definition: &Definition) -> String {
    let id = id.map(|id| format!(" (id {id})")).unwrap_or_default();
    format!("{sign} {}{id} {}", definition.name.as_str(), definition.target.shown())
}

/// The living services of the store, read without touching it.
fn known(db_file: &Path) -> Result<Vec<LoadedService>, Failed> {
    if db_file.metadata().map_or(0, |metadata| metadata.len()) == 0 {
        return Ok(Vec::new());
    }
    let told = |why: String| Failed::System(format!("DB_FILE {}: {why}", db_file.display()));
    let mut connection = exchange::onlooker(db_file)?;
    if migrations::standing(&mut connection).map_err(told)? != Standing::Current {
        let why = "it was written by another version; start this version on it once";
        return Err(told(why.to_owned()));
    }
    load_known(&mut connection).map_err(|error| told(error.to_string()))
}
