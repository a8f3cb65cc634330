//! Sending what is due: read the alerts, render, one request, take its result over.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use futures_util::FutureExt;
use rand::RngExt;
use serde_json::{Map, Value};
use slog::{debug, info, warn};
use tokio::sync::oneshot;

use super::{Dispatcher, Loaded};
use crate::actors::messages::store::Ask;
use crate::actors::store::readers::Readers;
use crate::clock::unix_ms;
use crate::domain::alert::engine::open::OpenNotification;
use crate::domain::alert::engine::{Env, Send};
use crate::domain::alert::{Alert, Attempt, DeliveryOutcome, Facts, Message};
use crate::domain::{Definition, ServiceId};
use crate::storage::StorageError;
use crate::storage::alerting::GetMessageParts;

/// Alerts of a digest that are read at once.
const READ_AT_ONCE: usize = 1_000;

impl Dispatcher {
    /// Begins the requests that are due and for which there is room.
    pub(super) fn send_due(&mut self, context: &mut Context<Self>) {
        if self.is_stopping {
            return;
        }
        let now_ms = unix_ms();
        while let Some(send) = self.next_send(now_ms) {
            self.begin(send, context);
        }
        let Some(loaded) = &mut self.loaded else { return };
        while let Some(channel_id) = loaded.engine.preempt(now_ms) {
            // The request may have ended.
            self.under_way.remove(&channel_id).map(|preempt| preempt.send(()));
        }
    }

    fn next_send(&mut self, now_ms: i64) -> Option<Send> {
        if self.is_cut_off {
            return None;
        }
        let Loaded { engine, rules, .. } = self.loaded.as_mut()?;
        engine.next_send(&Env { now_ms, suppressions: rules })
    }

    fn begin(&mut self, send: Send, context: &mut Context<Self>) {
        let Some(loaded) = &self.loaded else { return };
        let open = loaded.engine.notification(send.notification_id).cloned();
        let channel = loaded.channels.get(&send.channel_id).cloned();
        let (Some(open), Some(channel)) = (open, channel) else { return };
        let service_id = match open.members.as_slice() {
            [alert_id] => loaded.engine.alert(*alert_id).and_then(|alert| alert.service_id),
            _ => None,
        };
        let (readers, sender) = (self.links.readers.clone(), Rc::clone(&self.sender));
        let source = loaded.source.clone();
        let dependents = service_id.map_or(0, |id| loaded.rules.parents.blocked_by(id));
        let name = channel.name.clone();
        let began = Instant::now();
        let (preempt, preempted) = oneshot::channel();
        self.under_way.insert(send.channel_id, preempt);
        let request = async move {
            let parts = Parts::read(&readers, &open, service_id)
                .await
                .map_err(|error| format!("the alert could not be read: {error}"))?;
            let now_ms = unix_ms();
            let message = source.message(&open, &parts.alerts, &parts.reasons, send.state, now_ms);
            let message = message.ok_or_else(|| "the alert is gone".to_owned())?;
            let message = Message { dependents, ..message };
            let overrides = parts.overrides(&open);
            let request = sender.send(&channel, &overrides, &message);
            let request = AssertUnwindSafe(request).catch_unwind();
            tokio::select! {
                attempt = request => {
                    attempt.map_err(|_| "a bug of the monitor: the sender panicked".to_owned())
                }
                Ok(()) = preempted => {
                    Err("no answer in time, while other channels waited".to_owned())
                }
            }
        };
        let ended = request.into_actor(self).map(
            move |attempt: Result<Attempt, String>, dispatcher, context| {
                let attempt = attempt.unwrap_or_else(|error| Attempt::ChannelFailed {
                    http_status: None,
                    error,
                    retry_after: None,
                });
                dispatcher.ended(send, &name, attempt, began.elapsed(), context);
            },
        );
        context.spawn(ended);
    }

