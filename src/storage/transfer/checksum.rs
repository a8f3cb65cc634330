//! Checksums of the rows of a store, the same for every kind of store.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};

use crate::domain::StoredTick;
use crate::storage::history::rows::{NewChunk, Rollup};
use crate::storage::port::Result;
use crate::storage::transfer::value::{Value, digest_bytes};
use crate::storage::transfer::{Row, TickCopy, TransferSource};

/// The rows of a service, or of the tables that belong to no service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// Number of rows by table.
    pub counts: BTreeMap<&'static str, u64>,
    /// Ticks that are not sealed, and those in chunks.
    pub ticks: u64,
    /// Of all values, in 64 bits.
    pub sum: u64,
}

/// A checksum that is being made. The rows come in the order of their source.
#[derive(Debug, Default)]
struct Digest {
    counts: BTreeMap<&'static str, u64>,
    ticks: u64,
    hasher: DefaultHasher,
}

impl Digest {
    fn add(&mut self, row: &Row) {
        let sum = &mut self.hasher;
        let table = match row {
            Row::Plain(row) => {
                row.digest(sum);
                row.table()
            }
            Row::Tick(tick) => {
                self.ticks += 1;
                digest_tick(tick, sum);
                "service_ticks"
            }
            Row::Rollup(id, rollup) => {
                id.digest(sum);
                digest_rollup(rollup, sum);
                "service_rollups"
            }
            Row::Chunk(id, chunk) => {
                self.ticks += chunk.tick_count.cast_unsigned();
                id.digest(sum);
                digest_chunk(chunk, sum);
                "service_tick_chunks"
            }
            Row::SealedEvents { .. } => return,
        };
        *self.counts.entry(table).or_default() += 1;
    }

    fn finish(self) -> Checksum {
        Checksum { counts: self.counts, ticks: self.ticks, sum: self.hasher.finish() }
    }
}

/// PostgreSQL stores a phase in 31 bits, and a status in 15.
fn digest_tick(copy: &TickCopy, sum: &mut impl Hasher) {
    let TickCopy { service_id, seq, tick } = copy;
    let StoredTick { at_ms, state, response_time_us, phases_us, http_status, reason } = tick;
    service_id.digest(sum);
    sum.write_u64(*seq);
    at_ms.digest(sum);
    digest_bytes(state.event().as_bytes(), sum);
    sum.write_u64(*response_time_us);
    sum.write_u8(phases_us.is_some().into());
    for phase_us in phases_us.unwrap_or_default() {
        sum.write_i32(i32::try_from(phase_us).unwrap_or(i32::MAX));
    }
    http_status.and_then(|status| i16::try_from(status).ok()).digest(sum);
    digest_bytes(reason.map_or("", |reason| reason.as_str()).as_bytes(), sum);
}

fn digest_rollup(rollup: &Rollup, sum: &mut impl Hasher) {
    let Rollup { bucket, stats, totals } = rollup;
    bucket.step_s.digest(sum);
    bucket.start_s.digest(sum);
    for count in [stats.up, stats.down, stats.unknown, stats.sum_us, stats.phased] {
        sum.write_u64(count);
    }
    for bound_us in [stats.min_us, stats.max_us] {
        bound_us.map(u64::cast_signed).digest(sum);
    }
    for time in [totals.up_ms, totals.down_ms, totals.unknown_ms, totals.paused_ms] {
        sum.write_u64(time);
    }
    stats.phases_us.iter().for_each(|phase_us| sum.write_u64(*phase_us));
    stats.sketch.digest(sum);
}

fn digest_chunk(chunk: &NewChunk, sum: &mut impl Hasher) {
    let NewChunk { first_seq, from_ms, to_ms, tick_count, up_count, down_count, data } = chunk;
    for number in [first_seq, from_ms, to_ms, tick_count, up_count, down_count] {
        number.digest(sum);
    }
    data.digest(sum);
}

/// The checksums of the next `limit` services after the id `after`, by id, and the last of these
/// services; `None` when none is left.
pub fn of_services(
    source: &mut dyn TransferSource,
    after: i64,
    limit: usize,
) -> Result<Option<(BTreeMap<i64, Checksum>, i64)>> {
    let mut services: BTreeMap<i64, Digest> = BTreeMap::new();
    let last = source.portion(after, limit, &mut |row| {
        let service_id = match &row {
            Row::Plain(row) => row.service_id(),
            Row::Tick(tick) => Some(tick.service_id),
            Row::Rollup(service_id, _) | Row::Chunk(service_id, _) => Some(*service_id),
            Row::SealedEvents { .. } => None,
        };
        if let Some(service_id) = service_id {
            services.entry(service_id).or_default().add(&row);
        }
        Ok(())
    })?;
    let services = services.into_iter().map(|(id, digest)| (id, digest.finish())).collect();
    Ok(last.map(|last| (services, last)))
}

/// The checksum of the tables that do not belong to services.
pub fn of_others(source: &mut dyn TransferSource) -> Result<Checksum> {
    let mut digest = Digest::default();
    source.others(&mut |row| {
        digest.add(&row);
        Ok(())
    })?;
    Ok(digest.finish())
}
