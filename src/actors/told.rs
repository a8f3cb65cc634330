//! What the log says of events.

use slog::{Logger, debug, info, warn};

use crate::domain::State;
use crate::storage::ledger::Began;

/// One line for an event that began at the service called `name`. Those that our own outage makes are told to who debugs only:
/// the outage itself has one line for all of them.
pub fn event(log: &Logger, name: &str, began: &Began) {
    let id = began.service_id.get();
    match (began.state, began.before) {
        (State::Up, None) => info!(log, "service is up"; "service_id" => id, "name" => name),
        (State::Up, Some(State::Unknown)) => {
            debug!(log, "service is known to be up again"; "service_id" => id, "name" => name);
        }
        (State::Up, Some(_)) => info!(log, "service came up"; "service_id" => id, "name" => name),
        (State::Unknown, _) => {
            debug!(log, "service is unknown"; "service_id" => id, "name" => name);
        }
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
