//! Conditions that expect no connection: `[CONNECTED] == false` and `[STATUS] == 0` watch that a
//! port is closed.

use crate::domain::condition::expression::{Condition, Operand, Placeholder};
use crate::domain::condition::facts::Facts;

/// The status codes of HTTP (RFC 9110, section 15); most other protocols use some of them.
const STATUSES: std::ops::RangeInclusive<u16> = 100..=599;

impl Condition {
    /// Whether the condition holds without a connection, and with no status of a response.
    /// `[STATUS] != 200` does not expect this: a target that cannot be reached is not up by it.
    ///
    /// `zero_is_success`: 0 is also a status of a response, as that of a command.
    pub fn expects_no_connection(&self, zero_is_success: bool) -> bool {
        let tells = |operand: &Operand| {
            matches!(operand, Operand::Placeholder(Placeholder::Status | Placeholder::Connected))
        };
        let with_status = |status| Facts { status: Some(status), ..Facts::connected() };
        [&self.left, &self.right].into_iter().any(tells)
            && self.judge(&Facts::no_connection()).is_ok()
            && !zero_is_success
                .then_some(0)
                .into_iter()
                .chain(STATUSES)
                .any(|status| self.judge(&with_status(status)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_condition_that_excludes_every_response_expects_no_connection() {
        for (text, expects) in [
            ("[CONNECTED] == false", true),
            ("[CONNECTED] != true", true),
            ("false == [CONNECTED]", true),
            ("[STATUS] == 0", true),
            ("[STATUS] < 100", true),
            ("[STATUS] == any(0, 1)", true),
            ("[STATUS] == any(0, 404)", false),
            ("[CONNECTED] == true", false),
            ("[STATUS] != 200", false),
            ("[STATUS] < 300", false),
            ("[STATUS] == 200", false),
            ("[BODY] == ", false),
            ("[CERTIFICATE_EXPIRATION] == 0", false),
            ("[RESPONSE_TIME] < 500", false),
        ] {
            let condition = Condition::parse(text).unwrap();
            assert_eq!(condition.expects_no_connection(false), expects, "{text}");
            let of_command = expects && text.contains("[CONNECTED]");
            assert_eq!(condition.expects_no_connection(true), of_command, "{text}");
        }
    }
}
