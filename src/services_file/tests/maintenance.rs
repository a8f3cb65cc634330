//! `maintenance` and `maintenance-windows`.

use std::path::Path;

use serde_json::{Value, json};

use super::{content, problems};
use crate::domain::Variables;
use crate::domain::maintenance::MaintenanceDefinition;
use crate::services_file::read::read_text;

fn written(windows: &[MaintenanceDefinition]) -> Vec<Value> {
    windows.iter().map(|window| Value::Object(window.write())).collect()
}

#[test]
fn the_windows_of_gatus_are_read() {
    let content = content(
        "maintenance:\n  enabled: true\n  start: 23:00\n  duration: 1h\n  \
         timezone: \"Europe/Berlin\"\n  every: [Monday, Thursday]\nendpoints:\n  - name: a\n    \
         url: http://a/\n    maintenance-windows:\n      - start: \"02:00\"\n        \
         duration: 30m\n      - {start: '04:00', duration: 24h, every: [], note: Backups, \
         uptime: count}\n  - {name: b, url: http://b/, maintenance-windows: }\n\
         external-endpoints:\n  - {name: c, token: a-long-token, maintenance-windows: \
         [{cron: '0 3 * * sun', duration: 2h}]}\n",
    );
    assert_eq!(content.notices.messages(), Vec::<String>::new());
    assert_eq!(
        written(&content.maintenance),
        [json!({"start": "23:00", "duration": "1h", "timezone": "Europe/Berlin",
            "every": ["Monday", "Thursday"]})]
    );
    let [a, b, c] = content.entries.as_slice() else { panic!("{:?}", content.entries) };
    assert_eq!(
        written(&a.windows),
        [
            json!({"start": "02:00", "duration": "30m"}),
            json!({"start": "04:00", "duration": "24h", "every": [], "note": "Backups",
                "uptime": "count"}),
        ]
    );
    assert_eq!(written(&b.windows), Vec::<Value>::new());
    assert_eq!(written(&c.windows), [json!({"cron": "0 3 * * sun", "duration": "2h"})]);
}

#[test]
fn a_disabled_window_is_left_out_and_not_validated_as_in_gatus() {
    let content = content(
        "maintenance: {enabled: no, start: never}\nendpoints:\n  - {name: a, url: http://a/, \
         maintenance-windows: [{enabled: false}]}\n",
    );
    assert_eq!(written(&content.maintenance), Vec::<Value>::new());
    assert_eq!(written(&content.entries[0].windows), Vec::<Value>::new());
}

#[test]
fn variables_are_filled() {
    let text = "maintenance: {start: '$START', duration: 1h}\nendpoints: []\n";
    let variables = Variables::new([("START".to_owned(), "23:00".to_owned())].into());
    let content = read_text(Path::new("s.yaml"), text, &variables).unwrap();
    assert_eq!(written(&content.maintenance), [json!({"start": "23:00", "duration": "1h"})]);
    let problems = problems(text);
    assert!(problems[0].contains("START: environment variable not set"), "{problems:?}");
}

#[test]
fn every_problem_has_line_and_entry() {
    let problems = problems(
        "maintenance:\n  start: 25:00\n  duration: 25h\n  timezone: Mars/Olympus\n  \
         every: [Mon]\n  colour: red\nendpoints:\n  - name: a\n    url: http://a/\n    \
         maintenance-windows:\n      - start: '02:00'\n      - start: '02:00'\n        \
         duration: 0s\n      - cron: 0 0 31 2 *\n        duration: 1h\n      - from: 20\n        \
         to: 10\n      - strat: '02:00'\n      - daily\n  - {name: b, url: http://b/, \
         maintenance-windows: daily}\n  - {name: c, url: http://c/, \
         maintenance-windows: [{start: '01:00', duration: 1h, uptime: maybe}]}\n",
    );
    for expected in [
        "s.yaml:6: maintenance: colour: unknown key, expected one of enabled, start",
        "s.yaml:11: endpoint 1 (a): maintenance-windows: duration: required",
        "s.yaml:13: endpoint 1 (a): maintenance-windows: duration: invalid value \"0s\", expected \
         above 0s, at most 24h",
        "s.yaml:14: endpoint 1 (a): maintenance-windows: cron: invalid value \"0 0 31 2 *\" (no \
         month has that day)",
        "s.yaml:17: endpoint 1 (a): maintenance-windows: to: invalid value",
        "s.yaml:18: endpoint 1 (a): maintenance-windows: strat: unknown key, did you mean start?",
        "s.yaml:19: endpoint 1 (a): maintenance-windows: invalid value, expected a list of",
        "s.yaml:20: endpoint 2 (b): maintenance-windows: invalid value, expected a list",
        "s.yaml:21: endpoint 3 (c): maintenance-windows: uptime: invalid value \"maybe\"",
    ] {
        let found = problems.iter().any(|problem| problem.starts_with(expected));
        assert!(found, "{expected} in {problems:#?}");
    }
    let text = "maintenance: {start: '25:00', duration: 25h, timezone: Mars, every: [Mon]}\n\
                endpoints: []\n";
    let problems = super::problems(text);
    for key in ["start", "duration", "timezone", "every"] {
        let expected = format!("s.yaml:1: maintenance: {key}: invalid value");
        assert!(problems.iter().any(|one| one.starts_with(&expected)), "{problems:#?}");
    }
}
