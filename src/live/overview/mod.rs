//! Every living service with its current state: filters, orders, counts, and what has changed.
//! Pure; times are passed in.

mod changes;
mod entry;
mod find;
mod groups;
mod order;
mod room;
#[cfg(test)]
mod tests;
mod texts;
mod version;
mod views;

use std::collections::HashMap;

pub use changes::CHANGES;
pub use views::{ShownService, ViewChanges};

use crate::domain::live::{ListedDefinition, LiveMoment, LiveService, NewestEvent, ServiceUpdate};
use crate::domain::maintenance::Windows;
use crate::domain::{EventFailure, Group, Name, ServiceId, Status};
use changes::{Before, Change, ChangeLog};
use entry::{Entry, Flag};
use groups::Groups;
use room::make_room;
use texts::Texts;
use version::PackedVersion;

/// Bound: one entry and its texts for each living service, [`CHANGES`], and as many removed
/// services and unused texts as living ones.
#[derive(Debug)]
pub struct Overview {
    boot: u64,
    /// By id. Removed ones stay until there are many.
    entries: Vec<Entry>,
    /// Of each entry.
    versions: Vec<PackedVersion>,
    living: usize,
    /// Positions in `entries` by group and name.
    order: Vec<u32>,
    /// Positions that `order` lacks, or may have in a wrong place.
    unordered: Vec<u32>,
    groups: Groups,
    texts: Texts,
    /// Failures of the newest events that have one.
    failures: HashMap<ServiceId, EventFailure>,
    log: ChangeLog,
    windows: Windows,
}

impl Overview {
    /// `boot` differs from that of every other run of the program.
    pub fn new(boot: u64) -> Self {
        Self {
            boot,
            entries: Vec::new(),
            versions: Vec::new(),
            living: 0,
            order: Vec::new(),
            unordered: Vec::new(),
            groups: Groups::default(),
            texts: Texts::default(),
            failures: HashMap::new(),
            log: ChangeLog::default(),
            windows: Windows::default(),
        }
    }

    /// The overview of all services at the start. No client knows an earlier moment, so the changes
    /// to this one are not kept.
    pub fn of(boot: u64, services: Vec<LiveService>, now_ms: i64) -> Self {
        let mut overview = Self::new(boot);
        make_room(&mut overview.entries, services.len());
        make_room(&mut overview.versions, services.len());
        overview.define(services.into_iter().map(|service| (service.id, Some(service))), now_ms);
        overview.restart();
        overview
    }

    /// The moment of the newest change.
    pub fn moment(&self) -> LiveMoment {
        LiveMoment { boot: self.boot, seq: self.log.newest() }
    }

    /// Number of services.
    pub fn len(&self) -> usize {
        self.living
    }

    pub fn is_empty(&self) -> bool {
        self.living == 0
    }

    /// Adds, changes and removes (`None`) services.
    pub fn define(
        &mut self,
        services: impl IntoIterator<Item = (ServiceId, Option<LiveService>)>,
        now_ms: i64,
    ) {
        for (id, service) in services {
            match service {
                Some(service) => self.define_one(service, now_ms),
                None => self.remove(id),
            }
        }
        self.settle();
    }

    /// As [`define`](Self::define), for all services, which are by id. Only what differs changes.
    pub fn replace(&mut self, services: Vec<LiveService>, now_ms: i64) {
        let is_listed = |id| services.binary_search_by_key(&id, |service| service.id).is_ok();
        let known = self.entries.iter().filter(|entry| !entry.is_removed()).map(|entry| entry.id);
        let removed: Vec<ServiceId> = known.filter(|id| !is_listed(*id)).collect();
        removed.into_iter().for_each(|id| self.remove(id));
        for service in services {
            if !self.is_known(&service) {
                self.define_one(service, now_ms);
            }
        }
        // Totals, which the services do not have here, may have changed.
        self.versions.iter_mut().for_each(PackedVersion::reloaded);
        self.settle();
    }

