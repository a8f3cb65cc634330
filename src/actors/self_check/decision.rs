//! Decides whether the local network is down instead of the targets. Pure; time is passed in.
//!
//! A failure that a loss of the local network would explain is held for a short window, and the
//! canaries are queried at once. When the window closes, most services that reported in it have
//! failed and no canary answered, the local network is down: the held failures say nothing about
//! their targets, and neither do later failures until a canary answers again, or most services do.
//! Otherwise the failures that were held before the query stand. Later ones get their own window
//! and query, so no failure is judged by what happened before it.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::domain::{Outcome, Reason, ServiceId};

/// Shortest time between two queries of the canaries.
const QUERY_EVERY: Duration = Duration::from_secs(1);

/// How long most services must have answered before a loss of the network ends without a canary.
/// Also the age up to which results are considered: in a shorter time, services that are probed
/// once a minute may have no result.
const RESULTS_WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
pub struct SelfCheckSettings {
    /// How long a failure is held; zero disables the self-check.
    pub window: Duration,
    /// Share of failed services, 0 to 1, from which on the local network may be down.
    pub share: f64,
    /// Most held outcomes; further ones are not held.
    pub limit: usize,
}

/// What a query or a decision changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkChange {
    Lost,
    Back,
}

/// Invariant: an outcome is held only while a window is open, and then all later outcomes of its
/// service are held behind it.
#[derive(Debug)]
pub struct SelfCheck {
    settings: SelfCheckSettings,
    /// Held outcomes, with the time of their arrival. Bound: `settings.limit`, and the later
    /// outcomes of the same services.
    held: VecDeque<(Instant, Outcome)>,
    /// Services with a failure among `held`.
    failing: HashSet<ServiceId>,
    /// Results within [`RESULTS_WITHIN`], oldest first, and whether each may be a loss of the local
    /// network. Bound: `settings.limit`.
    results: VecDeque<(Instant, ServiceId, bool)>,
    /// When the window opened; `None` while nothing is held.
    opened: Option<Instant>,
    is_querying: bool,
    query_began: Option<Instant>,
    query_ended: Option<Instant>,
    /// The query of this window got no answer from any canary.
    canaries_dead: bool,
    /// Since when the local network is down.
    down_since: Option<Instant>,
    /// End of the last loss: a probe that began before it says nothing either.
    back_at: Option<Instant>,
}

impl SelfCheck {
    pub fn new(settings: SelfCheckSettings) -> Self {
        Self {
            settings,
            held: VecDeque::new(),
            failing: HashSet::new(),
            results: VecDeque::new(),
            opened: None,
            is_querying: false,
            query_began: None,
            query_ended: None,
            canaries_dead: false,
            down_since: None,
            back_at: None,
        }
    }

    /// Held outcomes.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The services of held outcomes.
    pub fn held_services(&self) -> impl Iterator<Item = ServiceId> {
        self.held.iter().map(|(_, outcome)| outcome.service_id)
    }

    /// The held outcomes, oldest first.
    pub fn held_mut(&mut self) -> impl Iterator<Item = &mut Outcome> {
        self.held.iter_mut().map(|(_, outcome)| outcome)
    }

    /// Returns the outcome if it is not held, marked if it says nothing about its target.
    pub fn admit(&mut self, mut outcome: Outcome, now: Instant) -> Option<Outcome> {
        if self.settings.window.is_zero() {
            return Some(outcome);
        }
        let id = outcome.service_id;
        let fails = may_be_local_network(&outcome);
        // Name servers that fail without the network would count once for each service.
        if (fails && !is_local_resolver(&outcome)) || is_remote(&outcome) {
            self.note_result(now, id, fails);
        }
        let began = now.checked_sub(outcome.response_time);
        if fails && (self.down_since.is_some() || began <= self.back_at) {
            outcome.mark_network_down();
        }
        // Behind the failure of the same service, even beyond the limit, to keep the order.
        if self.failing.contains(&id) {
            self.held.push_back((now, outcome));
            return None;
        }
        if !fails || outcome.network_down || self.held.len() >= self.settings.limit {
            return Some(outcome);
        }
        if self.opened.is_none() {
            self.open_window(now);
        }
        self.failing.insert(id);
        self.held.push_back((now, outcome));
        None
    }

