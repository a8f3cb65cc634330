//! Publishes services to the live state, and forwards queries to it.

use actix::prelude::*;

use super::Recorder;
use crate::actors::messages::live::{
    FindServices, GetOverview, OpenStream, Overview, ServicesDefined, StreamReply,
};
use crate::domain::ServiceId;
use crate::domain::live::{LiveService, ServiceList, ServiceUpdate};
use crate::storage::StorageError;

impl Recorder {
    /// Publishes what a commit changed of services.
    pub(super) fn publish_updates(
        &mut self,
        updates: Vec<(ServiceId, ServiceUpdate)>,
        context: &mut Context<Self>,
    ) {
        self.live.updates.add(updates);
        self.send_updates(context);
    }

    fn send_updates(&mut self, context: &mut Context<Self>) {
        let Some(updates) = self.live.updates.next_notice() else { return };
        let sent = self.live.recipients.updated.send(updates).into_actor(self);
        context.spawn(sent.map(|_, recorder, context| {
            recorder.live.updates.arrived();
            recorder.send_updates(context);
        }));
    }

    /// After a write that may have changed other services than it was about.
    pub(super) fn publish_all(&mut self, services: Option<Vec<LiveService>>) {
        if let Some(services) = services {
            self.service_changes.note_all();
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
