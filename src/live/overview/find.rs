//! Lists of the overview.

use std::cmp::Reverse;

use memchr::memmem::Finder;

use super::Overview;
use super::entry::{Entry, Flag};
use crate::domain::access::GroupLimit;
use crate::domain::live::{
    Counts, GroupCounts, ServiceFilter, ServiceList, ServiceOrder, StateFilter,
};
use crate::domain::{Group, PageRequest, Reason};

/// A filter, with its texts looked up.
struct Matcher<'f> {
    state: Option<StateFilter>,
    finder: Option<Finder<'f>>,
    /// `Some(None)` for a group that no service is in.
    group: Option<Option<u32>>,
    /// Numbers of the groups that the caller sees, in order; `None` for all.
    groups: Option<Vec<u32>>,
    reason: Option<Reason>,
}

impl Matcher<'_> {
    fn matches(&self, entry: &Entry, overview: &Overview) -> bool {
        let Self { state, finder, group, groups, reason } = self;
        !entry.is_removed()
            && state.is_none_or(|state| state.contains(entry.live_status()))
            && group.is_none_or(|group| group == Some(entry.group))
            && groups.as_ref().is_none_or(|it| it.binary_search(&entry.group).is_ok())
            && reason.is_none_or(|reason| entry.has_reason(reason))
            && finder.as_ref().is_none_or(|finder| overview.texts.contains(entry.text, finder))
    }
}

/// Key of an order, greatest first, and the position by name.
type Key = (Reverse<u64>, u32);

impl Overview {
    /// A page of the services that match `filter`, and their number.
    pub fn find(
        &self,
        filter: &ServiceFilter,
        order: ServiceOrder,
        page: PageRequest,
    ) -> ServiceList {
        let (positions, total) = self.page(filter, order, page);
        let entries = || positions.iter().map(|at| &self.entries[*at as usize]);
        let version = |at: &u32| {
            let is_planned = self.entries[*at as usize].has(Flag::Planned);
            (!is_planned).then(|| self.versions[*at as usize].get())
        };
        ServiceList {
            ids: entries().map(|entry| entry.id).collect(),
            results: entries().map(Entry::result).collect(),
            versions: positions.iter().map(version).collect(),
            total: total as u64,
            moment: self.moment(),
        }
    }

    /// Positions of a page in `entries`, and the number of all matches.
    fn page(
        &self,
        filter: &ServiceFilter,
        order: ServiceOrder,
        page: PageRequest,
    ) -> (Vec<u32>, usize) {
        let skipped = usize::try_from(page.offset()).unwrap_or(usize::MAX);
        let limit = page.limit as usize;
        let all = 0..self.entries.len() as u32;
        let is_all = *filter == ServiceFilter::default();
        if is_all && order == ServiceOrder::Id && self.entries.len() == self.living {
            return (all.skip(skipped).take(limit).collect(), self.living);
        }
        if filter.part.as_ref().is_some_and(|part| part.contains('\0')) {
            // It would match the ends of texts, which have none.
            return (Vec::new(), 0);
        }
        let lower = filter.part.as_ref().map(|part| part.to_ascii_lowercase());
        let group = filter.group.as_deref();
        let matcher = Matcher {
            state: filter.state,
            finder: lower.as_ref().map(|part| Finder::new(part.as_bytes())),
            group: group.map(|name| self.group_number(name)),
            groups: self.group_numbers(&filter.groups),
            reason: filter.reason,
        };
        // By id, as the texts are in memory.
        let matches = self.entries.iter().map(|entry| matcher.matches(entry, self));
        if order == ServiceOrder::Id {
            let matching = all.zip(matches).filter_map(|(at, matches)| matches.then_some(at));
            return page_of(matching, skipped, limit);
        }
        let matches = Vec::from_iter(matches);
        let matching = self.order.iter().copied().filter(|at| matches[*at as usize]);
        if order == ServiceOrder::Name {
            return page_of(matching, skipped, limit);
        }
        let key = |at: u32| Reverse(key(&self.entries[at as usize], order));
        let mut found: Vec<(Key, u32)> =
            matching.zip(0..).map(|(at, nth)| ((key(at), nth), at)).collect();
        let total = found.len();
        let end = skipped.saturating_add(limit).min(total);
        if skipped >= end {
            return (Vec::new(), total);
        }
        if end < total {
            found.select_nth_unstable_by_key(end, |(key, _)| *key);
            found.truncate(end);
        }
        found.sort_unstable_by_key(|(key, _)| *key);
        (found[skipped..].iter().map(|(_, at)| *at).collect(), total)
    }

    /// The empty name means no group.
    fn group_number(&self, name: &str) -> Option<u32> {
        let group = Group::parse(name).ok()?;
        self.groups.find(group.as_ref())
    }

    /// The numbers of these groups that any service is in, in order; `None` for all.
    fn group_numbers(&self, limit: &GroupLimit) -> Option<Vec<u32>> {
        let numbers = limit.names()?.filter_map(|name| self.group_number(name));
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort_unstable();
        Some(numbers)
    }

    /// Numbers of all services of the groups in `limit`.
    pub fn counts(&self, limit: &GroupLimit) -> Counts {
        let mut counts = Counts::default();
        self.groups
            .used()
            .filter(|group| limit.contains(group.name.as_ref().map(Group::as_str)))
            .for_each(|group| counts.add_all(&group.counts));
        counts
    }

    /// Numbers of the services of each group in `limit` that has any, by name; those without a
    /// group first.
    pub fn groups(&self, limit: &GroupLimit) -> Vec<GroupCounts> {
        let groups = self.groups.used();
        let groups = groups.filter(|group| limit.contains(group.name.as_ref().map(Group::as_str)));
        let groups =
            groups.map(|group| GroupCounts { name: group.name.clone(), counts: group.counts });
        let mut groups: Vec<GroupCounts> = groups.collect();
        let name = |group: &GroupCounts| {
            group
                .name
                .as_ref()
                .map(|name| (name.as_str().to_ascii_lowercase(), name.as_str().to_owned()))
        };
        groups.sort_by_cached_key(name);
        groups
    }
}

/// Positions of a page, and the number of all.
fn page_of(matching: impl Iterator<Item = u32>, skipped: usize, limit: usize) -> (Vec<u32>, usize) {
    let (mut positions, mut total) = (Vec::new(), 0);
    for at in matching {
        if total >= skipped && positions.len() < limit {
            positions.push(at);
        }
        total += 1;
    }
    (positions, total)
}

fn key(entry: &Entry, order: ServiceOrder) -> u64 {
    // Times of this program are positive; a service without an event goes last.
    let since = entry.since_ms().map_or(0, |ms| ms.max(0).unsigned_abs() + 1);
    match order {
        ServiceOrder::Attention => {
            let rank = u64::from(u8::MAX - entry.live_status().attention());
            rank << 56 | since.min((1 << 56) - 1)
        }
        ServiceOrder::Response => entry.result().map_or(0, |result| result.response_time_us + 1),
        ServiceOrder::Since | ServiceOrder::Id | ServiceOrder::Name => since,
    }
}
