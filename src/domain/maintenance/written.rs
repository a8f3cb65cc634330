//! The written form of a schedule, in files, in the API and in the store.
//!
//! One of: `start`, `duration`, `timezone`, `every` as in Gatus; `cron`, `duration`, `timezone`;
//! `from` and `to`. Each with `enabled`.

use serde_json::{Map, Value, json};

use crate::domain::invalid::Invalid;
use crate::domain::maintenance::cron::Cron;
use crate::domain::maintenance::recurrence::Recurrence;
use crate::domain::maintenance::schedule::{Schedule, Timing};
use crate::domain::maintenance::zone::Zone;
use crate::domain::time::{duration, timestamp};

/// The keys of a schedule.
pub const KEYS: [&str; 8] =
    ["enabled", "start", "duration", "timezone", "every", "cron", "from", "to"];

const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const EVERY_DAY: u8 = 0x7f;
const DAY_MS: u64 = 24 * 3_600 * 1_000;
/// Longest occurrence of `start`, as in Gatus, and of `cron`.
const DAILY_MAX_MS: u64 = DAY_MS;
const CRON_MAX_MS: u64 = 31 * DAY_MS;

/// A key with what is wrong with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyProblem {
    pub key: String,
    pub problem: String,
}

impl KeyProblem {
    #[expect(clippy::needless_pass_by_value, reason = "takes what its callers make")]
    pub fn new(key: &str, problem: impl ToString) -> Self {
        Self { key: key.to_owned(), problem: problem.to_string() }
    }
}

/// A schedule with the form in which it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    pub schedule: Schedule,
    /// The keys, without those that have their default.
    pub keys: Map<String, Value>,
}

/// Reads a schedule. Other keys than [`KEYS`] are ignored, and null is as absent.
pub fn read(map: &Map<String, Value>) -> Result<Written, Vec<KeyProblem>> {
    let mut reader = Reader { map, keys: Map::new(), problems: Vec::new() };
    let enabled = reader.enabled();
    let timing = reader.timing();
    let Reader { keys, problems, .. } = reader;
    match timing {
        Some(timing) if problems.is_empty() => {
            Ok(Written { schedule: Schedule { enabled, timing }, keys })
        }
        _ => Err(problems),
    }
}

struct Reader<'a> {
    map: &'a Map<String, Value>,
    keys: Map<String, Value>,
    problems: Vec<KeyProblem>,
}

impl<'a> Reader<'a> {
    fn value(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// The value that `parse` makes; a problem when the key is missing or `parse` refuses it.
    fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> Result<(T, Value), Invalid>,
    ) -> Option<T> {
        let Some(value) = self.value(key) else {
            self.problems.push(KeyProblem::new(key, "required"));
            return None;
        };
        match parse(value) {
            Ok((parsed, written)) => {
                self.keys.insert(key.to_owned(), written);
                Some(parsed)
            }
            Err(invalid) => {
                self.problems.push(KeyProblem::new(key, invalid));
                None
            }
        }
    }

    fn optional<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl FnOnce(&Value) -> Result<(T, Value), Invalid>,
    ) -> Option<T> {
        if self.value(key).is_some() { self.required(key, parse) } else { Some(default) }
    }

    fn enabled(&mut self) -> bool {
        let enabled = self.optional("enabled", true, |value| {
            let expected = || Invalid::new(value, "true or false");
            value.as_bool().map(|enabled| (enabled, json!(enabled))).ok_or_else(expected)
        });
        if enabled == Some(true) {
            self.keys.remove("enabled");
        }
        enabled.unwrap_or(true)
    }

    fn timing(&mut self) -> Option<Timing> {
        let is_once = self.value("from").is_some() || self.value("to").is_some();
        let form: &[&'static str] = match () {
            () if is_once => &["from", "to"],
            () if self.value("cron").is_some() => &["cron", "duration", "timezone"],
            () => &["start", "duration", "timezone", "every"],
        };
        for key in KEYS.into_iter().filter(|key| *key != "enabled" && !form.contains(key)) {
            if self.value(key).is_some() {
                let problem =
                    format!("not used with {}, expected only {}", form[0], form.join(", "));
                self.problems.push(KeyProblem::new(key, problem));
            }
        }
        match form[0] {
            "from" => self.once(),
            "cron" => {
                let cron = self.required("cron", cron);
                self.recurring(cron, CRON_MAX_MS)
            }
            _ => {
                let start = self.required("start", time_of_day);
                let every = self.optional("every", EVERY_DAY, weekdays);
                let starts = start.zip(every).map(|(minute, days)| Cron::weekly(minute, days));
                self.recurring(starts, DAILY_MAX_MS)
            }
        }
    }

    fn once(&mut self) -> Option<Timing> {
        let from_ms = self.required("from", instant);
        let to_ms = self.required("to", instant);
        let (from_ms, to_ms) = from_ms.zip(to_ms)?;
        if from_ms >= to_ms {
            let to = self.value("to").cloned().unwrap_or_default();
            self.problems.push(KeyProblem::new("to", Invalid::new(to, "a time after from")));
        }
        Some(Timing::Once { from_ms, to_ms })
    }

    fn recurring(&mut self, starts: Option<Cron>, longest_ms: u64) -> Option<Timing> {
        let duration_ms = self.required("duration", |value| length(value, longest_ms));
        let zone = self.optional("timezone", Zone::utc(), zone);
        let ((starts, zone), duration_ms) = starts.zip(zone).zip(duration_ms)?;
        Some(Timing::Recurring(Recurrence { starts, zone, duration_ms }))
    }
}

