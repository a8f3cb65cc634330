//! `defaults` and `connectivity`.

use std::path::Path;
use std::sync::Arc;

use super::{content, problems};
use crate::domain::{Options, Variables};
use crate::services_file::Unchecked;
use crate::services_file::content::Content;
use crate::services_file::notices::Notices;
use crate::services_file::read::read_texts;

#[test]
fn defaults_set_what_an_endpoint_does_not_set() {
    let content = content(
        "defaults:\n  interval: 5m\n  timeout: 7s\n  failure-threshold: 3\n  client:\n    \
         insecure: true\n    tls: {server-name: a.example}\n    dns-resolver: udp://1.1.1.1:53\n\
         endpoints:\n  - {name: a, url: 'https://a/'}\n  - name: b\n    url: https://b/\n    \
         interval: 10s\n    failure-threshold: 1\n    client:\n      timeout: 1s\n      \
         insecure: false\n      tls: {min-version: '1.3'}\n  \
         - {name: c, url: 'icmp://c', interval: ~, client: }\n",
    );
    assert_eq!(content.notices, Notices::default());
    let [a, b, c] = &content.entries[..] else { panic!("{content:?}") };
    let seconds = |entry: &crate::services_file::Entry| {
        let definition = &entry.definition;
        (definition.interval.unwrap().as_seconds(), definition.timeout.unwrap().as_seconds())
    };
    assert_eq!([seconds(a), seconds(b), seconds(c)], [(300.0, 7.0), (10.0, 1.0), (300.0, 7.0)]);
    let (a, b, c) = (&a.definition.options, &b.definition.options, &c.definition.options);
    assert_eq!([a, b, c].map(|options| options.thresholds.failure), [3, 1, 3]);
    assert_eq!([a, b, c].map(|options| options.tls.insecure), [true, false, false]);
    assert_eq!(b.tls.server_name.as_deref(), Some("a.example"));
    assert!(b.tls.min_version.is_some() && c.resolver.is_some());
    assert_eq!(c.tls, Options::none().tls, "icmp has no TLS");
}

#[test]
fn defaults_hold_for_all_files_of_a_folder_and_are_set_once() {
    let read = |texts: [&str; 2]| {
        let texts = texts.into_iter().zip(["a.yaml", "b.yaml"]);
        let texts = texts.map(|(text, file)| (Arc::from(Path::new(file)), text.to_owned()));
        read_texts(texts.collect(), &Variables::default(), &Unchecked)
    };
    let endpoints = "endpoints: [{name: a, url: http://a/}]\n";
    let later = format!("{endpoints}defaults: {{client: {{insecure: true}}}}\n");
    let content = read([&later, "defaults: {interval: 2m}\n"]).unwrap();
    let definition = &content.entries[0].definition;
    assert_eq!(definition.interval.unwrap().as_seconds(), 120.0);
    assert!(definition.options.tls.insecure);
    let twice = read([&later, "x-y: 1\ndefaults:\n  client: {insecure: false}\n"]).unwrap_err();
    assert_eq!(twice, ["b.yaml:3: defaults: client: insecure: already set at a.yaml:2"]);
}

#[test]
fn problems_of_defaults_have_their_line() {
    let problems = problems(
        "defaults:\n  interval: 5\n  timeout: soon\n  url: http://a/\n  client:\n    \
         tunel: x\n    timeout: 3s\nendpoints: [{name: a, url: 'http://a/'}]\n",
    );
    for (nth, expected) in [
        "s.yaml:4: defaults: url: unknown key, expected one of alerts, client,",
        "s.yaml:3: defaults: timeout: duplicate of client: timeout",
        "s.yaml:6: defaults: client: tunel: unknown key, did you mean tunnel? expected one of",
        "s.yaml:2: defaults: interval: invalid value 5, expected a duration",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(problems[nth].starts_with(expected), "{expected} in {problems:#?}");
    }
    assert_eq!(problems.len(), 4, "{problems:#?}");
}

#[test]
fn defaults_with_an_anchor_are_a_block_of_the_user() {
    let content = content(
        "defaults: &defaults\n  interval: 5m\n  method: POST\nendpoints:\n  \
         - {<<: *defaults, name: a, url: 'http://a/'}\n  - {name: b, url: 'http://b/'}\n",
    );
    let intervals = content.entries.iter().map(|entry| entry.definition.interval.is_some());
    assert_eq!(intervals.collect::<Vec<_>>(), [true, false]);
    let notices = content.notices.messages();
    assert_eq!(notices.len(), 1, "{notices:#?}");
    assert!(notices[0].starts_with("s.yaml:1: defaults: holds an anchor"), "{notices:#?}");
}

fn canaries(content: &Content) -> Vec<(usize, &str)> {
    let canaries = content.canaries.iter();
    canaries.map(|canary| (canary.line, canary.target.as_str())).collect()
}

#[test]
fn a_connectivity_checker_is_a_canary() {
    let read = content(
        "connectivity:\n  checker:\n    target: 1.1.1.1:53\n    interval: 60s\nendpoints: []\n",
    );
    assert_eq!(canaries(&read), [(3, "tcp://1.1.1.1:53")]);
    let notices = read.notices.messages();
    let expected = "s.yaml:4: connectivity: checker: interval: not used";
    assert!(notices.len() == 1 && notices[0].starts_with(expected), "{notices:#?}");
    for none in ["connectivity:\n", "connectivity: {checker: }\n"] {
        assert_eq!(canaries(&content(&format!("{none}endpoints: []\n"))), []);
    }
}

#[test]
fn a_connectivity_checker_that_cannot_be_used_is_a_problem() {
    for (text, expected) in [
        ("{checker: {target: nowhere}}", "s.yaml:1: connectivity: checker: target: invalid value"),
        ("{checker: {}}", "s.yaml:1: connectivity: checker: target: required"),
        ("{checker: {target: 'a:53', interval: x}}", "s.yaml:1: connectivity: checker: interval:"),
        ("{cheker: {target: 'a:53'}}", "s.yaml:1: connectivity: cheker: unknown key, did you mean"),
        ("1.1.1.1:53", "s.yaml:1: connectivity: invalid value"),
    ] {
        let problems = problems(&format!("connectivity: {text}\nendpoints: []\n"));
        assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
        assert!(problems[0].starts_with(expected), "{expected} in {problems:#?}");
    }
}
