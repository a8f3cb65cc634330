//! The entries of `alerts`: keys, reader and writer of all dialects.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::domain::alert::kind::{AlertKind, Severity};
use crate::domain::alert::rule::AlertRule;
use crate::domain::invalid::Invalid;
use crate::domain::service::template::Template;
use crate::spec::field::{ALERTS, Dialect};
use crate::spec::field_reader::FieldReader;
use crate::spec::form::Form;
use crate::spec::problem::{Problem, Rejection};
use crate::spec::values;

/// Most alerts of a service.
const RULES_MAX: usize = 100;
/// Longest description, in bytes.
const DESCRIPTION_MAX_BYTES: usize = 4_096;
/// Longest `provider-override`, in bytes as JSON.
const OVERRIDES_MAX_BYTES: usize = 16 * 1024;
/// Longest time between reminders: 30 days.
const REMINDER_MAX_SECONDS: f64 = 2_592_000.0;

/// A key of an entry, in the API and in the services file.
#[derive(Clone, Copy)]
struct Key(&'static str, &'static str);

const CHANNEL: Key = Key("channel", "channel");
const ENABLED: Key = Key("enabled", "enabled");
const ON: Key = Key("on", "on");
const SEVERITY: Key = Key("severity", "severity");
const FAILURES: Key = Key("failure_threshold", "failure-threshold");
const SUCCESSES: Key = Key("success_threshold", "success-threshold");
const SENDS_RESOLVED: Key = Key("send_on_resolved", "send-on-resolved");
const DESCRIPTION: Key = Key("description", "description");
const REMINDER: Key = Key("minimum_reminder_interval_seconds", "minimum-reminder-interval");
const OVERRIDES: Key = Key("provider_override", "provider-override");

const KEYS: [Key; 10] = [
    CHANNEL,
    ENABLED,
    ON,
    SEVERITY,
    FAILURES,
    SUCCESSES,
    SENDS_RESOLVED,
    DESCRIPTION,
    REMINDER,
    OVERRIDES,
];

/// In the services file, the channel of a provider of `alerting`.
pub const TYPE: &str = "type";

/// The key of the services file whose texts stay templates.
pub const OVERRIDES_IN_FILE: &str = OVERRIDES.1;

/// The keys of an entry of `alerts`.
pub fn keys(dialect: Dialect) -> impl Iterator<Item = &'static str> {
    let of_file = (dialect == Dialect::File).then_some(TYPE);
    of_file.into_iter().chain(KEYS.into_iter().map(move |key| key.of(dialect)))
}

impl Key {
    fn of(self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Api | Dialect::Store => self.0,
            Dialect::File => self.1,
        }
    }
}

impl FieldReader<'_> {
    pub(super) fn alerts(&mut self) -> Option<Arc<[AlertRule]>> {
        let items = self.take(ALERTS, |value, dialect| {
            let items = value.as_array().filter(|items| items.len() <= RULES_MAX);
            let expected = "a list of at most 100 alerts";
            items.ok_or_else(|| Invalid::new(values::shown(value, dialect), expected))
        })?;
        let mut rules = Vec::new();
        for (nth, item) in items.iter().enumerate() {
            match read(item, &path(nth, self.dialect), self.dialect) {
                Ok(rule) => rules.push(rule),
                Err(problems) => self.problems.extend(problems),
            }
        }
        Some(rules.into())
    }
}

/// The path of an entry: counted from 1 in the services file, as its entries are, and from 0 in the
/// API.
pub fn path(nth: usize, dialect: Dialect) -> String {
    format!("{}.{}", ALERTS.path(dialect), nth + usize::from(dialect == Dialect::File))
}

/// Reads the entry at `path`.
pub fn read(item: &Value, path: &str, dialect: Dialect) -> Result<AlertRule, Vec<Problem>> {
    let Some(map) = item.as_object() else {
        let rejection = Invalid::hidden("a mapping").into();
        return Err(vec![Problem { path: path.to_owned(), rejection }]);
    };
    let mut reader = RuleReader { map, path, dialect, problems: Vec::new() };
    reader.reject_unknown();
    let rule = reader.rule();
    if reader.problems.is_empty() { Ok(rule) } else { Err(reader.problems) }
}

