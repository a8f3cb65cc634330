//! Channels, and policies for services without alerts of their own.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::domain::alert::kind::{AlertKind, Severity};
use crate::domain::alert::silence::Matcher;
use crate::domain::service::definition::Origin;

/// The key of a channel in the store and in the API; always positive.
pub type ChannelId = i64;

/// Where messages are delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    pub id: ChannelId,
    /// Unique.
    pub name: String,
    /// A kind of the table of providers, such as `slack`, or `email`, `webhook`, `alertmanager`.
    pub kind: String,
    pub origin: Origin,
    pub enabled: bool,
    pub options: ChannelOptions,
    /// Unix milliseconds since when every delivery failed.
    pub failing_since_ms: Option<i64>,
}

/// The settings of a channel, stored as JSON. Texts keep their `${NAME}` unfilled.
#[derive(Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ChannelOptions {
    /// The keys of its kind, as written; checked by the kind's row.
    pub keys: Map<String, Value>,
    /// `client`: timeout, insecure, proxy-url, tls.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub client: Map<String, Value>,
    /// Keys by group of the service (`overrides[].group`), in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<GroupOverride>,
    /// Template of the title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Template of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether alerts of the monitor's own are delivered here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub system: bool,
    /// Seconds until the bucket has one more message; the kind's own by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refill_seconds: Option<u32>,
    /// Quiet hours, as windows of maintenance are written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quiet: Vec<Value>,
    /// Severities that pass quiet hours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quiet_passes: Vec<String>,
}

/// A key of a channel that cannot be used; printed as `KEY: PROBLEM`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct KeyProblem {
    /// With dots, such as `client.timeout` or `overrides[0].token`.
    pub key: String,
    pub problem: String,
}

impl KeyProblem {
    #[expect(clippy::needless_pass_by_value, reason = "takes what its callers make")]
    pub fn new(key: impl Into<String>, problem: impl ToString) -> Self {
        Self { key: key.into(), problem: problem.to_string() }
    }
}

impl fmt::Debug for ChannelOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values of keys, and the URL of a proxy, may be secrets.
        f.debug_struct("ChannelOptions")
            .field("keys", &names(&self.keys))
            .field("client", &names(&self.client))
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}

fn names(keys: &Map<String, Value>) -> Vec<&String> {
    keys.keys().collect()
}

/// Keys for the services of one group.
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GroupOverride {
    pub group: String,
    #[serde(flatten)]
    pub keys: Map<String, Value>,
}

impl fmt::Debug for GroupOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, keys } = self;
        f.debug_struct("GroupOverride").field("group", group).field("keys", &names(keys)).finish()
    }
}

/// Who is notified of what, for services without `alerts` of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub id: i64,
    /// Unique.
    pub name: String,
    pub origin: Origin,
    /// Policies are tried in this order.
    pub position: u32,
    pub matcher: Matcher,
    pub options: PolicyOptions,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PolicyOptions {
    pub on: Vec<AlertKind>,
    pub severity: Option<Severity>,
    pub failure_threshold: u32,
    pub success_threshold: u32,
    pub description: String,
    /// Names of channels by the time after the begin; the first step is at 0.
    pub steps: Vec<(Duration, Vec<String>)>,
    /// `group`, `name`, `kind`, or names of labels.
    pub group_by: Vec<String>,
    pub group_wait: Duration,
    pub group_interval: Duration,
    pub reminder: Option<Duration>,
    pub send_on_resolved: bool,
    /// Whether the policies after a match are tried too.
    pub continues: bool,
    /// Quiet hours, as windows of maintenance are written.
    pub quiet: Vec<Value>,
    pub quiet_passes: Vec<Severity>,
}

impl Default for PolicyOptions {
    fn default() -> Self {
        Self {
            on: vec![AlertKind::Down],
            severity: None,
            failure_threshold: 3,
            success_threshold: 2,
            description: String::new(),
            steps: Vec::new(),
            group_by: vec!["group".to_owned()],
            group_wait: Duration::from_secs(3),
            group_interval: Duration::from_secs(60),
            reminder: None,
            send_on_resolved: true,
            continues: false,
            quiet: Vec::new(),
            quiet_passes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn debug_output_has_no_value_of_a_key() {
        let map = |value: Value| value.as_object().cloned().unwrap();
        let keys = || map(json!({"token": "s3cret"}));
        let options = ChannelOptions {
            keys: keys(),
            client: map(json!({"proxy-url": "http://u:s3cret@proxy/"})),
            overrides: vec![GroupOverride { group: "core".to_owned(), keys: keys() }],
            ..ChannelOptions::default()
        };
        let text = format!("{options:?}");
        assert!(text.contains("token") && !text.contains("s3cret"), "{text}");
    }
}
