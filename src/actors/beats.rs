//! Whether this process stood still: stopped, suspended with its machine, or starved. Pure; time is passed in.

/// A heart that is silent for longer, in milliseconds of the wall clock, has stood still. It beats once a second.
const SILENCE_MS: i64 = 10_000;

/// Remembers the last beat.
#[derive(Debug, Default)]
pub struct Beats {
    /// In unix milliseconds.
    last_ms: Option<i64>,
}

impl Beats {
    /// A beat at `now_ms`. Gives when the one before was, if that is too long ago: nothing was watched since. A clock that was
    /// set forward looks the same, and there is nothing that was seen in that time either; one that was set back shows nothing.
    pub fn beat(&mut self, now_ms: i64) -> Option<i64> {
        let last_ms = self.last_ms.replace(now_ms)?;
        (now_ms - last_ms > SILENCE_MS).then_some(last_ms)
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
        assert_eq!(beats.beat(1_065_000), Some(1_005_000));
        assert_eq!(beats.beat(1_066_000), None);
        assert_eq!(beats.beat(900_000), None, "the clock was set back");
        assert_eq!(beats.beat(901_000), None);
    }
}
