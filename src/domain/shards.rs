//! Shards: blocks of services that belong to one instance at a time, and sets of them.

use std::fmt;

use crate::domain::service::service_id::ServiceId;

/// Number of shards.
pub const SHARDS: usize = 1_024;

const WORDS: usize = SHARDS / 64;

/// A multiplier of the golden section, so that the first shards of the order are spread evenly over
/// the services, however few these are.
const SPREAD: usize = 389;

/// The shard of a service. Services with neighbouring ids share one, since their rows are
/// neighbours, too.
pub fn shard_of(service_id: i64) -> usize {
    // Below 1,024.
    service_id.div_euclid(16).rem_euclid(SHARDS as i64) as usize
}

/// Position of a shard in the order in which shards are given back and taken.
fn rank(shard: usize) -> usize {
    shard * SPREAD % SHARDS
}

/// A set of shards.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ShardSet([u64; WORDS]);

impl ShardSet {
    pub const EMPTY: Self = Self([0; WORDS]);
    pub const ALL: Self = Self([u64::MAX; WORDS]);

    /// From the bits of each 64 shards.
    pub fn from_words(words: [u64; WORDS]) -> Self {
        Self(words)
    }

    /// The bits of each 64 shards.
    pub fn words(&self) -> [u64; WORDS] {
        self.0
    }

    pub fn contains(&self, id: ServiceId) -> bool {
        self.has(shard_of(id.get()))
    }

    /// Whether it has this shard, which is below [`SHARDS`].
    pub fn has(&self, shard: usize) -> bool {
        self.0[shard / 64] & (1 << (shard % 64)) != 0
    }

    /// Adds a shard, which is below [`SHARDS`].
    pub fn insert(&mut self, shard: usize) {
        self.0[shard / 64] |= 1 << (shard % 64);
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub fn union(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|nth| self.0[nth] | other.0[nth]))
    }

    pub fn without(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|nth| self.0[nth] & !other.0[nth]))
    }

    /// By number.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let set = *self;
        (0..SHARDS).filter(move |shard| set.has(*shard))
    }

    /// At most `most` of its shards, spread evenly over the services.
    pub fn some(&self, most: usize) -> Self {
        let mut shards: Vec<usize> = self.iter().collect();
        shards.sort_unstable_by_key(|shard| rank(*shard));
        shards.into_iter().take(most).collect()
    }

    /// The bits as bytes, each from its lowest bit on, as `get_bit` of PostgreSQL counts them.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

impl FromIterator<usize> for ShardSet {
    fn from_iter<T: IntoIterator<Item = usize>>(shards: T) -> Self {
        let mut set = Self::EMPTY;
        shards.into_iter().for_each(|shard| set.insert(shard));
        set
    }
}

impl fmt::Debug for ShardSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShardSet({} of {SHARDS})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sixteen_neighbours_share_a_shard() {
        assert_eq!([1, 15, 16, 31, 32].map(shard_of), [0, 0, 1, 1, 2]);
        assert_eq!([16 * 1_023, 16 * 1_024, i64::MAX].map(shard_of), [1_023, 0, 1_023]);
    }

    #[test]
    fn half_of_the_shards_is_half_of_few_services() {
        let half = ShardSet::ALL.some(SHARDS / 2);
        assert_eq!(half.len(), SHARDS / 2);
        let first: usize = (0..16).filter(|shard| half.has(*shard)).count();
        assert!((7..=9).contains(&first), "{first}");
        let ranks: BTreeSet<usize> = (0..SHARDS).map(rank).collect();
        assert_eq!(ranks.len(), SHARDS, "no two shards have the same rank");
    }

    proptest! {
        #[test]
        fn a_set_is_the_set_of_its_numbers(
            a in prop::collection::btree_set(0..SHARDS, 0..40),
            b in prop::collection::btree_set(0..SHARDS, 0..40),
            most in 0_usize..50,
        ) {
            let set = |numbers: &BTreeSet<usize>| numbers.iter().copied().collect::<ShardSet>();
            let numbers = |set: ShardSet| set.iter().collect::<BTreeSet<usize>>();
            let (x, y) = (set(&a), set(&b));
            prop_assert_eq!(numbers(x), a.clone());
            prop_assert_eq!((x.len(), x.is_empty()), (a.len(), a.is_empty()));
            prop_assert_eq!(numbers(x.union(&y)), a.union(&b).copied().collect());
            prop_assert_eq!(numbers(x.without(&y)), a.difference(&b).copied().collect());
            let some = x.some(most);
            prop_assert_eq!(some.len(), a.len().min(most));
            prop_assert!(some.without(&x).is_empty());
            let bytes = x.to_bytes();
            let bit = |shard: usize| bytes[shard / 8] >> (shard % 8) & 1 == 1;
            prop_assert!((0..SHARDS).all(|shard| bit(shard) == x.has(shard)));
            prop_assert_eq!(ShardSet::from_words(x.words()), x);
        }
    }
}