struct RuleReader<'v> {
    map: &'v Map<String, Value>,
    path: &'v str,
    dialect: Dialect,
    problems: Vec<Problem>,
}

impl<'v> RuleReader<'v> {
    fn rule(&mut self) -> AlertRule {
        let default = AlertRule::new(self.channel());
        let threshold = |value: &Value, dialect| {
            let range = (1, u64::from(AlertRule::THRESHOLD_MAX));
            let expected = "a whole number from 1 to 100000";
            values::integer(value, dialect, range, expected).map(|number| number as u32)
        };
        AlertRule {
            enabled: self.take(ENABLED, values::boolean).unwrap_or(default.enabled),
            on: self.take(ON, kinds).unwrap_or(default.on),
            severity: self.take(SEVERITY, severity),
            failure_threshold: self.take(FAILURES, threshold).unwrap_or(default.failure_threshold),
            success_threshold: self.take(SUCCESSES, threshold).unwrap_or(default.success_threshold),
            send_on_resolved: self
                .take(SENDS_RESOLVED, values::boolean)
                .unwrap_or(default.send_on_resolved),
            description: self.take(DESCRIPTION, description).unwrap_or(default.description),
            reminder: self.take(REMINDER, reminder).flatten(),
            overrides: self.take(OVERRIDES, overrides).unwrap_or(default.overrides),
            channel: default.channel,
        }
    }

    fn channel(&mut self) -> String {
        let of_type = self.map.get(TYPE).filter(|_| self.dialect == Dialect::File);
        let of_type = of_type.filter(|value| !value.is_null());
        let written = self.map.get(CHANNEL.of(self.dialect)).filter(|value| !value.is_null());
        let (key, value) = match (written, of_type) {
            (Some(value), _) => (CHANNEL.of(self.dialect), value),
            (None, Some(value)) => (TYPE, value),
            (None, None) => {
                let key = if self.dialect == Dialect::File { TYPE } else { CHANNEL.0 };
                self.reject(key, Rejection::Required);
                return String::new();
            }
        };
        match channel_name(value, self.dialect) {
            Ok(name) => name,
            Err(invalid) => {
                self.reject(key, invalid);
                String::new()
            }
        }
    }

    fn take<T>(
        &mut self,
        key: Key,
        parse: impl FnOnce(&'v Value, Dialect) -> Result<T, Invalid>,
    ) -> Option<T> {
        let key = key.of(self.dialect);
        let value = self.map.get(key).filter(|value| !value.is_null())?;
        match parse(value, self.dialect) {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.reject(key, invalid);
                None
            }
        }
    }

    fn reject(&mut self, key: &str, rejection: impl Into<Rejection>) {
        let path = format!("{}.{key}", self.path);
        self.problems.push(Problem { path, rejection: rejection.into() });
    }

    fn reject_unknown(&mut self) {
        for key in self.map.keys() {
            if keys(self.dialect).any(|known| known == key) {
                continue;
            }
            let known = keys(self.dialect).collect::<Vec<_>>().join(", ");
            let rejection = match self.dialect {
                Dialect::File => Rejection::UnknownKey(known),
                Dialect::Api | Dialect::Store => Rejection::UnknownField(known),
            };
            self.reject(key, rejection);
        }
    }
}

/// The name of a channel.
pub fn channel_name(value: &Value, dialect: Dialect) -> Result<String, Invalid> {
    let name = values::line(value, dialect)?;
    let is_valid = (1..=100).contains(&name.chars().count())
        && name.trim() == name
        && !name.contains(char::is_control);
    let expected = "a name of 1 to 100 characters without control characters";
    if is_valid { Ok(name.to_owned()) } else { Err(Invalid::quoted(name, expected)) }
}

