//! The services that `depends-on` names: each is an entry of the file, and none depends on itself.

use std::collections::HashMap;

use crate::services_file::entry::Entry;
use crate::services_file::problems::Problems;
use crate::services_file::similar::did_you_mean;

/// Names of a cycle that a problem lists.
const LISTED: usize = 10;

/// Rejects parents that no file defines, and cycles, each once.
pub fn check(entries: &[Entry], problems: &mut Problems) {
    if entries.iter().all(|entry| entry.definition.options.depends_on.is_empty()) {
        return;
    }
    let names: Vec<String> =
        entries.iter().map(|entry| entry.definition.full_name().to_string()).collect();
    let by_name: HashMap<&str, usize> =
        names.iter().enumerate().map(|(nth, name)| (name.as_str(), nth)).collect();
    let mut parents: Vec<Vec<usize>> = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut known = Vec::new();
        for parent in &entry.definition.options.depends_on {
            match by_name.get(parent.as_str()) {
                Some(nth) => known.push(*nth),
                None => {
                    let problem = unknown(parent, entries, &names);
                    problems.add_to_entry(entry, &format!("depends-on: {problem}"));
                }
            }
        }
        parents.push(known);
    }
    for cycle in cycles(&parents) {
        let shown = cycle.iter().take(LISTED).chain(&cycle[..1]);
        let shown: Vec<&str> = shown.map(|nth| names[*nth].as_str()).collect();
        let problem = format!("depends-on: a cycle of parents: {}", shown.join(" → "));
        problems.add_to_entry(&entries[cycle[0]], &problem);
    }
}

fn unknown(parent: &str, entries: &[Entry], names: &[String]) -> String {
    let of_name = entries.iter().position(|entry| entry.definition.name.as_str() == parent);
    let in_group = of_name.map(|nth| names[nth].as_str());
    let similar = in_group.or_else(|| did_you_mean(parent, names.iter().map(String::as_str)));
    let hint = similar.map(|similar| format!(", did you mean {similar}?")).unwrap_or_default();
    format!(
        "invalid value {parent} (no such service in the file{hint}), expected group/name, or name \
         of a service without a group"
    )
}

/// The cycles of a graph, each by its members in their order; no two have the same begin.
fn cycles(parents: &[Vec<usize>]) -> Vec<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        Never,
        OnPath,
        Done,
    }
    let mut visits = vec![Visit::Never; parents.len()];
    let mut cycles: Vec<Vec<usize>> = Vec::new();
    for start in 0..parents.len() {
        // A path from the start, with the number of parents that were followed at each step.
        let mut path: Vec<(usize, usize)> = Vec::new();
        if visits[start] == Visit::Never {
            visits[start] = Visit::OnPath;
            path.push((start, 0));
        }
        while let Some((node, followed)) = path.last_mut() {
            let Some(&parent) = parents[*node].get(*followed) else {
                visits[*node] = Visit::Done;
                path.pop();
                continue;
            };
            *followed += 1;
            match visits[parent] {
                Visit::Never => {
                    visits[parent] = Visit::OnPath;
                    path.push((parent, 0));
                }
                Visit::OnPath => {
                    let begin = path.iter().position(|(known, _)| *known == parent);
                    let members = path.iter().skip(begin.unwrap_or_default());
                    cycles.push(members.map(|(known, _)| *known).collect());
                }
                Visit::Done => {}
            }
        }
    }
    cycles
}

#[cfg(test)]
mod tests {
    use crate::domain::Variables;
    use crate::services_file::read::read_text;

    fn problems(services: &[(&str, &str)]) -> Vec<String> {
        let line = |(name, parents): &(&str, &str)| {
            let (group, name) = name.split_once('/').unwrap_or(("", name));
            format!(
                "  - {{group: '{group}', name: {name}, url: 'http://a/', depends-on: {parents}}}\n"
            )
        };
        let text = format!("endpoints:\n{}", services.iter().map(line).collect::<String>());
        let read = read_text("s.yaml".as_ref(), &text, &Variables::default());
        read.err().unwrap_or_default()
    }

    #[test]
    fn parents_are_services_of_the_file_in_any_order() {
        let tree = [("net/switch", "[net/router]"), ("net/router", "[]"), ("api", "[net/switch]")];
        assert_eq!(problems(&tree), [""; 0]);
        let diamond = [("a", "[b, c]"), ("b", "[d]"), ("c", "[d]"), ("d", "")];
        assert_eq!(problems(&diamond), [""; 0]);
    }

    #[test]
    fn an_unknown_parent_has_the_similar_one() {
        let expected = "expected group/name, or name of a service without a group";
        for (parent, reason) in [
            ("router", "no such service in the file, did you mean net/router?"),
            ("net/ruoter", "no such service in the file, did you mean net/router?"),
            ("elsewhere", "no such service in the file"),
        ] {
            let found = problems(&[("net/router", ""), ("api", &format!("[{parent}]"))]);
            let problem = format!(
                "s.yaml:3: endpoint (api): depends-on: invalid value {parent} ({reason}), \
                 {expected}"
            );
            assert_eq!(found, [problem]);
        }
    }

    #[test]
    fn each_cycle_is_reported_once() {
        let found = problems(&[("a", "[g/b]"), ("g/b", "[c]"), ("c", "[a]"), ("d", "[a]")]);
        let cycle = "depends-on: a cycle of parents: a → g/b → c → a";
        assert_eq!(found, [format!("s.yaml:2: endpoint (a): {cycle}")]);
        let itself = problems(&[("a", "[a]"), ("b", "[a]")]);
        let cycle = "depends-on: a cycle of parents: a → a";
        assert_eq!(itself, [format!("s.yaml:2: endpoint (a): {cycle}")]);
        assert_eq!(problems(&[("a", "[b]"), ("b", "[a]"), ("c", "[d]"), ("d", "[c]")]).len(), 2);
    }
}
