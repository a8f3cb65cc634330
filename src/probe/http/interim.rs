//! Skips interim responses (1xx, RFC 9110, section 15.2), which awc would take for the final
//! response. 101 is a final response.

use crate::probe::limits::{LimitExceeded, check};

/// Longest head, in bytes; awc refuses longer ones too.
const HEAD_LIMIT: u64 = 128 * 1024;

/// Most interim responses before the final one.
pub const INTERIM_LIMIT: u64 = 100;

/// Most bytes of all interim responses.
const INTERIM_BYTES_LIMIT: u64 = 64 * 1024;

/// Length of the start of a status line that includes the status, `HTTP/1.1 103`.
const STATUS_END: usize = 12;

/// Finds the final head of a response.
#[derive(Debug, Default)]
pub struct HeadSearch {
    /// Bytes known not to contain the end of a head, so that each byte is searched once.
    searched: usize,
    interim: u64,
    interim_bytes: u64,
}

impl HeadSearch {
    /// Drops complete interim heads from the start of `received`, all data so far without those.
    /// Returns the length of the final head once it is complete; of all data if it is not HTTP.
    pub fn advance(&mut self, received: &mut Vec<u8>) -> Result<Option<usize>, LimitExceeded> {
        loop {
            if !can_be_head(received) {
                return Ok(Some(received.len()));
            }
            let begin = self.searched.saturating_sub(3);
            let length = head_length(&received[begin..]).map(|length| begin + length);
            self.searched = received.len();
            check(length.unwrap_or(received.len()) as u64, HEAD_LIMIT, "bytes of a response head")?;
            match length {
                Some(length) if is_interim(received) => {
                    drop(received.drain(..length));
                    self.searched = 0;
                    self.interim += 1;
                    self.interim_bytes += length as u64;
                    check(self.interim, INTERIM_LIMIT, "interim responses")?;
                    let what = "bytes of interim responses";
                    check(self.interim_bytes, INTERIM_BYTES_LIMIT, what)?;
                }
                length => return Ok(length),
            }
        }
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
    received.iter().zip(b"HTTP/").all(|(byte, expected)| byte == expected)
}

/// Whether `received` begins with an interim response.
fn is_interim(received: &[u8]) -> bool {
    let pattern = b"HTTP/1.? 1??";
    let matches =
        received.iter().zip(pattern).all(|(byte, expected)| *expected == b'?' || byte == expected);
    matches && received.len() >= STATUS_END && received[9..STATUS_END] != *b"101"
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINAL: &str = "HTTP/1.1 404 Not Found\r\n\r\n";

    /// The head's length, and the data that is left.
    fn searched(received: &str) -> (Option<usize>, String) {
        let mut bytes = received.as_bytes().to_vec();
        let length = HeadSearch::default().advance(&mut bytes).unwrap();
        (length, String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn interim_heads_are_dropped_and_the_final_response_is_left() {
        let complete = (Some(FINAL.len()), FINAL.to_owned());
        assert_eq!(searched(FINAL), complete);
        let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        assert_eq!(searched(&format!("{early}{FINAL}")), complete);
        assert_eq!(searched(early), (None, String::new()), "the final response is missing");
        assert_eq!(searched("HTTP/1.1 1"), (None, "HTTP/1.1 1".to_owned()));
        assert_eq!(searched("HTTP/1.1 103 Early"), (None, "HTTP/1.1 103 Early".to_owned()));
        let switching = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
        assert_eq!(searched(switching), (Some(switching.len()), switching.to_owned()));
    }

    #[test]
    fn only_an_incomplete_head_is_waited_for() {
        for begun in ["H", "HTTP/1.1 200 OK\r\nx: y\r\n"] {
            assert_eq!(searched(begun).0, None, "{begun}");
        }
        for complete in [
            "HTTP/1.1 200 OK\n\nbody",
            "HTTP/1.1 200 OK\r\nx: y\r\n\nbody",
            "HTTP/1.1 200 OK\r\n\r\nbody",
        ] {
            assert_eq!(searched(complete).0, Some(complete.len() - 4), "{complete:?}");
        }
        for other in ["SSH-2.0", "\0\0\x12\x04 HTTP/2's settings"] {
            assert_eq!(searched(other), (Some(other.len()), other.to_owned()));
        }
    }

    #[test]
    fn the_end_of_a_head_is_found_wherever_the_reads_divide_it() {
        let stream = format!("HTTP/1.1 100 Continue\r\n\r\n{FINAL}");
        for size in 1..stream.len() {
            let (mut search, mut received) = (HeadSearch::default(), Vec::new());
            let mut found = None;
            for read in stream.as_bytes().chunks(size) {
                received.extend_from_slice(read);
                found = search.advance(&mut received).unwrap();
            }
            assert_eq!((found, received.as_slice()), (Some(FINAL.len()), FINAL.as_bytes()));
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
                    Err(exceeded) => return exceeded.to_string(),
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
    }
}