/// Kinds of alerts of a service; each once.
pub fn kinds(value: &Value, dialect: Dialect) -> Result<Vec<AlertKind>, Invalid> {
    const EXPECTED: &str = "a list of down, certificate, degraded, flapping, slo-fast, slo-slow, \
         slo-ticket";
    let parse = |word: &str| {
        let kind = AlertKind::from_word(word).filter(|kind| !kind.is_own());
        kind.ok_or_else(|| Invalid::quoted(word, EXPECTED))
    };
    let mut kinds = values::list(value, dialect, AlertKind::ALL.len(), EXPECTED, parse)?;
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() { Err(Invalid::new("[]", EXPECTED)) } else { Ok(kinds) }
}

pub fn severity(value: &Value, dialect: Dialect) -> Result<Severity, Invalid> {
    let word = values::text(value, dialect)?;
    Severity::from_word(word).ok_or_else(|| Invalid::quoted(word, "info, warning or critical"))
}

fn description(value: &Value, dialect: Dialect) -> Result<String, Invalid> {
    let text = values::line(value, dialect)?;
    let expected = "a text of at most 4,096 bytes";
    let fits = text.len() <= DESCRIPTION_MAX_BYTES;
    if fits { Ok(text.to_owned()) } else { Err(Invalid::quoted(text, expected)) }
}

/// `None` for zero, in files: no reminder.
pub fn reminder(value: &Value, dialect: Dialect) -> Result<Option<Duration>, Invalid> {
    let seconds = values::seconds(value, dialect)?;
    let least = AlertRule::REMINDER_MIN.as_secs_f64();
    match seconds {
        0.0 if dialect == Dialect::File => Ok(None),
        _ if (least..=REMINDER_MAX_SECONDS).contains(&seconds) => {
            Ok(Some(Duration::from_secs_f64(seconds)))
        }
        _ => {
            let expected = match dialect {
                Dialect::File => "0 for none, or a time from 5 minutes to 30 days",
                Dialect::Api | Dialect::Store => "a number of seconds from 300 to 2592000",
            };
            Err(Invalid::new(values::shown(value, dialect), expected))
        }
    }
}

/// Texts of the API are literals, so that a client cannot have a variable of this machine sent.
fn overrides(value: &Value, dialect: Dialect) -> Result<Map<String, Value>, Invalid> {
    const EXPECTED: &str = "a mapping of at most 16,384 bytes; in the services file ${NAME} is a \
         variable and $$ a dollar sign";
    let reject = || Invalid::hidden(EXPECTED);
    let map = value.as_object().ok_or_else(reject)?;
    if value.to_string().len() > OVERRIDES_MAX_BYTES {
        return Err(reject());
    }
    let mut map = map.clone();
    let mut is_valid = true;
    for text in map.values_mut().flat_map(texts) {
        match dialect {
            Dialect::Api => *text = Template::literal(text).as_written().to_owned(),
            Dialect::Store | Dialect::File => is_valid &= Template::parse(text).is_ok(),
        }
    }
    if is_valid { Ok(map) } else { Err(reject()) }
}

/// All texts in `value`.
fn texts(value: &mut Value) -> Vec<&mut String> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter_mut().flat_map(texts).collect(),
        Value::Object(map) => map.values_mut().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// The entries with the names of the API. Defaults are left out; any text of an override may be a
/// secret.
pub fn write(rules: &[AlertRule], form: Form) -> Value {
    rules.iter().map(|rule| Value::Object(write_rule(rule, form))).collect()
}

fn write_rule(rule: &AlertRule, form: Form) -> Map<String, Value> {
    let default = AlertRule::new("");
    let mut map = Map::new();
    let mut put = |Key(key, _): Key, value: Option<Value>| {
        map.extend(value.map(|value| (key.to_owned(), value)));
    };
    let words = |kinds: &[AlertKind]| json!(kinds.iter().map(|k| k.as_str()).collect::<Vec<_>>());
    put(CHANNEL, Some(json!(rule.channel)));
    put(ENABLED, (!rule.enabled).then_some(json!(false)));
    put(ON, (rule.on != default.on).then(|| words(&rule.on)));
    put(SEVERITY, rule.severity.map(|severity| json!(severity.as_str())));
    let failures = rule.failure_threshold;
    put(FAILURES, (failures != default.failure_threshold).then_some(json!(failures)));
    let successes = rule.success_threshold;
    put(SUCCESSES, (successes != default.success_threshold).then_some(json!(successes)));
    put(SENDS_RESOLVED, rule.send_on_resolved.then_some(json!(true)));
    put(DESCRIPTION, (!rule.description.is_empty()).then(|| json!(rule.description)));
    put(REMINDER, rule.reminder.map(|reminder| json!(reminder.as_secs_f64())));
    let mut overrides = rule.overrides.clone();
    for text in overrides.values_mut().flat_map(texts) {
        *text = shown(text, form);
    }
    put(OVERRIDES, (!overrides.is_empty()).then_some(Value::Object(overrides)));
    map
}

