//! Entries, and the file, line and entry of each problem.

use super::{parse, problems};
use crate::services_file::entry::Entry;

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
    for text in ["endpoints:\n  - https://user:s3cret@host/\n", "endpoints: s3cret\n", "s3cret\n"] {
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
         url: http://e/\nalertin: {}\n",
    );
    for expected in [
        "s.yaml:16: the file: alertin: unknown key, did you mean alerting? expected",
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
    for bad in ["", "endpoints: 3", "- a", "x: [", "endpoints:\n  - 3", "a: 1\na: 2"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert_eq!(parse("endpoints: []").unwrap(), []);
    let twice = problems("endpoints:\n  - {name: a, url: http://a/, \"url\": http://b/}");
    assert_eq!(twice, ["s.yaml:2: endpoint 1 (a): url: duplicate key"]);
}
