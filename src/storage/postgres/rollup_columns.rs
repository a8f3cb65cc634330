//! Roll-ups to be written, as arrays: one a column.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bytea, Integer, Nullable};

use super::connection::StoreConnection;
use super::statement::statement;
use crate::domain::{ServiceId, Totals};
use crate::storage::history::rows::{Bucket, Rollup};
use crate::storage::port::Result;

/// The columns of `service_rollups` that are of one type, without the region.
const NUMBERS: [&str; 16] = [
    "service_id",
    "start_s",
    "up_count",
    "down_count",
    "unknown_count",
    "up_ms",
    "down_ms",
    "unknown_ms",
    "paused_ms",
    "response_sum_us",
    "phased_count",
    "dns_us",
    "connect_us",
    "tls_us",
    "first_byte_us",
    "transfer_us",
];

/// The other columns.
const OTHERS: [&str; 4] = ["step_s", "response_min_us", "response_max_us", "sketch"];

/// Whole rows.
#[derive(Default)]
pub struct RollupColumns {
    /// In the order of [`NUMBERS`].
    numbers: [Vec<i64>; NUMBERS.len()],
    step_s: Vec<i32>,
    response_min_us: Vec<Option<i64>>,
    response_max_us: Vec<Option<i64>>,
    sketch: Vec<Vec<u8>>,
}

impl RollupColumns {
    pub fn push(&mut self, id: ServiceId, rollup: &Rollup) {
        let Rollup { bucket, stats, totals } = rollup;
        let [dns_us, connect_us, tls_us, first_byte_us, transfer_us] = stats.phases_us;
        let counts = [
            stats.up,
            stats.down,
            stats.unknown,
            totals.up_ms,
            totals.down_ms,
            totals.unknown_ms,
            totals.paused_ms,
            stats.sum_us,
            stats.phased,
            dns_us,
            connect_us,
            tls_us,
            first_byte_us,
            transfer_us,
        ];
        let key = [id.get(), bucket.start_s];
        let numbers = key.into_iter().chain(counts.map(u64::cast_signed));
        self.numbers.iter_mut().zip(numbers).for_each(|(column, number)| column.push(number));
        self.step_s.push(bucket.step_s);
        self.response_min_us.push(stats.min_us.map(u64::cast_signed));
        self.response_max_us.push(stats.max_us.map(u64::cast_signed));
        self.sketch.push(stats.sketch.clone());
    }

    /// Stores rows that do not exist.
    pub fn insert(&self, connection: &mut StoreConnection) -> Result<()> {
        if !self.step_s.is_empty() {
            Write::<false>(self).execute(connection)?;
        }
        Ok(())
    }

    /// Replaces rows that exist.
    pub fn replace(&self, connection: &mut StoreConnection) -> Result<()> {
        if !self.step_s.is_empty() {
            Write::<true>(self).execute(connection)?;
        }
        Ok(())
    }
}

/// An INSERT, or an UPDATE.
struct Write<'a, const REPLACES: bool>(&'a RollupColumns);

impl<const REPLACES: bool> QueryId for Write<'_, REPLACES> {
    type QueryId = Write<'static, REPLACES>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const REPLACES: bool> RunQueryDsl<StoreConnection> for Write<'_, REPLACES> {}

impl<const REPLACES: bool> QueryFragment<Pg> for Write<'_, REPLACES> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let names = NUMBERS.into_iter().chain(OTHERS);
        if REPLACES {
            out.push_sql("UPDATE service_rollups r SET ");
            for (nth, name) in names.clone().filter(|name| !is_key(name)).enumerate() {
                out.push_sql(if nth > 0 { ", " } else { "" });
                out.push_sql(name);
                out.push_sql(" = u.");
                out.push_sql(name);
            }
            out.push_sql(" FROM ");
        } else {
            out.push_sql("INSERT INTO service_rollups (");
            push_names(&mut out, names.clone());
            out.push_sql(") SELECT * FROM ");
        }
        out.push_sql("unnest(");
        for column in &self.0.numbers {
            out.push_bind_param::<Array<BigInt>, _>(column)?;
            out.push_sql(", ");
        }
        out.push_bind_param::<Array<Integer>, _>(&self.0.step_s)?;
        for column in [&self.0.response_min_us, &self.0.response_max_us] {
            out.push_sql(", ");
            out.push_bind_param::<Array<Nullable<BigInt>>, _>(column)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Array<Bytea>, _>(&self.0.sketch)?;
        out.push_sql(") u(");
        push_names(&mut out, names);
        out.push_sql(")");
        if REPLACES {
            out.push_sql(
                " WHERE r.service_id = u.service_id AND r.region_id = 0 AND r.step_s = u.step_s \
                AND r.start_s = u.start_s",
            );
        }
        Ok(())
    }
}

