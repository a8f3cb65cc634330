//! Rules: the entries of a service's `alerts`, and limits of a service beside up and down.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::domain::alert::kind::{AlertKind, Severity};

/// An entry of a service's `alerts`, with the channel's `default-alert` filled in.
#[derive(Clone, PartialEq)]
pub struct AlertRule {
    /// Name of the channel; for `type: slack` that of `alerting.slack`, which is `slack`.
    pub channel: String,
    pub enabled: bool,
    /// What is reported; `down` by default.
    pub on: Vec<AlertKind>,
    /// Instead of the kind's own.
    pub severity: Option<Severity>,
    /// Failures in a row that begin an alert; 3 by default.
    pub failure_threshold: u32,
    /// Successes in a row that end it; 2 by default.
    pub success_threshold: u32,
    /// Whether the end is delivered.
    pub send_on_resolved: bool,
    pub description: String,
    /// Time between reminders; at least 5 minutes.
    pub reminder: Option<Duration>,
    /// Keys of the channel's kind that have another value for this entry (`provider-override`).
    /// Texts keep their `${NAME}` unfilled.
    pub overrides: Map<String, Value>,
}

impl AlertRule {
    pub const FAILURE_THRESHOLD: u32 = 3;
    pub const SUCCESS_THRESHOLD: u32 = 2;
    /// Greatest threshold.
    pub const THRESHOLD_MAX: u32 = 100_000;
    /// Least time between reminders, as in Gatus.
    pub const REMINDER_MIN: Duration = Duration::from_secs(300);

    /// The rule with the defaults of Gatus.
    pub fn new(channel: impl Into<String>) -> Self {
        Self {
            channel: channel.into(),
            enabled: true,
            on: vec![AlertKind::Down],
            severity: None,
            failure_threshold: Self::FAILURE_THRESHOLD,
            success_threshold: Self::SUCCESS_THRESHOLD,
            send_on_resolved: false,
            description: String::new(),
            reminder: None,
            overrides: Map::new(),
        }
    }
}

impl fmt::Debug for AlertRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values of overrides may be secrets.
        let overrides: Vec<&String> = self.overrides.keys().collect();
        f.debug_struct("AlertRule")
            .field("channel", &self.channel)
            .field("enabled", &self.enabled)
            .field("on", &self.on)
            .field("severity", &self.severity)
            .field("failure_threshold", &self.failure_threshold)
            .field("success_threshold", &self.success_threshold)
            .field("send_on_resolved", &self.send_on_resolved)
            .field("description", &self.description)
            .field("reminder", &self.reminder)
            .field("overrides", &overrides)
            .finish()
    }
}

/// When a service that is up counts as degraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Degraded {
    /// A result above it is slow; whole milliseconds.
    pub response_time: Duration,
    /// Slow results in a row that begin an alert, and others in a row that end it.
    pub results: u32,
}

impl Degraded {
    pub const RESULTS: u32 = 5;
}

/// Days before the expiry of a certificate at which an alert is signalled, unless the service has
/// its own.
pub const CERTIFICATE_DAYS: [u16; 3] = [14, 7, 1];
