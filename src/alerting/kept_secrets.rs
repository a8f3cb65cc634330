//! Changes of a channel over the API: a mask keeps the stored secret.
//!
//! A client that may write must not learn the secrets that it cannot read. So when a change decides
//! anew where the messages go, or who can read them, the client must repeat or remove the secrets.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use url::Url;

use crate::alerting::key::ValueType;
use crate::alerting::kind::Kind;
use crate::alerting::row::Shape;
use crate::alerting::shown::{is_secret, shown};
use crate::domain::alert::channel::KeyProblem;
use crate::domain::alert::{Channel, ChannelOptions};
use crate::domain::secret::MASK;
use crate::domain::secret::url::has_mask;

const EXPECTED: &str = "the value itself, since *** stands for a stored secret and there is none";

/// Keys that decide which host receives a request, beside those in the base of a row.
const RECEIVERS: [&str; 5] = ["base-url", "host", "port", "starttls", "urls"];

/// Settings of `client` that decide who can read a request.
const CLIENT: [&str; 3] = ["proxy-url", "insecure", "tls"];

/// `after`, the options of a channel after a change, with the stored secrets in place of
/// their masks. `before` is the stored channel, `kind` the kind after the change, and `given` the
/// change as the client wrote it.
pub fn keep(
    before: &Channel,
    kind: &str,
    mut after: ChannelOptions,
    given: &Map<String, Value>,
) -> Result<ChannelOptions, Vec<KeyProblem>> {
    let stored = before.options.clone();
    let masked = shown(before);
    let mut change = Change::new(kind);
    let of = |options: &ChannelOptions| Value::Object(options.keys.clone());
    let places =
        Places { stored: Some(&of(&stored)), masked: Some(&of(&masked)), given: given.get("keys") };
    change.unmask("keys", &mut after.keys, places);
    for (at, group) in after.overrides.iter_mut().enumerate() {
        let same = stored.overrides.iter().position(|known| known.group == group.group);
        let of = |options: &ChannelOptions| {
            same.map(|at| Value::Object(options.overrides[at].keys.clone()))
        };
        let (stored, masked) = (of(&stored), of(&masked));
        let given = given.get("overrides").and_then(|list| list.get(at));
        let places = Places { stored: stored.as_ref(), masked: masked.as_ref(), given };
        change.unmask(&format!("overrides[{at}]"), &mut group.keys, places);
    }
    let of = |options: &ChannelOptions| Value::Object(options.client.clone());
    let places = Places {
        stored: Some(&of(&stored)),
        masked: Some(&of(&masked)),
        given: given.get("client"),
    };
    change.unmask_client(&mut after.client, places);
    let causes = causes(before, kind, &stored, &after);
    if !causes.is_empty() {
        let causes = causes.join(", ");
        let problem = format!(
            "required in clear, or null: a change of {causes} may send the stored secret elsewhere"
        );
        let kept = change.kept.into_iter();
        change.problems.extend(kept.map(|path| KeyProblem::new(path, &problem)));
    }
    if change.problems.is_empty() { Ok(after) } else { Err(change.problems) }
}

/// The problems of masks in `options` of a new channel, which has no stored secrets.
pub fn masks(kind: &str, options: &ChannelOptions) -> Vec<KeyProblem> {
    let mut options = options.clone();
    let mut change = Change::new(kind);
    change.unmask("keys", &mut options.keys, Places::default());
    for (at, group) in options.overrides.iter_mut().enumerate() {
        change.unmask(&format!("overrides[{at}]"), &mut group.keys, Places::default());
    }
    change.unmask_client(&mut options.client, Places::default());
    change.problems
}

/// Keys that an override of one alert sends to another receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirected {
    /// The overridden keys that decide the receiver.
    pub causes: Vec<String>,
    /// The keys of the channel with secrets that the override leaves as they are.
    pub secrets: Vec<String>,
}