    /// The alerts of these services have changed.
    pub fn alerts_changed(&mut self, services: impl IntoIterator<Item = ServiceId>) {
        for id in services {
            if let Ok(at) = self.position(id) {
                self.versions[at].changed();
            }
        }
    }

    fn is_known(&self, service: &LiveService) -> bool {
        let LiveService { id, definition, state } = service;
        let ListedDefinition { name, group, is_enabled, url_parts: _ } = definition;
        self.entry(*id).is_some_and(|entry| {
            let has_event = match &state.event {
                Some(event) => self.is_newest(*id, event),
                None => entry.since_ms().is_none(),
            };
            has_event
                && entry.name == *name
                && self.groups.name(entry.group) == group.as_ref()
                && *is_enabled == (entry.status != Status::Paused)
                && entry.has(Flag::Flapping) == state.is_flapping
                && self.texts.has(entry.text, searched(definition))
        })
    }

    /// Applies what commits changed; updates of unknown services are left out.
    pub fn update(&mut self, updates: impl IntoIterator<Item = (ServiceId, ServiceUpdate)>) {
        for (id, update) in updates {
            self.update_one(id, update);
        }
        self.restart_if_full();
    }

    /// Sets which services are under maintenance at `now_ms`.
    pub fn plan(&mut self, windows: Windows, now_ms: i64) {
        let had_none = self.windows.is_empty();
        self.windows = windows;
        if had_none && self.windows.is_empty() {
            return;
        }
        for at in 0..self.entries.len() {
            let entry = &self.entries[at];
            if entry.is_removed() {
                continue;
            }
            let is_planned = self.is_planned(entry.id, &entry.name, entry.group, now_ms);
            if is_planned != entry.has(Flag::Planned) {
                let before = self.uncount(at);
                self.entries[at].set(Flag::Planned, is_planned);
                self.count(at, before);
            }
        }
        self.restart_if_full();
    }

    fn is_planned(&self, id: ServiceId, name: &Name, group: u32, now_ms: i64) -> bool {
        let group = self.groups.name(group).map(Group::as_str);
        self.windows.active(id, name.as_str(), group, now_ms).is_some()
    }

