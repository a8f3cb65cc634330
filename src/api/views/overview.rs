//! The overview of all services.

use serde::Serialize;
use utoipa::ToSchema;

use crate::actors::messages::live::Overview;
use crate::api::views::envelope::One;
use crate::api::views::service::{Service, ServiceContext};
use crate::domain::Group;
use crate::domain::alert::Alert;
use crate::domain::live;
use crate::storage::records::ServiceRecord;

/// `data` of a response with the overview.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverviewData {
    pub overview: One<OverviewView>,
}

/// All services by state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Overview)]
pub struct OverviewView {
    /// When the overview was made: `GET /v1/stream?since=` continues from here.
    #[schema(example = "1795413298500-17")]
    moment: String,
    counts: Counts,
    /// The groups that have services, by name; those without a group first.
    groups: Vec<GroupCounts>,
    /// Services that need attention: down first, then unknown, then flapping, then those of them
    /// under maintenance; of each, the newest event first.
    trouble: Vec<Service>,
}

impl OverviewView {
    pub fn new(
        overview: &Overview,
        trouble: &[(ServiceRecord, Vec<Alert>)],
        context: &ServiceContext,
    ) -> Self {
        let trouble = trouble.iter();
        Self {
            moment: overview.moment.to_string(),
            counts: Counts::new(&overview.counts),
            groups: overview.groups.iter().map(GroupCounts::new).collect(),
            trouble: trouble
                .map(|(record, alerts)| Service::new(record, alerts, context))
                .collect(),
        }
    }
}

/// Numbers of services. The first five add up to `total`; the others are among them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Counts {
    up: u64,
    down: u64,
    unknown: u64,
    pending: u64,
    paused: u64,
    /// Of those that are up or down.
    flapping: u64,
    maintenance: u64,
    /// Down, unknown or flapping.
    trouble: u64,
    total: u64,
}

impl Counts {
    pub fn new(counts: &live::Counts) -> Self {
        let live::Counts { up, down, unknown, pending, paused, flapping, planned, trouble } =
            *counts;
        Self {
            up: up.into(),
            down: down.into(),
            unknown: unknown.into(),
            pending: pending.into(),
            paused: paused.into(),
            flapping: flapping.into(),
            maintenance: planned.into(),
            trouble: trouble.into(),
            total: counts.total().into(),
        }
    }
}

/// The services of a group by state.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupCounts {
    /// Null for the services without a group.
    #[schema(required = true)]
    name: Option<String>,
    counts: Counts,
}

impl GroupCounts {
    pub fn new(group: &live::GroupCounts) -> Self {
        let name = group.name.as_ref().map(Group::as_str);
        Self { name: name.map(str::to_owned), counts: Counts::new(&group.counts) }
    }
}
