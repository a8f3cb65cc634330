//! Parsing and printing of conditions.

use std::fmt;

use crate::domain::condition::glob::Glob;
use crate::domain::condition::path::Path;
use crate::domain::invalid::Invalid;

/// Longest condition, in characters.
pub const CONDITION_MAX_CHARS: usize = 1_000;

/// A comparison that a response must fulfil.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub(super) left: Operand,
    pub(super) comparison: Comparison,
    pub(super) right: Operand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
}

impl Comparison {
    /// In the order of parsing: `<=` before `<`, which it contains.
    const ALL: [Self; 6] = [
        Self::Equal,
        Self::NotEqual,
        Self::LessOrEqual,
        Self::GreaterOrEqual,
        Self::Less,
        Self::Greater,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::LessOrEqual => "<=",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::Greater => ">",
        }
    }

    pub(super) fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    Literal(String),
    Placeholder(Placeholder),
    /// `len(…)`: characters of a text, elements of a list, keys of a map.
    Len(Placeholder),
    /// `has(…)`: whether the response has the value.
    Has(Placeholder),
    /// `pat(…)`
    Pattern(Glob),
    /// `any(…, …)`: one of these texts.
    Any(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Placeholder {
    Status,
    ResponseTime,
    Ip,
    Connected,
    CertificateExpiration,
    DomainExpiration,
    DnsRcode,
    /// The whole body, or the value at a path of its JSON.
    Body(Path),
}

impl Condition {
    const EXPECTED: &'static str = "a condition such as [STATUS] == 200, [RESPONSE_TIME] < 300 \
         or [BODY].status == UP, of at most 1,000 characters";

    /// Conditions are stored as they print, so a condition that does not parse back is rejected.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let condition = Self::parse_once(text)?;
        let printed = condition.to_string();
        if printed == text || Self::parse_once(&printed).as_ref() == Ok(&condition) {
            return Ok(condition);
        }
        Err(Invalid::quoted(text, Self::EXPECTED))
    }

    fn parse_once(text: &str) -> Result<Self, Invalid> {
        let reject = |expected: &'static str| Invalid::quoted(text, expected);
        let has_control = text.contains(char::is_control);
        if has_control || text.chars().count() > CONDITION_MAX_CHARS {
            return Err(reject(Self::EXPECTED));
        }
        // Nothing on the right is the empty text.
        let padded = format!("{text} ");
        let text = if text.ends_with(" ==") || text.ends_with(" !=") { &padded } else { text };
        let split = Comparison::ALL.into_iter().find_map(|comparison| {
            let spaced = format!(" {} ", comparison.as_str());
            let (left, right) = text.split_once(&spaced)?;
            Some((left.trim(), comparison, right.trim()))
        });
        let Some((left, comparison, right)) = split else { return Err(reject(Self::EXPECTED)) };
        if left.is_empty() {
            return Err(reject(Self::EXPECTED));
        }
        let left = Operand::parse(left).map_err(reject)?;
        let right = Operand::parse(right).map_err(reject)?;
        let is_set = |side: &Operand| matches!(side, Operand::Pattern(_) | Operand::Any(_));
        if !comparison.is_equality() && (is_set(&left) || is_set(&right)) {
            return Err(reject("pat() and any() with == and != only"));
        }
        if is_set(&left) && is_set(&right) {
            return Err(reject("pat() or any() on one side only"));
        }
        Ok(Self { left, comparison, right })
    }

    /// Whether evaluation needs the body of the response.
    pub fn needs_body(&self) -> bool {
        self.paths().next().is_some()
    }

    /// Whether the condition judges the status.
    pub fn reads_status(&self) -> bool {
        let is_status = |operand: &Operand| *operand == Operand::Placeholder(Placeholder::Status);
        [&self.left, &self.right].into_iter().any(is_status)
    }

    /// Whether evaluation needs the body as JSON.
    pub fn reads_json(&self) -> bool {
        let measures = |operand: &Operand| matches!(operand, Operand::Len(Placeholder::Body(_)));
        [&self.left, &self.right].into_iter().any(measures)
            || self.paths().any(|path| !path.is_whole())
    }

    /// Whether evaluation needs the expiry of the target's domain.
    pub fn needs_domain(&self) -> bool {
        [&self.left, &self.right].into_iter().any(|operand| {
            matches!(
                operand,
                Operand::Placeholder(Placeholder::DomainExpiration)
                    | Operand::Len(Placeholder::DomainExpiration)
                    | Operand::Has(Placeholder::DomainExpiration)
            )
        })
    }

    /// All paths into the body.
    fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.left, &self.right].into_iter().filter_map(|operand| match operand {
            Operand::Placeholder(Placeholder::Body(path))
            | Operand::Len(Placeholder::Body(path))
            | Operand::Has(Placeholder::Body(path)) => Some(path),
            _ => None,
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.left, self.comparison.as_str(), self.right)
    }
}

