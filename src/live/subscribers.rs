//! What each stream is sent, and when. Pure; times are passed in.
//!
//! A stream has no queue: it knows up to which moment its client knows the changes, and the next
//! chunk is made of what has changed since. A client that takes its chunks slowly gets fewer ones
//! with newer content.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::alert::open_counts::OpenAlertCounts;
use crate::domain::live::{LastResult, LiveMoment, LiveView};
use crate::domain::{Group, ServiceId};
use crate::live::overview::{Overview, ShownService, ViewChanges};
use crate::live::sse;

/// Interval between two chunks of a stream.
pub const FLUSH_EVERY: Duration = Duration::from_millis(250);

/// Most services of a flush; of more, only the number is sent.
pub const CHANGES_MOST: usize = 200;

/// Most groups of one event; of more, only the totals are sent.
const GROUPS_MOST: usize = 200;

/// Size from which a chunk takes no further service; the others follow with the next chunk.
const CHUNK_BYTES: usize = 16 * 1024;

/// Least time between two counts, two rounds of results, and two comments.
const COUNTS_EVERY: Duration = Duration::from_secs(1);
const RESULTS_EVERY: Duration = Duration::from_secs(5);
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// A client that takes no chunk for this long is disconnected.
pub const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// A stream ends after this long; its client resumes.
pub const LIFETIME: Duration = Duration::from_secs(3_600);

/// What all streams of a flush share.
#[derive(Debug, Default)]
pub struct Texts {
    /// Of changed services, made once.
    states: HashMap<ServiceId, Rc<str>>,
    alerts: Arc<OpenAlertCounts>,
}

impl Texts {
    pub fn new(alerts: Arc<OpenAlertCounts>) -> Self {
        Self { states: HashMap::new(), alerts }
    }

    fn of(&mut self, overview: &Overview, id: ServiceId) -> Option<Rc<str>> {
        if let Some(text) = self.states.get(&id) {
            return Some(Rc::clone(text));
        }
        let text: Rc<str> = sse::state(&overview.service(id)?).into();
        self.states.insert(id, Rc::clone(&text));
        Some(text)
    }
}

/// The state of one stream. Bound: its view, and one result for each service that it names.
#[derive(Debug)]
pub struct Subscriber {
    view: LiveView,
    /// Up to here, the client knows the changes of services; `None` before the first chunk of a
    /// client that knows nothing.
    known: Option<LiveMoment>,
    /// As `known`, of the counts.
    counts_known: Option<LiveMoment>,
    /// The number of open alerts that the client knows.
    alerts_known: Option<u64>,
    /// The results that the client knows, of the services that the view names.
    results: Vec<Option<LastResult>>,
    is_greeted: bool,
    opened: Instant,
    counts_at: Instant,
    results_at: Instant,
    /// When the newest chunk was made.
    sent_at: Instant,
    /// Since when there has been no room for a chunk.
    blocked_since: Option<Instant>,
}

impl Subscriber {
    /// A stream of the services in `view`, from `since` on: by default, from now.
    pub fn new(view: LiveView, since: Option<LiveMoment>, now: Instant) -> Self {
        let named = view.services.as_ref().map_or(0, |ids| ids.len());
        Self {
            view,
            known: since,
            counts_known: since,
            alerts_known: None,
            results: vec![None; named],
            is_greeted: false,
            opened: now,
            counts_at: now,
            results_at: now,
            sent_at: now,
            blocked_since: None,
        }
    }