fn shown(text: &str, form: Form) -> String {
    let template = Template::parse(text).unwrap_or_else(|_| Template::literal(text));
    match form {
        Form::Stored => text.to_owned(),
        Form::Literal => template.as_literal().unwrap_or_else(|| text.to_owned()),
        Form::Masked(_) => template.masked(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Definition, Options, Requests, sample};
    use crate::spec::{self, read_options, write_options};

    #[expect(clippy::needless_pass_by_value, reason = "takes what its callers write")]
    fn definition(fields: Value, dialect: Dialect) -> Result<Definition, Vec<String>> {
        let mut map = json!({"name": "a", "url": "http://a/"}).as_object().unwrap().clone();
        map.extend(fields.as_object().unwrap().clone());
        let problems =
            |found: Vec<Problem>| found.iter().map(ToString::to_string).collect::<Vec<_>>();
        spec::read(&map, dialect).map_err(problems)
    }

    fn everything() -> Value {
        json!({
            "alerts": [{
                "channel": "ops", "enabled": false, "on": ["down", "certificate"],
                "severity": "info", "failure_threshold": 4, "success_threshold": 1,
                "send_on_resolved": true, "description": "call \"Anna\"",
                "minimum_reminder_interval_seconds": 300.0,
                "provider_override": {"webhook-url": "https://hooks.example.org/s3cret"}
            }, {"channel": "mail"}],
            "depends_on": ["core/router", "switch"],
            "degraded": {"response_time_seconds": 0.8, "results": 3},
            "certificate_days": [30, 7]
        })
    }

    #[test]
    fn alerts_and_their_neighbours_are_written_back() {
        let read = definition(everything(), Dialect::Api).unwrap();
        let written = write_options(&read.options, Form::Literal);
        assert_eq!(Value::Object(written), everything());
        let stored = write_options(&read.options, Form::Stored);
        assert_eq!(read_options(&stored).unwrap(), read.options);
        let shown = json!(write_options(&read.options, Form::Masked(Requests::Shown))).to_string();
        assert!(!shown.contains("s3cret") && shown.contains(r#""webhook-url":"***""#), "{shown}");
        assert!(!format!("{read:?}").contains("s3cret"));
        assert!(read.probes_as(&sample_of_target(&read)), "alerts are no part of a probe");
    }

    fn sample_of_target(read: &Definition) -> Definition {
        let target = read.target.clone();
        Definition { target, timeout: read.timeout, ..sample::definition("a") }
    }

    #[test]
    fn the_services_file_has_the_names_of_gatus() {
        let of_file = json!({
            "alerts": [{
                "type": "ops", "enabled": "no", "on": ["certificate", "down", "down"],
                "severity": "info", "failure-threshold": "4", "success-threshold": "1",
                "send-on-resolved": "true", "description": "call \"Anna\"\n",
                "minimum-reminder-interval": "5m",
                "provider-override": {"webhook-url": "https://hooks.example.org/s3cret"}
            }, {"channel": "mail", "minimum-reminder-interval": "0"}],
            "depends-on": ["core/router", "switch"],
            "degraded": {"response-time": "800ms", "results": "3"},
            "certificate-days": ["7", "30", "7"]
        });
        let of_file = definition(of_file, Dialect::File).unwrap();
        assert_eq!(of_file.options, definition(everything(), Dialect::Api).unwrap().options);
    }

    #[test]
    fn no_alerts_and_an_empty_list_differ() {
        for dialect in [Dialect::Api, Dialect::File] {
            let none = definition(json!({"alerts": null}), dialect).unwrap();
            assert!(Arc::ptr_eq(&none.options, &Options::none()), "shared");
            let never = definition(json!({"alerts": []}), dialect).unwrap();
            assert_eq!(never.options.alerts.as_deref(), Some(&[] as &[AlertRule]));
            let stored = write_options(&never.options, Form::Stored);
            assert_eq!(read_options(&stored).unwrap(), never.options);
        }
    }

    #[test]
    fn defaults_are_those_of_gatus() {
        let read = definition(json!({"alerts": [{"type": "slack"}]}), Dialect::File).unwrap();
        let [rule] = &read.options.alerts.as_ref().unwrap()[..] else { panic!("{read:?}") };
        assert_eq!(*rule, AlertRule::new("slack"));
        let thresholds = (rule.failure_threshold, rule.success_threshold);
        assert_eq!((rule.enabled, thresholds), (true, (3, 2)));
        assert_eq!((rule.send_on_resolved, rule.reminder), (false, None));
        let slow = json!({"degraded": {"response-time": "1s"}});
        let slow = definition(slow, Dialect::File).unwrap().options.degraded.unwrap();
        assert_eq!(slow.results, 5);
    }

    #[test]
    fn each_problem_has_its_path_and_what_is_valid() {
        let thresholds = "expected a whole number from 1 to 100000";
        let reminder = "expected 0 for none, or a time from 5 minutes to 30 days";
        let kinds = "expected a list of down, certificate, degraded, flapping, slo-fast";
        for (alert, path, expected) in [
            (json!("slack"), "", "invalid value, expected a mapping"),
            (json!({}), ".type", "required"),
            (json!({"type": ""}), ".type", "invalid value \"\", expected a name"),
            (json!({"type": "a", "failure-threshold": "0"}), ".failure-threshold", thresholds),
            (json!({"type": "a", "success-threshold": "-1"}), ".success-threshold", thresholds),
            (
                json!({"type": "a", "minimum-reminder-interval": "4m59s"}),
                ".minimum-reminder-interval",
                reminder,
            ),
            (json!({"type": "a", "on": ["store"]}), ".on", kinds),
            (json!({"type": "a", "on": []}), ".on", kinds),
            (json!({"type": "a", "severity": "high"}), ".severity", "expected info, warning"),
            (json!({"type": "a", "enabled": "2"}), ".enabled", "expected true or false"),
            (json!({"type": "a", "provider-override": "s3cret"}), ".provider-override", "expected"),
            (json!({"type": "a", "provider-override": {"a": "${"}}), ".provider-override", "${"),
            (json!({"type": "a", "treshold": "1"}), ".treshold", "unknown key, expected one of"),
        ] {
            let alerts = json!({"alerts": [{"type": "first"}, alert]});
            let problems = definition(alerts.clone(), Dialect::File).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            let begin = format!("alerts.2{path}: ");
            let is_told = problems[0].starts_with(&begin) && problems[0].contains(expected);
            assert!(is_told && !problems[0].contains("s3cret"), "{alerts}: {problems:?}");
        }
        let of_api = json!({"alerts": [{"type": "slack"}]});
        let problems = definition(of_api, Dialect::Api).unwrap_err();
        assert!(problems[0].starts_with("alerts.0.type: unknown or read-only"), "{problems:?}");
        assert_eq!(problems[1], "alerts.0.channel: required");
        for (fields, expected) in [
            (json!({"depends_on": [""]}), "depends_on: invalid value \"\", expected the name of"),
            (json!({"depends_on": "a"}), "depends_on: invalid value \"a\", expected a list"),
            (json!({"degraded": {"results": 3}}), "degraded.response_time_seconds: required with"),
            (
                json!({"degraded": {"response_time_seconds": 0}}),
                "degraded.response_time_seconds: invalid value 0, expected a time from 1 ms",
            ),
            (
                json!({"certificate_days": [0]}),
                "certificate_days: invalid value 0, expected a list",
            ),
        ] {
            let problems = definition(fields, Dialect::Api).unwrap_err();
            assert!(problems.len() == 1 && problems[0].starts_with(expected), "{problems:?}");
        }
    }
}
