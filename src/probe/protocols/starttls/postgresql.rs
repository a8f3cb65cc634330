//! PostgreSQL ("Message Flow", section "SSL Session Encryption").

use crate::domain::Failure;
use crate::probe::protocols::starttls::dialogue::{
    Dialogue, InvalidReply, MESSAGES, Parsed, not_offered,
};
use crate::probe::response::ProbeResponse;

/// SSLRequest: its length, and the number 80877103.
const REQUEST: &[u8] = &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

pub async fn upgrade(dialogue: &mut Dialogue) -> Result<ProbeResponse, Failure> {
    dialogue.send(REQUEST).await?;
    match dialogue.read(MESSAGES, parse).await? {
        Reply::Willing => Ok(ProbeResponse::default()),
        Reply::Unwilling => Err(not_offered("TLS")),
        Reply::Error(text) => Err(dialogue.refused(&text)),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Willing,
    Unwilling,
    /// The message of an ErrorResponse, or its text in the protocol before version 3.
    Error(String),
}

fn parse(received: &[u8]) -> Parsed<Reply> {
    match received {
        [] => Ok(None),
        [b'S', ..] => Ok(Some((Reply::Willing, 1))),
        [b'N', ..] => Ok(Some((Reply::Unwilling, 1))),
        [b'E', rest @ ..] => Ok(parse_error(rest)),
        _ => Err(InvalidReply),
    }
}

/// An ErrorResponse without its first byte; `None` while it is incomplete.
fn parse_error(rest: &[u8]) -> Option<(Reply, usize)> {
    let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
    // The text of version 2 begins with four letters instead of a length, and ends with a zero.
    const LONGEST: usize = 64 * 1024;
    if !(4..=LONGEST).contains(&length) {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let text = String::from_utf8_lossy(&rest[..end]).trim().to_owned();
        return Some((Reply::Error(text), end + 2));
    }
    let fields = rest.get(4..length)?;
    let mut fields = fields.split(|byte| *byte == 0);
    // The field M is the message for humans ("Error and Notice Message Fields").
    let message = fields.find_map(|field| field.strip_prefix(b"M")).unwrap_or_default();
    Some((Reply::Error(String::from_utf8_lossy(message).into_owned()), length + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_is_one_byte_or_an_error() {
        assert_eq!(parse(b"S"), Ok(Some((Reply::Willing, 1))));
        assert_eq!(parse(b"N"), Ok(Some((Reply::Unwilling, 1))));
        assert_eq!(parse(b"SSH-2.0"), Ok(Some((Reply::Willing, 1))), "data follows");
        assert_eq!(parse(b""), Ok(None));
        assert_eq!(parse(b"220 mail"), Err(InvalidReply));
    }

    #[test]
    fn an_error_has_its_message() {
        let text = b"SFATAL\0Mtoo many clients\0\0";
        let error = [b"E", &(text.len() as u32 + 4).to_be_bytes()[..], text].concat();
        let reply = Reply::Error("too many clients".to_owned());
        assert_eq!(parse(&error), Ok(Some((reply, error.len()))));
        assert_eq!(parse(&error[..9]), Ok(None));
        let old = b"EFATAL: no pg_hba.conf entry\n\0";
        let reply = Reply::Error("FATAL: no pg_hba.conf entry".to_owned());
        assert_eq!(parse(old), Ok(Some((reply, old.len()))));
    }
}
