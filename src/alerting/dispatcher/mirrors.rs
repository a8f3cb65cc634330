//! Channels that mirror the alerts: what they are sent, and the requests.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Instant;

use actix::prelude::*;
use futures_util::FutureExt;
use slog::{info, warn};

use super::Dispatcher;
use crate::actors::messages::store::Ask;
use crate::alerting::mirror::{Identity, Mirror, Push};
use crate::alerting::sender::Sender;
use crate::clock::unix_ms;
use crate::domain::alert::engine::{Engine, Mirrored};
use crate::domain::alert::{Alert, Attempt, Channel, ChannelId, DeliveryOutcome};
use crate::storage::alerting::GetAlerts;

/// Bounds: [`Mirror::LIMIT`] a channel; one request a URL.
#[derive(Default)]
pub struct Mirrors {
    channels: HashMap<ChannelId, MirrorChannel>,
    /// Of the open alerts that a channel shows.
    identities: HashMap<i64, Identity>,
    /// Changes of alerts that are not stored yet.
    unsettled: Vec<Mirrored>,
}

struct MirrorChannel {
    channel: Rc<Channel>,
    mirror: Mirror,
    /// Whether the newest request to each URL failed.
    fails: Vec<bool>,
}

impl MirrorChannel {
    fn new(channel: Rc<Channel>, sender: &Sender) -> Self {
        // Without valid settings, each request fails, and says why.
        let settings = sender.alertmanager(&channel).ok();
        let urls = settings.as_ref().map_or(1, |settings| settings.endpoints.len());
        let watchdog = settings.is_some_and(|settings| settings.watchdog);
        Self { channel, mirror: Mirror::new(urls, watchdog), fails: vec![false; urls] }
    }
}

impl Mirrors {
    /// Takes over the channels as they are defined now. Whether one of them is new or has changed,
    /// and has to be told of all alerts that fire.
    pub fn set_channels(
        &mut self,
        channels: &HashMap<ChannelId, Rc<Channel>>,
        sender: &Sender,
    ) -> bool {
        let mut before = std::mem::take(&mut self.channels);
        let mut is_new = false;
        for (id, channel) in channels {
            if channel.kind != "alertmanager" || !channel.enabled {
                continue;
            }
            let kept = before.remove(id).filter(|old| old.channel.options == channel.options);
            let mirror = kept.unwrap_or_else(|| {
                is_new = true;
                MirrorChannel::new(Rc::clone(channel), sender)
            });
            self.channels.insert(*id, mirror);
        }
        is_new
    }

    /// Takes changes that the settlement under way stores.
    pub fn settling(&mut self, changes: Vec<Mirrored>) {
        self.unsettled.extend(changes);
    }

    /// The changes are stored, so the alerts can be read.
    pub fn settled(&mut self, engine: &Engine) {
        for change in std::mem::take(&mut self.unsettled) {
            match change {
                Mirrored::Begins { channel_id, alert_id } => {
                    // One that has ended meanwhile is not shown.
                    let Some(alert) = engine.alert(alert_id) else { continue };
                    let Some(channel) = self.channels.get_mut(&channel_id) else { continue };
                    let subject = &alert.subject;
                    let identity =
                        Identity::new(&subject.name, subject.group.as_deref(), alert.kind);
                    if channel.mirror.began(identity, alert_id, false) {
                        self.identities.insert(alert_id, identity);
                    }
                }
                Mirrored::Ends { alert_id, at_ms } => {
                    let Some(identity) = self.identities.remove(&alert_id) else { continue };
                    for channel in self.channels.values_mut() {
                        channel.mirror.ended(identity, at_ms);
                    }
                }
            }
        }
    }

    fn next_push(&mut self, now_ms: i64) -> Option<(Rc<Channel>, Push)> {
        self.channels.values_mut().find_map(|it| {
            let push = it.mirror.next_push(now_ms)?;
            Some((Rc::clone(&it.channel), push))
        })
    }

    /// Takes a result over. Whether the URL works, when that has changed.
    fn pushed(&mut self, channel: &Channel, push: &Push, works: bool, now_ms: i64) -> Option<bool> {
        let it = self.channels.get_mut(&channel.id)?;
        // A changed channel has a new mirror, which waits for no result.
        if it.channel.options != channel.options {
            return None;
        }
        let fails = it.fails.get_mut(push.url)?;
        let has_changed = std::mem::replace(fails, !works) == works;
        it.mirror.pushed(push, works, now_ms);
        has_changed.then_some(works)
    }
}

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
                warn!(self.log, "channel failed; alerts are pushed again"; "channel" => &channel.name,
                    "url_number" => url, "error" => error);
            }
            None => {}
        }
    }
}
