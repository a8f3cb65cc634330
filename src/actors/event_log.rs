//! Logs the events of each commit: the first subscriber of the recorder's events.

use actix::prelude::*;
use slog::{Logger, debug, info, warn};

use crate::actors::messages::recording::{EventsBegan, NamedEvent};
use crate::actors::runtime::{Lifeline, Runtime};
use crate::domain::State;

/// Most notices in the mailbox, one a commit. A commit has at most 4,096 events, so the first
/// results of 500,000 services fit in, even if none was logged meanwhile.
const MAILBOX_CAPACITY: usize = 128;

pub struct EventLog {
    log: Logger,
    _lifeline: Lifeline,
}

impl EventLog {
    pub fn new(runtime: &Runtime) -> Self {
        Self { log: runtime.log.clone(), _lifeline: runtime.lifeline("event log") }
    }
}

impl Actor for EventLog {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX_CAPACITY);
    }
}

impl Handler<EventsBegan> for EventLog {
    type Result = ();

    fn handle(&mut self, EventsBegan(events): EventsBegan, _: &mut Self::Context) {
        for event in events.iter() {
            log_event(&self.log, event);
        }
    }
}

/// One line an event. An event that only ends a loss of the local network is logged for debugging:
/// that loss has one line for all services.
fn log_event(log: &Logger, NamedEvent { name, event }: &NamedEvent) {
    let id = event.service_id.get();
    let name = name.as_ref().map_or("", |name| name.as_str());
    let is_as_before = matches!(event.before, Some(State::Unknown | State::Paused))
        && event.known_before == Some(event.state);
    match (event.state, event.known_before) {
        (State::Unknown | State::Paused, _) => {
            debug!(log, "service is unknown"; "service_id" => id, "name" => name);
        }
        (state, _) if is_as_before => {
            debug!(log, "service is known again"; "service_id" => id, "name" => name,
                "event" => state.event());
        }
        (State::Up, None) => info!(log, "service is up"; "service_id" => id, "name" => name),
        (State::Up, Some(_)) => info!(log, "service came up"; "service_id" => id, "name" => name),
        (State::Down, before) => {
            let failure = event.failure.as_ref();
            let reason = failure.map_or("", |failure| failure.reason.as_str());
            let detail = failure.map_or("", |failure| failure.detail.as_str());
            let message = if before.is_none() { "service is down" } else { "service went down" };
            warn!(log, "{}", message; "service_id" => id, "name" => name,
                "reason" => reason, "detail" => detail);
        }
    }
}
