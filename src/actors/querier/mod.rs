//! The queriers: they evaluate queries on stores that cannot write, each on its own thread, so that
//! no list of the API waits behind a query.

mod board;
mod known_services;
mod lists;
mod program;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::Semaphore;

use crate::actors::last_results::LastResults;
use crate::actors::messages::querying::{
    QueryAnswer, QueryReply, QueryWork, RunQuery, SampleWindow,
};
use crate::actors::runtime::{Lifeline, Runtime};
use crate::actors::service_changes::ServiceChanges;
use crate::actors::store::reopening::Reopening;
use crate::clock::unix_ms;
use crate::domain::ServiceId;
use crate::domain::access::GroupLimit;
use crate::metrics::{QueryMetrics, QueryResult, Telemetry};
use crate::promql::{
    EvalError, MAX_SERIES, Meter, Options, SamplePool, SelectedSeries, Selection, Source, Stop,
    instant, range,
};
use crate::storage::StoreAccess;
use crate::storage::history::samples::{Board, Catalog, CatalogSettings, StoreSource};
use crate::storage::port::StoreRead;

use known_services::KnownServices;
pub use program::is_of_program;
use program::{ProgramMetrics, WithProgram};

/// Queries that may wait for a thread.
const WAITING_LIMIT: usize = 16;

/// Niceness of the threads, so that probes do not wait for queries.
const NICENESS: i32 = 10;

/// Settings of the queriers.
#[derive(Debug, Clone)]
pub struct QuerierSettings {
    /// Threads.
    pub concurrency: usize,
    pub max_samples: usize,
    pub catalog: CatalogSettings,
}

/// Limits the queries to the threads. Clones share the limit.
#[derive(Clone)]
pub struct Queriers {
    queriers: Addr<Querier>,
    permits: Arc<Semaphore>,
    metrics: QueryMetrics,
}

/// Cancels a query when its client has gone.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Queriers {
    pub fn start(
        settings: QuerierSettings,
        access: StoreAccess,
        (last_results, changes): (LastResults, ServiceChanges),
        runtime: &Runtime,
    ) -> Self {
        let QuerierSettings { concurrency, max_samples, catalog } = settings;
        let job = catalog.job.clone();
        let services = Arc::new(KnownServices::new(catalog, changes));
        let pool = Arc::new(SamplePool::new(max_samples));
        let metrics = runtime.telemetry.queries.clone();
        let (telemetry, lifelines) = (runtime.telemetry.clone(), runtime.lifelines.clone());
        let queriers = SyncArbiter::start(concurrency, move || {
            lower_priority();
            Querier {
                job: job.clone(),
                services: Arc::clone(&services),
                store: Reopening::new(access.clone(), StoreAccess::reader),
                last_results: last_results.clone(),
                pool: Arc::clone(&pool),
                telemetry: telemetry.clone(),
                _lifeline: lifelines.lifeline("querier"),
            }
        });
        let permits = Arc::new(Semaphore::new(concurrency + WAITING_LIMIT));
        Self { queriers, permits, metrics }
    }

    /// Runs a query over the services of `groups`; it is canceled when the future is dropped.
    /// `None` when too many wait already.
    pub async fn run(
        &self,
        work: QueryWork,
        groups: GroupLimit,
        timeout: Duration,
    ) -> Option<Result<QueryReply, EvalError>> {
        let Ok(place) = Arc::clone(&self.permits).try_acquire_owned() else {
            self.metrics.rejected(QueryResult::Unavailable);
            return None;
        };
        let is_canceled = Arc::new(AtomicBool::new(false));
        let cancel = CancelOnDrop(Arc::clone(&is_canceled));
        let deadline = Instant::now() + timeout;
        let query = RunQuery { work, groups, deadline, is_canceled, place };
        let answer = self.queriers.send(query).await;
        drop(cancel);
        let stopping = || EvalError::Source("the service is shutting down".to_owned());
        Some(answer.unwrap_or_else(|_| Err(stopping())))
    }
}

/// Of this thread: elsewhere than on Linux, niceness is that of the process.
fn lower_priority() {
    if cfg!(target_os = "linux") {
        // After an error the thread has the priority of the others.
        let _ = rustix::process::nice(NICENESS);
    }
}

/// Owns a store that cannot write.
pub struct Querier {
    /// Value of the label `job`.
    job: String,
    services: Arc<KnownServices>,
    store: Reopening<dyn StoreRead>,
    last_results: LastResults,
    pool: Arc<SamplePool>,
    telemetry: Telemetry,
    _lifeline: Lifeline,
}

