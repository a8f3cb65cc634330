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
    pub fn spawn(runtime: &Runtime) -> Addr<Self> {
        let (log, lifeline) = (runtime.log.clone(), runtime.lifeline("event log"));
        Self::create(|context| {
            context.set_mailbox_capacity(MAILBOX_CAPACITY);
            Self { log, _lifeline: lifeline }
        })
    }
}

impl Actor for EventLog {
    type Context = Context<Self>;
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
    let name = name.as_ref().map(ToString::to_string).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use slog::Drain;

    use super::*;
    use crate::domain::{EventBegan, ServiceId};
    use crate::metrics::Telemetry;

    const EVENTS_A_COMMIT: usize = 4_096;
    const FIRST_RESULTS: usize = 500_000;

    /// Counts the lines.
    struct Counter(Arc<AtomicUsize>);

    impl Drain for Counter {
        type Ok = ();
        type Err = slog::Never;

        fn log(&self, _: &slog::Record<'_>, _: &slog::OwnedKVList) -> Result<(), slog::Never> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    #[test]
    fn the_first_results_of_half_a_million_services_are_logged_even_if_all_commits_come_at_once() {
        System::new().block_on(async {
            let lines = Arc::new(AtomicUsize::new(0));
            let log = Logger::root(Counter(Arc::clone(&lines)), slog::o!());
            let (runtime, _deaths) = Runtime::new(Telemetry::new(), log);
            let subscriber: Recipient<EventsBegan> = EventLog::spawn(&runtime).recipient();
            let service_id = ServiceId::new(1).unwrap();
            let (before, known_before, failure) = (None, None, None);
            let event = EventBegan { service_id, state: State::Up, before, known_before, failure };
            let event = NamedEvent { name: None, event };
            let commit: Arc<[NamedEvent]> = vec![event; EVENTS_A_COMMIT].into();
            let commits = FIRST_RESULTS.div_ceil(EVENTS_A_COMMIT);
            for _ in 0..commits {
                subscriber.try_send(EventsBegan(Arc::clone(&commit))).unwrap();
            }
            tokio::task::yield_now().await;
            assert_eq!(lines.load(Ordering::Relaxed), commits * EVENTS_A_COMMIT);
        });
    }
}
