//! The two messages of gRPC's health service, in protobuf with gRPC's prefix of five bytes.

use bytes::{BufMut, Bytes, BytesMut};

use crate::domain::leb128;

pub const SERVING: &str = "SERVING";

/// `HealthCheckResponse.ServingStatus`, from number 0.
const STATUSES: [&str; 4] = ["UNKNOWN", SERVING, "NOT_SERVING", "SERVICE_UNKNOWN"];

/// `HealthCheckRequest { service }`; an empty service means the whole server.
pub fn health_request(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        // Field 1, length-delimited.
        message.push(0x0a);
        leb128::write(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = BytesMut::new();
    framed.put_u8(0); // not compressed
    framed.put_uint(message.len() as u64, 4);
    framed.put_slice(&message);
    framed.freeze()
}

/// The status of a framed `HealthCheckResponse`; `None` for an invalid message.
pub fn serving_status(framed: &[u8]) -> Option<&'static str> {
    let [0, a, b, c, d, rest @ ..] = framed else { return None };
    let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok()?;
    let number = status_number(rest.get(..length)?)?;
    let known = usize::try_from(number).ok().and_then(|number| STATUSES.get(number).copied());
    Some(known.unwrap_or(STATUSES[0]))
}

/// Field 1 of a message, 0 without one. Other fields are skipped.
fn status_number(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let key = leb128::read(&mut message)?;
        match (key >> 3, key & 7) {
            (0, _) => return None,
            (1, 0) => status = leb128::read(&mut message)?,
            (_, 0) => {
                leb128::read(&mut message)?;
            }
            (_, 1) => skip(&mut message, 8)?,
            (_, 2) => {
                let length = leb128::read(&mut message)?;
                skip(&mut message, length)?;
            }
            (_, 5) => skip(&mut message, 4)?,
            _ => return None,
        }
    }
    Some(status)
}

fn skip(message: &mut &[u8], length: u64) -> Option<()> {
    *message = message.get(usize::try_from(length).ok()?..)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0][..], &length[..], message].concat()
    }

    #[test]
    fn a_request_names_its_service() {
        assert_eq!(health_request("")[..], [0; 5]);
        assert_eq!(health_request("db")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'd', b'b']);
        let long = health_request(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 0x2f, 0x0a, 0xac, 0x02]);
    }

    #[test]
    fn a_status_is_decoded_and_unknown_fields_are_skipped() {
        assert_eq!(serving_status(&framed(&[])), Some("UNKNOWN"));
        assert_eq!(serving_status(&framed(&[8, 1])), Some("SERVING"));
        assert_eq!(
            serving_status(&framed(&[8, 1, 8, 2])),
            Some("NOT_SERVING"),
            "the last one counts"
        );
        assert_eq!(serving_status(&framed(&[8, 0x83, 0])), Some("SERVICE_UNKNOWN"));
        assert_eq!(serving_status(&framed(&[8, 99])), Some("UNKNOWN"));
        let more = [0x12, 2, 8, 2, 0x18, 5, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x2d, 1, 2, 3, 4, 8, 1];
        assert_eq!(serving_status(&framed(&more)), Some("SERVING"));
    }

    #[test]
    fn invalid_messages_are_rejected() {
        let endless = [[8].as_slice(), &[0xff; 11]].concat();
        let bad: [&[u8]; 8] = [
            &[8],
            &[0, 1],
            &[0x0b],
            &[0x12, 3, 1],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x21, 1],
            &[0x2d],
            &endless,
        ];
        for message in bad {
            assert_eq!(serving_status(&framed(message)), None, "{message:?}");
        }
        let unframed: [&[u8]; 5] =
            [b"", &[0, 0, 0], &[1, 0, 0, 0, 2, 8, 1], &[0, 0, 0, 0, 9, 8, 1], b"<html></html>"];
        for body in unframed {
            assert_eq!(serving_status(body), None, "{body:?}");
        }
    }
}
