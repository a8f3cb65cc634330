//! The hot commit: many outcomes, one transaction, and the tally of each service at hand.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::models;
use super::transition;
use crate::domain::{
    Event, EventBegan, EventChange, Outcome, ServiceId, State, Tally, Thresholds, Tick, Verdict,
    rollup,
};
use crate::storage::error::StorageError;
use crate::storage::history::{fresh, gaps};
use crate::storage::models::{EventRow, MetricRow, ServiceRow, TickRow};
use crate::storage::schema::{liveness, service_events, service_metrics, service_ticks, services};
use crate::storage::tallies::TallyRow;

/// What a service's rows say, so that a commit need not read them.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// Whether the service lives and is enabled; ticks of one that is not are not kept.
    is_watched: bool,
    /// Whether the service has a row in `service_metrics`.
    has_metric: bool,
    thresholds: Thresholds,
    tally: Tally,
    /// Row of the newest event; `Some` exactly when `tally.latest` is.
    latest_event_id: Option<i64>,
    /// Row of the newest tick, fresh or sealed.
    latest_tick_id: Option<i64>,
    /// Since when nobody watched, if the history was taken over and this is its first result here.
    unwatched_from_ms: Option<i64>,
    /// Ticks that this process has written since the last sealing began.
    fresh_run: u32,
}

/// What one commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Ticks that are in the store now.
    pub recorded: usize,
    /// Outcomes of services that were deleted or paused while the probe ran: not kept.
    pub orphaned: usize,
    /// The events that began, in order.
    pub began: Vec<EventBegan>,
    /// Outcomes that contradict the store, and how; not kept. Filled by who commits them one by one.
    pub refused: Vec<(ServiceId, String)>,
}

impl Committed {
    /// Adds what a later commit did.
    pub fn extend(&mut self, later: Self) {
        self.recorded += later.recorded;
        self.orphaned += later.orphaned;
        self.began.extend(later.began);
        self.refused.extend(later.refused);
    }
}

/// The tallies of the services that this process has written to.
///
/// Bound: one entry of about 250 bytes for each service that lives and is probed. Invariant: an entry equals
/// the committed rows; a transaction works on copies, which take the entries' place after its commit.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Boxed, since half of a large map is empty.
    entries: HashMap<ServiceId, Box<Entry>>,
    /// The id of the next tick; `None` while only the rows know.
    next_tick_id: Option<i64>,
    fresh: Fresh,
    /// What began before this moment changes no event: the time before it is known to be unknown. In unix milliseconds.
    not_before_ms: Option<i64>,
}

/// How much waits to be sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fresh {
    /// Ticks of all services.
    pub ticks: u64,
    /// Ticks of the service that has most, as far as this process has written them since the last sealing began.
    pub longest_run: u32,
    /// Whether a sealing is under way, which a former process may have left.
    pub is_sealing: bool,
}

impl Ledger {
    /// Commits `group` as one transaction: tick, metric and event of an outcome stand or fall together. Moves the
    /// liveness mark to `now_ms`, with an empty group too. After an error the ledger is empty: whether it
    /// undid the transaction, or came after it was kept, only the rows know.
    pub fn commit(
        &mut self,
        connection: &mut SqliteConnection,
        group: &[Outcome],
        now_ms: i64,
    ) -> Result<Committed, StorageError> {
        let committed = self.try_commit(connection, group, now_ms);
        if committed.is_err() {
            self.forget_all();
        }
        committed
    }

    /// Forgets what is known of every service, and the ids: only the rows know.
    pub fn forget_all(&mut self) {
        self.entries.clear();
        self.next_tick_id = None;
    }

    /// This process stood still until `until_ms`, and the rows say so. A result of a probe that began before is kept, and changes no
    /// event: it would claim the standstill for itself.
    pub fn stood_still(&mut self, until_ms: i64) {
        self.entries.clear();
        self.not_before_ms = Some(until_ms);
    }

    /// How much waits to be sealed, as of the last commit.
    pub fn fresh(&self) -> Fresh {
        self.fresh
    }

    /// A sealing is under way, or no longer.
    pub fn sealing(&mut self, is_under_way: bool) {
        if is_under_way && !self.fresh.is_sealing {
            self.fresh.longest_run = 0;
            for entry in self.entries.values_mut() {
                entry.fresh_run = 0;
            }
        }
        self.fresh.is_sealing = is_under_way;
    }

    /// So many ticks were sealed.
    pub fn sealed(&mut self, ticks: u64) {
        self.fresh.ticks = self.fresh.ticks.saturating_sub(ticks);
    }

