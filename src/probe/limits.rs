//! Limits on what a peer may send beside the data that a probe reads: frames, chunks and records
//! cost time to parse, however little they carry.

use std::fmt;
use std::io;

use crate::domain::{Failure, Reason};

/// Most control frames of one connection, of HTTP/2 or of a WebSocket.
pub const CONTROL_FRAMES_LIMIT: u64 = 1_000;

/// Most frames or chunks of a body, beyond one for each [`BYTES_PER_PIECE`] bytes.
const PIECES_LIMIT: u64 = 10_000;

/// Shorter pieces count towards [`PIECES_LIMIT`].
const BYTES_PER_PIECE: u64 = 8;

/// A peer sent more of something than its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitExceeded {
    pub limit: u64,
    /// The counted thing, in the plural.
    pub what: &'static str,
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} {}", self.limit, self.what)
    }
}

impl std::error::Error for LimitExceeded {}

impl From<LimitExceeded> for io::Error {
    /// `failure::of_io` makes it a failure of the protocol.
    fn from(exceeded: LimitExceeded) -> Self {
        Self::other(exceeded)
    }
}

impl LimitExceeded {
    /// `when` says what the probe was doing.
    pub fn failure(self, when: &str) -> Failure {
        Failure::new(Reason::Protocol, format!("{when}: {self}"))
    }
}

/// Fails when `count` exceeds `limit`.
pub fn check(count: u64, limit: u64, what: &'static str) -> Result<(), LimitExceeded> {
    if count > limit { Err(LimitExceeded { limit, what }) } else { Ok(()) }
}

/// Counts the pieces of a body: frames, chunks or messages. A piece of 8 bytes or more is free.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pieces {
    count: u64,
    bytes: u64,
}

impl Pieces {
    /// Adds a piece of `bytes`; `what` names such pieces in the error.
    pub fn add(&mut self, bytes: usize, what: &'static str) -> Result<(), LimitExceeded> {
        self.count += 1;
        self.bytes += bytes as u64;
        check(self.count.saturating_sub(self.bytes / BYTES_PER_PIECE), PIECES_LIMIT, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiny_pieces_are_limited_and_others_are_not() {
        let added = |bytes: usize| {
            let mut pieces = Pieces::default();
            (0..100_000).take_while(|_| pieces.add(bytes, "tiny chunks").is_ok()).count()
        };
        assert_eq!(added(0), 10_000);
        assert!((10_000..11_500).contains(&added(1)), "{}", added(1));
        assert_eq!(added(8), 100_000, "a body in chunks of a few bytes is honest");
    }

    #[test]
    fn an_error_names_the_limit_and_is_a_failure_of_the_protocol() {
        let exceeded = check(8, 7, "things").unwrap_err();
        let failure = crate::probe::failure::of_io("reading", &exceeded.into());
        assert_eq!(failure, Failure::new(Reason::Protocol, "reading: more than 7 things"));
        assert_eq!(exceeded.failure("reading"), failure);
        assert!(check(7, 7, "things").is_ok());
    }
}
