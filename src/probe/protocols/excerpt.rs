//! Excerpts of received data, for the details of failures.

use crate::domain::outcome::escape_control;
use crate::domain::{Failure, Reason};

const EXCERPT_CHARS: usize = 60;

/// The first 60 characters of `received`, in one line.
pub fn excerpt(received: &[u8]) -> String {
    escape_control(String::from_utf8_lossy(received).chars().take(EXCERPT_CHARS).collect())
}

/// The failure of a response `body` without the expected text.
pub fn missing(expected: &str, body: &[u8]) -> Failure {
    let shown = excerpt(body);
    let detail = if shown.is_empty() {
        format!("no response that contains {expected}")
    } else {
        format!("the response \"{shown}\" does not contain {expected}")
    };
    Failure::new(Reason::Condition, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_has_no_control_characters() {
        assert_eq!(excerpt(b"220 ready\r\n\x1b[31m"), "220 ready\\r\\n\\u{1b}[31m");
        assert_eq!(excerpt("ä".repeat(500).as_bytes()), "ä".repeat(60));
        assert_eq!(excerpt(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn an_unexpected_response_is_in_the_detail() {
        let missing = |body| missing("the expected text", body);
        let failure = missing(b"554 go away\r\n");
        assert_eq!(failure.reason, Reason::Condition);
        let detail = "the response \"554 go away\\r\\n\" does not contain the expected text";
        assert_eq!(failure.detail, detail);
        assert_eq!(missing(b"").detail, "no response that contains the expected text");
    }
}
