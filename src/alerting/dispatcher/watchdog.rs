//! Calls a URL while the monitor is ready, so that another system notices its end.

use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use serde_json::{Map, json};
use slog::{info, warn};

use super::Dispatcher;
use crate::clock::unix_ms;
use crate::domain::Origin;
use crate::domain::alert::settings::Watchdog;
use crate::domain::alert::{Attempt, Channel, ChannelOptions, NotificationState};

impl Dispatcher {
    /// Replaces the watchdog; the first call is made at once.
    pub(super) fn set_watchdog(&mut self, watchdog: Option<Watchdog>, context: &mut Context<Self>) {
        if self.watchdog.watchdog == watchdog {
            return;
        }
        if let Some(timer) = self.watchdog.timer.take() {
            context.cancel_future(timer);
        }
        let Some(interval) = watchdog.as_ref().map(|watchdog| watchdog.interval) else {
            self.watchdog.watchdog = None;
            return;
        };
        self.watchdog.watchdog = watchdog;
        // The store was read by then, unless it fails.
        self.watchdog.timer =
            Some(context.run_later(Duration::from_secs(1), move |this, context| {
                this.call_watchdog(context);
                let timer =
                    context.run_interval(interval, |this, context| this.call_watchdog(context));
                this.watchdog.timer = Some(timer);
            }));
    }

    fn call_watchdog(&mut self, context: &mut Context<Self>) {
        let Some(watchdog) = &self.watchdog.watchdog else { return };
        let Some(loaded) = &self.loaded else { return };
        if !self.own.is_ready() || self.is_stopping {
            return;
        }
        let keys = json!({"url": watchdog.url.as_written(), "method": "GET"});
        let channel = Channel {
            id: 0,
            name: "watchdog".to_owned(),
            kind: "custom".to_owned(),
            origin: Origin::File,
            enabled: true,
            options: ChannelOptions {
                keys: keys.as_object().cloned().unwrap_or_default(),
                ..ChannelOptions::default()
            },
            failing_since_ms: None,
        };
        let now_ms = unix_ms();
        let message = loaded.source.test_message(NotificationState::Firing, 0, now_ms);
        let sender = Rc::clone(&self.sender);
        let call = async move { sender.send(&channel, &Map::new(), &message).await };
        let called = call.into_actor(self);
        context.spawn(called.map(|attempt, this, _| this.watchdog_called(&attempt)));
    }

    fn watchdog_called(&mut self, attempt: &Attempt) {
        let failed = match attempt {
            Attempt::Delivered { .. } => None,
            Attempt::ChannelFailed { error, .. } | Attempt::MessageRefused { error, .. } => {
                Some(error)
            }
        };
        let before = std::mem::replace(&mut self.watchdog.has_failed, failed.is_some());
        match failed {
            Some(error) if !before => {
                warn!(self.log, "the watchdog could not be called"; "error" => error);
            }
            None if before => info!(self.log, "the watchdog is called again"),
            _ => {}
        }
    }
}
