//! Attempts to deliver a notification.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::actors::messages::alerting::TestedChannel;
use crate::api::views::envelope::{List, One};
use crate::domain::alert;
use crate::domain::alert::{Attempt, DeliveryOutcome, MessageState};

/// `data` of a response with a list of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveriesData {
    /// The deliveries, newest first.
    pub deliveries: List<Delivery>,
}

/// `data` of a response to a test of a channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestData {
    pub test: One<Test>,
}

/// One attempt to deliver a revision of a notification.
#[derive(Debug, Serialize, ToSchema)]
pub struct Delivery {
    /// Id of the delivery.
    id: i64,
    /// Id of the notification.
    notification_id: i64,
    /// Id of the channel.
    channel_id: i64,
    /// Revision of the notification.
    #[schema(format = Int64)]
    revision: u32,
    /// When the attempt began, in unix milliseconds.
    at_ms: i64,
    /// Duration in milliseconds.
    #[schema(format = Int64)]
    took_ms: u32,
    /// `delivered`; `channel-failed`, and everything of the channel waits; `message-refused`, which
    /// is tried once more in plain form; or `dead`, after which it is not tried any more.
    #[schema(pattern = "^(delivered|channel-failed|message-refused|dead)$", example = "delivered")]
    outcome: &'static str,
    /// HTTP status of the receiver; null without one.
    #[schema(required = true)]
    http_status: Option<u16>,
    /// Why it failed; null when it did not.
    #[schema(required = true)]
    error: Option<String>,
}

/// Result of a test of a channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct Test {
    /// State of the message.
    #[schema(pattern = "^(firing|still|resolved|digest)$", example = "firing")]
    state: &'static str,
    /// Whether the receiver took the message.
    delivered: bool,
    /// HTTP status of the receiver; null without one.
    #[schema(required = true)]
    http_status: Option<u16>,
    /// Why it failed; null when it did not.
    #[schema(required = true)]
    error: Option<String>,
    /// Duration in milliseconds.
    took_ms: u64,
}

impl Delivery {
    pub fn new(delivery: &alert::Delivery, channel_id: i64) -> Self {
        Self {
            id: delivery.id,
            notification_id: delivery.notification_id,
            channel_id,
            revision: delivery.revision,
            at_ms: delivery.at_ms,
            took_ms: delivery.took_ms,
            outcome: DeliveryOutcome::as_str(delivery.outcome),
            http_status: delivery.http_status,
            error: delivery.error.clone(),
        }
    }
}

impl Test {
    /// Why it failed; `None` when it did not.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Milliseconds.
    pub fn took_ms(&self) -> u64 {
        self.took_ms
    }

    pub fn new(state: MessageState, tested: TestedChannel) -> Self {
        let (http_status, error) = match tested.attempt {
            Attempt::Delivered { http_status, .. } => (http_status, None),
            Attempt::ChannelFailed { http_status, error, .. }
            | Attempt::MessageRefused { http_status, error } => (http_status, Some(error)),
        };
        Self {
            state: state.as_str(),
            delivered: error.is_none(),
            http_status,
            error,
            took_ms: tested.took.as_millis() as u64,
        }
    }

    /// The dispatcher did not answer within `limit`.
    pub fn timed_out(state: MessageState, limit: Duration) -> Self {
        let error = Some(format!("no result within {} s", limit.as_secs()));
        let took_ms = limit.as_millis() as u64;
        Self { state: state.as_str(), delivered: false, http_status: None, error, took_ms }
    }
}
