//! `service-healthcheck check-file FILE`: what a services file would change.

use std::path::Path;

use super::output::print_line;
use super::stored::Stored;
use crate::app::services_file::read;
use crate::config::{Config, ConfigError, StorageConfig};
use crate::domain::{Definition, Requests, ServiceId};
use crate::error::Error;
use crate::services_file;
use crate::services_file::{Content, differences_from_gatus};
use crate::storage::records::LoadedService;

/// Prints the plan of `file` against the configured store, one line per service. Without a store,
/// every entry is new.
pub(super) fn run(config: &Config, file: &Path) -> Result<(), Error> {
    let invalid = |problems| ConfigError { problems };
    let content = read(config, file).map_err(invalid)?;
    let differences = differences_from_gatus(&content, &config.services.defaults);
    let Content { entries, notices, unalerted, .. } = content;
    let stored = stored_services(&config.storage)?;
    let plan = services_file::plan(&entries, &stored).map_err(invalid)?;
    let requests = config.process.requests;
    let print = |sign, id, definition| print_service(sign, id, definition, requests);
    for definition in &plan.add {
        print('+', None, definition);
    }
    for (id, definition) in &plan.change {
        print('~', Some(*id), definition);
    }
    for service in stored.iter().filter(|service| plan.remove.contains(&service.id)) {
        print('-', Some(service.id), &service.definition);
    }
    let unalerted = unalerted.messages();
    for line in notices.messages().into_iter().chain(unalerted).chain(differences) {
        print_line(line);
    }
    print_line(format_args!(
        "{} added, {} changed, {} removed, {} unchanged",
        plan.add.len(),
        plan.change.len(),
        plan.remove.len(),
        entries.len() - plan.add.len() - plan.change.len()
    ));
    Ok(())
}

fn print_service(sign: char, id: Option<ServiceId>, definition: &Definition, requests: Requests) {
    let id = id.map(|id| format!(" (id {id})")).unwrap_or_default();
    let (name, target) = (definition.full_name(), definition.target.shown(requests));
    print_line(format_args!("{sign} {name}{id} {target}"));
}

/// The services of the store; reading leaves the store as it is.
fn stored_services(storage: &StorageConfig) -> Result<Vec<LoadedService>, Error> {
    let Some(mut stored) = Stored::open_if_any(storage)? else { return Ok(Vec::new()) };
    stored.rows().load_services().map_err(|error| stored.failed(&error))
}