/// What `overrides`, the `provider_override` of a rule, would send elsewhere of the secrets of
/// `channel`; `None` when nothing.
pub fn redirected(channel: &Channel, overrides: &Map<String, Value>) -> Option<Redirected> {
    let shown = shown(channel);
    let groups = channel.options.overrides.iter().zip(&shown.overrides);
    let groups = groups.map(|(stored, shown)| (&stored.keys, &shown.keys));
    let scopes: Vec<_> = [(&channel.options.keys, &shown.keys)].into_iter().chain(groups).collect();
    let given = receivers(&channel.kind, overrides);
    let differs = |name: &str| {
        scopes.iter().any(|(stored, _)| {
            receivers(&channel.kind, stored).get(name).is_some_and(|it| given.get(name) != Some(it))
        }) || scopes.iter().all(|(stored, _)| !stored.contains_key(name))
    };
    let causes: Vec<String> = given.keys().filter(|name| differs(name)).cloned().collect();
    let mut secrets: Vec<String> = scopes
        .iter()
        .flat_map(|(stored, shown)| {
            let secret = |(name, value): &(&String, &Value)| shown.get(*name) != Some(*value);
            stored.iter().filter(secret).map(|(name, _)| name.clone())
        })
        .filter(|name| !overrides.contains_key(name))
        .collect();
    secrets.sort();
    secrets.dedup();
    (!causes.is_empty() && !secrets.is_empty()).then_some(Redirected { causes, secrets })
}

/// One value in the stored channel, in the response that shows it, and in the change.
#[derive(Clone, Copy, Default)]
struct Places<'v> {
    stored: Option<&'v Value>,
    masked: Option<&'v Value>,
    given: Option<&'v Value>,
}

impl<'v> Places<'v> {
    fn field(self, name: &str) -> Self {
        let of = |value: Option<&'v Value>| value?.get(name);
        Self { stored: of(self.stored), masked: of(self.masked), given: of(self.given) }
    }

    fn item(self, at: usize) -> Self {
        let of = |value: Option<&'v Value>| value?.get(at);
        Self { stored: of(self.stored), masked: of(self.masked), given: of(self.given) }
    }

    /// Whether `value` stands for the stored secret: it is its mask, or the change leaves it out.
    fn keeps(self, value: &Value) -> bool {
        let is_mask = Some(value) == self.masked;
        let is_left = Some(value) == self.stored && self.given.is_none();
        self.stored != self.masked && (is_mask || is_left)
    }
}

struct Change {
    kind: Option<Kind>,
    problems: Vec<KeyProblem>,
    /// Paths of the stored secrets that the channel keeps.
    kept: Vec<String>,
}

impl Change {
    fn new(kind: &str) -> Self {
        Self { kind: Kind::find(kind), problems: Vec::new(), kept: Vec::new() }
    }

    fn unmask(&mut self, path: &str, keys: &mut Map<String, Value>, places: Places<'_>) {
        for (name, value) in keys {
            let is_secret = is_secret(self.kind, name);
            self.unmask_value(&format!("{path}.{name}"), is_secret, value, places.field(name));
        }
    }

    fn unmask_client(&mut self, client: &mut Map<String, Value>, places: Places<'_>) {
        for (name, value) in client {
            self.unmask_value(&format!("client.{name}"), false, value, places.field(name));
        }
    }

