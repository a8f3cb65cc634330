//! Whether a history is whole: every tick there exactly once, every roll-up equal to a recount.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use super::rollups;
use super::{newest_seq, ticks};
use crate::domain::ServiceId;
use crate::domain::Window;
use crate::domain::history::stats::Stats;
use crate::domain::history::timeline::Span;
use crate::storage::StorageError;
use crate::storage::history::rollups::{Bucket, DAY_S, RollupRow};
use crate::storage::history::seal::Sealing;
use crate::storage::history::uptime::{spans, totals_of};
use crate::storage::reader::load_known;
use crate::storage::schema::{
    history, service_count, service_events, service_rollups, service_tick_chunks, services,
};

/// Most problems that are told.
const TOLD: usize = 50;

/// What was looked at, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Services, deleted ones included.
    pub services: u64,
    /// Ticks, fresh and sealed.
    pub ticks: u64,
    /// Roll-ups.
    pub rollups: u64,
    /// One sentence each, at most fifty.
    pub problems: Vec<String>,
}

impl Checked {
    fn problem(&mut self, told: String) {
        if self.problems.len() < TOLD {
            self.problems.push(told);
        }
    }
}

/// Looks at all of it, one service at a time.
pub fn check(connection: &mut SqliteConnection) -> Result<Checked, StorageError> {
    connection.transaction(|connection| {
        let mut checked = Checked::default();
        let ids: Vec<i64> =
            services::table.order(services::id).select(services::id).load(connection)?;
        let marks = history::table.select(Marks::as_select()).first(connection)?;
        let sealing = Sealing::under_way(connection)?;
        let fresh = fresh_by_service(connection)?;
        let mut missing = 0;
        for id in ids.into_iter().filter_map(ServiceId::new) {
            checked.services += 1;
            let sealed_event_id =
                sealing.map_or(marks.sealed_event_id, |sealing| sealing.event_id_of(id));
            let marks = Marks { sealed_event_id, ..marks };
            let fresh = fresh.get(&id.get()).copied().unwrap_or_default();
            missing += check_service(connection, id, fresh, &marks, &mut checked)?;
        }
        if missing != marks.expired_tick_count {
            let taken = marks.expired_tick_count;
            checked
                .problem(format!("{missing} ticks are missing, and retention has taken {taken}"));
        }
        if let Err(error) = load_known(connection) {
            checked.problem(error.to_string());
        }
        check_counts(connection, &mut checked)?;
        Ok(checked)
    })
}

