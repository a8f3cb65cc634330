//! Lists of the overview.

use memchr::memmem::Finder;

use super::Overview;
use super::entry::Entry;
use crate::domain::live::{
    Counts, GroupCounts, ServiceFilter, ServiceList, ServiceOrder, StateFilter,
};
use crate::domain::{Group, PageRequest, Reason, ServiceId};

/// A filter, with its texts looked up.
struct Matcher<'f> {
    state: Option<StateFilter>,
    finder: Option<Finder<'f>>,
    /// `Some(None)` for a group that no service is in.
    group: Option<Option<u32>>,
    reason: Option<Reason>,
}

impl Matcher<'_> {
    fn matches(&self, entry: &Entry, overview: &Overview) -> bool {
        let Self { state, finder, group, reason } = self;
        !entry.is_removed()
            && state.is_none_or(|state| state.contains(entry.live_status()))
            && group.is_none_or(|group| group == Some(entry.group))
            && reason.is_none_or(|reason| entry.has_reason(reason))
            && finder.as_ref().is_none_or(|finder| overview.texts.contains(entry.text, finder))
    }
}

/// Key of an order, greatest first, and the position by name.
type Key = (u64, u32);

impl Overview {
    /// A page of the services that match `filter`, and their number.
    pub fn find(
        &self,
        filter: &ServiceFilter,
        order: ServiceOrder,
        page: PageRequest,
    ) -> ServiceList {
        let (ids, total) = self.page(filter, order, page);
        let result = |id: &ServiceId| self.entry(*id).and_then(Entry::result);
        let results = ids.iter().map(result).collect();
        ServiceList { ids, results, total: total as u64, moment: self.moment() }
    }

    fn page(
        &self,
        filter: &ServiceFilter,
        order: ServiceOrder,
        page: PageRequest,
    ) -> (Vec<ServiceId>, usize) {
        let skipped = usize::try_from(page.offset()).unwrap_or(usize::MAX);
        let limit = page.limit as usize;
        let is_all = *filter == ServiceFilter::default();
        if is_all && order == ServiceOrder::Id && self.entries.len() == self.living {
            let ids = self.entries.iter().skip(skipped).take(limit).map(|entry| entry.id);
            return (ids.collect(), self.living);
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
            reason: filter.reason,
        };
        let by_name = || self.order.iter().map(|at| &self.entries[*at as usize]);
        match order {
            ServiceOrder::Id => self.in_sequence(self.entries.iter(), &matcher, skipped, limit),
            ServiceOrder::Name => self.in_sequence(by_name(), &matcher, skipped, limit),
            ServiceOrder::Attention | ServiceOrder::Since | ServiceOrder::Response => {
                let matching = by_name().zip(0..);
                let matching = matching.filter(|(entry, _)| matcher.matches(entry, self));
                let keys = matching.map(|(entry, nth)| (key(entry, order), nth)).collect();
                self.by_key(keys, skipped, limit)
            }
        }
    }

    fn in_sequence<'e>(
        &self,
        entries: impl Iterator<Item = &'e Entry>,
        matcher: &Matcher<'_>,
        skipped: usize,
        limit: usize,
    ) -> (Vec<ServiceId>, usize) {
        let (mut ids, mut total) = (Vec::new(), 0);
        for entry in entries.filter(|entry| matcher.matches(entry, self)) {
            if total >= skipped && ids.len() < limit {
                ids.push(entry.id);
            }
            total += 1;
        }
        (ids, total)
    }

    fn by_key(&self, mut keys: Vec<Key>, skipped: usize, limit: usize) -> (Vec<ServiceId>, usize) {
        let total = keys.len();
        let end = skipped.saturating_add(limit).min(total);
        if skipped >= end {
            return (Vec::new(), total);
        }
        let order = |(key, nth): &Key| (std::cmp::Reverse(*key), *nth);
        if end < total {
            keys.select_nth_unstable_by_key(end, order);
            keys.truncate(end);
        }
        keys.sort_unstable_by_key(order);
        let ids = keys[skipped..].iter().map(|(_, nth)| {
            let at = self.order[*nth as usize] as usize;
            self.entries[at].id
        });
        (ids.collect(), total)
    }

    /// The empty name means no group.
    fn group_number(&self, name: &str) -> Option<u32> {
        let group = Group::parse(name).ok()?;
        self.groups.find(group.as_ref())
    }

    /// Numbers of all services.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.groups.used().for_each(|group| counts.add_all(&group.counts));
        counts
    }

    /// Numbers of the services of each group that has any, by name; those without a group first.
    pub fn groups(&self) -> Vec<GroupCounts> {
        let groups = self.groups.used();
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
