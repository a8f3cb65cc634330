//! Regular expressions over the bytes of a response, in the syntax of RE2 and in linear time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use regex::bytes::{Regex, RegexBuilder};

use crate::domain::invalid::Invalid;

/// Longest expression, in bytes.
const MAX_BYTES: usize = 2_048;

/// Most bytes of a compiled expression, and of the cache of a search with it. Together with the
/// limit of a body it bounds the time of a search, which no deadline interrupts.
const SIZE_LIMIT: usize = 256 * 1024;

/// Number of shared expressions at which unused ones are first removed.
const PURGE_AT: usize = 64;

/// A compiled expression. Equal expressions share one, since a list of services often repeats an
/// expression, and a compiled one takes many times the memory of its text.
#[derive(Clone)]
pub struct BytesRegex(Arc<Regex>);

impl BytesRegex {
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const EXPECTED: &str =
            "a regular expression of 1 to 2,048 bytes in the syntax of RE2, without look-around";
        if !(1..=MAX_BYTES).contains(&text.len()) {
            return Err(Invalid::quoted(text, EXPECTED));
        }
        let shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner).find(text);
        if let Some(regex) = shared {
            return Ok(Self(regex));
        }
        let built =
            RegexBuilder::new(text).size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT).build();
        let regex =
            built.map_err(|error| Invalid::quoted(text, EXPECTED).because(reason(&error)))?;
        Ok(Self(SHARED.lock().unwrap_or_else(PoisonError::into_inner).add(Arc::new(regex))))
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// `template` with the groups of the first match in `bytes`: `$1`, `${1}` or `${name}`, and
    /// `$$` for a dollar sign. `None` without a match.
    pub fn expand(&self, bytes: &[u8], template: &str) -> Option<Vec<u8>> {
        // Finding the groups takes longer than finding the match.
        if !self.is_match(bytes) {
            return None;
        }
        if !template.contains('$') {
            return Some(template.as_bytes().to_vec());
        }
        let mut expanded = Vec::new();
        self.0.captures(bytes)?.expand(template.as_bytes(), &mut expanded);
        Some(expanded)
    }

    /// Whether the expression matches anywhere in `bytes`.
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes)
    }
}

/// The last line of the message, which shows the expression itself before.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "too large when compiled".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        }
    }
}

impl PartialEq for BytesRegex {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for BytesRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// The expressions in use. Bound: twice as many as there are in use.
struct Shared {
    known: HashMap<String, Weak<Regex>>,
    purge_at: usize,
}

static SHARED: LazyLock<Mutex<Shared>> =
    LazyLock::new(|| Mutex::new(Shared { known: HashMap::new(), purge_at: PURGE_AT }));

impl Shared {
    fn find(&self, text: &str) -> Option<Arc<Regex>> {
        self.known.get(text).and_then(Weak::upgrade)
    }

    /// Adds `regex`, unless another thread has added an equal one.
    fn add(&mut self, regex: Arc<Regex>) -> Arc<Regex> {
        if let Some(known) = self.find(regex.as_str()) {
            return known;
        }
        if self.known.len() >= self.purge_at {
            self.known.retain(|_, known| known.strong_count() > 0);
            self.purge_at = PURGE_AT.max(2 * self.known.len());
        }
        self.known.insert(regex.as_str().to_owned(), Arc::downgrade(&regex));
        regex
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_expressions_share_one_and_unused_ones_are_removed() {
        let one = BytesRegex::parse("shared [a-c]+").unwrap();
        let other = BytesRegex::parse("shared [a-c]+").unwrap();
        assert!(Arc::ptr_eq(&one.0, &other.0));
        for nth in 0..10 * PURGE_AT {
            BytesRegex::parse(&format!("unused {nth}")).unwrap();
        }
        let shared = SHARED.lock().unwrap();
        let unused = shared.known.keys().filter(|it| it.starts_with("unused ")).count();
        assert!(unused < 5 * PURGE_AT, "{unused}");
    }

    #[test]
    fn an_expression_matches_anywhere_in_any_bytes() {
        let matches = |text: &str, bytes: &[u8]| BytesRegex::parse(text).unwrap().is_match(bytes);
        assert!(matches("k", b"ok") && matches("(?i)OK$", b"is ok") && !matches("^k", b"ok"));
        assert!(matches("b", b"a\xff\x00b"), "no valid UTF-8");
        assert!(matches("a.b", "a\u{fc}b".as_bytes()) && !matches("a.b", b"a\nb"));
    }

    #[test]
    fn groups_of_a_match_fill_a_template() {
        let regex = BytesRegex::parse("PING :([^ ]+) (?<rest>.*)").unwrap();
        let filled = |template: &str| {
            let expanded = regex.expand("x PING :\u{fc} b c".as_bytes(), template);
            expanded.map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(filled("PONG ${1}").as_deref(), Some("PONG \u{fc}"));
        assert_eq!(filled("$rest ${2}. $$1 ${9}").as_deref(), Some("b c b c. $1 "));
        assert_eq!(regex.expand(b"PONG", "a"), None);
    }

    #[test]
    fn what_is_no_expression_or_too_large_is_refused_with_the_reason() {
        for (text, reason) in [
            ("(", "(unclosed group)"),
            ("(?=a)", "look-around"),
            ("(a)\\1", "backreferences"),
            ("\\w{500}", "(too large when compiled)"),
            ("", "expected a regular expression of 1 to 2,048 bytes"),
        ] {
            let error = BytesRegex::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(BytesRegex::parse(&"a".repeat(2_048)).is_ok());
        assert!(BytesRegex::parse(&"a".repeat(2_049)).is_err());
    }
}
