//! What a copy reads and writes in its own way in an SQLite file.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;

use super::cold::transfer::rows::Range;
use super::cold::transfer::set_alerting;
use super::schema::{history, liveness, service_metrics};
use super::{fresh, history as history_rows};
use crate::domain::StoredTick;
use crate::storage::gaps::GapWrite;
use crate::storage::port::Result;
use crate::storage::transfer::tables::NUMBERED;
use crate::storage::transfer::{AlertingCopy, EachRow, Row, StoreCopy, TickCopy};

/// `user_version` is a random number of the newest run; 0 without one ([`super::store`]).
pub fn use_mark(connection: &mut SqliteConnection) -> Result<String> {
    let mark = diesel::dsl::sql::<BigInt>("(SELECT user_version FROM pragma_user_version)");
    let mark: i64 = diesel::select(mark).get_result(connection)?;
    Ok(mark.to_string())
}

/// Whether a service has used the file.
pub fn is_used(connection: &mut SqliteConnection) -> Result<bool> {
    Ok(use_mark(connection)? != "0")
}

pub fn store(connection: &mut SqliteConnection, alerting: AlertingCopy) -> Result<StoreCopy> {
    #[derive(QueryableByName)]
    struct Sequence {
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = BigInt)]
        seq: i64,
    }
    let sequences: Vec<Sequence> =
        diesel::sql_query("SELECT name, seq FROM sqlite_sequence").load(connection)?;
    let sequences: HashMap<String, i64> =
        sequences.into_iter().map(|sequence| (sequence.name, sequence.seq)).collect();
    let (sealed_at_ms, sealed_event_id) = history::table
        .select((history::sealed_at_ms, history::sealed_event_id))
        .first(connection)?;
    Ok(StoreCopy {
        liveness_ms: connection.moments()?.mark_ms,
        sealed_at_ms,
        sealed_event_id,
        marks: history_rows::marks(connection)?,
        last_ids: NUMBERED.map(|table| sequences.get(table).copied().unwrap_or_default()),
        alerting,
    })
}

/// Writes what is beside the rows, which are all there.
pub fn set_store(connection: &mut SqliteConnection, store: &StoreCopy) -> Result<()> {
    let StoreCopy { liveness_ms, sealed_at_ms, sealed_event_id, marks, last_ids, alerting } = store;
    diesel::update(history::table)
        .set((
            history::sealed_at_ms.eq(sealed_at_ms),
            history::sealed_event_id.eq(sealed_event_id),
            history::expired_tick_count.eq(marks.expired_ticks.cast_signed()),
            history::ticks_expired_to_ms.eq(marks.ticks_expired_to_ms),
            history::rollups_expired_to_ms.eq(marks.rollups_expired_to_ms),
        ))
        .execute(connection)?;
    diesel::sql_query(COUNT_HISTORY).execute(connection)?;
    diesel::delete(liveness::table).execute(connection)?;
    if let Some(at_ms) = liveness_ms {
        diesel::insert_into(liveness::table)
            .values((liveness::id.eq(1_i64), liveness::at_ms.eq(at_ms)))
            .execute(connection)?;
    }
    for (table, last) in NUMBERED.iter().zip(last_ids) {
        continue_after(connection, table, *last)?;
    }
    set_alerting(connection, alerting)
}

const COUNT_HISTORY: &str = "\
    UPDATE history SET (chunk_count, sealed_tick_count, sealed_byte_count) = \
            (SELECT count(*), coalesce(sum(tick_count), 0), coalesce(sum(length(data)), 0) \
            FROM service_tick_chunks), \
        rollup_count = (SELECT count(*) FROM service_rollups)";

/// The next row of `table` gets a greater id than `last`.
fn continue_after(connection: &mut SqliteConnection, table: &str, last: i64) -> Result<()> {
    diesel::sql_query("DELETE FROM sqlite_sequence WHERE name = ?")
        .bind::<Text, _>(table)
        .execute(connection)?;
    diesel::sql_query("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)")
        .bind::<Text, _>(table)
        .bind::<BigInt, _>(last)
        .execute(connection)?;
    Ok(())
}

/// Deletes what is beside the rows. [`set_store`] sets everything here.
pub fn clear(_: &mut SqliteConnection) -> Result<()> {
    Ok(())
}

/// Passes how many events of each service the roll-ups contain.
pub fn sealed_events(
    connection: &mut SqliteConnection,
    range: Range,
    each: &mut EachRow<'_>,
) -> Result<()> {
    let (sealing_event_id, done_through, sealed_event_id): (Option<i64>, i64, i64) = history::table
        .select((history::sealing_event_id, history::sealing_service_id, history::sealed_event_id))
        .first(connection)?;
    let ids: Vec<i64> = service_metrics::table
        .filter(service_metrics::service_id.between(range.first, range.last))
        .order(service_metrics::service_id)
        .select(service_metrics::service_id)
        .load(connection)?;
    ids.into_iter().try_for_each(|service_id| {
        let of_sealing = sealing_event_id.filter(|_| service_id <= done_through);
        each(Row::SealedEvents { service_id, event_id: of_sealing.unwrap_or(sealed_event_id) })
    })
}

/// Passes the fresh ticks of these services, oldest first.
pub fn ticks(
    connection: &mut SqliteConnection,
    range: Range,
    each: &mut EachRow<'_>,
) -> Result<()> {
    let counts: Vec<(i64, i64, i64)> = service_metrics::table
        .filter(service_metrics::service_id.between(range.first, range.last))
        .select((
            service_metrics::service_id,
            service_metrics::tick_count,
            service_metrics::unknown_count,
        ))
        .load(connection)?;
    let newest: HashMap<i64, u64> = counts
        .into_iter()
        .map(|(id, known, unknown)| (id, (known + unknown).cast_unsigned()))
        .collect();
    let mut services: BTreeMap<i64, Vec<StoredTick>> = BTreeMap::new();
    fresh::of_range(connection, (range.first, range.last), &mut |service_id, tick| {
        services.entry(service_id).or_default().push(tick);
    })?;
    for (service_id, newest_first) in services {
        let newest_seq = newest.get(&service_id).copied().unwrap_or_default();
        let first_seq = (newest_seq + 1).saturating_sub(newest_first.len() as u64);
        for (seq, tick) in (first_seq..).zip(newest_first.into_iter().rev()) {
            each(Row::Tick(TickCopy { service_id, seq, tick }))?;
        }
    }
    Ok(())
}
