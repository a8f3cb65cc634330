//! Whether a target flips too often: Nagios's flap detection.
//!
//! Of the newest 21 states each change counts, the oldest 0.8 and the newest 1.2 of one. A target begins to flap when the
//! changes reach 20 % of what could have changed, and stops below 5 %. Source: Nagios Core's documentation, "Detection and
//! Handling of State Flapping", and its defaults for services.

/// States that are looked at.
const LOOKED_AT: u32 = 21;
/// Percent from which a target flaps, and below which it stops.
const FLAPS: (f64, f64) = (20.0, 5.0);

/// The newest states as bits, newest lowest, below a leading one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recent(u32);

impl Default for Recent {
    fn default() -> Self {
        Self(1)
    }
}

impl Recent {
    /// The states that `bits` hold; none when they hold no leading one.
    pub fn from_bits(bits: i64) -> Self {
        u32::try_from(bits).ok().filter(|bits| *bits > 0).map_or(Self::default(), Self)
    }

    /// The states as bits.
    pub fn bits(self) -> i64 {
        self.0.into()
    }

    /// The states with one more.
    pub fn with(self, is_up: bool) -> Self {
        let states = (self.0 << 1 | u32::from(is_up)) & !(u32::MAX << (LOOKED_AT + 1));
        // Full: the oldest state falls out and the leading one stays in its place.
        let full = self.len() == LOOKED_AT;
        Self(if full { states | 1 << LOOKED_AT } else { states })
    }

    /// Whether the target flaps, if it did before or not.
    pub fn is_flapping(self, did_before: bool) -> bool {
        let percent = self.percent();
        if did_before { percent >= FLAPS.1 } else { percent >= FLAPS.0 }
    }

    fn len(self) -> u32 {
        u32::BITS - 1 - self.0.leading_zeros()
    }

    /// Changes in percent of what could have changed.
    fn percent(self) -> f64 {
        let could = LOOKED_AT - 1;
        let changed = |at: u32| (self.0 >> at ^ self.0 >> (at + 1)) & 1 == 1;
        let weight = |at: u32| 1.2 - 0.4 * f64::from(at) / f64::from(could - 1);
        let changes = (0..self.len().saturating_sub(1)).filter(|at| changed(*at)).map(weight);
        changes.sum::<f64>() * 100.0 / f64::from(could)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(states: impl IntoIterator<Item = bool>) -> Recent {
        states.into_iter().fold(Recent::default(), Recent::with)
    }

    #[test]
    fn a_steady_target_does_not_flap_and_a_flipping_one_does() {
        assert_eq!(after([true; 50]).percent(), 0.0);
        let flips = after((0..50).map(|nth| nth % 2 == 0));
        assert!((flips.percent() - 100.0).abs() < 1e-9, "{}", flips.percent());
        assert!(!after([true, false, false, true]).is_flapping(false), "one outage");
        assert!(after([true, false, true, false, true]).is_flapping(false), "two in a row");
    }

    #[test]
    fn it_stops_later_than_it_began() {
        let mut recent = after([true, false, true, false, true]);
        let mut flaps = recent.is_flapping(false);
        let mut steady = 0;
        while flaps {
            recent = recent.with(true);
            flaps = recent.is_flapping(flaps);
            steady += 1;
        }
        assert!((15..=20).contains(&steady), "{steady}");
    }

    #[test]
    fn no_more_than_the_newest_states_are_kept() {
        let recent = after((0..100).map(|nth| nth % 3 == 0));
        assert_eq!(recent.len(), LOOKED_AT);
        assert_eq!(Recent::from_bits(recent.bits()), recent);
        assert_eq!(Recent::from_bits(0), Recent::default());
    }
}
