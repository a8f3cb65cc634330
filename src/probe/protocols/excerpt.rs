//! Excerpts of received data, for the details of failures.

use crate::domain::outcome::escape_control;

const EXCERPT_CHARS: usize = 60;

/// The first 60 characters of `received`, in one line.
pub fn excerpt(received: &[u8]) -> String {
    escape_control(String::from_utf8_lossy(received).chars().take(EXCERPT_CHARS).collect())
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
}
