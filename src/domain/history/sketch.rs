//! A mergeable histogram for percentiles of any number of ticks in a few hundred bytes.
//!
//! Each value below 64 µs has its own bucket; above, each power of two is divided into 64 buckets
//! of the same width. A quantile is the middle of its bucket, so its error is at most
//! [`RELATIVE_ERROR`]. Sources: bucket layout of HdrHistogram; DDSketch (Masson, Rim and Lee, VLDB
//! 2019) for merging.

use crate::domain::leb128;

/// Largest error of a quantile, as a share of the true value.
pub const RELATIVE_ERROR: f64 = 1.0 / 128.0;

/// Binary logarithm of [`SUB_BUCKETS`].
const SUB_BITS: u32 = 6;
/// Buckets for each power of two.
const SUB_BUCKETS: u64 = 1 << SUB_BITS;
const LAST_INDEX: u16 = index_of(u64::MAX);

/// A mergeable histogram of microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch {
    /// Index and count of all buckets with a count above 0, by index.
    buckets: Vec<(u16, u64)>,
}

impl Sketch {
    pub fn add(&mut self, us: u64) {
        let index = index_of(us);
        match self.buckets.binary_search_by_key(&index, |(known, _)| *known) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(1),
            Err(at) => self.buckets.insert(at, (index, 1)),
        }
    }

    pub fn merge(&mut self, other: &Self) {
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
            return;
        }
        let mut merged = Vec::with_capacity(self.buckets.len().max(other.buckets.len()));
        let mut theirs = other.buckets.iter().copied().peekable();
        for &(index, count) in &self.buckets {
            while let Some(before) = theirs.next_if(|(their_index, _)| *their_index < index) {
                merged.push(before);
            }
            let same = theirs.next_if(|(their_index, _)| *their_index == index);
            merged.push((index, count.saturating_add(same.map_or(0, |(_, count)| count))));
        }
        merged.extend(theirs);
        self.buckets = merged;
    }

    /// Number of buckets, which take 16 bytes each.
    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |total: u64, (_, count)| total.saturating_add(*count))
    }

    /// The smallest value that at least the share `q` of all values do not exceed (nearest rank),
    /// within [`RELATIVE_ERROR`]; `None` without values. `q` is clamped to 0 to 1.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let count = self.count();
        // 0.07 × 100 is 7.000000000000001 in floating point and must not round up to rank 8.
        let rank = (q * count as f64 * (1.0 - 2.0 * f64::EPSILON)).ceil() as u64;
        let rank = rank.clamp(1, count.max(1));
        let mut passed = 0_u64;
        let found = self.buckets.iter().find(|(_, count)| {
            passed = passed.saturating_add(*count);
            passed >= rank
        });
        found.map(|(index, _)| middle_of(*index))
    }

    /// For each bucket: the number of empty buckets before it, and its count, as LEB128.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.buckets.len() * 2);
        let mut next_index = 0;
        for &(index, count) in &self.buckets {
            leb128::write(&mut bytes, u64::from(index - next_index));
            leb128::write(&mut bytes, count);
            next_index = index + 1;
        }
        bytes
    }

    /// Inverse of [`encode`](Self::encode); `None` for any other bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut buckets = Vec::with_capacity(bytes.len() / 2);
        let (mut rest, mut next_index, mut total) = (bytes, 0_u64, 0_u64);
        while !rest.is_empty() {
            let index = next_index.checked_add(leb128::read(&mut rest)?)?;
            let index = u16::try_from(index).ok().filter(|index| *index <= LAST_INDEX)?;
            let count = leb128::read(&mut rest).filter(|count| *count > 0)?;
            total = total.checked_add(count)?;
            buckets.push((index, count));
            next_index = u64::from(index) + 1;
        }
        let sketch = Self { buckets };
        // LEB128 allows redundant bytes, which `encode` never writes.
        (sketch.encode() == bytes).then_some(sketch)
    }
}

/// The bucket of `us`. Buckets below `2 * SUB_BUCKETS` have one value each.
const fn index_of(us: u64) -> u16 {
    if us < SUB_BUCKETS {
        return us as u16;
    }
    let shift = us.ilog2() - SUB_BITS;
    // The shifted value includes its leading bit, which adds `SUB_BUCKETS` to the index.
    (shift as u64 * SUB_BUCKETS + (us >> shift)) as u16
}

