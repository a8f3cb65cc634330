//! Settings of queries.

use std::time::Duration;

use crate::config::reader::{Reader, one_line};
use crate::config::variable::{Section, Variable};

const TIMEOUT: Variable = Variable::new(
    "QUERY_TIMEOUT_SECONDS",
    "30",
    "a number of seconds from 0 to 3600",
    "longest time of a query; a request may lower it",
);
const MAX_SAMPLES: Variable = Variable::new(
    "QUERY_MAX_SAMPLES",
    "5000000",
    "a number from 1000 to 1000000000",
    "most samples, of 16 bytes each, that all queries hold in memory at once",
);
const CONCURRENCY: Variable = Variable::new(
    "QUERY_CONCURRENCY",
    "2",
    "a number from 1 to 64",
    "queries that are evaluated at once, each on a thread of its own; 16 more wait, and the others \
     are 503",
);
const JOB: Variable = Variable::new(
    "QUERY_JOB",
    "service-healthcheck",
    "any text",
    "value of the label `job` of all series",
);

pub const SECTION: Section =
    Section { title: "Queries", variables: &[TIMEOUT, MAX_SAMPLES, CONCURRENCY, JOB] };

/// Settings of queries.
#[derive(Debug, Clone)]
pub struct QueriesConfig {
    pub timeout: Duration,
    pub max_samples: usize,
    /// Threads.
    pub concurrency: usize,
    pub job: String,
}

impl QueriesConfig {
    pub fn read(reader: &mut Reader) -> Self {
        Self {
            timeout: reader.seconds(&TIMEOUT, 3_600.0),
            max_samples: reader.number(&MAX_SAMPLES, 1_000, 1_000_000_000),
            concurrency: reader.number(&CONCURRENCY, 1, 64),
            job: reader.value(&JOB, one_line),
        }
    }
}
