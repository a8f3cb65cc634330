//! From the text of a file to entries, with the line of each problem.

use std::path::Path;
use std::sync::Arc;

use saphyr::{MarkedYaml, YamlData};
use serde_json::Value;

use crate::domain::invalid::Invalid;
use crate::domain::service::template::{Template, Variables};
use crate::services_file::entry::Entry;
use crate::services_file::problems::Problems;
use crate::services_file::yaml;
use crate::services_file::yaml::Mapping;
use crate::spec;
use crate::spec::Dialect;

/// Parses the text of `file`. All problems are reported, not only the first.
pub fn parse(
    file: &Arc<Path>,
    text: &str,
    variables: &Variables,
    problems: &mut Problems,
) -> Vec<Entry> {
    let text = yaml::join_surrogates(text);
    let documents = match yaml::load(&text) {
        Ok(documents) => documents,
        Err(error) => {
            problems.add(file, error.line, format!("invalid YAML: {}", error.problem));
            return Vec::new();
        }
    };
    match documents.as_slice() {
        [document] => root(document, file, variables, problems),
        [] => {
            problems.add(file, 1, "endpoints: required".to_owned());
            Vec::new()
        }
        [_, second, ..] => {
            problems.add(
                file,
                yaml::line(second),
                "a second YAML document, expected one".to_owned(),
            );
            Vec::new()
        }
    }
}

fn root(
    document: &MarkedYaml,
    file: &Arc<Path>,
    variables: &Variables,
    problems: &mut Problems,
) -> Vec<Entry> {
    let map = match Mapping::of(document) {
        Ok(map) => map,
        Err(invalid) => {
            problems.add(file, yaml::line(document), invalid.of("the file"));
            return Vec::new();
        }
    };
    for (key, problem) in map.wrong_keys(&["endpoints"]) {
        problems.add(file, yaml::line(key), format!("the file: {}: {problem}", yaml::shown(key)));
    }
    let (line, problem) = match map.get("endpoints") {
        None => (yaml::line(document), "required".to_owned()),
        Some(endpoints) => match &endpoints.data {
            YamlData::Sequence(items) => {
                let numbered = items.iter().enumerate();
                return numbered
                    .filter_map(|(nth, item)| entry(item, nth + 1, file, variables, problems))
                    .collect();
            }
            _ => (yaml::line(endpoints), Invalid::hidden("a list").to_string()),
        },
    };
    problems.add(file, line, format!("the file: endpoints: {problem}"));
    Vec::new()
}

