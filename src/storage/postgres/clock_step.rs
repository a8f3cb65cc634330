//! Moves what was stored before the wall clock was set back.
//!
//! Sealed ticks keep their time: their chunks are not written again. Their hours are in the future
//! then, where no query for the past reads them, and the times of all roll-ups are computed anew
//! with the next sealing.

use std::collections::HashMap;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Nullable};

use super::cold::alerting;
use super::connection::StoreConnection;
use crate::domain::ShardSet;
use crate::domain::time::step_back::{Period, StepBack};
use crate::storage::clock_step::MovedEvents;
use crate::storage::port::Result;

/// Services whose events are read and written at once.
const PORTION: usize = 1_024;

/// Newest events of a service that are read at first. Seldom do more change.
const FEW: i64 = 4;

#[derive(QueryableByName)]
struct ServiceRow {
    #[diesel(sql_type = BigInt)]
    service_id: i64,
}

/// Services with a moment after the step, and those with an outage that lasts.
const MAY_MOVE: &str = "\
    SELECT DISTINCT service_id FROM service_events \
    WHERE region_id = 0 AND get_bit($2, service_id / 16 % 1024) = 1 \
        AND (date_started_ms > $1 OR date_ended_ms > $1 \
        OR (date_ended_ms IS NULL AND event = 'downtime')) ORDER BY service_id";

/// Moves events, fresh ticks, streaks, marks and rows of the audit; beside other instances, only
/// what belongs to `owned`. Returns the number of services whose events changed. Part of the
/// caller's transaction.
pub fn apply(connection: &mut StoreConnection, step: &StepBack, owned: &ShardSet) -> Result<usize> {
    let shards = owned.to_bytes();
    let services: Vec<ServiceRow> = diesel::sql_query(MAY_MOVE)
        .bind::<BigInt, _>(step.after_ms)
        .bind::<Bytea, _>(&shards)
        .load(connection)?;
    let services: Vec<i64> = services.into_iter().map(|row| row.service_id).collect();
    let mut moved = 0;
    for ids in services.chunks(PORTION) {
        let Read { mut all, unfinished } = moved_events(connection, ids, step, FEW)?;
        for id in unfinished {
            all.extend(moved_events(connection, &[id], step, i64::MAX)?.all);
        }
        moved += all.len();
        write(connection, &all, step)?;
    }
    for text in MOVE_OWNED {
        diesel::sql_query(text)
            .bind::<BigInt, _>(step.by_ms)
            .bind::<BigInt, _>(step.to_ms)
            .bind::<BigInt, _>(step.after_ms)
            .bind::<Bytea, _>(&shards)
            .execute(connection)?;
    }
    if *owned == ShardSet::ALL {
        for text in MOVE {
            diesel::sql_query(text)
                .bind::<BigInt, _>(step.by_ms)
                .bind::<BigInt, _>(step.to_ms)
                .bind::<BigInt, _>(step.after_ms)
                .execute(connection)?;
        }
        alerting::clock_step::apply(connection, step)?;
    }
    Ok(moved)
}

#[derive(QueryableByName)]
struct EventRow {
    #[diesel(sql_type = BigInt)]
    service_id: i64,
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Bool)]
    is_outage: bool,
    #[diesel(sql_type = BigInt)]
    date_started_ms: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    date_ended_ms: Option<i64>,
}

/// The newest events of each service, newest first.
const EVENTS: &str = "\
    SELECT u.service_id, e.* FROM unnest($1) u(service_id) CROSS JOIN LATERAL ( \
        SELECT id, event = 'downtime' AS is_outage, date_started_ms, date_ended_ms \
        FROM service_events WHERE service_id = u.service_id AND region_id = 0 \
        ORDER BY date_started_ms DESC, id DESC LIMIT $2) e \
    ORDER BY u.service_id, e.date_started_ms DESC, e.id DESC";

struct Read {
    /// By service; without those of which nothing moves.
    all: HashMap<i64, MovedEvents>,
    /// Services of which more events must be read.
    unfinished: Vec<i64>,
}

