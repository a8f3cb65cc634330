//! Judging a condition by what was seen.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::{Comparison, Condition, Operand, Placeholder};
use crate::domain::time::duration;

/// What some programs put before a text (U+FEFF).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Most of a value that a verdict shows, in characters.
const SHOWN_CHARS: usize = 60;

/// What an answer has in the place of the placeholders.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The status, where the protocol has one.
    pub status: Option<u16>,
    /// Time until the answer was complete.
    pub response_time: Duration,
    /// The address that was dialled.
    pub ip: Option<IpAddr>,
    /// Time until the first certificate of the chain expires.
    pub certificate_expires_in: Option<Duration>,
    /// What a name server answered, as `NOERROR`.
    pub dns_rcode: Option<String>,
    /// What was received, if anybody needs it.
    pub body: Body,
}

/// A body, as text and as JSON where it is JSON.
#[derive(Debug, Clone, Default)]
pub struct Body {
    text: String,
    json: Option<Value>,
}

/// The value of an operand: a text, or nothing where a path leads nowhere.
type Resolved = Option<String>;

impl Body {
    /// The body that `bytes` are, read as UTF-8, and as JSON if `reads_json`.
    pub fn new(bytes: Vec<u8>, reads_json: bool) -> Self {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).map(<[u8]>::to_vec).unwrap_or(bytes);
        let json = if reads_json { serde_json::from_slice(&bytes).ok() } else { None };
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Self { text, json }
    }

    fn text(&self) -> &str {
        self.text.trim()
    }
}

impl Facts {
    fn text_of(&self, place: &Placeholder) -> Resolved {
        match place {
            Placeholder::Status => Some(self.status?.to_string()),
            Placeholder::ResponseTime => Some(self.response_time.as_millis().to_string()),
            Placeholder::Ip => Some(self.ip?.to_string()),
            Placeholder::DnsRcode => self.dns_rcode.clone(),
            // Who is asked for conditions has answered.
            Placeholder::Connected => Some("true".to_owned()),
            Placeholder::CertificateExpiration => {
                Some(self.certificate_expires_in?.as_millis().to_string())
            }
            Placeholder::Body(path) if path.is_whole() => Some(self.body.text().to_owned()),
            Placeholder::Body(path) => match path.find(self.body.json.as_ref()?)? {
                Value::String(text) => Some(text.clone()),
                // As Gatus has it: 5.0 is 5.
                Value::Number(number) => Some(whole(number).unwrap_or_else(|| number.to_string())),
                other => Some(other.to_string()),
            },
        }
    }

    fn length_of(&self, place: &Placeholder) -> Option<usize> {
        let value = match (place, &self.body.json) {
            (Placeholder::Body(path), Some(json)) => path.find(json),
            _ => None,
        };
        match value {
            Some(Value::Array(items)) => Some(items.len()),
            Some(Value::Object(fields)) => Some(fields.len()),
            _ => Some(self.text_of(place)?.chars().count()),
        }
    }
}

impl Condition {
    /// Whether `facts` fulfil the condition. If not, it is told as Gatus tells it, with the values in brackets:
    /// `[STATUS] (500) == 200`.
    pub fn judge(&self, facts: &Facts) -> Result<(), String> {
        let (left, right) = (self.left.resolve(facts), self.right.resolve(facts));
        let fulfilled = match self.comparison {
            Comparison::Equal => self.equal(&left, &right),
            Comparison::NotEqual => !self.equal(&left, &right),
            by_size => ordering(&left, &right).is_some_and(|ordering| holds(by_size, ordering)),
        };
        if fulfilled {
            return Ok(());
        }
        let word = self.comparison.as_str();
        Err(format!("{} {word} {}", self.left.told(&left), self.right.told(&right)))
    }

    fn equal(&self, left: &Resolved, right: &Resolved) -> bool {
        match (&self.left, &self.right) {
            (Operand::Wildcard(pattern), _) => {
                right.as_ref().is_some_and(|text| pattern.fits(text))
            }
            (_, Operand::Wildcard(pattern)) => left.as_ref().is_some_and(|text| pattern.fits(text)),
            (Operand::Any(texts), _) => texts.iter().any(|text| same(&Some(text.clone()), right)),
            (_, Operand::Any(texts)) => texts.iter().any(|text| same(left, &Some(text.clone()))),
            _ => same(left, right),
        }
    }
}

impl Operand {
    fn resolve(&self, facts: &Facts) -> Resolved {
        match self {
            Self::Literal(text) => Some(text.clone()),
            Self::Placeholder(place) => facts.text_of(place),
            Self::Len(place) => Some(facts.length_of(place)?.to_string()),
            Self::Has(place) => Some(facts.text_of(place).is_some().to_string()),
            Self::Wildcard(_) | Self::Any(_) => None,
        }
    }

    /// The operand with the value it had, where it is not plain to see.
    fn told(&self, value: &Resolved) -> String {
        match self {
            Self::Literal(_) | Self::Wildcard(_) | Self::Any(_) => self.to_string(),
            _ => {
                let value = value.as_deref().unwrap_or("INVALID");
                let shown: String = value.chars().take(SHOWN_CHARS).collect();
                let cut = if shown.len() < value.len() { "…" } else { "" };
                format!("{self} ({shown}{cut})")
            }
        }
    }
}

fn holds(comparison: Comparison, ordering: Ordering) -> bool {
    match comparison {
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
        Comparison::Equal => ordering.is_eq(),
        Comparison::NotEqual => ordering.is_ne(),
    }
}

