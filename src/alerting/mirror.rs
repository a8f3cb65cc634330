//! Which alerts an Alertmanager is sent, and when. Pure.
//!
//! Alertmanager forgets alerts that are not repeated, and all of them when it is killed. So a
//! channel of kind `alertmanager` has no outbox: each URL is sent every open alert, again and
//! again.
//!
//! A begin and an end are sent at once. All alerts are repeated every [`ROUND_MS`], in requests of
//! at most [`ALERTS_PER_PUSH`] that are spread evenly over that time. An end is repeated for
//! [`ENDED_MS`]. The begin of a suppressed alert is not sent; an alert that was sent once is
//! repeated until its end, since Alertmanager would report it as resolved otherwise.
//!
//! Each URL has its own queue and its own backoff, so one that hangs does not delay the others.
//! After failures, a URL is sent all alerts without waiting: it may have lost them.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;

use crate::domain::alert::AlertKind;

/// Time in which each alert is repeated, in milliseconds.
pub const ROUND_MS: i64 = 60_000;

/// Most alerts of one request.
pub const ALERTS_PER_PUSH: usize = 256;

/// Time for which an end is repeated, in milliseconds.
pub const ENDED_MS: i64 = 15 * 60_000;

/// Backoff after the first failure and its maximum, in milliseconds; doubled in between.
const BACKOFF_MS: (i64, i64) = (1_000, 30_000);

/// The alerts that Alertmanager takes for the same one: their labels are equal. A later alert of
/// the same identity replaces an ended one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity(u64);

impl Identity {
    /// `name` and `group` are those of the service; empty for an alert of the monitor's own.
    pub fn new(name: &str, group: Option<&str>, kind: AlertKind) -> Self {
        let mut hasher = DefaultHasher::new();
        (name, group.unwrap_or_default(), kind).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The alerts of one channel. Bounded: [`Mirror::LIMIT`].
#[derive(Debug)]
pub struct Mirror {
    alerts: BTreeMap<Identity, MirroredAlert>,
    /// Ended alerts, in the order of their ends.
    ended: VecDeque<(i64, Identity)>,
    targets: Vec<Target>,
    watchdog: bool,
    limit: usize,
}

/// An alert as it is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MirroredAlert {
    pub alert_id: i64,
    /// Unix milliseconds; `None` while it fires.
    pub ended_ms: Option<i64>,
}

/// The content of one request to one URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Index of the URL.
    pub url: usize,
    /// At most [`ALERTS_PER_PUSH`].
    pub alerts: Vec<MirroredAlert>,
    /// Whether the alert `Watchdog` is part of the request.
    pub watchdog: bool,
}

/// What one URL was sent.
#[derive(Debug, Default)]
struct Target {
    /// Begins and ends that were not sent yet.
    fresh: VecDeque<Identity>,
    /// The last repeated alert.
    cursor: Option<Identity>,
    /// When the next alerts are repeated, in unix milliseconds.
    repeat_ms: i64,
    /// Number of alerts that are repeated without waiting.
    hurried: usize,
    /// When the watchdog is repeated, in unix milliseconds.
    watchdog_ms: i64,
    /// Whether a request is under way.
    busy: bool,
    failures: u32,
    /// Unix milliseconds of the end of the backoff.
    retry_ms: i64,
}

impl Mirror {
    /// Most alerts, open and ended. Ended alerts are dropped early to make room; without any, a
    /// begin is dropped.
    pub const LIMIT: usize = 250_000;

    /// Without alerts, for a channel with `urls` URLs.
    pub fn new(urls: usize, watchdog: bool) -> Self {
        let targets = std::iter::repeat_with(Target::default).take(urls).collect();
        Self {
            alerts: BTreeMap::new(),
            ended: VecDeque::new(),
            targets,
            watchdog,
            limit: Self::LIMIT,
        }
    }

    /// To be called when an alert begins, when its suppression changes, and for each open alert
    /// after a start. An alert that is known already is left. Returns whether the alert is sent.
    pub fn began(&mut self, identity: Identity, alert_id: i64, is_suppressed: bool) -> bool {
        let known = self.alerts.get(&identity).filter(|alert| alert.ended_ms.is_none());
        if known.is_some() {
            return true;
        }
        if is_suppressed {
            return false;
        }
        while self.alerts.len() >= self.limit && self.drop_oldest_end(None) {}
        if self.alerts.len() >= self.limit {
            return false;
        }
        self.alerts.insert(identity, MirroredAlert { alert_id, ended_ms: None });
        self.refresh(identity);
        true
    }

    /// To be called when an alert ends. An alert that was not sent is left out.
    pub fn ended(&mut self, identity: Identity, ended_ms: i64) {
        let Some(alert) = self.alerts.get_mut(&identity) else { return };
        if alert.ended_ms.is_some() {
            return;
        }
        alert.ended_ms = Some(ended_ms);
        self.ended.push_back((ended_ms, identity));
        if self.ended.len() > self.limit {
            self.drop_oldest_end(None);
        }
        self.refresh(identity);
    }