    fn unmask_value(&mut self, path: &str, is_secret: bool, value: &mut Value, places: Places<'_>) {
        if places.keeps(value) {
            self.kept.push(path.to_owned());
            if let Some(stored) = places.stored {
                *value = stored.clone();
            }
            return;
        }
        match value {
            Value::String(text) => {
                let is_masked = if is_secret { text.contains(MASK) } else { has_mask(text) };
                if is_masked {
                    let problem = format!("invalid value, expected {EXPECTED}");
                    self.problems.push(KeyProblem::new(path, problem));
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    self.unmask_value(&format!("{path}[{at}]"), is_secret, item, places.item(at));
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    let path = format!("{path}.{name}");
                    self.unmask_value(&path, is_secret, value, places.field(name));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// The changed fields that decide where requests go, or who can read them.
fn causes(
    before: &Channel,
    kind: &str,
    stored: &ChannelOptions,
    after: &ChannelOptions,
) -> Vec<String> {
    if before.kind != kind {
        return vec!["kind".to_owned()];
    }
    let mut causes = Vec::new();
    let receivers = |keys: &Map<String, Value>| receivers(kind, keys);
    let changed = |old: &Map<String, Value>, new: &Map<String, Value>| {
        let (old, new) = (receivers(old), receivers(new));
        let mut names: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
        names.retain(|name| old.get(name) != new.get(name));
        names.sort();
        names.dedup();
        names
    };
    causes.extend(changed(&stored.keys, &after.keys).iter().map(|name| format!("keys.{name}")));
    for (at, group) in after.overrides.iter().enumerate() {
        let same = stored.overrides.iter().find(|known| known.group == group.group);
        let effective = |base: &Map<String, Value>, over: Option<&Map<String, Value>>| {
            let mut keys = base.clone();
            keys.extend(over.cloned().unwrap_or_default());
            keys
        };
        // Compared with the keys after the change, whose own causes are named above.
        let old = effective(&after.keys, same.map(|group| &group.keys));
        let new = effective(&after.keys, Some(&group.keys));
        let names = changed(&old, &new);
        causes.extend(names.iter().map(|name| format!("overrides[{at}].{name}")));
    }
    for name in CLIENT {
        let becomes_safe = name == "insecure" && !is_true(after.client.get(name));
        if stored.client.get(name) != after.client.get(name) && !becomes_safe {
            causes.push(format!("client.{name}"));
        }
    }
    causes
}

fn is_true(value: Option<&Value>) -> bool {
    value.is_some_and(|value| value.as_bool() == Some(true) || value.as_str() == Some("true"))
}

/// The keys that decide where a request goes; of a URL, its scheme, host and port.
fn receivers(kind: &str, keys: &Map<String, Value>) -> BTreeMap<String, String> {
    let kind = Kind::find(kind);
    let is_receiver = |name: &str| {
        let Some(kind) = kind else { return true };
        let key = kind.row.keys.get(name);
        let is_url = name == "url" || key.is_some_and(|key| key.value_type == ValueType::Url);
        let base = match &kind.row.shape {
            Shape::Requests(requests) => requests.base.as_str(),
            Shape::Code(_) => "",
        };
        let quoted = [format!("key['{name}']"), format!("key.{name}")];
        is_url || RECEIVERS.contains(&name) || quoted.iter().any(|it| base.contains(it))
    };
    let receivers = keys.iter().filter(|(name, _)| is_receiver(name));
    receivers.map(|(name, value)| (name.clone(), origin(value))).collect()
}

/// The origin of a URL; any other value as it is.
fn origin(value: &Value) -> String {
    let url = value.as_str().and_then(|text| Url::parse(text).ok()).filter(Url::has_host);
    url.map_or_else(|| value.to_string(), |url| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Origin;
    use crate::domain::alert::channel::GroupOverride;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { unreachable!("{value} is no object") };
        map
    }

    fn options(keys: Value, overrides: Value, client: Value) -> ChannelOptions {
        let overrides = object(overrides).into_iter();
        let overrides =
            overrides.map(|(group, keys)| GroupOverride { group, keys: object(keys) }).collect();
        let (keys, client) = (object(keys), object(client));
        ChannelOptions { keys, client, overrides, ..ChannelOptions::default() }
    }

    fn channel(kind: &str, options: ChannelOptions) -> Channel {
        Channel {
            id: 1,
            name: "a".to_owned(),
            kind: kind.to_owned(),
            origin: Origin::Api,
            enabled: true,
            options,
            failing_since_ms: None,
        }
    }

    fn gotify() -> Channel {
        let keys = json!({"server-url": "https://g/x", "token": "s3cr$et", "priority": 5});
        let over = json!({"core": {"token": "other$"}});
        channel("gotify", options(keys, over, json!({"timeout": "5s"})))
    }

    /// A change that gives all of `options`.
    fn given(options: &ChannelOptions) -> Map<String, Value> {
        let overrides = options.overrides.iter().map(|group| json!(group.keys));
        let overrides: Vec<Value> = overrides.collect();
        map(&json!({"keys": options.keys, "overrides": overrides, "client": options.client}))
    }

    /// The problems by key.
    fn problems(before: &Channel, after: ChannelOptions) -> Vec<String> {
        let given = given(&after);
        let kept = keep(before, &before.kind, after, &given);
        kept.err().unwrap_or_default().into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn options_as_a_response_shows_them_change_nothing() {
        let webhook = json!({
            "url": "https://h/s3cret", "secret": ["one", "two"], "headers": {"a": "s3cret"}
        });
        let proxy = json!({"proxy-url": "http://u:s3cret@p:3128"});
        for before in [gotify(), channel("webhook", options(webhook, json!({}), proxy))] {
            let after = shown(&before);
            let given = given(&after);
            let after = keep(&before, &before.kind, after, &given).unwrap();
            assert_eq!(after, before.options);
            // A change that gives nothing.
            let after = before.options.clone();
            let after = keep(&before, &before.kind, after, &Map::new()).unwrap();
            assert_eq!(after, before.options);
        }
    }

    #[test]
    fn a_mask_without_a_stored_secret_is_a_problem() {
        let given = options(
            json!({"server-url": "https://u:***@g/", "token": "***"}),
            json!({"core": {"token": "a***"}}),
            json!({"proxy-url": "http://u:***@p"}),
        );
        let paths = masks("gotify", &given);
        let paths: Vec<&str> = paths.iter().map(|problem| problem.key.as_str()).collect();
        let expected = ["keys.server-url", "keys.token", "overrides[0].token", "client.proxy-url"];
        assert_eq!(paths, expected);
        let stars =
            options(json!({"server-url": "https://g/", "token": "x"}), json!({}), json!({}));
        assert_eq!(masks("gotify", &stars), []);
    }

    #[test]
    fn a_change_of_the_receiver_requires_every_stored_secret_anew() {
        let keys = |url: &str, token: &str| json!({"server-url": url, "token": token});
        let core = json!({"core": {"token": "***"}});
        let same = json!({"timeout": "5s"});
        let kept = ["keys.token", "overrides[0].token"];
        for (keys_after, over, client, expected) in [
            (keys("https://evil/", "***"), core.clone(), same.clone(), &kept[..]),
            (keys("http://g/", "***"), core.clone(), same.clone(), &kept),
            (keys("https://g:8443/", "***"), core.clone(), same.clone(), &kept),
            (keys("https://evil/", "s3cr$et"), core.clone(), same.clone(), &kept[1..]),
            (keys("https://g/y", "***"), core.clone(), same.clone(), &[]),
            (keys("https://evil/", "new"), core.clone(), same.clone(), &kept[1..]),
            (keys("https://evil/", "new"), json!({}), same.clone(), &[]),
            (
                keys("https://g/x", "***"),
                json!({"core": {"token": "***", "server-url": "https://evil"}}),
                same.clone(),
                &kept,
            ),
            (
                keys("https://g/x", "***"),
                json!({"new": {"server-url": "https://evil"}}),
                same.clone(),
                &kept[..1],
            ),
            (
                keys("https://g/x", "***"),
                core.clone(),
                json!({"proxy-url": "http://evil:3128"}),
                &kept,
            ),
            (keys("https://g/x", "***"), core.clone(), json!({"insecure": true}), &kept),
            (keys("https://g/x", "***"), core.clone(), json!({"insecure": false}), &[]),
            (
                json!({"server-url": "https://g/x", "token": "***", "base-url": "http://evil"}),
                core.clone(),
                same.clone(),
                &kept,
            ),
        ] {
            let given = format!("{keys_after} {over} {client}");
            let found = problems(&gotify(), options(keys_after, over, client));
            assert_eq!(found, expected, "{given}");
        }
        // A change that gives only the receiver keeps every secret.
        let mut after = gotify().options;
        after.keys.insert("server-url".to_owned(), json!("https://evil/"));
        let change = map(&json!({"keys": {"server-url": "https://evil/"}}));
        let found = keep(&gotify(), "gotify", after.clone(), &change).unwrap_err();
        let found: Vec<&str> = found.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(found, kept);
        let found = keep(&gotify(), "ntfy", after, &map(&json!({"kind": "ntfy"}))).unwrap_err();
        assert!(found[0].problem.contains("a change of kind may send"), "{found:?}");
    }

    #[test]
    fn an_override_of_an_alert_must_not_send_secrets_of_the_channel_elsewhere() {
        let of = |overrides: Value| redirected(&gotify(), &map(&overrides));
        assert_eq!(of(json!({"priority": 1, "token": "own"})), None);
        assert_eq!(of(json!({"server-url": "https://g/other"})), None, "the same server");
        for cause in ["server-url", "base-url"] {
            let found = of(json!({cause: "https://evil/"})).unwrap();
            let expected = (vec![cause.to_owned()], vec!["token".to_owned()]);
            assert_eq!((found.causes, found.secrets), expected);
            assert_eq!(of(json!({cause: "https://evil/", "token": "own"})), None);
        }
        let slack = options(json!({"webhook-url": "https://h/s3cret"}), json!({}), json!({}));
        let slack = channel("slack", slack);
        assert_eq!(redirected(&slack, &map(&json!({"webhook-url": "https://own/x"}))), None);
    }

    #[test]
    fn a_key_in_the_base_of_a_row_decides_the_receiver() {
        let keys = |site: &str| json!({"api-key": "s3cret", "site": site});
        let before = channel("datadog", options(keys("datadoghq.eu"), json!({}), json!({})));
        let after = options(json!({"api-key": "***", "site": "evil"}), json!({}), json!({}));
        assert_eq!(problems(&before, after), ["keys.api-key"]);
        let slack = json!({"webhook-url": "https://h/s3cret"});
        let before = channel("slack", options(slack, json!({}), json!({})));
        let after = options(json!({"webhook-url": "https://evil/x"}), json!({}), json!({}));
        assert_eq!(problems(&before, after), Vec::<String>::new(), "given in clear");
    }
}
