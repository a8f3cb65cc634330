//! The coordinator's store: looks at other instances and at what they have changed, on a thread and
//! a connection of its own.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::actors::messages::instances::{
    CommandsDone, EndInstance, Look, Looked, Rejoin, SettingsFound,
};
use crate::actors::runtime::Lifeline;
use crate::actors::store::reopening::Reopening;
use crate::clock::unix_ms;
use crate::domain::{ServiceId, ShardSet};
use crate::storage::coordination::Duty;
use crate::storage::coordination::owned::OwnedShards;
use crate::storage::port::Coordinate;
use crate::storage::{CoordinatorAccess, StorageError, StoreAccess};

/// Most outcomes that one look takes from the inbox.
const INBOX_LIMIT: u32 = 1_000;

/// Most commands about alerts that one look takes.
const COMMANDS_LIMIT: u32 = 100;

/// Most events that one look reads.
const EVENTS_LIMIT: u32 = 10_000;

/// An event may become visible this much later than one with a greater id: the longest write of an
/// instance, and some more.
const EVENTS_LATE: Duration = Duration::from_secs(130);

/// Services whose states are read at once.
const STATES: usize = 1_000;

/// Owns the connection. Bounds: those of a look.
pub struct CoordinatorStore {
    store: Reopening<dyn Coordinate>,
    access: CoordinatorAccess,
    owned: OwnedShards,
    events: NewEvents,
    _lifeline: Lifeline,
}

impl CoordinatorStore {
    /// `None` for a store that has one instance.
    pub fn new(access: &StoreAccess, lifeline: Lifeline) -> Option<Self> {
        Some(Self {
            store: Reopening::new(access.clone(), open),
            access: access.coordinator()?,
            owned: access.owned(),
            events: NewEvents::default(),
            _lifeline: lifeline,
        })
    }
}

fn open(access: &StoreAccess) -> Result<Box<dyn Coordinate>, StorageError> {
    let coordinator = access.coordinator();
    let alone = || StorageError::Conflict("this store has one instance".to_owned());
    coordinator.ok_or_else(alone)?.open()
}

impl Actor for CoordinatorStore {
    type Context = SyncContext<Self>;
}

impl Handler<Look> for CoordinatorStore {
    type Result = Result<Looked, StorageError>;

    fn handle(&mut self, look: Look, _: &mut Self::Context) -> Self::Result {
        let Self { store, access, owned, events, .. } = self;
        let owned = owned.get().union(&look.leaving);
        store.run(|store| look_at(store, access, &owned, events, &look))
    }
}

impl Handler<EndInstance> for CoordinatorStore {
    type Result = Result<bool, StorageError>;

    fn handle(&mut self, EndInstance(seen): EndInstance, _: &mut Self::Context) -> Self::Result {
        self.store.run(|store| store.end(&seen, unix_ms()))
    }
}

impl Handler<CommandsDone> for CoordinatorStore {
    type Result = Result<(), StorageError>;

    fn handle(&mut self, CommandsDone(ids): CommandsDone, _: &mut Self::Context) -> Self::Result {
        self.store.run(|store| store.commands_done(&ids))
    }
}

impl Handler<Rejoin> for CoordinatorStore {
    type Result = Result<(), StorageError>;

    fn handle(&mut self, _: Rejoin, _: &mut Self::Context) -> Self::Result {
        self.store.run(|store| store.rejoin())
    }
}

fn look_at(
    store: &mut dyn Coordinate,
    access: &CoordinatorAccess,
    owned: &ShardSet,
    events: &mut NewEvents,
    look: &Look,
) -> Result<Looked, StorageError> {
    let mut roster = store.look(owned)?;
    if roster.own().is_none() {
        return Ok(Looked { roster, ..Looked::default() });
    }
    for duty in &look.wanted {
        if !roster.duties.contains(duty) && store.take_duty(*duty)? {
            roster.duties.push(*duty);
        }
    }
    let mut looked = Looked::default();
    let mut changed_states: Vec<ServiceId> = Vec::new();
    let is_known = |revision: i64| !look.reads_own && access.made(revision);
    if (look.since + 1..=roster.revision).any(|revision| !is_known(revision)) {
        let changed = store.changed_services(look.since)?.into_iter();
        let changed = changed.filter(|(_, revision)| !is_known(*revision));
        let ids: Vec<ServiceId> = changed.map(|(id, _)| id).collect();
        looked.changed = store.load_services_of(&ids)?;
        let living: BTreeSet<ServiceId> = looked.changed.iter().map(|it| it.id).collect();
        looked.deleted = ids.iter().copied().filter(|id| !living.contains(id)).collect();
        changed_states.extend(living);
        let maintenance = store.maintenances()?.into_iter().map(|record| record.maintenance);
        looked.settings = Some(SettingsFound {
            tokens: store.tokens()?,
            sessions: store.sessions()?,
            windows: maintenance.collect(),
        });
    }
    let of_events = events.read(store, roster.is_alone(), Instant::now())?;
    // Another one may have taken over by now what this instance is giving back.
    let own = owned.without(&look.leaving);
    let of_others = of_events.into_iter().filter(|id| !own.contains(*id));
    let ids: BTreeSet<ServiceId> = changed_states.into_iter().chain(of_others).collect();
    let ids: Vec<ServiceId> = ids.into_iter().collect();
    for part in ids.chunks(STATES) {
        looked.states.extend(store.live_services(Some(part))?);
    }
    if let Some(since_s) = look.results_since_s.filter(|_| !roster.is_alone()) {
        looked.results = store.results_of_others(&own, since_s)?;
    }
    if !own.is_empty() {
        looked.inbox = store.inbox(&own, INBOX_LIMIT)?;
    }
    if !roster.duties.contains(&Duty::Alerts) {
        looked.open_alerts = Some(store.open_alert_counts()?);
    } else {
        looked.commands = store.commands(COMMANDS_LIMIT)?;
    }
    Ok(Looked { roster, ..looked })
}

