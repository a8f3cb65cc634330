//! The cache of registry answers: which answer holds, and when a domain is looked up again. Pure:
//! time is a parameter.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::probe::registry::registration::Registration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A domain that expires within this time is looked up every hour, so that its renewal shows soon;
/// any other once a day.
const NEAR: Duration = Duration::from_secs(90 * 24 * 3_600);

/// How long the last answer of a registry is used while later look-ups fail.
const STALE_AFTER: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Time until a failed look-up is repeated; it doubles with each failure in a row, up to an hour.
const FIRST_BACKOFF: Duration = Duration::from_secs(5 * 60);

/// Longest time for which a server can postpone requests (`Retry-After`).
const LONGEST_PAUSE: Duration = DAY;

/// A domain that no probe needed for this time may be forgotten. Longer than an hour, so that a
/// forgotten domain is not looked up more than once an hour.
const IDLE_AFTER: Duration = Duration::from_secs(2 * 3_600);

/// Most domains that are remembered.
pub const DOMAINS_LIMIT: usize = 100_000;

/// Why a look-up has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupFailure {
    pub detail: String,
    /// The time for which the server refuses further requests.
    pub retry_after: Option<Duration>,
}

impl LookupFailure {
    pub fn new(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), retry_after: None }
    }
}

/// The last answer that holds, or why there is none.
pub type Answer = Result<Registration, String>;

/// The end of a look-up under way: the sender is dropped.
pub type Flight = watch::Receiver<()>;

/// The reply of the cache to a probe.
#[derive(Debug)]
pub struct Status {
    /// `None` until the first look-up has ended.
    pub answer: Option<Answer>,
    pub flight: Option<Flight>,
    /// The caller must look the domain up, and drop this after [`Cache::finish`].
    pub start: Option<watch::Sender<()>>,
}

/// Domains and their answers.
#[derive(Debug)]
pub struct Cache {
    /// Bound: `limit`.
    entries: HashMap<String, Entry>,
    limit: usize,
    swept_at: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    known: Option<(Registration, Instant)>,
    /// Error of the newest look-up; `None` after an answer.
    failure: Option<String>,
    /// Failed look-ups since the last answer.
    failures: u32,
    next_at: Instant,
    used_at: Instant,
    flight: Option<Flight>,
}

impl Cache {
    pub fn new(limit: usize) -> Self {
        Self { entries: HashMap::new(), limit, swept_at: None }
    }

    /// The entry of `domain`. Starts a look-up when one is due and none is under way.
    pub fn get(&mut self, domain: &str, now: Instant) -> Status {
        if !self.entries.contains_key(domain) {
            if self.entries.len() >= self.limit && !self.sweep(now) {
                let why = format!("more than {} domains", self.limit);
                return Status { answer: Some(Err(why)), flight: None, start: None };
            }
            self.entries.insert(domain.to_owned(), Entry::new(now));
        }
        let Some(entry) = self.entries.get_mut(domain) else {
            return Status { answer: None, flight: None, start: None };
        };
        entry.used_at = now;
        if entry.is_interrupted() {
            entry.failed(domain, &LookupFailure::new("the look-up was interrupted"), now);
        }
        let mut start = None;
        if entry.flight.is_none() && now >= entry.next_at {
            let (sender, receiver) = watch::channel(());
            (start, entry.flight) = (Some(sender), Some(receiver));
        }
        Status { answer: entry.answer(now), flight: entry.flight.clone(), start }
    }

    /// Records the result of a look-up that [`Cache::get`] started. `unix_s` is `now` by the wall
    /// clock.
    pub fn finish(
        &mut self,
        domain: &str,
        result: &Result<Registration, LookupFailure>,
        now: Instant,
        unix_s: i64,
    ) {
        let Some(entry) = self.entries.get_mut(domain) else { return };
        match result {
            Ok(registration) => {
                entry.known = Some((*registration, now));
                (entry.failure, entry.failures, entry.flight) = (None, 0, None);
                entry.next_at = now + jittered(domain, period(*registration, unix_s));
            }
            Err(failure) => entry.failed(domain, failure, now),
        }
    }