/// Reads the newest `limit` events of each service.
fn moved_events(
    connection: &mut StoreConnection,
    ids: &[i64],
    step: &StepBack,
    limit: i64,
) -> Result<Read> {
    let rows = diesel::sql_query(EVENTS)
        .bind::<Array<BigInt>, _>(ids)
        .bind::<BigInt, _>(limit)
        .load_iter::<EventRow, DefaultLoadingMode>(connection)?;
    // Number of events that are read, and whether older ones do not change.
    let mut read: HashMap<i64, (MovedEvents, i64, bool)> = HashMap::with_capacity(ids.len());
    for row in rows {
        let row = row?;
        let start = || (MovedEvents::new(*step), 0, false);
        let (moved, count, is_done) = read.entry(row.service_id).or_insert_with(start);
        *count += 1;
        if !*is_done {
            let period = Period { started_ms: row.date_started_ms, ended_ms: row.date_ended_ms };
            *is_done = moved.push(row.id, row.is_outage, period).is_break();
        }
    }
    let is_unfinished = |(_, count, is_done): &(_, i64, bool)| !is_done && *count == limit;
    let unfinished = read.iter().filter(|(_, read)| is_unfinished(read)).map(|(id, _)| *id);
    let unfinished: Vec<i64> = unfinished.collect();
    let all = read.into_iter().filter(|(_, read)| !is_unfinished(read));
    let all = all.map(|(id, (moved, ..))| (id, moved));
    let all = all.filter(|(_, moved)| !moved.events().is_empty()).collect();
    Ok(Read { all, unfinished })
}

const MOVE_EVENTS: &str = "\
    UPDATE service_events e SET date_started_ms = u.started_ms, date_ended_ms = u.ended_ms, \
        updated_at = $4 \
    FROM unnest($1, $2, $3) u(id, started_ms, ended_ms) WHERE e.id = u.id";

/// The times of the roll-ups do not contain the moved events any more.
const OUTDATE_ROLLUPS: &str = "\
    UPDATE service_metrics m SET sealed_event_id = u.event_id - 1 \
    FROM unnest($1, $2) u(service_id, event_id) \
    WHERE m.service_id = u.service_id AND m.region_id = 0 AND m.sealed_event_id >= u.event_id";

fn write(
    connection: &mut StoreConnection,
    moved: &HashMap<i64, MovedEvents>,
    step: &StepBack,
) -> Result<()> {
    let (mut ids, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for event in moved.values().flat_map(MovedEvents::events) {
        ids.push(event.id);
        starts.push(event.period.started_ms);
        ends.push(event.period.ended_ms);
    }
    diesel::sql_query(MOVE_EVENTS)
        .bind::<Array<BigInt>, _>(ids)
        .bind::<Array<BigInt>, _>(starts)
        .bind::<Array<Nullable<BigInt>>, _>(ends)
        .bind::<BigInt, _>(step.to_ms / 1_000)
        .execute(connection)?;
    let outdated = moved.iter().filter_map(|(id, moved)| Some((*id, moved.first_outdated_id()?)));
    let (services, events): (Vec<i64>, Vec<i64>) = outdated.unzip();
    diesel::sql_query(OUTDATE_ROLLUPS)
        .bind::<Array<BigInt>, _>(services)
        .bind::<Array<BigInt>, _>(events)
        .execute(connection)?;
    Ok(())
}

/// The moment in the column, as [`StepBack::moved`] after `$3`.
macro_rules! moved {
    ($column:literal) => {
        concat!("least(greatest(", $column, " - $1, 0), $2)")
    };
}

/// A streak of failures keeps its length, as an outage does.
const MOVE_OWNED: [&str; 3] = [
    concat!(
        "UPDATE service_ticks SET at_ms = ",
        moved!("at_ms"),
        " WHERE at_ms > $3 AND get_bit($4, service_id / 16 % 1024) = 1"
    ),
    concat!(
        "UPDATE service_facts SET at_ms = ",
        moved!("at_ms"),
        " WHERE at_ms > $3 AND get_bit($4, service_id / 16 % 1024) = 1"
    ),
    concat!(
        "UPDATE service_metrics SET \
            streak_since_ms = CASE WHEN streak_since_ms IS NOT NULL \
                    AND (streak_since_ms > $3 OR NOT streak_is_up) \
                THEN ",
        moved!("streak_since_ms"),
        " ELSE streak_since_ms END, \
            unwatched_from_ms = CASE WHEN unwatched_from_ms > $3 \
                THEN ",
        moved!("unwatched_from_ms"),
        " ELSE unwatched_from_ms END, \
            updated_at = CASE WHEN updated_at * 1000 > $3 \
                THEN least(greatest(updated_at - $1 / 1000, 0), $2 / 1000) ELSE updated_at END \
        WHERE (streak_since_ms > $3 OR (streak_since_ms IS NOT NULL AND NOT streak_is_up) \
            OR unwatched_from_ms > $3 OR updated_at * 1000 > $3) \
            AND get_bit($4, service_id / 16 % 1024) = 1"
    ),
];

/// What all instances share.
const MOVE: [&str; 3] = [
    concat!(
        "UPDATE instances SET committed_at_ms = ",
        moved!("committed_at_ms"),
        " WHERE committed_at_ms > $3"
    ),
    concat!("UPDATE store SET sealed_at_ms = ", moved!("sealed_at_ms"), " WHERE sealed_at_ms > $3"),
    concat!("UPDATE audit SET at_ms = ", moved!("at_ms"), " WHERE at_ms > $3"),
];
