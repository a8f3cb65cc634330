//! Conditions that no response can fulfil, and that are therefore refused where they are written.

use std::net::IpAddr;

use crate::domain::condition::expression::{Comparison, Condition, Operand, Placeholder};
use crate::domain::condition::facts::Facts;
use crate::domain::condition::judge::duration_ms;
use crate::domain::condition::number::Number;
use crate::domain::invalid::Invalid;

impl Condition {
    /// Parses one comparison that some response can fulfil.
    pub(super) fn define_single(text: &str) -> Result<Self, Invalid> {
        let condition = Self::parse(text)?;
        check(&condition).map_err(|expected| Invalid::quoted(text, expected))?;
        Ok(condition)
    }
}

/// The error says what is expected instead.
fn check(condition: &Condition) -> Result<(), &'static str> {
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
        Operand::Placeholder(
            Placeholder::ResponseTime
            | Placeholder::CertificateExpiration
            | Placeholder::DomainExpiration,
        ) => (is_number() || duration_ms(text).is_some(), "a time and a duration such as 48h"),
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
