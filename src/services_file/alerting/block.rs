//! A mapping below `alerting`, whose keys are taken out one by one.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::domain::alert::kind::Severity;
use crate::domain::invalid::Invalid;
use crate::domain::maintenance::written;
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::services_file::similar::unknown_key;
use crate::spec::alert_rules::severity;
use crate::spec::{Dialect, values};

/// Most windows of a channel or a policy.
const WINDOWS_MAX: usize = 20;

pub struct Block<'b, 'a, 't> {
    pub item: &'b Item<'a, 't>,
    /// Path below `alerting`.
    pub path: String,
    pub map: Map<String, Value>,
    pub findings: &'b mut Findings,
    known_before: usize,
}

impl<'b, 'a, 't> Block<'b, 'a, 't> {
    /// `None` after a problem: the value is no mapping.
    pub fn of(
        item: &'b Item<'a, 't>,
        path: String,
        value: Value,
        findings: &'b mut Findings,
    ) -> Option<Self> {
        let known_before = findings.problems.len();
        match value {
            Value::Object(mut map) => {
                map.retain(|_, value| !value.is_null());
                Some(Self { item, path, map, findings, known_before })
            }
            _ => {
                let problem = Invalid::hidden("a mapping").to_string();
                item.reject(item.line_of(&path), &path, &problem, findings);
                None
            }
        }
    }

    /// Whether a problem was found since the block was opened.
    pub fn is_rejected(&self) -> bool {
        self.findings.problems.len() > self.known_before
    }

    /// Takes out the value of `key`; `None` when it is missing or invalid.
    pub fn take<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&Value, Dialect) -> Result<T, Invalid>,
    ) -> Option<T> {
        let value = self.map.remove(key)?;
        match parse(&value, Dialect::File) {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.reject(key, &invalid.to_string());
                None
            }
        }
    }

    /// Takes out quiet hours: windows as `maintenance-windows` has them.
    pub fn take_windows(&mut self, key: &str) -> Vec<Value> {
        let windows = self.take(key, |value, dialect| {
            let expected = "a list of at most 20 windows, as in maintenance-windows";
            let items = value.as_array().filter(|items| items.len() <= WINDOWS_MAX);
            items.cloned().ok_or_else(|| Invalid::new(values::shown(value, dialect), expected))
        });
        let mut read = Vec::new();
        for (nth, window) in windows.into_iter().flatten().enumerate() {
            read.extend(self.window(window, &format!("{key}.{}", nth + 1)));
        }
        read
    }

    fn window(&mut self, window: Value, path: &str) -> Option<Value> {
        let Value::Object(mut window) = window else {
            self.reject(path, &Invalid::hidden("a mapping").to_string());
            return None;
        };
        if let Some(enabled) = window.get_mut("enabled")
            && let Ok(is_enabled) = values::boolean(enabled, Dialect::File)
        {
            *enabled = Value::Bool(is_enabled);
        }
        for key in window.keys().filter(|key| !written::KEYS.contains(&key.as_str())) {
            let problem = unknown_key(key, written::KEYS.into_iter());
            self.reject(&format!("{path}.{key}"), &problem);
        }
        match written::read(&window) {
            Ok(window) => Some(Value::Object(window.keys)),
            Err(problems) => {
                for problem in problems {
                    self.reject(&format!("{path}.{}", problem.key), &problem.problem);
                }
                None
            }
        }
    }

    /// `key` may be a path below this block.
    pub fn reject(&mut self, key: &str, problem: &str) {
        let path = self.inner(key);
        self.item.reject(self.item.line_of(&path), &path, problem, self.findings);
    }

    pub fn inner(&self, key: &str) -> String {
        if key.is_empty() { self.path.clone() } else { format!("{}.{key}", self.path) }
    }

    /// Rejects the keys that were not taken out.
    pub fn reject_others(&mut self, known: &[&'static str]) {
        for key in std::mem::take(&mut self.map).keys() {
            let problem = unknown_key(key, known.iter().copied());
            self.reject(key, &problem);
        }
    }
}

/// A duration from `least` to `most` seconds.
pub fn within(
    least: f64,
    most: f64,
    expected: &'static str,
) -> impl FnOnce(&Value, Dialect) -> Result<Duration, Invalid> {
    move |value, dialect| {
        let seconds = values::seconds(value, dialect)?;
        let is_within = (least..=most).contains(&seconds);
        let invalid = || Invalid::new(values::shown(value, dialect), expected);
        if is_within { Ok(Duration::from_secs_f64(seconds)) } else { Err(invalid()) }
    }
}

/// A list of texts, or one text.
pub fn texts(value: &Value, dialect: Dialect) -> Result<Vec<String>, Invalid> {
    if let Value::String(text) = value {
        return Ok(vec![text.trim().to_owned()]);
    }
    let expected = "a list of at most 100 texts";
    values::list(value, dialect, 100, expected, |text| Ok(text.trim().to_owned()))
}

pub fn severities(value: &Value, dialect: Dialect) -> Result<Vec<Severity>, Invalid> {
    const EXPECTED: &str = "a list of info, warning, critical";
    let items = value.as_array().filter(|items| items.len() <= Severity::ALL.len());
    let items = items.ok_or_else(|| Invalid::new(values::shown(value, dialect), EXPECTED))?;
    items.iter().map(|item| severity(item, dialect)).collect()
}
