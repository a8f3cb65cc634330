//! Whether a parent of a failing service is down (`depends-on`): parents are probed at once, and
//! the service is not reported while one of them fails.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::actors::last_results::LastResults;
use crate::domain::ServiceId;

/// Added to a parent's timeout: the longest wait for its probe, and for its result to be known.
const PROBE_MARGIN_MS: i64 = 5_000;

/// Milliseconds between two looks at a parent that is down.
const RECHECK_MS: i64 = 1_000;

/// Failing services with parents.
#[derive(Debug, Default)]
pub struct Parents {
    /// Bound: the services with an open alert and `depends-on`.
    children: HashMap<ServiceId, Child>,
    /// Parents without a last result here that the store had as down at the newest read.
    down_elsewhere: HashSet<ServiceId>,
    /// When that was, in unix milliseconds.
    read_ms: i64,
}

#[derive(Debug)]
struct Child {
    /// `None` until their names are looked up.
    parents: Option<Vec<ServiceId>>,
    /// Probes of parents under way.
    probes: usize,
    /// Unix milliseconds until which a parent whose probe failed is down, whatever the last
    /// results say: they have it a moment later.
    failed_until_ms: i64,
    /// Unix milliseconds until which the probes are awaited, and for how long in all.
    deadline_ms: i64,
    awaits_within_ms: i64,
    /// Whether a parent was down at the newest look.
    is_blocked: bool,
    /// Milliseconds after the end of its parent's downtime within which a probe of the child has
    /// had time to succeed.
    settles_within_ms: i64,
    /// Unix milliseconds until which the child is not reported, although no parent is down.
    released_ms: i64,
}

impl Parents {
    /// A service with parents begins to fail. Whether its parents are to be looked up and probed.
    pub fn failed(&mut self, child: ServiceId, settles_within: Duration, now_ms: i64) -> bool {
        if self.children.contains_key(&child) {
            return false;
        }
        let new = Child {
            parents: None,
            probes: 0,
            failed_until_ms: i64::MIN,
            deadline_ms: now_ms + PROBE_MARGIN_MS,
            awaits_within_ms: PROBE_MARGIN_MS,
            is_blocked: false,
            settles_within_ms: i64::try_from(settles_within.as_millis()).unwrap_or(i64::MAX),
            released_ms: now_ms,
        };
        self.children.insert(child, new);
        true
    }

    /// The parents of a child are known; each is being probed.
    pub fn probing(&mut self, child: ServiceId, parents: Vec<(ServiceId, Duration)>, now_ms: i64) {
        let Some(known) = self.children.get_mut(&child) else { return };
        let timeout = parents.iter().map(|(_, timeout)| *timeout).max().unwrap_or_default();
        let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        known.probes = parents.len();
        known.awaits_within_ms = timeout_ms.saturating_add(PROBE_MARGIN_MS);
        known.deadline_ms = now_ms.saturating_add(known.awaits_within_ms);
        known.parents = Some(parents.into_iter().map(|(id, _)| id).collect());
    }

    /// The probe of a parent ended; its result is in the last results at once, or soon.
    pub fn probed(&mut self, child: ServiceId, is_down: bool, now_ms: i64) {
        if let Some(known) = self.children.get_mut(&child) {
            known.probes = known.probes.saturating_sub(1);
            if is_down {
                known.failed_until_ms = now_ms + PROBE_MARGIN_MS;
                known.is_blocked = true;
            }
        }
    }

    /// The parents to read from the store, if that is due: those without a last result here, such
    /// as those that another instance probes.
    pub fn take_unread(
        &mut self,
        last_results: &LastResults,
        now_ms: i64,
    ) -> Option<Vec<ServiceId>> {
        if now_ms.abs_diff(self.read_ms) < RECHECK_MS.unsigned_abs() {
            return None;
        }
        let all = self.children.values().flat_map(|child| child.parents.iter().flatten());
        let elsewhere = all.copied().filter(|id| last_results.is_up(*id).is_none());
        let ids: HashSet<ServiceId> = elsewhere.collect();
        self.read_ms = now_ms;
        (!ids.is_empty()).then(|| ids.into_iter().collect())
    }

    /// Those of [`take_unread`](Self::take_unread) that are down.
    pub fn were_read(&mut self, down: HashSet<ServiceId>) {
        self.down_elsewhere = down;
    }

    /// Looks at the parents of each child; forgets children without an open alert.
    pub fn refresh(
        &mut self,
        last_results: &LastResults,
        is_open: impl Fn(ServiceId) -> bool,
        now_ms: i64,
    ) {
        self.children.retain(|id, child| now_ms < child.deadline_ms || is_open(*id));
        for child in self.children.values_mut() {
            let parents = child.parents.as_deref().unwrap_or_default();
            let is_down = |id: &ServiceId| match last_results.is_up(*id) {
                Some(is_up) => !is_up,
                None => self.down_elsewhere.contains(id),
            };
            let is_blocked = now_ms < child.failed_until_ms || parents.iter().any(is_down);
            if child.is_blocked && !is_blocked {
                child.released_ms = now_ms.saturating_add(child.settles_within_ms);
            }
            child.is_blocked = is_blocked;
        }
    }

    /// When to look again, in unix milliseconds, while the child is not reported.
    pub fn blocked_until(&self, child: ServiceId, now_ms: i64) -> Option<i64> {
        let child = self.children.get(&child)?;
        if child.is_blocked {
            return Some(now_ms + RECHECK_MS);
        }
        let is_asking = child.probes > 0 || child.parents.is_none();
        if is_asking && now_ms < child.deadline_ms {
            return Some(now_ms + 1);
        }
        (now_ms < child.released_ms).then_some(child.released_ms)
    }

