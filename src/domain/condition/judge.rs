//! Evaluation of a condition.

use std::cmp::Ordering;

use serde_json::Value as Json;

use crate::domain::condition::expression::{Comparison, Condition, Operand, Placeholder};
use crate::domain::condition::facts::Facts;
use crate::domain::condition::number::Number;
use crate::domain::condition::path::Path;
use crate::domain::time::duration;

/// Longest value in the explanation of a failed condition, in characters.
const SHOWN_CHARS: usize = 60;

/// The value of an operand.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Value {
    text: String,
    /// A text compares as text: a version `1.10` is not `1.1`.
    is_number: bool,
}

/// `None` where the response has no such value.
type Resolved = Option<Value>;

impl Value {
    fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_number: false }
    }

    fn number(number: &impl ToString) -> Self {
        Self { text: number.to_string(), is_number: true }
    }

    /// The number of the value for a comparison by size; durations in milliseconds.
    fn size(&self) -> Option<Number> {
        Number::parse(&self.text).or_else(|| duration_ms(&self.text))
    }
}

pub(super) fn duration_ms(text: &str) -> Option<Number> {
    Number::from_seconds(duration::parse_seconds(text)?)
}

impl Facts {
    fn value_of(&self, placeholder: &Placeholder) -> Resolved {
        match placeholder {
            Placeholder::Status => Some(Value::number(&self.status?)),
            Placeholder::ResponseTime => Some(Value::number(&self.response_time.as_millis())),
            Placeholder::Ip => Some(Value::text(self.ip?.to_string())),
            Placeholder::DnsRcode => self.dns_rcode.clone().map(Value::text),
            Placeholder::Connected => Some(Value::text(self.connected.to_string())),
            // Without a certificate 0, as in Gatus.
            Placeholder::CertificateExpiration => {
                let expires_in = self.certificate_expires_in.unwrap_or_default();
                Some(Value::number(&expires_in.as_millis()))
            }
            // Of a domain that its registry does not have 0, as in Gatus.
            Placeholder::DomainExpiration => {
                let expires_in = self.domain_expires_in.unwrap_or_default();
                Some(Value::number(&expires_in.as_millis()))
            }
            Placeholder::Body(path) if path.is_whole() => {
                let text = self.body.text();
                let is_number = matches!(self.body.json(), Some(Json::Number(_)));
                Some(Value { text: text.to_owned(), is_number })
            }
            Placeholder::Body(path) => match path.find(self.body.json()?)? {
                Json::String(text) => Some(Value::text(text)),
                Json::Number(number) => Some(self.number_of(number, path)),
                other => Some(Value::text(other.to_string())),
            },
        }
    }

    /// A JSON number in its shortest form, with all its digits: 5.0 is 5, as in Gatus.
    fn number_of(&self, number: &serde_json::Number, path: &Path) -> Value {
        if !number.is_f64() {
            return Value::number(number);
        }
        let exact = path.find_text(self.body.text()).and_then(Number::parse);
        exact.map_or_else(|| Value::number(number), |exact| Value::number(&exact))
    }

    /// Elements of a list; characters of any other value. An object is measured as JSON without
    /// spaces, the whole body as it is.
    fn length_of(&self, placeholder: &Placeholder) -> Option<usize> {
        if let (Placeholder::Body(path), Some(json)) = (placeholder, self.body.json())
            && let Some(Json::Array(items)) = path.find(json)
        {
            return Some(items.len());
        }
        Some(self.value_of(placeholder)?.text.chars().count())
    }

    /// As in Gatus, null and an empty body are no values.
    fn has(&self, placeholder: &Placeholder) -> bool {
        match (placeholder, self.body.json()) {
            (Placeholder::Body(path), _) if path.is_whole() => !self.body.is_empty(),
            (Placeholder::Body(path), Some(json)) => {
                path.find(json).is_some_and(|value| !value.is_null())
            }
            (Placeholder::CertificateExpiration, _) => self.certificate_expires_in.is_some(),
            (Placeholder::DomainExpiration, _) => self.domain_expires_in.is_some(),
            _ => self.value_of(placeholder).is_some(),
        }
    }
}

