//! The body of a policy.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::api::error::ApiError;
use crate::api::input::alerting::matcher::matcher;
use crate::api::input::alerting::quiet::quiet;
use crate::api::input::fields::{Fields, NOTE_MAX};
use crate::domain::alert::{AlertKind, AlertRule, PolicyOptions, Severity};
use crate::storage::alerting::NewPolicy;

/// Writable fields.
const FIELDS: [&str; 18] = [
    "name",
    "position",
    "match",
    "on",
    "severity",
    "failure_threshold",
    "success_threshold",
    "description",
    "channels",
    "steps",
    "group_by",
    "group_wait_seconds",
    "group_interval_seconds",
    "reminder_seconds",
    "send_on_resolved",
    "continue",
    "quiet",
    "quiet_passes",
];

/// Greatest position.
const POSITION_MAX: u32 = 1_000_000;
/// Most steps of an escalation.
const STEPS_MAX: usize = 10;
const DAY_S: u32 = 86_400;
const YEAR_S: u32 = 366 * DAY_S;

/// A policy as the API writes it.
pub fn policy(map: &Map<String, Value>) -> Result<NewPolicy, ApiError> {
    let mut fields = Fields::new(map, &FIELDS);
    let defaults = PolicyOptions::default();
    let thresholds = 1..=AlertRule::THRESHOLD_MAX;
    let name = fields.name("name");
    let position = fields.number("position", 0, 0..=POSITION_MAX);
    let matcher = matcher(&mut fields);
    let on = fields.words("on", AlertKind::ALL.map(AlertKind::as_str), AlertKind::from_word);
    let steps = steps(&mut fields);
    let group_by = match fields.value("group_by") {
        None => defaults.group_by,
        Some(_) => fields.texts("group_by"),
    };
    let severities = Severity::ALL.map(Severity::as_str);
    let reminder_min_s = AlertRule::REMINDER_MIN.as_secs() as u32;
    let options = PolicyOptions {
        on: if on.is_empty() { defaults.on } else { on },
        severity: fields.word("severity", severities, Severity::from_word),
        failure_threshold: fields.number(
            "failure_threshold",
            defaults.failure_threshold,
            thresholds.clone(),
        ),
        success_threshold: fields.number(
            "success_threshold",
            defaults.success_threshold,
            thresholds,
        ),
        description: fields.text("description", NOTE_MAX).unwrap_or_default(),
        steps,
        group_by,
        group_wait: fields.seconds("group_wait_seconds", 0..=DAY_S).unwrap_or(defaults.group_wait),
        group_interval: fields
            .seconds("group_interval_seconds", 1..=DAY_S)
            .unwrap_or(defaults.group_interval),
        reminder: fields.seconds("reminder_seconds", reminder_min_s..=YEAR_S),
        send_on_resolved: fields.boolean("send_on_resolved", defaults.send_on_resolved),
        continues: fields.boolean("continue", defaults.continues),
        quiet: quiet(&mut fields),
        quiet_passes: fields.words("quiet_passes", severities, Severity::from_word),
    };
    fields.done(NewPolicy { name, position, matcher, options })
}

