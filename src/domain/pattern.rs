//! A text in which `*` stands for anything: Gatus's `pat()`, and what an answer is expected to contain.

use std::fmt;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
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

    /// Whether some part of `text` is as the pattern says.
    pub fn is_within(&self, text: &str) -> bool {
        after(text, &self.0).is_some()
    }
}

/// What is left of `text` behind the first place where the parts of `pattern` follow each other.
fn after<'t>(text: &'t str, pattern: &str) -> Option<&'t str> {
    pattern.split('*').try_fold(text, |left, part| {
        let at = left.find(part)?;
        Some(&left[at + part.len()..])
    })
}

impl fmt::Display for Pattern {
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
            assert!(Pattern::new(pattern).fits(text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*c", "ab"), ("x", "xy"), ("a*a", "a"), ("*b", "abc")] {
            assert!(!Pattern::new(pattern).fits(text), "{pattern} {text}");
        }
        assert!(Pattern::new("220 *ESMTP").is_within("\r\n220 mail ESMTP ready"));
        assert!(!Pattern::new("b*a").is_within("abc"));
    }

    #[test]
    fn many_stars_do_not_run_away() {
        let pattern = Pattern::new(&format!("{}b", "a*".repeat(300)));
        assert!(!pattern.fits(&"a".repeat(100_000)));
    }
}
