//! Rows of the history's tables, and the values that they hold.

use diesel::prelude::*;
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::prepared::{Prepared, Text, Value};
use super::schema::{service_rollups, service_tick_chunks, service_ticks};
use crate::domain::{Reason, ServiceId, State, StoredTick};
use crate::storage::history::rows::{NewChunk, Rollup};

/// A row of `service_ticks`: a fresh tick.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = service_ticks)]
#[diesel(check_for_backend(Sqlite))]
pub struct TickRow {
    pub id: i64,
    pub service_id: i64,
    pub step_back: Option<i64>,
    pub is_up: bool,
    pub is_unknown: bool,
    pub http_status: Option<i32>,
    pub failure: Option<String>,
    pub created_at_ms: i64,
    pub dns_us: Option<i64>,
    pub connect_us: Option<i64>,
    pub tls_us: Option<i64>,
    pub first_byte_us: Option<i64>,
    pub transfer_us: Option<i64>,
    pub unphased_us: Option<i64>,
}

/// The state of a fresh tick.
pub fn state_of(is_up: bool, is_unknown: bool) -> State {
    match (is_unknown, is_up) {
        (true, _) => State::Unknown,
        (false, true) => State::Up,
        (false, false) => State::Down,
    }
}

impl TickRow {
    /// `previous_id` is the row of the previous tick of the service.
    pub fn new(
        id: i64,
        service_id: ServiceId,
        previous_id: Option<i64>,
        tick: &StoredTick,
    ) -> Self {
        let phase = |nth: usize| tick.phases_us.map(|phases| phases[nth].cast_signed());
        let phased: u64 = tick.phases_us.unwrap_or_default().iter().sum();
        let unphased = tick.response_time_us.wrapping_sub(phased).cast_signed();
        Self {
            id,
            service_id: service_id.get(),
            step_back: previous_id.map(|previous| id - previous),
            is_up: tick.state == State::Up,
            is_unknown: tick.state == State::Unknown,
            http_status: tick.http_status.map(i32::from),
            failure: tick.reason.map(|reason| reason.as_str().to_owned()),
            created_at_ms: tick.at_ms,
            dns_us: phase(0),
            connect_us: phase(1),
            tls_us: phase(2),
            first_byte_us: phase(3),
            transfer_us: phase(4),
            unphased_us: (unphased != 0).then_some(unphased),
        }
    }

    /// Stores the row.
    pub fn insert(&self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let values = [
            Value::Integer(Some(self.id)),
            Value::Integer(Some(self.service_id)),
            Value::Integer(self.step_back),
            Value::Integer(Some(self.is_up.into())),
            Value::Integer(Some(self.is_unknown.into())),
            Value::Integer(self.http_status.map(i64::from)),
            Value::Text(self.failure.as_deref()),
            Value::Integer(Some(self.created_at_ms)),
            Value::Integer(self.dns_us),
            Value::Integer(self.connect_us),
            Value::Integer(self.tls_us),
            Value::Integer(self.first_byte_us),
            Value::Integer(self.transfer_us),
            Value::Integer(self.unphased_us),
        ];
        Prepared::new(InsertTick, values).execute(connection)?;
        Ok(())
    }

    /// Without a status or a reason that this program does not know.
    pub fn tick(&self) -> StoredTick {
        let micros = |us: Option<i64>| us.unwrap_or_default().max(0).cast_unsigned();
        let phases =
            [self.dns_us, self.connect_us, self.tls_us, self.first_byte_us, self.transfer_us]
                .map(micros);
        StoredTick {
            at_ms: self.created_at_ms,
            state: state_of(self.is_up, self.is_unknown),
            response_time_us: phases
                .iter()
                .sum::<u64>()
                .saturating_add_signed(self.unphased_us.unwrap_or_default()),
            phases_us: self.dns_us.map(|_| phases),
            http_status: self.http_status.and_then(|status| u16::try_from(status).ok()),
            reason: self.failure.as_deref().and_then(Reason::from_word),
        }
    }
}

/// A new [`TickRow`].
struct InsertTick;

impl Text<14> for InsertTick {
    const PARTS: [&'static str; 14] = {
        let mut parts = [", "; 14];
        parts[0] = "INSERT INTO service_ticks (id, service_id, step_back, is_up, is_unknown, \
            http_status, failure, created_at_ms, dns_us, connect_us, tls_us, first_byte_us, \
            transfer_us, unphased_us) VALUES (";
        parts
    };
    const END: &'static str = ")";
}

/// A new row of `service_tick_chunks`.
#[derive(Debug, Insertable)]
#[diesel(table_name = service_tick_chunks)]
pub struct NewChunkRow<'a> {
    service_id: i64,
    first_seq: i64,
    from_ms: i64,
    to_ms: i64,
    tick_count: i64,
    up_count: i64,
    down_count: i64,
    data: &'a [u8],
}

impl<'a> NewChunkRow<'a> {
    pub fn new(id: ServiceId, chunk: &'a NewChunk) -> Self {
        Self {
            service_id: id.get(),
            first_seq: chunk.first_seq,
            from_ms: chunk.from_ms,
            to_ms: chunk.to_ms,
            tick_count: chunk.tick_count,
            up_count: chunk.up_count,
            down_count: chunk.down_count,
            data: &chunk.data,
        }
    }
}

/// A row of `service_rollups` to be written.
#[derive(Debug, Insertable, AsChangeset)]
#[diesel(table_name = service_rollups, treat_none_as_null = true)]
#[diesel(treat_none_as_default_value = false)]
#[diesel(primary_key(service_id, step_s, start_s))]
pub struct NewRollupRow<'a> {
    service_id: i64,
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
    sketch: &'a [u8],
}

impl<'a> NewRollupRow<'a> {
    pub fn new(id: ServiceId, rollup: &'a Rollup) -> Self {
        let Rollup { bucket, stats, totals } = rollup;
        let [dns_us, connect_us, tls_us, first_byte_us, transfer_us] =
            stats.phases_us.map(u64::cast_signed);
        Self {
            service_id: id.get(),
            step_s: bucket.step_s,
            start_s: bucket.start_s,
            up_count: stats.up.cast_signed(),
            down_count: stats.down.cast_signed(),
            unknown_count: stats.unknown.cast_signed(),
            up_ms: totals.up_ms.cast_signed(),
            down_ms: totals.down_ms.cast_signed(),
            unknown_ms: totals.unknown_ms.cast_signed(),
            paused_ms: totals.paused_ms.cast_signed(),
            response_sum_us: stats.sum_us.cast_signed(),
            response_min_us: stats.min_us.map(u64::cast_signed),
            response_max_us: stats.max_us.map(u64::cast_signed),
            phased_count: stats.phased.cast_signed(),
            dns_us,
            connect_us,
            tls_us,
            first_byte_us,
            transfer_us,
            sketch: &stats.sketch,
        }
    }
}
