//! Flap detection as in Nagios.
//!
//! Each change among the newest 21 states has a weight, from 0.8 for the oldest to 1.2 for the
//! newest. A target begins to flap when the weighted changes reach 20 % of the possible ones, and
//! stops below 5 %. Source: documentation of Nagios Core, "Detection and Handling of State
//! Flapping", with its defaults for services.

/// Number of states.
const STATES: u32 = 21;
/// Percent of changes from which a target flaps.
const BEGINS_AT: f64 = 20.0;
/// Percent of changes below which a target stops flapping.
const ENDS_BELOW: f64 = 5.0;

/// The newest states as bits below a leading 1; the newest state is the lowest bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recent(u32);

impl Default for Recent {
    fn default() -> Self {
        Self(1)
    }
}

impl Recent {
    /// Without states when `bits` has no leading 1.
    pub fn from_bits(bits: i64) -> Self {
        u32::try_from(bits).ok().filter(|bits| *bits > 0).map_or(Self::default(), Self)
    }

    pub fn bits(self) -> i64 {
        self.0.into()
    }

    /// Adds a state and drops the oldest when full.
    pub fn with(self, is_up: bool) -> Self {
        let states = (self.0 << 1 | u32::from(is_up)) & !(u32::MAX << (STATES + 1));
        // When full, the leading 1 keeps its position.
        let full = self.len() == STATES;
        Self(if full { states | 1 << STATES } else { states })
    }

    /// Whether the target flaps; `was_flapping` selects the limit.
    pub fn is_flapping(self, was_flapping: bool) -> bool {
        self.percent() >= if was_flapping { ENDS_BELOW } else { BEGINS_AT }
    }

    fn len(self) -> u32 {
        u32::BITS - 1 - self.0.leading_zeros()
    }

    /// Weighted changes in percent of the possible changes.
    fn percent(self) -> f64 {
        let possible = STATES - 1;
        let changed = |at: u32| (self.0 >> at ^ self.0 >> (at + 1)) & 1 == 1;
        let weight = |at: u32| 1.2 - 0.4 * f64::from(at) / f64::from(possible - 1);
        let changes = (0..self.len().saturating_sub(1)).filter(|at| changed(*at)).map(weight);
        changes.sum::<f64>() * 100.0 / f64::from(possible)
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
    fn flapping_ends_at_a_lower_limit_than_it_begins() {
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
    fn only_the_newest_states_are_stored() {
        let recent = after((0..100).map(|nth| nth % 3 == 0));
        assert_eq!(recent.len(), STATES);
        assert_eq!(Recent::from_bits(recent.bits()), recent);
        assert_eq!(Recent::from_bits(0), Recent::default());
    }
}
