//! The instances on the same store.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::shards::SHARDS;
use crate::storage::coordination::{Roster, Seen};

/// `data` of a response with the instances.
#[derive(Debug, Serialize, ToSchema)]
pub struct InstancesData {
    pub instances: InstanceList,
}

/// All living instances.
#[derive(Debug, Serialize, ToSchema)]
pub struct InstanceList {
    data: Vec<Instance>,
}

/// A living instance.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Instance {
    /// A number for each start of the program; null while the store is a file.
    #[schema(required = true, example = 7)]
    pub id: Option<i64>,
    /// `INSTANCE_NAME`; the name of this installation while the store is a file.
    #[schema(example = "monitor-a:9999")]
    pub name: String,
    /// all, runner or api.
    #[schema(example = "all")]
    pub role: &'static str,
    /// Of the program.
    #[schema(example = "0.1.0")]
    pub version: String,
    /// Whether it has sent this response.
    pub is_this: bool,
    /// Of 1,024 shards, those whose services it probes.
    #[schema(example = 512)]
    pub shards: u64,
    /// Seconds since its newest commit, by the clock of the database; null before the first, and
    /// while the store is a file.
    #[schema(required = true, example = 0.8)]
    pub committed_seconds_ago: Option<f64>,
}

impl InstanceList {
    pub fn new(data: Vec<Instance>) -> Self {
        Self { data }
    }
}

impl Instance {
    /// Those of a look.
    pub fn all(roster: &Roster) -> Vec<Self> {
        roster.instances.iter().map(|seen| Self::new(roster, seen)).collect()
    }

    /// The only one, on a store in a file, or before the first look.
    pub fn only(name: &str, role: &'static str) -> Self {
        Self {
            id: None,
            name: name.to_owned(),
            role,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            is_this: true,
            shards: SHARDS as u64,
            committed_seconds_ago: None,
        }
    }

    fn new(roster: &Roster, seen: &Seen) -> Self {
        let age_ms = seen.committed_at_ms.map(|at_ms| (roster.now_ms - at_ms).max(0));
        Self {
            id: Some(seen.id),
            name: seen.name.clone(),
            role: seen.role.as_str(),
            version: seen.version.clone(),
            is_this: seen.id == roster.own_id,
            shards: seen.shards as u64,
            committed_seconds_ago: age_ms.map(|age_ms| age_ms as f64 / 1e3),
        }
    }
}
