//! Messages to the dispatcher.

use std::rc::Rc;
use std::time::{Duration, Instant};

use actix::Response;
use actix::prelude::*;
use serde_json::Map;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::elsewhere::{AUDIT_WAIT, event};
use super::{Dispatcher, Loaded, elsewhere};
use crate::actors::messages::alerting::{
    Acknowledge, AlertTimesMoved, AlertingChanged, OwnStateChanged, RetryNotification,
    SetAlertingSettings, SignalsCommitted, StopDispatcher, TestChannel, TestedChannel,
};
use crate::actors::messages::instances::{CarryOut, PostCommand};
use crate::actors::messages::store::Ask;
use crate::clock::unix_ms;
use crate::domain::alert::engine::open::OpenAlert;
use crate::domain::alert::{Acknowledgement, Alert, AlertKind, Channel, Message};
use crate::domain::audit::{Action, AuditEntry, AuditSource, Differences, Object, ObjectKind};
use crate::domain::maintenance::zone::Zone;
use crate::storage::StorageError;
use crate::storage::alerting::{GetAlert, GetChannel};
use crate::storage::audit::fields::acknowledgement;
use crate::storage::coordination::command::AlertCommand;

/// Longest wait for requests under way at the end.
const STOP_WAIT: Duration = Duration::from_secs(2);

impl Handler<SignalsCommitted> for Dispatcher {
    type Result = ();

    fn handle(&mut self, _: SignalsCommitted, context: &mut Self::Context) {
        self.has_signals = true;
        self.turn(context);
    }
}

impl Handler<AlertingChanged> for Dispatcher {
    type Result = ();

    fn handle(&mut self, _: AlertingChanged, context: &mut Self::Context) {
        self.has_signals = true;
        self.search_objectives_again();
        self.definitions.changed();
        self.turn(context);
    }
}

impl Handler<AlertTimesMoved> for Dispatcher {
    type Result = ();

    fn handle(&mut self, _: AlertTimesMoved, context: &mut Self::Context) {
        self.times_moved = true;
        if let Some(loaded) = &mut self.loaded {
            loaded.rules.parents.set_back(unix_ms());
        }
        self.turn(context);
    }
}

impl Handler<SetAlertingSettings> for Dispatcher {
    type Result = ();

    fn handle(
        &mut self,
        SetAlertingSettings(settings): SetAlertingSettings,
        context: &mut Self::Context,
    ) {
        self.sender.set_zone(settings.timezone.unwrap_or_else(Zone::utc));
        self.set_watchdog(settings.watchdog, context);
    }
}

impl Handler<OwnStateChanged> for Dispatcher {
    type Result = ();

    fn handle(&mut self, changed: OwnStateChanged, context: &mut Self::Context) {
        if changed.kind == AlertKind::Connectivity {
            self.is_cut_off = changed.detail.is_some();
        }
        let is_back = changed.kind == AlertKind::Connectivity && changed.detail.is_none();
        self.set_own(changed.kind, changed.detail, unix_ms(), Vec::new());
        if let Some(Loaded { engine, .. }) = &mut self.loaded
            && is_back
        {
            engine.forget_failures();
        }
        self.turn(context);
    }
}

impl Handler<Acknowledge> for Dispatcher {
    type Result = Response<Result<Alert, StorageError>>;

    fn handle(&mut self, acknowledge: Acknowledge, context: &mut Self::Context) -> Self::Result {
        let Acknowledge { alert_id, acknowledgement, source } = acknowledge;
        let readers = self.links.readers.clone();
        if !self.decides() {
            let wanted = acknowledgement.clone();
            let command = AlertCommand::Acknowledge { alert_id, acknowledgement, source };
            let posted = self.links.commands.send(PostCommand(command));
            return Response::fut(async move {
                posted.await.unwrap_or(Err(StorageError::Busy))?;
                elsewhere::acknowledged(&readers, alert_id, wanted.as_ref()).await
            });
        }
        let settled = match self.acknowledge(alert_id, acknowledgement, source, context) {
            Ok(settled) => settled,
            Err(error) => return Response::reply(Err(error)),
        };
        Response::fut(async move {
            let is_open = settled.await?;
            let alert = readers.ask(Ask(GetAlert(alert_id))).await?.alert;
            if is_open {
                return Ok(alert);
            }
            Err(StorageError::Conflict(format!("alert {alert_id} has ended")))
        })
    }
}

