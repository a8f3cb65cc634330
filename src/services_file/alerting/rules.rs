//! The entries of `alerts` of an endpoint: completed from their channel, and checked against it.

use serde_json::{Map, Value};

use crate::domain::invalid::Invalid;
use crate::domain::service::template::Variables;
use crate::services_file::alerting::channel::written;
use crate::services_file::alerting::options;
use crate::services_file::alerting::set_up::{Alerting, FileChannel};
use crate::services_file::channel_kinds::ChannelKinds;
use crate::services_file::empty_values::is_zero;
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::spec::Dialect;
use crate::spec::alert_rules;
use crate::spec::alert_rules::{OVERRIDES_IN_FILE, TYPE};
use crate::spec::field::ALERTS;

const CHANNEL: &str = "channel";
const REMINDER: &str = "minimum-reminder-interval";

/// What the services file is read with.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    pub alerting: &'c Alerting,
    pub kinds: &'c dyn ChannelKinds,
    pub variables: &'c Variables,
}

/// Fills what the entries of `object` leave out, as in Gatus, so that each is complete by itself.
pub fn complete(
    item: &Item,
    object: &mut Map<String, Value>,
    context: Context<'_>,
    findings: &mut Findings,
) {
    let Some(Value::Array(entries)) = object.get_mut(ALERTS.file) else { return };
    for (nth, entry) in entries.iter_mut().enumerate() {
        let Some(entry) = entry.as_object_mut() else { continue };
        let path = alert_rules::path(nth, Dialect::File);
        let mut reject = |key: &str, problem: &str| {
            let path = format!("{path}.{key}");
            item.reject(item.line_of(&path), &path, problem, findings);
        };
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::trim);
        let (key, name) = match (text(CHANNEL), text(TYPE)) {
            (Some(name), _) => (CHANNEL, name),
            (None, Some(name)) => (TYPE, name),
            (None, None) => continue,
        };
        if name.is_empty() {
            continue;
        }
        let Some(channel) = context.alerting.channel(name) else {
            if !context.alerting.rejected.contains(name) {
                reject(key, &unknown(name, context));
            }
            continue;
        };
        let kind = &channel.channel.kind;
        if let Some(other) = text(TYPE).filter(|other| key == CHANNEL && other != kind) {
            let expected = format!("{kind}, the type of the channel {name}");
            reject(TYPE, &Invalid::new(other, expected).to_string());
        }
        fill(entry, channel, context.variables);
        if let Some(Value::Object(keys)) = entry.get(OVERRIDES_IN_FILE) {
            for (key, problem) in override_problems(keys, kind, context) {
                reject(&format!("{OVERRIDES_IN_FILE}.{key}"), &problem);
            }
        }
    }
}

fn fill(entry: &mut Map<String, Value>, channel: &FileChannel, variables: &Variables) {
    // As in Gatus, zero is no interval of its own.
    if entry.get(REMINDER).is_some_and(|interval| is_zero(interval, variables)) {
        entry.remove(REMINDER);
    }
    for (key, default) in &channel.default_alert {
        let value = entry.entry(key.clone()).or_insert(Value::Null);
        if value.is_null() {
            *value = default.clone();
        }
    }
}

/// Problems of the keys as written, else of their values with variables filled in.
fn override_problems(
    keys: &Map<String, Value>,
    kind: &str,
    context: Context<'_>,
) -> Vec<(String, String)> {
    let check = |keys: &Map<String, Value>| {
        let problems = context.kinds.check_overrides(kind, keys).into_iter();
        problems.map(|problem| (written(&problem.key), problem.problem)).collect::<Vec<_>>()
    };
    let problems = check(keys);
    let mut filled = Value::Object(keys.clone());
    if !problems.is_empty() || !options::fill(&mut filled, context.variables) {
        return problems;
    }
    filled.as_object().map(check).unwrap_or_default()
}

fn unknown(name: &str, context: Context<'_>) -> String {
    let kinds = context.kinds.names();
    let unknown = context.alerting.unknown(name);
    if kinds.contains(&name) {
        return unknown.to_string();
    }
    let similar = context.alerting.similar(name, kinds.into_iter());
    let hint = similar.map(|similar| format!(", did you mean {similar}?")).unwrap_or_default();
    unknown.because(format_args!("no such provider or channel{hint}")).to_string()
}
