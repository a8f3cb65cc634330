//! Definition of a maintenance: schedule, services, note.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::domain::alert::silence::Matcher;
use crate::domain::invalid::Invalid;
use crate::domain::maintenance::schedule::Schedule;
use crate::domain::maintenance::written;
use crate::domain::maintenance::written::{KeyProblem, Written};
use crate::domain::service::service_id::ServiceId;

/// Longest note, in characters.
const NOTE_MAX: usize = 1_000;
/// Most patterns of `match`, and characters of one.
const PATTERNS_MAX: usize = 100;
const PATTERN_MAX: usize = 255;

/// Keys beside those of the schedule.
const OTHER_KEYS: [&str; 4] = ["match", "service_ids", "note", "uptime"];

/// Planned work on services.
#[derive(Debug, Clone, PartialEq)]
pub struct MaintenanceDefinition {
    pub written: Written,
    pub scope: Scope,
    pub note: Option<Arc<str>>,
    pub uptime: PlannedUptime,
}

/// The services that a maintenance is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// By group and name; each service without a pattern.
    Matching(Matcher),
    Services(BTreeSet<ServiceId>),
}

impl Scope {
    pub fn contains(&self, id: ServiceId, name: &str, group: Option<&str>) -> bool {
        match self {
            Self::Matching(matcher) => matcher.may_match(name, group),
            Self::Services(ids) => ids.contains(&id),
        }
    }

    /// Whether each service is in it, also those to come.
    pub fn is_everything(&self) -> bool {
        match self {
            Self::Matching(matcher) => matcher.name.is_empty() && matcher.group.is_empty(),
            Self::Services(_) => false,
        }
    }
}

/// How time under maintenance that is down or unknown counts in the uptime.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PlannedUptime {
    /// As planned.
    #[default]
    Exclude,
    /// As if there were no maintenance.
    Count,
}

impl PlannedUptime {
    pub const ALL: [Self; 2] = [Self::Exclude, Self::Count];

    /// The word in files, the API and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exclude => "exclude",
            Self::Count => "count",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|uptime| uptime.as_str() == word)
    }
}

impl MaintenanceDefinition {
    /// A definition for all services.
    pub fn new(written: Written) -> Self {
        let scope = Scope::Matching(Matcher::default());
        Self { written, scope, note: None, uptime: PlannedUptime::default() }
    }

    pub fn schedule(&self) -> &Schedule {
        &self.written.schedule
    }

    /// Reads the written form: the keys of a schedule, `note`, `uptime`, and `match` or
    /// `service_ids`.
    pub fn read(map: &Map<String, Value>) -> Result<Self, Vec<KeyProblem>> {
        let mut problems = Vec::new();
        let known = |key: &str| written::KEYS.contains(&key) || OTHER_KEYS.contains(&key);
        for key in map.keys().filter(|key| !known(key)) {
            problems.push(KeyProblem::new(key, "unknown key"));
        }
        let mut value = |key: &str, read: &mut dyn FnMut(&Value) -> Result<(), Invalid>| {
            if let Some(value) = map.get(key).filter(|value| !value.is_null())
                && let Err(invalid) = read(value)
            {
                problems.push(KeyProblem::new(key, invalid));
            }
        };
        let (mut matcher, mut ids, mut note, mut uptime) = (None, None, None, None);
        value("match", &mut |value| {
            matcher = Some(read_matcher(value)?);
            Ok(())
        });
        value("service_ids", &mut |value| {
            ids = Some(read_ids(value)?);
            Ok(())
        });
        value("note", &mut |value| {
            note = Some(read_note(value)?);
            Ok(())
        });
        value("uptime", &mut |value| {
            let word = value.as_str().and_then(PlannedUptime::from_word);
            uptime = Some(word.ok_or_else(|| Invalid::new(value, "exclude or count"))?);
            Ok(())
        });
        let scope = match (matcher, ids) {
            (Some(_), Some(_)) => {
                problems.push(KeyProblem::new("service_ids", "not allowed together with match"));
                None
            }
            (Some(matcher), None) => Some(Scope::Matching(matcher)),
            (None, Some(ids)) => Some(Scope::Services(ids)),
            (None, None) => Some(Scope::Matching(Matcher::default())),
        };
        let written = written::read(map).map_err(|found| problems.extend(found)).ok();
        match (written, scope) {
            (Some(written), Some(scope)) if problems.is_empty() => {
                Ok(Self { written, scope, note, uptime: uptime.unwrap_or_default() })
            }
            _ => Err(problems),
        }
    }

    /// The written form, without keys that have their default.
    pub fn write(&self) -> Map<String, Value> {
        let mut map = self.written.keys.clone();
        match &self.scope {
            Scope::Matching(_) if self.scope.is_everything() => {}
            Scope::Matching(matcher) => drop(map.insert("match".to_owned(), json!(matcher))),
            Scope::Services(ids) => {
                let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
                map.insert("service_ids".to_owned(), json!(ids));
            }
        }
        if let Some(note) = &self.note {
            map.insert("note".to_owned(), json!(&**note));
        }
        if self.uptime != PlannedUptime::default() {
            map.insert("uptime".to_owned(), json!(self.uptime.as_str()));
        }
        map
    }

    /// The definition with the keys of `patch` instead of its own; null removes a key.
    pub fn patched(&self, patch: &Map<String, Value>) -> Result<Self, Vec<KeyProblem>> {
        let mut map = self.write();
        map.extend(patch.clone());
        map.retain(|_, value| !value.is_null());
        Self::read(&map)
    }
}

