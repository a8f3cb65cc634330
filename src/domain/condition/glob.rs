//! Shell patterns for `pat()`, as Gatus matches them (`path.Match` of Go, without separators).

use std::fmt;

/// A pattern: `*` is any text, `?` any character, `[a-z]` one of a range, `[^a-z]` none of it, and
/// `\` takes the next character literally. A malformed pattern, such as `[a`, is taken literally
/// except for `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    text: String,
    /// The parts between the stars; at least one.
    parts: Vec<Part>,
    is_well_formed: bool,
}

/// Characters without a star, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Tokens(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    AnyChar,
    Class { is_negated: bool, ranges: Vec<(char, char)> },
}

impl Glob {
    pub fn new(text: &str) -> Self {
        let parts = parse(text);
        let is_well_formed = parts.is_some();
        let literal = || text.split('*').map(|part| Part::Text(part.to_owned())).collect();
        Self { text: text.to_owned(), parts: parts.unwrap_or_else(literal), is_well_formed }
    }

    /// False for a pattern that Gatus never matches, such as `[a`.
    pub fn is_well_formed(&self) -> bool {
        self.is_well_formed
    }

    /// Whether the pattern matches all of `text`. Takes at most length × length of the pattern
    /// steps.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.parts.split_first() else { return text.is_empty() };
        let Some((last, middle)) = rest.split_last() else {
            return first.prefix_of(text).is_some_and(str::is_empty);
        };
        let Some(mut left) = first.prefix_of(text) else { return false };
        for part in middle {
            let Some(after) = part.find_in(left) else { return false };
            left = after;
        }
        last.ends(left)
    }
}

impl Part {
    /// The rest of `text` behind this part at its start.
    fn prefix_of<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Text(part) => text.strip_prefix(part.as_str()),
            Self::Tokens(tokens) => {
                let mut chars = text.chars();
                tokens
                    .iter()
                    .all(|token| chars.next().is_some_and(|c| token.matches(c)))
                    .then_some(chars.as_str())
            }
        }
    }

    /// The rest of `text` behind the first match.
    fn find_in<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Text(part) => text.find(part.as_str()).map(|at| &text[at + part.len()..]),
            Self::Tokens(_) => text.char_indices().find_map(|(at, _)| self.prefix_of(&text[at..])),
        }
    }

    fn ends(&self, text: &str) -> bool {
        match self {
            Self::Text(part) => text.ends_with(part.as_str()),
            Self::Tokens(tokens) => {
                let mut chars = text.chars().rev();
                tokens.iter().rev().all(|token| chars.next().is_some_and(|c| token.matches(c)))
            }
        }
    }
}

impl Token {
    fn matches(&self, c: char) -> bool {
        match self {
            Self::Char(expected) => *expected == c,
            Self::AnyChar => true,
            Self::Class { is_negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *is_negated
            }
        }
    }
}

/// `None` when the pattern is malformed.
fn parse(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut tokens = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => parts.push(part(std::mem::take(&mut tokens))),
            '?' => tokens.push(Token::AnyChar),
            '\\' => tokens.push(Token::Char(chars.next()?)),
            '[' => tokens.push(class(&mut chars)?),
            _ => tokens.push(Token::Char(c)),
        }
    }
    parts.push(part(tokens));
    Some(parts)
}

fn part(tokens: Vec<Token>) -> Part {
    let text: Option<String> = tokens
        .iter()
        .map(|token| if let Token::Char(c) = token { Some(*c) } else { None })
        .collect();
    text.map_or(Part::Tokens(tokens), Part::Text)
}

/// The rest of a class behind `[`.
fn class(chars: &mut std::str::Chars<'_>) -> Option<Token> {
    let is_negated = chars.as_str().starts_with('^');
    if is_negated {
        chars.next();
    }
    let mut ranges = Vec::new();
    loop {
        let low = match chars.next()? {
            ']' if !ranges.is_empty() => return Some(Token::Class { is_negated, ranges }),
            ']' | '-' => return None,
            '\\' => chars.next()?,
            c => c,
        };
        let mut high = low;
        if chars.as_str().starts_with('-') {
            chars.next();
            high = match chars.next()? {
                ']' | '-' => return None,
                '\\' => chars.next()?,
                c => c,
            };
        }
        ranges.push((low, high));
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, text) in [
            ("*", ""),
            ("a*c", "abc"),
            ("a*b*c", "a1b2c"),
            ("*h*d*e", "john doe"),
            ("x", "x"),
            ("", ""),
            ("[23]*", "200"),
            ("v?", "v1"),
            ("?", "ö"),
            ("[a-c][^a-c]", "bd"),
            ("a\\*c", "a*c"),
            ("\\[x\\]", "[x]"),
            ("*[0-9]", "v12"),
            ("*[0-9]?*", "v12"),
            ("a/*", "a/b/c"),
            ("[\\]a]", "]"),
        ] {
            assert!(Glob::new(pattern).matches(text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a*c", "ab"),
            ("x", "xy"),
            ("a*a", "a"),
            ("[23]*", "400"),
            ("v?", "v10"),
            ("v?", "v"),
            ("[^a-c]", "b"),
            ("a\\*c", "abc"),
            ("a*b?", "ab"),
            ("?", ""),
        ] {
            assert!(!Glob::new(pattern).matches(text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_malformed_pattern_is_literal() {
        for pattern in ["[a", "[]", "a\\", "[a-]", "[-a]", "[^]"] {
            let glob = Glob::new(pattern);
            assert!(!glob.is_well_formed() && glob.matches(pattern), "{pattern}");
        }
        assert!(Glob::new("[a*").matches("[abc"));
        assert!(Glob::new("[a]").is_well_formed());
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        let text = "a".repeat(100_000);
        assert!(!Glob::new(&format!("{}b", "a*".repeat(300))).matches(&text));
        assert!(!Glob::new(&format!("{}b", "?*".repeat(300))).matches(&text));
    }
}
