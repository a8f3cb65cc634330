//! Evaluation of a condition.

use std::cmp::Ordering;

use serde_json::Value;

use crate::domain::condition::expression::{Comparison, Condition, Operand, Placeholder};
use crate::domain::condition::facts::Facts;
use crate::domain::time::duration;

/// Longest value in the explanation of a failed condition, in characters.
const SHOWN_CHARS: usize = 60;

/// The value of an operand; `None` where the response has no such value.
type Resolved = Option<String>;

impl Facts {
    fn text_of(&self, placeholder: &Placeholder) -> Resolved {
        match placeholder {
            Placeholder::Status => Some(self.status?.to_string()),
            Placeholder::ResponseTime => Some(self.response_time.as_millis().to_string()),
            Placeholder::Ip => Some(self.ip?.to_string()),
            Placeholder::DnsRcode => self.dns_rcode.clone(),
            // Conditions are evaluated only after a response.
            Placeholder::Connected => Some("true".to_owned()),
            Placeholder::CertificateExpiration => {
                Some(self.certificate_expires_in?.as_millis().to_string())
            }
            Placeholder::Body(path) if path.is_whole() => Some(self.body.text().to_owned()),
            Placeholder::Body(path) => match path.find(self.body.json()?)? {
                Value::String(text) => Some(text.clone()),
                // 5.0 prints as 5, as in Gatus.
                Value::Number(number) => Some(whole(number).unwrap_or_else(|| number.to_string())),
                other => Some(other.to_string()),
            },
        }
    }

    fn length_of(&self, placeholder: &Placeholder) -> Option<usize> {
        let value = match (placeholder, self.body.json()) {
            (Placeholder::Body(path), Some(json)) => path.find(json),
            _ => None,
        };
        match value {
            Some(Value::Array(items)) => Some(items.len()),
            Some(Value::Object(fields)) => Some(fields.len()),
            _ => Some(self.text_of(placeholder)?.chars().count()),
        }
    }
}

impl Condition {
    /// The error explains the failed condition in the form of Gatus, with the values in
    /// parentheses: `[STATUS] (500) == 200`.
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
        let operator = self.comparison.as_str();
        Err(format!("{} {operator} {}", self.left.explain(&left), self.right.explain(&right)))
    }

    fn equal(&self, left: &Resolved, right: &Resolved) -> bool {
        match (&self.left, &self.right) {
            (Operand::Wildcard(pattern), _) => {
                right.as_ref().is_some_and(|text| pattern.matches(text))
            }
            (_, Operand::Wildcard(pattern)) => {
                left.as_ref().is_some_and(|text| pattern.matches(text))
            }
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
            Self::Placeholder(placeholder) => facts.text_of(placeholder),
            Self::Len(placeholder) => Some(facts.length_of(placeholder)?.to_string()),
            Self::Has(placeholder) => Some(facts.text_of(placeholder).is_some().to_string()),
            Self::Wildcard(_) | Self::Any(_) => None,
        }
    }

    /// The operand, with its value unless it is a literal.
    fn explain(&self, value: &Resolved) -> String {
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

/// Whether both texts are equal, or both are the same integer in any notation.
fn same(left: &Resolved, right: &Resolved) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => {
            left == right || integer(left).is_some_and(|number| integer(right) == Some(number))
        }
        _ => false,
    }
}

/// A JSON float without a fraction, printed as an integer.
fn whole(number: &serde_json::Number) -> Option<String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|_| number.is_f64())?;
    (float.fract() == 0.0 && float.abs() < EXACT).then(|| (float as i64).to_string())
}

/// Compares by size; exact when both are integers.
fn ordering(left: &Resolved, right: &Resolved) -> Option<Ordering> {
    let exact = |value: &Resolved| integer(value.as_deref()?);
    match (exact(left), exact(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => number(left)?.partial_cmp(&number(right)?),
    }
}

/// A number to compare by size; durations in milliseconds.
fn number(value: &Resolved) -> Option<f64> {
    let text = value.as_deref()?;
    integer(text)
        .map(|number| number as f64)
        .or_else(|| text.parse().ok().filter(|number: &f64| number.is_finite()))
        .or_else(|| duration::parse_seconds(text).map(|seconds| seconds * 1e3))
}

/// Decimal, hexadecimal, octal or binary, in the notation of Go.
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
    use std::time::Duration;

    use super::*;
    use crate::domain::condition::facts::Body;

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
    fn conditions_are_fulfilled() {
        let body = r#"{"user": {"name": "john doe"}, "items": [1, 2, 3], "n": 254,
            "f": 2.5, "empty": null, "ok": true, "whole": 5.0, "big": 9007199254740993}"#;
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
        assert_eq!(judged("[BODY].a == 1", "\u{feff}{\"a\": 1}"), Ok(()), "byte order mark");
        assert_eq!(judged("len([BODY]) == 4", "pöng"), Ok(()));
    }

    #[test]
    fn a_failed_condition_is_explained_as_in_gatus() {
        for (condition, body, explanation) in [
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
            assert_eq!(judged(condition, body), Err(explanation.to_owned()), "{condition}");
        }
        let long = judged("[BODY] == x", &"y".repeat(5_000)).unwrap_err();
        assert_eq!(long, format!("[BODY] ({}…) == x", "y".repeat(SHOWN_CHARS)));
    }
}