    fn try_commit(
        &mut self,
        connection: &mut SqliteConnection,
        group: &[Outcome],
        now_ms: i64,
    ) -> Result<Committed, StorageError> {
        let mut done = Committed::default();
        // By id, so that a page with rows of several services is met once.
        let mut touched: BTreeMap<ServiceId, Entry> = BTreeMap::new();
        let next_tick_id = connection.immediate_transaction(|connection| {
            let first_tick_id = match self.next_tick_id {
                Some(id) => id,
                None => {
                    let found = fresh::extent(connection)?;
                    self.fresh.ticks = found.ticks;
                    self.fresh.is_sealing = found.is_sealing;
                    found.next_id
                }
            };
            // Without a gap, so that their ids tell how many there are.
            let next_tick_id = |done: &Committed| first_tick_id + done.recorded as i64;
            for outcome in group {
                let id = outcome.service_id;
                let mut entry = match touched.get(&id).or_else(|| Some(self.entries.get(&id)?)) {
                    Some(entry) => *entry,
                    None => read_entry(connection, id)?,
                };
                if entry.is_watched {
                    let is_late = self.not_before_ms.is_some_and(|ms| outcome.started_at_ms < ms);
                    let at = Place { tick_id: next_tick_id(&done), now_ms, is_late };
                    record(connection, &mut entry, outcome, at, &mut done)?;
                } else {
                    done.orphaned += 1;
                }
                touched.insert(id, entry);
            }
            for (id, entry) in touched.iter().filter(|(_, entry)| entry.is_watched) {
                write_tally(connection, *id, entry, now_ms)?;
            }
            move_liveness(connection, now_ms)?;
            Ok::<_, StorageError>(next_tick_id(&done))
        })?;
        self.next_tick_id = Some(next_tick_id);
        self.fresh.ticks += done.recorded as u64;
        for (id, entry) in touched.into_iter().filter(|(_, entry)| entry.is_watched) {
            self.fresh.longest_run = self.fresh.longest_run.max(entry.fresh_run);
            let entry = Entry { has_metric: true, ..entry };
            match self.entries.entry(id) {
                Occupied(mut known) => **known.get_mut() = entry,
                Vacant(place) => _ = place.insert(Box::new(entry)),
            }
        }
        Ok(done)
    }

    /// Forgets what is known of `id`; to be called when the service was changed or deleted.
    pub fn forget(&mut self, id: ServiceId) {
        self.entries.remove(&id);
    }
}

/// Where and when an outcome is recorded.
struct Place {
    /// The id of its tick.
    tick_id: i64,
    /// Unix milliseconds.
    now_ms: i64,
    /// Whether it began before a time that is unknown by now.
    is_late: bool,
}

fn record(
    connection: &mut SqliteConnection,
    entry: &mut Entry,
    outcome: &Outcome,
    Place { tick_id, now_ms, is_late }: Place,
    done: &mut Committed,
) -> Result<(), StorageError> {
    let state = match outcome.verdict() {
        Verdict::Up => State::Up,
        Verdict::Down => State::Down,
        Verdict::Unknown => State::Unknown,
        // Faults of ours never get here: the prober counts them and records nothing.
        Verdict::Local => return Ok(()),
    };
    let kept = models::kept(outcome, state);
    let row = TickRow::new(tick_id, outcome.service_id, entry.latest_tick_id, &kept);
    diesel::insert_into(service_ticks::table).values(row).execute(connection)?;
    entry.latest_tick_id = Some(tick_id);
    entry.fresh_run += 1;
    done.recorded += 1;

    // As it is kept, so that the sum stays that of the ticks.
    let response_time = Duration::from_micros(kept.response_time_us);
    let tick = Tick { state, at_ms: kept.at_ms, response_time };
    if let Some(from_ms) = entry.unwatched_from_ms.take()
        && let Some((event_id, latest)) =
            gaps::end_unwatched(connection, outcome.service_id, from_ms, now_ms)?
    {
        entry.latest_event_id = Some(event_id);
        entry.tally.latest = Some(latest);
    }
    if is_late {
        entry.tally = entry.tally.with_tick(&tick);
        return Ok(());
    }
    let (tally, change) = rollup(&entry.tally, &tick, &entry.thresholds);
    if let EventChange::Begins { state, at_ms } = change {
        // Without a metric, which somebody may have taken away, only the rows know.
        if entry.tally.latest.is_none_or(|latest| latest.open) {
            transition::close(connection, outcome.service_id, at_ms)?;
        }
        let failure = outcome.failure.as_ref();
        let id = transition::begin(connection, outcome.service_id, state, failure, at_ms, now_ms)?;
        done.began.push(EventBegan {
            service_id: outcome.service_id,
            state,
            before: entry.tally.latest.map(|latest| latest.state),
            known_before: entry
                .tally
                .known_is_up
                .map(|is_up| if is_up { State::Up } else { State::Down }),
            failure: outcome.failure.clone(),
        });
        if entry.has_metric {
            transition::note_newest(connection, outcome.service_id, id)?;
        }
        entry.latest_event_id = Some(id);
    }
    entry.tally = tally;
    Ok(())
}

