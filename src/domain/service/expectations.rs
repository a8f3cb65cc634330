//! What an HTTP response must fulfil beside conditions: statuses, and regular expressions over body
//! and headers.

use std::fmt;

use crate::domain::invalid::Invalid;
use crate::domain::service::bytes_regex::BytesRegex;

/// The fields of the API, which results name.
pub const ACCEPT_STATUS: &str = "accept_status";
pub const BODY_MATCHES: &str = "body_matches";
pub const BODY_LACKS: &str = "body_lacks";
pub const HEADER_MATCHES: &str = "header_matches";
pub const HEADER_LACKS: &str = "header_lacks";

/// A status, or a range of statuses with both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    first: u16,
    last: u16,
}

impl StatusRange {
    /// Parses `404` or `200-299`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let status = |text: &str| {
            let is_written_so = text.len() == 3 && text.bytes().all(|it| it.is_ascii_digit());
            text.parse().ok().filter(|status| is_written_so && (100..=999).contains(status))
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (status(first), status(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => {
                let expected = "a status from 100 to 999, or a range such as 200-299";
                Err(Invalid::quoted(text, expected))
            }
        }
    }

    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// An expectation of the values of a header.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderRegex {
    /// Compared regardless of case.
    pub name: String,
    pub regex: BytesRegex,
    /// Whether a response without the header fulfils the expectation.
    pub allow_missing: bool,
}

/// All must be fulfilled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expectations {
    /// Instead of the rule that a status below 400 is up; empty without one.
    pub accept_status: Vec<StatusRange>,
    /// Each must match.
    pub body_matches: Vec<BytesRegex>,
    /// None may match.
    pub body_lacks: Vec<BytesRegex>,
    /// Each must match a value of its header.
    pub header_matches: Vec<HeaderRegex>,
    /// None may match a value of its header.
    pub header_lacks: Vec<HeaderRegex>,
}

/// What a response does not fulfil.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet {
    Status,
    /// A header or the body.
    Content,
}

/// The result of one expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The field and the expectation, and what was found where it is not fulfilled.
    pub text: String,
    /// `None` when it is fulfilled.
    pub unmet: Option<Unmet>,
}

impl Check {
    fn new(expectation: String, found: Option<&str>, unmet: Unmet) -> Self {
        match found {
            None => Self { text: expectation, unmet: None },
            Some(found) => Self { text: format!("{expectation}: {found}"), unmet: Some(unmet) },
        }
    }
}

impl Expectations {
    pub fn needs_body(&self) -> bool {
        !self.body_matches.is_empty() || !self.body_lacks.is_empty()
    }

    /// The expectation of `status`, which `text` describes; `None` without one.
    pub fn check_status(&self, status: u16, text: &str) -> Option<Check> {
        if self.accept_status.is_empty() {
            return None;
        }
        let accepted: Vec<String> = self.accept_status.iter().map(ToString::to_string).collect();
        let expectation = format!("{ACCEPT_STATUS} {}", accepted.join(", "));
        let is_accepted = self.accept_status.iter().any(|range| range.contains(status));
        Some(Check::new(expectation, (!is_accepted).then_some(text), Unmet::Status))
    }

    /// The expectations of headers and body; `values` are those of the header with a name in lower
    /// case.
    pub fn check_content<'v>(
        &self,
        values: impl Fn(&str) -> Vec<&'v [u8]>,
        body: &[u8],
    ) -> Vec<Check> {
        let mut checks = Vec::new();
        for (field, all, must_match) in [
            (HEADER_MATCHES, &self.header_matches, true),
            (HEADER_LACKS, &self.header_lacks, false),
        ] {
            for HeaderRegex { name, regex, allow_missing } in all {
                let expectation = format!("{field} {name} {:?}", regex.as_str());
                let values = values(&name.to_ascii_lowercase());
                let unmet = match values.is_empty() {
                    true => (!allow_missing).then_some("no such header"),
                    false => unmet(values.iter().any(|it| regex.is_match(it)), must_match),
                };
                checks.push(Check::new(expectation, unmet, Unmet::Content));
            }
        }
        for (field, all, must_match) in
            [(BODY_MATCHES, &self.body_matches, true), (BODY_LACKS, &self.body_lacks, false)]
        {
            for regex in all {
                let expectation = format!("{field} {:?}", regex.as_str());
                let unmet = unmet(regex.is_match(body), must_match);
                checks.push(Check::new(expectation, unmet, Unmet::Content));
            }
        }
        checks
    }
}

