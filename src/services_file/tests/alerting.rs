//! The key `alerting`, and the alerts of endpoints.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{content, problems};
use crate::domain::Variables;
use crate::domain::alert::channel::{ChannelOptions, KeyProblem};
use crate::domain::alert::{AlertKind, AlertRule, Severity};
use crate::services_file::channel_kinds::ChannelKinds;
use crate::services_file::content::Content;
use crate::services_file::read::{read_text_with, read_texts};

const SLACK: &str = "alerting: {slack: {webhook-url: 'https://hooks.example.org/x'}}\n";

/// The rules of each endpoint.
fn rules(content: &Content) -> Vec<Vec<AlertRule>> {
    let alerts = content.entries.iter().map(|entry| entry.definition.options.alerts.clone());
    alerts.map(|rules| rules.map(|rules| rules.to_vec()).unwrap_or_default()).collect()
}

#[test]
fn a_provider_is_a_channel_with_its_keys() {
    let text = "\
alerting:
  slack:
    webhook-url: https://hooks.example.org/$$x
    client: {timeout: 5s, insecure: true, ignore-redirect: true, tls: {renegotiation: never}}
    overrides:
      - {group: core, webhook-url: 'https://hooks.example.org/core'}
    title: '{{ service.name }}'
    message: text
    system: yes
    refill: 30s
    quiet: [{start: '22:00', duration: 9h, timezone: Europe/Berlin, enabled: yes}]
    quiet-passes: [critical]
  pagerduty:
  channels:
    - {name: mail of ops, type: email, to: [a@example.org], enabled: no}
endpoints: []
";
    let content = content(text);
    let [slack, mail] = &content.channels[..] else { panic!("{:?}", content.channels) };
    assert_eq!((slack.name.as_str(), slack.kind.as_str(), slack.enabled), ("slack", "slack", true));
    assert_eq!(
        json!(slack.options),
        json!({
            "keys": {"webhook-url": "https://hooks.example.org/$$x"},
            "client": {"timeout": "5s", "insecure": "true"},
            "overrides": [{"group": "core", "webhook-url": "https://hooks.example.org/core"}],
            "title": "{{ service.name }}", "message": "text", "system": true, "refill-seconds": 30,
            "quiet": [{"start": "22:00", "duration": "9h", "timezone": "Europe/Berlin"}],
            "quiet-passes": ["critical"]
        })
    );
    assert_eq!((mail.name.as_str(), mail.kind.as_str()), ("mail of ops", "email"));
    assert_eq!((mail.enabled, &mail.options.keys["to"]), (false, &json!(["a@example.org"])));
    assert_eq!(
        content.notices.messages(),
        [
            "s.yaml:4: alerting: slack: client: ignore-redirect: not used by requests to channels",
            "s.yaml:4: alerting: slack: client: tls: renegotiation: not used by requests to \
             channels",
        ]
    );
}