fn text<'v>(value: &'v Value, expected: &'static str) -> Result<&'v str, Invalid> {
    value.as_str().ok_or_else(|| Invalid::new(value, expected))
}

fn cron(value: &Value) -> Result<(Cron, Value), Invalid> {
    let text = text(value, "a text with five fields, such as \"0 3 * * sun\"")?;
    Ok((Cron::parse(text)?, json!(text)))
}

/// Minutes since midnight of `HH:MM`.
fn time_of_day(value: &Value) -> Result<(u32, Value), Invalid> {
    const EXPECTED: &str = "HH:MM, 00:00 to 23:59";
    let text = text(value, EXPECTED)?;
    let number = |range: std::ops::Range<usize>, last: u32| {
        let digits = text.get(range).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse().ok().filter(|number: &u32| *number <= last)
    };
    let is_form = text.len() == 5 && text.as_bytes()[2] == b':';
    let parts = number(0..2, 23).zip(number(3..5, 59)).filter(|_| is_form);
    let (hour, minute) = parts.ok_or_else(|| Invalid::quoted(text, EXPECTED))?;
    Ok((hour * 60 + minute, json!(text)))
}

/// The days as bits from Sunday; an empty list is every day, as in Gatus.
fn weekdays(value: &Value) -> Result<(u8, Value), Invalid> {
    const EXPECTED: &str = "a list of days, Monday to Sunday";
    let days = value.as_array().ok_or_else(|| Invalid::new(value, EXPECTED))?;
    let set = days.iter().try_fold(0, |set, day| {
        let nth = WEEKDAYS.iter().position(|name| day.as_str() == Some(name));
        nth.map(|nth| set | 1 << nth).ok_or_else(|| Invalid::new(day, EXPECTED))
    })?;
    Ok((if set == 0 { EVERY_DAY } else { set }, value.clone()))
}

fn zone(value: &Value) -> Result<(Zone, Value), Invalid> {
    let zone = Zone::parse(text(value, "a time zone of IANA, such as Europe/Berlin")?)?;
    let name = json!(zone.name());
    Ok((zone, name))
}

fn length(value: &Value, longest_ms: u64) -> Result<(i64, Value), Invalid> {
    let expected = format!("above 0s, at most {}h, such as 1h30m", longest_ms / (DAY_MS / 24));
    let text = value.as_str().ok_or_else(|| Invalid::new(value, expected.clone()))?;
    let length = duration::parse_span(text).map(|length| length.as_micros().div_ceil(1_000));
    let length = length.filter(|ms| *ms <= u128::from(longest_ms));
    let ms = length.ok_or_else(|| Invalid::quoted(text, expected))?;
    Ok((i64::try_from(ms).unwrap_or(i64::MAX), json!(text)))
}

/// Unix milliseconds of unix seconds or RFC 3339.
fn instant(value: &Value) -> Result<(i64, Value), Invalid> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let expected = "a time from 1970 to 9999: unix seconds or RFC 3339";
    let at_ms = timestamp::parse(&text).ok_or_else(|| Invalid::new(value, expected))?;
    // Whole seconds where nothing is lost.
    let written = if at_ms % 1_000 == 0 { json!(at_ms / 1_000) } else { value.clone() };
    Ok((at_ms, written))
}
