//! A service to watch: values that can only be valid.
//!
//! Each `parse` succeeds or explains: it returns [`Invalid`], which carries the value and what would have been
//! accepted. The caller adds the name of the field, since only it knows where the value came from.

pub mod options;
pub mod target;
pub mod template;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::condition::Condition;
use crate::domain::invalid::Invalid;
use crate::domain::service::options::Options;
use crate::domain::service::target::Target;

/// Longest accepted name, in characters (contract, "Service").
pub const NAME_MAX_CHARS: usize = 255;
/// Longest accepted URL, in characters (contract, "Service").
pub const URL_MAX_CHARS: usize = 2_083;
/// Most conditions of a service.
pub const CONDITIONS_MAX: usize = 50;
/// Shortest and longest accepted interval, in seconds: the contract's lower bound, and thirty days.
pub const INTERVAL_RANGE_SECONDS: (f64, f64) = (0.1, 2_592_000.0);
/// Shortest and longest accepted timeout, in seconds: one tick of a timer, and an hour.
pub const TIMEOUT_RANGE_SECONDS: (f64, f64) = (0.001, 3_600.0);

/// The key of a service in the store and in the API; always positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceId(i64);

impl ServiceId {
    /// The id `value`, or `None` when it is not positive.
    pub fn new(value: i64) -> Option<Self> {
        (value > 0).then_some(Self(value))
    }

    /// The id as the store and the API write it.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a service is called: 1 to 255 characters, none of them a control character, no space at either end. Clones share the
/// text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(Arc<str>);

impl Name {
    const EXPECTED: &'static str =
        "1 to 255 characters without control characters and without space at the ends";

    /// Takes `text` as a name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        label(text, Self::EXPECTED).map(Self)
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The group a service is shown in; the same characters as a [`Name`]. Clones share the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group(Arc<str>);

impl Group {
    const EXPECTED: &'static str = "null or up to 255 characters without control characters";

    /// Takes `text` as a group; the empty text means no group, as it does in Gatus.
    pub fn parse(text: &str) -> Result<Option<Self>, Invalid> {
        if text.is_empty() {
            return Ok(None);
        }
        label(text, Self::EXPECTED).map(|text| Some(Self(text)))
    }

    /// The group as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn label(text: &str, expected: &'static str) -> Result<Arc<str>, Invalid> {
    let length = text.chars().count();
    let fits = (1..=NAME_MAX_CHARS).contains(&length)
        && text.trim() == text
        && !text.contains(char::is_control);
    if fits { Ok(text.into()) } else { Err(Invalid::quoted(text, expected)) }
}

/// The time from one slot of a service to its next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval(Duration);

impl Interval {
    const EXPECTED: &'static str = "0.1 to 2592000 seconds";

    /// Takes a number of seconds as an interval; fractions are allowed.
    pub fn from_seconds(seconds: f64) -> Result<Self, Invalid> {
        seconds_within(seconds, INTERVAL_RANGE_SECONDS, Self::EXPECTED).map(Self)
    }

    /// The interval as a span of time.
    pub fn get(self) -> Duration {
        self.0
    }

    /// The interval in seconds.
    pub fn as_seconds(self) -> f64 {
        self.0.as_secs_f64()
    }
}

/// The longest that one probe may take, redirects and body included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timeout(Duration);

impl Timeout {
    const EXPECTED: &'static str = "0.001 to 3600 seconds";

    /// Takes a number of seconds as a timeout; fractions are allowed.
    pub fn from_seconds(seconds: f64) -> Result<Self, Invalid> {
        seconds_within(seconds, TIMEOUT_RANGE_SECONDS, Self::EXPECTED).map(Self)
    }

    /// The timeout as a span of time.
    pub fn get(self) -> Duration {
        self.0
    }

    /// The timeout in seconds.
    pub fn as_seconds(self) -> f64 {
        self.0.as_secs_f64()
    }
}

fn seconds_within(
    seconds: f64,
    (least, most): (f64, f64),
    expected: &'static str,
) -> Result<Duration, Invalid> {
    // A NaN is in no range, so it is refused here too.
    if (least..=most).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(Invalid::new(seconds, expected))
    }
}

/// Who owns a service: what the services file brought is read-only in the API (contract, "Services file").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Made through the API, or imported.
    Api,
    /// An entry of the services file.
    File,
}

/// What an operator says of a service. `None` in `interval` and `timeout` means the configured default.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Unique among the living services.
    pub name: Name,
    /// What is asked.
    pub target: Target,
    /// Where it is shown.
    pub group: Option<Group>,
    /// Whether it is probed at all.
    pub enabled: bool,
    /// Its own interval, if it has one.
    pub interval: Option<Interval>,
    /// Its own timeout, if it has one.
    pub timeout: Option<Timeout>,
    /// What its answers must fulfil; without any, an answer below 400 is up.
    pub conditions: Vec<Condition>,
    /// What else it says of how it is asked and judged.
    pub options: Arc<Options>,
}

/// What a service that sets none of its own is probed with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Defaults {
    /// `RUNNER_SCRAPE_INTERVAL_SECONDS`.
    pub interval: Interval,
    /// `RUNNER_HTTP_TIMEOUT_SECONDS`.
    pub timeout: Timeout,
}

/// A service as the runner knows it: living, enabled, every default filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its key.
    pub id: ServiceId,
    /// What it is called.
    pub name: Name,
    /// Where it is shown.
    pub group: Option<Group>,
    /// What is asked.
    pub target: Target,
    /// Time between its slots.
    pub interval: Interval,
    /// Longest time a probe of it may take.
    pub timeout: Timeout,
    /// What its answers must fulfil; without any, an answer below 400 is up.
    pub conditions: Vec<Condition>,
    /// What else it says of how it is asked and judged.
    pub options: Arc<Options>,
}

impl Service {
    /// The service `id` as `definition` says, with `defaults` where it says nothing.
    pub fn new(id: ServiceId, definition: Definition, defaults: &Defaults) -> Self {
        Self {
            id,
            name: definition.name,
            group: definition.group,
            target: definition.target,
            interval: definition.interval.unwrap_or(defaults.interval),
            timeout: definition.timeout.unwrap_or(defaults.timeout),
            conditions: definition.conditions,
            options: definition.options,
        }
    }

    /// How long a watched job may be silent.
    pub fn patience(&self) -> Duration {
        let grace = self.options.heartbeat.as_ref().map(|heartbeat| heartbeat.grace);
        self.interval.get() + grace.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_counted_in_characters_not_bytes() {
        assert!(Name::parse(&"ü".repeat(255)).is_ok());
        for bad in [String::new(), "x".repeat(256), " a".into(), "a\n".into(), "a\u{0}b".into()] {
            assert!(Name::parse(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_interval_ends_at_its_bounds() {
        for good in [0.1, 0.25, 15.0, 2_592_000.0] {
            assert!(Interval::from_seconds(good).is_ok(), "{good}");
        }
        for bad in [0.0999, 0.0, -1.0, 2_592_000.1, f64::NAN, f64::INFINITY] {
            assert!(Interval::from_seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_invalid_timeout_is_reported_with_the_range() {
        let invalid = Timeout::from_seconds(-1.0).unwrap_err().to_string();
        assert_eq!(invalid, "invalid value -1, expected 0.001 to 3600 seconds");
    }
}
