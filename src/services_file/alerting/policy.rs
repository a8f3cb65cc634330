//! An entry of `alerting.policies`.

use std::time::Duration;

use serde_json::Value;

use crate::domain::alert::channel::PolicyOptions;
use crate::domain::alert::kind::{AlertKind, Severity};
use crate::domain::alert::rule::AlertRule;
use crate::domain::alert::silence::Matcher;
use crate::domain::invalid::Invalid;
use crate::services_file::alerting::block::{Block, severities, texts, within};
use crate::spec::alert_rules::{channel_name, kinds, reminder, severity};
use crate::spec::{Dialect, values};
use crate::storage::alerting::NewPolicy;

const KEYS: [&str; 17] = [
    "channels",
    "continue",
    "description",
    "failure-threshold",
    "group-by",
    "group-interval",
    "group-wait",
    "match",
    "name",
    "on",
    "quiet",
    "quiet-passes",
    "reminder",
    "send-on-resolved",
    "severity",
    "steps",
    "success-threshold",
];

const MATCH_KEYS: [&str; 4] = ["group", "kind", "name", "severity"];

/// Most steps of a policy.
const STEPS_MAX: usize = 10;

/// `position` is also the number of a policy without a name. `None` after a problem.
pub fn read(mut block: Block, position: u32) -> Option<NewPolicy> {
    let name = block.take("name", channel_name);
    let name = name.unwrap_or_else(|| format!("policy {}", position + 1));
    let matcher = matcher(&mut block);
    let options = options(&mut block);
    block.reject_others(&KEYS);
    (!block.is_rejected()).then_some(NewPolicy { name, position, matcher, options })
}

fn options(block: &mut Block) -> PolicyOptions {
    let default = PolicyOptions::default();
    let threshold = |value: &Value, dialect| {
        let range = (1, u64::from(AlertRule::THRESHOLD_MAX));
        let expected = "a whole number from 1 to 100000";
        values::integer(value, dialect, range, expected).map(|number| number as u32)
    };
    let text = |value: &Value, dialect| Ok(values::line(value, dialect)?.to_owned());
    PolicyOptions {
        on: block.take("on", kinds).unwrap_or(default.on),
        severity: block.take("severity", severity),
        failure_threshold: block
            .take("failure-threshold", threshold)
            .unwrap_or(default.failure_threshold),
        success_threshold: block
            .take("success-threshold", threshold)
            .unwrap_or(default.success_threshold),
        description: block.take("description", text).unwrap_or(default.description),
        steps: steps(block),
        group_by: block.take("group-by", group_by).unwrap_or(default.group_by),
        group_wait: block
            .take("group-wait", within(0.0, 3_600.0, "a time up to 1 hour"))
            .unwrap_or(default.group_wait),
        group_interval: block
            .take("group-interval", within(1.0, 86_400.0, "a time from 1 second to 24 hours"))
            .unwrap_or(default.group_interval),
        reminder: block.take("reminder", reminder).flatten(),
        send_on_resolved: block
            .take("send-on-resolved", values::boolean)
            .unwrap_or(default.send_on_resolved),
        continues: block.take("continue", values::boolean).unwrap_or(default.continues),
        quiet: block.take_windows("quiet"),
        quiet_passes: block.take("quiet-passes", severities).unwrap_or_default(),
    }
}

fn matcher(block: &mut Block) -> Matcher {
    let Some(value) = block.map.remove("match") else { return Matcher::default() };
    let path = block.inner("match");
    let Some(mut inner) = Block::of(block.item, path, value, block.findings) else {
        return Matcher::default();
    };
    let words = |words: Vec<String>, known: &[&str], expected: &'static str| match words
        .iter()
        .find(|word| !word.contains('*') && !known.contains(&word.as_str()))
    {
        Some(unknown) => Err(Invalid::quoted(unknown, expected)),
        None => Ok(words),
    };
    let matcher = Matcher {
        group: inner.take("group", texts).unwrap_or_default(),
        name: inner.take("name", texts).unwrap_or_default(),
        kind: inner
            .take("kind", |value, dialect| {
                let known = AlertKind::ALL.map(AlertKind::as_str);
                words(texts(value, dialect)?, &known, "kinds such as down or certificate")
            })
            .unwrap_or_default(),
        severity: inner
            .take("severity", |value, dialect| {
                let known = Severity::ALL.map(Severity::as_str);
                words(texts(value, dialect)?, &known, "info, warning or critical")
            })
            .unwrap_or_default(),
    };
    inner.reject_others(&MATCH_KEYS);
    matcher
}

/// `channels` is short for one step without a wait.
fn steps(block: &mut Block) -> Vec<(Duration, Vec<String>)> {
    let channels = block.take("channels", channel_names);
    let steps = block.map.remove("steps");
    match (channels, steps) {
        (Some(channels), None) => vec![(Duration::ZERO, channels)],
        (None, Some(Value::Array(steps))) if (1..=STEPS_MAX).contains(&steps.len()) => {
            let steps = steps.into_iter().enumerate();
            let steps: Vec<_> =
                steps.filter_map(|(nth, step)| one_step(block, nth, step)).collect();
            let is_ascending = steps.windows(2).all(|pair| pair[0].0 < pair[1].0);
            let begins_at_once = steps.first().is_none_or(|(after, _)| after.is_zero());
            let is_in_order = is_ascending && begins_at_once;
            if !is_in_order && !block.is_rejected() {
                let expected = "steps in the order of their times, the first of which is 0s";
                block.reject("steps", &Invalid::hidden(expected).to_string());
            }
            steps
        }
        (None, Some(_)) => {
            let problem = Invalid::hidden("a list of 1 to 10 steps").to_string();
            block.reject("steps", &problem);
            Vec::new()
        }
        (Some(_), Some(_)) => {
            block.reject("steps", "not with channels, which is a step without a wait");
            Vec::new()
        }
        (None, None) => {
            if !block.is_rejected() {
                block.reject("channels", "required, or steps");
            }
            Vec::new()
        }
    }
}

fn one_step(block: &mut Block, nth: usize, step: Value) -> Option<(Duration, Vec<String>)> {
    let path = block.inner(&format!("steps.{}", nth + 1));
    let mut inner = Block::of(block.item, path, step, block.findings)?;
    let after = inner.take("after", within(0.0, 604_800.0, "a time up to 7 days"));
    if !inner.map.contains_key("channels") {
        inner.reject("channels", "required");
    }
    let channels = inner.take("channels", channel_names);
    inner.reject_others(&["after", "channels"]);
    Some((after.unwrap_or_default(), channels?))
}

fn channel_names(value: &Value, dialect: Dialect) -> Result<Vec<String>, Invalid> {
    let names = texts(value, dialect)?;
    for name in &names {
        channel_name(&Value::String(name.clone()), dialect)?;
    }
    if names.is_empty() { Err(Invalid::new("[]", "names of channels")) } else { Ok(names) }
}

fn group_by(value: &Value, dialect: Dialect) -> Result<Vec<String>, Invalid> {
    const WORDS: [&str; 4] = ["group", "name", "kind", "severity"];
    let words = texts(value, dialect)?;
    match words.iter().find(|word| !WORDS.contains(&word.as_str())) {
        Some(word) => Err(Invalid::quoted(word, "a list of group, name, kind, severity")),
        None => Ok(words),
    }
}
