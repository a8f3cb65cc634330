//! Publishes the events of each commit to the subscribers.

use std::sync::Arc;

use actix::Recipient;
use slog::{Logger, warn};

use crate::actors::messages::recording::{EventsBegan, NamedEvent};
use crate::actors::runtime::Runtime;
use crate::metrics::Telemetry;

/// A receiver of events. It limits its mailbox (`set_mailbox_capacity`); that limit holds only
/// because every notice is sent through this one recipient: each clone may exceed it by one.
pub struct EventSubscriber {
    /// The label of the metric.
    name: &'static str,
    recipient: Recipient<EventsBegan>,
    has_warned: bool,
}

impl EventSubscriber {
    pub fn new(name: &'static str, recipient: Recipient<EventsBegan>) -> Self {
        Self { name, recipient, has_warned: false }
    }
}

/// Sends one notice a commit to each subscriber and never waits: a full mailbox drops the notice,
/// which is counted, and logged the first time.
pub(super) struct EventPublisher {
    subscribers: Vec<EventSubscriber>,
    telemetry: Telemetry,
    log: Logger,
}

impl EventPublisher {
    pub fn new(subscribers: Vec<EventSubscriber>, runtime: &Runtime) -> Self {
        let telemetry = runtime.telemetry.clone();
        for subscriber in &subscribers {
            telemetry.events_not_delivered(subscriber.name, 0);
        }
        Self { subscribers, telemetry, log: runtime.log.clone() }
    }

    pub fn publish(&mut self, events: &Arc<[NamedEvent]>) {
        if events.is_empty() {
            return;
        }
        for subscriber in &mut self.subscribers {
            if subscriber.recipient.try_send(EventsBegan(Arc::clone(events))).is_ok() {
                continue;
            }
            self.telemetry.events_not_delivered(subscriber.name, events.len());
            if !std::mem::replace(&mut subscriber.has_warned, true) {
                warn!(self.log, "a subscriber is too slow; events are not delivered to it";
                    "subscriber" => subscriber.name, "events" => events.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use actix::prelude::*;

    use super::*;
    use crate::domain::{EventBegan, ServiceId, State};

    const CAPACITY: usize = 8;

    /// Counts the notices it receives, unless it never reads.
    struct Subscriber {
        received: Arc<AtomicUsize>,
        reads: bool,
    }

    impl Actor for Subscriber {
        type Context = Context<Self>;

        fn started(&mut self, context: &mut Self::Context) {
            context.set_mailbox_capacity(CAPACITY);
            if !self.reads {
                context.wait(pending::<()>().into_actor(self));
            }
        }
    }

    impl Handler<EventsBegan> for Subscriber {
        type Result = ();

        fn handle(&mut self, _: EventsBegan, _: &mut Self::Context) {
            self.received.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn began(services: i64) -> Arc<[NamedEvent]> {
        let event = |id| {
            let service_id = ServiceId::new(id).unwrap();
            let (before, known_before, failure) = (None, None, None);
            let event = EventBegan { service_id, state: State::Up, before, known_before, failure };
            NamedEvent { name: None, event }
        };
        (1..=services).map(event).collect()
    }

    #[test]
    fn a_subscriber_that_never_reads_holds_nothing_back_and_its_mailbox_stays_bounded() {
        System::new().block_on(async {
            let telemetry = Telemetry::new();
            let log = Logger::root(slog::Discard, slog::o!());
            let (runtime, _deaths) = Runtime::new(telemetry.clone(), log);
            let received = Arc::new(AtomicUsize::new(0));
            let subscriber = |reads| Subscriber { received: Arc::clone(&received), reads }.start();
            let subscribers = vec![
                EventSubscriber::new("stuck", subscriber(false).recipient()),
                EventSubscriber::new("reader", subscriber(true).recipient()),
            ];
            let mut publisher = EventPublisher::new(subscribers, &runtime);
            tokio::task::yield_now().await;
            let events = began(10);
            for _ in 0..100 {
                publisher.publish(&events);
                tokio::task::yield_now().await;
            }
            assert_eq!(received.load(Ordering::Relaxed), 100, "the other subscriber gets all");
            let held = Arc::strong_count(&events) - 1;
            assert!((1..=CAPACITY + 1).contains(&held), "{held} notices are in the mailbox");
            let dropped = (100 - held) * 10;
            let metrics = telemetry.expose(Vec::new(), crate::metrics::Format::Plain).unwrap();
            let line = |subscriber, count| {
                format!(
                    "service_healthcheck_events_not_delivered_total\
                     {{subscriber=\"{subscriber}\"}} {count}\n"
                )
            };
            assert!(metrics.contains(&line("stuck", dropped)), "{metrics}");
            assert!(metrics.contains(&line("reader", 0)), "{metrics}");
        });
    }

    #[test]
    fn a_commit_without_events_sends_no_notice() {
        System::new().block_on(async {
            let log = Logger::root(slog::Discard, slog::o!());
            let (runtime, _deaths) = Runtime::new(Telemetry::new(), log);
            let received = Arc::new(AtomicUsize::new(0));
            let subscriber = Subscriber { received: Arc::clone(&received), reads: true }.start();
            let subscriber = EventSubscriber::new("reader", subscriber.recipient());
            let mut publisher = EventPublisher::new(vec![subscriber], &runtime);
            publisher.publish(&began(0));
            publisher.publish(&began(1));
            tokio::task::yield_now().await;
            assert_eq!(received.load(Ordering::Relaxed), 1);
        });
    }
}
