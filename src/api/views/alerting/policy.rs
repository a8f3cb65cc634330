//! A policy, and the matcher of policies and silences.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::views::envelope::{List, One};
use crate::domain::alert;
use crate::domain::alert::{AlertKind, Matcher, Severity};

/// `data` of a response with one policy.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyData {
    pub policy: One<Policy>,
}

/// `data` of a response with a list of policies.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoliciesData {
    /// The policies, in the order in which they are tried.
    pub policies: List<Policy>,
}

/// Which channels are notified of what, for services without `alerts` of their own.
#[derive(Debug, Serialize, ToSchema)]
pub struct Policy {
    /// Id of the policy.
    id: i64,
    /// `api`, or `file` for a policy of the services file, which the API cannot change.
    #[schema(pattern = "^(api|file)$", example = "api")]
    origin: &'static str,
    /// Unique name.
    #[schema(example = "core")]
    name: String,
    /// Policies are tried in this order, and then in the order of their ids.
    #[schema(format = Int64)]
    position: u32,
    /// The alerts that it is for.
    #[serde(rename = "match")]
    matcher: Match,
    /// Kinds of alerts that it reports.
    #[schema(example = json!(["down", "certificate"]))]
    on: Vec<&'static str>,
    /// Severity of its alerts; null for that of their kinds.
    #[schema(required = true, example = "critical")]
    severity: Option<&'static str>,
    /// Failures in a row that begin an alert.
    failure_threshold: u32,
    /// Successes in a row that end it.
    success_threshold: u32,
    /// Text of its messages.
    description: String,
    /// Channels by the time after the begin.
    steps: Vec<Step>,
    /// Alerts with equal values are one group: `group`, `name`, `kind`, or names of labels.
    #[schema(example = json!(["group"]))]
    group_by: Vec<String>,
    /// Seconds that the first alert of a group waits for further ones.
    group_wait_seconds: f64,
    /// Seconds between two messages about a group.
    group_interval_seconds: f64,
    /// Seconds between reminders; null without reminders.
    #[schema(required = true)]
    reminder_seconds: Option<f64>,
    /// Whether the end of an alert is delivered.
    send_on_resolved: bool,
    /// Whether the policies after it are tried too when it matches.
    #[serde(rename = "continue")]
    continues: bool,
    /// Quiet hours, as windows of maintenance.
    #[schema(value_type = Vec<Object>)]
    quiet: Vec<Value>,
    /// Severities that pass quiet hours.
    quiet_passes: Vec<&'static str>,
}

/// A step of an escalation.
#[derive(Debug, Serialize, ToSchema)]
pub struct Step {
    /// Seconds after the begin of the alert.
    after_seconds: f64,
    /// Names of channels.
    channels: Vec<String>,
}

/// Selects alerts. Each list matches when it is empty or one of its entries does; `*` stands for
/// any characters.
#[derive(Debug, Serialize, ToSchema)]
pub struct Match {
    /// Groups of services.
    #[schema(example = json!(["core"]))]
    group: Vec<String>,
    /// Names of services.
    name: Vec<String>,
    /// Kinds of alerts.
    kind: Vec<String>,
    /// Severities of alerts.
    severity: Vec<String>,
}

impl Match {
    pub fn new(matcher: &Matcher) -> Self {
        let Matcher { group, name, kind, severity } = matcher.clone();
        Self { group, name, kind, severity }
    }
}

impl Policy {
    pub fn new(policy: &alert::Policy) -> Self {
        let options = &policy.options;
        let step = |(after, channels): &(Duration, Vec<String>)| Step {
            after_seconds: after.as_secs_f64(),
            channels: channels.clone(),
        };
        let severities = options.quiet_passes.iter().copied();
        Self {
            id: policy.id,
            origin: policy.origin.as_str(),
            name: policy.name.clone(),
            position: policy.position,
            matcher: Match::new(&policy.matcher),
            on: options.on.iter().copied().map(AlertKind::as_str).collect(),
            severity: options.severity.map(Severity::as_str),
            failure_threshold: options.failure_threshold,
            success_threshold: options.success_threshold,
            description: options.description.clone(),
            steps: options.steps.iter().map(step).collect(),
            group_by: options.group_by.clone(),
            group_wait_seconds: options.group_wait.as_secs_f64(),
            group_interval_seconds: options.group_interval.as_secs_f64(),
            reminder_seconds: options.reminder.map(|time| time.as_secs_f64()),
            send_on_resolved: options.send_on_resolved,
            continues: options.continues,
            quiet: options.quiet.clone(),
            quiet_passes: severities.map(Severity::as_str).collect(),
        }
    }
}