/// The middle of the bucket `index`.
fn middle_of(index: u16) -> u64 {
    let index = u64::from(index);
    if index < SUB_BUCKETS {
        return index;
    }
    let shift = index / SUB_BUCKETS - 1;
    let lowest = (index - shift * SUB_BUCKETS) << shift;
    let width = 1_u64 << shift;
    lowest + width / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|us| sketch.add(*us));
        sketch
    }

    /// Values of all magnitudes.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec((any::<u64>(), 0..64_u32).prop_map(|(us, bits)| us >> bits), 0..200)
    }

    #[test]
    fn every_bucket_begins_where_the_previous_one_ends() {
        assert_eq!((index_of(0), index_of(63), index_of(64), index_of(127)), (0, 63, 64, 127));
        assert_eq!((index_of(128), index_of(129), index_of(130)), (128, 128, 129));
        for index in 0..=LAST_INDEX {
            assert_eq!(index_of(middle_of(index)), index);
        }
        for bits in 1..64 {
            let power = 1_u64 << bits;
            assert_eq!(index_of(power) - index_of(power - 1), 1, "at {power}");
        }
        assert_eq!((index_of(u64::MAX), LAST_INDEX), (3_775, 3_775));
    }

    #[test]
    fn an_empty_sketch_has_no_quantiles() {
        let none = Sketch::default();
        assert_eq!((none.count(), none.quantile(0.5)), (0, None));
        assert_eq!((none.encode(), Sketch::decode(&[])), (Vec::new(), Some(none)));
    }

    #[test]
    fn a_quantile_is_the_nearest_rank() {
        let hundred = of(&(1..=100).collect::<Vec<u64>>());
        for (q, expected) in [
            (0.0, 1),
            (0.001, 1),
            (0.07, 7),
            (0.5, 50),
            (0.55, 55),
            (0.95, 95),
            (0.99, 99),
            (0.991, 100),
            (1.0, 100),
            (-1.0, 1),
            (7.0, 100),
            (f64::NAN, 1),
        ] {
            assert_eq!(hundred.quantile(q), Some(expected), "{q}");
        }
        assert_eq!(of(&[7]).quantile(0.5), Some(7));
    }

    #[test]
    fn a_day_of_ticks_fits_into_a_few_hundred_bytes() {
        let mut sketch = Sketch::default();
        for nth in 0..86_400_u64 {
            sketch.add(20_000 + nth * 7_919 % 60_000);
        }
        assert!(sketch.encode().len() < 500, "{}", sketch.encode().len());
    }

    #[test]
    fn bytes_that_encode_never_writes_are_rejected() {
        for (bytes, defect) in [
            (&[5][..], "no count"),
            (&[5, 0], "a count of 0"),
            (&[5, 0x80], "cut off"),
            (&[0x85, 0, 1], "a redundant byte"),
            (&[0xc0, 0x1d, 1], "an index beyond the last"),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1], "more than 64 bits"),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "no end"),
            (
                &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 1],
                "a count too large",
            ),
        ] {
            assert_eq!(Sketch::decode(bytes), None, "{defect}");
        }
        assert_eq!(Sketch::decode(&[0xbf, 0x1d, 1]), Some(of(&[u64::MAX])));
    }

    proptest! {
        #[test]
        fn a_quantile_is_near_the_true_value(values in values(), permille in 0..=1_000_usize) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let rank = (permille * sorted.len()).div_ceil(1_000).max(1);
            let estimate = of(&values).quantile(permille as f64 / 1e3);
            match sorted.get(rank - 1) {
                None => prop_assert_eq!(estimate, None),
                Some(&exact) => {
                    let error = estimate.unwrap().abs_diff(exact) as f64;
                    let most = exact as f64 * RELATIVE_ERROR;
                    prop_assert!(error <= most, "{estimate:?}, not {exact}");
                }
            }
        }

        #[test]
        fn a_merge_equals_the_sketch_of_all_values(left in values(), right in values()) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            prop_assert_eq!(merged.count(), (left.len() + right.len()) as u64);
            prop_assert_eq!(merged, of(&[left, right].concat()));
        }

        #[test]
        fn an_encoded_sketch_is_decoded(values in values()) {
            let sketch = of(&values);
            prop_assert_eq!(Sketch::decode(&sketch.encode()), Some(sketch));
        }

        #[test]
        fn decoded_bytes_are_encoded_to_the_same_bytes(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            if let Some(sketch) = Sketch::decode(&bytes) {
                prop_assert_eq!(sketch.encode(), bytes);
                sketch.quantile(0.5);
            }
        }
    }
}
