//! What the live state is sent, and when. Carried by [`publishing`](super::publishing).

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use tokio::sync::oneshot;

use crate::actors::messages::live::{
    AlertsChanged, LiveRecipients, MaintenanceChanged, ServicesDefined, ServicesUpdated,
};
use crate::actors::revision::Revision;
use crate::domain::ServiceId;
use crate::domain::live::ServiceUpdate;

/// What the live state has not been sent yet.
pub(super) struct LivePublisher {
    pub recipients: LiveRecipients,
    pub updates: Updates,
    /// Incremented by the writer with each write.
    written: Revision,
    /// The newest write of which the live state has received the notice.
    seen: u64,
    /// Queries that wait for the end of a write that is in the store already. Bound: one a
    /// connection.
    waiting: Vec<oneshot::Sender<()>>,
}

/// What commits changed and the live state has not been sent. Bound: one entry a service.
#[derive(Debug, Default)]
pub(super) struct Updates {
    waiting: HashMap<ServiceId, ServiceUpdate>,
    is_under_way: bool,
}

impl Updates {
    pub fn add(&mut self, updates: Vec<(ServiceId, ServiceUpdate)>) {
        for (id, update) in updates {
            match self.waiting.entry(id) {
                Occupied(mut known) => known.get_mut().merge(update),
                Vacant(vacant) => _ = vacant.insert(update),
            }
        }
    }

    /// What waits, whether or not a notice is under way.
    fn take(&mut self) -> Option<ServicesUpdated> {
        let waiting = std::mem::take(&mut self.waiting);
        (!waiting.is_empty()).then(|| ServicesUpdated(waiting.into_iter().collect()))
    }

    /// The next notice, which is under way until [`arrived`](Self::arrived).
    pub fn next_notice(&mut self) -> Option<ServicesUpdated> {
        let next = if self.is_under_way { None } else { self.take() };
        self.is_under_way |= next.is_some();
        next
    }

    pub fn arrived(&mut self) {
        self.is_under_way = false;
    }
}

impl LivePublisher {
    pub fn new(recipients: LiveRecipients, written: Revision) -> Self {
        Self {
            recipients,
            updates: Updates::default(),
            seen: written.current(),
            written,
            waiting: Vec::new(),
        }
    }

    /// Publishes changed and removed services, after the updates before them.
    pub fn define(&mut self, defined: ServicesDefined) {
        self.flush();
        self.recipients.defined.do_send(defined);
    }

    /// Publishes the updates although others are under way.
    fn flush(&mut self) {
        if let Some(updates) = self.updates.take() {
            self.recipients.updated.do_send(updates);
        }
    }

    pub fn alerts_changed(&self, services: Vec<ServiceId>) {
        if !services.is_empty() {
            self.recipients.alerted.do_send(AlertsChanged(services));
        }
    }

    pub fn maintenance_changed(&self) {
        self.recipients.planned.do_send(MaintenanceChanged);
    }

    /// The end of a write is published.
    pub fn write_published(&mut self) {
        self.seen = self.written.current();
        if !self.waiting.is_empty() {
            self.flush();
        }
        for query in self.waiting.drain(..) {
            // The client may have gone.
            let _ = query.send(());
        }
    }

    /// The writer has died.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// A future that ends when every write that the store shows is published.
    pub fn published(&mut self) -> impl Future<Output = ()> + use<> {
        self.flush();
        let waits = (self.written.current() != self.seen).then(oneshot::channel);
        let end = waits.map(|(end, ended)| {
            self.waiting.push(end);
            ended
        });
        async move {
            if let Some(end) = end {
                // An error means that the writer has died; the process ends.
                let _ = end.await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::State;
    use crate::domain::live::{LastResult, NewestEvent};

    fn update(since_ms: Option<i64>, at_ms: i64) -> ServiceUpdate {
        let event =
            since_ms.map(|since_ms| NewestEvent { state: State::Up, since_ms, failure: None });
        let result = Some(LastResult { state: State::Up, at_ms, response_time_us: 1 });
        ServiceUpdate { event, is_flapping: false, result, totals: None }
    }

    #[test]
    fn one_notice_is_under_way_and_what_follows_is_merged_by_service() {
        let [one, other] = [1, 2].map(|id| ServiceId::new(id).unwrap());
        let mut updates = Updates::default();
        assert!(updates.next_notice().is_none());
        updates.add(vec![(one, update(Some(1), 1))]);
        assert_eq!(updates.next_notice().unwrap().0, [(one, update(Some(1), 1))]);
        for at_ms in 2..1_000 {
            updates.add(vec![(one, update((at_ms == 5).then_some(5), at_ms))]);
            updates.add(vec![(other, update(None, at_ms))]);
            assert!(updates.next_notice().is_none(), "a notice is under way");
        }
        updates.arrived();
        let mut next = updates.next_notice().unwrap().0;
        next.sort_by_key(|(id, _)| *id);
        assert_eq!(next, [(one, update(Some(5), 999)), (other, update(None, 999))]);
        updates.add(vec![(one, update(None, 1_000))]);
        assert_eq!(updates.take().unwrap().0.len(), 1, "before a change of a service");
        assert!(updates.take().is_none() && updates.next_notice().is_none());
    }
}