#[test]
fn the_default_alert_fills_what_an_entry_leaves_out() {
    let text = "\
alerting:
  slack:
    webhook-url: https://hooks.example.org/x
    default-alert:
      enabled: false
      description: from the default, costs $$5
      failure-threshold: 5
      success-threshold: 4
      send-on-resolved: true
      minimum-reminder-interval: 10m
      severity: warning
      on: [down, certificate]
      type: slack
      provider-override: {webhook-url: x}
endpoints:
  - {name: a, url: 'http://a/', alerts: [{type: slack}]}
  - name: b
    url: http://b/
    alerts:
      - {type: slack, enabled: true, description: '', failure-threshold: 1, success-threshold: 1,
         send-on-resolved: false, minimum-reminder-interval: 5m, severity: info, on: [down]}
      - {type: slack, minimum-reminder-interval: 0s}
  - {name: c, url: 'http://c/', alerts: []}
  - {name: d, url: 'http://d/'}
";
    let content = content(text);
    let filled = AlertRule {
        enabled: false,
        on: vec![AlertKind::Down, AlertKind::Certificate],
        severity: Some(Severity::Warning),
        failure_threshold: 5,
        success_threshold: 4,
        send_on_resolved: true,
        description: "from the default, costs $5".to_owned(),
        reminder: Some(Duration::from_secs(600)),
        ..AlertRule::new("slack")
    };
    let own = AlertRule {
        severity: Some(Severity::Info),
        failure_threshold: 1,
        success_threshold: 1,
        reminder: Some(Duration::from_secs(300)),
        ..AlertRule::new("slack")
    };
    assert_eq!(rules(&content)[..2], [vec![filled.clone()], vec![own, filled]]);
    let alerts = |nth: usize| content.entries[nth].definition.options.alerts.as_deref();
    assert_eq!((alerts(2), alerts(3)), (Some(&[] as &[AlertRule]), None), "never, and policies");
    let unused = "not used, as in Gatus";
    assert_eq!(
        content.notices.messages(),
        [
            format!("s.yaml:13: alerting: slack: default-alert: type: {unused}"),
            format!("s.yaml:14: alerting: slack: default-alert: provider-override: {unused}"),
        ]
    );
}

#[test]
fn alerts_come_from_defaults_and_merge_keys_and_belong_to_external_endpoints_too() {
    let text = format!(
        "{SLACK}mine: &mine\n  alerts: [{{type: slack, failure-threshold: 7}}]\ndefaults:\n  \
         alerts: [{{type: slack, description: '$$5'}}]\nendpoints:\n  \
         - {{name: a, url: 'http://a/'}}\n  - {{<<: *mine, name: b, url: 'http://b/'}}\n  \
         - {{name: c, url: 'http://c/', alerts: []}}\nexternal-endpoints:\n  \
         - {{name: d, token: t, depends-on: [a], \
         alerts: [{{type: slack, success-threshold: 9}}]}}\n"
    );
    let content = content(&text);
    assert_eq!(content.notices.messages(), [""; 0]);
    let rules = rules(&content);
    assert_eq!(rules[0][0].description, "$5");
    assert_eq!((rules[1][0].failure_threshold, rules[1].len()), (7, 1));
    assert_eq!(rules[2], []);
    assert_eq!(rules[3][0].success_threshold, 9);
    assert_eq!(content.entries[3].definition.options.depends_on, ["a"]);
}

#[test]
fn an_alert_may_name_a_channel() {
    let text = "\
alerting:
  slack: {webhook-url: 'https://hooks.example.org/x'}
  channels:
    - name: ops
      type: slack
      webhook-url: https://hooks.example.org/ops
      default-alert: {send-on-resolved: true}
endpoints:
  - name: a
    url: http://a/
    alerts:
      - {channel: ops}
      - {channel: slack, on: [certificate]}
      - {channel: ops, type: slack, failure-threshold: 10}
";
    let content = content(text);
    let of_ops = AlertRule { send_on_resolved: true, ..AlertRule::new("ops") };
    assert_eq!(
        rules(&content)[0],
        [
            of_ops.clone(),
            AlertRule { on: vec![AlertKind::Certificate], ..AlertRule::new("slack") },
            AlertRule { failure_threshold: 10, ..of_ops },
        ]
    );
}