    /// The clock was set back to `now_ms`: no wait ends later than one that begins now.
    pub fn set_back(&mut self, now_ms: i64) {
        for child in self.children.values_mut() {
            child.failed_until_ms = child.failed_until_ms.min(now_ms + PROBE_MARGIN_MS);
            let awaited_ms = now_ms.saturating_add(child.awaits_within_ms);
            child.deadline_ms = child.deadline_ms.min(awaited_ms);
            let settled_ms = now_ms.saturating_add(child.settles_within_ms);
            child.released_ms = child.released_ms.min(settled_ms);
        }
    }

    /// Number of children that are not reported since this parent is down.
    pub fn blocked_by(&self, parent: ServiceId) -> u32 {
        let blocked = self.children.values().filter(|child| {
            child.is_blocked && child.parents.iter().flatten().any(|id| *id == parent)
        });
        u32::try_from(blocked.count()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Failure, Outcome, Reason, sample};

    const CHILD: i64 = 2;
    const SETTLES: Duration = Duration::from_secs(10);

    fn id(id: i64) -> ServiceId {
        ServiceId::new(id).unwrap()
    }

    fn last_results() -> LastResults {
        let last_results = LastResults::default();
        last_results.watch(id(1), &sample::definition("router"));
        last_results
    }

    fn parent_result(last_results: &LastResults, is_up: bool) {
        let failure = (!is_up).then(|| Failure::new(Reason::Refused, ""));
        last_results.update(&Outcome { failure, ..sample::outcome(1, 0) });
    }

    fn waiting() -> Parents {
        let mut parents = Parents::default();
        assert!(parents.failed(id(CHILD), SETTLES, 0));
        assert!(!parents.failed(id(CHILD), SETTLES, 0), "asked once");
        parents.probing(id(CHILD), vec![(id(1), Duration::from_secs(2))], 0);
        parents
    }

    #[test]
    fn a_child_waits_for_the_probe_of_its_parent_but_not_forever() {
        let mut parents = waiting();
        assert_eq!(parents.blocked_until(id(CHILD), 1_000), Some(1_001));
        assert_eq!(parents.blocked_until(id(CHILD), 7_000), None, "timeout and 5 s");
        parents.probed(id(CHILD), false, 1_000);
        assert_eq!(parents.blocked_until(id(CHILD), 1_000), None);
        assert_eq!(parents.blocked_until(id(9), 0), None);
    }

    #[test]
    fn a_parent_that_another_instance_probes_is_read_from_the_store() {
        let last_results = LastResults::default();
        let mut parents = waiting();
        assert_eq!(parents.take_unread(&last_results, 1_000), Some(vec![id(1)]));
        assert_eq!(parents.take_unread(&last_results, 1_001), None, "once a second");
        parents.probed(id(CHILD), true, 1_000);
        parents.were_read([id(1)].into());
        parents.refresh(&last_results, |_| true, 60_000);
        assert_eq!(parents.blocked_until(id(CHILD), 60_000), Some(61_000));
        parents.were_read(HashSet::new());
        parents.refresh(&last_results, |_| true, 61_000);
        assert_eq!(parents.blocked_until(id(CHILD), 61_000), Some(71_000));
        // Once it is probed here, its last result counts.
        let here = self::last_results();
        parent_result(&here, false);
        assert_eq!(parents.take_unread(&here, 62_000), None);
        parents.refresh(&here, |_| true, 62_000);
        assert_eq!(parents.blocked_by(id(1)), 1);
    }

    #[test]
    fn no_wait_becomes_longer_when_the_clock_is_set_back() {
        const HOUR_MS: i64 = 3_600_000;
        let last_results = last_results();
        parent_result(&last_results, true);
        let mut parents = Parents::default();
        assert!(parents.failed(id(CHILD), SETTLES, HOUR_MS));
        parents.probing(id(CHILD), vec![(id(1), Duration::from_secs(30))], HOUR_MS);
        parents.set_back(0);
        assert!(parents.blocked_until(id(CHILD), 34_999).is_some(), "the probe is awaited");
        assert_eq!(parents.blocked_until(id(CHILD), 35_000), None);
        // Its parent failed, and was up again a moment later.
        parents.probed(id(CHILD), true, HOUR_MS);
        parents.set_back(0);
        parents.refresh(&last_results, |_| true, 4_999);
        assert!(parents.blocked_until(id(CHILD), 4_999).is_some());
        parents.refresh(&last_results, |_| true, 5_000);
        assert_eq!(parents.blocked_until(id(CHILD), 5_000), Some(15_000));
        // The time in which it may recover.
        parents.set_back(1_000);
        assert_eq!(parents.blocked_until(id(CHILD), 1_000), Some(11_000));
    }

    #[test]
    fn a_child_of_a_parent_that_is_down_is_reported_when_it_fails_on_after_its_end() {
        let last_results = last_results();
        let mut parents = waiting();
        parent_result(&last_results, false);
        parents.probed(id(CHILD), true, 900);
        parents.refresh(&last_results, |_| true, 1_000);
        assert!(parents.blocked_until(id(CHILD), 1_000).is_some());
        assert_eq!(parents.blocked_by(id(1)), 1);
        parent_result(&last_results, true);
        parents.refresh(&last_results, |_| true, 60_000);
        assert_eq!(parents.blocked_until(id(CHILD), 60_000), Some(70_000));
        assert_eq!(parents.blocked_until(id(CHILD), 70_000), None);
        assert_eq!(parents.blocked_by(id(1)), 0);
        parents.refresh(&last_results, |_| false, 80_000);
        assert!(parents.children.is_empty());
    }
}
