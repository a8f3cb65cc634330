//! The actor that owns the overview, on an arbiter of its own.

use std::time::Instant;

use actix::prelude::*;

use crate::actors::access_registry::AccessRegistry;
use crate::actors::current_windows::CurrentWindows;
use crate::actors::messages::live;
use crate::actors::messages::live::{
    AlertsChanged, CloseStreams, FindServices, GetOverview, LiveRecipients, MaintenanceChanged,
    OpenStream, ServicesDefined, ServicesUpdated, StreamReply,
};
use crate::actors::open_alerts::OpenAlerts;
use crate::actors::runtime::{Lifeline, Runtime};
use crate::clock::unix_ms;
use crate::domain::PageRequest;
use crate::domain::live::{LiveService, ServiceFilter, ServiceList, ServiceOrder, StateFilter};
use crate::live::overview::Overview;
use crate::live::streams::Streams;
use crate::live::subscribers::FLUSH_EVERY;
use crate::storage::StorageError;

/// Bounds: those of the [`Overview`]; one notice of results, and one of each change of a service,
/// which wait for their answer; a query of HTTP a connection; those of [`Streams`].
pub struct LiveState {
    overview: Overview,
    windows: CurrentWindows,
    /// When the services under maintenance were found, and when they may change, in unix
    /// milliseconds.
    planned: (i64, Option<i64>),
    streams: Streams,
    /// The timer of the streams; `None` while there are none, so that the thread sleeps.
    flushing: Option<SpawnHandle>,
    _lifeline: Lifeline,
}

impl LiveState {
    /// Starts the actor on `arbiter` with all services. They are taken in before it returns, so
    /// that what is allocated next takes the place of their texts.
    pub fn spawn(
        arbiter: &ArbiterHandle,
        services: Vec<LiveService>,
        (windows, access, alerts): (CurrentWindows, AccessRegistry, OpenAlerts),
        max_streams: usize,
        runtime: &Runtime,
    ) -> Addr<Self> {
        let lifeline = runtime.lifeline("live state");
        let streams = Streams::new(max_streams, (access, alerts), runtime.telemetry.clone());
        let now_ms = unix_ms();
        let overview = Overview::of(now_ms.unsigned_abs(), services, now_ms);
        Self::start_in_arbiter(arbiter, move |_| {
            let planned = (0, None);
            let flushing = None;
            let mut live =
                Self { overview, windows, planned, streams, flushing, _lifeline: lifeline };
            live.plan(now_ms);
            live
        })
    }

    /// The actor by the messages that the recorder sends.
    pub fn recipients(live: &Addr<Self>) -> LiveRecipients {
        LiveRecipients {
            updated: live.clone().recipient(),
            defined: live.clone().recipient(),
            alerted: live.clone().recipient(),
            planned: live.clone().recipient(),
            find: live.clone().recipient(),
            overview: live.clone().recipient(),
            open: live.clone().recipient(),
        }
    }

    /// Finds the services under maintenance.
    fn plan(&mut self, now_ms: i64) {
        let windows = self.windows.get();
        self.planned = (now_ms, windows.next_change(now_ms));
        self.overview.plan(windows, now_ms);
    }

    /// Sends what is due to the streams, until there are none.
    fn flush(&mut self, context: &mut Context<Self>) {
        self.plan_if_due();
        self.streams.flush(&self.overview, Instant::now(), unix_ms());
        if self.streams.is_empty()
            && let Some(flushing) = self.flushing.take()
        {
            context.cancel_future(flushing);
        }
    }

    /// Finds the services under maintenance if they may have changed, or if the clock was set back.
    fn plan_if_due(&mut self) {
        let (now_ms, (planned_ms, next_ms)) = (unix_ms(), self.planned);
        if now_ms < planned_ms || next_ms.is_some_and(|next_ms| next_ms <= now_ms) {
            self.plan(now_ms);
        }
    }
}

impl Actor for LiveState {
    type Context = Context<Self>;
}

impl Handler<ServicesUpdated> for LiveState {
    type Result = ();

    fn handle(&mut self, ServicesUpdated(updates): ServicesUpdated, _: &mut Self::Context) {
        self.overview.update(updates);
    }
}

impl Handler<ServicesDefined> for LiveState {
    type Result = ();

    fn handle(&mut self, defined: ServicesDefined, _: &mut Self::Context) {
        match defined {
            ServicesDefined::Changed(services) => self.overview.define(services, unix_ms()),
            ServicesDefined::All(services) => self.overview.replace(services, unix_ms()),
        }
    }
}

impl Handler<AlertsChanged> for LiveState {
    type Result = ();

    fn handle(&mut self, AlertsChanged(services): AlertsChanged, _: &mut Self::Context) {
        self.overview.alerts_changed(services);
    }
}

impl Handler<MaintenanceChanged> for LiveState {
    type Result = ();

    fn handle(&mut self, _: MaintenanceChanged, _: &mut Self::Context) {
        self.plan(unix_ms());
    }
}

impl Handler<FindServices> for LiveState {
    type Result = Result<ServiceList, StorageError>;

    fn handle(&mut self, find: FindServices, _: &mut Self::Context) -> Self::Result {
        self.plan_if_due();
        Ok(self.overview.find(&find.filter, find.order, find.page))
    }
}

impl Handler<GetOverview> for LiveState {
    type Result = Result<live::Overview, StorageError>;

    fn handle(&mut self, get: GetOverview, _: &mut Self::Context) -> Self::Result {
        self.plan_if_due();
        let filter = ServiceFilter {
            state: Some(StateFilter::Trouble),
            groups: get.groups,
            ..ServiceFilter::default()
        };
        let page = PageRequest { page: 1, limit: get.trouble };
        let trouble = self.overview.find(&filter, ServiceOrder::Attention, page);
        Ok(live::Overview {
            moment: trouble.moment,
            counts: self.overview.counts(&filter.groups),
            groups: self.overview.groups(&filter.groups),
            trouble: trouble.ids,
        })
    }
}

impl Handler<OpenStream> for LiveState {
    type Result = Result<StreamReply, StorageError>;

    fn handle(&mut self, open: OpenStream, context: &mut Self::Context) -> Self::Result {
        self.plan_if_due();
        let reply = self.streams.open(open, &self.overview, Instant::now(), unix_ms());
        if self.flushing.is_none() && reply == StreamReply::Opened {
            self.flushing = Some(context.run_interval(FLUSH_EVERY, Self::flush));
        }
        Ok(reply)
    }
}

impl Handler<CloseStreams> for LiveState {
    type Result = ();

    fn handle(&mut self, _: CloseStreams, _: &mut Self::Context) {
        self.streams.close();
    }
}