    /// Forgets domains that no probe needs. Reads all of them, so at most once a minute.
    fn sweep(&mut self, now: Instant) -> bool {
        if self.swept_at.is_some_and(|swept_at| now < swept_at + MINUTE) {
            return false;
        }
        self.swept_at = Some(now);
        self.entries.retain(|_, entry| entry.flight.is_some() || now < entry.used_at + IDLE_AFTER);
        self.entries.len() < self.limit
    }
}

impl Entry {
    fn new(now: Instant) -> Self {
        Self { known: None, failure: None, failures: 0, next_at: now, used_at: now, flight: None }
    }

    fn answer(&self, now: Instant) -> Option<Answer> {
        if let Some((registration, at)) = self.known
            && now < at + STALE_AFTER
        {
            return Some(Ok(registration));
        }
        self.failure.clone().map(Err)
    }

    /// The arbiter that looked the domain up ended before the look-up.
    fn is_interrupted(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.has_changed().is_err())
    }

    fn failed(&mut self, domain: &str, failure: &LookupFailure, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.next_at = now + jittered(domain, backoff(self.failures, failure.retry_after));
        (self.failure, self.flight) = (Some(failure.detail.clone()), None);
    }
}

/// Time from an answer to the next look-up.
fn period(registration: Registration, unix_s: i64) -> Duration {
    match registration {
        Registration::Expires(at) if at.saturating_sub(unix_s) > NEAR.as_secs().cast_signed() => {
            DAY
        }
        Registration::Unpublished => DAY,
        Registration::Expires(_) | Registration::Unregistered => HOUR,
    }
}

/// Time from the last of `failures` in a row to the next look-up.
fn backoff(failures: u32, retry_after: Option<Duration>) -> Duration {
    let doublings = failures.saturating_sub(1).min(4);
    let backoff = (FIRST_BACKOFF * 2_u32.pow(doublings)).min(HOUR);
    retry_after.map_or(backoff, |pause| pause.min(LONGEST_PAUSE).max(backoff))
}

