//! Keys and values that Gatus ignores or reads as a default.

use super::{content, problems, problems_with};
use crate::domain::{Options, Variables};
use crate::services_file::notices::Notices;
use crate::services_file::read::read_text;

#[test]
fn keys_of_blocks_at_a_wrong_level_of_an_endpoint_are_notices() {
    let read = content(
        "endpoints:\n  - name: a\n    url: http://a/\n    hide-url: true\n    badge: {x: y}\n    \
         type: slack\n    client:\n      send-on-resolved: true\n      \
         dont-resolve-failed-conditions: true\n",
    );
    assert_eq!(
        read.notices.messages(),
        [
            "s.yaml:4: endpoints: hide-url: not used, as in Gatus: expected ui: hide-url",
            "s.yaml:5: endpoints: badge: not used, as in Gatus: expected ui: badge",
            "s.yaml:6: endpoints: type: not used, as in Gatus: expected alerts: type",
            "s.yaml:8: endpoints: client: send-on-resolved: not used, as in Gatus: expected \
             alerts: send-on-resolved",
            "s.yaml:9: endpoints: client: dont-resolve-failed-conditions: not used, as in Gatus: \
             expected ui: dont-resolve-failed-conditions",
        ]
    );
    let typo = problems("endpoints:\n  - {name: a, url: 'http://a/', hide-ulr: true}\n");
    assert!(typo[0].starts_with("s.yaml:2: endpoint 1 (a): hide-ulr: unknown key"), "{typo:?}");
}

#[test]
fn keys_of_blocks_at_the_top_level_are_notices_and_typing_errors_are_not() {
    let read = content(
        "interval: 5m\nclient: {timeout: '$NOT_SET'}\nconditions: ['[STATUS] == 200']\n\
         group: g\nport: 8080\ntitle: x\nslack: {webhook-url: x}\n\
         endpoints: [{name: a, url: 'http://a/'}]\n",
    );
    let [entry] = &read.entries[..] else { panic!("{read:?}") };
    assert_eq!((entry.definition.interval, &entry.definition.group), (None, &None));
    let expected = [
        ("interval", "endpoints: interval"),
        ("client", "endpoints: client"),
        ("conditions", "endpoints: conditions"),
        ("group", "endpoints: group"),
        ("port", "web: port"),
        ("title", "ui: title"),
        ("slack", "alerting: slack"),
    ];
    let lines = expected.iter().enumerate().map(|(nth, (key, right))| {
        format!("s.yaml:{}: {key}: not used, as in Gatus: expected {right}", nth + 1)
    });
    assert_eq!(read.notices.messages(), lines.collect::<Vec<_>>());
    let typo = problems("endpoins: []\nintreval: 5s\nendpoints: []\n");
    assert!(typo[0].contains("endpoins: unknown key, did you mean endpoints?"), "{typo:#?}");
    assert!(typo[1].contains("intreval: unknown key"), "{typo:#?}");
}

#[test]
fn headers_that_frame_the_request_are_left_out_with_a_notice() {
    let names = ["Connection", "Upgrade", "content-length", "TE", "Expect", "Transfer-Encoding"];
    let mut text =
        String::from("endpoints:\n  - name: a\n    url: http://a/\n    headers:\n      X-A: b\n");
    for name in names {
        text.push_str(&format!("      {name}: x\n"));
    }
    let read = content(&text);
    assert_eq!(read.entries[0].definition.options.headers.len(), 1);
    let notices = read.notices.messages();
    assert_eq!(notices.len(), names.len(), "{notices:#?}");
    for (nth, name) in names.iter().enumerate() {
        let expected = format!(
            "s.yaml:{}: endpoints: headers: {name}: left out: the probe frames its requests",
            nth + 6
        );
        assert!(notices[nth].starts_with(&expected), "{expected} in {notices:#?}");
    }
}

#[test]
fn block_scalars_are_trimmed() {
    let read = content(
        "endpoints:\n  - name: |\n      a\n    group: >\n      g\n    url: http://a/\n    \
         conditions:\n      - |\n        [STATUS] == 200\n      - >\n        \
         [STATUS] > 199 && [STATUS] < 300\n",
    );
    let definition = &read.entries[0].definition;
    assert_eq!(definition.full_name().to_string(), "g/a");
    let conditions = definition.conditions.iter().map(ToString::to_string);
    assert_eq!(
        conditions.collect::<Vec<_>>(),
        ["[STATUS] == 200", "[STATUS] > 199", "[STATUS] < 300"]
    );
    let notices = read.notices.messages();
    assert!(notices.len() == 1 && !notices[0].contains('\n'), "{notices:#?}");
}

