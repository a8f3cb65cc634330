//! What a client sees of the overview, and what has changed of that.

use std::collections::HashSet;

use super::Overview;
use super::changes::Before;
use super::entry::Entry;
use crate::domain::live::{GroupCounts, LastResult, LiveMoment, LiveStatus, LiveView};
use crate::domain::{EventFailure, Group, ServiceId};

/// A service as lists show it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShownService<'o> {
    pub id: ServiceId,
    pub name: &'o str,
    pub group: Option<&'o str>,
    pub status: LiveStatus,
    /// Start of the newest event, in unix milliseconds.
    pub since_ms: Option<i64>,
    /// Of the newest event.
    pub failure: Option<&'o EventFailure>,
    /// Since the start of the program.
    pub result: Option<LastResult>,
    /// Number of the newest change.
    pub seq: u32,
}

/// What has changed of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewChanges {
    /// Services in view that have changed, and services that were in view and are not any more.
    Some { shown: Vec<ServiceId>, gone: Vec<ServiceId> },
    /// More services than were requested.
    Many(usize),
    /// The moment is of another run, or too long ago.
    Unknown,
}

impl Overview {
    /// The living service `id`.
    pub fn service(&self, id: ServiceId) -> Option<ShownService<'_>> {
        let entry = self.entry(id)?;
        Some(ShownService {
            id,
            name: entry.name.as_str(),
            group: self.group_name(entry.group),
            status: entry.live_status(),
            since_ms: entry.since_ms(),
            failure: self.failures.get(&id),
            result: entry.result(),
            seq: entry.seq,
        })
    }

    fn group_name(&self, number: u32) -> Option<&str> {
        self.groups.name(number).map(Group::as_str)
    }

    fn shows(&self, view: &LiveView, entry: &Entry) -> bool {
        view.contains(entry.id, self.group_name(entry.group), entry.live_status())
    }

    fn showed(&self, view: &LiveView, id: ServiceId, before: &Before) -> bool {
        view.contains(id, self.group_name(before.group), before.status)
    }

    /// The changes of `view` since a moment, at most those of `most` services.
    pub fn changes_since(&self, moment: LiveMoment, view: &LiveView, most: usize) -> ViewChanges {
        let changes = (moment.boot == self.boot).then(|| self.log.since(moment.seq)).flatten();
        let Some(changes) = changes else { return ViewChanges::Unknown };
        let (mut shown, mut gone) = (Vec::new(), HashSet::new());
        for (seq, change) in changes.filter(|(_, change)| view.may_contain(change.id)) {
            match self.entry(change.id) {
                Some(entry) if self.shows(view, entry) => {
                    // A service that changed several times is listed at its last change.
                    if entry.seq == seq {
                        shown.push(change.id);
                    }
                }
                _ => {
                    let before = change.before.as_ref();
                    if before.is_some_and(|before| self.showed(view, change.id, before)) {
                        gone.insert(change.id);
                    }
                }
            }
        }
        if shown.len() + gone.len() > most {
            return ViewChanges::Many(shown.len() + gone.len());
        }
        let mut gone = Vec::from_iter(gone);
        gone.sort_unstable();
        ViewChanges::Some { shown, gone }
    }

    /// The groups whose counts have changed since number `seq` of this run, also those that have
    /// no service any more.
    pub fn groups_since(&self, seq: u32) -> Vec<GroupCounts> {
        let groups = self.groups.changed_since(seq);
        groups.map(|group| GroupCounts { name: group.name.clone(), counts: group.counts }).collect()
    }
}
