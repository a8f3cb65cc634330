//! Finds the head of the final response, behind interim ones (1xx, RFC 9110, section 15.2), which
//! awc would take for the final one.

use thiserror::Error;

use crate::probe::http::head::ResponseHead;
use crate::probe::http::head_error::HeadError;
use crate::probe::limits::{LimitExceeded, check};

/// Longest head, in bytes.
const HEAD_LIMIT: u64 = 128 * 1024;

/// Most interim responses before the final one.
pub const INTERIM_LIMIT: u64 = 100;

/// Most bytes of all interim responses.
const INTERIM_BYTES_LIMIT: u64 = 64 * 1024;

/// Finds the final head of a response.
#[derive(Debug, Default)]
pub struct HeadSearch {
    /// Bytes known not to contain the end of a head, so that each byte is searched once.
    searched: usize,
    interim: u64,
    interim_bytes: u64,
}

#[derive(Debug, Error)]
pub enum SearchError {
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    #[error(transparent)]
    Head(#[from] HeadError),
}

impl HeadSearch {
    /// Drops complete interim heads, and empty lines before a head, from the start of `received`,
    /// all data so far without those. Returns the final head and its length once it is complete.
    pub fn advance(
        &mut self,
        received: &mut Vec<u8>,
    ) -> Result<Option<(ResponseHead, usize)>, SearchError> {
        loop {
            let empty = received.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.drop_start(received, empty)?;
            if !can_be_head(received) {
                return Err(HeadError::status_line(received).into());
            }
            let begin = self.searched.saturating_sub(3);
            let length = head_length(&received[begin..]).map(|length| begin + length);
            self.searched = received.len();
            check(length.unwrap_or(received.len()) as u64, HEAD_LIMIT, "bytes of a response head")?;
            let Some(length) = length else { return Ok(None) };
            let head = ResponseHead::parse(&received[..length])?;
            if !head.is_interim() {
                return Ok(Some((head, length)));
            }
            self.interim += 1;
            check(self.interim, INTERIM_LIMIT, "interim responses")?;
            self.drop_start(received, length)?;
        }
    }

    fn drop_start(&mut self, received: &mut Vec<u8>, length: usize) -> Result<(), LimitExceeded> {
        if length == 0 {
            return Ok(());
        }
        drop(received.drain(..length));
        self.searched = 0;
        self.interim_bytes += length as u64;
        check(self.interim_bytes, INTERIM_BYTES_LIMIT, "bytes of interim responses")
    }
}

/// The length of the complete head at the start of `received`, including its empty line.
fn head_length(received: &[u8]) -> Option<usize> {
    // An empty line ends with CRLF or LF (RFC 9112, section 2.2).
    memchr::memchr_iter(b'\n', received).find_map(|at| match received[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// Whether `received` is, or can become, the start of a response.
fn can_be_head(received: &[u8]) -> bool {
    received.iter().zip(b"HTTP/").all(|(byte, expected)| byte.eq_ignore_ascii_case(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINAL: &str = "HTTP/1.1 404 Not Found\r\n\r\n";

    /// The head's length, and the data that is left.
    fn searched(received: &str) -> (Option<usize>, String) {
        let mut bytes = received.as_bytes().to_vec();
        let found = HeadSearch::default().advance(&mut bytes).unwrap();
        (found.map(|(_, length)| length), String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn interim_heads_are_dropped_and_the_final_response_is_left() {
        let complete = (Some(FINAL.len()), FINAL.to_owned());
        assert_eq!(searched(FINAL), complete);
        let early = "HTTP/1.1 100 Continue\r\n\r\nhttp/1.1  103\r\nlink: </a>\r\n\r\n";
        assert_eq!(searched(&format!("{early}{FINAL}")), complete);
        assert_eq!(searched(&format!("\r\n{FINAL}")), complete);
        assert_eq!(searched(early), (None, String::new()), "the final response is missing");
        assert_eq!(searched("HTTP/1.1 1"), (None, "HTTP/1.1 1".to_owned()));
        assert_eq!(searched("HTTP/1.1 103 Early"), (None, "HTTP/1.1 103 Early".to_owned()));
        let switching = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
        assert_eq!(searched(switching), (Some(switching.len()), switching.to_owned()));
    }

    #[test]
    fn only_an_incomplete_head_is_waited_for() {
        for begun in ["h", "HTTP/1.1 200 OK\r\nx: y\r\n"] {
            assert_eq!(searched(begun).0, None, "{begun}");
        }
        for complete in [
            "HTTP/1.1 200 OK\n\nbody",
            "HTTP/1.1 200 OK\r\nx: y\r\n\nbody",
            "HTTP/1.1 200 OK\r\n\r\nbody",
        ] {
            assert_eq!(searched(complete).0, Some(complete.len() - 4), "{complete:?}");
        }
        for (other, shown) in [("SSH-2.0", "SSH-2.0"), ("\0\x12\x04\n", "\\u{0}\\u{12}\\u{4}")] {
            let refused = HeadSearch::default().advance(&mut other.as_bytes().to_vec());
            let expected = format!("invalid status line \"{shown}\"");
            assert_eq!(refused.unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn the_end_of_a_head_is_found_wherever_the_reads_divide_it() {
        let stream = format!("\r\nHTTP/1.1 100 Continue\r\n\r\n{FINAL}");
        for size in 1..stream.len() {
            let (mut search, mut received) = (HeadSearch::default(), Vec::new());
            let mut found = None;
            for read in stream.as_bytes().chunks(size) {
                received.extend_from_slice(read);
                found = search.advance(&mut received).unwrap();
            }
            let length = found.map(|(_, length)| length);
            assert_eq!((length, received.as_slice()), (Some(FINAL.len()), FINAL.as_bytes()));
        }
    }

    #[test]
    fn heads_and_interim_responses_are_limited() {
        let limited = |start: &str, piece: &str| {
            let (mut search, mut received) = (HeadSearch::default(), start.as_bytes().to_vec());
            loop {
                received.extend_from_slice(piece.as_bytes());
                match search.advance(&mut received) {
                    Ok(found) => assert_eq!(found, None),
                    Err(error) => return error.to_string(),
                }
            }
        };
        let line = format!("x: {}\r\n", "y".repeat(1_000));
        let head = "more than 131072 bytes of a response head";
        assert_eq!(limited("HTTP/1.1 200 OK\r\n", &line), head);
        assert_eq!(limited("HTTP/1.1 103 Early Hints\r\n", &line), head);
        let interim = "HTTP/1.1 100 Continue\r\n\r\n";
        assert_eq!(limited("", interim), "more than 100 interim responses");
        let long = format!("HTTP/1.1 103 Early Hints\r\n{line}\r\n");
        assert_eq!(limited("", &long), "more than 65536 bytes of interim responses");
        assert_eq!(limited("", "\r\n"), "more than 65536 bytes of interim responses");
    }
}