    fn position(&self, id: ServiceId) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&id, |entry| entry.id)
    }

    /// The living service `id`.
    fn entry(&self, id: ServiceId) -> Option<&Entry> {
        self.position(id).ok().map(|at| &self.entries[at]).filter(|entry| !entry.is_removed())
    }

    fn define_one(&mut self, service: LiveService, now_ms: i64) {
        let LiveService { id, definition, state } = service;
        let text = self.texts.add(searched(&definition));
        let ListedDefinition { name, group, is_enabled, url_parts: _ } = definition;
        let group = self.groups.number(group.as_ref());
        let (at, before) = match self.position(id) {
            Ok(at) if self.entries[at].is_removed() => {
                self.entries[at].set(Flag::Removed, false);
                (at, None)
            }
            Ok(at) => {
                self.texts.remove(self.entries[at].text);
                (at, self.uncount(at))
            }
            Err(at) => {
                self.insert(at, Entry::new(id, name.clone(), group, text));
                (at, None)
            }
        };
        self.versions[at].reloaded();
        self.living += usize::from(before.is_none());
        let is_planned = self.is_planned(id, &name, group, now_ms);
        let entry = &mut self.entries[at];
        (entry.name, entry.group, entry.text) = (name, group, text);
        entry.set(Flag::Planned, is_planned);
        entry.set(Flag::Flapping, state.is_flapping);
        entry.set(Flag::Ordered, false);
        self.unordered.push(at as u32);
        self.set_event(at, is_enabled, state.event);
        self.count(at, before);
    }

    /// The order by name has positions, so an entry before others moves it out of date.
    fn insert(&mut self, at: usize, entry: Entry) {
        let is_last = at == self.entries.len();
        make_room(&mut self.entries, 1);
        make_room(&mut self.versions, 1);
        self.entries.insert(at, entry);
        self.versions.insert(at, PackedVersion::default());
        if !is_last {
            self.order.clear();
            self.entries.iter_mut().for_each(|entry| entry.set(Flag::Ordered, false));
            self.unordered = (0..self.entries.len() as u32).collect();
        }
    }

    fn remove(&mut self, id: ServiceId) {
        let Ok(at) = self.position(id) else { return };
        if self.entries[at].is_removed() {
            return;
        }
        let before = self.uncount(at);
        self.log.push(Change { id, before });
        self.failures.remove(&id);
        self.texts.remove(self.entries[at].text);
        self.living -= 1;
        let entry = &mut self.entries[at];
        entry.set(Flag::Removed, true);
        entry.set(Flag::Ordered, false);
        entry.set(Flag::HasResult, false);
        self.unordered.push(at as u32);
    }

    fn update_one(&mut self, id: ServiceId, update: ServiceUpdate) {
        let Ok(at) = self.position(id) else { return };
        let entry = &mut self.entries[at];
        if entry.is_removed() {
            return;
        }
        let ServiceUpdate { event, is_flapping, result, totals } = update;
        if let Some(result) = &result {
            entry.set_result(result);
        }
        let is_flapping_as_before = is_flapping == entry.has(Flag::Flapping);
        self.versions[at].set_totals(totals);
        if event.is_some() || !is_flapping_as_before {
            self.versions[at].changed();
        }
        let event = event.filter(|event| !self.is_newest(id, event));
        if event.is_none() && is_flapping_as_before {
            return;
        }
        let before = self.uncount(at);
        self.entries[at].set(Flag::Flapping, is_flapping);
        if event.is_some() {
            let is_enabled = self.entries[at].status != Status::Paused;
            self.set_event(at, is_enabled, event);
        }
        self.count(at, before);
    }

    /// Whether `event` is known as the newest of the service.
    fn is_newest(&self, id: ServiceId, event: &NewestEvent) -> bool {
        self.entry(id).is_some_and(|entry| {
            let status = Status::new(entry.status != Status::Paused, Some(event.state));
            entry.since_ms() == Some(event.since_ms)
                && entry.status == status
                && self.failures.get(&id) == event.failure.as_ref()
        })
    }

    fn set_event(&mut self, at: usize, is_enabled: bool, event: Option<NewestEvent>) {
        let entry = &mut self.entries[at];
        entry.set_event(is_enabled, event.as_ref());
        match event.and_then(|event| event.failure) {
            Some(failure) => drop(self.failures.insert(entry.id, failure)),
            None => drop(self.failures.remove(&entry.id)),
        }
    }

    /// Takes a living service out of the counts, before a change of it.
    fn uncount(&mut self, at: usize) -> Option<Before> {
        let entry = &self.entries[at];
        let before = Before { group: entry.group, status: entry.live_status() };
        self.groups.uncount(before.group, before.status, self.log.newest() + 1);
        Some(before)
    }

    /// Notes a change of a service and counts it as it is now.
    fn count(&mut self, at: usize, before: Option<Before>) {
        let entry = &mut self.entries[at];
        let seq = self.log.push(Change { id: entry.id, before });
        entry.seq = seq;
        self.groups.count(entry.group, entry.live_status(), seq);
    }

    /// Numbers the changes anew; what is older than now is unknown to all clients.
    fn restart(&mut self) {
        self.boot += 1;
        self.log = ChangeLog::default();
        self.groups.restart();
        self.entries.iter_mut().for_each(|entry| entry.seq = 0);
    }

    fn restart_if_full(&mut self) {
        if self.log.is_full() {
            self.restart();
        }
    }
}

/// The texts that a search looks in.
fn searched(definition: &ListedDefinition) -> impl Iterator<Item = &str> + Clone {
    let url = definition.url_parts.iter().map(String::as_str);
    [definition.name.as_str()].into_iter().chain(url)
}
