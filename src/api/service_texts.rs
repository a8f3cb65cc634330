//! Texts of services in lists, kept for as long as they are current.
//!
//! A page of services takes the store some 10 µs a service, and most services have not changed
//! since the page before. The live state knows the version of each service, so a kept text is
//! current when it has that version.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::api::views::service::ServiceText;
use crate::domain::ServiceId;

/// Memory of an entry beside its text, in bytes: its place in a map that is half full, and what the
/// allocator keeps.
const ENTRY_BYTES: usize = 80;

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
    version: u32,
    text: ServiceText,
}

impl ServiceTexts {
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, halves: Mutex::default() }
    }

    /// The texts of these services, each with its version; `None` for one that is not kept in this
    /// version, or has none.
    pub fn get(
        &self,
        services: impl IntoIterator<Item = (ServiceId, Option<u32>)>,
    ) -> Vec<Option<ServiceText>> {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        let get = |(id, version): (_, Option<u32>)| halves.get(id, version?, self.max_bytes);
        services.into_iter().map(get).collect()
    }

    /// Keeps the text of a service whose stored state had this version before it was read.
    pub fn keep(&self, id: ServiceId, version: u32, text: ServiceText) {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        halves.keep(id, VersionedText { version, text }, self.max_bytes);
    }
}

impl Halves {
    fn get(&mut self, id: ServiceId, version: u32, max_bytes: usize) -> Option<ServiceText> {
        if let Some(found) = self.young.get(&id) {
            return (found.version == version).then(|| found.text.clone());
        }
        let found = self.old.remove(&id).filter(|found| found.version == version)?;
        let text = found.text.clone();
        self.keep(id, found, max_bytes);
        Some(text)
    }

    fn keep(&mut self, id: ServiceId, kept: VersionedText, max_bytes: usize) {
        self.old.remove(&id);
        let bytes = |kept: &VersionedText| kept.text.bytes() + ENTRY_BYTES;
        self.young_bytes += bytes(&kept);
        if let Some(before) = self.young.insert(id, kept) {
            self.young_bytes -= bytes(&before);
        }
        if self.young_bytes > max_bytes / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(id: i64) -> ServiceId {
        ServiceId::new(id).unwrap()
    }

    fn text(text: &str) -> ServiceText {
        ServiceText::of(&text)
    }

    fn get(texts: &ServiceTexts, number: i64, version: Option<u32>) -> Option<String> {
        let found = texts.get([(id(number), version)]).pop().unwrap()?;
        serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap()
    }

    #[test]
    fn a_text_is_current_in_its_version_only() {
        let texts = ServiceTexts::new(usize::MAX);
        texts.keep(id(1), 7, text("seven"));
        assert_eq!(get(&texts, 1, Some(7)).as_deref(), Some("seven"));
        assert_eq!(get(&texts, 1, Some(8)), None);
        assert_eq!(get(&texts, 1, None), None, "under maintenance");
        assert_eq!(get(&texts, 2, Some(7)), None);
        texts.keep(id(1), 8, text("eight"));
        assert_eq!(get(&texts, 1, Some(8)).as_deref(), Some("eight"));
    }

    #[test]
    fn texts_are_bounded_and_those_in_use_stay() {
        let most = 100;
        let each = text("text").bytes() + ENTRY_BYTES;
        let texts = ServiceTexts::new(most * each);
        for number in 1..=10 * most as i64 {
            texts.keep(id(number), 1, text("text"));
            assert!(get(&texts, 1, Some(1)).is_some(), "in use, with {number}");
            let halves = texts.halves.lock().unwrap();
            assert!(halves.young.len() + halves.old.len() <= most + 1);
            let bytes: usize = halves.young.values().map(|it| it.text.bytes() + ENTRY_BYTES).sum();
            assert_eq!(halves.young_bytes, bytes);
        }
        assert_eq!(get(&texts, 2, Some(1)), None, "not used for long");
    }
}
