//! The version of one service of the overview.

use std::time::Duration;

use crate::domain::TickTotals;
use crate::domain::live::ServiceVersion;

/// A [`ServiceVersion`] in 24 bytes: counts of 32 bits, a sum of 64. Without totals, all are 0.
#[derive(Debug, Clone, Copy, Default)]
#[repr(Rust, packed(4))]
pub(super) struct PackedVersion {
    response_time_sum_ns: u64,
    tick_count: u32,
    up_count: u32,
    unknown_count: u32,
    number: u32,
}

const _: () = assert!(size_of::<PackedVersion>() == 24);

impl PackedVersion {
    pub fn get(self) -> ServiceVersion {
        let totals = TickTotals {
            tick_count: self.tick_count.into(),
            up_count: self.up_count.into(),
            unknown_count: self.unknown_count.into(),
            response_time_sum: Duration::from_nanos(self.response_time_sum_ns),
        };
        let totals = Some(totals).filter(|totals| totals.recorded() > 0);
        ServiceVersion { number: self.number, totals }
    }

    /// Anything but the totals has changed.
    pub fn changed(&mut self) {
        self.number = self.number.wrapping_add(1);
    }

    /// Anything may have changed, and the totals are not known any more.
    pub fn reloaded(&mut self) {
        *self = Self { number: self.number.wrapping_add(1), ..Self::default() };
    }

    /// Totals that are not known, or too large to be packed, are a change of anything.
    pub fn set_totals(&mut self, totals: Option<TickTotals>) {
        match totals.as_ref().and_then(Self::packed) {
            Some(packed) => *self = Self { number: self.number, ..packed },
            None => self.reloaded(),
        }
    }

    fn packed(totals: &TickTotals) -> Option<Self> {
        let TickTotals { tick_count, up_count, unknown_count, response_time_sum } = totals;
        Some(Self {
            response_time_sum_ns: response_time_sum.as_nanos().try_into().ok()?,
            tick_count: (*tick_count).try_into().ok()?,
            up_count: (*up_count).try_into().ok()?,
            unknown_count: (*unknown_count).try_into().ok()?,
            number: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_kept_until_the_service_is_reloaded() {
        let mut version = PackedVersion::default();
        assert_eq!(version.get(), ServiceVersion { number: 0, totals: None });
        let most = u64::from(u32::MAX);
        let response_time_sum = Duration::from_nanos(u64::MAX);
        let totals =
            TickTotals { tick_count: most, up_count: 7, unknown_count: most, response_time_sum };
        version.set_totals(Some(totals));
        assert_eq!(version.get(), ServiceVersion { number: 0, totals: Some(totals) });
        version.changed();
        assert_eq!(version.get(), ServiceVersion { number: 1, totals: Some(totals) });
        version.reloaded();
        assert_eq!(version.get(), ServiceVersion { number: 2, totals: None });
        for (nth, unknown) in (3..).zip([
            None,
            Some(TickTotals { tick_count: most + 1, ..totals }),
            Some(TickTotals { unknown_count: most + 1, ..totals }),
            Some(TickTotals { response_time_sum: Duration::MAX, ..totals }),
        ]) {
            version.set_totals(unknown);
            assert_eq!(version.get(), ServiceVersion { number: nth, totals: None }, "{unknown:?}");
        }
    }
}
