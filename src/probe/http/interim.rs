//! Skips interim responses (1xx, RFC 9110, section 15.2), which awc would take for the final
//! response. 101 is a final response.

/// Longest head to wait for, in bytes; awc refuses longer ones.
const HEAD_LIMIT: usize = 128 * 1024;

/// Length of the start of a status line that includes the status, `HTTP/1.1 103`.
const STATUS_END: usize = 12;

/// Drops complete interim heads from the start of `received`. Returns whether the rest is the final
/// response.
pub fn drop_interim(received: &mut Vec<u8>) -> bool {
    loop {
        if !can_be_interim(received) {
            return true;
        }
        if received.len() < STATUS_END {
            return false;
        }
        match head_length(received) {
            Some(length) => drop(received.drain(..length)),
            None => return received.len() > HEAD_LIMIT,
        }
    }
}

/// The length of the complete head at the start of `received`, including its empty line.
pub fn head_length(received: &[u8]) -> Option<usize> {
    // An empty line ends with CRLF or LF (RFC 9112, section 2.2).
    memchr::memchr_iter(b'\n', received).find_map(|at| match received[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// Whether `received` can be the start of an incomplete head.
pub fn is_incomplete_head(received: &[u8]) -> bool {
    let begins = received.iter().zip(b"HTTP/").all(|(byte, expected)| byte == expected);
    begins && received.len() <= HEAD_LIMIT && head_length(received).is_none()
}

/// Whether `received` is, or can become, the start of an interim response.
fn can_be_interim(received: &[u8]) -> bool {
    let pattern = b"HTTP/1.? 1??";
    let matches =
        received.iter().zip(pattern).all(|(byte, expected)| *expected == b'?' || byte == expected);
    matches && !(received.len() >= STATUS_END && received[9..STATUS_END] == *b"101")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(received: &str) -> (bool, String) {
        let mut bytes = received.as_bytes().to_vec();
        let is_final = drop_interim(&mut bytes);
        (is_final, String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn interim_heads_are_dropped_and_the_final_response_is_left() {
        let response = "HTTP/1.1 404 Not Found\r\n\r\n";
        assert_eq!(dropped(response), (true, response.to_owned()));
        let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        assert_eq!(dropped(&format!("{early}{response}")), (true, response.to_owned()));
        assert_eq!(dropped(early), (false, String::new()), "the final response is missing");
        assert_eq!(dropped("HTTP/1.1 1"), (false, "HTTP/1.1 1".to_owned()));
        assert_eq!(dropped("HTTP/1.1 103 Early"), (false, "HTTP/1.1 103 Early".to_owned()));
        assert!(dropped("HTTP/1.1 101 Switching Protocols\r\n\r\n").0);
        assert!(dropped("SSH-2.0").0);
    }

    #[test]
    fn only_an_incomplete_head_is_waited_for() {
        for begun in ["H", "HTTP/1.1 200 OK\r\nx: y\r\n"] {
            assert!(is_incomplete_head(begun.as_bytes()), "{begun}");
        }
        for bare in ["HTTP/1.1 200 OK\n\nbody", "HTTP/1.1 200 OK\r\nx: y\r\n\nbody"] {
            assert_eq!(head_length(bare.as_bytes()), Some(bare.len() - 4), "{bare:?}");
        }
        let complete = "HTTP/1.1 200 OK\r\n\r\nbody";
        assert_eq!(head_length(complete.as_bytes()), Some(complete.len() - 4));
        for other in [complete, "SSH-2.0", "\0\0\x12\x04 HTTP/2's settings"] {
            assert!(!is_incomplete_head(other.as_bytes()), "{other}");
        }
        assert!(!is_incomplete_head(&[b"HTTP/1.1 200 ".as_slice(), &[b'x'; HEAD_LIMIT]].concat()));
    }

    #[test]
    fn an_endless_interim_head_is_passed_on_at_the_limit() {
        assert!(dropped(&format!("HTTP/1.1 100 {}", "x".repeat(HEAD_LIMIT))).0);
    }
}
