//! Windows of every kind, with the filters of a query.

use proptest::prelude::*;
use proptest::sample::Index;

use super::fixture::START_MS;
use crate::domain::{Reason, State, Window};

/// Failures that are not local.
pub const REASONS: [Reason; 4] =
    [Reason::Timeout, Reason::Status, Reason::Refused, Reason::DnsTimeout];

/// A window, with the filters of a query.
#[derive(Debug, Clone)]
pub struct AnyWindow {
    ends: (f64, f64),
    /// Begins and ends at a moment at which something happened, or a millisecond beside it.
    snaps: Option<(Index, Index, i64)>,
    pub step_ms: i64,
    buckets: i64,
    pub state: Option<State>,
    pub reason: Option<Reason>,
    pub before: Option<u64>,
    pub limit: usize,
}

impl AnyWindow {
    /// Between a day before the start and an hour after `end_ms`, or between two of `moments_ms`.
    pub fn within(&self, end_ms: i64, moments_ms: &[i64]) -> Window {
        if let Some((one, other, off_ms)) = self.snaps.filter(|_| !moments_ms.is_empty()) {
            let (one, other) = (*one.get(moments_ms), *other.get(moments_ms));
            let (from_ms, to_ms) = (one.min(other) + off_ms, one.max(other) + off_ms);
            return Window { from_ms, to_ms: to_ms.max(from_ms + 1) };
        }
        let from_ms = START_MS - 100_000_000;
        let all = (end_ms + 3_600_000 - from_ms) as f64;
        let (one, other) = ((self.ends.0 * all) as i64, (self.ends.1 * all) as i64);
        Window { from_ms: from_ms + one.min(other), to_ms: from_ms + one.max(other) + 1 }
    }

    /// Its first part that is short enough for a series.
    pub fn cut(&self, window: Window) -> Window {
        let most_ms = self.step_ms * (self.buckets - 1);
        Window { to_ms: window.to_ms.min(window.from_ms + most_ms), ..window }
    }
}

pub fn any_window() -> impl Strategy<Value = AnyWindow> {
    let steps_ms = [1_000, 7_000, 60_000, 3_600_000, 7_200_000, 86_400_000];
    let states = [State::Up, State::Down, State::Unknown];
    (
        (0.0..1.0, 0.0..1.0),
        prop::option::of((any::<Index>(), any::<Index>(), -1i64..2)),
        prop::sample::select(steps_ms.to_vec()),
        2i64..2_000,
        prop::option::weighted(0.3, prop::sample::select(states.to_vec())),
        prop::option::weighted(0.2, prop::sample::select(&REASONS[..])),
        prop::option::weighted(0.2, 1u64..60),
        1usize..9,
    )
        .prop_map(|(ends, snaps, step_ms, buckets, state, reason, before, limit)| AnyWindow {
            ends,
            snaps,
            step_ms,
            buckets,
            state,
            reason,
            before,
            limit,
        })
}
