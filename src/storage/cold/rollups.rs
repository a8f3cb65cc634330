//! Reads of roll-ups.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;

use super::keys::{rollups_of, rollups_of_all};
use super::schema::service_rollups;
use super::{Backend, StoreConnection};
use crate::domain::{PHASES, ServiceId, Stats, Totals, Window};
use crate::storage::history::rows::{Bucket, PackedStats, Rollup};
use crate::storage::port::{EachSum, Result};

/// A row of `service_rollups`, but for the id of its service.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = service_rollups, check_for_backend(Backend))]
pub struct RollupRow {
    step_s: i32,
    start_s: i64,
    up_count: i64,
    down_count: i64,
    unknown_count: i64,
    up_ms: i64,
    down_ms: i64,
    unknown_ms: i64,
    paused_ms: i64,
    response_sum_us: i64,
    response_min_us: Option<i64>,
    response_max_us: Option<i64>,
    phased_count: i64,
    dns_us: i64,
    connect_us: i64,
    tls_us: i64,
    first_byte_us: i64,
    transfer_us: i64,
    sketch: Vec<u8>,
}

impl From<RollupRow> for Rollup {
    fn from(row: RollupRow) -> Self {
        let phases: [i64; PHASES] =
            [row.dns_us, row.connect_us, row.tls_us, row.first_byte_us, row.transfer_us];
        Self {
            bucket: Bucket { step_s: row.step_s, start_s: row.start_s },
            stats: PackedStats {
                up: row.up_count.cast_unsigned(),
                down: row.down_count.cast_unsigned(),
                unknown: row.unknown_count.cast_unsigned(),
                sum_us: row.response_sum_us.cast_unsigned(),
                min_us: row.response_min_us.map(i64::cast_unsigned),
                max_us: row.response_max_us.map(i64::cast_unsigned),
                phased: row.phased_count.cast_unsigned(),
                phases_us: phases.map(i64::cast_unsigned),
                sketch: row.sketch,
            },
            totals: Totals {
                up_ms: row.up_ms.cast_unsigned(),
                down_ms: row.down_ms.cast_unsigned(),
                unknown_ms: row.unknown_ms.cast_unsigned(),
                paused_ms: row.paused_ms.cast_unsigned(),
                planned_ms: 0,
            },
        }
    }
}

pub fn rollups(
    connection: &mut StoreConnection,
    id: ServiceId,
    step_s: i32,
    window: Window,
) -> Result<Vec<Rollup>> {
    let rows = rollups_of(id, step_s)
        .filter(service_rollups::start_s.ge(window.from_ms.div_euclid(1_000)))
        .filter(service_rollups::start_s.lt((window.to_ms - 1).div_euclid(1_000) + 1))
        .order(service_rollups::start_s)
        .select(RollupRow::as_select())
        .load_iter::<RollupRow, DefaultLoadingMode>(connection)?;
    rows.map(|row| Ok(row?.into())).collect()
}

/// The counts of roll-ups; with `has_durations`, all but their sketches.
pub fn sums(
    connection: &mut StoreConnection,
    ids: &[ServiceId],
    step_s: i32,
    window: Window,
    has_durations: bool,
    each: &mut EachSum<'_>,
) -> Result<()> {
    type Counts = (i64, i64, i64, i64, i64);
    type Durations = (i64, Option<i64>, Option<i64>, i64, i64, i64, i64, i64, i64);
    let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let rows = rollups_of_all(ids, step_s)
        .filter(service_rollups::start_s.ge(window.from_ms.div_euclid(1_000)))
        .filter(service_rollups::start_s.lt((window.to_ms - 1).div_euclid(1_000) + 1));
    let counts = (
        service_rollups::service_id,
        service_rollups::start_s,
        service_rollups::up_count,
        service_rollups::down_count,
        service_rollups::unknown_count,
    );
    let mut add = |(id, start_s, up, down, unknown): Counts, stats: Stats| {
        let [up, down, unknown] = [up, down, unknown].map(i64::cast_unsigned);
        if let Some(id) = ServiceId::new(id) {
            each(id, start_s, Stats { up, down, unknown, ..stats });
        }
    };
    if !has_durations {
        let rows = rows.select(counts).load_iter::<Counts, DefaultLoadingMode>(connection)?;
        for row in rows {
            add(row?, Stats::default());
        }
        return Ok(());
    }
    let durations = (
        service_rollups::response_sum_us,
        service_rollups::response_min_us,
        service_rollups::response_max_us,
        service_rollups::phased_count,
        service_rollups::dns_us,
        service_rollups::connect_us,
        service_rollups::tls_us,
        service_rollups::first_byte_us,
        service_rollups::transfer_us,
    );
    let rows = rows.select((counts, durations));
    let rows = rows.load_iter::<(Counts, Durations), DefaultLoadingMode>(connection)?;
    for row in rows {
        let (counts, (sum, min, max, phased, dns, connect, tls, first_byte, transfer)) = row?;
        let stats = Stats {
            sum_us: sum.cast_unsigned(),
            min_us: min.map(i64::cast_unsigned),
            max_us: max.map(i64::cast_unsigned),
            phased: phased.cast_unsigned(),
            phases_us: [dns, connect, tls, first_byte, transfer].map(i64::cast_unsigned),
            ..Stats::default()
        };
        add(counts, stats);
    }
    Ok(())
}

pub fn rollup_starts(
    connection: &mut StoreConnection,
    id: ServiceId,
    step_s: i32,
    from_s: i64,
) -> Result<Vec<i64>> {
    let starts = rollups_of(id, step_s)
        .filter(service_rollups::start_s.ge(from_s))
        .select(service_rollups::start_s)
        .load(connection)?;
    Ok(starts)
}

pub fn newest_rollup(
    connection: &mut StoreConnection,
    id: ServiceId,
    step_s: i32,
) -> Result<Option<i64>> {
    let newest = rollups_of(id, step_s)
        .select(diesel::dsl::max(service_rollups::start_s))
        .first(connection)?;
    Ok(newest)
}
