//! Messages to the dispatcher.

use std::time::{Duration, Instant};

use actix::Response;
use actix::prelude::*;
use serde_json::Map;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Dispatcher, Loaded};
use crate::actors::messages::alerting::{
    Acknowledge, AlertTimesMoved, AlertingChanged, OwnStateChanged, RetryNotification,
    SetAlertingSettings, SignalsCommitted, StopDispatcher, TestChannel, TestedChannel,
};
use crate::actors::messages::store::Ask;
use crate::clock::unix_ms;
use crate::domain::alert::engine::open::OpenAlert;
use crate::domain::alert::{Acknowledgement, Alert, AlertKind, Message};
use crate::domain::audit::{Action, AuditEntry, AuditSource, Differences, Object, ObjectKind};
use crate::domain::maintenance::zone::Zone;
use crate::storage::StorageError;
use crate::storage::alerting::{GetAlert, GetChannel};
use crate::storage::audit::fields::acknowledgement;

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
        self.is_outdated = true;
        self.turn(context);
    }
}

impl Handler<AlertTimesMoved> for Dispatcher {
    type Result = ();

    fn handle(&mut self, _: AlertTimesMoved, context: &mut Self::Context) {
        self.times_moved = true;
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
        let Some(Loaded { engine, .. }) = &mut self.loaded else {
            return Response::reply(Err(StorageError::Busy));
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
        let readers = self.links.readers.clone();
        Response::fut(async move {
            stored.await.unwrap_or(Err(StorageError::Busy))?;
            let alert = readers.ask(Ask(GetAlert(alert_id))).await?.alert;
            if is_open {
                return Ok(alert);
            }
            Err(StorageError::Conflict(format!("alert {alert_id} has ended")))
        })
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
        let Some(Loaded { engine, .. }) = &mut self.loaded else {
            return Response::reply(Err(StorageError::Busy));
        };
        if engine.notification(retry.0).is_none() {
            return Response::reply(Err(StorageError::NotFound));
        }
        if !engine.retry(retry.0, unix_ms()) {
            let why = format!("the newest revision of notification {} is delivered", retry.0);
            return Response::reply(Err(StorageError::Conflict(why)));
        }
        let stored = self.wait_for_settlement(context);
        Response::fut(async move { stored.await.unwrap_or(Err(StorageError::Busy)) })
    }
}

impl Handler<TestChannel> for Dispatcher {
    type Result = Response<Result<TestedChannel, StorageError>>;

    fn handle(&mut self, test: TestChannel, _: &mut Self::Context) -> Self::Result {
        let Some(Loaded { source, .. }) = &self.loaded else {
            return Response::reply(Err(StorageError::Busy));
        };
        self.next_test += 1;
        let message = source.test_message(test.state, self.next_test, unix_ms());
        let (sender, readers) = (std::rc::Rc::clone(&self.sender), self.links.readers.clone());
        Response::fut(async move {
            // From the store: a channel that was created a moment ago is not in memory yet.
            let channel = readers.ask(Ask(GetChannel(test.channel_id))).await?;
            let recipient = super::lane_settings(&channel).recipients.first().cloned();
            let message = Message { recipient, ..message };
            let began = Instant::now();
            let attempt = sender.send(&channel, &Map::new(), &message).await;
            Ok(TestedChannel { attempt, took: began.elapsed() })
        })
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