/// `steps`, or `channels` for one step at the begin.
fn steps(fields: &mut Fields<'_>) -> Vec<(Duration, Vec<String>)> {
    let has_channels = fields.value("channels").is_some();
    let has_steps = fields.value("steps").is_some();
    if has_channels && has_steps {
        fields.problem("channels", "not allowed together with steps".to_owned());
    } else if !has_channels && !has_steps {
        fields.problem("channels", "required, or steps".to_owned());
    }
    if has_channels {
        let channels = fields.texts("channels");
        if channels.is_empty() {
            fields.problem("channels", "required, expected names of channels".to_owned());
        }
        return vec![(Duration::ZERO, channels)];
    }
    let steps = fields.objects("steps", &["after_seconds", "channels"], |step| {
        let after = step.seconds("after_seconds", 0..=YEAR_S).unwrap_or_default();
        let channels = step.texts("channels");
        if channels.is_empty() {
            step.require("channels");
        }
        (after, channels)
    });
    let ascends = steps.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let begins = steps.first().is_none_or(|(after, _)| after.is_zero());
    if has_steps && (!ascends || !begins || !(1..=STEPS_MAX).contains(&steps.len())) {
        let expected = format!("1 to {STEPS_MAX} steps with ascending after_seconds, the first 0");
        fields.problem("steps", format!("expected {expected}"));
    }
    steps
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<NewPolicy, String> {
        policy(body.as_object().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_short_policy_has_the_defaults() {
        let policy = read(&json!({"name": "all", "channels": "ops"})).unwrap();
        assert_eq!(policy.name, "all");
        let steps = vec![(Duration::ZERO, vec!["ops".to_owned()])];
        assert_eq!(policy.options, PolicyOptions { steps, ..PolicyOptions::default() });
    }

    #[test]
    fn every_field_is_read() {
        let policy = read(&json!({
            "name": "core", "position": 7, "match": {"group": "core", "kind": ["slo-*"]},
            "on": ["down", "certificate"], "severity": "info", "failure_threshold": 5,
            "success_threshold": 1, "description": "d",
            "steps": [
                {"after_seconds": 0, "channels": ["a"]}, {"after_seconds": 900, "channels": ["b"]}
            ],
            "group_by": [], "group_wait_seconds": 0, "group_interval_seconds": 30.5,
            "reminder_seconds": 300, "send_on_resolved": false, "continue": true,
            "quiet_passes": ["critical"]
        }));
        let policy = policy.unwrap();
        assert_eq!((policy.position, policy.matcher.kind), (7, vec!["slo-*".to_owned()]));
        assert_eq!(policy.matcher.group, ["core"]);
        let steps = [(0, "a"), (900, "b")];
        let steps = steps.map(|(s, name)| (Duration::from_secs(s), vec![name.to_owned()]));
        let expected = PolicyOptions {
            on: vec![AlertKind::Down, AlertKind::Certificate],
            severity: Some(Severity::Info),
            failure_threshold: 5,
            success_threshold: 1,
            description: "d".to_owned(),
            steps: steps.to_vec(),
            group_by: Vec::new(),
            group_wait: Duration::ZERO,
            group_interval: Duration::from_millis(30_500),
            reminder: Some(Duration::from_secs(300)),
            send_on_resolved: false,
            continues: true,
            quiet: Vec::new(),
            quiet_passes: vec![Severity::Critical],
        };
        assert_eq!(policy.options, expected);
    }

    #[test]
    fn every_problem_is_named_with_its_field() {
        let error = read(&json!({
            "nmae": "x", "match": {"kind": "dwon", "grop": "x"}, "on": ["down", "up"],
            "failure_threshold": 0, "reminder_seconds": 60, "group_by": [1], "position": -1,
            "steps": [{"after_seconds": 5, "channels": []}], "severity": "bad"
        }));
        let error = error.unwrap_err();
        for problem in [
            "nmae: unknown or read-only field, expected one of name, position",
            "name: required",
            "match.kind: invalid value \"dwon\", expected one of down, certificate",
            "match.grop: unknown or read-only field, expected one of group, name",
            "on: invalid value \"up\", expected one of down",
            "failure_threshold: invalid value 0, expected a whole number from 1 to 100000",
            "reminder_seconds: invalid value 60, expected a number of seconds from 300 to",
            "group_by[0]: invalid value 1, expected a text",
            "position: invalid value -1, expected a whole number",
            "steps[0].channels: required",
            "steps: expected 1 to 10 steps with ascending after_seconds, the first 0",
            "severity: invalid value \"bad\", expected one of info, warning, critical",
        ] {
            assert!(error.contains(problem), "{problem} in {error}");
        }
        let both = json!({"name": "a", "channels": ["a"], "steps": []});
        assert!(read(&both).unwrap_err().contains("channels: not allowed together with steps"));
        assert!(read(&json!({"name": "a"})).unwrap_err().contains("channels: required, or steps"));
    }
}