fn is_key(name: &str) -> bool {
    matches!(name, "service_id" | "step_s" | "start_s")
}

fn push_names<'n>(out: &mut AstPass<'_, '_, Pg>, names: impl Iterator<Item = &'n str>) {
    for (nth, name) in names.enumerate() {
        out.push_sql(if nth > 0 { ", " } else { "" });
        out.push_sql(name);
    }
}

/// Times of roll-ups of which nothing else changes.
#[derive(Default)]
pub struct TimeColumns {
    step_s: Vec<i32>,
    /// Service and start; up, down, unknown, paused.
    numbers: [Vec<i64>; 6],
}

impl TimeColumns {
    pub fn push(&mut self, id: ServiceId, bucket: Bucket, totals: &Totals) {
        let Totals { up_ms, down_ms, unknown_ms, paused_ms, planned_ms: _ } = *totals;
        let times = [up_ms, down_ms, unknown_ms, paused_ms].map(u64::cast_signed);
        let numbers = [id.get(), bucket.start_s].into_iter().chain(times);
        self.numbers.iter_mut().zip(numbers).for_each(|(column, number)| column.push(number));
        self.step_s.push(bucket.step_s);
    }

    pub fn write(&self, connection: &mut StoreConnection) -> Result<()> {
        let [service_id, start_s, up_ms, down_ms, unknown_ms, paused_ms] = &self.numbers;
        let step_s = &self.step_s;
        if !step_s.is_empty() {
            SetTimes { service_id, step_s, start_s, up_ms, down_ms, unknown_ms, paused_ms }
                .execute(connection)?;
        }
        Ok(())
    }
}

statement!(
    SetTimes {
        service_id: Array<BigInt> = [i64],
        step_s: Array<Integer> = [i32],
        start_s: Array<BigInt> = [i64],
        up_ms: Array<BigInt> = [i64],
        down_ms: Array<BigInt> = [i64],
        unknown_ms: Array<BigInt> = [i64],
        paused_ms: Array<BigInt> = [i64],
    } -> (),
    "UPDATE service_rollups r SET up_ms = u.up_ms, down_ms = u.down_ms, \
            unknown_ms = u.unknown_ms, paused_ms = u.paused_ms \
        FROM unnest(?, ?, ?, ?, ?, ?, ?) \
            u(service_id, step_s, start_s, up_ms, down_ms, unknown_ms, paused_ms) \
        WHERE r.service_id = u.service_id AND r.region_id = 0 AND r.step_s = u.step_s \
            AND r.start_s = u.start_s"
);

/// The newest events that the times of the roll-ups contain.
#[derive(Default)]
pub struct EventColumns {
    service_id: Vec<i64>,
    event_id: Vec<i64>,
}

impl EventColumns {
    pub fn push(&mut self, service_id: i64, event_id: i64) {
        self.service_id.push(service_id);
        self.event_id.push(event_id);
    }

    pub fn write(&self, connection: &mut StoreConnection) -> Result<()> {
        let Self { service_id, event_id } = self;
        if !service_id.is_empty() {
            SetSealedEvents { service_id, event_id }.execute(connection)?;
        }
        Ok(())
    }
}

statement!(
    SetSealedEvents { service_id: Array<BigInt> = [i64], event_id: Array<BigInt> = [i64] } -> (),
    "UPDATE service_metrics m SET sealed_event_id = u.event_id \
        FROM unnest(?, ?) u(service_id, event_id) \
        WHERE m.service_id = u.service_id AND m.region_id = 0"
);
