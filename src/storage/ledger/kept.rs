//! The entry of a service as the ledger keeps it: what [`Entry`] says, in two thirds of its bytes.

use crate::domain::alert::Runs;
use crate::domain::history::facts::FactsSince;
use crate::domain::{Tally, Thresholds};
use crate::storage::batch::Entry;

/// Invariant: [`entry`](Self::entry) returns the entry that it was made of.
#[derive(Debug)]
pub(super) struct KeptEntry {
    tally: Tally,
    facts: Option<FactsSince>,
    /// 0 without one: the ids of rows begin at 1.
    latest_event_id: i64,
    /// The same.
    latest_tick_id: i64,
    /// `None` for the default.
    seldom: Option<Box<Seldom>>,
    /// See [`Runs`].
    runs_of_results: i32,
    runs_of_slow: i32,
    pub fresh_run: u32,
    is_watched: bool,
    has_metric: bool,
}

/// What few services have.
#[derive(Debug, Default, PartialEq)]
struct Seldom {
    thresholds: Thresholds,
    /// Of the runs, what is about certificates.
    runs: Runs,
    unwatched_from_ms: Option<i64>,
}

impl KeptEntry {
    pub fn new(entry: &Entry) -> Self {
        let &Entry {
            is_watched,
            has_metric,
            thresholds,
            tally,
            runs,
            facts,
            latest_event_id,
            latest_tick_id,
            unwatched_from_ms,
            fresh_run,
        } = entry;
        let of_certificates = Runs { results: 0, slow: 0, ..runs };
        let seldom = Seldom { thresholds, runs: of_certificates, unwatched_from_ms };
        Self {
            tally,
            facts,
            latest_event_id: latest_event_id.unwrap_or(0),
            latest_tick_id: latest_tick_id.unwrap_or(0),
            seldom: (seldom != Seldom::default()).then(|| Box::new(seldom)),
            runs_of_results: runs.results,
            runs_of_slow: runs.slow,
            fresh_run,
            is_watched,
            has_metric,
        }
    }

    pub fn entry(&self) -> Entry {
        let default = Seldom::default();
        let Seldom { thresholds, runs, unwatched_from_ms } =
            self.seldom.as_deref().unwrap_or(&default);
        let id = |id: i64| (id != 0).then_some(id);
        Entry {
            is_watched: self.is_watched,
            has_metric: self.has_metric,
            thresholds: *thresholds,
            tally: self.tally,
            runs: Runs { results: self.runs_of_results, slow: self.runs_of_slow, ..*runs },
            facts: self.facts,
            latest_event_id: id(self.latest_event_id),
            latest_tick_id: id(self.latest_tick_id),
            unwatched_from_ms: *unwatched_from_ms,
            fresh_run: self.fresh_run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::LatestEvent;
    use crate::domain::State;
    use crate::domain::history::facts::ProbeFacts;

    #[test]
    fn an_entry_is_small_since_each_service_has_one() {
        assert!(size_of::<KeptEntry>() <= 152, "{} bytes", size_of::<KeptEntry>());
    }

    #[test]
    fn an_entry_is_the_same_after_it_was_kept() {
        let usual = Entry {
            is_watched: true,
            has_metric: true,
            tally: Tally {
                tick_count: 3,
                up_count: 2,
                latest: Some(LatestEvent { state: State::Up, started_at_ms: 7, open: true }),
                ..Tally::default()
            },
            runs: Runs { results: 2, slow: -1, ..Runs::default() },
            facts: Some(FactsSince { at_ms: 7, facts: ProbeFacts::default() }),
            latest_event_id: Some(4),
            latest_tick_id: Some(5),
            fresh_run: 6,
            ..Entry::default()
        };
        let with = |change: fn(&mut Entry)| {
            let mut entry = usual;
            change(&mut entry);
            entry
        };
        let seldom = [
            with(|entry| entry.thresholds.failure = 3),
            with(|entry| entry.runs.certificate_step = Some(14)),
            with(|entry| entry.runs.certificate_fine_since_ms = Some(8)),
            with(|entry| entry.unwatched_from_ms = Some(9)),
        ];
        for (entry, is_seldom) in [(Entry::default(), false), (usual, false)]
            .into_iter()
            .chain(seldom.map(|it| (it, true)))
        {
            let kept = KeptEntry::new(&entry);
            assert_eq!(kept.entry(), entry);
            assert_eq!(kept.seldom.is_some(), is_seldom, "{entry:?}");
        }
    }
}
