//! A channel: `alerting.KIND`, or an entry of `alerting.channels`.

use serde_json::{Map, Value};

use crate::domain::invalid::Invalid;
use crate::domain::service::template::Variables;
use crate::services_file::alerting::block::Block;
use crate::services_file::alerting::options;
use crate::services_file::channel_kinds::ChannelKinds;
use crate::services_file::similar::{did_you_mean, unknown_key};
use crate::spec::alert_rules;
use crate::spec::alert_rules::{OVERRIDES_IN_FILE, TYPE, channel_name};
use crate::spec::{Dialect, Problem, Rejection, values};
use crate::storage::alerting::NewChannel;

const DEFAULT_ALERT: &str = "default-alert";

/// A channel, and its `default-alert`.
type Read = (NewChannel, Map<String, Value>);

/// The channel of a kind, which has the name of the kind.
pub fn of_kind(
    block: Block,
    kind: &str,
    variables: &Variables,
    kinds: &dyn ChannelKinds,
) -> Option<Read> {
    read(block, kind.to_owned(), kind.to_owned(), variables, kinds)
}

/// An entry of `channels`. `None` after a problem.
pub fn named(mut block: Block, variables: &Variables, kinds: &dyn ChannelKinds) -> Option<Read> {
    for key in ["name", TYPE] {
        if !block.map.contains_key(key) {
            block.reject(key, "required");
        }
    }
    let name = block.take("name", channel_name);
    let kind = block.take(TYPE, |value, dialect| {
        let kind = values::line(value, dialect)?;
        let names = kinds.names();
        if names.contains(&kind) {
            return Ok(kind.to_owned());
        }
        let invalid = Invalid::new(kind, format!("one of {}", names.join(", ")));
        Err(match did_you_mean(kind, names.into_iter()) {
            Some(similar) => invalid.because(format_args!("did you mean {similar}?")),
            None => invalid,
        })
    });
    read(block, name?, kind?, variables, kinds)
}

fn read(
    mut block: Block,
    name: String,
    kind: String,
    variables: &Variables,
    kinds: &dyn ChannelKinds,
) -> Option<Read> {
    let enabled = block.take("enabled", values::boolean).unwrap_or(true);
    let default_alert = default_alert(&mut block, &name);
    let options = options::read(&mut block);
    if block.is_rejected() {
        return None;
    }
    for options in std::iter::once(options.clone()).chain(options::filled(&options, variables)) {
        for problem in kinds.check(&kind, &options) {
            block.reject(&written(&problem.key), &problem.problem);
        }
        if block.is_rejected() {
            return None;
        }
    }
    Some((NewChannel { name, kind, enabled, options }, default_alert))
}

/// `overrides[0].token` as the path `overrides.1.token`.
pub fn written(key: &str) -> String {
    let number = key.split_once('[').and_then(|(list, rest)| {
        let (number, rest) = rest.split_once(']')?;
        Some((list, number.parse::<usize>().ok()?, rest))
    });
    match number {
        Some((list, number, rest)) => format!("{list}.{}{rest}", number + 1),
        None => key.to_owned(),
    }
}

/// What entries of `alerts` leave out. As in Gatus, it has no type and no override.
fn default_alert(block: &mut Block, name: &str) -> Map<String, Value> {
    let Some(value) = block.map.remove(DEFAULT_ALERT) else { return Map::new() };
    let Value::Object(mut map) = value else {
        block.reject(DEFAULT_ALERT, &Invalid::hidden("a mapping").to_string());
        return Map::new();
    };
    map.retain(|_, value| !value.is_null());
    for unused in [TYPE, OVERRIDES_IN_FILE] {
        if map.remove(unused).is_some() {
            let path = block.inner(&format!("{DEFAULT_ALERT}.{unused}"));
            block.item.notice(&path, "not used, as in Gatus", block.findings);
        }
    }
    let mut whole = map.clone();
    whole.insert("channel".to_owned(), Value::String(name.to_owned()));
    let problems = alert_rules::read(&Value::Object(whole), DEFAULT_ALERT, Dialect::File);
    for Problem { path, rejection } in problems.err().into_iter().flatten() {
        let key = path.rsplit('.').next().unwrap_or_default();
        let problem = match rejection {
            Rejection::UnknownKey(_) => unknown_key(key, alert_rules::keys(Dialect::File)),
            rejection => rejection.to_string(),
        };
        block.reject(&path, &problem);
    }
    map
}
