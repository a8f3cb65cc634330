//! Interim answers (1xx, RFC 9110, section 15.2) are passed over, as a plain client does; awc would take one for the
//! answer. 101 is an answer of its own.

/// Longest head that is waited for; what is longer awc refuses.
const HEAD_LIMIT: usize = 128 * 1024;

/// The start of a status line that tells its class: `HTTP/1.1 103`.
const TELLING: usize = 12;

/// Drops complete interim heads from the start of `received`. True when the rest is the answer itself, so that nothing
/// more needs to be held back.
pub fn pass_over(received: &mut Vec<u8>) -> bool {
    loop {
        if !starts_like_interim(received) {
            return true;
        }
        if received.len() < TELLING {
            return false;
        }
        match head_length(received) {
            Some(length) => drop(received.drain(..length)),
            None => return received.len() > HEAD_LIMIT,
        }
    }
}

/// The length of the head that `received` begins with, its empty line included.
pub fn head_length(received: &[u8]) -> Option<usize> {
    // An empty line, ended as RFC 9112 (section 2.2) allows.
    memchr::memchr_iter(b'\n', received).find_map(|at| match received[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// Whether `received` is, or may still become, the head of an answer that is not complete yet.
pub fn may_be_head(received: &[u8]) -> bool {
    let begins = received.iter().zip(b"HTTP/").all(|(byte, expected)| byte == expected);
    begins && received.len() <= HEAD_LIMIT && head_length(received).is_none()
}

/// Whether `received` is, or may still become, the start of an interim answer.
fn starts_like_interim(received: &[u8]) -> bool {
    let pattern = b"HTTP/1.? 1??";
    let fits =
        received.iter().zip(pattern).all(|(byte, expected)| *expected == b'?' || byte == expected);
    fits && !(received.len() >= TELLING && received[9..TELLING] == *b"101")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(received: &str) -> (bool, String) {
        let mut bytes = received.as_bytes().to_vec();
        let answer = pass_over(&mut bytes);
        (answer, String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn interim_heads_are_dropped_and_the_answer_is_left() {
        let answer = "HTTP/1.1 404 Not Found\r\n\r\n";
        assert_eq!(passed(answer), (true, answer.to_owned()));
        let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        assert_eq!(passed(&format!("{early}{answer}")), (true, answer.to_owned()));
        assert_eq!(passed(early), (false, String::new()), "the answer is still to come");
        assert_eq!(passed("HTTP/1.1 1"), (false, "HTTP/1.1 1".to_owned()));
        assert_eq!(passed("HTTP/1.1 103 Early"), (false, "HTTP/1.1 103 Early".to_owned()));
        assert!(passed("HTTP/1.1 101 Switching Protocols\r\n\r\n").0);
        assert!(passed("SSH-2.0").0);
    }

    #[test]
    fn a_head_is_waited_for_and_nothing_else_is() {
        for begun in ["H", "HTTP/1.1 200 OK\r\nx: y\r\n"] {
            assert!(may_be_head(begun.as_bytes()), "{begun}");
        }
        for bare in ["HTTP/1.1 200 OK\n\nbody", "HTTP/1.1 200 OK\r\nx: y\r\n\nbody"] {
            assert_eq!(head_length(bare.as_bytes()), Some(bare.len() - 4), "{bare:?}");
        }
        let complete = "HTTP/1.1 200 OK\r\n\r\nbody";
        assert_eq!(head_length(complete.as_bytes()), Some(complete.len() - 4));
        for other in [complete, "SSH-2.0", "\0\0\x12\x04 HTTP/2's settings"] {
            assert!(!may_be_head(other.as_bytes()), "{other}");
        }
        assert!(!may_be_head(&[b"HTTP/1.1 200 ".as_slice(), &[b'x'; HEAD_LIMIT]].concat()));
    }

    #[test]
    fn an_interim_head_without_end_is_not_held_for_ever() {
        assert!(passed(&format!("HTTP/1.1 100 {}", "x".repeat(HEAD_LIMIT))).0);
    }
}
