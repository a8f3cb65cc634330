//! Keys of Gatus that load and are not used, and their notices.

use std::path::Path;
use std::sync::Arc;

use super::{content, problems};
use crate::domain::{Options, Variables};
use crate::services_file::channel_kinds::Unchecked;
use crate::services_file::notices::Notices;
use crate::services_file::read::read_texts;
use crate::services_file::unused_keys;

#[test]
fn keys_of_gatus_that_are_not_used_have_one_notice_each() {
    let mut text = String::new();
    for (key, _) in unused_keys::TOP_LEVEL {
        text.push_str(&format!("{key}: {{anything: ['${{NOT_SET}}', {{it: likes}}]}}\n"));
    }
    text.push_str("endpoints:\n");
    for name in ["a", "b"] {
        text.push_str(&format!(
            "  - name: {name}\n    url: http://{name}/\n    \
             ui: {{badge: {{response-time: {{thresholds: [1, 2, 3, 4, 5]}}}}}}\n    \
             client:\n      tunnel: jump\n      identity-aware-proxy: {{audience: x}}\n      \
             tls: {{renegotiation: never}}\n"
        ));
    }
    let content = content(&text);
    assert_eq!(content.entries.len(), 2);
    let paused = content.entries.iter().all(|entry| !entry.definition.enabled);
    assert!(paused, "a direct probe would say nothing about the target");
    let notices = content.notices.messages();
    for (key, _) in unused_keys::TOP_LEVEL {
        let of_key = notices.iter().filter(|notice| notice.contains(&format!(": {key}: not used")));
        assert_eq!(of_key.count(), 1, "{key} in {notices:#?}");
    }
    for (line, key) in [
        (17, "ui"),
        (20, "client: identity-aware-proxy"),
        (19, "client: tunnel"),
        (21, "client: tls: renegotiation"),
    ] {
        let expected = format!("s.yaml:{line}: endpoints: {key}: (2 times) not used");
        let found = notices.iter().filter(|notice| notice.starts_with(&expected));
        assert_eq!(found.count(), 1, "{expected} in {notices:#?}");
    }
    assert_eq!(notices.len(), unused_keys::TOP_LEVEL.len() + 4, "{notices:#?}");
}

#[test]
fn endpoints_over_sctp_are_left_out_and_bare_addresses_are_hosts() {
    let text = "endpoints:\n  - {name: a, url: 'sctp://a:38412', conditions: ['[CONNECTED] == \
                true']}\n  - {name: b, url: 'icmp://2001:db8::1'}\n  - {name: c, url: \
                'udp://a:53', body: ping}\n";
    let content = content(text);
    let urls = content.entries.iter().map(|entry| entry.definition.target.as_str());
    assert_eq!(urls.collect::<Vec<_>>(), ["icmp://2001:db8::1", "udp://a:53"]);
    let notices = content.notices.messages();
    assert_eq!(notices.len(), 1, "{notices:#?}");
    assert!(notices[0].starts_with("s.yaml:2: endpoints: url: not probed"), "{notices:#?}");
}

#[test]
fn an_ssh_login_is_not_used_and_a_command_is_not_judged() {
    let text = "\
endpoints:
  - name: a
    url: ssh://a:22
    ssh: {username: u, password: s3cret}
    conditions: ['[CONNECTED] == true']
  - {name: b, url: 'ssh://b', ssh: {username: u, private-key: k}, conditions: ['[status] == 0']}
  - {name: c, url: 'ssh://c', ssh: {username: ''}}
  - {name: d, url: 'http://d', ssh: {username: u}}
";
    let content = content(text);
    let names = content.entries.iter().map(|entry| entry.definition.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["a", "c", "d"]);
    let notices = content.notices.messages();
    assert_eq!(notices.len(), 3, "{notices:#?}");
    assert!(notices[0].starts_with("s.yaml:4: endpoints: ssh: not used: there is no login"));
    assert!(notices[1].starts_with("s.yaml:6: endpoints: ssh: not probed, the endpoint is left"));
    assert_eq!(notices[2], "s.yaml:8: endpoints: ssh: only used by ssh targets");
    assert!(problems("endpoints:\n  - {name: a, url: 'ssh://a', ssh: {user: x}}\n").len() == 1);
}

