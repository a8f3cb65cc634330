//! State shared by the HTTP handlers.

use std::sync::Arc;

use actix::Addr;
use slog::Logger;
use tokio::sync::Semaphore;

use crate::actors::last_results::LastResults;
use crate::actors::messages::store::{Ask, MakeChange};
use crate::actors::pool::Pool;
use crate::actors::recorder::Recorder;
use crate::actors::revision::Revision;
use crate::actors::scheduler::Scheduler;
use crate::api::error::ApiError;
use crate::api::guard::Guard;
use crate::api::response_cache::ResponseCache;
use crate::domain::{Defaults, Requests, Variables};
use crate::metrics::Telemetry;
use crate::storage::port::Query;
use crate::storage::records::{Applied, Change};

/// Most concurrent responses to `/metrics`; further scrapes wait.
pub const MAX_CONCURRENT_SCRAPES: usize = 2;

/// State of the HTTP handlers; each worker thread has a clone.
#[derive(Clone)]
pub struct Api {
    /// Receives every query and every change.
    pub recorder: Addr<Recorder>,
    pub scheduler: Addr<Scheduler>,
    /// Runs on-demand probes.
    pub pool: Addr<Pool>,
    /// Read by `/metrics`.
    pub last_results: LastResults,
    pub telemetry: Telemetry,
    /// Interval and timeout of services that set none.
    pub defaults: Defaults,
    /// Values of the `${…}` variables in heartbeat tokens.
    pub variables: Variables,
    /// Whether responses show requests.
    pub requests: Requests,
    pub guard: Guard,
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// Limits concurrent responses to `/metrics`: each holds about 1 KB of text per service.
    pub scrapes: Arc<Semaphore>,
    /// Advances with each write to the store; the version of the cached responses.
    pub revision: Revision,
    pub response_cache: Arc<ResponseCache>,
    /// The access log.
    pub log: Logger,
}

impl Api {
    /// Reads from the store.
    pub async fn query<Q: Query>(&self, query: Q) -> Result<Q::Answer, ApiError> {
        Ok(self.recorder.send(Ask(query)).await??)
    }

    /// Changes a service in the store.
    pub async fn change(&self, change: Change) -> Result<Applied, ApiError> {
        Ok(self.recorder.send(MakeChange(change)).await??)
    }
}