    fn note_result(&mut self, now: Instant, id: ServiceId, fails: bool) {
        let from = now.checked_sub(RESULTS_WITHIN);
        while self.results.front().is_some_and(|(at, _, _)| Some(*at) < from)
            || self.results.len() >= self.settings.limit
        {
            self.results.pop_front();
        }
        self.results.push_back((now, id, fails));
    }

    /// Whether the share of failed services since `from` is reached; also without any result.
    fn most_fail(&self, from: Option<Instant>) -> bool {
        let results = || self.results.iter().filter(|(at, _, _)| Some(*at) >= from);
        let all: HashSet<ServiceId> = results().map(|(_, id, _)| *id).collect();
        let failing: HashSet<ServiceId> =
            results().filter(|(_, _, fails)| *fails).map(|(_, id, _)| *id).collect();
        failing.len() as f64 >= self.settings.share * all.len() as f64
    }

    fn open_window(&mut self, at: Instant) {
        self.opened = Some(at);
        self.canaries_dead = false;
    }

    /// Whether a query has begun since the window opened.
    fn is_queried(&self) -> bool {
        self.query_began >= self.opened
    }

    /// Whether the canaries are to be queried now: once a window, and repeatedly while the local
    /// network is down.
    pub fn wants_query(&self, now: Instant) -> bool {
        let is_recent = self.query_ended.is_some_and(|at| now < at + QUERY_EVERY);
        let wants = if self.down_since.is_some() {
            !is_recent
        } else {
            self.opened.is_some() && !self.is_queried()
        };
        wants && !self.is_querying
    }

    pub fn query_begins(&mut self, now: Instant) {
        self.is_querying = true;
        self.query_began = Some(now);
    }

    /// `dead`: no canary answered; false when one did, and when none is known. A loss ends when a
    /// canary answers, or when most services have answered for [`RESULTS_WITHIN`]: then only the
    /// canaries are gone.
    pub fn query_ends(&mut self, dead: bool, now: Instant) -> Option<NetworkChange> {
        self.is_querying = false;
        self.query_ended = Some(now);
        self.canaries_dead = dead;
        let since = self.down_since?;
        let from = now.checked_sub(RESULTS_WITHIN);
        let services_answer = from >= Some(since) && !self.most_fail(from);
        if !dead || services_answer {
            self.down_since = None;
            self.back_at = Some(now);
            return Some(NetworkChange::Back);
        }
        None
    }

    /// When the window closes or the next query is due.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        if self.is_querying {
            return None;
        }
        let next_query = self.query_ended.map_or(now, |at| at + QUERY_EVERY);
        match self.opened {
            Some(opened) => Some(opened + self.settings.window),
            None => self.down_since.map(|_| next_query),
        }
    }

    /// Closes the window when it is over, or whatever the time (`at_once`). Returns the released
    /// outcomes in order, marked where they say nothing about their targets.
    pub fn decide(&mut self, now: Instant, at_once: bool) -> (Vec<Outcome>, Option<NetworkChange>) {
        let Some(opened) = self.opened else { return (Vec::new(), None) };
        let is_over = now >= opened + self.settings.window;
        let is_decided = self.is_queried() && !self.is_querying && is_over;
        if !is_decided && !at_once {
            return (Vec::new(), None);
        }
        let from = now.checked_sub(self.settings.window).min(Some(opened));
        let is_down = is_decided && self.canaries_dead && self.most_fail(from);
        let mut released = self.release(is_down || at_once);
        // A failure that is released before the decision is unknown too.
        let is_unknown = is_down || !is_decided;
        for outcome in released.iter_mut().filter(|it| is_unknown && may_be_local_network(it)) {
            outcome.mark_network_down();
        }
        released.extend(self.release_unblocked());
        self.opened = None;
        if let Some((at, _)) = self.held.front() {
            self.open_window(*at);
        }
        if !is_down || self.down_since.is_some() {
            return (released, None);
        }
        self.down_since = Some(now);
        (released, Some(NetworkChange::Lost))
    }

    /// Releases all held outcomes, or those that arrived before the query.
    fn release(&mut self, all: bool) -> Vec<Outcome> {
        let before = self.held.iter().take_while(|(at, _)| Some(*at) <= self.query_began).count();
        let count = if all { self.held.len() } else { before };
        self.held.drain(..count).map(|(_, outcome)| outcome).collect()
    }

    /// Releases held outcomes of services that have no failure among the held outcomes any more.
    fn release_unblocked(&mut self) -> impl Iterator<Item = Outcome> + use<> {
        let failing = self.held.iter().filter(|(_, outcome)| may_be_local_network(outcome));
        self.failing = failing.map(|(_, outcome)| outcome.service_id).collect();
        let (blocked, free): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(_, outcome)| self.failing.contains(&outcome.service_id));
        self.held = blocked;
        free.into_iter().map(|(_, outcome)| outcome)
    }
}