    /// The next request that is due at `now_ms`. Its URL has no other request until
    /// [`pushed`](Self::pushed).
    pub fn next_push(&mut self, now_ms: i64) -> Option<Push> {
        while self.drop_oldest_end(Some(now_ms - ENDED_MS)) {}
        (0..self.targets.len()).find_map(|url| self.push_to(url, now_ms))
    }

    /// The result of a request. One that Alertmanager refused is `delivered`: repeating it sooner
    /// would not help.
    pub fn pushed(&mut self, push: &Push, delivered: bool, now_ms: i64) {
        let everything = self.alerts.len();
        let Some(target) = self.targets.get_mut(push.url) else { return };
        target.busy = false;
        if delivered && target.failures == 0 {
            return;
        }
        target.fresh.clear();
        target.hurried = everything;
        if delivered {
            target.failures = 0;
            if !push.watchdog {
                target.watchdog_ms = now_ms;
            }
            return;
        }
        target.retry_ms = now_ms + backoff_ms(target.failures);
        target.failures = target.failures.saturating_add(1);
        target.watchdog_ms = target.retry_ms;
    }

    /// When [`next_push`](Self::next_push) has something; `None` until a begin or a result.
    pub fn next_due_ms(&self) -> Option<i64> {
        let idle = self.targets.iter().filter(|target| !target.busy);
        idle.filter_map(|target| {
            let is_urgent = !target.fresh.is_empty() || target.hurried > 0;
            let repeat = (!self.alerts.is_empty()).then_some(if is_urgent {
                i64::MIN
            } else {
                target.repeat_ms
            });
            let watchdog = self.watchdog.then_some(target.watchdog_ms);
            let due = repeat.into_iter().chain(watchdog).min()?;
            Some(due.max(target.retry_ms))
        })
        .min()
    }

    /// Number of alerts, open and ended.
    pub fn len(&self) -> usize {
        self.alerts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
    }

    fn refresh(&mut self, identity: Identity) {
        for target in &mut self.targets {
            // A target that fails is sent everything once it works again.
            if target.failures == 0 && target.fresh.len() < self.limit {
                target.fresh.push_back(identity);
            } else {
                target.hurried = self.alerts.len();
            }
        }
    }

    fn push_to(&mut self, url: usize, now_ms: i64) -> Option<Push> {
        let target = self.targets.get_mut(url)?;
        if target.busy || now_ms < target.retry_ms {
            return None;
        }
        let watchdog = self.watchdog && target.watchdog_ms <= now_ms;
        let mut alerts = Vec::new();
        while alerts.len() < ALERTS_PER_PUSH
            && let Some(identity) = target.fresh.pop_front()
        {
            alerts.extend(self.alerts.get(&identity).copied());
        }
        if alerts.len() == self.alerts.len() {
            target.repeat_ms = target.repeat_ms.max(now_ms + ROUND_MS);
        }
        if alerts.is_empty() && (target.hurried > 0 || target.repeat_ms <= now_ms) {
            alerts = repeated(&self.alerts, &mut target.cursor);
            target.hurried = target.hurried.saturating_sub(ALERTS_PER_PUSH);
            let requests = self.alerts.len().div_ceil(ALERTS_PER_PUSH).max(1);
            target.repeat_ms = now_ms + ROUND_MS / i64::try_from(requests).unwrap_or(ROUND_MS);
        }
        if alerts.is_empty() && !watchdog {
            return None;
        }
        target.busy = true;
        if watchdog {
            target.watchdog_ms = now_ms + ROUND_MS;
        }
        Some(Push { url, alerts, watchdog })
    }

    /// Drops the alert that ended first, if it ended before `before_ms`.
    fn drop_oldest_end(&mut self, before_ms: Option<i64>) -> bool {
        let is_due = |end: &(i64, Identity)| before_ms.is_none_or(|before_ms| end.0 < before_ms);
        let Some((ended_ms, identity)) = self.ended.front().copied().filter(is_due) else {
            return false;
        };
        self.ended.pop_front();
        // Not one that began again.
        if self.alerts.get(&identity).is_some_and(|alert| alert.ended_ms == Some(ended_ms)) {
            self.alerts.remove(&identity);
        }
        true
    }
}

/// The alerts after `cursor`, beginning anew after the last one.
fn repeated(
    alerts: &BTreeMap<Identity, MirroredAlert>,
    cursor: &mut Option<Identity>,
) -> Vec<MirroredAlert> {
    let after = cursor.map_or(Bound::Unbounded, Bound::Excluded);
    let mut next = alerts.range((after, Bound::Unbounded)).take(ALERTS_PER_PUSH).peekable();
    if next.peek().is_none() {
        next = alerts.range(..).take(ALERTS_PER_PUSH).peekable();
    }
    next.map(|(identity, alert)| {
        *cursor = Some(*identity);
        *alert
    })
    .collect()
}

fn backoff_ms(failures: u32) -> i64 {
    let (first, max) = BACKOFF_MS;
    first.saturating_mul(1 << failures.min(16)).min(max)
}

#[cfg(test)]
mod tests;