#[test]
fn each_mistake_has_line_entry_and_what_is_valid() {
    let base = "alerting:\n  discord: {webhook-url: 'https://d.example.org/x'}\nendpoints:\n";
    let threshold = "invalid value 0, expected a whole number from 1 to 100000";
    for (alert, key, expected) in [
        (
            "{type: slack}",
            ": type",
            "invalid value slack, expected what is set up under alerting: discord",
        ),
        (
            "{type: dicsord}",
            ": type",
            "invalid value dicsord (no such provider or channel, did you mean discord?), expected \
             what is set up",
        ),
        (
            "{channel: ops}",
            ": channel",
            "invalid value ops (no such provider or channel), expected",
        ),
        (
            "{channel: discord, type: slack}",
            ": type",
            "invalid value slack, expected discord, the type of the channel discord",
        ),
        ("{failure-threshold: 3}", ": type", "required"),
        ("discord", "", "invalid value, expected a mapping"),
        ("{type: discord, failure-threshold: 0}", ": failure-threshold", threshold),
        ("{type: discord, success-threshold: 0}", ": success-threshold", threshold),
        (
            "{type: discord, minimum-reminder-interval: 4m}",
            ": minimum-reminder-interval",
            "invalid value 4m, expected 0 for none, or a time from 5 minutes to 30 days",
        ),
        (
            "{type: discord, send-on-resolve: true}",
            ": send-on-resolve",
            "unknown key, did you mean send-on-resolved? expected one of type, channel, enabled,",
        ),
        ("{type: discord, description: '$NOT_SET'}", "", "environment variable not set"),
    ] {
        let text = format!(
            "{base}  - name: a\n    url: http://a/\n    alerts:\n      - type: discord\n      \
             - {alert}\n"
        );
        let found = problems(&text);
        assert_eq!(found.len(), 1, "{alert}: {found:#?}");
        let expected = match expected.starts_with("environment") {
            true => format!("s.yaml:8: endpoint 1 (a): NOT_SET: {expected}"),
            false => format!("s.yaml:8: endpoint 1 (a): alerts: 2{key}: {expected}"),
        };
        assert!(found[0].starts_with(&expected), "{expected}\n{found:#?}");
    }
    let none = problems("endpoints:\n  - {name: a, url: 'http://a/', alerts: [{type: slack}]}\n");
    assert_eq!(
        none,
        ["s.yaml:2: endpoint 1 (a): alerts: 1: type: invalid value slack, expected what is set \
             up under alerting: none is"]
    );
    let defaults = problems(&format!("{base}  []\ndefaults:\n  alerts:\n    - type: slack\n"));
    assert!(defaults[0].starts_with("s.yaml:7: defaults: alerts: 1: type: invalid value slack"));
}

