//! The entry of a service as the ledger keeps it: what [`Entry`] says, in a third of its bytes.

use std::time::Duration;

use crate::domain::alert::Runs;
use crate::domain::history::facts::{FactsSince, ProbeFacts};
use crate::domain::rollup::flapping::Recent;
use crate::domain::service::options::{HttpVersion, TlsVersion};
use crate::domain::{Interval, LatestEvent, State, Tally, Thresholds};
use crate::storage::batch::Entry;

/// Invariant: [`get`](Self::get) returns the entry that it was made of.
#[derive(Debug)]
pub(super) enum KeptEntry {
    Packed(PackedEntry),
    /// An entry that does not fit: values are out of range, or it has what few services have, most
    /// of them for a short time, such as a streak or a step of the certificate.
    Whole(Box<Entry>),
}

const _: () = assert!(size_of::<KeptEntry>() == 88);

/// Counts, ids and times of an [`Entry`] in as many bits as those of most services need. 0 stands
/// for `None` where it is no value.
#[derive(Debug)]
pub(super) struct PackedEntry {
    response_time_sum_ns: u64,
    latest_at_ms: i64,
    facts_at_ms: i64,
    latest_event_id: i64,
    latest_tick_id: i64,
    tick_count: u32,
    up_count: u32,
    unknown_count: u32,
    recent: Recent,
    /// Unix seconds.
    certificate_expires_at: u32,
    fresh_run: u32,
    confirm_interval_ms: u32,
    runs_of_results: i16,
    runs_of_slow: i16,
    redirects: u16,
    failure_threshold: u8,
    success_threshold: u8,
    latest_state: Option<State>,
    is_latest_open: bool,
    known_is_up: Option<bool>,
    is_flapping: bool,
    has_facts: bool,
    tls_version: Option<TlsVersion>,
    http_version: Option<HttpVersion>,
    is_ipv6: Option<bool>,
    is_watched: bool,
    has_metric: bool,
}

impl KeptEntry {
    pub fn new(entry: &Entry) -> Self {
        let packed = PackedEntry::truncated(entry);
        if packed.get() == *entry { Self::Packed(packed) } else { Self::Whole(Box::new(*entry)) }
    }

    pub fn get(&self) -> Entry {
        match self {
            Self::Packed(packed) => packed.get(),
            Self::Whole(entry) => **entry,
        }
    }

    /// A sealing begins, from which on fresh ticks are counted.
    pub fn reset_fresh_run(&mut self) {
        match self {
            Self::Packed(packed) => packed.fresh_run = 0,
            Self::Whole(entry) => entry.fresh_run = 0,
        }
    }
}

impl PackedEntry {
    /// Of what does not fit, the lowest bits or nothing.
    fn truncated(entry: &Entry) -> Self {
        let Entry { thresholds, tally, runs, facts, .. } = entry;
        let known = facts.map(|since| since.facts).unwrap_or_default();
        let confirm_interval = thresholds.confirm_interval.map_or(Duration::ZERO, Interval::get);
        Self {
            response_time_sum_ns: tally.response_time_sum.as_nanos() as u64,
            latest_at_ms: tally.latest.map_or(0, |latest| latest.started_at_ms),
            facts_at_ms: facts.map_or(0, |since| since.at_ms),
            latest_event_id: entry.latest_event_id.unwrap_or(0),
            latest_tick_id: entry.latest_tick_id.unwrap_or(0),
            tick_count: tally.tick_count as u32,
            up_count: tally.up_count as u32,
            unknown_count: tally.unknown_count as u32,
            recent: tally.recent,
            certificate_expires_at: known.certificate_expires_at.unwrap_or(0) as u32,
            fresh_run: entry.fresh_run,
            confirm_interval_ms: confirm_interval.as_millis() as u32,
            runs_of_results: runs.results as i16,
            runs_of_slow: runs.slow as i16,
            redirects: known.redirects,
            failure_threshold: thresholds.failure as u8,
            success_threshold: thresholds.success as u8,
            latest_state: tally.latest.map(|latest| latest.state),
            is_latest_open: tally.latest.is_some_and(|latest| latest.open),
            known_is_up: tally.known_is_up,
            is_flapping: tally.is_flapping,
            has_facts: facts.is_some(),
            tls_version: known.tls_version,
            http_version: known.http_version,
            is_ipv6: known.is_ipv6,
            is_watched: entry.is_watched,
            has_metric: entry.has_metric,
        }
    }

