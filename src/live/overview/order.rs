//! The order of the overview by group and name, and the removal of what is not used any more.

use std::cmp::Ordering;

use super::Overview;
use super::entry::{Entry, Flag};
use super::groups::Groups;
use crate::domain::Group;

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
        let Self { entries, order, unordered, groups, .. } = self;
        order.retain(|at| entries[*at as usize].has(Flag::Ordered));
        let mut added = Vec::with_capacity(unordered.len());
        for at in std::mem::take(unordered) {
            let entry = &mut entries[at as usize];
            if !entry.is_removed() && !entry.has(Flag::Ordered) {
                entry.set(Flag::Ordered, true);
                added.push(at);
            }
        }
        let compare = |one: u32, other: u32| {
            compare(&entries[one as usize], &entries[other as usize], groups)
        };
        if added.len() > INSERTED_MOST {
            order.extend(added);
            order.sort_unstable_by(|one, other| compare(*one, *other));
            return;
        }
        for at in added {
            let place = order.partition_point(|other| compare(*other, at).is_lt());
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
        self.entries.retain(|entry| !entry.is_removed());
        self.entries.shrink_to_fit();
        self.order.iter_mut().for_each(|at| *at = positions[*at as usize]);
    }
}

fn compare(one: &Entry, other: &Entry, groups: &Groups) -> Ordering {
    let by_group = || {
        let [one, other] = [one, other].map(|entry| groups.name(entry.group).map(Group::as_str));
        match (one, other) {
            (Some(one), Some(other)) => in_either_case(one, other),
            _ => one.cmp(&other),
        }
    };
    let by_group = if one.group == other.group { Ordering::Equal } else { by_group() };
    by_group
        .then_with(|| in_either_case(one.name.as_str(), other.name.as_str()))
        .then(one.id.cmp(&other.id))
}

/// ASCII letters are equal in either case, unless the texts are equal otherwise.
fn in_either_case(one: &str, other: &str) -> Ordering {
    let [lower_one, lower_other] =
        [one, other].map(|text| text.bytes().map(|byte| byte.to_ascii_lowercase()));
    lower_one.cmp(lower_other).then_with(|| one.cmp(other))
}