/// How far sealing and retention have come.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = history, check_for_backend(diesel::sqlite::Sqlite))]
struct Marks {
    sealed_event_id: i64,
    expired_tick_count: i64,
    ticks_expired_to_ms: i64,
    rollups_expired_to_ms: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    service_id: i64,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many fresh ticks each service has: one pass over tables that have no index to find those of one by.
fn fresh_by_service(connection: &mut SqliteConnection) -> Result<HashMap<i64, u64>, StorageError> {
    let counts: Vec<Count> = diesel::sql_query(
        "SELECT service_id, count(*) AS count FROM fresh_ticks GROUP BY service_id",
    )
    .load(connection)?;
    Ok(counts.into_iter().map(|row| (row.service_id, row.count.cast_unsigned())).collect())
}

/// Gives how many of its ticks are missing. Where the clock was set back, they need not be the first ones.
fn check_service(
    connection: &mut SqliteConnection,
    id: ServiceId,
    fresh: u64,
    marks: &Marks,
    checked: &mut Checked,
) -> Result<i64, StorageError> {
    let newest = newest_seq(connection, id)?;
    let mut sealed: BTreeMap<Bucket, Stats> = BTreeMap::new();
    let (mut next, mut missing) = (1, 0);
    for chunk in ticks::chunks(connection, id, Window::ALL, None)?.iter().rev() {
        let (first_seq, run) = match ticks::open(connection, chunk) {
            Ok(opened) => opened,
            Err(StorageError::Unreadable(what)) => {
                checked.problem(format!("service {id}: {what}"));
                return Ok(missing);
            }
            Err(error) => return Err(error),
        };
        if first_seq < next {
            checked.problem(format!(
                "service {id}: after tick {} comes a chunk that begins with tick {first_seq}",
                next - 1
            ));
        }
        missing += first_seq.cast_signed() - next.cast_signed();
        next = first_seq + run.len() as u64;
        checked.ticks += run.len() as u64;
        for tick in &run {
            let hour = Bucket::hour(tick.at_ms);
            for bucket in [hour, hour.day()] {
                sealed.entry(bucket).or_default().add(tick);
            }
        }
    }
    checked.ticks += fresh;
    if next + fresh > newest + 1 {
        checked.problem(format!(
            "service {id}: has had {newest} ticks, of which {} are sealed and {fresh} are fresh",
            next - 1
        ));
    }
    missing += newest.cast_signed() + 1 - (next + fresh).cast_signed();
    let mut chained = 0;
    super::fresh::newest_first(connection, id, |_| {
        chained += 1;
        std::ops::ControlFlow::Continue(())
    })?;
    if chained != fresh {
        checked.problem(format!("service {id}: {chained} of its {fresh} fresh ticks can be found"));
    }
    let ticks_expired_to_ms = if missing == 0 { i64::MIN } else { marks.ticks_expired_to_ms };
    let marks = Marks { ticks_expired_to_ms, ..*marks };
    let events = spans(connection, id, Window::ALL)?;
    check_rollups(connection, id, &sealed, &events, &marks, checked)?;
    check_events(id, &events, checked);
    Ok(missing)
}

fn check_rollups(
    connection: &mut SqliteConnection,
    id: ServiceId,
    sealed: &BTreeMap<Bucket, Stats>,
    events: &[Span],
    marks: &Marks,
    checked: &mut Checked,
) -> Result<(), StorageError> {
    let rows: Vec<RollupRow> = service_rollups::table
        .filter(service_rollups::service_id.eq(id.get()))
        .select(RollupRow::as_select())
        .load(connection)?;
    let oldest_event_ms = events.first().map_or(i64::MAX, |span| span.from_ms);
    // What began since the last sealing is not in the roll-ups yet, wherever it is dated to.
    let changed_from_ms: Option<i64> = service_events::table
        .filter(service_events::service_id.eq(id.get()))
        .filter(service_events::id.gt(marks.sealed_event_id))
        .select(diesel::dsl::min(service_events::date_started_ms))
        .first(connection)?;
    let mut found: HashMap<Bucket, Stats> = HashMap::with_capacity(rows.len());
    for row in &rows {
        checked.rollups += 1;
        let bucket = row.bucket();
        let told = row.totals();
        let from_ms = bucket.start_s * 1_000;
        let to_ms = from_ms + told.total().cast_signed();
        let is_settled = changed_from_ms.is_none_or(|at_ms| at_ms >= to_ms);
        if is_settled
            && from_ms >= oldest_event_ms
            && totals_of(events, Window { from_ms, to_ms }) != told
        {
            checked.problem(format!(
                "service {id}: the times of {bucket:?} are not those of its events"
            ));
        }
        found.insert(bucket, row.stats()?);
    }
    // Neither its ticks nor it may be too old to be kept.
    let is_whole = |bucket: &Bucket| {
        bucket.start_s * 1_000 > marks.ticks_expired_to_ms
            && bucket.end_s() * 1_000 > marks.rollups_expired_to_ms
    };
    // The roll-up of a day is made once the day is over and something is sealed behind it.
    let days_end_s = rollups::days_end_s(connection, id)?;
    let is_due = |bucket: &Bucket| bucket.step_s != DAY_S || bucket.start_s < days_end_s;
    for (bucket, stats) in sealed.iter().filter(|(bucket, _)| is_whole(bucket) && is_due(bucket)) {
        if found.remove(bucket).as_ref() != Some(stats) {
            checked.problem(format!("service {id}: {bucket:?} is not what its ticks add up to"));
        }
    }
    if let Some(bucket) = found.keys().find(|bucket| is_whole(bucket)) {
        checked.problem(format!("service {id}: {bucket:?} has no ticks"));
    }
    Ok(())
}

fn check_events(id: ServiceId, events: &[Span], checked: &mut Checked) {
    for pair in events.windows(2) {
        if pair[0].to_ms != Some(pair[1].from_ms) {
            checked.problem(format!(
                "service {id}: its event at {} does not end where the next begins",
                pair[0].from_ms
            ));
        }
    }
}

/// The counts that are kept must be those of the rows.
fn check_counts(
    connection: &mut SqliteConnection,
    checked: &mut Checked,
) -> Result<(), StorageError> {
    use diesel::dsl::{count_star, sql};
    let says: (i64, i64, i64, i64) = history::table
        .select((
            history::chunk_count,
            history::sealed_tick_count,
            history::sealed_byte_count,
            history::rollup_count,
        ))
        .first(connection)?;
    let (chunks, sealed, bytes): (i64, i64, i64) = service_tick_chunks::table
        .select((
            count_star(),
            sql::<BigInt>("coalesce(sum(tick_count), 0)"),
            sql::<BigInt>("coalesce(sum(length(data)), 0)"),
        ))
        .first(connection)?;
    let rollups: i64 = service_rollups::table.count().get_result(connection)?;
    // What a sealing has done with stays where it is until the sealing ends.
    let (says_left, left): (i64, i64) = history::table
        .select((
            history::sealing_tick_count,
            sql::<BigInt>(
                "(SELECT count(*) FROM sealing_ticks WHERE service_id <= sealing_service_id)",
            ),
        ))
        .first(connection)?;
    if says_left != left {
        checked.problem(format!(
            "a sealing has sealed {says_left} ticks by its own count, and {left} that were to be"
        ));
    }
    let says_living: i64 = service_count::table.select(service_count::living).first(connection)?;
    let living: i64 =
        services::table.filter(services::deleted_at.is_null()).count().get_result(connection)?;
    if says_living != living {
        checked.problem(format!("{says_living} services are counted as living, and {living} are"));
    }
    let has = (chunks, sealed, bytes, rollups);
    if says != has {
        checked.problem(format!(
            "chunks, sealed ticks, their bytes and roll-ups are counted as {says:?} and are {has:?}"
        ));
    }
    Ok(())
}