#[test]
fn what_a_dashboard_would_hide_has_a_notice_of_its_own() {
    let text = "endpoints:\n  - name: a\n    url: http://a/\n    ui:\n      hide-url: true\n      \
                hide-hostname: false\n  - {name: b, url: 'http://b/', ui: {hide-port: false}}\n";
    let notices = content(text).notices.messages();
    assert_eq!(notices.len(), 2, "{notices:#?}");
    assert!(notices[0].starts_with("s.yaml:5: endpoints: ui: hide-url: not used"), "{notices:#?}");
    assert!(notices[0].contains("API show it to every client"), "{notices:#?}");
    assert!(notices[1].starts_with("s.yaml:7: endpoints: ui: not used"), "{notices:#?}");
}

#[test]
fn keys_without_a_value_have_no_notice() {
    let text = "alerting:\nui: ~\nendpoints:\n  - {name: a, url: http://a/, alerts: , ui: }\n";
    assert_eq!(content(text).notices, Notices::default());
}

#[test]
fn own_keys_with_anchors_are_passed_over_and_others_are_not() {
    let text = "default-endpoint: &defaults\n  interval: 5m\n  client: {timeout: 3s}\n\
                shared:\n  headers: &headers {X-A: b}\nx-note: {text: hello}\n\
                endpoints:\n  - {<<: *defaults, name: a, url: 'http://a/'}\n  \
                - {name: b, url: 'http://b/', headers: *headers}\n";
    let content = content(text);
    assert_eq!(content.notices, Notices::default());
    let [a, b] = &content.entries[..] else { panic!("{content:?}") };
    assert_eq!(a.definition.interval.unwrap().as_seconds(), 300.0);
    assert_eq!(a.definition.timeout.unwrap().as_seconds(), 3.0);
    assert_eq!(b.definition.options.headers.len(), 1);

    let text = "endpoint:\n  - &a {name: a, url: http://a/}\nother: {x: 1}\nendpoints: []\n";
    let problems = problems(text);
    let expected = "unknown key, did you mean endpoints? expected one of alerting,";
    assert!(problems[0].starts_with(&format!("s.yaml:1: the file: endpoint: {expected}")));
    assert!(problems[1].starts_with("s.yaml:3: the file: other: unknown key, expected"));
    assert_eq!(problems.len(), 2, "{problems:#?}");
}

#[test]
fn mistakes_that_gatus_passes_over_are_notices_and_others_are_problems() {
    let text = "endpoints:\n  - name: a\n    url: http://a/\n    timeout: 5s\n    \
                insecure: true\n    alert: [{type: slack}]\n  - name: b\n    url: 1.1.1.1\n    \
                dns: {query-name: a.example, query-type: A, query-port: 53}\n";
    let content = content(text);
    assert_eq!(content.entries[0].definition.timeout, None);
    assert!(!content.entries[0].definition.options.tls.insecure);
    assert_eq!(
        content.notices.messages(),
        [
            "s.yaml:4: endpoints: timeout: not used, as in Gatus: expected client: timeout",
            "s.yaml:5: endpoints: insecure: not used, as in Gatus: expected client: insecure",
            "s.yaml:6: endpoints: alert: not used, as in Gatus: expected alerts",
            "s.yaml:9: endpoints: dns: query-port: not used, as in Gatus: expected the port \
             in url",
        ]
    );
    let problems = problems(
        "endpoints:\n  - name: a\n    url: http://a/\n    client:\n      conditions: [x]\n    \
         intreval: 5s\n    alrets: []\n",
    );
    for (nth, expected) in [
        "s.yaml:7: endpoint 1 (a): alrets: unknown key, did you mean alerts? expected one of",
        "s.yaml:5: endpoint 1 (a): client: conditions: unknown key, expected one of accept-status,",
        "s.yaml:6: endpoint 1 (a): intreval: unknown key, did you mean interval? expected",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(problems[nth].starts_with(expected), "{expected} in {problems:#?}");
    }
    assert_eq!(problems.len(), 3, "{problems:#?}");
}

