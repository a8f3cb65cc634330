//! A map from services to values, for maps with an entry for each service.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::domain::service::service_id::ServiceId;

/// Number of consecutive ids of a page.
pub const PAGE: i64 = 64;

/// A map whose values lie in pages, each with those of [`PAGE`] consecutive ids, one behind the
/// other. An entry has neither a key nor a hash, and a map that grows copies no large block.
///
/// The ids of a store are dense, since each new service has the next one: then an entry takes the
/// size of its value and about two bytes more. Bound: four times the size of the value, and 100
/// bytes of an entry that is alone in its page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap<V> {
    /// By [`page_of`] the ids; none is empty.
    pages: HashMap<i64, Page<V>, BuildHasherDefault<PageHasher>>,
    len: usize,
}

/// Spreads consecutive numbers. The ids are the store's own, so nobody can choose any that collide.
#[derive(Default)]
struct PageHasher(u64);

/// Invariant: as many values as bits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Page<V> {
    /// Bit n for the n-th id of the page: whether it has a value.
    present: u64,
    /// By id.
    values: Vec<V>,
}

/// The page of an id. Maps that are split by it have full pages.
pub fn page_of(id: ServiceId) -> i64 {
    id.get() / PAGE
}

/// Page of an id, and its position among the ids of the page.
fn position(id: ServiceId) -> (i64, u32) {
    // Below 64.
    (page_of(id), (id.get() % PAGE) as u32)
}

/// The ids of the entries of a page.
fn ids(page: i64, present: u64) -> impl Iterator<Item = ServiceId> {
    let set = (0..PAGE).filter(move |nth| present & (1 << nth) != 0);
    // None is left out: each was inserted.
    set.filter_map(move |nth| ServiceId::new(page * PAGE + nth))
}

