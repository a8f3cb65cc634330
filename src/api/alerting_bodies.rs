//! JSON request bodies of alerting, for the OpenAPI document. [`input`] reads and validates them.
//!
//! [`input`]: crate::api::input

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The body of `POST /v1/channels`. Unknown fields are rejected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChannel {
    /// Unique among the channels.
    #[schema(min_length = 1, max_length = 255, example = "ops")]
    name: String,
    /// Kind of the channel: see `GET /v1/channel-kinds`.
    #[schema(example = "slack")]
    kind: String,
    /// Whether messages are delivered.
    #[schema(required = false, default = true)]
    enabled: bool,
    /// Keys of the kind. Texts are literal; secrets are masked in responses.
    #[schema(required = false, value_type = Object,
        example = json!({"webhook-url": "https://hooks.slack.com/services/T0/B0/x"}))]
    keys: Map<String, Value>,
    /// Settings of the connection, as in the services file: `timeout` (10s), `insecure`,
    /// `proxy-url`, `tls` with `ca-file`.
    #[schema(required = false, value_type = Object, example = json!({"timeout": "5s"}))]
    client: Map<String, Value>,
    /// Other values of keys for the services of one group: `group`, and keys of the kind.
    #[schema(required = false, value_type = Vec<Object>, max_items = 100)]
    overrides: Vec<Map<String, Value>>,
    /// Template of the title; null for the built-in one.
    #[schema(required = false, max_length = 16384)]
    title: Option<String>,
    /// Template of the message; null for the built-in one.
    #[schema(required = false, max_length = 16384)]
    message: Option<String>,
    /// Whether alerts of the monitor itself are delivered here. They are delivered to all channels
    /// if none says so.
    #[schema(required = false, default = false)]
    system: bool,
    /// Seconds until one more message may be sent after a burst; null for those of the kind.
    #[schema(required = false, format = Int64, minimum = 1, maximum = 86400)]
    refill_seconds: Option<u32>,
    /// Quiet hours, as windows of maintenance.
    #[schema(required = false, value_type = Vec<Object>, max_items = 100)]
    quiet: Vec<Value>,
    /// Severities that pass quiet hours.
    #[schema(required = false, example = json!(["critical"]))]
    quiet_passes: Vec<String>,
}

/// The body of `POST /v1/policies`. Unknown fields are rejected. It needs `channels` or `steps`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    /// Unique among the policies.
    #[schema(min_length = 1, max_length = 255, example = "core")]
    name: String,
    /// Policies are tried in this order, and then in the order of their ids.
    #[schema(required = false, format = Int64, default = 0, maximum = 1000000)]
    position: u32,
    /// The alerts that it is for; by default all.
    #[schema(required = false)]
    r#match: Option<NewMatch>,
    /// Kinds of alerts that it reports.
    #[schema(required = false, default = json!(["down"]))]
    on: Vec<String>,
    /// Severity of its alerts, `info`, `warning` or `critical`; null for that of their kinds.
    #[schema(required = false)]
    severity: Option<String>,
    /// Failures in a row that begin an alert.
    #[schema(required = false, default = 3, minimum = 1, maximum = 100000)]
    failure_threshold: u32,
    /// Successes in a row that end it.
    #[schema(required = false, default = 2, minimum = 1, maximum = 100000)]
    success_threshold: u32,
    /// Text of its messages.
    #[schema(required = false, max_length = 1000)]
    description: Option<String>,
    /// Names of channels: one step at the begin.
    #[schema(required = false, example = json!(["ops"]))]
    channels: Vec<String>,
    /// Channels by the time after the begin, instead of `channels`; the first at 0.
    #[schema(required = false, max_items = 10)]
    steps: Vec<NewStep>,
    /// Alerts with equal values are one group: `group`, `name`, `kind`, or names of labels.
    #[schema(required = false, default = json!(["group"]))]
    group_by: Vec<String>,
    /// Seconds that the first alert of a group waits for further ones.
    #[schema(required = false, default = 3, minimum = 0, maximum = 86400)]
    group_wait_seconds: f64,
    /// Seconds between two messages about a group.
    #[schema(required = false, default = 60, minimum = 1, maximum = 86400)]
    group_interval_seconds: f64,
    /// Seconds between reminders; null without reminders.
    #[schema(required = false, minimum = 300, maximum = 31622400)]
    reminder_seconds: Option<f64>,
    /// Whether the end of an alert is delivered.
    #[schema(required = false, default = true)]
    send_on_resolved: bool,
    /// Whether the policies after it are tried too when it matches.
    #[schema(required = false, default = false)]
    r#continue: bool,
    /// Quiet hours, as windows of maintenance.
    #[schema(required = false, value_type = Vec<Object>, max_items = 100)]
    quiet: Vec<Value>,
    /// Severities that pass quiet hours.
    #[schema(required = false, example = json!(["critical"]))]
    quiet_passes: Vec<String>,
}

/// A step of an escalation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStep {
    /// Seconds after the begin of the alert.
    #[schema(required = false, default = 0, minimum = 0, maximum = 31622400)]
    after_seconds: f64,
    /// Names of channels.
    #[schema(min_items = 1)]
    channels: Vec<String>,
}

/// Selects alerts. Each list matches when it is empty or one of its entries does; `*` stands for
/// any characters. A text is a list of one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMatch {
    /// Groups of services.
    #[schema(required = false, example = json!(["core"]))]
    group: Vec<String>,
    /// Names of services.
    #[schema(required = false)]
    name: Vec<String>,
    /// Kinds of alerts.
    #[schema(required = false)]
    kind: Vec<String>,
    /// Severities of alerts.
    #[schema(required = false)]
    severity: Vec<String>,
}

/// The body of `POST /v1/silences`. Unknown fields are rejected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSilence {
    /// The alerts that are suppressed; not empty.
    r#match: NewMatch,
    /// Unix seconds, or RFC 3339; now by default.
    #[schema(required = false, example = 1795413298)]
    from: i64,
    /// Unix seconds, or RFC 3339; at most 366 days after `from`.
    #[schema(example = 1795416898)]
    to: i64,
    /// Who suppresses them.
    #[schema(required = false, max_length = 255)]
    by: Option<String>,
    /// Why.
    #[schema(required = false, max_length = 1000)]
    note: Option<String>,
}

/// The body of `POST /v1/alerts/{id}/acknowledge`. Unknown fields are rejected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAcknowledgement {
    /// Who acknowledges it.
    #[schema(required = false, max_length = 255, example = "ann")]
    by: Option<String>,
    #[schema(required = false, max_length = 1000)]
    note: Option<String>,
    /// Unix seconds, or RFC 3339; null until the end of the alert.
    #[schema(required = false)]
    until: Option<i64>,
}

/// Placeholder for the schema of the body of `PATCH`, which the OpenAPI document derives from
/// [`NewChannel`].
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelChange {}

/// As [`ChannelChange`], of [`NewPolicy`].
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyChange {}

/// As [`ChannelChange`], of [`NewSilence`].
#[derive(Debug, Serialize, ToSchema)]
pub struct SilenceChange {}