    fn ended(
        &mut self,
        send: Send,
        channel: &str,
        attempt: Attempt,
        took: Duration,
        context: &mut Context<Self>,
    ) {
        self.under_way.remove(&send.channel_id);
        self.log_attempt(send, channel, &attempt);
        let outcome = match &attempt {
            Attempt::Delivered { .. } => DeliveryOutcome::Delivered,
            Attempt::ChannelFailed { .. } => DeliveryOutcome::ChannelFailed,
            Attempt::MessageRefused { .. } => DeliveryOutcome::MessageRefused,
        };
        self.telemetry.alerting.attempted(channel, outcome, took);
        let Some(loaded) = &mut self.loaded else { return };
        let took_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        let jitter = rand::rng().random_range(0.5..=1.0);
        loaded.engine.attempted(send, attempt, took_ms, jitter, unix_ms());
        self.turn(context);
    }

    fn log_attempt(&self, send: Send, channel: &str, attempt: &Attempt) {
        let (id, state) = (send.notification_id, send.state.as_str());
        match attempt {
            Attempt::Delivered { .. } => {
                info!(self.log, "notification delivered"; "channel" => channel,
                    "notification_id" => id, "state" => state);
            }
            Attempt::ChannelFailed { error, .. } => {
                let is_known = self
                    .loaded
                    .as_ref()
                    .is_some_and(|loaded| loaded.engine.is_failing(send.channel_id));
                if is_known {
                    debug!(self.log, "channel still fails"; "channel" => channel,
                        "notification_id" => id, "error" => error);
                } else {
                    warn!(self.log, "channel failed; it is tried again"; "channel" => channel,
                        "notification_id" => id, "error" => error);
                }
            }
            Attempt::MessageRefused { error, .. } => {
                warn!(self.log, "notification refused; it is given up"; "channel" => channel,
                    "notification_id" => id, "error" => error);
            }
        }
    }
}

/// What a message is made of.
struct Parts {
    /// The first alerts, or the only one.
    alerts: Vec<Alert>,
    /// Of all alerts that fire, by the word of their reason.
    reasons: BTreeMap<String, u32>,
    definition: Option<Definition>,
}

impl Parts {
    async fn read(
        readers: &Readers,
        open: &OpenNotification,
        service_id: Option<ServiceId>,
    ) -> Result<Self, StorageError> {
        let mut parts = Self { alerts: Vec::new(), reasons: BTreeMap::new(), definition: None };
        for ids in open.members.chunks(READ_AT_ONCE) {
            let query = GetMessageParts { alert_ids: ids.to_vec(), service_id };
            let (alerts, definition) = readers.ask(Ask(query)).await?;
            for alert in alerts.iter().filter(|alert| alert.is_open()) {
                let reason = reason(&alert.facts, alert);
                *parts.reasons.entry(reason.to_owned()).or_default() += 1;
            }
            parts.definition = definition.or(parts.definition);
            parts.keep(alerts);
        }
        Ok(parts)
    }

    /// Keeps as many alerts as a message may name; those that fire rather than those that ended.
    fn keep(&mut self, alerts: Vec<Alert>) {
        self.alerts.extend(alerts);
        self.alerts.sort_by_key(|alert| (!alert.is_open(), alert.id));
        self.alerts.truncate(KEPT);
    }

    /// The keys that the alert's rule sets for the channel.
    fn overrides(&self, open: &OpenNotification) -> Map<String, Value> {
        let rule = open.row.terms.rule.map(usize::from);
        let rules = self.definition.as_ref().and_then(|it| it.options.alerts.as_deref());
        let rule = rules.zip(rule).and_then(|(rules, position)| rules.get(position));
        rule.map(|rule| rule.overrides.clone()).unwrap_or_default()
    }
}

/// Most alerts that a message is made of.
const KEPT: usize = 100;

fn reason<'a>(facts: &'a Facts, alert: &Alert) -> &'a str {
    if facts.reason.is_empty() { alert.kind.as_str() } else { &facts.reason }
}
