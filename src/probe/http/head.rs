//! The head of an HTTP/1 response (RFC 9112, sections 2 to 5), as browsers and curl read it.
//!
//! awc's parser refuses what those accept: folded lines, control characters, a repeated length. So
//! awc receives a head with nothing but the status and what delimits the body.

use http::StatusCode;

use crate::domain::service::options::HttpVersion;
use crate::probe::http::fields::Fields;
use crate::probe::http::framing::BodyEnd;
use crate::probe::http::head_error::{FIELDS_LIMIT, HeadError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    pub version: HttpVersion,
    pub status: StatusCode,
    pub fields: Fields,
}

impl ResponseHead {
    /// Parses a complete head, from the status line to the empty line. Lines end with CRLF or LF.
    pub fn parse(head: &[u8]) -> Result<Self, HeadError> {
        if memchr::memchr(0, head).is_some() {
            return Err(HeadError::Nul);
        }
        let mut lines =
            head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let start = lines.next().unwrap_or_default();
        let (version, status) = status_line(start).ok_or_else(|| HeadError::status_line(start))?;
        let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            if let [b' ' | b'\t', ..] = line {
                // A folded line (RFC 9112, section 5.2).
                let (_, value) = fields.last_mut().ok_or(HeadError::NothingToContinue)?;
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
                continue;
            }
            let colon = memchr::memchr(b':', line).ok_or_else(|| HeadError::no_colon(line))?;
            let (name, value) = line.split_at(colon);
            if fields.len() == FIELDS_LIMIT {
                return Err(HeadError::TooManyFields);
            }
            let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
            fields.push((name, value[1..].trim_ascii().to_vec()));
        }
        for (_, value) in &mut fields {
            // A CR that ends no line counts as a space (RFC 9112, section 2.2).
            value.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b' ');
            if value.trim_ascii().len() < value.len() {
                *value = value.trim_ascii().to_vec();
            }
        }
        Ok(Self { version, status, fields: Fields::new(fields) })
    }

    /// Whether the final response is still to come (RFC 9110, section 15.2). 101 is final.
    pub fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }

    /// The head that awc receives in place of this one.
    pub fn for_awc(&self, end: BodyEnd) -> Vec<u8> {
        let (version, status) = (self.version.as_str(), self.status.as_u16());
        let delimiter = match end {
            BodyEnd::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
            BodyEnd::Length(length) => format!("content-length: {length}\r\n"),
            BodyEnd::Connection => String::new(),
        };
        let mut head = format!("HTTP/{version} {status}\r\n{delimiter}").into_bytes();
        if self.status == StatusCode::SWITCHING_PROTOCOLS {
            for name in ["connection", "upgrade", "sec-websocket-accept"] {
                for value in self.fields.all(name) {
                    let printable = value.iter().map(|byte| match byte {
                        b' '..=b'~' => *byte,
                        _ => b'?',
                    });
                    head.extend_from_slice(name.as_bytes());
                    head.extend_from_slice(b": ");
                    head.extend(printable);
                    head.extend_from_slice(b"\r\n");
                }
            }
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

/// Version and status of a status line: `HTTP/1.1 200 OK`, in either case, with any number of
/// spaces and any reason phrase, or none. A later version than 1.1 counts as 1.1 (RFC 9110, section
/// 2.5): servers that write `HTTP/2.0` speak HTTP/1.1.
fn status_line(line: &[u8]) -> Option<(HttpVersion, StatusCode)> {
    let (start, rest) = line.split_at_checked("HTTP/".len())?;
    if !start.eq_ignore_ascii_case(b"HTTP/") {
        return None;
    }
    let (version, rest) = rest.split_at(memchr::memchr(b' ', rest)?);
    let version = match version {
        b"1.0" => HttpVersion::Http10,
        [b'1', b'.', b'1'..=b'9'] | b"2" | b"2.0" => HttpVersion::Http11,
        _ => return None,
    };
    let rest = rest.trim_ascii_start();
    let (status, rest) = rest.split_at_checked(3)?;
    if !matches!(rest, [] | [b' ' | b'\t' | b'\r', ..]) {
        return None;
    }
    Some((version, StatusCode::from_bytes(status).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(head: &[u8]) -> ResponseHead {
        ResponseHead::parse(head).unwrap()
    }

    /// The values of the field `x`, of a head with these lines.
    fn values(lines: &[u8]) -> Vec<Vec<u8>> {
        let head = parsed(&[b"HTTP/1.1 200 OK\r\n", lines, b"\r\n"].concat());
        head.fields.all("x").map(<[u8]>::to_vec).collect()
    }

    fn error(lines: &[u8]) -> HeadError {
        ResponseHead::parse(&[b"HTTP/1.1 200 OK\r\n", lines, b"\r\n"].concat()).unwrap_err()
    }

    #[test]
    fn status_lines_are_read_as_user_agents_do() {
        for (line, version, status) in [
            (&b"HTTP/1.1 200 OK"[..], "1.1", 200),
            (b"http/1.1 200 OK", "1.1", 200),
            (b"HTTP/1.0 404 Not Found", "1.0", 404),
            (b"HTTP/1.1 200", "1.1", 200),
            (b"HTTP/1.1 200 ", "1.1", 200),
            (b"HTTP/1.1  200  OK", "1.1", 200),
            (b"HTTP/1.2 200 OK", "1.1", 200),
            (b"HTTP/2.0 200 OK", "1.1", 200),
            (b"HTTP/1.1 999 d\xe9j\xe0 \x01", "1.1", 999),
        ] {
            let head = parsed(&[line, b"\r\n\r\n"].concat());
            let shown = String::from_utf8_lossy(line);
            assert_eq!((head.version.as_str(), head.status.as_u16()), (version, status), "{shown}");
        }
        for line in [
            "",
            "HTTP/1.1",
            "HTTP/1.1 ",
            "HTTP/1.1\t200 OK",
            "HTTP/1 200 OK",
            "HTTP/0.9 200 OK",
            "HTTP/3 200 OK",
            "HTTP/1.1 20 OK",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 200OK",
            "HTTP/1.1 099 OK",
            "HTTP/1.1 +20 OK",
            "ICY 200 OK",
        ] {
            let refused = ResponseHead::parse(format!("{line}\r\n\r\n").as_bytes());
            let expected = HeadError::status_line(line.as_bytes());
            assert_eq!(refused, Err(expected), "{line}");
        }
    }

    #[test]
    fn folded_lines_are_one_value() {
        assert_eq!(values(b"x: a\r\n b\r\n\t c \r\ny: -\r\n"), [b"a b c"]);
        assert_eq!(values(b"x:\r\n 2\r\n"), [b"2"]);
        assert_eq!(values(b"x: a\n b\n \n"), [b"a b"]);
        assert_eq!(error(b" x: a\r\n"), HeadError::NothingToContinue);
    }

    #[test]
    fn values_may_hold_any_byte_but_nul() {
        assert_eq!(values(b"X : ___utm=\x01fOe\r\n"), [b"___utm=\x01fOe"]);
        assert_eq!(values(b"x:\t\xe9\x7f \r\nX:\r\n"), [&b"\xe9\x7f"[..], b""]);
        assert_eq!(values(b"x: a\rb\r\r\n"), [b"a b"]);
        assert_eq!(values(b": -\r\nfoo bar: -\r\nfo\xe9[1]: -\r\nx: a\r\n"), [b"a"]);
        assert_eq!(error(b"x: a\0b\r\n"), HeadError::Nul);
        assert_eq!(error(b"x: a\r\nnonsense\r\n"), HeadError::NoColon("nonsense".into()));
    }

    #[test]
    fn the_number_of_fields_is_limited() {
        assert_eq!(values(&b"x: a\r\n".repeat(1_000)).len(), 1_000);
        assert_eq!(error(&b"x: a\r\n".repeat(1_001)), HeadError::TooManyFields);
    }

    #[test]
    fn awc_receives_only_what_it_needs() {
        let head = parsed(b"HTTP/1.0 200 \x01\r\nx: \x01\r\ncontent-length: 2\r\n\r\n");
        let text = |head: &ResponseHead, end| String::from_utf8(head.for_awc(end)).unwrap();
        assert_eq!(text(&head, BodyEnd::Connection), "HTTP/1.0 200\r\n\r\n");
        let length = "HTTP/1.0 200\r\ncontent-length: 7\r\n\r\n";
        assert_eq!(text(&head, BodyEnd::Length(7)), length);
        let head = parsed(b"HTTP/1.1 101 x\r\nUpgrade: web\x01socket\r\nx: y\r\n\r\n");
        let upgrade = "HTTP/1.1 101\r\nupgrade: web?socket\r\n\r\n";
        assert_eq!(text(&head, BodyEnd::Connection), upgrade);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let lines: Vec<u8> = bytes.iter().map(|byte| byte % 64).collect();
            for tail in [&bytes, &lines] {
                let head = [b"HTTP/1.1 200 OK\r\nx: a", tail.as_slice(), b"\r\n\r\n"].concat();
                let _ = ResponseHead::parse(&head);
            }
            let _ = ResponseHead::parse(&bytes);
        }
    }
}