fn unmet(is_match: bool, must_match: bool) -> Option<&'static str> {
    match (is_match, must_match) {
        (true, false) => Some("a match"),
        (false, true) => Some("no match"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn regex(text: &str) -> BytesRegex {
        BytesRegex::parse(text).unwrap()
    }

    fn range(text: &str) -> StatusRange {
        StatusRange::parse(text).unwrap()
    }

    proptest! {
        #[test]
        fn a_range_is_displayed_as_it_is_parsed(first in 100u16..=999, more in 0u16..900) {
            let last = (first + more).min(999);
            let written = if more == 0 { first.to_string() } else { format!("{first}-{last}") };
            let range = range(&written);
            prop_assert_eq!(StatusRange::parse(&range.to_string()).unwrap(), range);
            for status in 0..=1_200 {
                prop_assert_eq!(range.contains(status), first <= status && status <= last);
            }
        }

        #[test]
        fn any_other_text_is_no_range(text in "[0-9x -]{0,9}") {
            let parts: Vec<&str> = text.split('-').collect();
            let fits = |it: &&str| it.len() == 3 && it.parse::<u16>().is_ok_and(|it| it >= 100);
            let numbers = || parts.iter().map(|it| it.parse::<u16>().unwrap());
            let is_range = (1..=2).contains(&parts.len())
                && parts.iter().all(fits)
                && numbers().is_sorted();
            prop_assert_eq!(StatusRange::parse(&text).is_ok(), is_range);
        }
    }

    #[test]
    fn a_status_that_is_not_accepted_is_named() {
        let accept_status = vec![range("200-299"), range("404")];
        let expectations = Expectations { accept_status, ..Expectations::default() };
        let check = |status, text: &str| expectations.check_status(status, text).unwrap();
        for status in [200, 299, 404] {
            assert_eq!(check(status, "?").unmet, None, "{status}");
        }
        let refused = check(503, "503 Service Unavailable");
        assert_eq!(refused.unmet, Some(Unmet::Status));
        assert_eq!(refused.text, "accept_status 200-299, 404: 503 Service Unavailable");
        assert_eq!(Expectations::default().check_status(503, ""), None);
    }

    #[test]
    fn headers_and_body_are_judged_and_a_missing_header_only_where_it_is_allowed() {
        let header = |name: &str, text: &str, allow_missing| HeaderRegex {
            name: name.to_owned(),
            regex: regex(text),
            allow_missing,
        };
        let expectations = Expectations {
            accept_status: Vec::new(),
            body_matches: vec![regex("ok"), regex("^ready")],
            body_lacks: vec![regex("error"), regex("o.")],
            header_matches: vec![
                header("X-Two", "^b$", false),
                header("X-Two", "c", false),
                header("X-None", "a", false),
                header("X-None", "a", true),
            ],
            header_lacks: vec![
                header("x-two", "c", false),
                header("x-two", "a", false),
                header("x-none", "a", false),
                header("x-none", "a", true),
            ],
        };
        assert!(expectations.needs_body());
        let values = |name: &str| match name {
            "x-two" => vec![&b"a"[..], b"b"],
            _ => Vec::new(),
        };
        let checks = expectations.check_content(values, b"ok");
        let unmet: Vec<&str> = checks
            .iter()
            .filter(|check| check.unmet == Some(Unmet::Content))
            .map(|check| check.text.as_str())
            .collect();
        assert_eq!(
            unmet,
            [
                "header_matches X-Two \"c\": no match",
                "header_matches X-None \"a\": no such header",
                "header_lacks x-two \"a\": a match",
                "header_lacks x-none \"a\": no such header",
                "body_matches \"^ready\": no match",
                "body_lacks \"o.\": a match",
            ]
        );
        assert_eq!(checks.len(), 12);
    }
}
