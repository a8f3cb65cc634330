//! The history: fresh ticks, sealed chunks, roll-ups, and everything that is asked of them.
//!
//! A tick is written once into `service_ticks`, and leads to the one before it of its service ([`fresh`]). Now and then all
//! fresh ticks are sealed, some services at a time ([`seal`]): each service's become a chunk ([`slice`](mod@slice), [`codec`]) and
//! part of its roll-ups ([`rollups`]). What is too old goes in small steps ([`retention`]). Time that nobody watched is an event
//! of its own ([`gaps`]); uptime is computed from events alone ([`uptime`]).

pub mod check;
pub mod codec;
pub mod events;
pub mod fresh;
pub mod gaps;
pub mod retention;
pub mod rollups;
pub mod seal;
pub mod series;
pub mod slice;
pub mod ticks;
pub mod uptime;
pub mod usage;
pub mod walk;

#[cfg(test)]
mod tests;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use crate::domain::ServiceId;
use crate::storage::error::StorageError;
use crate::storage::schema::{service_metrics, services};

/// An error unless the service lives.
fn must_live(connection: &mut SqliteConnection, id: ServiceId) -> Result<(), StorageError> {
    let _lives: i64 = services::table
        .filter(services::id.eq(id.get()).and(services::deleted_at.is_null()))
        .select(services::id)
        .first(connection)?;
    Ok(())
}

/// The number of the service's newest tick, and so how many it has ever had.
fn newest_seq(connection: &mut SqliteConnection, id: ServiceId) -> Result<u64, StorageError> {
    let counts: Option<(i64, i64)> = service_metrics::table
        .find(id.get())
        .select((service_metrics::tick_count, service_metrics::unknown_count))
        .first(connection)
        .optional()?;
    Ok(counts.map_or(0, |(known, unknown)| (known + unknown).cast_unsigned()))
}