impl Operand {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(inner) = call("len", text) {
            return Placeholder::inside(inner).map(Self::Len);
        }
        if let Some(inner) = call("has", text) {
            return Placeholder::inside(inner).map(Self::Has);
        }
        if let Some(inner) = call("pat", text) {
            return Ok(Self::Pattern(Glob::new(inner)));
        }
        if let Some(inner) = call("any", text) {
            return Ok(Self::Any(inner.split(',').map(|one| one.trim().to_owned()).collect()));
        }
        match Placeholder::parse(text)? {
            Some(placeholder) => Ok(Self::Placeholder(placeholder)),
            None => Ok(Self::Literal(text.to_owned())),
        }
    }
}

fn call<'a>(name: &str, text: &'a str) -> Option<&'a str> {
    text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')').map(str::trim)
}

/// A list is compared as JSON without spaces: `[BODY].items == []`.
fn is_json_list(text: &str) -> bool {
    serde_json::from_str::<Vec<serde_json::Value>>(text).is_ok()
}

impl Placeholder {
    const EXPECTED: &'static str = "[STATUS], [RESPONSE_TIME], [IP], [CONNECTED], \
         [CERTIFICATE_EXPIRATION], [DOMAIN_EXPIRATION], [DNS_RCODE] or [BODY] with a path";