impl Dispatcher {
    /// The future ends when the change is on the disk; whether the alert was open.
    fn acknowledge(
        &mut self,
        alert_id: i64,
        acknowledgement: Option<Acknowledgement>,
        source: AuditSource,
        context: &mut Context<Self>,
    ) -> Result<impl Future<Output = Result<bool, StorageError>> + use<>, StorageError> {
        let Some(Loaded { engine, .. }) = &mut self.loaded else {
            return Err(StorageError::Busy);
        };
        let now_ms = unix_ms();
        let before = engine.alert(alert_id).cloned();
        match acknowledgement {
            Some(acknowledgement) => _ = engine.acknowledge(alert_id, acknowledgement),
            None => _ = engine.unacknowledge(alert_id, now_ms),
        }
        let is_open = before.is_some();
        let after = engine.alert(alert_id);
        if let Some(entry) = before.zip(after).and_then(|(before, after)| {
            audited(&before, after.acknowledged.as_deref(), source, now_ms)
        }) {
            engine.record_audit(entry);
        }
        let stored = self.wait_for_settlement(context);
        Ok(async move { stored.await.unwrap_or(Err(StorageError::Busy)).map(|()| is_open) })
    }
}

impl Handler<CarryOut> for Dispatcher {
    type Result = ResponseFuture<Result<(), StorageError>>;

    fn handle(&mut self, CarryOut(command): CarryOut, context: &mut Self::Context) -> Self::Result {
        match command {
            AlertCommand::Acknowledge { alert_id, acknowledgement, source } => {
                let settled = self.acknowledge(alert_id, acknowledgement, source, context);
                Box::pin(async move { settled?.await.map(|_| ()) })
            }
            AlertCommand::Retry { delivery_id, notification_id, source } => {
                let retry = RetryNotification { delivery_id, notification_id, source };
                let settled = self.retry(retry, context);
                Box::pin(async move { settled?.await.unwrap_or(Err(StorageError::Busy)) })
            }
        }
    }
}

/// The row of the audit for a change of the acknowledgement of `alert`; `None` when it stays.
fn audited(
    alert: &OpenAlert,
    after: Option<&Acknowledgement>,
    source: AuditSource,
    now_ms: i64,
) -> Option<AuditEntry> {
    let before = alert.acknowledged.as_deref();
    if before == after {
        return None;
    }
    let action = match after {
        Some(_) => Action::AlertAcknowledge,
        None => Action::AlertUnacknowledge,
    };
    let name = Some(alert.subject.name.to_string()).filter(|name| !name.is_empty());
    let (before, after) = (before.map(acknowledgement), after.map(acknowledgement));
    Some(AuditEntry {
        at_ms: now_ms,
        source,
        action,
        object: Object { kind: ObjectKind::Alert, id: Some(alert.id), name },
        differences: Differences::between(before.as_ref(), after.as_ref()),
    })
}

impl Handler<RetryNotification> for Dispatcher {
    type Result = Response<Result<(), StorageError>>;

    fn handle(&mut self, retry: RetryNotification, context: &mut Self::Context) -> Self::Result {
        if !self.decides() {
            let RetryNotification { delivery_id, notification_id, source } = retry;
            let command = AlertCommand::Retry { delivery_id, notification_id, source };
            let posted = self.links.commands.send(PostCommand(command));
            return Response::fut(async move { posted.await.unwrap_or(Err(StorageError::Busy)) });
        }
        match self.retry(retry, context) {
            Err(error) => Response::reply(Err(error)),
            Ok(stored) => {
                Response::fut(async move { stored.await.unwrap_or(Err(StorageError::Busy)) })
            }
        }
    }
}