impl Actor for Querier {
    type Context = SyncContext<Self>;
}

impl Handler<RunQuery> for Querier {
    type Result = Result<QueryReply, EvalError>;

    fn handle(&mut self, message: RunQuery, _: &mut Self::Context) -> Self::Result {
        let RunQuery { work, groups, deadline, is_canceled, place: _place } = message;
        let stop = || {
            if is_canceled.load(Ordering::Relaxed) {
                Some(Stop::Canceled)
            } else if Instant::now() >= deadline {
                Some(Stop::TimedOut)
            } else {
                None
            }
        };
        let pool = Arc::clone(&self.pool);
        let meter = Meter::new(&pool, &stop);
        let began = Instant::now();
        let board = |id: ServiceId| board::samples(&self.last_results, id);
        let are_visible = !groups.is_limited();
        let program = ProgramMetrics::new(&self.telemetry, &self.job, are_visible, unix_ms());
        let answer = meter.check().and_then(|()| {
            let services = &self.services;
            let answer = self.store.run(|rows| {
                let catalog = services.current(rows)?.seen_by(&groups);
                let known = Known { catalog: &catalog, board: &board, program: &program };
                Ok(answer(rows, &known, &work, &meter))
            });
            answer.unwrap_or_else(|error| Err(EvalError::Source(error.to_string())))
        });
        if matches!(answer, Err(EvalError::Source(_))) {
            self.store.close();
        }
        let result = match &answer {
            Ok(_) => QueryResult::Success,
            Err(EvalError::Execution(_)) => QueryResult::Error,
            Err(EvalError::TooManySamples(_)) => QueryResult::TooManySamples,
            Err(EvalError::TimedOut) => QueryResult::TimedOut,
            Err(EvalError::Canceled) => QueryResult::Canceled,
            Err(EvalError::Source(_)) => QueryResult::Unavailable,
        };
        self.telemetry.queries.evaluated(result, began.elapsed(), meter.peak());
        answer.map(|answer| QueryReply { answer, kept: meter.keep(&self.pool) })
    }
}

/// What a query knows besides the rows of the history.
struct Known<'a> {
    catalog: &'a Catalog,
    board: &'a Board<'a>,
    program: &'a ProgramMetrics<'a>,
}

fn answer(
    rows: &mut (dyn StoreRead + 'static),
    known: &Known<'_>,
    work: &QueryWork,
    meter: &Meter<'_>,
) -> Result<QueryAnswer, EvalError> {
    let source = StoreSource::new(rows, known.catalog, known.board, unix_ms());
    let source = WithProgram { source: &source, program: known.program };
    match work {
        QueryWork::Instant { query, at_ms, lookback_ms } => {
            let options = Options { lookback_ms: *lookback_ms };
            instant(query, *at_ms, options, &source, meter).map(QueryAnswer::Values)
        }
        QueryWork::Range { query, steps, lookback_ms } => {
            let options = Options { lookback_ms: *lookback_ms };
            range(query, *steps, options, &source, meter).map(QueryAnswer::Values)
        }
        QueryWork::Series { selectors, limit } => {
            lists::series(known, selectors, *limit, meter).map(QueryAnswer::Series)
        }
        QueryWork::LabelNames { selectors } => {
            lists::label_names(known, selectors, meter).map(QueryAnswer::Texts)
        }
        QueryWork::LabelValues { name, selectors } => {
            lists::label_values(known, name, selectors, meter).map(QueryAnswer::Texts)
        }
        QueryWork::Samples { windows } => {
            let samples = windows.iter().map(|window| samples(&source, window, meter));
            Ok(QueryAnswer::Samples(samples.collect::<Result<_, _>>()?))
        }
    }
}

fn samples(
    source: &dyn Source,
    window: &SampleWindow,
    meter: &Meter<'_>,
) -> Result<Vec<SelectedSeries>, EvalError> {
    let selection = Selection {
        matchers: &window.matchers,
        after_ms: window.from_ms.saturating_sub(1),
        to_ms: window.to_ms,
        lookback_ms: None,
        moments: None,
    };
    let series = source.select(&selection, meter)?.series;
    check_count(series.len())?;
    Ok(series)
}

fn check_count(series: usize) -> Result<(), EvalError> {
    if series <= MAX_SERIES {
        return Ok(());
    }
    let message = format!("{series} series are selected, at most {MAX_SERIES} are allowed");
    Err(EvalError::Execution(message))
}
