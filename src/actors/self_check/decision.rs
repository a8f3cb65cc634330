//! Whether it is our own network that is gone, and not the targets: a decision of the recorder. Pure; time is passed in.
//!
//! A failure that an outage of ours would look like is held for a short window. Canaries are asked at once. When the window
//! closes, and most of the services that were heard of in it had failed, and no canary answered, then we are cut off: what was
//! held says nothing of its targets, and neither does what fails until a canary answers again, or most services do. In every
//! other case the failures stand: those that were there when the canaries were asked. The later ones get a window and a check of
//! their own, so that no failure is judged by what was before it.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::domain::{Outcome, ServiceId};

/// Shortest time from one check of the canaries to the next.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How long services must have answered, canaries or not, before an outage is over for that alone. Also how far back is
/// remembered what was heard: in a shorter time, services that are probed once a minute tell nothing.
const LOOKS_BACK: Duration = Duration::from_secs(60);

/// What is to be taken for an outage of our own.
#[derive(Debug, Clone, Copy)]
pub struct SelfCheckSettings {
    /// How long a failure is held; zero holds nothing.
    pub window: Duration,
    /// From which share of failures among the services heard of, 0 to 1.
    pub share: f64,
    /// Most outcomes that are held; what comes then stands as it is.
    pub limit: usize,
}

/// What changed with a check or a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkChange {
    /// We were connected, and are cut off.
    Lost,
    /// We were cut off, and are connected.
    Back,
}

/// What is known of our own network. Invariant: an outcome is held only while a window is open, and then all later outcomes of
/// its service are held behind it.
#[derive(Debug)]
pub struct SelfCheck {
    rules: SelfCheckSettings,
    /// Each with when it was taken in. Bound: `rules.limit`.
    held: VecDeque<(Instant, Outcome)>,
    /// Services with a failure among `held`.
    failing: HashSet<ServiceId>,
    /// What was heard within [`LOOKS_BACK`], oldest first: whether it failed as in an self_check. Bound: `rules.limit`.
    heard: VecDeque<(Instant, ServiceId, bool)>,
    /// When the window opened; `None` while nothing is held.
    opened: Option<Instant>,
    checking: bool,
    /// When the last check began, and when it ended.
    check_began: Option<Instant>,
    check_ended: Option<Instant>,
    /// Whether the check of this window found every canary dead.
    found_dead: bool,
    /// Since when we are cut off.
    cut_since: Option<Instant>,
    /// End of the last outage: what began before it says nothing either.
    back_at: Option<Instant>,
}

impl SelfCheck {
    /// Connected, as far as is known.
    pub fn new(rules: SelfCheckSettings) -> Self {
        Self {
            rules,
            held: VecDeque::new(),
            failing: HashSet::new(),
            heard: VecDeque::new(),
            opened: None,
            checking: false,
            check_began: None,
            check_ended: None,
            found_dead: false,
            cut_since: None,
            back_at: None,
        }
    }

    /// How many outcomes are held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes an outcome in. Gives it back when it may go on, marked if it says nothing of its target; holds it otherwise.
    pub fn admit(&mut self, mut outcome: Outcome, now: Instant) -> Option<Outcome> {
        if self.rules.window.is_zero() {
            return Some(outcome);
        }
        let id = outcome.service_id;
        let fails = is_telling(&outcome);
        if fails || is_elsewhere(&outcome) {
            self.hear(now, id, fails);
        }
        let began = now.checked_sub(outcome.response_time);
        if fails && (self.cut_since.is_some() || began <= self.back_at) {
            outcome.network_down = true;
        }
        // In order behind the failure of the same service, whatever the limit says.
        if self.failing.contains(&id) {
            self.held.push_back((now, outcome));
            return None;
        }
        if !fails || outcome.network_down || self.held.len() >= self.rules.limit {
            return Some(outcome);
        }
        if self.opened.is_none() {
            self.open(now);
        }
        self.failing.insert(id);
        self.held.push_back((now, outcome));
        None
    }

