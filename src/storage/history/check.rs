//! Checks a history: every tick is there exactly once, every roll-up equals a recount.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use crate::domain::{ServiceId, Span, Stats, Window};
use crate::storage::error::StorageError;
use crate::storage::history::rollups;
use crate::storage::history::rows::{Bucket, DAY_S, HOUR_S, Marks};
use crate::storage::history::ticks;
use crate::storage::history::uptime::{spans, totals_of};
use crate::storage::port::{StoreRead, snapshot};

/// Maximum number of reported problems.
const PROBLEMS: usize = 50;

/// What was checked, and the problems.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Deleted ones included.
    pub services: u64,
    /// Fresh and sealed.
    pub ticks: u64,
    pub rollups: u64,
    /// One sentence each, at most fifty.
    pub problems: Vec<String>,
}

impl Checked {
    fn problem(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Checks everything, one service at a time, on one snapshot.
pub fn check(rows: &mut dyn StoreRead) -> Result<Checked, StorageError> {
    snapshot(rows, |rows| {
        let mut checked = Checked::default();
        let ids = rows.all_service_ids()?;
        let marks = rows.marks()?;
        let fresh = rows.fresh_counts()?;
        let mut missing = 0;
        for id in ids {
            checked.services += 1;
            let fresh = fresh.get(&id).copied().unwrap_or_default();
            missing += check_service(rows, id, fresh, &marks, &mut checked)?;
        }
        if missing != marks.expired_ticks.cast_signed() {
            let expired = marks.expired_ticks;
            checked.problem(format!(
                "{missing} ticks are missing, and retention has deleted {expired}"
            ));
        }
        if let Err(error) = rows.load_services() {
            checked.problem(error.to_string());
        }
        for problem in rows.check_counters()? {
            checked.problem(problem);
        }
        Ok(checked)
    })
}

/// Returns the number of missing ticks. After a clock was set back, these need not be the oldest.
fn check_service(
    rows: &mut dyn StoreRead,
    id: ServiceId,
    fresh: u64,
    marks: &Marks,
    checked: &mut Checked,
) -> Result<i64, StorageError> {
    let newest = rows.newest_seq(id)?;
    let mut sealed: BTreeMap<Bucket, Stats> = BTreeMap::new();
    let (mut next, mut missing) = (1, 0);
    for chunk in rows.chunks(id, Window::ALL, None)?.iter().rev() {
        let (first_seq, run) = match ticks::open(rows, chunk) {
            Ok(opened) => opened,
            Err(StorageError::Unreadable(row)) => {
                checked.problem(format!("service {id}: {row}"));
                return Ok(missing);
            }
            Err(error) => return Err(error),
        };
        if first_seq < next {
            checked.problem(format!(
                "service {id}: tick {} is followed by a chunk that begins with tick {first_seq}",
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
            "service {id}: its metric counts {newest} ticks; {} are sealed and {fresh} are fresh",
            next - 1
        ));
    }
    missing += newest.cast_signed() + 1 - (next + fresh).cast_signed();
    let mut found = 0;
    rows.fresh_ticks(id, &mut |_| {
        found += 1;
        ControlFlow::Continue(())
    })?;
    if found != fresh {
        checked.problem(format!("service {id}: {found} of its {fresh} fresh ticks can be found"));
    }
    let ticks_expired_to_ms = if missing == 0 { i64::MIN } else { marks.ticks_expired_to_ms };
    let marks = Marks { ticks_expired_to_ms, ..*marks };
    let events = spans(rows, id, Window::ALL)?;
    check_rollups(rows, id, &sealed, &events, &marks, checked)?;
    check_events(id, &events, checked);
    match rows.facts(&[id], Window::ALL) {
        Err(StorageError::Unreadable(row)) => checked.problem(format!("service {id}: {row}")),
        facts => drop(facts?),
    }
    Ok(missing)
}

fn check_rollups(
    rows: &mut dyn StoreRead,
    id: ServiceId,
    sealed: &BTreeMap<Bucket, Stats>,
    events: &[Span],
    marks: &Marks,
    checked: &mut Checked,
) -> Result<(), StorageError> {
    let mut all = rows.rollups(id, HOUR_S, Window::ALL)?;
    all.extend(rows.rollups(id, DAY_S, Window::ALL)?);
    let oldest_event_ms = events.first().map_or(i64::MAX, |span| span.from_ms);
    // Events that began since the last sealing are not in the roll-ups yet, whatever their date.
    let changed_from_ms = rows.first_unsealed_event(id)?;
    let mut found: HashMap<Bucket, Stats> = HashMap::with_capacity(all.len());
    for rollup in &all {
        checked.rollups += 1;
        let bucket = rollup.bucket;
        let from_ms = bucket.start_s * 1_000;
        let to_ms = from_ms + rollup.totals.total().cast_signed();
        let is_settled = changed_from_ms.is_none_or(|at_ms| at_ms >= to_ms);
        if is_settled
            && from_ms >= oldest_event_ms
            && totals_of(events, Window { from_ms, to_ms }) != rollup.totals
        {
            checked.problem(format!(
                "service {id}: the times of {bucket:?} are not those of its events"
            ));
        }
        found.insert(bucket, rollups::stats(id, rollup)?);
    }
    // Retention may have deleted older roll-ups, or their ticks.
    let is_whole = |bucket: &Bucket| {
        bucket.start_s * 1_000 > marks.ticks_expired_to_ms
            && bucket.end_s() * 1_000 > marks.rollups_expired_to_ms
    };
    // The roll-up of a day is made once the day is over and a later tick is sealed.
    let days_end_s = rollups::days_end_s(rows, id)?;
    let is_due = |bucket: &Bucket| bucket.step_s != DAY_S || bucket.start_s < days_end_s;
    for (bucket, stats) in sealed.iter().filter(|(bucket, _)| is_whole(bucket) && is_due(bucket)) {
        if found.remove(bucket).as_ref() != Some(stats) {
            checked.problem(format!("service {id}: {bucket:?} is not the sum of its ticks"));
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
