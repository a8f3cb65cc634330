//! Fields of a JSON object; every problem is collected.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::api::error::ApiError;
use crate::api::input::params::one_of;
use crate::domain::Invalid;
use crate::domain::time::timestamp;

/// Most problems in one response.
const MAX_PROBLEMS: usize = 50;

/// Most entries of a list of texts.
const MAX_TEXTS: usize = 100;

/// Longest name, in characters.
pub const NAME_MAX: usize = 255;

/// Longest note or description, in characters.
pub const NOTE_MAX: usize = 1_000;

/// The fields of an object of a body, and the problems found so far.
pub struct Fields<'v> {
    map: &'v Map<String, Value>,
    /// Path of the object, with a point at its end; empty for the body.
    prefix: String,
    problems: Vec<String>,
}

impl<'v> Fields<'v> {
    /// Fields that are not `known` are problems.
    pub fn new(map: &'v Map<String, Value>, known: &[&str]) -> Self {
        Self::nested(map, String::new(), known)
    }

    fn nested(map: &'v Map<String, Value>, prefix: String, known: &[&str]) -> Self {
        let mut fields = Self { map, prefix, problems: Vec::new() };
        for name in map.keys().filter(|name| !known.contains(&name.as_str())) {
            let expected = one_of(known.iter().copied());
            fields.problem(name, format!("unknown or read-only field, expected {expected}"));
        }
        fields
    }

