//! The order of the overview by group and name, and the removal of what is not used any more.

use std::cmp::Ordering;

use super::Overview;
use super::entry::{Entry, Flag};
use super::room::make_room;
use super::texts::Texts;

/// With more changed services than this, the whole order is sorted.
const INSERTED_MOST: usize = 64;

/// Removed services that stay, beside as many as live.
const REMOVED_LEAST: usize = 64;

impl Overview {
    /// Puts the changed services in order, and drops what is not used.
    pub(super) fn settle(&mut self) {
        if !self.unordered.is_empty() {
            self.sort();
        }
        if self.entries.len() > 2 * self.living + REMOVED_LEAST {
            self.drop_removed();
        }
        if self.texts.is_wasteful() {
            let used = self.entries.iter_mut().filter(|entry| !entry.is_removed());
            self.texts.compact(used.map(|entry| &mut entry.text));
        }
        if self.groups.has_many_unused() {
            let numbers = self.groups.drop_unused();
            let new = |number: u32| numbers.get(number as usize).copied().unwrap_or_default();
            self.entries.iter_mut().for_each(|entry| entry.group = new(entry.group));
            // The changes have the old numbers.
            self.restart();
        }
        self.restart_if_full();
    }

    fn sort(&mut self) {
        let Self { entries, order, unordered, groups, texts, .. } = self;
        order.retain(|at| entries[*at as usize].has(Flag::Ordered));
        let mut added = Vec::with_capacity(unordered.len());
        for at in std::mem::take(unordered) {
            let entry = &mut entries[at as usize];
            if !entry.is_removed() && !entry.has(Flag::Ordered) {
                entry.set(Flag::Ordered, true);
                added.push(at);
            }
        }
        let (entry, texts) = (|at: u32| &entries[at as usize], &*texts);
        if added.len() > INSERTED_MOST {
            let ranks = groups.ranks();
            let rank = |entry: &Entry| ranks.get(entry.group as usize);
            order.extend(added);
            order.sort_unstable_by(|one, other| {
                let (one, other) = (entry(*one), entry(*other));
                rank(one).cmp(&rank(other)).then_with(|| by_name(one, other, texts))
            });
            return;
        }
        for at in added {
            let place = order.partition_point(|other| {
                let (one, other) = (entry(*other), entry(at));
                let by_group = groups.compare(one.group, other.group);
                by_group.then_with(|| by_name(one, other, texts)).is_lt()
            });
            make_room(order, 1);
            order.insert(place, at);
        }
    }

    fn drop_removed(&mut self) {
        let mut positions = Vec::with_capacity(self.entries.len());
        let mut living = 0;
        for entry in &self.entries {
            positions.push(living);
            living += u32::from(!entry.is_removed());
        }
        let mut entries = self.entries.iter();
        self.versions.retain(|_| entries.next().is_some_and(|entry| !entry.is_removed()));
        self.versions.shrink_to_fit();
        self.entries.retain(|entry| !entry.is_removed());
        self.entries.shrink_to_fit();
        self.order.iter_mut().for_each(|at| *at = positions[*at as usize]);
    }
}

/// ASCII letters are equal in either case, unless the names are equal otherwise.
fn by_name(one: &Entry, other: &Entry, texts: &Texts) -> Ordering {
    let lower = texts.first_part(one.text).cmp(texts.first_part(other.text));
    lower.then_with(|| one.name.as_str().cmp(other.name.as_str())).then(one.id.cmp(&other.id))
}
