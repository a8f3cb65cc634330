//! The text that a response must contain, in which `*` is any text.

use std::collections::VecDeque;
use std::fmt;

/// A pattern in which `*` matches any text.
#[derive(Clone, PartialEq, Eq)]
pub struct Wildcard(String);

impl Wildcard {
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// An incremental search for a match within a text that grows.
    pub fn search(&self) -> Search {
        Search { parts: self.0.split('*').map(|part| part.as_bytes().to_vec()).collect(), from: 0 }
    }

    /// Whether the pattern matches a part of `bytes`.
    pub fn occurs_in(&self, bytes: &[u8]) -> bool {
        self.search().found_in(bytes)
    }
}

/// An incremental search. Reads each byte a few times, however small the increments are.
#[derive(Debug)]
pub struct Search {
    /// Parts between the stars that are not found yet, in order.
    parts: VecDeque<Vec<u8>>,
    /// Offset at which the search continues.
    from: usize,
}

impl Search {
    /// Whether `bytes`, which must begin with the bytes of the previous call, contain a match.
    pub fn found_in(&mut self, bytes: &[u8]) -> bool {
        while let Some(part) = self.parts.front() {
            let Some(at) = memchr::memmem::find(&bytes[self.from.min(bytes.len())..], part) else {
                // The end of the part may not have arrived yet.
                let overlap = part.len().saturating_sub(1);
                self.from = self.from.max(bytes.len().saturating_sub(overlap));
                return false;
            };
            self.from += at + part.len();
            self.parts.pop_front();
        }
        true
    }
}

impl fmt::Debug for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text that a service expects may be a secret.
        f.write_str("***")
    }
}

impl fmt::Display for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        assert!(Wildcard::new("220 *ESMTP").occurs_in(b"\r\n220 mail ESMTP ready"));
        assert!(!Wildcard::new("b*a").occurs_in(b"abc"));
    }

    #[test]
    fn an_incremental_search_finds_the_same_as_a_whole_one() {
        let text = b"220 mail.example ESMTP ready";
        for pattern in ["220 *ESMTP", "ready", "*", "", "2*2*0", "x", "ESMTP*220"] {
            let (pattern, mut search) = (Wildcard::new(pattern), Wildcard::new(pattern).search());
            let found = (0..=text.len()).any(|end| search.found_in(&text[..end]));
            assert_eq!(found, pattern.occurs_in(text), "{pattern}");
        }
    }
}
