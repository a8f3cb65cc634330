//! Settings of the probes.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::reader::Reader;
use crate::config::variable::{Section, Variable};
use crate::probe::net::policy::{Policy, parse_networks};

pub const POOL_SIZE: Variable = Variable::new(
    "RUNNER_POOL_SIZE",
    "1024",
    "a number from 1 to 100000",
    "number of prober actors: the most concurrent probes",
);
const QUEUE_LIMIT: Variable = Variable::new(
    "RUNNER_WAITING_LIMIT",
    "65536",
    "a number from 1 to 10000000",
    "capacity of the probe queue; a probe that finds the queue full is missed",
);
const COALESCE: Variable = Variable::new(
    "COALESCE_MS",
    "500",
    "a number of milliseconds from 0 to 1000",
    "longest time by which a probe may start early, together with another one, which saves \
     wake-ups; at most a fortieth of its interval",
);
const CA_FILE: Variable = Variable::optional(
    "PROBE_CA_FILE",
    "a file name",
    "PEM file of authorities that probes trust in addition to those of the system",
);
const DENY_NETWORKS: Variable = Variable::optional(
    "PROBE_DENY_NETWORKS",
    "networks or addresses such as 10.0.0.0/8, separated by commas",
    "networks that probes never dial; link-local addresses and the metadata addresses of clouds \
     are always denied",
);
const ALLOW_NETWORKS: Variable = Variable::optional(
    "PROBE_ALLOW_NETWORKS",
    "networks or addresses such as 10.1.0.0/16, separated by commas",
    "exceptions from PROBE_DENY_NETWORKS, and the addresses of this machine that `/probe` may dial",
);

pub const SECTION: Section = Section {
    title: "Probing",
    variables: &[POOL_SIZE, QUEUE_LIMIT, COALESCE, CA_FILE, DENY_NETWORKS, ALLOW_NETWORKS],
};

/// Settings of the probes.
#[derive(Debug, Clone)]
pub struct ProbingConfig {
    /// Number of prober actors.
    pub pool_size: usize,
    /// Capacity of the probe queue.
    pub queue_limit: usize,
    /// How much earlier than due a probe may start together with another one.
    pub tolerance: Duration,
    /// Authorities in addition to those of the system.
    pub ca_file: Option<PathBuf>,
    /// Which addresses probes may dial.
    pub policy: Policy,
}

impl ProbingConfig {
    pub fn read(reader: &mut Reader) -> Self {
        Self {
            pool_size: reader.number(&POOL_SIZE, 1, 100_000),
            queue_limit: reader.number(&QUEUE_LIMIT, 1, 10_000_000),
            tolerance: Duration::from_millis(reader.number(&COALESCE, 0, 1_000)),
            ca_file: reader.optional(&CA_FILE, |text| Some(PathBuf::from(text))),
            policy: Policy::new(
                reader.optional(&DENY_NETWORKS, parse_networks).unwrap_or_default(),
                reader.optional(&ALLOW_NETWORKS, parse_networks).unwrap_or_default(),
            ),
        }
    }
}
