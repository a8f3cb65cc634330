//! IMAP (RFC 9051).

use crate::domain::Failure;
use crate::probe::protocols::starttls::dialogue::{
    Dialogue, InvalidReply, LINES, Parsed, not_offered,
};
use crate::probe::response::ProbeResponse;

pub async fn upgrade(dialogue: &mut Dialogue) -> Result<ProbeResponse, Failure> {
    let greeting = dialogue.read(LINES, parse_greeting).await?;
    match greeting.status.as_str() {
        "OK" => {}
        // A connection without login; TLS is not possible any more (section 7.1.4).
        "PREAUTH" => return Err(not_offered("STARTTLS: the connection is authenticated already")),
        _ => return Err(dialogue.refused(&greeting.line)),
    }
    dialogue.send(b"a1 CAPABILITY\r\n").await?;
    let capabilities = dialogue.read(LINES, |received| parse_tagged(received, "a1")).await?;
    if capabilities.status != "OK" {
        return Err(dialogue.refused(&capabilities.line));
    }
    if !capabilities.offers("STARTTLS") {
        return Err(not_offered("STARTTLS"));
    }
    dialogue.send(b"a2 STARTTLS\r\n").await?;
    let ready = dialogue.read(LINES, |received| parse_tagged(received, "a2")).await?;
    if ready.status != "OK" {
        return Err(dialogue.refused(&ready.line));
    }
    Ok(ProbeResponse::default())
}

#[derive(Debug, PartialEq, Eq)]
struct Reply {
    /// In upper case: OK, NO, BAD, BYE or PREAUTH.
    status: String,
    /// The last line.
    line: String,
    /// The lines before it.
    untagged: Vec<String>,
}

impl Reply {
    /// Whether a line `* CAPABILITY` lists `capability` (section 7.2.2).
    fn offers(&self, capability: &str) -> bool {
        self.untagged.iter().any(|line| {
            let mut words = line.split_whitespace().skip(1);
            words.next().is_some_and(|word| word.eq_ignore_ascii_case("CAPABILITY"))
                && words.any(|word| word.eq_ignore_ascii_case(capability))
        })
    }
}

fn parse_greeting(received: &[u8]) -> Parsed<Reply> {
    parse(received, "*", &["OK", "PREAUTH", "BYE"])
}

fn parse_tagged(received: &[u8], tag: &str) -> Parsed<Reply> {
    parse(received, tag, &["OK", "NO", "BAD"])
}

/// A reply up to the line with `tag`, which has one of `statuses`.
fn parse(received: &[u8], tag: &str, statuses: &[&str]) -> Parsed<Reply> {
    let (mut untagged, mut length) = (Vec::new(), 0);
    while let Some(end) = received[length..].iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&received[length..length + end]);
        let line = line.trim_end_matches('\r').to_owned();
        length += end + 1;
        let (first, rest) = line.split_once(' ').ok_or(InvalidReply)?;
        if first == tag {
            let status = rest.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            if !statuses.contains(&status.as_str()) {
                return Err(InvalidReply);
            }
            return Ok(Some((Reply { status, line, untagged }, length)));
        }
        if first != "*" {
            return Err(InvalidReply);
        }
        untagged.push(line);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_ends_with_its_tag() {
        let text = b"* CAPABILITY IMAP4rev1 starttls\r\na1 OK done\r\n";
        let (reply, length) = parse_tagged(text, "a1").unwrap().unwrap();
        assert_eq!((reply.status.as_str(), length), ("OK", text.len()));
        assert!(reply.offers("STARTTLS") && !reply.offers("IDLE") && !reply.offers("CAPABILITY"));
        assert_eq!(parse_tagged(&text[..40], "a1"), Ok(None));
        let refused = parse_tagged(b"a1 no not now\r\n", "a1").unwrap().unwrap().0;
        assert_eq!(refused.status, "NO");
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for bad in ["+OK POP3\r\n", "a2 OK\r\n", "\r\n", "a1 MAYBE\r\n", "* \r\nb OK\r\n"] {
            assert_eq!(parse_tagged(bad.as_bytes(), "a1"), Err(InvalidReply), "{bad:?}");
        }
        assert_eq!(parse_greeting(b"* 3 EXISTS\r\n"), Err(InvalidReply));
        assert_eq!(parse_greeting(b"* BYE\r\n").unwrap().unwrap().0.status, "BYE");
    }
}