fn entry(
    item: &MarkedYaml,
    number: usize,
    file: &Arc<Path>,
    variables: &Variables,
    problems: &mut Problems,
) -> Option<Entry> {
    let known_before = problems.len();
    let map = match Mapping::of(item) {
        Ok(map) => map,
        Err(invalid) => {
            problems.add(file, yaml::line(item), invalid.of(format_args!("endpoint {number}")));
            return None;
        }
    };
    let label = match map.get("name").and_then(yaml::text) {
        Some(name) => format!("endpoint {number} ({name})"),
        None => format!("endpoint {number}"),
    };
    let mut report = |line: usize, path: &str, problem: &str| {
        problems.add(file, line, format!("{label}: {}: {problem}", path.replace('.', ": ")));
    };
    let mut repeated = Vec::new();
    let value = yaml::value_of(item, &mut repeated);
    for key in repeated {
        report(yaml::line(key), &yaml::shown(key), "duplicate key");
    }
    let Value::Object(object) = value else { return None };
    match spec::read(&object, Dialect::File) {
        Ok(definition) => {
            let is_unset = |name: &&str| variables.get(name).is_none();
            let of_target = definition.target.variables();
            let of_options = definition.options.templates().flat_map(Template::variables);
            for name in of_target.iter().map(String::as_str).chain(of_options).filter(is_unset) {
                let line = yaml::line_of_variable(item, name);
                report(line, name, "environment variable not set");
            }
            (problems.len() == known_before).then(|| Entry {
                file: Arc::clone(file),
                line: yaml::line(item),
                definition,
            })
        }
        Err(rejected) => {
            for problem in rejected {
                let line = yaml::line_of(item, &problem.path);
                report(line, &problem.path, &problem.rejection.to_string());
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services_file::read::read_text;

    fn problems(text: &str) -> Vec<String> {
        parse(text).unwrap_err()
    }

    fn parse(text: &str) -> Result<Vec<Entry>, Vec<String>> {
        let variables = [("TOKEN".to_owned(), "s3cret".to_owned())].into();
        read_text(Path::new("s.yaml"), text, &Variables::new(variables))
    }

    #[test]
    fn the_example_of_the_contract_is_read() {
        let entries = parse(
            "endpoints:\n  - name: payment-gateway\n    group: core\n    \
             url: \"https://pay.example.org/health\"\n    interval: 30s\n    \
             enabled: true\n    client:\n      timeout: 10s\n",
        )
        .unwrap();
        let [Entry { line, definition, .. }] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!(*line, 2);
        assert_eq!(definition.name.as_str(), "payment-gateway");
        assert_eq!(definition.group.as_ref().unwrap().as_str(), "core");
        assert_eq!(definition.interval.unwrap().as_seconds(), 30.0);
        assert_eq!(definition.timeout.unwrap().as_seconds(), 10.0);
    }

    #[test]
    fn json_is_yaml() {
        let text = r#"{"endpoints": [
            {"name": "a \ud83d\ude00 \u00e4 \\u", "url": "http://a/", "group": null}
        ]}"#;
        let entries = parse(text).unwrap();
        assert_eq!(entries[0].definition.name.as_str(), "a \u{1f600} ä \\u");
    }

    #[test]
    fn a_name_is_a_text_and_null_counts_as_not_set() {
        let entries = parse(
            "endpoints:\n  - {name: 007, url: http://a/, group: , client: , interval: ~, \
             enabled: no}\n",
        )
        .unwrap();
        let definition = &entries[0].definition;
        assert_eq!(definition.name.as_str(), "007");
        assert_eq!((definition.enabled, definition.interval), (false, None));
    }

    #[test]
    fn a_block_may_be_repeated_by_every_entry() {
        let mut text =
            String::from("endpoints:\n  - {name: a, url: http://a/, client: &c {timeout: 5s}}\n");
        for nth in 0..60_000 {
            text.push_str(&format!("  - {{name: a{nth}, url: http://a/, client: *c}}\n"));
        }
        assert_eq!(parse(&text).unwrap().len(), 60_001);
    }

    #[test]
    fn a_node_of_the_wrong_kind_is_not_shown() {
        for text in
            ["endpoints:\n  - https://user:s3cret@host/\n", "endpoints: s3cret\n", "s3cret\n"]
        {
            let problems = problems(text);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains("expected a"), "{problems:?}");
            assert!(!problems[0].contains("s3cret"), "{problems:?}");
        }
    }

    #[test]
    fn every_problem_has_line_and_entry() {
        let problems = problems(
            "endpoints:\n  - name: a\n    url: ftp://a\n    intreval: 30s\n  - name: b\n    \
             url: http://b/\n    interval: 30\n    client:\n      timeout: never\n      \
             dns: x\n  - url: http://c/\n  - name: d\n    url: http://d/\n  - name: d\n    \
             url: http://e/\nalerting: {}\n",
        );
        for expected in [
            "s.yaml:16: the file: alerting: unknown key",
            "s.yaml:3: endpoint 1 (a): url: invalid value \"ftp://a\", expected",
            "s.yaml:4: endpoint 1 (a): intreval: unknown key",
            "s.yaml:7: endpoint 2 (b): interval: invalid value 30, expected a duration as in Go",
            "s.yaml:9: endpoint 2 (b): client: timeout: invalid value never, expected a duration",
            "s.yaml:10: endpoint 2 (b): client: dns: unknown key",
            "s.yaml:11: endpoint 3: name: required",
            "s.yaml:14: endpoint (d): name: already used by the entry at line 12",
        ] {
            assert!(
                problems.iter().any(|problem| problem.starts_with(expected)),
                "{expected}\n{problems:#?}"
            );
        }
        assert_eq!(problems.len(), 8, "{problems:#?}");
    }

    #[test]
    fn a_file_without_a_list_of_endpoints_is_rejected() {
        for bad in [
            "",
            "endpoints: 3",
            "- a",
            "x: [",
            "endpoints:\n  - 3",
            "a: 1\na: 2",
            "endpoints: []\n---\nendpoints: []",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse("endpoints: []").unwrap(), []);
        let twice = problems("endpoints:\n  - {name: a, url: http://a/, \"url\": http://b/}");
        assert_eq!(twice, ["s.yaml:2: endpoint 1 (a): url: duplicate key"]);
    }
}
