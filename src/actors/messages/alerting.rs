//! Messages to the dispatcher of alerting.

use std::time::Duration;

use actix::Message;

use crate::domain::alert::settings::AlertingSettings;
use crate::domain::alert::{Acknowledgement, Alert, AlertKind, Attempt, ChannelId, MessageState};
use crate::domain::audit::AuditSource;
use crate::storage::StorageError;

/// Command from HTTP: deliver a test message in this state to the channel, over the way of every
/// other message but outside its lane. Nothing of it is stored but a row of the audit, and it is
/// tried once. Error `NotFound` for a channel that does not exist.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<TestedChannel, StorageError>")]
pub struct TestChannel {
    pub channel_id: ChannelId,
    pub state: MessageState,
    pub source: AuditSource,
}

/// Result of a [`TestChannel`].
#[derive(Debug, Clone, PartialEq)]
pub struct TestedChannel {
    pub attempt: Attempt,
    pub took: Duration,
}

/// Command from HTTP: acknowledge an open alert, or take its acknowledgement back. The reply means
/// that the change is on the disk. Errors: `NotFound`; `Conflict` for an alert that has ended.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Alert, StorageError>")]
pub struct Acknowledge {
    pub alert_id: i64,
    /// `None` takes it back.
    pub acknowledgement: Option<Acknowledgement>,
    pub source: AuditSource,
}

/// Command from HTTP: try to deliver the notification of a delivery now, also one that was given
/// up. The reply means that its next attempt is due and on the disk. Errors: `NotFound`; `Conflict`
/// for a notification whose newest revision is delivered.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), StorageError>")]
pub struct RetryNotification {
    pub delivery_id: i64,
    pub notification_id: i64,
    pub source: AuditSource,
}

/// Notice from the recorder after a commit or a change that wrote signals.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct SignalsCommitted;

/// Notice from the recorder and the app: an alert of the monitor's own begins, with one sentence,
/// or ends.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct OwnStateChanged {
    pub kind: AlertKind,
    /// `None` when it ends.
    pub detail: Option<String>,
}

/// Command from the app: the settings of the services file.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct SetAlertingSettings(pub AlertingSettings);

/// Command from the app: no new attempts from now on. The reply comes when those under way have
/// ended and are settled, or after 2 s.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct StopDispatcher;

/// Notice from the recorder: the wall clock was set back, and the times of open alerts and
/// notifications were moved in the store.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct AlertTimesMoved;

/// Notice from the recorder: channels, policies or silences were changed, and the change is
/// committed. Lost only if the dispatcher has died, and then the process ends.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct AlertingChanged;
