//! Conditions as they are written anew: one that no response can fulfil is refused.

use crate::domain::condition::expression::Condition;
use crate::domain::condition::joined::{self, Joint};
use crate::domain::invalid::Invalid;

impl Condition {
    /// Parses a new condition. Rejects one that no response can fulfil; a stored condition of a
    /// former version may be such a one.
    pub fn define(text: &str) -> Result<Self, Invalid> {
        match joined::joint(text).map(expected_instead) {
            Some(expected) => Err(Invalid::quoted(text, expected)),
            None => Self::define_single(text),
        }
    }
}

/// The expected form, for an error about comparisons that are joined by a logical operator.
fn expected_instead(joint: Joint) -> &'static str {
    match joint {
        Joint::And => "one comparison; a list of conditions holds when each of them does",
        Joint::Or => "one comparison; any(…) accepts one of several values",
    }
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