/// Texts are the same when they are, or when both are the same whole number, however it is written.
fn same(left: &Resolved, right: &Resolved) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => {
            left == right || integer(left).is_some_and(|number| integer(right) == Some(number))
        }
        _ => false,
    }
}

/// A JSON number without a fraction, as it is written without one.
fn whole(number: &serde_json::Number) -> Option<String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|_| number.is_f64())?;
    (float.fract() == 0.0 && float.abs() < EXACT).then(|| (float as i64).to_string())
}

/// How two values compare by size: exactly where both are whole.
fn ordering(left: &Resolved, right: &Resolved) -> Option<Ordering> {
    let exact = |value: &Resolved| integer(value.as_deref()?);
    match (exact(left), exact(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => number(left)?.partial_cmp(&number(right)?),
    }
}

/// A number for a comparison by size; a duration counts in milliseconds.
fn number(value: &Resolved) -> Option<f64> {
    let text = value.as_deref()?;
    integer(text)
        .map(|number| number as f64)
        .or_else(|| text.parse().ok().filter(|number: &f64| number.is_finite()))
        .or_else(|| duration::seconds(text).map(|seconds| seconds * 1e3))
}

/// Decimal, hexadecimal, octal or binary, as Go writes them.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let radixes = [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)];
    let based =
        radixes.into_iter().find_map(|(prefix, radix)| Some((digits.strip_prefix(prefix)?, radix)));
    let (digits, radix) = based.unwrap_or((digits, 10));
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(body: &str) -> Facts {
        let days = Duration::from_secs(86_400) * 3;
        let ip = "127.0.0.1".parse().ok();
        Facts {
            status: Some(500),
            response_time: Duration::from_millis(612),
            ip,
            certificate_expires_in: Some(days),
            dns_rcode: Some("NOERROR".to_owned()),
            body: Body::new(body.as_bytes().to_vec(), true),
        }
    }

    fn judged(condition: &str, body: &str) -> Result<(), String> {
        Condition::parse(condition).unwrap().judge(&facts(body))
    }

    #[test]
    fn fulfilled_conditions_are_fulfilled() {
        let body = r#"{"user": {"name": "john doe"}, "items": [1, 2, 3], "n": 254, "f": 2.5, "empty": null, "ok": true,
            "whole": 5.0, "big": 9007199254740993}"#;
        for condition in [
            "[STATUS] == 500",
            "[STATUS] != 200",
            "[STATUS] >= 500",
            "[STATUS] == any(200, 500)",
            "[RESPONSE_TIME] < 1s",
            "[RESPONSE_TIME] > 600",
            "[IP] == pat(127.*)",
            "[CONNECTED] == true",
            "[CERTIFICATE_EXPIRATION] > 48h",
            "[BODY].user.name == john doe",
            "[BODY].user.name == pat(john*)",
            "[BODY].user.name == pat(*h*d*e)",
            "[BODY].n == 0xfe",
            "[BODY].n == 0b11111110",
            "[BODY].n == 0o376",
            "[BODY].f > 2.4",
            "[BODY].ok == true",
            "[BODY].empty == null",
            "len([BODY].items) == 3",
            "len([BODY].user.name) == 8",
            "len([BODY]) == 8",
            "has([BODY].user) == true",
            "has([BODY].nobody) == false",
            "[BODY].items[2] == 3",
            "any(1, 254) == [BODY].n",
            "[DNS_RCODE] == NOERROR",
            "[BODY].whole == 5",
            "[BODY].big > 9007199254740992",
        ] {
            assert_eq!(judged(condition, body), Ok(()), "{condition}");
        }
        assert_eq!(judged("[BODY] == pong", " pong\n"), Ok(()));
        assert_eq!(judged("[BODY].a == 1", "\u{feff}{\"a\": 1}"), Ok(()), "a mark before it");
        assert_eq!(judged("len([BODY]) == 4", "pöng"), Ok(()));
    }

    #[test]
    fn a_failed_condition_is_told_as_gatus_tells_it() {
        for (condition, body, told) in [
            ("[STATUS] == 200", "", "[STATUS] (500) == 200"),
            ("[RESPONSE_TIME] < 500", "", "[RESPONSE_TIME] (612) < 500"),
            ("[BODY].a == 1", r#"{"a": 2}"#, "[BODY].a (2) == 1"),
            ("[BODY].b == 1", r#"{"a": 2}"#, "[BODY].b (INVALID) == 1"),
            ("[BODY].b < 1", r#"{"a": 2}"#, "[BODY].b (INVALID) < 1"),
            ("[BODY].a == 1", "no json", "[BODY].a (INVALID) == 1"),
            ("len([BODY].a) > 2", r#"{"a": [1]}"#, "len([BODY].a) (1) > 2"),
            ("has([BODY].a) == false", r#"{"a": 0}"#, "has([BODY].a) (true) == false"),
            ("[BODY] == pat(*x*)", "abc", "[BODY] (abc) == pat(*x*)"),
            ("[BODY].a == [BODY].b", r#"{"a": 1, "b": 2}"#, "[BODY].a (1) == [BODY].b (2)"),
            ("[CERTIFICATE_EXPIRATION] > 96h", "", "[CERTIFICATE_EXPIRATION] (259200000) > 96h"),
        ] {
            assert_eq!(judged(condition, body), Err(told.to_owned()), "{condition}");
        }
        let long = judged("[BODY] == x", &"y".repeat(5_000)).unwrap_err();
        assert_eq!(long, format!("[BODY] ({}…) == x", "y".repeat(SHOWN_CHARS)));
    }
}