fn read_entry(connection: &mut SqliteConnection, id: ServiceId) -> Result<Entry, StorageError> {
    let service = services::table
        .filter(services::id.eq(id.get()).and(services::deleted_at.is_null()))
        .select(ServiceRow::as_select())
        .first(connection)
        .optional()?;
    let Some(service) = service.filter(|service| service.enabled) else {
        return Ok(Entry::default());
    };
    let thresholds = service.thresholds();
    let rows = service_metrics::table
        .left_join(service_events::table)
        .filter(service_metrics::service_id.eq(id.get()))
        .select((MetricRow::as_select(), Option::<EventRow>::as_select()))
        .first::<(MetricRow, Option<EventRow>)>(connection)
        .optional()?;
    let watched = Entry { is_watched: true, thresholds, ..Entry::default() };
    let Some((metric, event)) = rows else { return Ok(watched) };
    let event = event.map(EventRow::event).transpose()?;
    Ok(Entry {
        has_metric: true,
        tally: metric.tally(event.as_ref().map(Event::latest)),
        latest_event_id: event.map(|event| event.id),
        latest_tick_id: metric.latest_tick_id,
        unwatched_from_ms: metric.unwatched_from_ms,
        ..watched
    })
}

fn write_tally(
    connection: &mut SqliteConnection,
    id: ServiceId,
    entry: &Entry,
    now_ms: i64,
) -> Result<(), StorageError> {
    let now = now_ms / 1_000;
    let row = TallyRow::new(id, &entry.tally, entry.latest_event_id, entry.latest_tick_id, now);
    if entry.has_metric {
        row.update(connection)?;
    } else {
        row.insert(connection)?;
    }
    Ok(())
}

