//! LDAP (RFC 4511).

use x509_parser::der_parser::asn1_rs::{Any, Class, FromBer, Tag};
use x509_parser::nom;

use crate::domain::Failure;
use crate::probe::protocols::excerpt::excerpt;
use crate::probe::protocols::starttls::dialogue::{
    Dialogue, InvalidReply, MESSAGES, Parsed, not_offered,
};
use crate::probe::response::ProbeResponse;

/// The extended request for StartTLS: an LDAPMessage with the number 1, and in it
/// `[APPLICATION 23] { [0] "1.3.6.1.4.1.1466.20037" }` (sections 4.12 and 4.14).
const REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// An UnbindRequest with the number 2 (section 4.3).
pub const UNBIND: &[u8] = b"\x30\x05\x02\x01\x02\x42\x00";

/// The tag of an ExtendedResponse, in the class APPLICATION.
const EXTENDED_RESPONSE: u32 = 24;

/// "protocolError": the server does not know the operation (section 4.14.1).
const PROTOCOL_ERROR: u32 = 2;

pub async fn upgrade(dialogue: &mut Dialogue) -> Result<ProbeResponse, Failure> {
    dialogue.send(REQUEST).await?;
    let reply = dialogue.read(MESSAGES, parse).await?;
    let text = excerpt(reply.text.as_bytes());
    match reply.result {
        0 => Ok(ProbeResponse::default()),
        PROTOCOL_ERROR => Err(not_offered(&format!("StartTLS: {text}"))),
        code => Err(dialogue.refused(&format!("result {code} {text}"))),
    }
}

/// An LDAPResult (section 4.1.9).
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    result: u32,
    /// The diagnostic message.
    text: String,
}

fn parse(received: &[u8]) -> Parsed<Reply> {
    if received.first().is_some_and(|byte| *byte != REQUEST[0]) {
        return Err(InvalidReply);
    }
    let (rest, message) = match Any::from_ber(received) {
        Ok(parsed) => parsed,
        Err(nom::Err::Incomplete(_)) => return Ok(None),
        Err(_) => return Err(InvalidReply),
    };
    let reply = read_message(message.data).ok_or(InvalidReply)?;
    Ok(Some((reply, received.len() - rest.len())))
}

/// The result in the content of an LDAPMessage; `None` when it is no ExtendedResponse.
fn read_message(content: &[u8]) -> Option<Reply> {
    let (content, number) = Any::from_ber(content).ok()?;
    let (_, operation) = Any::from_ber(content).ok()?;
    let is_response =
        operation.class() == Class::Application && operation.tag() == Tag(EXTENDED_RESPONSE);
    if number.tag() != Tag::Integer || !is_response {
        return None;
    }
    let (fields, result) = Any::from_ber(operation.data).ok()?;
    let (fields, _matched_name) = Any::from_ber(fields).ok()?;
    let (_, text) = Any::from_ber(fields).ok()?;
    if result.tag() != Tag::Enumerated || result.data.is_empty() || result.data.len() > 4 {
        return None;
    }
    let code = result.data.iter().fold(0, |code, byte| code << 8 | u32::from(*byte));
    Some(Reply { result: code, text: String::from_utf8_lossy(text.data).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_a_result_and_a_text() {
        let success = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";
        let reply = |result, text: &str| Reply { result, text: text.to_owned() };
        assert_eq!(parse(success), Ok(Some((reply(0, ""), success.len()))));
        let refused = b"\x30\x0e\x02\x01\x01\x78\x09\x0a\x01\x34\x04\x00\x04\x02no rest";
        assert_eq!(parse(refused), Ok(Some((reply(52, "no"), 16))));
        for length in 0..success.len() {
            assert_eq!(parse(&success[..length]), Ok(None), "{length} bytes");
        }
    }

    #[test]
    fn what_is_no_extended_response_is_an_error() {
        for bad in [
            b"HTTP/1.1 400".as_slice(),
            // A BindResponse.
            b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
            b"\x30\x00",
            // A result of five bytes.
            b"\x30\x10\x02\x01\x01\x78\x0b\x0a\x05\x00\x00\x00\x00\x01\x04\x00\x04\x00",
        ] {
            assert_eq!(parse(bad), Err(InvalidReply), "{bad:?}");
        }
    }
}
