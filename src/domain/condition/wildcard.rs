//! A text in which `*` stands for anything: Gatus's `pat()`, and what an answer is expected to contain.

use std::collections::VecDeque;
use std::fmt;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard(String);

impl Wildcard {
    /// The pattern as it is written.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether the whole of `text` is as the pattern says. Takes no more than length times stars steps.
    pub fn fits(&self, text: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(left) = text.strip_prefix(start) else { return false };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        after(left, middle).is_some_and(|left| left.ends_with(end))
    }

    /// A search for a part that is as the pattern says, in something that grows.
    pub fn search(&self) -> Search {
        Search { parts: self.0.split('*').map(|part| part.as_bytes().to_vec()).collect(), from: 0 }
    }

    /// Whether some part of `heard` is as the pattern says.
    pub fn is_within(&self, heard: &[u8]) -> bool {
        self.search().finds(heard)
    }
}

/// A search under way. Looks at each byte a few times, however often more of it comes.
#[derive(Debug)]
pub struct Search {
    /// What is still to be found, in order; the stars between are anything.
    parts: VecDeque<Vec<u8>>,
    /// Before it, nothing is to be found any more.
    from: usize,
}

impl Search {
    /// Whether all of it is found in `heard`, which begins with what was given before.
    pub fn finds(&mut self, heard: &[u8]) -> bool {
        while let Some(part) = self.parts.front() {
            let Some(at) = memchr::memmem::find(&heard[self.from.min(heard.len())..], part) else {
                // Its end may be cut off.
                let overlap = part.len().saturating_sub(1);
                self.from = self.from.max(heard.len().saturating_sub(overlap));
                return false;
            };
            self.from += at + part.len();
            self.parts.pop_front();
        }
        true
    }
}

/// What is left of `text` behind the first place where the parts of `pattern` follow each other.
fn after<'t>(text: &'t str, pattern: &str) -> Option<&'t str> {
    pattern.split('*').try_fold(text, |left, part| {
        let at = left.find(part)?;
        Some(&left[at + part.len()..])
    })
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
    fn stars_stand_for_anything() {
        for (pattern, text) in
            [("a*c", "abc"), ("*", ""), ("a*", "a"), ("*b*", "abc"), ("a*b*c", "a1b2c"), ("x", "x")]
        {
            assert!(Wildcard::new(pattern).fits(text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*c", "ab"), ("x", "xy"), ("a*a", "a"), ("*b", "abc")] {
            assert!(!Wildcard::new(pattern).fits(text), "{pattern} {text}");
        }
        assert!(Wildcard::new("220 *ESMTP").is_within(b"\r\n220 mail ESMTP ready"));
        assert!(!Wildcard::new("b*a").is_within(b"abc"));
    }

    #[test]
    fn what_comes_in_pieces_is_found_as_if_it_came_at_once() {
        let text = b"220 mail.example ESMTP ready";
        for pattern in ["220 *ESMTP", "ready", "*", "", "2*2*0", "x", "ESMTP*220"] {
            let (pattern, mut search) = (Wildcard::new(pattern), Wildcard::new(pattern).search());
            let found = (0..=text.len()).any(|end| search.finds(&text[..end]));
            assert_eq!(found, pattern.is_within(text), "{pattern}");
        }
    }

    #[test]
    fn many_stars_do_not_run_away() {
        let pattern = Wildcard::new(&format!("{}b", "a*".repeat(300)));
        assert!(!pattern.fits(&"a".repeat(100_000)));
    }
}
