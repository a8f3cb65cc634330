//! How values are spread: a histogram whose buckets grow with what they hold, so that percentiles of any number of ticks fit
//! into a few hundred bytes and can be merged.
//!
//! Values below 64 µs have a bucket each; above, each power of two is cut into 64 buckets of the same width. A value is told
//! as the middle of its bucket, so it is wrong by no more than [`RELATIVE_ERROR`]. Sources: HdrHistogram's layout of buckets,
//! and DDSketch (Masson, Rim and Lee, VLDB 2019) for what a merge must keep.

use crate::domain::leb128;

/// How far a told value may be from the true one, as a share of the true one.
pub const RELATIVE_ERROR: f64 = 1.0 / 128.0;

/// Buckets of a power of two, as a power of two itself.
const SUB_BITS: u32 = 6;
/// Buckets of a power of two.
const SUB_BUCKETS: u64 = 1 << SUB_BITS;
/// The bucket of the largest number there is.
const LAST_INDEX: u16 = index_of(u64::MAX);

/// A histogram of microseconds that can be merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch {
    /// Index and count of every bucket that is not empty, by rising index; no count is 0.
    buckets: Vec<(u16, u64)>,
}

impl Sketch {
    /// Counts `us`.
    pub fn add(&mut self, us: u64) {
        let index = index_of(us);
        match self.buckets.binary_search_by_key(&index, |(known, _)| *known) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(1),
            Err(at) => self.buckets.insert(at, (index, 1)),
        }
    }

    /// Counts everything that `other` has counted.
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

    /// How many values it has counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |total: u64, (_, count)| total.saturating_add(*count))
    }

    /// The smallest value that at least `q` of all values do not exceed (the nearest rank), give or take
    /// [`RELATIVE_ERROR`]; `None` when nothing was counted. `q` is a share from 0 to 1, and what lies beyond counts as the
    /// end that it passed.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let count = self.count();
        // 0.07 of 100 values is 7.000000000000001 of them in binary, and must not become the eighth.
        let rank = (q * count as f64 * (1.0 - 2.0 * f64::EPSILON)).ceil() as u64;
        let rank = rank.clamp(1, count.max(1));
        let mut passed = 0_u64;
        let found = self.buckets.iter().find(|(_, count)| {
            passed = passed.saturating_add(*count);
            passed >= rank
        });
        found.map(|(index, _)| middle_of(*index))
    }

    /// The sketch as bytes: for each bucket how many empty ones lie before it, and its count, as varints (LEB128).
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

    /// The sketch that `bytes` were made of; `None` when [`Sketch::encode`] makes no such bytes.
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
        // A number can be written longer than it needs to be.
        (sketch.encode() == bytes).then_some(sketch)
    }
}

/// The bucket of `us`. Buckets below `2 * SUB_BUCKETS` hold one value each.
const fn index_of(us: u64) -> u16 {
    if us < SUB_BUCKETS {
        return us as u16;
    }
    let shift = us.ilog2() - SUB_BITS;
    // What is left of the value has its leading bit, which is the first of `SUB_BUCKETS` more.
    (shift as u64 * SUB_BUCKETS + (us >> shift)) as u16
}

/// The value that stands for the bucket `index`.
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

    /// Values of every size, not only of the largest.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec((any::<u64>(), 0..64_u32).prop_map(|(us, bits)| us >> bits), 0..200)
    }

    #[test]
    fn every_bucket_begins_where_the_last_one_ends() {
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
    fn an_empty_sketch_knows_nothing() {
        let none = Sketch::default();
        assert_eq!((none.count(), none.quantile(0.5)), (0, None));
        assert_eq!((none.encode(), Sketch::decode(&[])), (Vec::new(), Some(none)));
    }

    #[test]
    fn the_nearest_rank_is_told() {
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
    fn bytes_that_nobody_has_written_are_refused() {
        for (bytes, why) in [
            (&[5][..], "no count"),
            (&[5, 0], "a bucket without anything"),
            (&[5, 0x80], "cut off"),
            (&[0x85, 0, 1], "longer than needed"),
            (&[0xc0, 0x1d, 1], "an index beyond the last"),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1], "more than 64 bits"),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "no end"),
            (
                &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 1],
                "a count too large",
            ),
        ] {
            assert_eq!(Sketch::decode(bytes), None, "{why}");
        }
        assert_eq!(Sketch::decode(&[0xbf, 0x1d, 1]), Some(of(&[u64::MAX])));
    }

    proptest! {
        #[test]
        fn a_told_value_is_near_the_true_one(values in values(), permille in 0..=1_000_usize) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let rank = (permille * sorted.len()).div_ceil(1_000).max(1);
            let told = of(&values).quantile(permille as f64 / 1e3);
            match sorted.get(rank - 1) {
                None => prop_assert_eq!(told, None),
                Some(&exact) => {
                    let off = told.unwrap().abs_diff(exact);
                    prop_assert!(off as f64 <= exact as f64 * RELATIVE_ERROR, "{told:?}, not {exact}");
                }
            }
        }

        #[test]
        fn merging_is_the_same_as_counting_everything(left in values(), right in values()) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            prop_assert_eq!(merged.count(), (left.len() + right.len()) as u64);
            prop_assert_eq!(merged, of(&[left, right].concat()));
        }

        #[test]
        fn what_is_encoded_is_decoded(values in values()) {
            let sketch = of(&values);
            prop_assert_eq!(Sketch::decode(&sketch.encode()), Some(sketch));
        }

        /// Whatever is accepted is exactly what would be written.
        #[test]
        fn any_bytes_are_refused_or_are_our_own(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(sketch) = Sketch::decode(&bytes) {
                prop_assert_eq!(sketch.encode(), bytes);
                sketch.quantile(0.5);
            }
        }
    }
}
