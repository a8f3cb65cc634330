//! The options of a channel.

use serde_json::{Map, Value};

use crate::domain::alert::channel::{ChannelOptions, GroupOverride};
use crate::domain::alert::kind::Severity;
use crate::domain::invalid::Invalid;
use crate::domain::service::template::{Template, Variables};
use crate::services_file::alerting::block::{Block, severities, within};
use crate::services_file::paths::take;
use crate::spec::values;

/// Keys of `client` that Gatus has and requests to channels do not use.
const UNUSED_OF_CLIENT: [&str; 9] = [
    "dns-resolver",
    "identity-aware-proxy",
    "ignore-redirect",
    "network",
    "oauth2",
    "tls.certificate-file",
    "tls.private-key-file",
    "tls.renegotiation",
    "tunnel",
];

/// Takes all options out of the block; what is left over are the keys of the kind.
pub fn read(block: &mut Block) -> ChannelOptions {
    let client = client(block);
    let overrides = overrides(block);
    let title = block.take("title", |value, dialect| Ok(values::text(value, dialect)?.to_owned()));
    let message =
        block.take("message", |value, dialect| Ok(values::text(value, dialect)?.to_owned()));
    let system = block.take("system", values::boolean).unwrap_or(false);
    let refill = block.take("refill", within(1.0, 3_600.0, "a time from 1 second to 1 hour"));
    let quiet = block.take_windows("quiet");
    let passes = block.take("quiet-passes", severities).unwrap_or_default();
    ChannelOptions {
        keys: std::mem::take(&mut block.map),
        client,
        overrides,
        title,
        message,
        system,
        refill_seconds: refill.map(|refill| refill.as_secs() as u32),
        quiet,
        quiet_passes: passes.into_iter().map(Severity::as_str).map(str::to_owned).collect(),
    }
}

fn client(block: &mut Block) -> Map<String, Value> {
    let mut client = match block.map.remove("client") {
        None => return Map::new(),
        Some(Value::Object(client)) => client,
        Some(_) => {
            block.reject("client", &Invalid::hidden("a mapping").to_string());
            return Map::new();
        }
    };
    for key in UNUSED_OF_CLIENT {
        if take(&mut client, key).is_some_and(|value| !value.is_null()) {
            let path = block.inner(&format!("client.{key}"));
            block.item.notice(&path, "not used by requests to channels", block.findings);
        }
    }
    let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
    client.retain(|_, value| !value.is_null() && !is_empty(value));
    client
}

/// Keys by group, each group once.
fn overrides(block: &mut Block) -> Vec<GroupOverride> {
    let list = match block.map.remove("overrides") {
        None => return Vec::new(),
        Some(Value::Array(list)) => list,
        Some(_) => {
            block.reject("overrides", &Invalid::hidden("a list").to_string());
            return Vec::new();
        }
    };
    let mut overrides: Vec<GroupOverride> = Vec::new();
    for (nth, value) in list.into_iter().enumerate() {
        let path = format!("overrides.{}", nth + 1);
        let Value::Object(mut keys) = value else {
            block.reject(&path, &Invalid::hidden("a mapping").to_string());
            continue;
        };
        keys.retain(|_, value| !value.is_null());
        let group = keys.remove("group");
        let group = group.as_ref().and_then(Value::as_str).map(str::trim);
        match group.filter(|group| !group.is_empty()) {
            None => block.reject(&format!("{path}.group"), "required"),
            Some(group) if overrides.iter().any(|known| known.group == group) => {
                let problem = format!("duplicate of the override of group {group}");
                block.reject(&format!("{path}.group"), &problem);
            }
            Some(group) => overrides.push(GroupOverride { group: group.to_owned(), keys }),
        }
    }
    overrides
}

/// The options with all variables filled, so that their values are judged too; `None` without any.
pub fn filled(options: &ChannelOptions, variables: &Variables) -> Option<ChannelOptions> {
    let mut json = serde_json::to_value(options).ok()?;
    if !fill(&mut json, variables) {
        return None;
    }
    serde_json::from_value(json).ok()
}

/// Whether a variable was filled in.
pub fn fill(value: &mut Value, variables: &Variables) -> bool {
    match value {
        Value::String(text) => {
            let Ok(template) = Template::parse(text) else { return false };
            if template.variables().next().is_none() {
                return false;
            }
            let Ok(filled) = template.fill(variables) else { return false };
            *text = Template::literal(&filled).as_written().to_owned();
            true
        }
        Value::Array(items) => {
            items.iter_mut().fold(false, |any, item| fill(item, variables) | any)
        }
        Value::Object(map) => map.values_mut().fold(false, |any, item| fill(item, variables) | any),
        _ => false,
    }
}
