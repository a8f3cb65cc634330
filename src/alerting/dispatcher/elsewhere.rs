//! Commands that arrive while another instance decides about alerts.

use std::rc::Rc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use serde_json::Map;
use tokio::time::{sleep, timeout};

use super::{Dispatcher, MessageSource, lane_settings};
use crate::actors::messages::alerting::{TestChannel, TestedChannel};
use crate::actors::messages::store::{Ask, SettleAlerts};
use crate::actors::store::readers::Readers;
use crate::clock::unix_ms;
use crate::domain::alert::{Acknowledgement, Alert, AlertState, Message, Settlement};
use crate::domain::audit::{Action, AuditEntry, AuditSource, Differences, Object, ObjectKind};
use crate::storage::StorageError;
use crate::storage::alerting::{GetAlert, GetAlertingState, GetChannel};

/// Longest wait for the row of a test in the audit; a store that fails writes it later.
pub(super) const AUDIT_WAIT: Duration = Duration::from_secs(2);

/// Longest wait for the instance that decides.
const WAIT: Duration = Duration::from_secs(8);

/// Interval between two looks at what it has done.
const CHECK_EVERY: Duration = Duration::from_millis(200);

/// The row of the audit for a request that changes no field.
pub(super) fn event(
    action: Action,
    object: Object,
    source: AuditSource,
    now_ms: i64,
) -> AuditEntry {
    let differences = Differences::default();
    AuditEntry { at_ms: now_ms, source, action, object, differences }
}

/// The alert, once its acknowledgement is `wanted`. Errors: `NotFound`; `Conflict` for an alert
/// that has ended; `Busy` when nothing has changed for too long.
pub(super) async fn acknowledged(
    readers: &Readers,
    alert_id: i64,
    wanted: Option<&Acknowledgement>,
) -> Result<Alert, StorageError> {
    let began = Instant::now();
    loop {
        let alert = readers.ask(Ask(GetAlert(alert_id))).await?.alert;
        if alert.state == AlertState::Resolved {
            return Err(StorageError::Conflict(format!("alert {alert_id} has ended")));
        }
        if alert.acknowledged.as_ref() == wanted {
            return Ok(alert);
        }
        if began.elapsed() > WAIT {
            return Err(StorageError::Busy);
        }
        sleep(CHECK_EVERY).await;
    }
}

impl Dispatcher {
    /// A test is sent from here, since nothing of it is stored but a row of the audit.
    pub(super) fn test_elsewhere(
        &self,
        test: TestChannel,
    ) -> ResponseActFuture<Self, Result<TestedChannel, StorageError>> {
        let channel = self.links.readers.ask(Ask(GetChannel(test.channel_id)));
        let state = self.links.readers.ask(Ask(GetAlertingState));
        let (recorder, sender) = (self.links.recorder.clone(), Rc::clone(&self.sender));
        let monitor = self.settings.monitor.clone();
        let public_url = self.settings.public_url.clone();
        let tested = async move {
            let (channel, state) = (channel.await?, state.await?);
            let now_ms = unix_ms();
            let source = MessageSource { monitor, instance_key: state.instance_key, public_url };
            let recipient = lane_settings(&channel).recipients.first().cloned();
            let message = source.test_message(test.state, now_ms.unsigned_abs(), now_ms);
            let message = Message { recipient, ..message };
            let object = Object::new(ObjectKind::Channel, channel.id, &channel.name);
            let entry = event(Action::ChannelTest, object, test.source, now_ms);
            let settlement = Settlement { audit: vec![entry], ..Settlement::default() };
            // A store that fails does not keep a test from being sent.
            let _ = timeout(AUDIT_WAIT, recorder.send(SettleAlerts(Box::new(settlement)))).await;
            let began = Instant::now();
            let attempt = sender.send(&channel, &Map::new(), &message).await;
            Ok(TestedChannel { attempt, took: began.elapsed() })
        };
        Box::pin(tested.into_actor(self))
    }
}
