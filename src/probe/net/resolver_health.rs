//! Whether the system's name servers work at all. A failed look-up is the target's fault only if
//! they do.
//!
//! The verdict is shared by all probes of the process: one check at a time, at most one a second,
//! whatever the number of failures. A failure counts against its target only if a check that began
//! after it got an answer, and if the servers were not known to fail while it was looked up; a
//! check without an answer holds for a few seconds.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between the begin of two checks.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How long a check without an answer holds.
const FAILURE_HOLDS: Duration = Duration::from_secs(5);

/// Most time until a failed look-up is judged; after it, the failure is taken for a local one.
const JUDGED_WITHIN: Duration = Duration::from_secs(5);

/// Most names kept that were resolved before.
const NAMES_MAX: usize = 8;

/// Most of them that a check queries.
const NAMES_QUERIED: usize = 2;

/// A change of the verdict about the name servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolverChange {
    /// None of them answers. With what they did instead.
    Failing(String),
    Working,
}

/// What happened since the last [`ResolverHealth::take_news`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ResolverNews {
    pub checks_answered: u64,
    pub checks_failed: u64,
    /// Oldest first; at most two.
    pub changes: Vec<ResolverChange>,
}

/// One check of all name servers.
#[derive(Debug, Clone)]
struct Check {
    began: Instant,
    ended: Instant,
    /// What the servers did instead of an answer.
    failure: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Check>,
    is_failing: bool,
    /// What the servers did when they failed last, and until when they did.
    failed: Option<(String, Instant)>,
    /// Names that were resolved, newest last. Bound: [`NAMES_MAX`].
    resolved: VecDeque<String>,
    news: ResolverNews,
}

impl State {
    /// What is known about a look-up from `began` to `failed_at`: `Some(None)` when the servers
    /// worked after it, `Some(Some(why))` when they do not, or did not when it began; `None` when a
    /// check is needed.
    fn verdict(
        &self,
        (began, failed_at): (Instant, Instant),
        now: Instant,
    ) -> Option<Option<String>> {
        if let Some((why, until)) = &self.failed
            && began <= *until
        {
            return Some(Some(why.clone()));
        }
        let last = self.last.as_ref()?;
        let holds =
            last.began >= failed_at || (last.failure.is_some() && now < last.ended + FAILURE_HOLDS);
        holds.then(|| last.failure.clone())
    }

    fn known_failure(&self) -> Option<String> {
        self.last.as_ref().and_then(|last| last.failure.clone())
    }

    fn next_check_at(&self) -> Option<Instant> {
        self.last.as_ref().map(|last| last.began + CHECK_EVERY)
    }

    fn checked(&mut self, check: Check) {
        match &check.failure {
            None => self.news.checks_answered += 1,
            Some(why) => {
                self.news.checks_failed += 1;
                self.failed = Some((why.clone(), check.ended));
            }
        }
        match (&check.failure, self.is_failing) {
            (Some(why), false) => self.change(ResolverChange::Failing(why.clone())),
            (None, true) => self.work_again(check.ended),
            _ => {}
        }
        self.last = Some(check);
    }

    /// A look-up by a name server found an address at `now`.
    fn resolved(&mut self, name: &str, now: Instant) {
        self.resolved.retain(|known| known != name);
        if self.resolved.len() >= NAMES_MAX {
            self.resolved.pop_front();
        }
        self.resolved.push_back(name.to_owned());
        let holds = |last: &Check| last.failure.is_some() && now < last.ended + FAILURE_HOLDS;
        if self.is_failing && !self.last.as_ref().is_some_and(holds) {
            self.last = None;
            self.work_again(now);
        }
    }

    /// Queries before `now` may be lost.
    fn work_again(&mut self, now: Instant) {
        if let Some((_, until)) = &mut self.failed {
            *until = now;
        }
        self.change(ResolverChange::Working);
    }

    fn change(&mut self, change: ResolverChange) {
        self.is_failing = change != ResolverChange::Working;
        // Two changes that nobody took cancel each other.
        if self.news.changes.len() >= 2 {
            self.news.changes.clear();
        }
        self.news.changes.push(change);
    }

    /// Names that were resolved before, newest first, without `failed`.
    fn names(&self, failed: &str) -> Vec<String> {
        let others = self.resolved.iter().rev().filter(|known| *known != failed);
        others.take(NAMES_QUERIED).cloned().collect()
    }
}

