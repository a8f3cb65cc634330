//! Facts: what a probe learns of its target besides the result. They seldom change, so the history
//! has a row where they do.

use crate::domain::outcome::Outcome;
use crate::domain::service::options::{HttpVersion, TlsVersion};

/// The shortest time between two rows of a service, in milliseconds.
pub const FACTS_STEP_MS: i64 = 60_000;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProbeFacts {
    /// Earliest expiry of all certificates that the target sent, in unix seconds.
    pub certificate_expires_at: Option<i64>,
    /// `None` without TLS.
    pub tls_version: Option<TlsVersion>,
    pub http_version: Option<HttpVersion>,
    pub redirects: u16,
    /// `None` without a connection.
    pub is_ipv6: Option<bool>,
}

/// Facts that hold until the next ones of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactsSince {
    /// Unix milliseconds of the tick.
    pub at_ms: i64,
    pub facts: ProbeFacts,
}

impl ProbeFacts {
    pub fn of(outcome: &Outcome) -> Self {
        let details = &outcome.details;
        Self {
            certificate_expires_at: details.certificate_expires_at,
            tls_version: details.tls_version,
            http_version: details.http_version,
            redirects: u16::try_from(details.redirects).unwrap_or(u16::MAX),
            is_ipv6: details.address.map(|address| address.is_ipv6()),
        }
    }

    /// The facts of a tick at `at_ms`, if the history has to have them after `newest`.
    pub fn after(self, newest: Option<FactsSince>, at_ms: i64) -> Option<FactsSince> {
        let is_new = newest.is_none_or(|newest| {
            newest.facts != self && at_ms.saturating_sub(newest.at_ms) >= FACTS_STEP_MS
        });
        is_new.then_some(FactsSince { at_ms, facts: self })
    }
}

/// The facts that hold at `at_ms`; `facts` are in order.
pub fn holding_at(facts: &[FactsSince], at_ms: i64) -> Option<ProbeFacts> {
    let after = facts.partition_point(|one| one.at_ms <= at_ms);
    Some(facts.get(after.checked_sub(1)?)?.facts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redirects(redirects: u16) -> ProbeFacts {
        ProbeFacts { redirects, ..ProbeFacts::default() }
    }

    #[test]
    fn facts_are_kept_where_they_change_and_once_a_minute_at_most() {
        let first = redirects(0).after(None, 5).unwrap();
        assert_eq!(first, FactsSince { at_ms: 5, facts: redirects(0) });
        assert_eq!(redirects(0).after(Some(first), 5 + FACTS_STEP_MS), None, "the same");
        assert_eq!(redirects(1).after(Some(first), 4 + FACTS_STEP_MS), None, "too soon");
        let second = redirects(1).after(Some(first), 5 + FACTS_STEP_MS);
        assert_eq!(second, Some(FactsSince { at_ms: 5 + FACTS_STEP_MS, facts: redirects(1) }));
        assert_eq!(redirects(1).after(Some(first), i64::MIN), None, "a clock that was set back");
    }

    proptest! {
        #[test]
        fn facts_hold_until_the_next_ones(
            ticks in prop::collection::vec((1..3 * FACTS_STEP_MS, 0..3_u16), 1..50),
        ) {
            let (mut kept, mut at_ms): (Vec<FactsSince>, i64) = (Vec::new(), 0);
            for (wait_ms, count) in ticks {
                at_ms += wait_ms;
                kept.extend(redirects(count).after(kept.last().copied(), at_ms));
                let held = holding_at(&kept, at_ms).unwrap();
                let newest_ms = kept.last().map_or(0, |newest| newest.at_ms);
                prop_assert!(held == redirects(count) || at_ms - newest_ms < FACTS_STEP_MS);
            }
            let apart = |pair: &[FactsSince]| {
                pair[1].at_ms - pair[0].at_ms >= FACTS_STEP_MS && pair[1].facts != pair[0].facts
            };
            prop_assert!(kept.windows(2).all(apart));
            prop_assert_eq!(holding_at(&kept, kept[0].at_ms - 1), None);
        }
    }
}
