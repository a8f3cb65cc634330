//! Alerts of the monitor's own: what the dispatcher watches itself.

use std::collections::HashMap;
use std::rc::Rc;

use actix::prelude::*;
use serde_json::Map;
use slog::warn;

use super::watched::StoreAlert;
use super::{Dispatcher, Loaded};
use crate::actors::messages::probing::GetLateness;
use crate::actors::messages::recording::GetStoreFailure;
use crate::clock::unix_ms;
use crate::domain::alert::engine::{Env, OwnAlert};
use crate::domain::alert::{AlertKind, Attempt, Channel, ChannelId, Message, NotificationState};

/// Lateness of the scheduler from which on it is late, in milliseconds.
const LATE_MS: u128 = 5_000;

/// Milliseconds between reminders that the store still fails.
const STORE_REMINDER_MS: i64 = 3_600_000;

/// Milliseconds for which a channel fails before an alert begins.
const CHANNEL_FAILS_FOR_MS: i64 = 15 * 60_000;

impl Dispatcher {
    /// Looks at the scheduler, the store and the channels.
    pub(super) fn watch_own(&mut self, context: &mut Context<Self>) {
        let lateness = self.links.lateness.send(GetLateness).into_actor(self);
        context.spawn(lateness.map(|lateness, dispatcher, _| {
            if let Ok(lateness) = lateness {
                let is_late = lateness.as_millis() >= LATE_MS;
                dispatcher.observe_lateness(is_late, unix_ms());
            }
        }));
        let failure = self.links.store_failure.send(GetStoreFailure).into_actor(self);
        context.spawn(failure.map(|failure, dispatcher, context| {
            if let Ok(failure) = failure {
                dispatcher.observe_store(failure, unix_ms(), context);
            }
        }));
        self.watch_channels(unix_ms());
    }

    fn observe_lateness(&mut self, is_late: bool, now_ms: i64) {
        let changed = self.own.lateness.observe(is_late, now_ms);
        let Some((is_bad, since_ms)) = changed else { return };
        let detail = "the scheduler is late by 5 s or more: the machine or the pool is overloaded";
        self.set_own(AlertKind::Late, is_bad.then(|| detail.to_owned()), since_ms, Vec::new());
    }

    fn watch_channels(&mut self, now_ms: i64) {
        let Some(Loaded { engine, channels, .. }) = &self.loaded else { return };
        let before_ms = now_ms - CHANNEL_FAILS_FOR_MS;
        let mut failing = engine.failing_channels(before_ms);
        failing.extend(self.mirrors.failing(before_ms));
        let names = failing.iter().filter_map(|id| Some(channels.get(id)?.name.as_str()));
        let names: Vec<&str> = names.collect();
        let detail = format!("no message arrives at: {}", names.join(", "));
        let detail = (!failing.is_empty()).then_some(detail);
        self.set_own(AlertKind::Channel, detail, now_ms, failing);
    }

    /// Begins or ends an alert of the monitor's own.
    pub(super) fn set_own(
        &mut self,
        kind: AlertKind,
        detail: Option<String>,
        since_ms: i64,
        except: Vec<ChannelId>,
    ) {
        let Some(Loaded { engine, rules, .. }) = &mut self.loaded else { return };
        let env = Env { now_ms: unix_ms(), suppressions: rules };
        match detail {
            Some(detail) => engine.raise(&OwnAlert { kind, detail, since_ms, except }, &env),
            None => engine.clear(kind, &env),
        }
    }

    fn observe_store(&mut self, failure: Option<String>, now_ms: i64, context: &mut Context<Self>) {
        match self.own.store.observe(failure.is_some(), now_ms) {
            Some((true, since_ms)) => {
                let detail = failure.unwrap_or_default();
                let delivered = HashMap::new();
                self.own.store_alert =
                    Some(StoreAlert { since_ms, detail, ended_ms: None, delivered });
            }
            Some((false, _)) => {
                if let Some(alert) = &mut self.own.store_alert {
                    alert.ended_ms = Some(now_ms);
                }
            }
            None => {}
        }
        self.send_store_alert(now_ms, context);
    }

    fn send_store_alert(&mut self, now_ms: i64, context: &mut Context<Self>) {
        for (channel, message) in self.due_store_alerts(now_ms) {
            let (sender, state) = (Rc::clone(&self.sender), message.state);
            let request = async move {
                let attempt = sender.send(&channel, &Map::new(), &message).await;
                (channel, attempt)
            };
            let ended = request.into_actor(self);
            context.spawn(ended.map(move |(channel, attempt), dispatcher, _| {
                dispatcher.store_alert_sent(&channel, state, &attempt);
            }));
        }
    }

    /// The messages about the store that are due, each marked as delivered, so that it is not sent
    /// twice while the request is under way.
    fn due_store_alerts(&mut self, now_ms: i64) -> Vec<(Rc<Channel>, Message)> {
        let mut due = Vec::new();
        let Some(alert) = &mut self.own.store_alert else { return due };
        let Some(Loaded { engine, channels, source, .. }) = &self.loaded else { return due };
        if alert.ended_ms.is_some() && alert.delivered.is_empty() {
            self.own.store_alert = None;
            return due;
        }
        for route in engine.own_routes(AlertKind::Store, &[]) {
            let channel = channels.values().find(|channel| channel.name == route.channel);
            let Some(channel) = channel.map(Rc::clone) else { continue };
            let newest_ms = alert.delivered.get(&channel.id).copied();
            let state = match (alert.ended_ms, newest_ms) {
                (None, None) => NotificationState::Firing,
                (None, Some(ms)) if now_ms - ms >= STORE_REMINDER_MS => NotificationState::Still,
                (Some(_), Some(_)) => NotificationState::Resolved,
                (None, Some(_)) | (Some(_), None) => continue,
            };
            alert.delivered.insert(channel.id, now_ms);
            due.push((channel, alert.message(source, state, now_ms)));
        }
        due
    }

    fn store_alert_sent(&mut self, channel: &Channel, state: NotificationState, sent: &Attempt) {
        let Some(alert) = &mut self.own.store_alert else { return };
        match (sent, state) {
            (Attempt::Delivered { .. }, NotificationState::Resolved) => {
                alert.delivered.remove(&channel.id);
            }
            (Attempt::Delivered { .. }, _) => {}
            (Attempt::ChannelFailed { error, .. } | Attempt::MessageRefused { error, .. }, _) => {
                warn!(self.log, "the alert about the store did not arrive; it is tried again";
                    "channel" => &channel.name, "error" => error);
                if state != NotificationState::Resolved {
                    alert.delivered.remove(&channel.id);
                }
            }
        }
    }
}
