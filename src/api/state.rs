//! State shared by the HTTP handlers.

use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Recipient};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use slog::Logger;
use tokio::sync::{Mutex, Semaphore};
use utoipa::ToSchema;

use crate::actors::access_registry::AccessRegistry;
use crate::actors::coordinator::CurrentRoster;
use crate::actors::current_windows::CurrentWindows;
use crate::actors::last_results::LastResults;
use crate::actors::messages::alerting::{Acknowledge, RetryNotification, TestChannel};
use crate::actors::messages::live::{FindServices, GetOverview, Overview};
use crate::actors::messages::store::{
    Ask, ChangeAccess, ChangeAlerting, ChangeMaintenance, MakeChange,
};
use crate::actors::open_alerts::OpenAlerts;
use crate::actors::pool::Pool;
use crate::actors::push_keys::PushKeys;
use crate::actors::querier::Queriers;
use crate::actors::recorder::Recorder;
use crate::actors::revision::Revision;
use crate::actors::scheduler::Scheduler;
use crate::api::access::UseWriter;
use crate::api::budget::{Items, ResponseBudget};
use crate::api::certificate::CurrentCertificate;
use crate::api::error::ApiError;
use crate::api::guard::Guard;
use crate::api::module_probes::ModuleProbes;
use crate::api::response_cache::ResponseCache;
use crate::api::scrapes::Scrapes;
use crate::api::service_texts::ServiceTexts;
use crate::api::text::SharedText;
use crate::api::transport::Connections;
use crate::api::views::envelope;
use crate::api::views::service::ServiceContext;
use crate::clock::unix_ms;
use crate::domain::audit::AuditSource;
use crate::domain::live::ServiceList;
use crate::domain::{Defaults, Requests, Role, Variables};
use crate::metrics::Telemetry;
use crate::storage::access::{AccessApplied, AccessChange};
use crate::storage::alerting::{AlertingApplied, AlertingChange};
use crate::storage::coordination::owned::{Duties, OwnedShards};
use crate::storage::maintenance::{MaintenanceApplied, MaintenanceChange};
use crate::storage::port::Query;
use crate::storage::records::{Applied, Change};

/// Longest text that a worker writes itself, in bytes: it takes some 0.2 ms, and waking a thread
/// for it would take longer beside full load.
const INLINE_MAX: usize = 128 * 1024;

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
    /// Read for results of external endpoints.
    pub push_keys: PushKeys,
    /// All maintenance; read for the services that are under it.
    pub windows: CurrentWindows,
    pub open_alerts: OpenAlerts,
    pub instances: Instances,
    pub telemetry: Telemetry,
    /// Evaluate queries in PromQL.
    pub queriers: Queriers,
    /// Longest time of a query.
    pub query_timeout: Duration,
    /// `None` without `MODULES_FILE`.
    pub module_probes: Option<ModuleProbes>,
    /// Interval and timeout of services that set none.
    pub defaults: Defaults,
    /// Values of the `${…}` variables in heartbeat tokens.
    pub variables: Variables,
    /// Whether services may run plugins.
    pub has_plugins: bool,
    /// Whether responses show requests.
    pub requests: Requests,
    /// Held while a channel, a policy, a silence or a maintenance is read and changed.
    pub alerting_changes: Arc<Mutex<()>>,
    pub dispatcher: Dispatcher,
    /// A permit of each running test of a channel.
    pub channel_tests: Arc<Semaphore>,
    pub guard: Guard,
    pub pages: Pages,
    /// Name of this installation.
    pub name: Arc<str>,
    /// Tokens and sessions.
    pub access: AccessRegistry,
    pub uses: UseWriter,
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// Texts of `/metrics`.
    pub scrapes: Arc<Scrapes>,
    /// Advances with each write to the store; the version of the cached responses.
    pub revision: Revision,
    pub response_cache: Arc<ResponseCache>,
    /// Of services in lists.
    pub service_texts: Arc<ServiceTexts>,
    /// Memory of large responses.
    pub budget: ResponseBudget,
    pub connections: Connections,
    /// `None` without TLS.
    pub certificate: Option<CurrentCertificate>,
    /// The access log.
    pub log: Logger,
}

/// What is known of the instances on the same store.
#[derive(Clone)]
pub struct Instances {
    /// Of this one.
    pub role: Role,
    pub roster: CurrentRoster,
    /// The shards of this one.
    pub owned: OwnedShards,
    /// The duties of this one.
    pub duties: Duties,
    /// Whether the store may have several.
    pub has_several: bool,
    /// When this one started, in unix milliseconds.
    pub started_at_ms: i64,
}