    fn hear(&mut self, now: Instant, id: ServiceId, fails: bool) {
        let from = now.checked_sub(LOOKS_BACK);
        while self.heard.front().is_some_and(|(at, _, _)| Some(*at) < from)
            || self.heard.len() >= self.rules.limit
        {
            self.heard.pop_front();
        }
        self.heard.push_back((now, id, fails));
    }

    /// Whether so many of the services that were heard of since `from` have failed; also when none was.
    fn most_fail(&self, from: Option<Instant>) -> bool {
        let heard = || self.heard.iter().filter(|(at, _, _)| Some(*at) >= from);
        let all: HashSet<ServiceId> = heard().map(|(_, id, _)| *id).collect();
        let failing: HashSet<ServiceId> =
            heard().filter(|(_, _, fails)| *fails).map(|(_, id, _)| *id).collect();
        failing.len() as f64 >= self.rules.share * all.len() as f64
    }

    fn open(&mut self, at: Instant) {
        self.opened = Some(at);
        self.found_dead = false;
    }

    /// Whether a check has begun since the window opened.
    fn is_checked(&self) -> bool {
        self.check_began >= self.opened
    }

    /// Whether the canaries are to be asked now: once a window, and again and again while we are cut off.
    pub fn wants_check(&self, now: Instant) -> bool {
        let is_fresh = self.check_ended.is_some_and(|at| now < at + CHECK_EVERY);
        let wants = if self.cut_since.is_some() {
            !is_fresh
        } else {
            self.opened.is_some() && !self.is_checked()
        };
        wants && !self.checking
    }

    /// The canaries are being asked.
    pub fn check_begins(&mut self, now: Instant) {
        self.checking = true;
        self.check_began = Some(now);
    }

    /// No canary answered (`dead`), or one did, or there is none to ask. An outage ends when one answers, or when most
    /// services have for [`LOOKS_BACK`]: then it is the canaries that are gone.
    pub fn check_ends(&mut self, dead: bool, now: Instant) -> Option<NetworkChange> {
        self.checking = false;
        self.check_ended = Some(now);
        self.found_dead = dead;
        let since = self.cut_since?;
        let from = now.checked_sub(LOOKS_BACK);
        let services_answer = from >= Some(since) && !self.most_fail(from);
        if !dead || services_answer {
            self.cut_since = None;
            self.back_at = Some(now);
            return Some(NetworkChange::Back);
        }
        None
    }

    /// When something is to be done next: the window closes, or the canaries are to be asked again.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        if self.checking {
            return None;
        }
        let next_check = self.check_ended.map_or(now, |at| at + CHECK_EVERY);
        match self.opened {
            Some(opened) => Some(opened + self.rules.window),
            None => self.cut_since.map(|_| next_check),
        }
    }

    /// Closes the window if it is over, or if nothing is to be waited for any more (`at_once`). Gives what was held, in order and
    /// marked where it says nothing.
    pub fn decide(&mut self, now: Instant, at_once: bool) -> (Vec<Outcome>, Option<NetworkChange>) {
        let Some(opened) = self.opened else { return (Vec::new(), None) };
        let is_over = now >= opened + self.rules.window;
        let is_judged = self.is_checked() && !self.checking && is_over;
        if !is_judged && !at_once {
            return (Vec::new(), None);
        }
        let from = now.checked_sub(self.rules.window).min(Some(opened));
        let cut = is_judged && self.found_dead && self.most_fail(from);
        let judged = self.held.iter().take_while(|(at, _)| Some(*at) <= self.check_began).count();
        let count = if cut || at_once { self.held.len() } else { judged };
        let mut released: Vec<Outcome> = self.held.drain(..count).map(|(_, it)| it).collect();
        // What is to be told before it could be judged is not known either.
        let unknown = cut || !is_judged;
        for outcome in released.iter_mut().filter(|outcome| unknown && is_telling(outcome)) {
            outcome.network_down = true;
        }
        let failing = self.held.iter().filter(|(_, outcome)| is_telling(outcome));
        self.failing = failing.map(|(_, outcome)| outcome.service_id).collect();
        // Who stood behind a failure that is gone now has nothing to wait for.
        let (rest, free): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(_, outcome)| self.failing.contains(&outcome.service_id));
        self.held = rest;
        released.extend(free.into_iter().map(|(_, outcome)| outcome));
        self.opened = None;
        if let Some((at, _)) = self.held.front() {
            self.open(*at);
        }
        if !cut || self.cut_since.is_some() {
            return (released, None);
        }
        self.cut_since = Some(now);
        (released, Some(NetworkChange::Lost))
    }
}