impl Condition {
    /// The error explains the failed condition in the form of Gatus, with the values in
    /// parentheses: `[STATUS] (500) == 200`.
    pub fn judge(&self, facts: &Facts) -> Result<(), String> {
        let (left, right) = (self.left.resolve(facts), self.right.resolve(facts));
        let fulfilled = match self.comparison {
            Comparison::Equal => self.equal_in(facts, &left, &right),
            Comparison::NotEqual => !self.equal_in(facts, &left, &right),
            by_size => ordering(&left, &right).is_some_and(|ordering| holds(by_size, ordering)),
        };
        if fulfilled {
            return Ok(());
        }
        let operator = self.comparison.as_str();
        Err(format!("{} {operator} {}", self.left.explain(&left), self.right.explain(&right)))
    }

    /// Whether the sides are equal, with `[BODY]` as a whole or as any of its records.
    fn equal_in(&self, facts: &Facts, left: &Resolved, right: &Resolved) -> bool {
        let side = |operand: &Operand, value: &Resolved, record: &str| match operand {
            Operand::Placeholder(Placeholder::Body(path)) if path.is_whole() => {
                Some(Value::text(record))
            }
            _ => value.clone(),
        };
        self.equal(left, right)
            || facts.body.records().iter().any(|record| {
                self.equal(&side(&self.left, left, record), &side(&self.right, right, record))
            })
    }

    fn equal(&self, left: &Resolved, right: &Resolved) -> bool {
        match (&self.left, left, &self.right, right) {
            (Operand::Pattern(pattern), _, _, Some(value))
            | (_, Some(value), Operand::Pattern(pattern), _) => pattern.matches(&value.text),
            (Operand::Any(texts), _, other, Some(value))
            | (other, Some(value), Operand::Any(texts), _) => {
                let is_time = other.is_time();
                texts.iter().any(|text| same(&Value::text(text), value, is_time))
            }
            (left_side, Some(left), right_side, Some(right)) => {
                same(left, right, left_side.is_time() || right_side.is_time())
            }
            _ => false,
        }
    }
}

impl Operand {
    fn resolve(&self, facts: &Facts) -> Resolved {
        match self {
            Self::Literal(text) => Some(Value::text(literal(text))),
            Self::Placeholder(placeholder) => facts.value_of(placeholder),
            Self::Len(placeholder) => Some(Value::number(&facts.length_of(placeholder)?)),
            Self::Has(placeholder) => Some(Value::text(facts.has(placeholder).to_string())),
            Self::Pattern(_) | Self::Any(_) => None,
        }
    }

    /// Whether the value is a number of milliseconds.
    fn is_time(&self) -> bool {
        matches!(
            self,
            Self::Placeholder(
                Placeholder::ResponseTime
                    | Placeholder::CertificateExpiration
                    | Placeholder::DomainExpiration
            )
        )
    }

