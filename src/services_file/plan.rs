//! Comparison of a services file with the store. Pure.

use std::collections::{HashMap, HashSet};

use crate::domain::service::definition::Origin;
use crate::services_file::entry::Entry;
use crate::services_file::problems::Problems;
use crate::storage::records::{FilePlan, LoadedService};

/// Compares the entries with the services in the store. A name of a service that was created
/// through the API is a problem.
pub fn plan(entries: &[Entry], stored: &[LoadedService]) -> Result<FilePlan, Vec<String>> {
    let by_name: HashMap<&str, &LoadedService> =
        stored.iter().map(|service| (service.definition.name.as_str(), service)).collect();
    let mut plan = FilePlan::default();
    let mut problems = Problems::default();
    let mut names = HashSet::new();
    for entry in entries {
        let name = entry.definition.name.as_str();
        names.insert(name);
        match by_name.get(name) {
            None => plan.add.push(entry.definition.clone()),
            Some(service) if service.origin == Origin::Api => {
                let id = service.id;
                let problem =
                    format!("name: already used by service {id}, created through the API");
                problems.add_to_entry(entry, &problem);
            }
            Some(service) if service.definition != entry.definition => {
                plan.change.push((service.id, entry.definition.clone()));
            }
            Some(_) => {}
        }
    }
    plan.remove = stored
        .iter()
        .filter(|service| service.origin == Origin::File)
        .filter(|service| !names.contains(service.definition.name.as_str()))
        .map(|service| service.id)
        .collect();
    if problems.is_empty() { Ok(plan) } else { Err(problems.messages()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ServiceId;
    use crate::domain::Variables;
    use crate::services_file::read::read_text;

    fn entries(names: &[(&str, &str)]) -> Vec<Entry> {
        let lines: Vec<String> =
            names.iter().map(|(name, url)| format!("  - {{name: {name}, url: {url}}}\n")).collect();
        let list =
            if lines.is_empty() { " []".to_owned() } else { format!("\n{}", lines.concat()) };
        let text = format!("endpoints:{list}");
        read_text("s.yaml".as_ref(), &text, &Variables::default()).unwrap()
    }

    fn stored(id: i64, name: &str, url: &str, origin: Origin) -> LoadedService {
        let [entry] = entries(&[(name, url)]).try_into().unwrap();
        let id = ServiceId::new(id).unwrap();
        LoadedService {
            id,
            definition: entry.definition,
            origin,
            last_tick: Some(0),
            created_at: 0,
        }
    }

    #[test]
    fn new_changed_and_missing_entries_are_distinguished() {
        let store = [
            stored(1, "same", "http://same/", Origin::File),
            stored(2, "changed", "http://old/", Origin::File),
            stored(3, "gone", "http://gone/", Origin::File),
            stored(4, "from-api", "http://from-api/", Origin::Api),
        ];
        let file = entries(&[
            ("same", "http://same/"),
            ("changed", "http://new/"),
            ("added", "http://added/"),
        ]);
        let plan = plan(&file, &store).unwrap();
        let added: Vec<&str> = plan.add.iter().map(|added| added.name.as_str()).collect();
        assert_eq!(added, ["added"]);
        assert_eq!(plan.change.len(), 1);
        assert_eq!(plan.change[0].0.get(), 2);
        let removed: Vec<i64> = plan.remove.iter().map(|id| id.get()).collect();
        assert_eq!(removed, [3]);
    }

    #[test]
    fn a_name_of_a_service_of_the_api_is_a_problem() {
        let store = [stored(4, "from-api", "http://from-api/", Origin::Api)];
        let problems = plan(&entries(&[("from-api", "http://x/")]), &store).unwrap_err();
        assert!(problems[0].contains("already used by service 4"), "{problems:?}");
    }
}
