//! Replies that begin with a code of three digits: SMTP and FTP.

use crate::domain::{Failure, Reason};
use crate::probe::protocols::excerpt::excerpt;
use crate::probe::protocols::starttls::dialogue::{InvalidReply, Parsed};
use crate::probe::response::ProbeResponse;

#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// The text of each line; never empty.
    pub lines: Vec<String>,
}

impl Reply {
    /// Whether an EHLO reply lists `extension`: after the first line, in any case (RFC 5321,
    /// section 4.1.1.1).
    pub fn offers(&self, extension: &str) -> bool {
        let mut words = self.lines.iter().skip(1).filter_map(|line| line.split_whitespace().next());
        words.any(|word| word.eq_ignore_ascii_case(extension))
    }

    /// Code and last line, for the detail of a failure.
    pub fn summary(&self, protocol: &str) -> String {
        let text = self.lines.last().map_or("", String::as_str);
        format!("{protocol} {} {}", self.code, excerpt(text.as_bytes())).trim_end().to_owned()
    }

    /// The response for a reply of 400 to 599; `None` for the `expected` code.
    pub fn refusal(&self, protocol: &str, expected: u16) -> Result<Option<ProbeResponse>, Failure> {
        match self.code {
            code if code == expected => Ok(None),
            code @ 400..=599 => {
                let failure = Failure::new(Reason::Status, self.summary(protocol));
                Ok(Some(ProbeResponse::with_status(code, Err(failure))))
            }
            _ => {
                let detail = format!("{} instead of {expected}", self.summary(protocol));
                Err(Failure::new(Reason::Protocol, detail))
            }
        }
    }
}

/// A reply of SMTP: each line begins with the code (RFC 5321, section 4.2).
pub fn parse_smtp(received: &[u8]) -> Parsed<Reply> {
    parse(received, 200..600, false)
}

/// A reply of FTP: lines between the first and the last may be any text (RFC 959, section 4.2).
pub fn parse_ftp(received: &[u8]) -> Parsed<Reply> {
    parse(received, 100..600, true)
}

fn parse(received: &[u8], codes: std::ops::Range<u16>, any_text_between: bool) -> Parsed<Reply> {
    let (mut code, mut lines, mut rest) = (None, Vec::new(), received);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&rest[..end]);
        let line = line.trim_end_matches('\r');
        rest = &rest[end + 1..];
        let digits = line.get(..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let line_code = digits.and_then(|digits| digits.parse::<u16>().ok());
        let separator = line.as_bytes().get(3);
        let ends = matches!(separator, None | Some(b' '));
        if any_text_between && code.is_some() && !(line_code == code && ends) {
            lines.push(line.to_owned());
            continue;
        }
        let line_code = line_code.ok_or(InvalidReply)?;
        // All lines of a reply have the same code.
        if !codes.contains(&line_code) || *code.get_or_insert(line_code) != line_code {
            return Err(InvalidReply);
        }
        if !ends && separator != Some(&b'-') {
            return Err(InvalidReply);
        }
        lines.push(line.get(4..).unwrap_or_default().to_owned());
        if ends {
            let reply = Reply { code: line_code, lines };
            return Ok(Some((reply, received.len() - rest.len())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        parse_smtp(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn a_reply_has_one_line_or_many() {
        assert_eq!(reply("220\r\n"), Reply { code: 220, lines: vec![String::new()] });
        let hello = reply("250-mail.example\r\n250-PIPELINING\r\n250 starttls\r\n");
        assert_eq!((hello.code, hello.lines.len()), (250, 3));
        assert!(hello.offers("STARTTLS"));
        assert!(
            !reply("250 STARTTLS\r\n").offers("STARTTLS"),
            "the first line is the server's name"
        );
        assert_eq!(reply("554 5.7.1 no\x07\n").summary("SMTP"), "SMTP 554 5.7.1 no\\u{7}");
    }

    #[test]
    fn a_reply_of_ftp_has_any_text_between_its_first_and_last_line() {
        let text = "220-hello\r\n  any text\r\n220-more\r\n230 not the end\r\n220 ready\r\n";
        let (reply, length) = parse_ftp(text.as_bytes()).unwrap().unwrap();
        assert_eq!((reply.code, reply.lines.len(), length), (220, 5, text.len()));
        assert_eq!(parse_ftp(&text.as_bytes()[..text.len() - 1]), Ok(None));
        assert_eq!(parse_ftp(b"120 in 5 minutes\r\n").unwrap().unwrap().0.code, 120);
        assert_eq!(parse_ftp(b"hello\r\n"), Err(InvalidReply));
    }

    #[test]
    fn an_incomplete_reply_is_none_and_data_after_a_reply_does_not_count() {
        for part in ["", "2", "220 mail", "250-mail\r\n250-SIZE\r\n"] {
            assert_eq!(parse_smtp(part.as_bytes()), Ok(None), "{part:?}");
        }
        let (_, length) = parse_smtp(b"220 go ahead\r\nEHLO me\r\n").unwrap().unwrap();
        assert_eq!(length, "220 go ahead\r\n".len());
    }

    #[test]
    fn an_invalid_reply_is_an_error() {
        for bad in ["\n", "22\n", "SSH-2.0\r\n", "250-a\r\n220 b\r\n", "220x\n", "999 a\n", "ü\n"]
        {
            assert_eq!(parse_smtp(bad.as_bytes()), Err(InvalidReply), "{bad:?}");
        }
        assert_eq!(parse_smtp(b"\xff\xff\xff\xff\n"), Err(InvalidReply));
    }

    #[test]
    fn a_refusal_has_a_status_and_another_code_is_an_error() {
        let refusal = |text| reply(text).refusal("SMTP", 220);
        let response = refusal("421 busy\r\n").unwrap().unwrap();
        assert_eq!(response.status, Some(421));
        assert_eq!(response.plain.unwrap_err(), Failure::new(Reason::Status, "SMTP 421 busy"));
        assert!(refusal("220 hi\r\n").unwrap().is_none());
        assert!(refusal("250 hi\r\n").is_err());
    }
}