#[test]
fn empty_texts_and_durations_of_zero_are_defaults() {
    let text = "defaults: {interval: 5m, timeout: 0s}\nendpoints:\n  - name: a\n    \
                url: https://a/\n    method: ''\n    interval: $ZERO\n    client:\n      \
                timeout: 0s\n      network: ''\n      dns-resolver: ''\n      proxy-url: ''\n      \
                tls: {certificate-file: '', private-key-file: ''}\n  \
                - {name: b, url: 'icmp://b', method: '', interval: 0s}\n";
    let zero = Variables::new([("ZERO".to_owned(), "0m".to_owned())].into());
    let read = read_text("s.yaml".as_ref(), text, &zero).unwrap();
    assert_eq!(read.notices, Notices::default());
    for entry in &read.entries {
        let definition = &entry.definition;
        assert_eq!(definition.interval.unwrap().as_seconds(), 300.0);
        assert_eq!((definition.timeout, &definition.options), (None, &Options::none()));
    }
    let problems = problems(
        "endpoints:\n  - {name: a, url: a, dns: {query-name: a.example, query-type: ''}}\n",
    );
    assert!(problems[0].contains("dns: query-type: invalid value"), "{problems:#?}");
}

#[test]
fn the_first_document_is_read() {
    let read = content(
        "endpoints: [{name: a, url: 'http://a/'}]\n---\nendpoints: [{name: b, url: 'ftp://b'}]\n",
    );
    assert_eq!(read.entries.len(), 1);
    assert_eq!(
        read.notices.messages(),
        ["s.yaml:3: a second YAML document: not used, as in Gatus: the first document of a file \
          is read"]
    );
}

#[test]
fn every_truth_of_yaml_hides() {
    let on = Variables::new([("ON".to_owned(), "on".to_owned())].into());
    let notice = |value: &str| {
        let text =
            format!("endpoints:\n  - {{name: a, url: 'http://a/', ui: {{hide-url: {value}}}}}\n");
        read_text("s.yaml".as_ref(), &text, &on).unwrap().notices.messages().remove(0)
    };
    for truth in ["true", "True", "yes", "Yes", "y", "on", "ON", "$ON", "'${ON}'"] {
        assert!(notice(truth).contains("ui: hide-url: not used"), "{truth}: {}", notice(truth));
    }
    for other in ["false", "no", "off", "$NOT_SET", "[true]"] {
        assert!(notice(other).contains("endpoints: ui: not used"), "{other}: {}", notice(other));
    }
}

#[test]
fn defaults_of_variables_are_not_supported() {
    let expected = "a text in which ${NAME} names a variable and $$ is a dollar sign; defaults \
                    (:-) are not supported";
    for (field, path) in [
        ("url: 'http://a/', group: '${X:-y}'", "group"),
        ("url: 'http://${X:-y}/'", "url"),
        ("url: 'http://a/', body: 'a ${X:-}'", "body"),
    ] {
        let text = format!("endpoints:\n  - {{name: a, {field}}}\n");
        let problems = problems_with(&text, &Variables::default());
        let problem = format!("{path}: invalid value, expected {expected}");
        assert!(problems.len() == 1 && problems[0].ends_with(&problem), "{problems:#?}");
    }
    let plain = problems("endpoints:\n  - {name: a, url: 'http://a/', body: '${a b}'}\n");
    assert!(!plain[0].contains(":-"), "{plain:?}");
}

#[test]
fn the_interval_of_an_external_endpoint_belongs_to_its_heartbeat() {
    let read = content(
        "external-endpoints:\n  - {name: a, token: t, interval: 5m}\n  \
         - {name: b, token: t, send-on-resolved: true}\n",
    );
    assert_eq!(
        read.notices.messages(),
        [
            "s.yaml:2: external-endpoints: interval: not used, as in Gatus: expected heartbeat: \
             interval; without it no heartbeat is late",
            "s.yaml:3: external-endpoints: send-on-resolved: not used, as in Gatus: expected \
             alerts: send-on-resolved",
        ]
    );
}
