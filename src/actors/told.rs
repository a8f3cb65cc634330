//! What the log says of events.

use slog::{Logger, debug, info, warn};

use crate::domain::EventBegan;
use crate::domain::State;

/// One line for an event that began at the service called `name`. What only ends an outage of ours is told to who debugs: the
/// outage itself has one line for all services.
pub fn event(log: &Logger, name: &str, began: &EventBegan) {
    let id = began.service_id.get();
    let is_as_before = matches!(began.before, Some(State::Unknown | State::Paused))
        && began.known_before == Some(began.state);
    match (began.state, began.known_before) {
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
            let failure = began.failure.as_ref();
            let reason = failure.map_or("", |failure| failure.reason.as_str());
            let detail = failure.map_or("", |failure| failure.detail.as_str());
            let told = if before.is_none() { "service is down" } else { "service went down" };
            warn!(log, "{}", told; "service_id" => id, "name" => name,
                "reason" => reason, "detail" => detail);
        }
    }
}
