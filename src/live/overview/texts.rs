//! The texts that a search looks in, contiguous in one buffer.

use memchr::memchr;
use memchr::memmem::Finder;

use super::room::make_room;

/// Offsets are multiples of this, so that 32 bits suffice for 32 GiB.
const UNIT: usize = 8;

/// Ends each part of a text: no search has one.
const END: u8 = 0;

/// The place of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TextPart {
    at: u32,
    /// In units.
    length: u16,
}

/// Texts in lower case (ASCII letters). Bound: twice the texts in use.
#[derive(Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    unused: usize,
}

impl Texts {
    /// Adds the parts of a text.
    pub fn add<'t>(&mut self, parts: impl Iterator<Item = &'t str> + Clone) -> TextPart {
        let at = self.bytes.len();
        let length: usize = parts.clone().map(|part| part.len() + 1).sum();
        make_room(&mut self.bytes, length.next_multiple_of(UNIT));
        self.bytes.extend(stored(parts));
        let end = self.bytes.len().next_multiple_of(UNIT);
        self.bytes.resize(end, END);
        // The longest name and URL fill 9 KiB.
        TextPart {
            at: u32::try_from(at / UNIT).unwrap_or(u32::MAX),
            length: u16::try_from((end - at) / UNIT).unwrap_or(u16::MAX),
        }
    }

    /// Gives a text up.
    pub fn remove(&mut self, part: TextPart) {
        self.unused += usize::from(part.length) * UNIT;
    }

    fn get(&self, part: TextPart) -> &[u8] {
        let at = part.at as usize * UNIT;
        self.bytes.get(at..at + usize::from(part.length) * UNIT).unwrap_or_default()
    }

    /// The first part of the text.
    pub fn first_part(&self, part: TextPart) -> &[u8] {
        let text = self.get(part);
        &text[..memchr(END, text).unwrap_or(text.len())]
    }

    /// Whether the text has these parts.
    pub fn has<'t>(&self, part: TextPart, parts: impl Iterator<Item = &'t str>) -> bool {
        let mut padded = self.get(part).iter().copied();
        stored(parts).all(|byte| padded.next() == Some(byte)) && padded.all(|byte| byte == END)
    }

    /// Whether a part of the text contains what `finder` looks for, which is in lower case.
    pub fn contains(&self, part: TextPart, finder: &Finder<'_>) -> bool {
        finder.find(self.get(part)).is_some()
    }

    /// Whether more than half of the buffer is unused.
    pub fn is_wasteful(&self) -> bool {
        self.unused > self.bytes.len() / 2
    }

    /// Drops the unused texts; `used` are the others.
    pub fn compact<'t>(&mut self, used: impl Iterator<Item = &'t mut TextPart>) {
        let mut bytes = Vec::with_capacity(self.bytes.len() - self.unused);
        for part in used {
            let at = bytes.len();
            bytes.extend_from_slice(self.get(*part));
            part.at = u32::try_from(at / UNIT).unwrap_or(u32::MAX);
        }
        *self = Self { bytes, unused: 0 };
    }
}

fn stored<'t>(parts: impl Iterator<Item = &'t str>) -> impl Iterator<Item = u8> {
    let part = |part: &'t str| part.bytes().map(|byte| byte.to_ascii_lowercase()).chain([END]);
    parts.flat_map(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_one_of_its_parts_in_either_case() {
        let mut texts = Texts::default();
        let first = texts.add(["Pay API", "http://u:", "@h/"].into_iter());
        let second = texts.add(["other"].into_iter());
        let contains =
            |texts: &Texts, part, wanted: &str| texts.contains(part, &Finder::new(wanted));
        for (wanted, is_there) in
            [("pay", true), ("http://u:", true), ("u:@h", false), ("other", false)]
        {
            assert_eq!(contains(&texts, first, wanted), is_there, "{wanted}");
        }
        assert!(contains(&texts, second, "other"));
        assert!(texts.has(second, ["Other"].into_iter()));
        assert!(!texts.has(second, ["Other", "more"].into_iter()));
        assert!(!texts.has(second, ["others"].into_iter()));
        assert_eq!(
            (texts.first_part(first), texts.first_part(second)),
            (&b"pay api"[..], &b"other"[..])
        );
        texts.remove(first);
        assert!(texts.is_wasteful());
        let mut second = second;
        texts.compact([&mut second].into_iter());
        assert!(contains(&texts, second, "other") && !texts.is_wasteful());
        assert_eq!(texts.bytes.len(), 8);
    }
}
