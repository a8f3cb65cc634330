//! Messages to the queriers.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use actix::Message;

use crate::promql::{Answer, EvalError, Labels, Matcher, Query, Steps};

/// Query from HTTP to a querier. The reply is its answer, or why there is none.
#[derive(Debug, Message)]
#[rtype(result = "Result<QueryAnswer, EvalError>")]
pub struct RunQuery {
    pub work: QueryWork,
    pub deadline: Instant,
    /// Set when the client has gone.
    pub is_canceled: Arc<AtomicBool>,
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
    },
}

#[derive(Debug)]
pub enum QueryAnswer {
    Values(Answer),
    /// Sorted, each once.
    Series(Vec<Labels>),
}