impl Hasher for PageHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_i64((*byte).into()));
    }

    fn write_i64(&mut self, number: i64) {
        // 2^64 divided by the golden ratio; the map uses the lowest bits and the highest ones.
        let spread = (self.0 ^ number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ (spread >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl<V> Default for IdMap<V> {
    fn default() -> Self {
        Self { pages: HashMap::default(), len: 0 }
    }
}

impl<V> IdMap<V> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn get(&self, id: ServiceId) -> Option<&V> {
        let (page, nth) = position(id);
        let page = self.pages.get(&page)?;
        page.values.get(page.index(nth)?)
    }

    pub fn get_mut(&mut self, id: ServiceId) -> Option<&mut V> {
        let (page, nth) = position(id);
        let page = self.pages.get_mut(&page)?;
        let index = page.index(nth)?;
        page.values.get_mut(index)
    }

    /// Returns the value that the id had.
    pub fn insert(&mut self, id: ServiceId, value: V) -> Option<V> {
        let (page, nth) = position(id);
        let before = self.pages.entry(page).or_default().insert(nth, value);
        self.len += usize::from(before.is_none());
        before
    }

    pub fn remove(&mut self, id: ServiceId) -> Option<V> {
        let (number, nth) = position(id);
        let page = self.pages.get_mut(&number)?;
        let value = page.remove(nth)?;
        if page.values.is_empty() {
            self.pages.remove(&number);
        }
        self.len -= 1;
        Some(value)
    }

    /// Removes the entries for which `keeps` is false.
    pub fn retain(&mut self, mut keeps: impl FnMut(ServiceId, &mut V) -> bool) {
        self.pages.retain(|number, page| {
            page.retain(*number, &mut keeps);
            !page.values.is_empty()
        });
        self.len = self.pages.values().map(|page| page.values.len()).sum();
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// By id.
    pub fn iter(&self) -> impl Iterator<Item = (ServiceId, &V)> {
        let mut pages: Vec<_> = self.pages.iter().collect();
        pages.sort_unstable_by_key(|(number, _)| **number);
        pages.into_iter().flat_map(|(number, page)| ids(*number, page.present).zip(&page.values))
    }

    /// By id.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ServiceId, &mut V)> {
        let mut pages: Vec<_> = self.pages.iter_mut().collect();
        pages.sort_unstable_by_key(|(number, _)| **number);
        pages
            .into_iter()
            .flat_map(|(number, page)| ids(*number, page.present).zip(&mut page.values))
    }

    /// In order.
    pub fn keys(&self) -> impl Iterator<Item = ServiceId> {
        self.iter().map(|(id, _)| id)
    }

    /// By id.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// By id.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }
}

impl<V> Extend<(ServiceId, V)> for IdMap<V> {
    fn extend<T: IntoIterator<Item = (ServiceId, V)>>(&mut self, entries: T) {
        entries.into_iter().for_each(|(id, value)| _ = self.insert(id, value));
    }
}

impl<V> FromIterator<(ServiceId, V)> for IdMap<V> {
    fn from_iter<T: IntoIterator<Item = (ServiceId, V)>>(entries: T) -> Self {
        let mut map = Self::default();
        map.extend(entries);
        map
    }
}

impl<V> Default for Page<V> {
    fn default() -> Self {
        Self { present: 0, values: Vec::new() }
    }
}

impl<V> Page<V> {
    /// Where the value of the `nth` id is, or would be inserted.
    fn rank(&self, nth: u32) -> usize {
        (self.present & ((1 << nth) - 1)).count_ones() as usize
    }

    /// Where the value of the `nth` id is; `None` without one.
    fn index(&self, nth: u32) -> Option<usize> {
        (self.present & (1 << nth) != 0).then(|| self.rank(nth))
    }

    fn insert(&mut self, nth: u32, value: V) -> Option<V> {
        if let Some(index) = self.index(nth) {
            return Some(std::mem::replace(&mut self.values[index], value));
        }
        self.values.insert(self.rank(nth), value);
        self.present |= 1 << nth;
        None
    }

    fn remove(&mut self, nth: u32) -> Option<V> {
        let value = self.values.remove(self.index(nth)?);
        self.present &= !(1 << nth);
        self.shrink();
        Some(value)
    }

    fn retain(&mut self, number: i64, keeps: &mut impl FnMut(ServiceId, &mut V) -> bool) {
        let mut ids = ids(number, self.present);
        self.values.retain_mut(|value| {
            ids.next().is_some_and(|id| {
                let is_kept = keeps(id, value);
                if !is_kept {
                    self.present &= !(1 << position(id).1);
                }
                is_kept
            })
        });
        self.shrink();
    }

    /// Gives memory back once the values fill a quarter of it or less.
    fn shrink(&mut self) {
        if 4 * self.values.len() <= self.values.capacity() {
            self.values.shrink_to(2 * self.values.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn id(id: i64) -> ServiceId {
        ServiceId::new(id).unwrap()
    }

    /// How many values the pages have room for.
    fn capacity<V>(map: &IdMap<V>) -> usize {
        map.pages.values().map(|page| page.values.capacity()).sum()
    }

    #[test]
    fn dense_ids_fill_their_pages_in_any_order() {
        let map: IdMap<[u64; 12]> =
            (0..1_024).map(|nth| (id(PAGE + nth * 389 % 1_024), [0; 12])).collect();
        assert_eq!((map.len(), map.pages.len(), capacity(&map)), (1_024, 16, 1_024));
    }

    #[test]
    fn an_entry_alone_in_its_page_takes_little() {
        let mut map = IdMap::default();
        for nth in 1..=100 {
            map.insert(id(nth * 1_000), [0_u64; 12]);
        }
        assert_eq!((map.pages.len(), capacity(&map)), (100, 400));
        assert!(size_of::<Page<[u64; 12]>>() <= 32);
        map.insert(id(i64::MAX), [1; 12]);
        assert_eq!(map.iter().last(), Some((id(i64::MAX), &[1; 12])));
    }

    #[test]
    fn memory_is_given_back_with_the_entries() {
        let full = || (0..256).map(|nth| (id(PAGE + nth), nth)).collect::<IdMap<i64>>();
        let mut map = full();
        map.retain(|id, _| id.get() % 16 == 0);
        assert_eq!((map.len(), map.pages.len(), capacity(&map)), (16, 4, 32));
        map.retain(|id, _| id.get() >= 2 * PAGE);
        assert_eq!((map.len(), map.pages.len()), (12, 3));
        let mut map = full();
        for nth in 0..255 {
            map.remove(id(PAGE + nth));
            assert!(capacity(&map) <= 4 * map.len(), "{} for {}", capacity(&map), map.len());
        }
        assert_eq!((map.len(), map.pages.len()), (1, 1));
        map.clear();
        assert!(map.is_empty() && map.pages.is_empty());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(i64, u32),
        Change(i64, u32),
        Remove(i64),
        /// Removes the multiples.
        Thin(i64),
        AddToAll(u32),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        let near = || prop_oneof![1..200_i64, Just(i64::MAX), Just(i64::MAX - PAGE)];
        prop_oneof![
            20 => (near(), 0..9_u32).prop_map(|(id, value)| Step::Insert(id, value)),
            5 => (near(), 0..9_u32).prop_map(|(id, value)| Step::Change(id, value)),
            10 => near().prop_map(Step::Remove),
            2 => (2..5_i64).prop_map(Step::Thin),
            2 => (0..9_u32).prop_map(Step::AddToAll),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn a_map_is_a_map(steps in prop::collection::vec(step(), 0..400)) {
            let (mut map, mut model) = (IdMap::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert(at, value) => {
                        prop_assert_eq!(map.insert(id(at), value), model.insert(id(at), value));
                    }
                    Step::Change(at, value) => {
                        let (changed, expected) = (map.get_mut(id(at)), model.get_mut(&id(at)));
                        prop_assert_eq!(&changed, &expected);
                        changed.into_iter().chain(expected).for_each(|it| *it = value);
                    }
                    Step::Remove(at) => {
                        prop_assert_eq!(map.remove(id(at)), model.remove(&id(at)));
                        prop_assert_eq!(map.get(id(at)), None);
                    }
                    Step::Thin(by) => {
                        map.retain(|id, _| id.get() % by != 0);
                        model.retain(|id, _| id.get() % by != 0);
                    }
                    Step::AddToAll(value) => {
                        map.iter_mut().for_each(|(id, it)| *it += value + id.get() as u32 % 2);
                        map.values_mut().for_each(|it| *it += 1);
                        model.iter_mut().for_each(|(id, it)| {
                            *it += value + 1 + id.get() as u32 % 2;
                        });
                    }
                    Step::Clear => {
                        map.clear();
                        model.clear();
                    }
                }
                prop_assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
            }
            prop_assert!(map.iter().eq(model.iter().map(|(id, value)| (*id, value))));
            prop_assert!(map.keys().eq(model.keys().copied()));
            prop_assert!(map.values().eq(model.values()));
            prop_assert!(model.iter().all(|(id, value)| map.get(*id) == Some(value)));
            prop_assert!(map.pages.values().all(|page| !page.values.is_empty()));
            prop_assert_eq!(&model.into_iter().rev().collect::<IdMap<u32>>(), &map);
            prop_assert!(capacity(&map) <= 4 * map.len());
        }
    }
}
