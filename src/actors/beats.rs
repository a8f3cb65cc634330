//! Whether this process stood still for long: stopped, suspended with its machine, or starved. Pure; time is passed in.
//!
//! `probe::pulse` asks the same of a moment, to excuse a probe; this is about time that is missing from the history.

/// A heart that is silent for longer, in milliseconds of the wall clock, has stood still. It beats at least once a second.
const SILENCE_MS: i64 = 10_000;

/// A time in which nothing was watched, in unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standstill {
    /// The last beat before it.
    pub from_ms: i64,
    /// The first beat after it.
    pub to_ms: i64,
}

/// Remembers the last beat.
#[derive(Debug, Default)]
pub struct Beats {
    /// In unix milliseconds.
    last_ms: Option<i64>,
}

impl Beats {
    /// A beat at `now_ms`. Gives the standstill before it, if there was one. A clock that was set forward looks the same, and there
    /// is nothing that was seen in that time either; one that was set back shows nothing.
    pub fn beat(&mut self, now_ms: i64) -> Option<Standstill> {
        let last_ms = self.last_ms.replace(now_ms)?;
        let is_long = now_ms - last_ms > SILENCE_MS;
        is_long.then_some(Standstill { from_ms: last_ms, to_ms: now_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_silence_is_a_standstill() {
        let mut beats = Beats::default();
        assert_eq!(beats.beat(1_000_000), None, "the first one");
        assert_eq!(beats.beat(1_001_000), None);
        assert_eq!(beats.beat(1_005_000), None, "a busy machine");
        let standstill = Standstill { from_ms: 1_005_000, to_ms: 1_065_000 };
        assert_eq!(beats.beat(1_065_000), Some(standstill));
        assert_eq!(beats.beat(1_066_000), None);
        assert_eq!(beats.beat(900_000), None, "the clock was set back");
        assert_eq!(beats.beat(901_000), None);
    }
}