#[test]
fn options_of_other_kinds_are_passed_over_unless_they_define_or_judge_the_probe() {
    let text = "defaults-of-mine: &d\n  method: GET\n  headers: {X-A: b}\n  client:\n    \
                insecure: true\n    ignore-redirect: true\n    timeout: 5s\nendpoints:\n  \
                - {<<: *d, name: a, url: 'icmp://a'}\n  - {<<: *d, name: b, url: 'http://b/'}\n";
    let content = content(text);
    let [a, b] = &content.entries[..] else { panic!("{content:?}") };
    assert_eq!(a.definition.options, Options::none());
    assert_eq!(a.definition.timeout.unwrap().as_seconds(), 5.0);
    assert!(b.definition.options.tls.insecure && !b.definition.options.follows_redirects);
    assert_eq!(
        content.notices.messages(),
        [
            "s.yaml:2: endpoints: method: only used by http targets",
            "s.yaml:3: endpoints: headers: only used by http, ws, grpc targets",
            "s.yaml:5: endpoints: client: insecure: only used by http, ws, tls, starttls, grpc \
             targets",
            "s.yaml:6: endpoints: client: ignore-redirect: only used by http targets",
        ]
    );
    let problems = problems("endpoints:\n  - {name: a, url: 'icmp://a', expect: pong}\n");
    assert_eq!(problems, ["s.yaml:2: endpoint 1 (a): expect: not supported by icmp targets"]);
}

#[test]
fn files_of_a_folder_may_have_some_of_the_keys() {
    let texts = |texts: &[&str]| {
        let file = |nth| Arc::from(Path::new(["a.yaml", "b.yaml", "c.yaml"][nth]));
        let texts = texts.iter().enumerate().map(|(nth, text)| (file(nth), text.to_string()));
        read_texts(texts.collect(), &Variables::default(), &Unchecked)
    };
    let service = "endpoints: [{name: a, url: http://a/}]\n";
    let content = texts(&["alerting: {slack: {}}\n", service, "# nothing\n"]).unwrap();
    assert_eq!((content.entries.len(), content.channels.len()), (1, 1));
    assert_eq!(texts(&["ui: {title: x}", "suites: []"]).unwrap().entries.len(), 0);
    assert_eq!(
        texts(&["ui: {title: x}", "web: {}"]).unwrap_err(),
        ["a.yaml:1: endpoints: required"]
    );
    let twice = texts(&[service, service]).unwrap_err();
    assert_eq!(twice, ["b.yaml:1: endpoint (a): name: already used by the entry at a.yaml:1"]);
}

#[test]
fn joined_conditions_are_read_as_they_are_meant() {
    let content = content(
        "endpoints:\n  - name: a\n    url: http://a/\n    conditions:\n      \
         - '[STATUS] >= 200 && [STATUS] < 400'\n      - '[BODY] == a && b'\n      \
         - '[STATUS] == 200 || [STATUS] == 204'\n      - '[STATUS] < 300 || [BODY] == b'\n",
    );
    let conditions = content.entries[0].definition.conditions.iter().map(ToString::to_string);
    assert_eq!(
        conditions.collect::<Vec<_>>(),
        ["[STATUS] >= 200", "[STATUS] < 400", "[BODY] == a && b", "[STATUS] == any(200, 204)"]
    );
    let notices = content.notices.messages();
    assert_eq!(notices.len(), 3, "{notices:#?}");
    let expected = "s.yaml:5: endpoints: conditions: [STATUS] >= 200 && [STATUS] < 400 always or \
                    never holds in Gatus, which has no && and ||; read as [STATUS] >= 200 and \
                    [STATUS] < 400";
    assert_eq!(notices[0], expected);
    let expected = "which has no && and ||; not used: write several conditions, or any()";
    assert!(notices[2].ends_with(expected), "{notices:#?}");
}

#[test]
fn a_condition_on_the_expiry_of_a_local_name_has_a_notice() {
    let content = content(
        "endpoints:\n  - name: a\n    url: http://localhost/\n    conditions:\n      \
         - '[DOMAIN_EXPIRATION] > 720h'\n  - name: b\n    url: http://status.example.co.uk/\n    \
         conditions: ['[DOMAIN_EXPIRATION] > 720h']\n",
    );
    assert_eq!(content.entries.len(), 2);
    assert_eq!(
        content.notices.messages(),
        ["s.yaml:5: endpoints: conditions: [DOMAIN_EXPIRATION]: \"localhost\" has no registered \
          domain, so the service is unknown"]
    );
}