/// Shared by all probes of the process.
#[derive(Debug, Default)]
pub struct ResolverHealth {
    state: Mutex<State>,
    /// Held by the probe that checks; the others wait for its result.
    turn: tokio::sync::Mutex<()>,
    is_failing: AtomicBool,
    has_news: AtomicBool,
    /// The newest name in `state.resolved` is remembered again at most this often.
    remembered_at: Mutex<Option<Instant>>,
}

impl ResolverHealth {
    /// Whether a look-up of `name` that began at `began` and failed just now is the name servers'
    /// fault; if so, what they do instead of answering. `check` queries the servers: the root's
    /// name servers and the given names; any answer will do.
    pub async fn judge<C, F>(&self, name: &str, began: Instant, check: C) -> Option<String>
    where
        C: FnOnce(Vec<String>) -> F,
        F: Future<Output = Result<(), String>>,
    {
        let look_up = (began, Instant::now());
        let judged = tokio::time::timeout(JUDGED_WITHIN, self.judge_in_turn(look_up, name, check));
        judged.await.unwrap_or_else(|_| Some("their check did not end in time".to_owned()))
    }

    async fn judge_in_turn<C, F>(
        &self,
        look_up: (Instant, Instant),
        name: &str,
        check: C,
    ) -> Option<String>
    where
        C: FnOnce(Vec<String>) -> F,
        F: Future<Output = Result<(), String>>,
    {
        if let Some(verdict) = self.state().verdict(look_up, Instant::now()) {
            return verdict;
        }
        let known_failure = self.state().known_failure();
        let _turn = match (self.turn.try_lock(), known_failure) {
            (Ok(turn), _) => turn,
            // While failing servers are checked again, they count as failing.
            (Err(_), Some(why)) => return Some(why),
            (Err(_), None) => self.turn.lock().await,
        };
        if let Some(verdict) = self.state().verdict(look_up, Instant::now()) {
            return verdict;
        }
        self.check_in_turn(name, check).await
    }

    /// Checks the servers before a look-up of `name` has failed, unless a check is under way: a
    /// look-up without an answer is then judged at its deadline.
    pub async fn check_early<C, F>(&self, name: &str, check: C)
    where
        C: FnOnce(Vec<String>) -> F,
        F: Future<Output = Result<(), String>>,
    {
        if let Ok(_turn) = self.turn.try_lock() {
            self.check_in_turn(name, check).await;
        }
    }

    /// The failure of all servers. The caller holds `turn`.
    async fn check_in_turn<C, F>(&self, name: &str, check: C) -> Option<String>
    where
        C: FnOnce(Vec<String>) -> F,
        F: Future<Output = Result<(), String>>,
    {
        let next_at = self.state().next_check_at();
        if let Some(at) = next_at {
            tokio::time::sleep_until(at.into()).await;
        }
        let (began, names) = (Instant::now(), self.state().names(name));
        let failure = check(names).await.err();
        let check = Check { began, ended: Instant::now(), failure: failure.clone() };
        self.update(|state| state.checked(check));
        failure
    }

    /// A name server of the system found an address of `name`.
    pub fn resolved(&self, name: &str) {
        let now = Instant::now();
        // Every probe calls this; a name in the list is enough, unless the servers were failing.
        if !self.is_failing.load(Ordering::Relaxed) {
            let mut remembered_at = lock(&self.remembered_at);
            if remembered_at.is_some_and(|at| now < at + CHECK_EVERY / 10) {
                return;
            }
            *remembered_at = Some(now);
        }
        self.update(|state| state.resolved(name, now));
    }

    /// Whether the newest verdict says that no name server works.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Whether the servers were known to fail at some time since `since`.
    pub fn has_failed_since(&self, since: Instant) -> bool {
        self.is_failing() || self.state().failed.as_ref().is_some_and(|(_, until)| *until >= since)
    }

    /// What happened since the last call; `None` when nothing did.
    pub fn take_news(&self) -> Option<ResolverNews> {
        if !self.has_news.swap(false, Ordering::AcqRel) {
            return None;
        }
        Some(std::mem::take(&mut self.state().news))
    }

