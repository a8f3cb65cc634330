//! Messages to the queriers.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use actix::Message;
use tokio::sync::OwnedSemaphorePermit;

use crate::domain::access::GroupLimit;
use crate::promql::{
    Answer, EvalError, KeptSamples, Labels, Matcher, Query, SelectedSeries, Steps,
};

/// Query from HTTP to a querier. The reply is its answer, or why there is none.
#[derive(Debug, Message)]
#[rtype(result = "Result<QueryReply, EvalError>")]
pub struct RunQuery {
    pub work: QueryWork,
    /// The groups whose services exist for the query.
    pub groups: GroupLimit,
    pub deadline: Instant,
    /// Set when the client has gone.
    pub is_canceled: Arc<AtomicBool>,
    /// Its place among those that run or wait, also when the client has gone.
    pub place: OwnedSemaphorePermit,
}

#[derive(Debug)]
pub enum QueryWork {
    Instant {
        query: Query,
        at_ms: i64,
        lookback_ms: i64,
    },
    Range {
        query: Query,
        steps: Steps,
        lookback_ms: i64,
    },
    /// The series of any of these selectors; of all services without one.
    Series {
        selectors: Vec<Vec<Matcher>>,
        /// Most series; the answer has one more if there are more.
        limit: Option<usize>,
    },
    /// The names of the labels of those series.
    LabelNames {
        selectors: Vec<Vec<Matcher>>,
    },
    /// The values that the label `name` has in those series.
    LabelValues {
        name: String,
        selectors: Vec<Vec<Matcher>>,
    },
    /// All samples of these windows.
    Samples {
        windows: Vec<SampleWindow>,
    },
}

/// The samples of some series from `from_ms` to `to_ms`, both included.
#[derive(Debug, Clone)]
pub struct SampleWindow {
    pub matchers: Vec<Matcher>,
    pub from_ms: i64,
    pub to_ms: i64,
}

#[derive(Debug)]
pub struct QueryReply {
    pub answer: QueryAnswer,
    /// The samples of the answer.
    pub kept: KeptSamples,
}

#[derive(Debug)]
pub enum QueryAnswer {
    Values(Answer),
    /// Sorted, each once.
    Series(Vec<Labels>),
    /// Sorted, each once.
    Texts(Vec<String>),
    /// Of each window.
    Samples(Vec<Vec<SelectedSeries>>),
}
