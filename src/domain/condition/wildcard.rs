//! Patterns in which `*` matches any text: `pat()` of Gatus, and the text that a response must
//! contain.

use std::collections::VecDeque;
use std::fmt;

/// A pattern in which `*` matches any text.
#[derive(Clone, PartialEq, Eq)]
pub struct Wildcard(String);

impl Wildcard {
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether the pattern matches all of `text`. Takes at most length × stars steps.
    pub fn matches(&self, text: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(left) = text.strip_prefix(start) else { return false };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        after(left, middle).is_some_and(|left| left.ends_with(end))
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

/// The rest of `text` behind the first match of `pattern`.
fn after<'t>(text: &'t str, pattern: &str) -> Option<&'t str> {
    pattern.split('*').try_fold(text, |left, part| {
        let at = left.find(part)?;
        Some(&left[at + part.len()..])
    })
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
    fn a_star_matches_any_text() {
        for (pattern, text) in
            [("a*c", "abc"), ("*", ""), ("a*", "a"), ("*b*", "abc"), ("a*b*c", "a1b2c"), ("x", "x")]
        {
            assert!(Wildcard::new(pattern).matches(text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*c", "ab"), ("x", "xy"), ("a*a", "a"), ("*b", "abc")] {
            assert!(!Wildcard::new(pattern).matches(text), "{pattern} {text}");
        }
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

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        let pattern = Wildcard::new(&format!("{}b", "a*".repeat(300)));
        assert!(!pattern.matches(&"a".repeat(100_000)));
    }
}