    /// Whether the stream ends by its age.
    pub fn is_old(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.opened) >= LIFETIME
    }

    /// Whether the stream ends since its client takes nothing.
    pub fn is_slow(&self, now: Instant) -> bool {
        let blocked_for = self.blocked_since.map(|since| now.saturating_duration_since(since));
        blocked_for.is_some_and(|blocked_for| blocked_for >= TAKEN_WITHIN)
    }

    /// The client has not taken the chunk before.
    pub fn blocked(&mut self, now: Instant) {
        self.blocked_since.get_or_insert(now);
    }

    /// The next chunk; `None` when there is nothing to send.
    pub fn chunk(
        &mut self,
        overview: &Overview,
        texts: &mut Texts,
        now: Instant,
        now_ms: i64,
    ) -> Option<String> {
        self.blocked_since = None;
        let mut chunk = String::new();
        let current = overview.moment();
        if !self.is_greeted {
            self.is_greeted = true;
            let known = *self.known.get_or_insert(current);
            self.counts_known.get_or_insert(current);
            sse::hello(&mut chunk, known, current, now_ms);
        }
        self.add_changes(&mut chunk, overview, texts);
        self.add_counts(&mut chunk, overview, now);
        self.add_alerts(&mut chunk, &texts.alerts);
        self.add_results(&mut chunk, overview, now);
        if chunk.is_empty() && now.saturating_duration_since(self.sent_at) >= COMMENT_EVERY {
            sse::comment(&mut chunk);
        }
        if chunk.is_empty() {
            return None;
        }
        self.sent_at = now;
        Some(chunk)
    }

    fn add_changes(&mut self, chunk: &mut String, overview: &Overview, texts: &mut Texts) {
        let current = overview.moment();
        let known = self.known.unwrap_or(current);
        if known == current {
            return;
        }
        let mut moment = current;
        match overview.changes_since(known, &self.view, CHANGES_MOST) {
            ViewChanges::Unknown => {
                self.counts_known = Some(current);
                sse::reset(chunk, current);
            }
            ViewChanges::Many(services) => sse::many(chunk, services, current),
            ViewChanges::Some { shown, gone } => {
                gone.iter().for_each(|id| sse::gone(chunk, *id));
                for id in shown {
                    let Some(text) = texts.of(overview, id) else { continue };
                    chunk.push_str(&text);
                    if chunk.len() >= CHUNK_BYTES {
                        // In the order of their newest changes: later ones follow.
                        let seq = overview.service(id).map_or(current.seq, |it| it.seq);
                        moment = LiveMoment { seq, ..current };
                        break;
                    }
                }
                if !chunk.is_empty() {
                    sse::id(chunk, moment);
                }
            }
        }
        self.known = Some(moment);
    }

    fn add_counts(&mut self, chunk: &mut String, overview: &Overview, now: Instant) {
        let current = overview.moment();
        let known = self.counts_known.unwrap_or(current);
        if known == current || now.saturating_duration_since(self.counts_at) < COUNTS_EVERY {
            return;
        }
        self.counts_known = Some(current);
        // The client of another run was sent a reset.
        let mut groups = overview.groups_since(known.seq);
        let limit = &self.view.groups;
        groups.retain(|group| limit.contains(group.name.as_ref().map(Group::as_str)));
        if known.boot != current.boot || groups.is_empty() {
            return;
        }
        self.counts_at = now;
        let groups = (groups.len() <= GROUPS_MOST).then_some(groups);
        sse::counts(chunk, &overview.counts(&self.view.groups), groups.as_deref());
    }

    fn add_alerts(&mut self, chunk: &mut String, alerts: &OpenAlertCounts) {
        let open = alerts.visible(&self.view.groups);
        if self.alerts_known.replace(open) != Some(open) {
            sse::alerts(chunk, open);
        }
    }

    fn add_results(&mut self, chunk: &mut String, overview: &Overview, now: Instant) {
        let Some(ids) = &self.view.services else { return };
        if now.saturating_duration_since(self.results_at) < RESULTS_EVERY {
            return;
        }
        let mut changed = Vec::new();
        for (id, known) in ids.iter().zip(&mut self.results) {
            let visible = |service: &ShownService<'_>| self.view.groups.contains(service.group);
            let newest = overview.service(*id).filter(visible).and_then(|it| it.result);
            if newest != *known {
                *known = newest;
                changed.extend(newest.map(|result| (*id, result)));
            }
        }
        if !changed.is_empty() {
            self.results_at = now;
            sse::ticks(chunk, &changed);
        }
    }
}

#[cfg(test)]
mod tests;
