//! Conditions that no response can fulfil, and that are therefore refused where they are written.

use std::net::IpAddr;

use crate::domain::condition::expression::{Comparison, Condition, Operand, Placeholder};
use crate::domain::condition::facts::Facts;
use crate::domain::condition::judge::duration_ms;
use crate::domain::condition::number::Number;

/// What is expected instead of a logical operator between conditions, which the language does not
/// have.
pub(super) fn logical_operator(text: &str) -> Option<&'static str> {
    let is_list = |separator: &str| {
        text.contains(separator)
            && text.split(separator).all(|part| Condition::parse(part.trim()).is_ok())
    };
    if is_list(" && ") {
        Some("one comparison; a list of conditions holds when each of them does")
    } else if is_list(" || ") {
        Some("one comparison; any(…) accepts one of several values")
    } else {
        None
    }
}

/// The error says what is expected instead.
pub(super) fn check(condition: &Condition) -> Result<(), &'static str> {
    let sides = [(&condition.left, &condition.right), (&condition.right, &condition.left)];
    if let [(Operand::Literal(_), Operand::Literal(_)), _] = sides {
        return condition
            .judge(&Facts::default())
            .map_err(|_| "a placeholder such as [STATUS] on one side");
    }
    for (side, other) in sides {
        match side {
            Operand::Pattern(pattern) if !pattern.is_well_formed() => {
                return Err("pat() with a pattern in which each [ has its ], and \\ a character");
            }
            _ if !condition.comparison.is_equality() => by_size(side)?,
            _ => {}
        }
        if condition.comparison == Comparison::Equal {
            let is_possible = |text: &str| possible(other, text);
            match side {
                Operand::Literal(text) => is_possible(text)?,
                Operand::Any(texts) => {
                    let mut results = texts.iter().map(|text| is_possible(text));
                    if let (Some(Err(expected)), true) =
                        (results.next(), results.all(|result| result.is_err()))
                    {
                        return Err(expected);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether an operand can have a size.
fn by_size(operand: &Operand) -> Result<(), &'static str> {
    let has_size = match operand {
        Operand::Literal(text) => Number::parse(text).is_some() || duration_ms(text).is_some(),
        Operand::Placeholder(placeholder) => {
            !matches!(placeholder, Placeholder::Ip | Placeholder::Connected | Placeholder::DnsRcode)
        }
        Operand::Has(_) => false,
        Operand::Len(_) | Operand::Pattern(_) | Operand::Any(_) => true,
    };
    if has_size { Ok(()) } else { Err("numbers or durations on both sides of <, <=, > and >=") }
}

/// Whether `operand` can be equal to `text`.
fn possible(operand: &Operand, text: &str) -> Result<(), &'static str> {
    let is_number = || Number::parse(text).is_some();
    let (is_possible, expected) = match operand {
        Operand::Placeholder(Placeholder::Status) => (is_number(), "[STATUS] and a number"),
        Operand::Len(_) => (is_number(), "len() and a number"),
        Operand::Placeholder(Placeholder::ResponseTime | Placeholder::CertificateExpiration) => {
            (is_number() || duration_ms(text).is_some(), "a time and a duration such as 48h")
        }
        Operand::Placeholder(Placeholder::Connected) | Operand::Has(_) => {
            (matches!(text, "true" | "false"), "[CONNECTED] or has() and true or false")
        }
        Operand::Placeholder(Placeholder::Ip) => {
            (text.parse::<IpAddr>().is_ok(), "[IP] and an IP address or pat()")
        }
        _ => return Ok(()),
    };
    if is_possible { Ok(()) } else { Err(expected) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_can_never_hold_is_refused_where_it_is_written() {
        for (text, expected) in [
            ("[STATUS] >= 200 && [STATUS] < 300", "a list of conditions"),
            ("[STATUS] == 200 || [STATUS] == 204", "any(…)"),
            ("[BODY].a == 1 && [BODY].b == 2 && [STATUS] == 200", "a list of conditions"),
            ("[STATUS] < ok", "numbers or durations"),
            ("fast > [RESPONSE_TIME]", "numbers or durations"),
            ("[IP] < 10", "numbers or durations"),
            ("[CONNECTED] >= true", "numbers or durations"),
            ("has([BODY].a) > 0", "numbers or durations"),
            ("[BODY].a < x", "numbers or durations"),
            ("[STATUS] == OK", "[STATUS] and a number"),
            ("[STATUS] == any(ok, fine)", "[STATUS] and a number"),
            ("[STATUS] == ", "[STATUS] and a number"),
            ("len([BODY].a) == many", "len() and a number"),
            ("[CONNECTED] == yes", "true or false"),
            ("has([BODY].a) == 1", "true or false"),
            ("[IP] == localhost", "an IP address"),
            ("[CERTIFICATE_EXPIRATION] == soon", "a duration"),
            ("1 == 2", "a placeholder"),
            ("[BODY] == pat([a)", "pat()"),
        ] {
            let invalid = Condition::define(text).unwrap_err().to_string();
            assert!(invalid.contains(expected), "{text}: {invalid}");
        }
    }

    #[test]
    fn a_condition_that_may_hold_is_accepted() {
        for text in [
            "[BODY] == a && b",
            "[BODY].query == x || y",
            "[BODY] == pat(*a || b*)",
            "[STATUS] == any(200, ok)",
            "[STATUS] == 200.0",
            "[STATUS] == pat(2*)",
            "[BODY].a < [BODY].b",
            "[RESPONSE_TIME] == 1s",
            "[CONNECTED] == false",
            "len([BODY]) < 5",
            "[IP] == ::1",
            "1 == 1",
            "[BODY] == ",
            "[STATUS] != OK",
        ] {
            assert!(Condition::define(text).is_ok(), "{text}");
        }
    }
}