/// Adds up to a fifth to `time`, which spreads look-ups that ran at the same time.
fn jittered(domain: &str, time: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    domain.hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 1_000).unwrap_or_default();
    time + time / 5 * share / 1_000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW_S: i64 = 1_800_000_000;

    fn far() -> Registration {
        Registration::Expires(NOW_S + 200 * 86_400)
    }

    fn failed(detail: &str) -> Result<Registration, LookupFailure> {
        Err(LookupFailure::new(detail))
    }

    #[test]
    fn one_look_up_serves_all_probes_of_a_domain() {
        let (mut cache, now) = (Cache::new(10), Instant::now());
        let first = cache.get("a.org", now);
        assert!(first.start.is_some() && first.answer.is_none());
        let second = cache.get("a.org", now);
        assert!(second.start.is_none() && second.flight.is_some() && second.answer.is_none());
        assert!(cache.get("b.org", now).start.is_some(), "another domain");
        cache.finish("a.org", &Ok(far()), now, NOW_S);
        drop(first.start);
        let after = cache.get("a.org", now);
        assert_eq!((after.answer, after.start.is_some()), (Some(Ok(far())), false));
        assert!(second.flight.unwrap().has_changed().is_err(), "the waiting probe is woken");
    }

    #[test]
    fn an_answer_is_used_while_it_is_refreshed_and_for_a_week_of_failures() {
        let (mut cache, start) = (Cache::new(10), Instant::now());
        let flight = cache.get("a.org", start);
        cache.finish("a.org", &Ok(far()), start, NOW_S);
        drop(flight);
        let mut now = start + DAY + DAY / 5;
        let due = cache.get("a.org", now);
        assert!(due.start.is_some() && due.answer == Some(Ok(far())), "in the background");
        cache.finish("a.org", &failed("no route"), now, NOW_S);
        drop(due);
        let week = start + STALE_AFTER;
        while now < week {
            assert_eq!(cache.get("a.org", now).answer, Some(Ok(far())));
            now += HOUR;
        }
        assert_eq!(cache.get("a.org", now).answer, Some(Err("the look-up was interrupted".into())));
    }

    #[test]
    fn a_failed_look_up_is_remembered_and_repeated_with_backoff() {
        let (mut cache, mut now) = (Cache::new(10), Instant::now());
        for expected in [5, 10, 20, 40, 60, 60] {
            assert!(cache.get("a.org", now).start.is_some());
            cache.finish("a.org", &failed("refused"), now, NOW_S);
            let early = cache.get("a.org", now + MINUTE * expected - Duration::from_millis(1));
            assert!(early.start.is_none(), "{expected}");
            assert_eq!(early.answer, Some(Err("refused".to_owned())));
            now += MINUTE * expected * 6 / 5;
        }
    }

    #[test]
    fn a_look_up_that_its_thread_gave_up_has_failed() {
        let (mut cache, now) = (Cache::new(10), Instant::now());
        drop(cache.get("a.org", now).start);
        let next = cache.get("a.org", now);
        assert!(next.start.is_none());
        assert_eq!(next.answer, Some(Err("the look-up was interrupted".to_owned())));
        assert!(cache.get("a.org", now + HOUR).start.is_some());
    }

    #[test]
    fn a_domain_near_its_expiry_is_looked_up_more_often() {
        let expires_in = |days: i64| Registration::Expires(NOW_S + days * 86_400);
        assert_eq!(period(expires_in(91), NOW_S), DAY);
        assert_eq!(period(expires_in(90), NOW_S), HOUR);
        assert_eq!(period(expires_in(-10), NOW_S), HOUR);
        assert_eq!(period(Registration::Expires(i64::MIN), NOW_S), HOUR);
        assert_eq!(period(Registration::Unpublished, NOW_S), DAY);
        assert_eq!(period(Registration::Unregistered, NOW_S), HOUR);
    }

    #[test]
    fn retry_after_is_respected_within_a_day() {
        let minutes = |number: u32| Some(MINUTE * number);
        assert_eq!(backoff(1, minutes(1)), MINUTE * 5);
        assert_eq!(backoff(1, minutes(90)), MINUTE * 90);
        assert_eq!(backoff(1, Some(Duration::MAX)), DAY);
        assert_eq!(backoff(u32::MAX, None), HOUR);
    }

    #[test]
    fn the_number_of_domains_is_bounded() {
        let (mut cache, now) = (Cache::new(2), Instant::now());
        for domain in ["a.org", "b.org"] {
            let flight = cache.get(domain, now);
            cache.finish(domain, &Ok(far()), now, NOW_S);
            drop(flight);
        }
        assert_eq!(cache.get("c.org", now).answer, Some(Err("more than 2 domains".to_owned())));
        let later = now + IDLE_AFTER;
        cache.get("a.org", later - MINUTE);
        assert!(cache.get("c.org", later).start.is_some(), "b.org is forgotten");
        assert!(cache.get("a.org", later).answer.is_some());
        assert!(cache.get("b.org", later).start.is_none());
    }

    proptest! {
        /// Whatever registries answer and however often probes run, no domain has two look-ups
        /// at once, and none within an hour of an answer or five minutes of a failure.
        #[test]
        fn look_ups_of_a_domain_are_rare(
            steps in prop::collection::vec((0_u64..7_200, 0_u8..4, any::<bool>()), 1..60)
        ) {
            let (mut cache, mut now) = (Cache::new(10), Instant::now());
            let mut last: Option<(Instant, bool)> = None;
            for (seconds, result, _) in steps {
                now += Duration::from_secs(seconds);
                let status = cache.get("a.org", now);
                let Some(start) = status.start else { continue };
                if let Some((at, succeeded)) = last {
                    let least = if succeeded { HOUR } else { FIRST_BACKOFF };
                    prop_assert!(now >= at + least);
                }
                prop_assert!(cache.get("a.org", now).start.is_none());
                let result = match result {
                    0 => Ok(far()),
                    1 => Ok(Registration::Expires(NOW_S)),
                    2 => Ok(Registration::Unregistered),
                    _ => failed("refused"),
                };
                last = Some((now, result.is_ok()));
                cache.finish("a.org", &result, now, NOW_S);
                drop(start);
            }
        }
    }
}
