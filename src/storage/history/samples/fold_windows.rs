//! Divides a window into whole hours and its two ends.

use crate::domain::Window;

pub const HOUR_MS: i64 = 3_600_000;

/// The parts of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// From a whole hour to a whole hour.
    pub hours: Option<Window>,
    /// Read from ticks.
    pub ends: [Option<Window>; 2],
    /// The window that is used instead of the requested one.
    pub widened: Option<Window>,
}

/// Where the ticks of an end are deleted, before `kept_from_ms`, the window is widened to the whole
/// hour.
pub fn parts(window: Window, kept_from_ms: i64) -> Parts {
    let floor = |at_ms: i64| at_ms.div_euclid(HOUR_MS) * HOUR_MS;
    let ceil = |at_ms: i64| floor(at_ms.saturating_add(HOUR_MS - 1));
    let mut used = window;
    if used.from_ms < kept_from_ms {
        used.from_ms = floor(used.from_ms);
    }
    // The last hour of the window is partly deleted.
    if floor(used.to_ms) < kept_from_ms {
        used.to_ms = ceil(used.to_ms);
    }
    let (first, last) = (ceil(used.from_ms), floor(used.to_ms));
    let widened = (used != window).then_some(used);
    if first >= last {
        return Parts { hours: None, ends: [Some(used), None], widened };
    }
    let end = |from_ms: i64, to_ms: i64| (from_ms < to_ms).then_some(Window { from_ms, to_ms });
    Parts {
        hours: Some(Window { from_ms: first, to_ms: last }),
        ends: [end(used.from_ms, first), end(last, used.to_ms)],
        widened,
    }
}

/// The same times in windows that do not touch, oldest first.
pub fn merged(mut windows: Vec<Window>) -> Vec<Window> {
    windows.sort_by_key(|window| window.from_ms);
    let mut merged: Vec<Window> = Vec::new();
    for window in windows {
        match merged.last_mut() {
            Some(last) if window.from_ms <= last.to_ms => last.to_ms = last.to_ms.max(window.to_ms),
            _ => merged.push(window),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(from_ms: i64, to_ms: i64) -> Window {
        Window { from_ms, to_ms }
    }

    #[test]
    fn ends_whose_ticks_are_deleted_are_widened() {
        let asked = window(HOUR_MS + 5, 5 * HOUR_MS + 7);
        let whole = parts(asked, i64::MIN);
        assert_eq!(whole.hours, Some(window(2 * HOUR_MS, 5 * HOUR_MS)));
        assert_eq!(whole.ends[0], Some(window(HOUR_MS + 5, 2 * HOUR_MS)));
        assert_eq!(whole.widened, None);
        let begin = parts(asked, 3 * HOUR_MS);
        assert_eq!(begin.hours, Some(window(HOUR_MS, 5 * HOUR_MS)));
        assert_eq!(begin.ends, [None, Some(window(5 * HOUR_MS, 5 * HOUR_MS + 7))]);
        assert_eq!(begin.widened, Some(window(HOUR_MS, 5 * HOUR_MS + 7)));
        let both = parts(asked, 9 * HOUR_MS);
        assert_eq!((both.hours, both.ends), (Some(window(HOUR_MS, 6 * HOUR_MS)), [None, None]));
    }

    proptest! {
        #[test]
        fn parts_cover_the_window_once(from in 0..20 * HOUR_MS, length in 1..20 * HOUR_MS) {
            let asked = window(from, from + length);
            let parts = parts(asked, i64::MIN);
            let all = parts.ends.into_iter().flatten().chain(parts.hours);
            let covered: i64 = all.clone().map(|part| part.to_ms - part.from_ms).sum();
            prop_assert_eq!(covered, length);
            prop_assert_eq!(merged(all.collect()), vec![asked]);
        }
    }
}
