//! A channel, and the kinds of channels.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::seconds;
use crate::alerting::{Key, Kind};
use crate::api::views::envelope::{List, One};
use crate::domain::alert;
use crate::domain::alert::ChannelOptions;

/// `data` of a response with one channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelData {
    pub channel: One<Channel>,
}

/// `data` of a response with a list of channels.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelsData {
    /// The channels, ordered by name.
    pub channels: List<Channel>,
}

/// `data` of a response with the kinds of channels.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelKindsData {
    /// The kinds, ordered by name.
    pub channel_kinds: List<ChannelKind>,
}

/// Where messages are delivered.
#[derive(Debug, Serialize, ToSchema)]
pub struct Channel {
    /// Id of the channel.
    id: i64,
    /// `api`, or `file` for a channel of the services file, which the API cannot change.
    #[schema(pattern = "^(api|file)$", example = "api")]
    origin: &'static str,
    /// Unique name.
    #[schema(example = "ops")]
    name: String,
    /// Kind of the channel: see `GET /v1/channel-kinds`.
    #[schema(example = "slack")]
    kind: String,
    /// Whether messages are delivered.
    enabled: bool,
    /// Keys of the kind; secrets are masked.
    #[schema(value_type = Object, example = json!({"webhook-url": "https://hooks.slack.com/***"}))]
    keys: Map<String, Value>,
    /// Settings of the connection, as in the services file: `timeout`, `insecure`, `proxy-url`,
    /// `tls`; secrets are masked.
    #[schema(value_type = Object)]
    client: Map<String, Value>,
    /// Keys for the services of one group, in order: `group` and keys of the kind.
    #[schema(value_type = Vec<Object>)]
    overrides: Vec<Map<String, Value>>,
    /// Template of the title; null for the built-in one.
    #[schema(required = true)]
    title: Option<String>,
    /// Template of the message; null for the built-in one.
    #[schema(required = true)]
    message: Option<String>,
    /// Whether alerts of the monitor itself are delivered here.
    system: bool,
    /// Seconds until one more message may be sent after a burst; null for those of the kind.
    #[schema(required = true, format = Int64)]
    refill_seconds: Option<u32>,
    /// Quiet hours, as windows of maintenance.
    #[schema(value_type = Vec<Object>)]
    quiet: Vec<Value>,
    /// Severities that pass quiet hours.
    quiet_passes: Vec<String>,
    /// Unix seconds since when every delivery failed; null while the channel works.
    #[schema(required = true)]
    failing_since: Option<i64>,
}

/// A kind of channels.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelKind {
    /// The word for `kind`.
    #[schema(example = "slack")]
    pub name: &'static str,
    /// `chat`, `sms`, `mail`, `incident`, `tracker` or `stream`.
    #[schema(pattern = "^(chat|sms|mail|incident|tracker|stream)$", example = "chat")]
    pub class: &'static str,
    /// Its keys.
    pub keys: Vec<ChannelKey>,
}

/// A key of a kind.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelKey {
    /// Name of the key.
    #[schema(example = "webhook-url")]
    pub name: String,
    /// Whether a channel of the kind must have it.
    pub required: bool,
    /// Whether responses mask it.
    pub secret: bool,
    /// `text`, `url`, `integer`, `boolean`, `list` of texts, or `map` of texts.
    #[schema(pattern = "^(text|url|integer|boolean|list|map)$", rename = "type", example = "url")]
    pub r#type: &'static str,
    /// Valid values, as a noun phrase.
    #[schema(example = "an http:// or https:// URL")]
    pub expected: String,
    /// Its default; null without one.
    #[schema(required = true, value_type = Option<Object>)]
    pub default: Option<Value>,
}

impl ChannelKind {
    pub fn new(kind: Kind) -> Self {
        let key = |(name, key): (&String, &Key)| ChannelKey {
            name: name.clone(),
            required: key.required,
            secret: key.secret,
            r#type: key.value_type.as_str(),
            expected: key.expected(),
            default: key.default.clone(),
        };
        Self {
            name: kind.name,
            class: kind.row.class.as_str(),
            keys: kind.row.keys.iter().map(key).collect(),
        }
    }
}

impl Channel {
    /// With these `options`, which are those of `channel` as the response may show them.
    pub fn new(channel: &alert::Channel, options: ChannelOptions) -> Self {
        let overrides = options.overrides.into_iter().map(|over| {
            let mut map = over.keys;
            map.insert("group".to_owned(), Value::String(over.group));
            map
        });
        Self {
            id: channel.id,
            origin: channel.origin.as_str(),
            name: channel.name.clone(),
            kind: channel.kind.clone(),
            enabled: channel.enabled,
            keys: options.keys,
            client: options.client,
            overrides: overrides.collect(),
            title: options.title,
            message: options.message,
            system: options.system,
            refill_seconds: options.refill_seconds,
            quiet: options.quiet,
            quiet_passes: options.quiet_passes,
            failing_since: channel.failing_since_ms.map(seconds),
        }
    }
}