    /// Reads the object at `name` with `read`; an absent one is empty.
    pub fn object<T>(
        &mut self,
        name: &str,
        known: &[&str],
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> T {
        let empty = Map::new();
        let map = match self.value(name) {
            None => &empty,
            Some(Value::Object(map)) => map,
            Some(_) => {
                self.reject(name, &Invalid::hidden("an object"));
                &empty
            }
        };
        let mut inner = Fields::nested(map, format!("{}{name}.", self.prefix), known);
        let value = read(&mut inner);
        self.problems.extend(inner.problems);
        value
    }

    /// Reads each object of the list at `name` with `read`.
    pub fn objects<T>(
        &mut self,
        name: &str,
        known: &[&str],
        mut read: impl FnMut(&mut Fields<'_>) -> T,
    ) -> Vec<T> {
        let Some(items) = self.list(name) else { return Vec::new() };
        let mut values = Vec::with_capacity(items.len());
        for (nth, item) in items.iter().enumerate() {
            let path = format!("{name}[{nth}]");
            let Some(map) = item.as_object() else {
                self.reject(&path, &Invalid::hidden("an object"));
                continue;
            };
            let mut inner = Fields::nested(map, format!("{}{path}.", self.prefix), known);
            values.push(read(&mut inner));
            self.problems.extend(inner.problems);
        }
        values
    }

    /// The object at `name`, whose keys the caller checks.
    pub fn map(&mut self, name: &str) -> Map<String, Value> {
        let parse = |value: &Value| value.as_object().cloned().ok_or(Invalid::hidden("an object"));
        self.take(name, parse).unwrap_or_default()
    }

    /// The list at `name`; `None` when it is absent or no list.
    pub fn list(&mut self, name: &str) -> Option<&'v [Value]> {
        self.take(name, |value| {
            let items = value.as_array().filter(|items| items.len() <= MAX_TEXTS);
            items.map(Vec::as_slice).ok_or(Invalid::hidden("a list of at most 100 entries"))
        })
    }

    /// `None` also for null.
    pub fn value(&self, name: &str) -> Option<&'v Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// The parsed value of a field; `None` when it is absent or invalid.
    pub fn take<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&'v Value) -> Result<T, Invalid>,
    ) -> Option<T> {
        match parse(self.value(name)?) {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.reject(name, &invalid);
                None
            }
        }
    }

    pub fn boolean(&mut self, name: &str, default: bool) -> bool {
        let parse = |value: &Value| value.as_bool().ok_or_else(|| shown(value, "true or false"));
        self.take(name, parse).unwrap_or(default)
    }

    pub fn number(&mut self, name: &str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let parse = |value: &Value| {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number.filter(|number| range.contains(number)).ok_or_else(|| shown(value, expected))
        };
        self.take(name, parse).unwrap_or(default)
    }

    /// A number of seconds, fractions allowed.
    pub fn seconds(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<Duration> {
        let expected = format!("a number of seconds from {} to {}", range.start(), range.end());
        let limits = f64::from(*range.start())..=f64::from(*range.end());
        self.take(name, |value| {
            let seconds = value.as_f64().filter(|seconds| limits.contains(seconds));
            seconds.map(Duration::from_secs_f64).ok_or_else(|| shown(value, expected))
        })
    }

    /// A moment in unix milliseconds: unix seconds, or a text as in a query string.
    pub fn moment(&mut self, name: &str) -> Option<i64> {
        const EXPECTED: &str = "unix seconds or RFC 3339, such as 1795413298";
        self.take(name, |value| {
            let text = match value {
                Value::Number(number) => number.to_string(),
                Value::String(text) => text.clone(),
                _ => String::new(),
            };
            timestamp::parse(&text).ok_or_else(|| shown(value, EXPECTED))
        })
    }

    /// A text of at most `max` characters; an empty one is absent.
    pub fn text(&mut self, name: &str, max: usize) -> Option<String> {
        let text = self.take(name, |value| text(value, max));
        text.filter(|text| !text.is_empty())
    }

    /// As [`text`](Self::text) without control characters, and required.
    pub fn name(&mut self, name: &str) -> String {
        let expected = format!("a text of 1 to {NAME_MAX} characters without control characters");
        let parse = |value: &Value| {
            let name = value.as_str().filter(|name| {
                let chars = name.chars().count();
                (1..=NAME_MAX).contains(&chars) && !name.contains(char::is_control)
            });
            name.map(str::to_owned).ok_or_else(|| shown(value, expected))
        };
        if self.value(name).is_none() {
            self.require(name);
        }
        self.take(name, parse).unwrap_or_default()
    }

    /// A text, or a list of texts.
    pub fn texts(&mut self, name: &str) -> Vec<String> {
        if let Some(Value::String(_)) = self.value(name) {
            return self.take(name, |value| text(value, NAME_MAX)).into_iter().collect();
        }
        let items = self.list(name).unwrap_or_default();
        let mut texts = Vec::with_capacity(items.len());
        for (nth, item) in items.iter().enumerate() {
            match text(item, NAME_MAX) {
                Ok(text) => texts.push(text),
                Err(invalid) => self.reject(&format!("{name}[{nth}]"), &invalid),
            }
        }
        texts
    }

    /// One of `words`.
    pub fn word<T>(
        &mut self,
        name: &str,
        words: impl IntoIterator<Item = &'static str>,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let read = |value: &Value| {
            value.as_str().and_then(parse).ok_or_else(|| shown(value, one_of(words)))
        };
        self.take(name, read)
    }

    /// Each one of `words`.
    pub fn words<T>(
        &mut self,
        name: &str,
        words: impl IntoIterator<Item = &'static str>,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let expected = one_of(words);
        let mut values = Vec::new();
        for text in self.texts(name) {
            match parse(&text) {
                Some(value) => values.push(value),
                None => self.reject(name, &Invalid::quoted(text, expected.clone())),
            }
        }
        values
    }

    pub fn require(&mut self, name: &str) {
        self.problem(name, "required".to_owned());
    }

    pub fn reject(&mut self, name: &str, invalid: &Invalid) {
        self.problem(name, invalid.to_string());
    }

    #[expect(clippy::needless_pass_by_value, reason = "takes what its callers make")]
    pub fn problem(&mut self, name: &str, problem: String) {
        self.problems.push(format!("{}{name}: {problem}", self.prefix));
    }

    pub fn is_valid(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether the value of `name` was rejected.
    pub fn has_problem(&self, name: &str) -> bool {
        let start = format!("{}{name}: ", self.prefix);
        self.problems.iter().any(|problem| problem.starts_with(&start))
    }

    /// `value`, or 422 with every problem.
    pub fn done<T>(self, value: T) -> Result<T, ApiError> {
        if self.problems.is_empty() {
            return Ok(value);
        }
        Err(ApiError::unprocessable(self.problems.into_iter().take(MAX_PROBLEMS).collect()))
    }
}

fn text(value: &Value, max: usize) -> Result<String, Invalid> {
    let fits = |text: &&str| text.chars().count() <= max && !text.contains('\0');
    let text = value.as_str().filter(fits);
    text.map(str::to_owned)
        .ok_or_else(|| shown(value, format!("a text of at most {max} characters without NUL")))
}

/// The value in a message; lists and objects are cut.
fn shown(value: &Value, expected: impl Into<Cow<'static, str>>) -> Invalid {
    match value {
        Value::Array(_) => Invalid::new("[…]", expected),
        Value::Object(_) => Invalid::new("{…}", expected),
        other => Invalid::new(other, expected),
    }
}