/// The pages beside the API.
#[derive(Debug, Clone, Copy)]
pub struct Pages {
    /// Adds their routes.
    pub routes: fn(&mut web::ServiceConfig),
    /// The page for a request that the guard refused; `None` for a request of the API.
    pub refusal: fn(&HttpRequest, &ApiError) -> Option<HttpResponse>,
}

/// The dispatcher of alerting, by the messages of HTTP.
#[derive(Clone)]
pub struct Dispatcher {
    pub test: Recipient<TestChannel>,
    pub acknowledge: Recipient<Acknowledge>,
    pub retry: Recipient<RetryNotification>,
}

impl Api {
    /// Reads from the store.
    pub async fn query<Q: Query>(&self, query: Q) -> Result<Q::Answer, ApiError> {
        Ok(self.recorder.send(Ask(query)).await??)
    }

    /// A page of the services that match, from the live state.
    pub async fn find(&self, find: FindServices) -> Result<ServiceList, ApiError> {
        Ok(self.recorder.send(find).await??)
    }

    /// Counts of all services, and those that need attention.
    pub async fn overview(&self, get: GetOverview) -> Result<Overview, ApiError> {
        Ok(self.recorder.send(get).await??)
    }

    /// Where the changes of a request come from.
    pub fn source(&self, request: &HttpRequest) -> AuditSource {
        self.guard.audit_source(request)
    }

    /// Changes a service in the store.
    pub async fn change(&self, change: Change, source: AuditSource) -> Result<Applied, ApiError> {
        Ok(self.recorder.send(MakeChange { change, source }).await??)
    }

    /// Changes a channel, a policy or a silence in the store.
    pub async fn change_alerting(
        &self,
        change: AlertingChange,
        source: AuditSource,
    ) -> Result<AlertingApplied, ApiError> {
        Ok(self.recorder.send(ChangeAlerting { change, source }).await??)
    }

    /// Changes tokens or sessions in the store; the change holds for every later request.
    pub async fn change_access(
        &self,
        change: AccessChange,
        source: AuditSource,
    ) -> Result<AccessApplied, ApiError> {
        Ok(self.recorder.send(ChangeAccess { change, source }).await??)
    }

    /// What services are shown with now.
    pub fn service_context(&self) -> ServiceContext {
        ServiceContext {
            defaults: self.defaults,
            requests: self.requests,
            windows: self.windows.get(),
            now_ms: unix_ms(),
        }
    }

    /// Changes a maintenance in the store.
    pub async fn change_maintenance(
        &self,
        change: MaintenanceChange,
        source: AuditSource,
    ) -> Result<MaintenanceApplied, ApiError> {
        Ok(self.recorder.send(ChangeMaintenance { change, source }).await??)
    }

    /// The text of a large response: `view` of the answer to `query`, with at most `count` items of
    /// `kind`. Its memory is reserved before it is computed; long JSON is written on a blocking
    /// thread, so that the other requests of this worker continue.
    pub async fn text<Q: Query, D: Serialize + ToSchema>(
        &self,
        (kind, count): (Items, usize),
        query: Q,
        view: impl FnOnce(Q::Answer) -> D + Send + 'static,
    ) -> Result<SharedText, ApiError> {
        self.text_of((kind, count), self.query(query), view).await
    }

    /// As [`text`](Self::text), for an answer that takes more than one query.
    pub async fn text_of<A: Send + 'static, D: Serialize + ToSchema>(
        &self,
        (kind, count): (Items, usize),
        answer: impl Future<Output = Result<A, ApiError>>,
        view: impl FnOnce(A) -> D + Send + 'static,
    ) -> Result<SharedText, ApiError> {
        let reservation = self.budget.reserve(kind, count).await?;
        let answer = answer.await?;
        let expected_bytes = reservation.expected_bytes();
        if expected_bytes <= INLINE_MAX {
            return self.budget.hold(reservation, envelope::body(view(answer), expected_bytes));
        }
        // The reservation is dropped with the rows, also when the client has gone.
        let write = move || (envelope::body(view(answer), expected_bytes), reservation);
        let written = web::block(write).await;
        let (text, reservation) =
            written.map_err(|error| ApiError::unavailable(vec![error.to_string()]))?;
        self.budget.hold(reservation, text)
    }
}