    /// The operand, with its value unless it is a literal.
    fn explain(&self, value: &Resolved) -> String {
        match self {
            Self::Literal(_) | Self::Pattern(_) | Self::Any(_) => self.to_string(),
            _ => {
                let value = value.as_ref().map_or("INVALID", |value| &value.text);
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

/// A list without spaces, as values of the response are printed.
fn literal(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(list @ Json::Array(_)) => list.to_string(),
        _ => text.to_owned(),
    }
}

/// Whether both texts are equal, or both are the same integer in any notation. A number of the
/// response is equal to a number of the same value; a time (`is_time`) also to a duration.
fn same(left: &Value, right: &Value, is_time: bool) -> bool {
    if left.text == right.text {
        return true;
    }
    let parse = if left.is_number || right.is_number { Number::parse } else { Number::integer };
    let number =
        |value: &Value| parse(&value.text).or_else(|| duration_ms(&value.text).filter(|_| is_time));
    number(left).is_some_and(|number_left| number(right) == Some(number_left))
}

/// Compares by size, exactly.
fn ordering(left: &Resolved, right: &Resolved) -> Option<Ordering> {
    Some(left.as_ref()?.size()?.cmp(&right.as_ref()?.size()?))
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
            connected: true,
            status: Some(500),
            response_time: Duration::from_millis(612),
            ip,
            certificate_expires_in: Some(days),
            domain_expires_in: Some(days * 10),
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
            "f": 2.5, "empty": null, "ok": true, "whole": 5.0, "big": 9007199254740993,
            "price": 1.10, "huge": 12345678901234567890, "beyond": 123456789012345678901,
            "version": "1.10", "none": [], "a.b": 1, "c d": 2}"#;
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
            "[DOMAIN_EXPIRATION] == 720h",
            "[DOMAIN_EXPIRATION] >= 2592000000",
            "has([DOMAIN_EXPIRATION]) == true",
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
            "len([BODY].user) == 19",
            "has([BODY].user) == true",
            "has([BODY].nobody) == false",
            "has([BODY].empty) == false",
            "[BODY].items[2] == 3",
            "any(1, 254) == [BODY].n",
            "[DNS_RCODE] == NOERROR",
            "[BODY].whole == 5",
            "[BODY].big > 9007199254740992",
            "[BODY].price == 1.1",
            "[BODY].price == any(7, 1.100)",
            "[BODY].price >= 1.1",
            "[BODY].huge > 12345678901234567889",
            "[BODY].huge == 12345678901234567890",
            "[BODY].beyond > 123456789012345678900",
            "[BODY].beyond == 123456789012345678901",
            "[BODY].beyond != 123456789012345678902",
            "[BODY].version != 1.1",
            "[BODY].version == 1.10",
            "[BODY].none == []",
            "[BODY].items == [1, 2, 3]",
            "[BODY][\"a.b\"] == 1",
            "[BODY].c d == 2",
            "[STATUS] == 500.0",
            "[STATUS] == 5e2",
            "[RESPONSE_TIME] == 612ms",
            "[STATUS] == pat([45]??)",
            "[CERTIFICATE_EXPIRATION] != 0",
        ] {
            assert_eq!(judged(condition, body), Ok(()), "{condition}");
        }
        assert_eq!(judged("[BODY] == pong", " pong\n"), Ok(()));
        assert_eq!(judged("[BODY].a == 1", "\u{feff}{\"a\": 1}"), Ok(()), "byte order mark");
        assert_eq!(judged("len([BODY]) == 4", "pöng"), Ok(()));
        assert_eq!(judged("len([BODY]) == 20", r#"{"name": "anna.ray"}"#), Ok(()));
        assert_eq!(judged("len([BODY]) == 2", "[1, 2]"), Ok(()));
        assert_eq!(judged("[BODY] == 1.1", "1.10"), Ok(()), "the body is a JSON number");
        for body in ["", "  "] {
            assert_eq!(judged("[BODY] == ", body), Ok(()));
            assert_eq!(judged("has([BODY]) == false", body), Ok(()));
        }
        let plain = Facts { certificate_expires_in: None, ..facts("") };
        for condition in ["[CERTIFICATE_EXPIRATION] == 0", "has([CERTIFICATE_EXPIRATION]) == false"]
        {
            assert_eq!(Condition::parse(condition).unwrap().judge(&plain), Ok(()), "over http");
        }
    }

    #[test]
    fn a_body_of_records_is_equal_to_each_of_them() {
        let records = ["192.0.2.1", "192.0.2.2"].map(str::to_owned);
        let body = Body::new(records.join("\n").into_bytes(), false);
        let facts = Facts { body: body.with_records(records.to_vec()), ..facts("") };
        let judged = |condition: &str| Condition::parse(condition).unwrap().judge(&facts);
        for condition in [
            "[BODY] == 192.0.2.1",
            "192.0.2.2 == [BODY]",
            "[BODY] == any(192.0.2.2, 192.0.2.3)",
            "[BODY] == pat(192.0.2.?)",
            "[BODY] == pat(*1*2)",
            "[BODY] != 192.0.2.3",
            "[DNS_RCODE] == NOERROR",
        ] {
            assert_eq!(judged(condition), Ok(()), "{condition}");
        }
        for condition in ["[BODY] != 192.0.2.1", "[BODY] == any(192.0.2.3)", "[STATUS] != 500"] {
            assert!(judged(condition).is_err(), "{condition}");
        }
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