/// Whether a loss of the local network would explain this result, an expected failure included.
/// Never true for a target on loopback, unless the address is that of a proxy.
pub fn may_be_local_network(outcome: &Outcome) -> bool {
    let details = &outcome.details;
    let is_loopback = details.address.is_some_and(|address| address.ip().is_loopback());
    let is_loopback = is_loopback && !details.via_proxy;
    !is_loopback
        && outcome.any_failure().is_some_and(|failure| failure.reason.may_be_local_network())
}

/// Whether the name servers of this machine were checked and failed.
fn is_local_resolver(outcome: &Outcome) -> bool {
    outcome.failure.as_ref().is_some_and(|failure| failure.reason == Reason::LocalResolver)
}

/// Whether another machine was probed.
fn is_remote(outcome: &Outcome) -> bool {
    let Outcome { details, .. } = outcome;
    details.address.is_some_and(|address| !address.ip().is_loopback() || details.via_proxy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Failure, Verdict, sample};

    const SETTINGS: SelfCheckSettings =
        SelfCheckSettings { window: Duration::from_secs(3), share: 0.5, limit: 100 };

    fn failed(id: i64, at_ms: i64) -> Outcome {
        let failure = Some(Failure::new(Reason::ConnectTimeout, ""));
        Outcome { failure, ..sample::outcome(id, at_ms) }
    }

    /// An answer from another machine.
    fn answered(id: i64, at_ms: i64) -> Outcome {
        let mut outcome = sample::outcome(id, at_ms);
        outcome.details.address = Some("192.0.2.1:80".parse().unwrap());
        outcome
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// Five services fail, `up` others answer, and the canaries are `dead` or not: the verdicts of
    /// the five.
    fn decided(up: i64, dead: bool) -> (Vec<Verdict>, Option<NetworkChange>) {
        let (mut self_check, start) = (SelfCheck::new(SETTINGS), Instant::now());
        for id in 1..=5 {
            assert!(self_check.admit(failed(id, 0), start).is_none());
        }
        assert!(self_check.wants_query(start));
        self_check.query_begins(start);
        for id in 10..10 + up {
            assert!(self_check.admit(answered(id, 0), start).is_some());
        }
        assert_eq!(self_check.query_ends(dead, start + secs(1)), None);
        assert_eq!(
            self_check.decide(start + secs(2), false),
            (Vec::new(), None),
            "the window is open"
        );
        let (released, change) = self_check.decide(start + secs(3), false);
        (released.iter().map(Outcome::verdict).collect(), change)
    }

    #[test]
    fn the_network_is_down_when_most_services_fail_and_no_canary_answers() {
        assert_eq!(decided(0, true), (vec![Verdict::Unknown; 5], Some(NetworkChange::Lost)));
        assert_eq!(decided(5, true).1, Some(NetworkChange::Lost));
        assert_eq!(decided(6, true), (vec![Verdict::Down; 5], None), "too few failed");
        assert_eq!(decided(0, false), (vec![Verdict::Down; 5], None), "a canary answers");
    }

    #[test]
    fn a_failure_that_conditions_expect_is_held_and_unknown_like_any_other() {
        let (mut self_check, start) = (SelfCheck::new(SETTINGS), Instant::now());
        let Outcome { failure, .. } = failed(1, 0);
        let expected = Outcome { expected_failure: failure, ..sample::outcome(1, 0) };
        assert_eq!(expected.verdict(), Verdict::Up);
        assert!(self_check.admit(expected, start).is_none());
        self_check.query_begins(start);
        self_check.query_ends(true, start);
        let (released, _) = self_check.decide(start + secs(3), false);
        assert_eq!(released[0].verdict(), Verdict::Unknown);
        assert_eq!(released[0].failure.as_ref().unwrap().reason, Reason::ConnectTimeout);
    }

    #[test]
    fn failing_name_servers_are_no_loss_of_the_network() {
        let unresolved = |id| {
            let failure = Some(Failure::new(Reason::LocalResolver, ""));
            Outcome { failure, ..sample::outcome(id, 0) }
        };
        for (up, down, is_lost) in [(1, 0, false), (0, 1, true), (2, 1, false), (0, 0, true)] {
            let (mut self_check, start) = (SelfCheck::new(SETTINGS), Instant::now());
            for id in 1..=10 {
                self_check.admit(unresolved(id), start);
            }
            for id in 0..up {
                self_check.admit(answered(20 + id, 0), start);
            }
            for id in 0..down {
                self_check.admit(failed(30 + id, 0), start);
            }
            self_check.query_begins(start);
            self_check.query_ends(true, start);
            let (released, change) = self_check.decide(start + secs(3), false);
            assert_eq!(change.is_some(), is_lost, "{up} up, {down} down");
            let verdict = if is_lost { Verdict::Unknown } else { Verdict::Local };
            let of_names = released.iter().filter(|outcome| outcome.service_id.get() <= 10);
            assert!(of_names.clone().all(|outcome| outcome.verdict() == verdict));
            assert_eq!(of_names.count(), 10);
        }
    }

    #[test]
    fn a_failure_is_unknown_from_the_loss_of_the_network_until_a_canary_answers() {
        let (mut self_check, start) = (SelfCheck::new(SETTINGS), Instant::now());
        self_check.admit(failed(1, 0), start);
        self_check.query_begins(start);
        self_check.query_ends(true, start);
        self_check.decide(start + secs(3), false);
        assert_eq!(self_check.admit(failed(2, 3_000), start).unwrap().verdict(), Verdict::Unknown);
        assert_eq!(self_check.admit(sample::outcome(3, 0), start).unwrap().verdict(), Verdict::Up);
        assert!(self_check.wants_query(start + secs(3)) && self_check.due(start).is_some());
        self_check.query_begins(start + secs(3));
        let back = self_check.query_ends(false, start + secs(4));
        assert_eq!(back, Some(NetworkChange::Back));
        let late = Outcome { response_time: secs(2), ..failed(2, 3_000) };
        let late = self_check.admit(late, start + secs(5)).unwrap();
        assert_eq!(late.verdict(), Verdict::Unknown, "the probe began while the network was down");
        assert!(self_check.admit(failed(2, 5_000), start + secs(5)).is_none(), "held as before");
    }

    #[test]
    fn a_loss_ends_without_a_canary_once_most_services_answer() {
        let (mut self_check, start) = (SelfCheck::new(SETTINGS), Instant::now());
        self_check.admit(failed(1, 0), start);
        self_check.query_begins(start);
        self_check.query_ends(true, start);
        assert_eq!(self_check.decide(start + secs(3), false).1, Some(NetworkChange::Lost));
        self_check.query_begins(start + secs(4));
        assert_eq!(self_check.query_ends(true, start + secs(5)), None, "no result since");
        for second in 4..70 {
            self_check.admit(answered(10 + second as i64 % 10, 0), start + secs(second));
        }
        self_check.admit(failed(1, 69_000), start + secs(69));
        self_check.query_begins(start + secs(30));
        assert_eq!(self_check.query_ends(true, start + secs(31)), None, "too early");
        self_check.query_begins(start + secs(70));
        assert_eq!(self_check.query_ends(true, start + secs(71)), Some(NetworkChange::Back));
    }

    #[test]
    fn a_failure_released_before_the_decision_is_unknown() {
        let (mut self_check, start) = (SelfCheck::new(SETTINGS), Instant::now());
        self_check.admit(failed(1, 0), start);
        let (released, change) = self_check.decide(start, true);
        assert_eq!((released[0].verdict(), change), (Verdict::Unknown, None));
    }

    #[test]
    fn no_failure_is_decided_by_a_query_before_it() {
        let (mut self_check, start) = (SelfCheck::new(SETTINGS), Instant::now());
        self_check.admit(failed(1, 0), start);
        self_check.query_begins(start);
        self_check.query_ends(false, start);
        for id in 2..=5 {
            self_check.admit(failed(id, 1_000), start + secs(1));
        }
        assert!(!self_check.wants_query(start + secs(1)), "one query a window");
        let (released, _) = self_check.decide(start + secs(3), false);
        let ids: Vec<i64> = released.iter().map(|outcome| outcome.service_id.get()).collect();
        assert_eq!(ids, [1], "its target failed before the network did");
        assert!(self_check.wants_query(start + secs(3)));
        self_check.query_begins(start + secs(3));
        self_check.query_ends(true, start + secs(5));
        let (released, change) = self_check.decide(start + secs(5), false);
        assert_eq!((released.len(), change), (4, Some(NetworkChange::Lost)));
        assert!(released.iter().all(|outcome| outcome.verdict() == Verdict::Unknown));
    }

    #[test]
    fn the_results_of_a_service_stay_in_order() {
        let (mut self_check, start) = (SelfCheck::new(SETTINGS), Instant::now());
        self_check.admit(failed(1, 0), start);
        assert!(self_check.admit(sample::outcome(1, 1_000), start).is_none());
        let (released, _) = self_check.decide(start, true);
        let order: Vec<i64> = released.iter().map(|outcome| outcome.started_at_ms).collect();
        assert_eq!(order, [0, 1_000]);

        let mut self_check = SelfCheck::new(SETTINGS);
        self_check.admit(failed(1, 0), start);
        self_check.query_begins(start);
        self_check.query_ends(false, start);
        self_check.admit(sample::outcome(1, 1_000), start + secs(1));
        let (released, _) = self_check.decide(start + secs(3), false);
        assert_eq!((released.len(), self_check.held()), (2, 0), "nothing stays held");
    }

    #[test]
    fn a_failure_that_no_loss_of_the_network_explains_is_never_held() {
        let (mut self_check, start) = (SelfCheck::new(SETTINGS), Instant::now());
        let refused = Some(Failure::new(Reason::Refused, ""));
        assert!(self_check.admit(Outcome { failure: refused, ..failed(1, 0) }, start).is_some());
        let mut loopback = failed(1, 0);
        loopback.details.address = Some("127.0.0.1:80".parse().unwrap());
        assert!(self_check.admit(loopback, start).is_some());
        let mut disabled = SelfCheck::new(SelfCheckSettings { window: Duration::ZERO, ..SETTINGS });
        assert!(disabled.admit(failed(1, 0), start).is_some());
    }

    #[test]
    fn at_most_the_limit_is_held() {
        let mut self_check = SelfCheck::new(SelfCheckSettings { limit: 2, ..SETTINGS });
        let now = Instant::now();
        let held = (1..=5).filter(|id| self_check.admit(failed(*id, 0), now).is_none()).count();
        assert_eq!((held, self_check.held()), (2, 2));
        assert!(self_check.admit(answered(1, 1), now).is_none(), "but the order is kept");
    }
}