/// Whether an outage of ours would look like this. What happens on this machine alone is not touched by one.
fn is_telling(outcome: &Outcome) -> bool {
    let is_here = outcome.details.address.is_some_and(|address| address.ip().is_loopback());
    let failure = outcome.failure.as_ref();
    !is_here && failure.is_some_and(|failure| failure.reason.may_be_local_network())
}

/// Whether somebody beyond this machine was asked.
fn is_elsewhere(outcome: &Outcome) -> bool {
    outcome.details.address.is_some_and(|address| !address.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Failure, Reason, Verdict, sample};

    const RULES: SelfCheckSettings =
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

    /// Five services fail, `up` others answer, and the canaries are `dead` or not; what becomes of the five.
    fn judged(up: i64, dead: bool) -> (Vec<Verdict>, Option<NetworkChange>) {
        let (mut self_check, start) = (SelfCheck::new(RULES), Instant::now());
        for id in 1..=5 {
            assert!(self_check.admit(failed(id, 0), start).is_none());
        }
        assert!(self_check.wants_check(start));
        self_check.check_begins(start);
        for id in 10..10 + up {
            assert!(self_check.admit(answered(id, 0), start).is_some());
        }
        assert_eq!(self_check.check_ends(dead, start + secs(1)), None);
        assert_eq!(
            self_check.decide(start + secs(2), false),
            (Vec::new(), None),
            "the window is open"
        );
        let (released, change) = self_check.decide(start + secs(3), false);
        (released.iter().map(Outcome::verdict).collect(), change)
    }

    #[test]
    fn most_have_failed_and_no_canary_answers_is_our_own_outage() {
        assert_eq!(judged(0, true), (vec![Verdict::Unknown; 5], Some(NetworkChange::Lost)));
        assert_eq!(judged(5, true).1, Some(NetworkChange::Lost));
        assert_eq!(judged(6, true), (vec![Verdict::Down; 5], None), "too few failed");
        assert_eq!(judged(0, false), (vec![Verdict::Down; 5], None), "a canary answers");
    }

    #[test]
    fn what_fails_while_we_are_cut_off_says_nothing_until_a_canary_answers() {
        let (mut self_check, start) = (SelfCheck::new(RULES), Instant::now());
        self_check.admit(failed(1, 0), start);
        self_check.check_begins(start);
        self_check.check_ends(true, start);
        self_check.decide(start + secs(3), false);
        assert_eq!(self_check.admit(failed(2, 3_000), start).unwrap().verdict(), Verdict::Unknown);
        assert_eq!(self_check.admit(sample::outcome(3, 0), start).unwrap().verdict(), Verdict::Up);
        assert!(self_check.wants_check(start + secs(3)) && self_check.due(start).is_some());
        self_check.check_begins(start + secs(3));
        let back = self_check.check_ends(false, start + secs(4));
        assert_eq!(back, Some(NetworkChange::Back));
        let late = Outcome { response_time: secs(2), ..failed(2, 3_000) };
        let late = self_check.admit(late, start + secs(5)).unwrap();
        assert_eq!(late.verdict(), Verdict::Unknown, "it began while we were cut off");
        assert!(self_check.admit(failed(2, 5_000), start + secs(5)).is_none(), "held as before");
    }

    #[test]
    fn a_canary_that_stays_silent_does_not_keep_us_cut_off_while_services_answer() {
        let (mut self_check, start) = (SelfCheck::new(RULES), Instant::now());
        self_check.admit(failed(1, 0), start);
        self_check.check_begins(start);
        self_check.check_ends(true, start);
        assert_eq!(self_check.decide(start + secs(3), false).1, Some(NetworkChange::Lost));
        self_check.check_begins(start + secs(4));
        assert_eq!(self_check.check_ends(true, start + secs(5)), None, "nothing was heard since");
        for second in 4..70 {
            self_check.admit(answered(10 + second as i64 % 10, 0), start + secs(second));
        }
        self_check.admit(failed(1, 69_000), start + secs(69));
        self_check.check_begins(start + secs(30));
        assert_eq!(self_check.check_ends(true, start + secs(31)), None, "too soon to tell");
        self_check.check_begins(start + secs(70));
        assert_eq!(self_check.check_ends(true, start + secs(71)), Some(NetworkChange::Back));
    }

    #[test]
    fn what_is_told_before_it_is_judged_is_unknown() {
        let (mut self_check, start) = (SelfCheck::new(RULES), Instant::now());
        self_check.admit(failed(1, 0), start);
        let (released, change) = self_check.decide(start, true);
        assert_eq!((released[0].verdict(), change), (Verdict::Unknown, None));
    }

    #[test]
    fn no_failure_is_judged_by_what_was_before_it() {
        let (mut self_check, start) = (SelfCheck::new(RULES), Instant::now());
        self_check.admit(failed(1, 0), start);
        self_check.check_begins(start);
        self_check.check_ends(false, start);
        for id in 2..=5 {
            self_check.admit(failed(id, 1_000), start + secs(1));
        }
        assert!(!self_check.wants_check(start + secs(1)), "once a window");
        let (released, _) = self_check.decide(start + secs(3), false);
        let ids: Vec<i64> = released.iter().map(|outcome| outcome.service_id.get()).collect();
        assert_eq!(ids, [1], "a target was gone before our network was");
        assert!(self_check.wants_check(start + secs(3)));
        self_check.check_begins(start + secs(3));
        self_check.check_ends(true, start + secs(5));
        let (released, change) = self_check.decide(start + secs(5), false);
        assert_eq!((released.len(), change), (4, Some(NetworkChange::Lost)));
        assert!(released.iter().all(|outcome| outcome.verdict() == Verdict::Unknown));
    }

    #[test]
    fn the_results_of_a_service_stay_in_their_order() {
        let (mut self_check, start) = (SelfCheck::new(RULES), Instant::now());
        self_check.admit(failed(1, 0), start);
        assert!(self_check.admit(sample::outcome(1, 1_000), start).is_none());
        let (released, _) = self_check.decide(start, true);
        let order: Vec<i64> = released.iter().map(|outcome| outcome.started_at_ms).collect();
        assert_eq!(order, [0, 1_000]);

        let mut self_check = SelfCheck::new(RULES);
        self_check.admit(failed(1, 0), start);
        self_check.check_begins(start);
        self_check.check_ends(false, start);
        self_check.admit(sample::outcome(1, 1_000), start + secs(1));
        let (released, _) = self_check.decide(start + secs(3), false);
        assert_eq!((released.len(), self_check.is_empty()), (2, true), "nobody is left behind");
    }

    #[test]
    fn what_no_outage_explains_is_never_held() {
        let (mut self_check, start) = (SelfCheck::new(RULES), Instant::now());
        let refused = Some(Failure::new(Reason::Refused, ""));
        assert!(self_check.admit(Outcome { failure: refused, ..failed(1, 0) }, start).is_some());
        let mut here = failed(1, 0);
        here.details.address = Some("127.0.0.1:80".parse().unwrap());
        assert!(self_check.admit(here, start).is_some());
        let mut off = SelfCheck::new(SelfCheckSettings { window: Duration::ZERO, ..RULES });
        assert!(off.admit(failed(1, 0), start).is_some());
    }

    #[test]
    fn no_more_is_held_than_the_limit() {
        let mut self_check = SelfCheck::new(SelfCheckSettings { limit: 2, ..RULES });
        let now = Instant::now();
        let held = (1..=5).filter(|id| self_check.admit(failed(*id, 0), now).is_none()).count();
        assert_eq!((held, self_check.len()), (2, 2));
        assert!(self_check.admit(answered(1, 1), now).is_none(), "but nobody overtakes");
    }
}