    fn get(&self) -> Entry {
        Entry {
            is_watched: self.is_watched,
            has_metric: self.has_metric,
            thresholds: Thresholds {
                failure: self.failure_threshold.into(),
                success: self.success_threshold.into(),
                confirm_interval: value(self.confirm_interval_ms)
                    .and_then(|ms| Interval::from_seconds(f64::from(ms) / 1e3).ok()),
            },
            tally: self.tally(),
            runs: Runs {
                results: self.runs_of_results.into(),
                slow: self.runs_of_slow.into(),
                ..Runs::default()
            },
            facts: self.has_facts.then(|| self.facts()),
            latest_event_id: value(self.latest_event_id),
            latest_tick_id: value(self.latest_tick_id),
            unwatched_from_ms: None,
            fresh_run: self.fresh_run,
        }
    }

    fn tally(&self) -> Tally {
        Tally {
            tick_count: self.tick_count.into(),
            up_count: self.up_count.into(),
            unknown_count: self.unknown_count.into(),
            response_time_sum: Duration::from_nanos(self.response_time_sum_ns),
            latest: self.latest_state.map(|state| LatestEvent {
                state,
                started_at_ms: self.latest_at_ms,
                open: self.is_latest_open,
            }),
            known_is_up: self.known_is_up,
            streak: None,
            recent: self.recent,
            is_flapping: self.is_flapping,
        }
    }

    fn facts(&self) -> FactsSince {
        let facts = ProbeFacts {
            certificate_expires_at: value(self.certificate_expires_at).map(i64::from),
            tls_version: self.tls_version,
            http_version: self.http_version,
            redirects: self.redirects,
            is_ipv6: self.is_ipv6,
        };
        FactsSince { at_ms: self.facts_at_ms, facts }
    }
}

