//! POP3 (RFC 1939, RFC 2449, RFC 2595).

use crate::domain::Failure;
use crate::probe::protocols::starttls::dialogue::{
    Dialogue, InvalidReply, LINES, Parsed, not_offered,
};
use crate::probe::response::ProbeResponse;

pub async fn upgrade(dialogue: &mut Dialogue) -> Result<ProbeResponse, Failure> {
    let greeting = dialogue.read(LINES, parse_line).await?;
    if !greeting.is_ok {
        return Err(dialogue.refused(&greeting.lines[0]));
    }
    dialogue.send(b"CAPA\r\n").await?;
    let capabilities = dialogue.read(LINES, parse_list).await?;
    // An old server may know STLS, but not CAPA.
    if capabilities.is_ok && !capabilities.offers("STLS") {
        return Err(not_offered("STLS"));
    }
    dialogue.send(b"STLS\r\n").await?;
    let ready = dialogue.read(LINES, parse_line).await?;
    if !ready.is_ok {
        return Err(dialogue.refused(&ready.lines[0]));
    }
    Ok(ProbeResponse::default())
}

#[derive(Debug, PartialEq, Eq)]
struct Reply {
    /// `+OK` and not `-ERR`.
    is_ok: bool,
    /// All lines; never empty. Of a list, without the one that ends it.
    lines: Vec<String>,
}

impl Reply {
    fn offers(&self, capability: &str) -> bool {
        let words = self.lines.iter().skip(1).filter_map(|line| line.split_whitespace().next());
        words.into_iter().any(|word| word.eq_ignore_ascii_case(capability))
    }
}

fn parse_line(received: &[u8]) -> Parsed<Reply> {
    parse(received, false)
}

/// A list of several lines, if the reply is no error (RFC 1939, section 3).
fn parse_list(received: &[u8]) -> Parsed<Reply> {
    parse(received, true)
}

fn parse(received: &[u8], is_list: bool) -> Parsed<Reply> {
    let (mut lines, mut length, mut is_ok) = (Vec::new(), 0, false);
    while let Some(end) = received[length..].iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&received[length..length + end]);
        let line = line.trim_end_matches('\r').to_owned();
        length += end + 1;
        if lines.is_empty() {
            is_ok = match line.split(' ').next() {
                Some("+OK") => true,
                Some("-ERR") => false,
                _ => return Err(InvalidReply),
            };
        }
        let ends = line == ".";
        if !ends {
            lines.push(line);
        }
        if ends || !is_list || !is_ok {
            return Ok(Some((Reply { is_ok, lines }, length)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_with_a_dot_and_an_error_with_its_line() {
        let text = b"+OK\r\nTOP\r\nstls\r\n.\r\n";
        let (reply, length) = parse_list(text).unwrap().unwrap();
        assert!(reply.is_ok && reply.offers("STLS") && !reply.offers("UIDL"));
        assert_eq!(length, text.len());
        assert_eq!(parse_list(b"+OK\r\nTOP\r\n"), Ok(None));
        assert!(!parse_list(b"-ERR what\r\n").unwrap().unwrap().0.is_ok);
        assert_eq!(parse_line(b"+OK ready\r\nmore").unwrap().unwrap().1, 11);
        assert_eq!(parse_line(b"* OK IMAP\r\n"), Err(InvalidReply));
        assert_eq!(parse_line(b".\r\n"), Err(InvalidReply));
    }
}