    fn update(&self, update: impl FnOnce(&mut State)) {
        let mut state = self.state();
        update(&mut state);
        self.is_failing.store(state.is_failing, Ordering::Relaxed);
        if state.news != ResolverNews::default() {
            self.has_news.store(true, Ordering::Release);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn check(began: Instant, failure: Option<&str>) -> Check {
        let failure = failure.map(str::to_owned);
        Check { began, ended: began + Duration::from_millis(10), failure }
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_target_is_blamed_only_by_an_answer_to_a_later_check() {
        let (mut state, start) = (State::default(), Instant::now());
        let verdict =
            |state: &State, failed_at: Instant, now| state.verdict((failed_at, failed_at), now);
        assert_eq!(verdict(&state, start, start), None);
        state.checked(check(start, None));
        assert_eq!(verdict(&state, start, start + ms(1)), Some(None));
        let since = verdict(&state, start + ms(1), start + ms(2));
        assert_eq!(since, None, "it may have failed since");
        state.checked(check(start + ms(2_000), Some("silent")));
        let failing = Some(Some("silent".to_owned()));
        for (after, expected) in [(2_000, &failing), (7_000, &failing), (7_011, &None)] {
            let at = start + ms(after);
            assert_eq!(verdict(&state, at, at), *expected, "{after}");
        }
    }

    #[test]
    fn a_query_that_servers_lost_before_they_worked_again_is_their_fault() {
        let (mut state, start) = (State::default(), Instant::now());
        state.checked(check(start, Some("silent")));
        state.checked(check(start + ms(6_000), None));
        let failing = Some(Some("silent".to_owned()));
        let failed_at = start + ms(6_500);
        for (began, expected) in [(5_500, &failing), (6_010, &failing), (6_011, &None)] {
            let look_up = (start + ms(began), failed_at);
            assert_eq!(state.verdict(look_up, failed_at), *expected, "{began}");
        }
        state.checked(check(start + ms(7_000), None));
        let later = (start + ms(6_011), failed_at);
        assert_eq!(state.verdict(later, start + ms(7_020)), Some(None), "the target's fault");
        let before = (start + ms(5_500), failed_at);
        assert_eq!(state.verdict(before, start + ms(7_020)), failing);
    }

    #[test]
    fn each_change_is_reported_once() {
        let (health, start) = (ResolverHealth::default(), Instant::now());
        assert_eq!(health.take_news(), None);
        health.update(|state| state.checked(check(start, Some("silent"))));
        health.update(|state| state.checked(check(start, Some("silent"))));
        let news = health.take_news().unwrap();
        assert_eq!((news.checks_answered, news.checks_failed), (0, 2));
        assert_eq!(news.changes, [ResolverChange::Failing("silent".to_owned())]);
        assert!(health.is_failing());
        health.update(|state| state.resolved("a.test", start + ms(1_000)));
        assert!(health.is_failing(), "the failed check still holds");
        health.update(|state| state.resolved("a.test", start + ms(9_000)));
        assert_eq!(health.take_news().unwrap().changes, [ResolverChange::Working]);
        assert!(!health.is_failing() && health.take_news().is_none());
        health.update(|state| state.resolved("a.test", start + ms(9_000)));
        assert_eq!(health.take_news(), None);
    }

    #[test]
    fn names_that_were_resolved_are_queried_but_not_the_failed_one() {
        let (mut state, now) = (State::default(), Instant::now());
        for n in 0..100 {
            state.resolved(&format!("{n}.test"), now);
        }
        assert_eq!(state.resolved.len(), NAMES_MAX);
        assert_eq!(state.names("99.test"), ["98.test", "97.test"]);
        assert_eq!(state.names("other.test"), ["99.test", "98.test"]);
    }

    #[tokio::test]
    async fn ten_thousand_failures_make_one_check() {
        for failure in [None, Some("silent".to_owned())] {
            let (health, checks) = (ResolverHealth::default(), Cell::new(0));
            let judges = (0..10_000).map(|_| {
                health.judge("web.test", Instant::now(), |_| async {
                    checks.set(checks.get() + 1);
                    tokio::task::yield_now().await;
                    failure.clone().map_or(Ok(()), Err)
                })
            });
            let verdicts = futures_util::future::join_all(judges).await;
            assert!(verdicts.iter().all(|verdict| *verdict == failure));
            // Those that began to wait after the first check began wait for the second.
            assert!(checks.get() <= 2, "{} checks", checks.get());
        }
    }

    #[tokio::test]
    async fn a_check_that_is_given_up_leaves_its_turn_to_the_next() {
        let health = ResolverHealth::default();
        let given_up = health.judge("a.test", Instant::now(), |_| std::future::pending());
        assert!(tokio::time::timeout(ms(10), given_up).await.is_err());
        let next = health.judge("b.test", Instant::now(), |_| async { Ok(()) });
        assert_eq!(next.await, None);
    }
}