fn read_matcher(value: &Value) -> Result<Matcher, Invalid> {
    const EXPECTED: &str = "an object with lists of at most 100 texts: group, name";
    let invalid = || Invalid::new(value, EXPECTED);
    if !value.is_object() {
        return Err(invalid());
    }
    let matcher = Matcher::deserialize(value).map_err(|_| invalid())?;
    let is_short = |list: &[String]| {
        let fits = |text: &String| text.chars().count() <= PATTERN_MAX && !text.contains('\0');
        list.len() <= PATTERNS_MAX && list.iter().all(fits)
    };
    let is_of_services = matcher.kind.is_empty() && matcher.severity.is_empty();
    let fits = is_of_services && is_short(&matcher.group) && is_short(&matcher.name);
    if fits { Ok(matcher) } else { Err(invalid()) }
}

fn read_ids(value: &Value) -> Result<BTreeSet<ServiceId>, Invalid> {
    let ids = value.as_array().filter(|ids| !ids.is_empty()).and_then(|ids| {
        ids.iter().map(|id| id.as_i64().and_then(ServiceId::new)).collect::<Option<_>>()
    });
    ids.ok_or_else(|| Invalid::new(value, "a list of ids of services, with at least one"))
}

fn read_note(value: &Value) -> Result<Arc<str>, Invalid> {
    let note = value.as_str().filter(|note| note.chars().count() <= NOTE_MAX);
    let note = note.filter(|note| !note.contains('\0'));
    note.map(Arc::from).ok_or_else(|| Invalid::new(value, "a text of at most 1000 characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &Value) -> Result<MaintenanceDefinition, String> {
        let map = value.as_object().cloned().unwrap_or_default();
        MaintenanceDefinition::read(&map).map_err(|problems| {
            let all =
                problems.iter().map(|problem| format!("{}: {}", problem.key, problem.problem));
            all.collect::<Vec<_>>().join("; ")
        })
    }

    #[test]
    fn a_definition_is_written_as_it_was_read_without_defaults() {
        for form in [
            json!({"start": "23:00", "duration": "1h"}),
            json!({"start": "23:00", "duration": "90m", "every": ["Monday"], "timezone": "UTC"}),
            json!({"cron": "0 3 * * sun", "duration": "3h", "timezone": "Europe/Berlin",
                "match": {"group": ["core"], "name": ["db-*"]}, "enabled": false}),
            json!({"from": 1_796_000_000, "to": "2026-12-01T10:00:00.5Z", "note": "move",
                "service_ids": [3, 7], "uptime": "count"}),
        ] {
            let definition = read(&form).unwrap();
            let written = Value::Object(definition.write());
            assert_eq!(written, form);
            assert_eq!(read(&written), Ok(definition));
        }
        let defaults = json!({"start": "23:00", "duration": "1h", "enabled": true, "note": null,
            "uptime": "exclude", "match": {}});
        let written = Value::Object(read(&defaults).unwrap().write());
        assert_eq!(written, json!({"start": "23:00", "duration": "1h"}));
    }

    #[test]
    fn a_wrong_key_is_named() {
        let with = |key: &str, value: Value| {
            let mut form = json!({"start": "23:00", "duration": "1h"});
            form[key] = value;
            read(&form).unwrap_err()
        };
        for (key, value, expected) in [
            ("colour", json!(1), "colour: unknown key"),
            ("match", json!([]), "match: invalid value [], expected an object"),
            ("match", json!({"kind": ["down"]}), "match: invalid value"),
            ("match", json!({"host": ["a"]}), "match: invalid value"),
            ("match", json!({"name": vec!["a"; 101]}), "match: invalid value"),
            ("service_ids", json!([]), "service_ids: invalid value [], expected a list of ids"),
            ("service_ids", json!([0]), "service_ids: invalid value [0]"),
            ("note", json!("x".repeat(1_001)), "note: invalid value"),
            ("note", json!(7), "note: invalid value 7"),
            ("uptime", json!("include"), "uptime: invalid value \"include\", expected exclude or"),
            ("duration", json!("0s"), "duration: invalid value"),
        ] {
            let problem = with(key, value);
            assert!(problem.contains(expected), "{problem}");
        }
        let both = json!({"from": 1, "to": 2, "match": {}, "service_ids": [1]});
        assert_eq!(read(&both).unwrap_err(), "service_ids: not allowed together with match");
        assert_eq!(read(&json!({"note": 7})).unwrap_err().matches(": ").count(), 3);
    }

    #[test]
    fn a_patch_replaces_keys_and_null_removes_them() {
        let weekly = read(&json!({"start": "23:00", "duration": "1h", "note": "a"})).unwrap();
        let patched = |patch: Value| {
            let patch = patch.as_object().cloned().unwrap_or_default();
            weekly.patched(&patch).map(|patched| Value::Object(patched.write()))
        };
        let cron = json!({"cron": "0 3 * * *", "start": null, "note": null});
        assert_eq!(patched(cron), Ok(json!({"cron": "0 3 * * *", "duration": "1h"})));
        assert!(patched(json!({"cron": "0 3 * * *"})).is_err(), "start is left");
        assert!(patched(json!({"duration": null})).is_err());
        assert_eq!(patched(json!({})), Ok(Value::Object(weekly.write())));
    }
}
