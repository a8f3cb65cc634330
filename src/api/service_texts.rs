//! Texts of services in lists, kept for as long as they are current.
//!
//! A page of services takes the store some 10 µs a service, and most services have not changed
//! since the page before. The live state knows the version of each service, so a kept text is
//! current when it has the number of that version. Results that change nothing but the totals do
//! not change the number: the text gets the new totals.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::api::views::service::ServiceText;
use crate::domain::ServiceId;
use crate::domain::live::ServiceVersion;

/// Memory of an entry beside its text, in bytes: its place in a map that is half full, and what the
/// allocator keeps.
const ENTRY_BYTES: usize = 96;

/// Bound: `max_bytes`. Used texts stay longest: when the young half is full, it becomes the old
/// one, and what was the old one is dropped.
#[derive(Debug)]
pub struct ServiceTexts {
    max_bytes: usize,
    halves: Mutex<Halves>,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<ServiceId, VersionedText>,
    young_bytes: usize,
    old: HashMap<ServiceId, VersionedText>,
}

#[derive(Debug)]
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

    fn bytes(&self) -> usize {
        self.text.bytes() + ENTRY_BYTES
    }
}

impl ServiceTexts {
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, halves: Mutex::default() }
    }

    /// The texts of these services, each in its version; `None` for one that is not kept with this
    /// number, or has no version.
    pub fn get(
        &self,
        services: impl IntoIterator<Item = (ServiceId, Option<ServiceVersion>)>,
    ) -> Vec<Option<ServiceText>> {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        let get =
            |(id, version): (_, Option<ServiceVersion>)| halves.get(id, &version?, self.max_bytes);
        services.into_iter().map(get).collect()
    }

    /// Keeps the text of a service whose version had this number before it was read, with totals
    /// of `recorded` ticks.
    pub fn keep(&self, id: ServiceId, number: u32, recorded: u64, text: ServiceText) {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        halves.keep(id, VersionedText { number, recorded, text }, self.max_bytes);
    }
}

impl Halves {
    fn get(
        &mut self,
        id: ServiceId,
        version: &ServiceVersion,
        max_bytes: usize,
    ) -> Option<ServiceText> {
        let kept = match self.young.get(&id) {
            Some(kept) if kept.is_current(version) => return Some(kept.text.clone()),
            Some(kept) => kept.with_totals_of(version)?,
            None => {
                let kept = self.old.remove(&id)?;
                if kept.is_current(version) { kept } else { kept.with_totals_of(version)? }
            }
        };
        let text = kept.text.clone();
        self.keep(id, kept, max_bytes);
        Some(text)
    }

    fn keep(&mut self, id: ServiceId, kept: VersionedText, max_bytes: usize) {
        self.old.remove(&id);
        self.young_bytes += kept.bytes();
        if let Some(before) = self.young.insert(id, kept) {
            self.young_bytes -= before.bytes();
        }
        if self.young_bytes > max_bytes / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
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

    fn version(number: u32) -> Option<ServiceVersion> {
        Some(ServiceVersion { number, totals: None })
    }

    fn get(texts: &ServiceTexts, number: i64, version: Option<ServiceVersion>) -> Option<Value> {
        let found = texts.get([(id(number), version)]).pop().unwrap()?;
        serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap()
    }

    #[test]
    fn a_text_is_current_under_its_number_only() {
        let texts = ServiceTexts::new(usize::MAX);
        texts.keep(id(1), 7, 0, ServiceText::of(&"seven"));
        assert_eq!(get(&texts, 1, version(7)), Some(json!("seven")));
        assert_eq!(get(&texts, 1, version(8)), None);
        assert_eq!(get(&texts, 1, None), None, "under maintenance");
        assert_eq!(get(&texts, 2, version(7)), None);
        texts.keep(id(1), 8, 0, ServiceText::of(&"eight"));
        assert_eq!(get(&texts, 1, version(8)), Some(json!("eight")));
    }

    #[test]
    fn a_text_follows_the_totals_and_never_goes_back() {
        let version = |number, tick_count| {
            let totals = TickTotals { tick_count, up_count: 1, ..TickTotals::default() };
            Some(ServiceVersion { number, totals: Some(totals) })
        };
        let ticks = |service: Value| service["metric"]["data"]["tick_count"].clone();
        let text = ServiceText::of(&json!({"labels": {"metric": ",\"created_at\":"}}));
        assert!(text.with_totals(&TickTotals::default()).is_none(), "no service");
        let texts = ServiceTexts::new(usize::MAX);
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
        let most = 100;
        let text = || ServiceText::of(&"text");
        let texts = ServiceTexts::new(most * (text().bytes() + ENTRY_BYTES));
        for number in 1..=10 * most as i64 {
            texts.keep(id(number), 1, 0, text());
            assert!(get(&texts, 1, version(1)).is_some(), "in use, with {number}");
            let halves = texts.halves.lock().unwrap();
            assert!(halves.young.len() + halves.old.len() <= most + 1);
            let bytes: usize = halves.young.values().map(VersionedText::bytes).sum();
            assert_eq!(halves.young_bytes, bytes);
        }
        assert_eq!(get(&texts, 2, version(1)), None, "not used for long");
    }
}