#[test]
fn each_mistake_of_the_block_has_its_line_and_what_is_valid() {
    for (block, expected) in [
        (
            "slak: {}",
            "2: alerting: slak: unknown key, did you mean slack? expected one of aws-ses,",
        ),
        ("slack: x", "2: alerting: slack: invalid value, expected a mapping"),
        (
            "slack: {default-alert: {failure-threshold: 0}}",
            "2: alerting: slack: default-alert: failure-threshold: invalid value 0, expected",
        ),
        (
            "slack:\n    default-alert:\n      enable: true",
            "4: alerting: slack: default-alert: enable: unknown key, did you mean enabled?",
        ),
        ("slack: {default-alert: 3}", "2: alerting: slack: default-alert: invalid value, expected"),
        (
            "slack:\n    overrides:\n      - webhook-url: x",
            "4: alerting: slack: overrides: 1: group: required",
        ),
        (
            "slack:\n    overrides:\n      - group: a\n      - group: a",
            "5: alerting: slack: overrides: 2: group: duplicate of the override of group a",
        ),
        ("slack: {client: 3}", "2: alerting: slack: client: invalid value, expected a mapping"),
        ("slack: {system: 3}", "2: alerting: slack: system: invalid value 3, expected true or"),
        (
            "slack: {quiet-passes: [high]}",
            "2: alerting: slack: quiet-passes: invalid value \"high\", expected info, warning or",
        ),
        (
            "slack:\n    quiet:\n      - start: '25:00'\n        duration: 1h",
            "4: alerting: slack: quiet: 1: start: invalid value \"25:00\", expected HH:MM",
        ),
        (
            "slack: {quiet: [{strat: x, start: '22:00', duration: 1h}]}",
            "2: alerting: slack: quiet: 1: strat: unknown key, did",
        ),
        ("channels: x", "2: alerting: channels: invalid value, expected a list"),
        ("channels:\n    - type: slack", "3: alerting: channels: 1: name: required"),
        ("channels:\n    - name: a", "3: alerting: channels: 1: type: required"),
        (
            "channels: [{name: a, type: slakc}]",
            "2: alerting: channels: 1: type: invalid value slakc (did you mean slack?), expected",
        ),
        (
            "slack: {}\n  channels:\n    - {name: slack, type: email}",
            "4: alerting: channels: 1: the channel slack is already defined at s.yaml:2",
        ),
        (
            "channels:\n    - {name: a, type: email}\n    - {name: a, type: slack}",
            "4: alerting: channels: 2: the channel a is already defined at s.yaml:3",
        ),
        ("policies: [{channels: [a]}]", "2: alerting: policy policy 1: channels: invalid value a"),
        (
            "slack: {}\n  policies: [{channels: [slakc]}]",
            "3: alerting: policy policy 1: channels: invalid value slakc (did you mean slack?), ",
        ),
        ("policies: [{}]", "2: alerting: policies: 1: channels: required, or steps"),
        (
            "slack: {}\n  policies: [{channels: slack, chanels: x}]",
            "3: alerting: policies: 1: chanels: unknown key, did you mean channels? expected one",
        ),
        (
            "policies: [{steps: []}]",
            "2: alerting: policies: 1: steps: invalid value, expected a list of 1 to 10 steps",
        ),
        (
            "slack: {}\n  policies: [{channels: slack, steps: [{after: 0s, channels: slack}]}]",
            "3: alerting: policies: 1: steps: not with channels, which is a step without a wait",
        ),
        (
            "policies:\n    - steps:\n        - {after: 5m, channels: [a]}",
            "4: alerting: policies: 1: steps: invalid value, expected steps in the order",
        ),
        (
            "policies: [{channels: a, match: {kind: dwon}}]",
            "2: alerting: policies: 1: match: kind: invalid value \"dwon\", expected kinds such as",
        ),
        (
            "policies: [{channels: a, failure-threshold: 0}]",
            "2: alerting: policies: 1: failure-threshold: invalid value 0, expected a whole number",
        ),
        (
            "policies: [{channels: a, reminder: 1m}]",
            "2: alerting: policies: 1: reminder: invalid value 1m, expected 0 for none, or a time",
        ),
        (
            "policies: [{channels: a, group-by: [team]}]",
            "2: alerting: policies: 1: group-by: invalid value \"team\", expected a list of group,",
        ),
        (
            "timezone: Berlin",
            "2: alerting: timezone: invalid value \"Berlin\", expected a time zone",
        ),
        ("watchdog: {interval: 1m}", "2: alerting: watchdog: url: required"),
        (
            "watchdog: {url: 'ftp://s3cret'}",
            "2: alerting: watchdog: url: invalid value, expected an",
        ),
        (
            "watchdog: {url: 'http://a/', interval: 1ms}",
            "2: alerting: watchdog: interval: invalid value 1ms, expected a time from 1 second",
        ),
        (
            "slack:\n    webhook-url: https://${NOT_SET}/",
            "3: alerting: NOT_SET: environment variable not set or empty",
        ),
        ("slack: {webhook-url: '${'}", "2: alerting: slack: webhook-url: invalid value, expected"),
    ] {
        let found = problems(&format!("alerting:\n  {block}\nendpoints: []\n"));
        assert_eq!(found.len(), 1, "{block}: {found:#?}");
        let expected = format!("s.yaml:{expected}");
        assert!(found[0].starts_with(&expected), "{block}\n{expected}\n{found:#?}");
        assert!(!found[0].contains("s3cret"), "{found:#?}");
    }
}