impl Dispatcher {
    /// The reply comes when the next attempt is due and on the disk.
    fn retry(
        &mut self,
        retry: RetryNotification,
        context: &mut Context<Self>,
    ) -> Result<oneshot::Receiver<Result<(), StorageError>>, StorageError> {
        let RetryNotification { delivery_id, notification_id, source } = retry;
        let Some(Loaded { engine, channels, .. }) = &mut self.loaded else {
            return Err(StorageError::Busy);
        };
        let Some(channel_id) = engine.notification(notification_id).map(|it| it.row.channel_id)
        else {
            return Err(StorageError::NotFound);
        };
        let now_ms = unix_ms();
        if !engine.retry(notification_id, now_ms) {
            let why = format!("the newest revision of notification {notification_id} is delivered");
            return Err(StorageError::Conflict(why));
        }
        let name = channels.get(&channel_id).map(|channel| channel.name.clone());
        let object = Object { kind: ObjectKind::Delivery, id: Some(delivery_id), name };
        engine.record_audit(event(Action::DeliveryRetry, object, source, now_ms));
        Ok(self.wait_for_settlement(context))
    }
}

impl Handler<TestChannel> for Dispatcher {
    type Result = ResponseActFuture<Self, Result<TestedChannel, StorageError>>;

    fn handle(&mut self, test: TestChannel, _: &mut Self::Context) -> Self::Result {
        if !self.decides() {
            return self.test_elsewhere(test);
        }
        // From the store: a channel that was created a moment ago is not in memory yet.
        let channel = self.links.readers.ask(Ask(GetChannel(test.channel_id))).into_actor(self);
        Box::pin(channel.then(move |channel, dispatcher, context| {
            let prepared = channel.and_then(|channel| {
                let (message, recorded) = dispatcher.prepare_test(&channel, test, context)?;
                Ok((channel, message, recorded))
            });
            let sender = Rc::clone(&dispatcher.sender);
            let tested = async move {
                let (channel, message, recorded) = prepared?;
                // A store that fails does not keep a test from being sent.
                let _ = timeout(AUDIT_WAIT, recorded).await;
                let began = Instant::now();
                let attempt = sender.send(&channel, &Map::new(), &message).await;
                Ok(TestedChannel { attempt, took: began.elapsed() })
            };
            tested.into_actor(dispatcher)
        }))
    }
}

impl Handler<StopDispatcher> for Dispatcher {
    type Result = Response<()>;

    fn handle(&mut self, _: StopDispatcher, context: &mut Self::Context) -> Self::Result {
        self.is_stopping = true;
        let (reply, ended) = oneshot::channel();
        self.reply_when_idle(reply, context);
        Response::fut(async move {
            let _ = timeout(STOP_WAIT, ended).await;
        })
    }
}

impl Dispatcher {
    /// The message of a test, and the reply to its row in the audit.
    fn prepare_test(
        &mut self,
        channel: &Channel,
        test: TestChannel,
        context: &mut Context<Self>,
    ) -> Result<(Message, oneshot::Receiver<Result<(), StorageError>>), StorageError> {
        let Some(Loaded { source, engine, .. }) = &mut self.loaded else {
            return Err(StorageError::Busy);
        };
        self.next_test += 1;
        let now_ms = unix_ms();
        let recipient = super::lane_settings(channel).recipients.first().cloned();
        let message = source.test_message(test.state, self.next_test, now_ms);
        let object = Object::new(ObjectKind::Channel, channel.id, &channel.name);
        engine.record_audit(event(Action::ChannelTest, object, test.source, now_ms));
        Ok((Message { recipient, ..message }, self.wait_for_settlement(context)))
    }

    /// The reply to what was decided until now, once it is on the disk.
    fn wait_for_settlement(
        &mut self,
        context: &mut Context<Self>,
    ) -> oneshot::Receiver<Result<(), StorageError>> {
        let (reply, stored) = oneshot::channel();
        self.waiting.push(reply);
        self.settle(context);
        stored
    }

    fn reply_when_idle(&mut self, reply: oneshot::Sender<()>, context: &mut Context<Self>) {
        let is_idle = self.loaded.as_ref().is_none_or(|loaded| !loaded.engine.is_sending());
        if is_idle && !self.is_settling && self.settlement.is_none() {
            let _ = reply.send(());
            return;
        }
        context.run_later(super::TURN_EVERY, |dispatcher, context| {
            dispatcher.reply_when_idle(reply, context);
        });
    }
}
