//! The groups of services, with their counts.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::domain::Group;
use crate::domain::live::{Counts, LiveStatus};

/// Groups that may be without services before the unused ones are dropped, beside as many as are
/// in use.
const UNUSED: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Groups {
    all: Vec<GroupEntry>,
    numbers: HashMap<Option<Group>, u32>,
    /// Groups with services.
    used: usize,
}

#[derive(Debug)]
pub(super) struct GroupEntry {
    pub name: Option<Group>,
    pub counts: Counts,
    /// Number of the newest change of the counts.
    pub seq: u32,
}

impl Groups {
    /// The number of a group, which stays the same until [`drop_unused`](Self::drop_unused).
    pub fn number(&mut self, name: Option<&Group>) -> u32 {
        if let Some(number) = self.find(name) {
            return number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let name = name.cloned();
        self.numbers.insert(name.clone(), number);
        self.all.push(GroupEntry { name, counts: Counts::default(), seq: 0 });
        number
    }

    pub fn find(&self, name: Option<&Group>) -> Option<u32> {
        self.numbers.get(&name.cloned()).copied()
    }

    pub fn get(&self, number: u32) -> Option<&GroupEntry> {
        self.all.get(number as usize)
    }

    /// The name of a group; `None` for services without one.
    pub fn name(&self, number: u32) -> Option<&Group> {
        self.get(number)?.name.as_ref()
    }

    /// By name, those without one first; ASCII letters are equal in either case, unless the names
    /// are equal otherwise.
    pub fn compare(&self, one: u32, other: u32) -> Ordering {
        if one == other {
            return Ordering::Equal;
        }
        let lower = |name: &str| name.to_ascii_lowercase();
        let [one, other] = [one, other].map(|number| self.name(number).map(Group::as_str));
        one.map(lower).cmp(&other.map(lower)).then_with(|| one.cmp(&other))
    }

    /// The position of each group in the order of [`compare`](Self::compare), by its number.
    pub fn ranks(&self) -> Vec<u32> {
        let mut numbers = Vec::from_iter(0..self.all.len() as u32);
        numbers.sort_unstable_by(|one, other| self.compare(*one, *other));
        let mut ranks = vec![0; numbers.len()];
        for (number, rank) in numbers.into_iter().zip(0..) {
            ranks[number as usize] = rank;
        }
        ranks
    }

    /// Those with services.
    pub fn used(&self) -> impl Iterator<Item = &GroupEntry> {
        self.all.iter().filter(|group| group.counts.total() > 0)
    }

    /// All that have changed since `seq`.
    pub fn changed_since(&self, seq: u32) -> impl Iterator<Item = &GroupEntry> {
        self.all.iter().filter(move |group| group.seq > seq)
    }

    pub fn count(&mut self, number: u32, service: LiveStatus, seq: u32) {
        let Some(group) = self.all.get_mut(number as usize) else { return };
        self.used += usize::from(group.counts.total() == 0);
        group.counts.add(service);
        group.seq = seq;
    }

    /// Undoes [`count`](Self::count).
    pub fn uncount(&mut self, number: u32, service: LiveStatus, seq: u32) {
        let Some(group) = self.all.get_mut(number as usize) else { return };
        group.counts.remove(service);
        group.seq = seq;
        self.used -= usize::from(group.counts.total() == 0);
    }

    pub fn has_many_unused(&self) -> bool {
        self.all.len() > 2 * self.used + UNUSED
    }

    /// Drops the groups without services. Returns the new number of each group.
    pub fn drop_unused(&mut self) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(self.all.len());
        let mut used = Vec::with_capacity(self.used);
        for mut group in std::mem::take(&mut self.all) {
            numbers.push(u32::try_from(used.len()).unwrap_or(u32::MAX));
            if group.counts.total() > 0 {
                group.seq = 0;
                used.push(group);
            }
        }
        self.numbers = used.iter().map(|group| group.name.clone()).zip(0..).collect();
        self.all = used;
        numbers
    }

    pub fn restart(&mut self) {
        self.all.iter_mut().for_each(|group| group.seq = 0);
    }
}
