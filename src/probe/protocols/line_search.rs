//! Searches the lines of a response that grows for one that matches.

use crate::domain::service::bytes_regex::BytesRegex;

/// An incremental search: each line is matched once, when it is complete.
#[derive(Debug)]
pub struct LineSearch<'r> {
    regex: &'r BytesRegex,
    /// Begin of the line that is not complete.
    from: usize,
}

impl<'r> LineSearch<'r> {
    pub fn new(regex: &'r BytesRegex) -> Self {
        Self { regex, from: 0 }
    }

    /// Whether a complete line of `received` matches, which begins with what it was before.
    pub fn found_in(&mut self, received: &[u8]) -> bool {
        while let Some(length) = memchr::memchr(b'\n', &received[self.from..]) {
            let line = &received[self.from..self.from + length];
            self.from += length + 1;
            if self.matches(line) {
                return true;
            }
        }
        false
    }

    /// Whether the last line of `received` matches, which no line end follows.
    pub fn ends_in(&self, received: &[u8]) -> bool {
        let line = &received[self.from..];
        !line.is_empty() && self.matches(line)
    }

    fn matches(&self, line: &[u8]) -> bool {
        self.regex.is_match(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_same_lines_match_however_they_arrive(text in "[ab\r\n]{0,12}", step in 1usize..5) {
            let regex = BytesRegex::parse("^a+$").unwrap();
            let bytes = text.as_bytes();
            let mut search = LineSearch::new(&regex);
            let mut ends: Vec<usize> = (0..bytes.len()).step_by(step).collect();
            ends.push(bytes.len());
            let found = ends.into_iter().any(|end| search.found_in(&bytes[..end]))
                || search.ends_in(bytes);
            let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
            let is_match = |line: &str| !line.is_empty() && line.bytes().all(|it| it == b'a');
            let expected = lines.into_iter().any(is_match);
            prop_assert_eq!(found, expected);
        }
    }
}