    /// `None` for a literal. The case of the name does not matter, as in Gatus.
    fn parse(text: &str) -> Result<Option<Self>, &'static str> {
        let Some(end) = text.find(']').filter(|_| text.starts_with('[')) else {
            return if text.starts_with('[') { Err(Self::EXPECTED) } else { Ok(None) };
        };
        if is_json_list(text) {
            return Ok(None);
        }
        let (name, path) = text.split_at(end + 1);
        let text = &format!("{}{path}", name.to_ascii_uppercase());
        if let Some(rest) = text.strip_prefix("[BODY]") {
            let path =
                Path::parse(rest).ok_or("[BODY] with a path such as [BODY].items[0].name")?;
            return Ok(Some(Self::Body(path)));
        }
        match text.as_str() {
            "[STATUS]" => Ok(Some(Self::Status)),
            "[RESPONSE_TIME]" => Ok(Some(Self::ResponseTime)),
            "[IP]" => Ok(Some(Self::Ip)),
            "[CONNECTED]" => Ok(Some(Self::Connected)),
            "[CERTIFICATE_EXPIRATION]" => Ok(Some(Self::CertificateExpiration)),
            "[DOMAIN_EXPIRATION]" => Ok(Some(Self::DomainExpiration)),
            "[DNS_RCODE]" => Ok(Some(Self::DnsRcode)),
            _ if text.starts_with("[CONTEXT]") => {
                Err("a condition without [CONTEXT], which is not supported")
            }
            _ => Err(Self::EXPECTED),
        }
    }

    /// The argument of `len()` or `has()`.
    fn inside(text: &str) -> Result<Self, &'static str> {
        Self::parse(text)?.ok_or("len() and has() of a placeholder")
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("[STATUS]"),
            Self::ResponseTime => f.write_str("[RESPONSE_TIME]"),
            Self::Ip => f.write_str("[IP]"),
            Self::Connected => f.write_str("[CONNECTED]"),
            Self::CertificateExpiration => f.write_str("[CERTIFICATE_EXPIRATION]"),
            Self::DomainExpiration => f.write_str("[DOMAIN_EXPIRATION]"),
            Self::DnsRcode => f.write_str("[DNS_RCODE]"),
            Self::Body(path) => write!(f, "[BODY]{path}"),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Placeholder(placeholder) => placeholder.fmt(f),
            Self::Len(placeholder) => write!(f, "len({placeholder})"),
            Self::Has(placeholder) => write!(f, "has({placeholder})"),
            Self::Pattern(pattern) => write!(f, "pat({pattern})"),
            Self::Any(texts) => write!(f, "any({})", texts.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_conditions_of_the_readme_of_gatus_are_parsed_and_printed_back() {
        for text in [
            "[STATUS] == 200",
            "[STATUS] < 300",
            "[STATUS] == any(200, 429)",
            "[CONNECTED] == true",
            "[RESPONSE_TIME] < 500",
            "[IP] == 127.0.0.1",
            "[BODY] == 1",
            "[BODY].user.name == john",
            "[BODY].data[0].id == 1",
            "[BODY][0].id == [BODY][1].id",
            "len([BODY].data) < 5",
            "len([BODY].name) == 8",
            "has([BODY].errors) == false",
            "[BODY].name == pat(john*)",
            "[BODY].id == any(1, 2)",
            "[CERTIFICATE_EXPIRATION] > 48h",
            "[DOMAIN_EXPIRATION] > 720h",
            "[BODY].mode == 0xfe",
            "[DNS_RCODE] == NOERROR",
            "[BODY].items == []",
            "[BODY] == ",
            "[BODY][\"a.b\"].c d == 1",
        ] {
            assert_eq!(Condition::parse(text).unwrap().to_string(), text);
        }
        for (text, printed) in [
            ("  [STATUS]  ==  200 ", "[STATUS] == 200"),
            ("[status] == 200", "[STATUS] == 200"),
            ("len([Body].Items) == 2", "len([BODY].Items) == 2"),
            ("[BODY] ==", "[BODY] == "),
        ] {
            assert_eq!(Condition::parse(text).unwrap().to_string(), printed);
        }
    }

    #[test]
    fn an_invalid_condition_is_rejected_with_what_was_expected() {
        for (text, expected) in [
            ("", "a condition such as"),
            ("[STATUS]", "a condition such as"),
            ("[STATUS]==200", "a condition such as"),
            (" == 200", "a condition such as"),
            ("[STATUS == 200", "[STATUS], [RESPONSE_TIME]"),
            ("[STATSU] == 200", "[STATUS], [RESPONSE_TIME]"),
            ("[BODY]x == 1", "[BODY] with a path"),
            ("len(5) == 1", "len() and has() of a placeholder"),
            ("[STATUS] < any(1, 2)", "with == and != only"),
            ("pat(a*) == any(1, 2)", "on one side only"),
            ("[CONTEXT].id == 1", "without [CONTEXT]"),
        ] {
            let invalid = Condition::parse(text).unwrap_err().to_string();
            assert!(invalid.contains(expected), "{text}: {invalid}");
        }
    }

    #[test]
    fn a_condition_that_would_print_as_another_is_rejected() {
        assert!(Condition::parse("any(x,!= p) != t").is_err(), "found by fuzzing");
        assert!(Condition::parse(&format!("any({}) != t", ",".repeat(900))).is_err());
    }

    proptest! {
        /// The parser never panics, and every parsed condition prints as a text that parses back.
        #[test]
        fn a_printed_condition_parses_back(
            left in "(\\[[A-Z_]{2,6}\\](\\.[a-z]{1,3}|\\[[0-9]\\]){0,3}|len\\(\\[BODY\\]\\)\
                |pat\\(.{0,5}\\)|any\\(.{0,9}\\)|.{0,9})",
            operator in "(==|!=|<|<=|>|>=)",
            right in ".{0,12}",
        ) {
            let text = format!("{left} {operator} {right}");
            if let Ok(condition) = Condition::parse(&text) {
                let again = Condition::parse(&condition.to_string());
                prop_assert_eq!(again, Ok(condition));
            }
        }
    }
}