/// `None` for 0.
fn value<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::rollup::Streak;

    fn usual() -> Entry {
        let facts = ProbeFacts {
            certificate_expires_at: Some(1_900_000_000),
            tls_version: Some(TlsVersion::Tls13),
            http_version: Some(HttpVersion::Http2),
            redirects: 1,
            is_ipv6: Some(false),
        };
        let latest = LatestEvent { state: State::Up, started_at_ms: 1_800_000_000_007, open: true };
        Entry {
            is_watched: true,
            has_metric: true,
            thresholds: Thresholds {
                failure: 3,
                success: 100,
                confirm_interval: Interval::from_seconds(0.123).ok(),
            },
            tally: Tally {
                tick_count: u32::MAX.into(),
                up_count: 2,
                unknown_count: 1,
                response_time_sum: Duration::from_nanos(u64::MAX),
                latest: Some(latest),
                known_is_up: Some(true),
                streak: None,
                recent: Recent::default().with(true),
                is_flapping: true,
            },
            runs: Runs { results: 2, slow: -1, ..Runs::default() },
            facts: Some(FactsSince { at_ms: 1_800_000_000_009, facts }),
            latest_event_id: Some(4),
            latest_tick_id: Some(i64::MAX),
            unwatched_from_ms: None,
            fresh_run: 6,
        }
    }

    #[test]
    fn entries_of_most_services_are_packed() {
        let without_facts = Entry { facts: None, thresholds: Thresholds::default(), ..usual() };
        for entry in [Entry::default(), usual(), without_facts] {
            let mut kept = KeptEntry::new(&entry);
            assert!(matches!(kept, KeptEntry::Packed(_)), "{entry:?}");
            assert_eq!(kept.get(), entry);
            kept.reset_fresh_run();
            assert_eq!(kept.get(), Entry { fresh_run: 0, ..entry });
        }
    }

    #[test]
    fn what_does_not_fit_is_kept_whole() {
        let with = |change: fn(&mut Entry)| {
            let mut entry = usual();
            change(&mut entry);
            entry
        };
        for entry in [
            with(|entry| entry.tally.tick_count += 1),
            with(|entry| entry.tally.up_count += 1 << 32),
            with(|entry| entry.tally.unknown_count += 1 << 32),
            with(|entry| entry.tally.response_time_sum += Duration::from_nanos(1)),
            with(|entry| {
                entry.tally.streak = Some(Streak { is_up: false, count: 1, since_ms: 1 });
            }),
            with(|entry| entry.thresholds.failure = 256 + 3),
            with(|entry| entry.thresholds.success = 256 + 3),
            with(|entry| entry.thresholds.confirm_interval = Interval::from_seconds(0.1001).ok()),
            with(|entry| entry.runs.results += 1 << 16),
            with(|entry| entry.runs.slow += 1 << 16),
            with(|entry| entry.runs.certificate_step = Some(14)),
            with(|entry| entry.runs.certificate_fine_since_ms = Some(8)),
            with(|entry| entry.unwatched_from_ms = Some(9)),
            with(|entry| entry.latest_event_id = Some(0)),
            with(|entry| entry.facts.as_mut().unwrap().facts.certificate_expires_at = Some(0)),
            with(|entry| entry.facts.as_mut().unwrap().facts.certificate_expires_at = Some(-1)),
        ] {
            let mut kept = KeptEntry::new(&entry);
            assert!(matches!(kept, KeptEntry::Whole(_)), "{entry:?}");
            assert_eq!(kept.get(), entry);
            kept.reset_fresh_run();
            assert_eq!(kept.get(), Entry { fresh_run: 0, ..entry });
        }
    }

    fn count() -> impl Strategy<Value = u64> {
        prop_oneof![0..1_000_u64, any::<u64>()]
    }

    fn tally() -> impl Strategy<Value = Tally> {
        let state = prop::sample::select(State::ALL.to_vec());
        let latest = (state, any::<i64>(), any::<bool>());
        let streak = (any::<bool>(), 1..5_u32, any::<i64>());
        let recent = any::<u32>().prop_map(|bits| Recent::from_bits(bits.into()));
        let counts = (count(), count(), count(), count(), 0..9_u32);
        let flags = (any::<bool>(), option::of(any::<bool>()));
        let all = (counts, option::of(latest), option::weighted(0.1, streak), recent, flags);
        all.prop_map(|(counts, latest, streak, recent, (is_flapping, known_is_up))| {
            let (tick_count, up_count, unknown_count, sum_ns, times) = counts;
            let latest = latest.map(|(state, started_at_ms, open)| LatestEvent {
                state,
                started_at_ms,
                open,
            });
            let streak = streak.map(|(is_up, count, since_ms)| Streak { is_up, count, since_ms });
            Tally {
                tick_count,
                up_count,
                unknown_count,
                response_time_sum: Duration::from_nanos(sum_ns) * times,
                latest,
                known_is_up,
                streak,
                recent,
                is_flapping,
            }
        })
    }

    fn facts() -> impl Strategy<Value = FactsSince> {
        let tls_version = option::of(prop::sample::select(TlsVersion::ALL.to_vec()));
        let http_version = option::of(prop::sample::select(vec![
            HttpVersion::Http10,
            HttpVersion::Http11,
            HttpVersion::Http2,
        ]));
        let expires_at = option::of(prop_oneof![-2..5_i64, any::<i64>()]);
        let is_ipv6 = option::of(any::<bool>());
        let all = (any::<i64>(), expires_at, tls_version, http_version, any::<u16>(), is_ipv6);
        all.prop_map(|(at_ms, certificate_expires_at, tls_version, http_version, redirects, v6)| {
            let facts = ProbeFacts {
                certificate_expires_at,
                tls_version,
                http_version,
                redirects,
                is_ipv6: v6,
            };
            FactsSince { at_ms, facts }
        })
    }

    fn thresholds() -> impl Strategy<Value = Thresholds> {
        let seconds = prop_oneof![
            (100..10_000_u32).prop_map(|ms| f64::from(ms) / 1e3),
            0.1..2_592_000.0_f64,
        ];
        let all = (0..300_u32, any::<u32>(), option::of(seconds));
        all.prop_map(|(failure, success, seconds)| Thresholds {
            failure,
            success: success >> (success % 32),
            confirm_interval: seconds.and_then(|it| Interval::from_seconds(it).ok()),
        })
    }

    fn runs() -> impl Strategy<Value = Runs> {
        let run = || prop_oneof![-9..9_i32, any::<i32>()];
        let certificate = (any::<i16>(), any::<i64>());
        (run(), run(), option::weighted(0.1, certificate)).prop_map(|(results, slow, it)| Runs {
            results,
            slow,
            certificate_step: it.map(|(step, _)| step),
            certificate_fine_since_ms: it.map(|(_, since_ms)| since_ms),
        })
    }

    proptest! {
        #[test]
        fn an_entry_is_the_same_after_it_was_kept(
            (is_watched, has_metric) in any::<(bool, bool)>(),
            (thresholds, tally, runs) in (thresholds(), tally(), runs()),
            facts in option::of(facts()),
            latest_event_id in option::of(0..i64::MAX),
            latest_tick_id in option::of(any::<i64>()),
            unwatched_from_ms in option::weighted(0.1, any::<i64>()),
            fresh_run in any::<u32>(),
        ) {
            let entry = Entry {
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
            };
            prop_assert_eq!(KeptEntry::new(&entry).get(), entry);
        }
    }
}