#[test]
fn a_mistake_of_a_channel_is_reported_once_and_not_for_each_alert() {
    let found = problems(
        "alerting:\n  slack: {system: 3}\n  channels: [{name: ops, type: slack, system: 3}]\n  \
         policies: [{channels: [ops, slack]}]\nendpoints:\n  \
         - {name: a, url: 'http://a/', alerts: [{type: slack}, {channel: ops}]}\n",
    );
    let expected = "system: invalid value 3, expected true or false";
    assert_eq!(
        found,
        [
            format!("s.yaml:2: alerting: slack: {expected}"),
            format!("s.yaml:3: alerting: channels: 1: {expected}"),
        ]
    );
    let unset = problems(
        "alerting: {slack: {webhook-url: $NOT_SET}}\nendpoints:\n  \
         - {name: a, url: 'http://a/', alerts: [{type: slack}]}\n",
    );
    assert_eq!(unset.len(), 1, "{unset:#?}");
    let unknown = problems(
        "alerting: {slak: {}}\nendpoints:\n  \
         - {name: a, url: 'http://a/', alerts: [{type: slak}]}\n",
    );
    assert_eq!(unknown.len(), 1, "{unknown:#?}");
}

#[test]
fn policies_have_matchers_steps_and_groups() {
    let text = "\
alerting:
  slack: {webhook-url: 'https://hooks.example.org/x'}
  email: {}
  timezone: Europe/Berlin
  watchdog: {url: 'https://hc.example.org/ping', interval: 5m}
  policies:
    - name: core
      match: {group: core, name: [api*, web], kind: down, severity: [critical]}
      steps:
        - channels: [slack]
        - {after: 15m, channels: [email, slack]}
      on: [down, degraded]
      severity: critical
      failure-threshold: 2
      success-threshold: 1
      description: call
      group-by: [group, kind]
      group-wait: 10s
      group-interval: 5m
      reminder: 1h
      send-on-resolved: false
      continue: true
      quiet: [{cron: '0 22 * * *', duration: 8h}]
      quiet-passes: [critical]
    - channels: email
endpoints: []
";
    let content = content(text);
    let [core, rest] = &content.policies[..] else { panic!("{:?}", content.policies) };
    assert_eq!((core.name.as_str(), core.position), ("core", 0));
    let matcher = &core.matcher;
    assert_eq!(
        (&matcher.group[..], &matcher.name[..]),
        (&["core".into()][..], &["api*".into(), "web".into()][..])
    );
    assert_eq!(
        (&matcher.kind[..], &matcher.severity[..]),
        (&["down".into()][..], &["critical".into()][..])
    );
    let options = &core.options;
    let steps = [(0, vec!["slack"]), (900, vec!["email", "slack"])];
    let written: Vec<(u64, Vec<&str>)> = options
        .steps
        .iter()
        .map(|(after, names)| (after.as_secs(), names.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(written, steps);
    assert_eq!(options.on, [AlertKind::Down, AlertKind::Degraded]);
    assert_eq!(options.severity, Some(Severity::Critical));
    assert_eq!((options.failure_threshold, options.success_threshold), (2, 1));
    assert_eq!(
        (options.description.as_str(), &options.group_by[..]),
        ("call", &["group".into(), "kind".into()][..])
    );
    let times = [options.group_wait, options.group_interval, options.reminder.unwrap()];
    assert_eq!(times.map(|time| time.as_secs()), [10, 300, 3_600]);
    assert!(!options.send_on_resolved && options.continues);
    assert_eq!(options.quiet, [json!({"cron": "0 22 * * *", "duration": "8h"})]);
    assert_eq!(options.quiet_passes, [Severity::Critical]);
    assert_eq!((rest.name.as_str(), rest.position), ("policy 2", 1));
    assert_eq!(rest.options.group_wait, Duration::from_secs(3));
    assert_eq!(rest.options.steps, [(Duration::ZERO, vec!["email".to_owned()])]);
    assert_eq!(content.alerting.timezone.unwrap().name(), "Europe/Berlin");
    let watchdog = content.alerting.watchdog.unwrap();
    assert_eq!(watchdog.url.as_written(), "https://hc.example.org/ping");
    assert_eq!(watchdog.interval, Duration::from_secs(300));
}

fn variables() -> Variables {
    let pairs = [("SECRET", "s3cret$"), ("LEVEL", "9"), ("TEAM", "core"), ("COUNT", "4")];
    Variables::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

/// One kind with a key that must be a digit below 6.
struct Digits;

impl ChannelKinds for Digits {
    fn names(&self) -> Vec<&'static str> {
        vec!["ntfy"]
    }

    fn check(&self, _: &str, options: &ChannelOptions) -> Vec<KeyProblem> {
        let of_groups = options.overrides.iter().enumerate().flat_map(|(nth, group)| {
            let problems = self.check_overrides("ntfy", &group.keys).into_iter();
            problems.map(move |found| KeyProblem {
                key: format!("overrides[{nth}].{}", found.key),
                ..found
            })
        });
        self.check_overrides("ntfy", &options.keys).into_iter().chain(of_groups).collect()
    }

    fn check_overrides(&self, _: &str, keys: &Map<String, Value>) -> Vec<KeyProblem> {
        let problem = |(key, value): (&String, &Value)| {
            let text = value.as_str().unwrap_or_default();
            let is_valid = key != "priority"
                || text.contains("${")
                || text.parse::<u8>().is_ok_and(|digit| digit < 6);
            let expected = format!("invalid value {value}, expected 1 to 5");
            (!is_valid).then(|| KeyProblem { key: key.clone(), problem: expected })
        };
        keys.iter().filter_map(problem).collect()
    }
}

fn with_digits(text: &str) -> Result<Content, Vec<String>> {
    read_text_with(Path::new("s.yaml"), text, &variables(), &Digits)
}

#[test]
fn keys_are_checked_by_their_kind_as_written_and_as_filled() {
    for (block, line, path) in [
        ("  ntfy:\n    topic: x\n    priority: 9", 4, "alerting: ntfy: priority"),
        ("  ntfy:\n    topic: x\n    priority: $LEVEL", 4, "alerting: ntfy: priority"),
        (
            "  ntfy:\n    overrides:\n      - group: a\n      - group: b\n        priority: 7",
            6,
            "alerting: ntfy: overrides: 2: priority",
        ),
        (
            "  channels:\n    - name: a\n      type: ntfy\n      priority: 9",
            5,
            "alerting: channels: 1: priority",
        ),
    ] {
        let found = with_digits(&format!("alerting:\n{block}\nendpoints: []\n")).unwrap_err();
        assert_eq!(found.len(), 1, "{found:#?}");
        let expected = format!("s.yaml:{line}: {path}: invalid value \"");
        assert!(found[0].starts_with(&expected), "{expected}\n{found:#?}");
    }
    for (value, is_valid) in [("5", true), ("9", false), ("$LEVEL", false), ("$COUNT", true)] {
        let read = with_digits(&format!(
            "alerting: {{ntfy: {{topic: x}}}}\nendpoints:\n  - name: a\n    url: http://a/\n    \
             alerts:\n      - type: ntfy\n        provider-override:\n          priority: {value}\n"
        ));
        let expected = "s.yaml:8: endpoint 1 (a): alerts: 1: provider-override: priority: invalid \
                        value \"9\", expected 1 to 5";
        match is_valid {
            true => assert!(read.is_ok(), "{read:?}"),
            false => assert_eq!(read.unwrap_err(), [expected]),
        }
    }
}

#[test]
fn variables_of_keys_stay_and_those_of_settings_are_filled() {
    let content = with_digits(
        "alerting:\n  ntfy:\n    topic: $SECRET-${TEAM}\n    message: 'to ${TEAM}: $$5'\n    \
         client: {proxy-url: 'http://$SECRET@p'}\n    overrides: [{group: $TEAM, \
         token: $SECRET}]\n    \
         default-alert: {failure-threshold: $COUNT}\n  watchdog: {url: 'http://h/$SECRET'}\n\
         endpoints:\n  - name: a\n    url: http://a/\n    alerts:\n      - type: ntfy\n        \
         description: to $TEAM\n        provider-override: {token: $SECRET, tags: [$SECRET]}\n",
    )
    .unwrap();
    let options = &content.channels[0].options;
    assert_eq!(
        json!(options),
        json!({
            "keys": {"topic": "${SECRET}-${TEAM}"}, "message": "to ${TEAM}: $$5",
            "client": {"proxy-url": "http://${SECRET}@p"},
            "overrides": [{"group": "core", "token": "${SECRET}"}]
        })
    );
    let rule = &rules(&content)[0][0];
    assert_eq!((rule.failure_threshold, rule.description.as_str()), (4, "to core"));
    assert_eq!(json!(rule.overrides), json!({"token": "${SECRET}", "tags": ["${SECRET}"]}));
    let watchdog = content.alerting.watchdog.as_ref().unwrap();
    assert_eq!(watchdog.url.as_written(), "http://h/${SECRET}");
    assert!(!format!("{content:?}").contains("s3cret"));
}

#[test]
fn files_of_a_folder_share_their_channels() {
    let read = |texts: &[&str]| {
        let file = |nth| Arc::from(Path::new(["a.yaml", "b.yaml"][nth]));
        let texts = texts.iter().enumerate().map(|(nth, text)| (file(nth), text.to_string()));
        read_texts(texts.collect(), &Variables::default(), &crate::services_file::Unchecked)
    };
    let services = "endpoints: [{name: a, url: http://a/, alerts: [{type: slack}]}]\n";
    let content = read(&[services, SLACK]).unwrap();
    assert_eq!((content.channels.len(), rules(&content)[0].len()), (1, 1));
    let both = read(&[SLACK, "alerting: {slack: {}, timezone: UTC}\nendpoints: []\n"]).unwrap_err();
    assert_eq!(
        both,
        ["b.yaml:1: alerting: slack: the channel slack is already defined at a.yaml:1"]
    );
    let zone = "alerting: {timezone: UTC}\nendpoints: []\n";
    let both = read(&[zone, zone]).unwrap_err();
    assert_eq!(both, ["b.yaml:1: alerting: timezone: already set at a.yaml:1"]);
}

#[test]
fn what_alerts_nobody_is_listed_with_a_count() {
    let text = "\
alerting:
  slack: {webhook-url: 'https://hooks.example.org/x'}
  email: {enabled: false}
  ntfy: {topic: x}
  gotify: {system: true}
  discord: {}
  policies:
    - {match: {group: matched}, channels: [discord]}
    - {match: {kind: certificate}, channels: [discord]}
endpoints:
  - {name: a, url: 'http://a/'}
  - {name: b, url: 'http://b/', group: other}
  - {name: c, url: 'http://c/', group: matched}
  - {name: d, url: 'http://d/', alerts: [{type: slack, enabled: false}, {type: slack}]}
  - {name: e, url: 'http://e/', alerts: [{type: email}]}
  - {name: f, url: 'http://f/', alerts: []}
";
    let content = content(text);
    assert_eq!(
        content.unalerted.messages(),
        [
            "s.yaml:4: alerting: ntfy: not used: neither an alert nor a policy names this channel",
            "s.yaml:11: endpoints: (2 times) nobody is alerted of the service: it has no alerts, \
             and no policy matches",
            "s.yaml:14: endpoints: alerts: alerts nobody: enabled is false",
            "s.yaml:15: endpoints: alerts: alerts nobody: its channel has enabled: false",
        ]
    );
    assert_eq!(content.notices.messages(), [""; 0]);
}
