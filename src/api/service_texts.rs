//! Texts of services in lists, kept for as long as they are current.
//!
//! A page of services takes the store some 10 µs a service, and most services have not changed
//! since the page before. The live state knows the version of each service, so a kept text is
//! current when it has the number of that version. Results that change nothing but the totals do
//! not change the number: the text gets the new totals.

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::api::views::service::ServiceText;
use crate::domain::ServiceId;
use crate::domain::live::ServiceVersion;

/// Memory of an entry beside its text, in bytes: its place in the cache and in the map of the
/// cache, and what the allocator keeps.
const ENTRY_BYTES: usize = 96;

/// Bytes of a usual entry. The cache divides its room and its memory of dropped keys by it.
const USUAL_BYTES: usize = 1024;

/// Bound: the bytes that it is made with. The texts that are used most stay.
#[derive(Debug)]
pub struct ServiceTexts(Cache<ServiceId, VersionedText, ByBytes>);

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<ServiceId, VersionedText> for ByBytes {
    fn weight(&self, _: &ServiceId, kept: &VersionedText) -> u64 {
        (kept.text.bytes() + ENTRY_BYTES) as u64
    }
}

#[derive(Debug, Clone)]
struct VersionedText {
    /// See [`ServiceVersion::number`].
    number: u32,
    /// Ticks in the totals of the text.
    recorded: u64,
    text: ServiceText,
}

impl VersionedText {
    /// Whether the text is that of `version`, or of a later one: it may have been read after a
    /// commit that the version does not have.
    fn is_current(&self, version: &ServiceVersion) -> bool {
        let recorded = version.totals.map_or(0, |totals| totals.recorded());
        self.number == version.number && recorded <= self.recorded
    }

    /// The text with the totals of `version`, which has more ticks; `None` if anything else may
    /// have changed.
    fn with_totals_of(&self, version: &ServiceVersion) -> Option<Self> {
        let totals = version.totals.filter(|_| self.number == version.number)?;
        let text = self.text.with_totals(&totals)?;
        Some(Self { number: self.number, recorded: totals.recorded(), text })
    }
}

impl ServiceTexts {
    pub fn new(max_bytes: usize) -> Self {
        Self(Cache::with_weighter(max_bytes / USUAL_BYTES, max_bytes as u64, ByBytes))
    }

    /// The text of a service in this version; `None` if none is kept with this number.
    pub fn get(&self, id: ServiceId, version: &ServiceVersion) -> Option<ServiceText> {
        let kept = self.0.get(&id)?;
        if kept.is_current(version) {
            return Some(kept.text);
        }
        let newer = kept.with_totals_of(version)?;
        let text = newer.text.clone();
        self.insert(id, newer);
        Some(text)
    }

    /// Keeps the text of a service whose version had this number before it was read, with totals
    /// of `recorded` ticks.
    pub fn keep(&self, id: ServiceId, number: u32, recorded: u64, text: ServiceText) {
        self.insert(id, VersionedText { number, recorded, text });
    }

    /// A request that has read before another one may end after it.
    fn insert(&self, id: ServiceId, new: VersionedText) {
        let is_newer =
            |kept: VersionedText| kept.number == new.number && kept.recorded > new.recorded;
        if !self.0.peek(&id).is_some_and(is_newer) {
            self.0.insert(id, new);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::TickTotals;

    fn id(id: i64) -> ServiceId {
        ServiceId::new(id).unwrap()
    }

    fn version(number: u32) -> ServiceVersion {
        ServiceVersion { number, totals: None }
    }

    fn get(texts: &ServiceTexts, number: i64, version: ServiceVersion) -> Option<Value> {
        let found = texts.get(id(number), &version)?;
        serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap()
    }

    #[test]
    fn a_text_is_current_under_its_number_only() {
        let texts = ServiceTexts::new(1 << 20);
        texts.keep(id(1), 7, 0, ServiceText::of(&"seven"));
        assert_eq!(get(&texts, 1, version(7)), Some(json!("seven")));
        assert_eq!(get(&texts, 1, version(8)), None);
        assert_eq!(get(&texts, 2, version(7)), None);
        texts.keep(id(1), 8, 0, ServiceText::of(&"eight"));
        assert_eq!(get(&texts, 1, version(8)), Some(json!("eight")));
    }

    #[test]
    fn a_text_follows_the_totals_and_never_goes_back() {
        let version = |number, tick_count| {
            let totals = TickTotals { tick_count, up_count: 1, ..TickTotals::default() };
            ServiceVersion { number, totals: Some(totals) }
        };
        let ticks = |service: Value| service["metric"]["data"]["tick_count"].clone();
        let text = ServiceText::of(&json!({"labels": {"metric": ",\"created_at\":"}}));
        assert!(text.with_totals(&TickTotals::default()).is_none(), "no service");
        let texts = ServiceTexts::new(1 << 20);
        #[derive(serde::Serialize)]
        struct Shown {
            labels: Value,
            metric: Option<u8>,
            created_at: i64,
        }
        let labels = json!({"metric": "\"metric\":", "created_at": 1});
        let pending = Shown { labels: labels.clone(), metric: None, created_at: 5 };
        texts.keep(id(1), 7, 0, ServiceText::of(&pending));
        for (tick_count, shown) in [(1, 1), (4, 4), (3, 4), (4, 4), (9, 9)] {
            let service = get(&texts, 1, version(7, tick_count)).unwrap();
            assert_eq!((&service["labels"], &service["created_at"]), (&labels, &json!(5)));
            assert_eq!(ticks(service), shown);
        }
        assert_eq!(get(&texts, 1, version(8, 10)), None, "something else has changed");
        assert_eq!(ticks(get(&texts, 1, version(7, 9)).unwrap()), 9);
    }

    #[test]
    fn texts_are_bounded_and_those_in_use_stay() {
        let text = || ServiceText::of(&"x".repeat(900));
        let entry = text().bytes() + ENTRY_BYTES;
        for most in [0, 1_000] {
            let texts = ServiceTexts::new(most * entry);
            let held = || texts.0.weight() as usize / entry;
            // A quarter of the room is in use all the time.
            let used = || (1..=most as i64 / 4).step_by(10);
            for number in 1..=10 * most.max(100) as i64 {
                texts.keep(id(number), 1, 0, text());
                used().for_each(|used| _ = texts.get(id(used), &version(1)));
                assert!(held() <= most, "{} of {most}", held());
            }
            let stayed = used().filter(|used| texts.get(id(*used), &version(1)).is_some());
            assert_eq!(stayed.count(), used().count());
            assert!(held() >= most * 9 / 10, "{} of {most}", held());
        }
    }

    #[test]
    fn as_many_texts_as_fit_are_kept() {
        let text = || ServiceText::of(&"x".repeat(900));
        let most = 10_000;
        let texts = ServiceTexts::new(most * (text().bytes() + ENTRY_BYTES));
        let numbers = || 1..=(most * 9 / 10) as i64;
        numbers().for_each(|number| texts.keep(id(number), 1, 0, text()));
        let kept = numbers().filter(|number| texts.get(id(*number), &version(1)).is_some());
        assert_eq!(kept.count(), numbers().count());
    }
}
