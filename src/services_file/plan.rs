//! What the file asks of the store. Pure.

use std::collections::{HashMap, HashSet};

use super::Problems;
use crate::domain::Origin;
use crate::services_file::parse::Entry;
use crate::storage::reader::LoadedService;
use crate::storage::writer::FilePlan;

/// Compares the entries with the living services. A name that a service of the API has is a problem.
pub fn plan(entries: &[Entry], known: &[LoadedService]) -> Result<FilePlan, Vec<String>> {
    let by_name: HashMap<&str, &LoadedService> =
        known.iter().map(|known| (known.definition.name.as_str(), known)).collect();
    let mut plan = FilePlan::default();
    let mut problems = Problems::default();
    let mut named = HashSet::new();
    for entry in entries {
        let name = entry.definition.name.as_str();
        named.insert(name);
        match by_name.get(name) {
            None => plan.add.push(entry.definition.clone()),
            Some(known) if known.origin == Origin::Api => {
                let id = known.id;
                problems.of(
                    entry,
                    &format!("name: already used by service {id}, created through the API"),
                );
            }
            Some(known) if known.definition != entry.definition => {
                plan.change.push((known.id, entry.definition.clone()));
            }
            Some(_) => {}
        }
    }
    plan.remove = known
        .iter()
        .filter(|known| known.origin == Origin::File)
        .filter(|known| !named.contains(known.definition.name.as_str()))
        .map(|known| known.id)
        .collect();
    if problems.len() == 0 { Ok(plan) } else { Err(problems.told()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ServiceId;
    use crate::domain::Variables;
    use crate::services_file::read_text;

    fn entries(names: &[(&str, &str)]) -> Vec<Entry> {
        let lines: Vec<String> =
            names.iter().map(|(name, url)| format!("  - {{name: {name}, url: {url}}}\n")).collect();
        let list =
            if lines.is_empty() { " []".to_owned() } else { format!("\n{}", lines.concat()) };
        let text = format!("endpoints:{list}");
        read_text("s.yaml".as_ref(), &text, &Variables::default()).unwrap()
    }

    fn known(id: i64, name: &str, url: &str, origin: Origin) -> LoadedService {
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
    fn new_changed_and_missing_entries_are_told_apart() {
        let store = [
            known(1, "same", "http://same/", Origin::File),
            known(2, "changed", "http://old/", Origin::File),
            known(3, "gone", "http://gone/", Origin::File),
            known(4, "by-hand", "http://by-hand/", Origin::Api),
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
    fn a_name_that_the_api_took_is_a_problem() {
        let store = [known(4, "by-hand", "http://by-hand/", Origin::Api)];
        let problems = plan(&entries(&[("by-hand", "http://x/")]), &store).unwrap_err();
        assert!(problems[0].contains("already used by service 4"), "{problems:?}");
    }
}