/// Finds the events that begin, by their ids. These are not in the order of their commits, so the
/// newest ones are read again until no earlier one can follow.
#[derive(Debug, Default)]
struct NewEvents {
    /// Every event up to this one was read; `None` before the first look.
    base: Option<i64>,
    /// The newest event of each look since.
    newest: VecDeque<(Instant, i64)>,
    /// Events after `base` that were read. Bound: [`EVENTS_LIMIT`].
    read: HashMap<i64, ServiceId>,
}

impl NewEvents {
    /// The services with new events.
    fn read(
        &mut self,
        store: &mut dyn Coordinate,
        is_alone: bool,
        now: Instant,
    ) -> Result<BTreeSet<ServiceId>, StorageError> {
        let base = match self.base {
            // All events of an instance that is alone are its own.
            Some(_) if is_alone => {
                *self = Self { base: Some(store.newest_event()?), ..Self::default() };
                return Ok(BTreeSet::new());
            }
            Some(base) => base,
            // At the start, others begin events while this instance reads the states.
            None => (store.newest_event()? - i64::from(EVENTS_LIMIT)).max(0),
        };
        let rows = store.events_after(base, EVENTS_LIMIT)?;
        Ok(self.found(base, &rows, now))
    }

    /// The services with new events of `rows`, which are the next ones after `base`.
    fn found(&mut self, base: i64, rows: &[(i64, ServiceId)], now: Instant) -> BTreeSet<ServiceId> {
        let new = rows.iter().filter(|(id, _)| !self.read.contains_key(id));
        let new = new.map(|(_, service)| *service).collect();
        self.newest.extend(rows.last().map(|(id, _)| (now, *id)));
        self.read = rows.iter().copied().collect();
        self.base = match rows.last() {
            Some((id, _)) if rows.len() >= EVENTS_LIMIT as usize => Some(*id),
            _ => Some(base),
        };
        while let Some((at, id)) = self.newest.front().copied()
            && now.saturating_duration_since(at) > EVENTS_LATE
        {
            self.base = self.base.max(Some(id));
            self.newest.pop_front();
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(ids: &[i64]) -> Vec<(i64, ServiceId)> {
        // Each of a service with the same number.
        ids.iter().map(|id| (*id, ServiceId::new(*id).unwrap())).collect()
    }

    fn found(new: &mut NewEvents, ids: &[i64], now: Instant) -> Vec<i64> {
        let base = new.base.unwrap_or_default();
        let rows: Vec<_> = events(ids).into_iter().filter(|(id, _)| *id > base).collect();
        new.found(base, &rows, now).into_iter().map(ServiceId::get).collect()
    }

    #[test]
    fn an_event_is_new_once_also_when_a_later_one_was_visible_before_it() {
        let (mut new, start) = (NewEvents::default(), Instant::now());
        assert_eq!(found(&mut new, &[1, 2, 4], start), [1, 2, 4], "those of the start");
        assert_eq!(found(&mut new, &[1, 2, 3, 4, 5], start), [3, 5]);
        let late = start + EVENTS_LATE + Duration::from_secs(1);
        assert_eq!(found(&mut new, &[1, 2, 3, 4, 5], late), [0; 0]);
        assert_eq!(new.base, Some(5), "none before it can follow");
        assert_eq!(found(&mut new, &[5, 6], late), [6]);
    }

    #[test]
    fn as_many_events_as_a_look_reads_move_the_base() {
        let (mut new, start) = (NewEvents::default(), Instant::now());
        let limit = i64::from(EVENTS_LIMIT);
        let ids: Vec<i64> = (1..=limit).collect();
        assert_eq!(found(&mut new, &ids, start).len(), ids.len());
        assert_eq!(new.base, Some(limit));
        assert_eq!(found(&mut new, &[limit + 1], start), [limit + 1]);
    }
}
