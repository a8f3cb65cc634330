//! Comparison of a services file with the store. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use crate::domain::maintenance::MaintenanceDefinition;
use crate::domain::service::definition::Origin;
use crate::domain::service::label::{FullName, Name};
use crate::services_file::entry::Entry;
use crate::services_file::problems::Problems;
use crate::storage::maintenance::{FileMaintenance, PlannedService};
use crate::storage::records::{FilePlan, LoadedService};

/// Compares the entries with the services in the store.
///
/// Group and name identify an entry. An entry whose group changed remains the same service, with
/// its id and history, while its name is unique both in the file and among the services of the file
/// in the store; otherwise it is a new service, since several services may be the former one. A
/// name that a service of the API has in the same group is a problem.
pub fn plan(entries: &[Entry], stored: &[LoadedService]) -> Result<FilePlan, Vec<String>> {
    let by_full_name: HashMap<FullName, &LoadedService> =
        stored.iter().map(|service| (service.definition.full_name(), service)).collect();
    let of_file = || stored.iter().filter(|service| service.origin == Origin::File);
    let stored_by_name = unique(of_file().map(|service| (&service.definition.name, service)));
    let entries_by_name = unique(entries.iter().map(|entry| (&entry.definition.name, entry)));
    let mut plan = FilePlan::default();
    let mut windows = PlannedWindows::default();
    let mut problems = Problems::default();
    let mut kept = HashSet::new();
    for entry in entries {
        let definition = &entry.definition;
        let is_unique = || entries_by_name.contains_key(&definition.name);
        let moved = || stored_by_name.get(&definition.name).copied().filter(|_| is_unique());
        match by_full_name.get(&definition.full_name()).copied().or_else(moved) {
            None => {
                windows.add(&entry.windows, PlannedService::Added(plan.add.len()));
                plan.add.push(definition.clone());
            }
            Some(service) if service.origin == Origin::Api => {
                let id = service.id;
                let problem =
                    format!("name: already used by service {id}, created through the API");
                problems.add_to_entry(entry, &problem);
            }
            Some(service) => {
                kept.insert(service.id);
                windows.add(&entry.windows, PlannedService::Stored(service.id));
                if service.definition != *definition {
                    plan.change.push((service.id, definition.clone()));
                }
            }
        }
    }
    let removed = of_file().filter(|service| !kept.contains(&service.id));
    plan.remove = removed.map(|service| service.id).collect();
    plan.maintenance = windows.0.into_values().collect();
    if problems.is_empty() { Ok(plan) } else { Err(problems.messages()) }
}

/// Equal windows of several services are one.
#[derive(Default)]
struct PlannedWindows(BTreeMap<String, FileMaintenance>);

impl PlannedWindows {
    fn add(&mut self, windows: &[MaintenanceDefinition], service: PlannedService) {
        for window in windows {
            let text = Value::Object(window.write()).to_string();
            let maintenance = self.0.entry(text).or_insert_with(|| FileMaintenance {
                definition: window.clone(),
                services: Some(Vec::new()),
            });
            maintenance.services.get_or_insert_default().push(service);
        }
    }
}

/// The values whose key occurs once.
fn unique<'a, V: Copy>(pairs: impl Iterator<Item = (&'a Name, V)>) -> HashMap<&'a Name, V> {
    let mut by_key: HashMap<&Name, Option<V>> = HashMap::new();
    for (key, value) in pairs {
        by_key.entry(key).and_modify(|known| *known = None).or_insert(Some(value));
    }
    by_key.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
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
        read_text("s.yaml".as_ref(), &text, &Variables::default()).unwrap().entries
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

    /// The plan for a file with the services `file` when the store has `stored`, each as
    /// `group/name`: ids that stay or move, ids that are removed, and the number of new services.
    fn moves(stored_names: &[&str], file: &[&str]) -> (Vec<i64>, Vec<i64>, usize) {
        let entry = |full_name: &&str| {
            let (group, name) = full_name.split_once('/').unwrap();
            format!("  - {{group: '{group}', name: {name}, url: 'http://a/'}}\n")
        };
        let parsed = |names: &[&str]| {
            let text = format!("endpoints:\n{}", names.iter().map(entry).collect::<String>());
            read_text("s.yaml".as_ref(), &text, &Variables::default()).unwrap().entries
        };
        let stored: Vec<LoadedService> = parsed(stored_names)
            .into_iter()
            .zip(1..)
            .map(|(entry, id)| LoadedService {
                id: ServiceId::new(id).unwrap(),
                definition: entry.definition,
                origin: Origin::File,
                last_tick: None,
                created_at: 0,
            })
            .collect();
        let plan = plan(&parsed(file), &stored).unwrap();
        let changed = plan.change.iter().map(|(id, _)| id.get()).collect();
        let removed = plan.remove.iter().map(|id| id.get()).collect();
        (changed, removed, plan.add.len())
    }

    #[test]
    fn a_service_keeps_its_id_in_another_group_while_its_name_is_unique() {
        assert_eq!(moves(&["a/api"], &["b/api"]), (vec![1], vec![], 0));
        assert_eq!(moves(&["/api"], &["b/api"]), (vec![1], vec![], 0));
        assert_eq!(moves(&["b/api", "b/web"], &["/api", "b/web"]), (vec![1], vec![], 0));
        // The same services in another order: nothing changes.
        assert_eq!(moves(&["a/api", "b/api"], &["b/api", "a/api"]), (vec![], vec![], 0));
        assert_eq!(moves(&["a/api"], &["a/api", "b/api"]), (vec![], vec![], 1));
        assert_eq!(moves(&["a/api", "b/api"], &["b/api"]), (vec![], vec![1], 0));
        // Not unique in the store, in the file, or in both: which one moved is not known.
        assert_eq!(moves(&["a/api", "b/api"], &["c/api"]), (vec![], vec![1, 2], 1));
        assert_eq!(moves(&["a/api"], &["b/api", "c/api"]), (vec![], vec![1], 2));
        assert_eq!(moves(&["a/api", "b/api"], &["a/api", "c/api"]), (vec![], vec![2], 1));
    }

    #[test]
    fn a_service_does_not_move_onto_one_of_the_api() {
        let with_group = |mut service: LoadedService, group: &str| {
            service.definition.group = crate::domain::Group::parse(group).unwrap();
            service
        };
        let store = [
            with_group(stored(1, "api", "http://a/", Origin::File), "core"),
            stored(2, "api", "http://a/", Origin::Api),
        ];
        let problems = plan(&entries(&[("api", "http://a/")]), &store).unwrap_err();
        assert!(problems[0].contains("already used by service 2"), "{problems:?}");
        let elsewhere = [with_group(stored(2, "api", "http://a/", Origin::Api), "core")];
        assert_eq!(plan(&entries(&[("api", "http://a/")]), &elsewhere).unwrap().add.len(), 1);
    }
}
