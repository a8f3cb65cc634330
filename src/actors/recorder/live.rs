//! Publishes services to the live state, and forwards queries to it.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::Recorder;
use crate::actors::messages::live::{
    FindServices, GetOverview, LiveRecipients, MaintenanceChanged, OpenStream, Overview,
    ServicesDefined, ServicesUpdated, StreamReply,
};
use crate::actors::revision::Revision;
use crate::domain::ServiceId;
use crate::domain::live::{LiveService, ServiceList, ServiceUpdate};
use crate::storage::StorageError;

/// What the live state has not been sent yet.
pub(super) struct LivePublisher {
    recipients: LiveRecipients,
    /// Bound: one entry a service.
    updates: HashMap<ServiceId, ServiceUpdate>,
    is_under_way: bool,
    /// Incremented by the writer with each write.
    written: Revision,
    /// Up to here, the live state was told of the writes.
    seen: u64,
    /// Queries that wait for the end of a write that is in the store already. Bound: one a
    /// connection.
    waiting: Vec<oneshot::Sender<()>>,
}

impl LivePublisher {
    pub fn new(recipients: LiveRecipients, written: Revision) -> Self {
        Self {
            recipients,
            updates: HashMap::new(),
            is_under_way: false,
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
        if !self.updates.is_empty() {
            let updates = std::mem::take(&mut self.updates).into_iter().collect();
            self.recipients.updated.do_send(ServicesUpdated(updates));
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
    fn published(&mut self) -> impl Future<Output = ()> + use<> {
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

impl Recorder {
    /// Publishes what a commit changed of services.
    pub(super) fn publish_updates(
        &mut self,
        updates: Vec<(ServiceId, ServiceUpdate)>,
        context: &mut Context<Self>,
    ) {
        for (id, update) in updates {
            match self.live.updates.entry(id) {
                Occupied(mut known) => known.get_mut().merge(update),
                Vacant(vacant) => _ = vacant.insert(update),
            }
        }
        self.send_updates(context);
    }

    fn send_updates(&mut self, context: &mut Context<Self>) {
        if self.live.is_under_way || self.live.updates.is_empty() {
            return;
        }
        self.live.is_under_way = true;
        let updates = std::mem::take(&mut self.live.updates).into_iter().collect();
        let sent = self.live.recipients.updated.send(ServicesUpdated(updates)).into_actor(self);
        context.spawn(sent.map(|_, recorder, context| {
            recorder.live.is_under_way = false;
            recorder.send_updates(context);
        }));
    }

    /// After a write that may have changed other services than it was about.
    pub(super) fn publish_all(&mut self, services: Option<Vec<LiveService>>) {
        if let Some(services) = services {
            self.live.define(ServicesDefined::All(services));
        }
    }
}

fn died<E>(_: E) -> StorageError {
    StorageError::Unavailable("the live state has died".to_owned())
}

impl Handler<FindServices> for Recorder {
    type Result = ResponseFuture<Result<ServiceList, StorageError>>;

    fn handle(&mut self, find: FindServices, _: &mut Self::Context) -> Self::Result {
        let (published, live) = (self.live.published(), self.live.recipients.find.clone());
        Box::pin(async move {
            published.await;
            live.send(find).await.map_err(died)?
        })
    }
}

impl Handler<GetOverview> for Recorder {
    type Result = ResponseFuture<Result<Overview, StorageError>>;

    fn handle(&mut self, get: GetOverview, _: &mut Self::Context) -> Self::Result {
        let (published, live) = (self.live.published(), self.live.recipients.overview.clone());
        Box::pin(async move {
            published.await;
            live.send(get).await.map_err(died)?
        })
    }
}

impl Handler<OpenStream> for Recorder {
    type Result = ResponseFuture<Result<StreamReply, StorageError>>;

    fn handle(&mut self, open: OpenStream, _: &mut Self::Context) -> Self::Result {
        let (published, live) = (self.live.published(), self.live.recipients.open.clone());
        Box::pin(async move {
            published.await;
            live.send(open).await.map_err(died)?
        })
    }
}
