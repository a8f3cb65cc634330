//! Requests to mirrors: read the alerts, one request, take its result over.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Instant;

use actix::prelude::*;
use futures_util::FutureExt;
use slog::{info, warn};

use super::Dispatcher;
use crate::actors::messages::store::Ask;
use crate::alerting::mirror::Push;
use crate::clock::unix_ms;
use crate::domain::alert::{Alert, Attempt, Channel, DeliveryOutcome};
use crate::storage::alerting::GetAlerts;

impl Dispatcher {
    /// Begins the requests to mirrors that are due.
    pub(super) fn push_due(&mut self, context: &mut Context<Self>) {
        if self.is_stopping || self.is_cut_off || self.loaded.is_none() {
            return;
        }
        while let Some((channel, push)) = self.mirrors.next_push(unix_ms()) {
            self.push(channel, push, context);
        }
    }

    fn push(&mut self, channel: Rc<Channel>, push: Push, context: &mut Context<Self>) {
        let Some(loaded) = &self.loaded else { return };
        let (readers, sender) = (self.links.readers.clone(), Rc::clone(&self.sender));
        let source = loaded.source.clone();
        let began = Instant::now();
        let request = async move {
            let alerts: HashMap<i64, Alert> = if push.alerts.is_empty() {
                HashMap::new()
            } else {
                let ids = push.alerts.iter().map(|alert| alert.alert_id).collect();
                let alerts = readers.ask(Ask(GetAlerts(ids))).await;
                let alerts =
                    alerts.map_err(|error| format!("the alerts could not be read: {error}"));
                match alerts {
                    Ok(alerts) => alerts.into_iter().map(|alert| (alert.id, alert)).collect(),
                    Err(error) => return (channel, push, Err(error)),
                }
            };
            let now_ms = unix_ms();
            let messages = push.alerts.iter().filter_map(|mirrored| {
                let alert = alerts.get(&mirrored.alert_id)?;
                Some(source.of_alert(alert, mirrored.ended_ms, now_ms))
            });
            let messages: Vec<_> = messages.collect();
            let watchdog_of = push.watchdog.then_some(source.monitor.as_str());
            let request = sender.push_alerts(&channel, push.url, &messages, watchdog_of);
            let attempt = AssertUnwindSafe(request).catch_unwind().await;
            let attempt =
                attempt.map_err(|_| "a bug of the monitor: the sender panicked".to_owned());
            (channel, push, attempt)
        };
        let ended =
            request.into_actor(self).map(move |(channel, push, attempt), dispatcher, context| {
                let attempt = attempt.unwrap_or_else(|error: String| Attempt::ChannelFailed {
                    http_status: None,
                    error,
                    retry_after: None,
                });
                dispatcher.push_ended(&channel, &push, &attempt, began);
                dispatcher.push_due(context);
            });
        context.spawn(ended);
    }

    fn push_ended(&mut self, channel: &Channel, push: &Push, attempt: &Attempt, began: Instant) {
        let (outcome, error) = match attempt {
            Attempt::Delivered { .. } => (DeliveryOutcome::Delivered, ""),
            Attempt::ChannelFailed { error, .. } => {
                (DeliveryOutcome::ChannelFailed, error.as_str())
            }
            Attempt::MessageRefused { error, .. } => {
                (DeliveryOutcome::MessageRefused, error.as_str())
            }
        };
        self.telemetry.alerting.attempted(&channel.name, outcome, began.elapsed());
        let url = push.url + 1;
        if outcome == DeliveryOutcome::MessageRefused {
            warn!(self.log, "alerts refused"; "channel" => &channel.name, "url_number" => url,
                "error" => error);
        }
        let works = outcome != DeliveryOutcome::ChannelFailed;
        match self.mirrors.pushed(channel, push, works, unix_ms()) {
            Some(true) => {
                info!(self.log, "channel works again"; "channel" => &channel.name,
                    "url_number" => url);
            }
            Some(false) => {
                warn!(self.log, "channel failed; alerts are pushed again";
                    "channel" => &channel.name, "url_number" => url, "error" => error);
            }
            None => {}
        }
    }
}