pub(super) fn move_liveness(
    connection: &mut SqliteConnection,
    now_ms: i64,
) -> Result<(), StorageError> {
    diesel::insert_into(liveness::table)
        .values((liveness::id.eq(1), liveness::at_ms.eq(now_ms)))
        .on_conflict(liveness::id)
        .do_update()
        .set(liveness::at_ms.eq(now_ms))
        .execute(connection)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use diesel::connection::SimpleConnection;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Event, Failure, PageRequest, Reason, Window, sample};
    use crate::storage::history::events::ListEvents;
    use crate::storage::reader::{GetService, Query};
    use crate::storage::writer::{Change, apply};
    use crate::storage::{Store, connection};

    struct Fixture {
        connection: SqliteConnection,
        ledger: Ledger,
        ids: Vec<ServiceId>,
        _folder: tempfile::TempDir,
    }

    fn fixture(services: usize) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.db")).unwrap();
        let mut connection = connection::writer(store.path()).unwrap();
        connection.batch_execute("PRAGMA synchronous = OFF").unwrap();
        let ids = (0..services)
            .map(|nth| {
                let definition = sample::definition(&format!("service-{nth}"));
                apply(&mut connection, Change::Create(Box::new(definition)), 0).unwrap().id
            })
            .collect();
        Fixture { connection, ledger: Ledger::default(), ids, _folder: folder }
    }

    fn outcome(service_id: ServiceId, up: bool, at_ms: i64) -> Outcome {
        Outcome {
            response_time: Duration::from_micros(1_500),
            http_status: Some(if up { 200 } else { 500 }),
            failure: (!up).then(|| Failure::new(Reason::Status, "500 Internal Server Error")),
            ..sample::outcome(service_id.get(), at_ms)
        }
    }

    /// The events of a service, newest first.
    fn events(connection: &mut SqliteConnection, id: ServiceId) -> Vec<Event> {
        let page = PageRequest { page: 1, limit: 1_000 };
        let (service_id, window) = (Some(id), Window::ALL);
        let list = ListEvents { service_id, window, state: None, reason: None, page };
        list.run(connection).unwrap().items.into_iter().map(|item| item.event).collect()
    }

    #[test]
    fn a_change_of_state_ends_the_old_event_where_the_new_one_begins() {
        let Fixture { mut connection, mut ledger, ids, _folder } = fixture(1);
        let id = ids[0];
        for (nth, up) in [true, true, false, false, true].into_iter().enumerate() {
            let group = [outcome(id, up, nth as i64 * 1_000)];
            ledger.commit(&mut connection, &group, 0).unwrap();
        }
        let events = events(&mut connection, id);
        let told: Vec<_> = events.iter().map(|e| (e.state, e.started_ms, e.ended_ms)).collect();
        assert_eq!(
            told,
            [
                (State::Up, 4_000, None),
                (State::Down, 2_000, Some(4_000)),
                (State::Up, 0, Some(2_000))
            ]
        );
        let failure = events[1].failure.as_ref();
        assert_eq!(failure.map(|failure| failure.reason.as_str()), Some("status"));
        let tally = GetService(id).run(&mut connection).unwrap().tally.unwrap();
        assert_eq!((tally.tick_count, tally.up_count), (5, 3));
    }

    #[test]
    fn a_group_that_fails_leaves_nothing_in_the_store_and_nothing_in_the_ledger() {
        let Fixture { mut connection, mut ledger, ids, _folder } = fixture(2);
        ledger.commit(&mut connection, &[outcome(ids[0], true, 0)], 0).unwrap();
        let break_it = "CREATE TRIGGER no BEFORE INSERT ON service_ticks WHEN NEW.service_id = 2 \
                        BEGIN SELECT RAISE(ABORT, 'injected'); END";
        connection.batch_execute(break_it).unwrap();
        let group = [outcome(ids[0], false, 1_000), outcome(ids[1], true, 1_000)];
        assert!(ledger.commit(&mut connection, &group, 0).is_err());
        connection.batch_execute("DROP TRIGGER no").unwrap();
        let tally = GetService(ids[0]).run(&mut connection).unwrap().tally.unwrap();
        assert_eq!((tally.tick_count, tally.down_count()), (1, 0));

        ledger.commit(&mut connection, &group, 0).unwrap();
        let tally = GetService(ids[0]).run(&mut connection).unwrap().tally.unwrap();
        assert_eq!((tally.tick_count, tally.down_count()), (2, 1), "once, not twice");
    }

    #[test]
    fn a_metric_that_somebody_took_away_is_made_anew() {
        let Fixture { mut connection, mut ledger, ids, _folder } = fixture(1);
        ledger.commit(&mut connection, &[outcome(ids[0], true, 0)], 0).unwrap();
        diesel::delete(service_metrics::table).execute(&mut connection).unwrap();
        assert!(ledger.commit(&mut connection, &[outcome(ids[0], true, 1_000)], 0).is_err());
        ledger.commit(&mut connection, &[outcome(ids[0], true, 2_000)], 0).unwrap();
        assert_eq!(events(&mut connection, ids[0]).len(), 2);
    }

    #[test]
    fn an_outcome_of_a_deleted_service_is_not_kept() {
        let Fixture { mut connection, mut ledger, ids, _folder } = fixture(1);
        ledger.commit(&mut connection, &[outcome(ids[0], true, 0)], 0).unwrap();
        apply(&mut connection, Change::Delete(ids[0]), 500).unwrap();
        ledger.forget(ids[0]);
        let done = ledger.commit(&mut connection, &[outcome(ids[0], false, 1_000)], 0).unwrap();
        assert_eq!((done.recorded, done.orphaned), (0, 1));
        let open = service_events::table.filter(service_events::date_ended_ms.is_null());
        assert_eq!(open.count().get_result::<i64>(&mut connection), Ok(0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Whatever the groups, and whether the ledger remembers or reads: the rows equal a recount.
        #[test]
        fn groups_of_any_size_give_the_same_rows(
            groups in prop::collection::vec(
                (prop::collection::vec((0usize..3, any::<bool>()), 0..12), any::<bool>()), 1..8
            )
        ) {
            let Fixture { mut connection, mut ledger, ids, _folder } = fixture(3);
            let mut all: Vec<Vec<bool>> = vec![Vec::new(); 3];
            let mut at_ms = 0;
            for (group, forgets) in groups {
                let mut outcomes = Vec::new();
                for (nth, up) in group {
                    at_ms += 1_000;
                    all[nth].push(up);
                    outcomes.push(outcome(ids[nth], up, at_ms));
                }
                ledger.commit(&mut connection, &outcomes, at_ms).unwrap();
                if forgets {
                    ledger = Ledger::default();
                }
            }
            for (id, ticks) in ids.iter().zip(&all) {
                let record = GetService(*id).run(&mut connection).unwrap();
                let tally = record.tally.unwrap_or_default();
                prop_assert_eq!(tally.tick_count, ticks.len() as u64);
                prop_assert_eq!(tally.up_count, ticks.iter().filter(|up| **up).count() as u64);
                prop_assert_eq!(tally.response_time_sum, Duration::from_micros(1_500) * ticks.len() as u32);
                let newest = record.latest_event.map(|event| event.state == State::Up);
                prop_assert_eq!(newest, ticks.last().copied());
                let flips = ticks.windows(2).filter(|pair| pair[0] != pair[1]).count();
                let expected = if ticks.is_empty() { 0 } else { flips + 1 };
                prop_assert_eq!(events(&mut connection, *id).len(), expected);
            }
        }
    }
}
