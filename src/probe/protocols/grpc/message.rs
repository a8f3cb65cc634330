//! The two messages of gRPC's health service, in protobuf behind gRPC's head of five bytes.

use bytes::{BufMut, Bytes, BytesMut};

/// The word for a service that does well.
pub const SERVING: &str = "SERVING";

/// `HealthCheckResponse.ServingStatus` from 0 on.
const STATUSES: [&str; 4] = ["UNKNOWN", SERVING, "NOT_SERVING", "SERVICE_UNKNOWN"];

/// `HealthCheckRequest { service }`; an empty service means the whole server.
pub fn question(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        // Field 1, with its length before it.
        message.put_u8(0x0a);
        put_varint(&mut message, service.len() as u64);
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::new();
    framed.put_u8(0); // not compressed
    framed.put_uint(message.len() as u64, 4);
    framed.put_slice(&message);
    framed.freeze()
}

/// The word for the status in a framed `HealthCheckResponse`; `None` when `framed` is none.
pub fn status(framed: &[u8]) -> Option<&'static str> {
    let [0, a, b, c, d, rest @ ..] = framed else { return None };
    let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok()?;
    let number = serving_status(rest.get(..length)?)?;
    let known = usize::try_from(number).ok().and_then(|number| STATUSES.get(number).copied());
    Some(known.unwrap_or(STATUSES[0]))
}

/// Field 1 of a message as a number, 0 when it has none. Other fields are passed over.
fn serving_status(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let key = take_varint(&mut message)?;
        match (key >> 3, key & 7) {
            (0, _) => return None,
            (1, 0) => status = take_varint(&mut message)?,
            (_, 0) => {
                take_varint(&mut message)?;
            }
            (_, 1) => pass_over(&mut message, 8)?,
            (_, 2) => {
                let length = take_varint(&mut message)?;
                pass_over(&mut message, length)?;
            }
            (_, 5) => pass_over(&mut message, 4)?,
            _ => return None,
        }
    }
    Some(status)
}

fn put_varint(message: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        message.put_u8((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    message.put_u8(number as u8);
}

fn take_varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn pass_over(message: &mut &[u8], length: u64) -> Option<()> {
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
    fn a_question_names_its_service() {
        assert_eq!(question("")[..], [0; 5]);
        assert_eq!(question("db")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'd', b'b']);
        let long = question(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 0x2f, 0x0a, 0xac, 0x02]);
    }

    #[test]
    fn a_status_is_read_and_what_is_unknown_is_passed_over() {
        assert_eq!(status(&framed(&[])), Some("UNKNOWN"));
        assert_eq!(status(&framed(&[8, 1])), Some("SERVING"));
        assert_eq!(status(&framed(&[8, 1, 8, 2])), Some("NOT_SERVING"), "the last one counts");
        assert_eq!(status(&framed(&[8, 0x83, 0])), Some("SERVICE_UNKNOWN"));
        assert_eq!(status(&framed(&[8, 99])), Some("UNKNOWN"));
        let more = [0x12, 2, 8, 2, 0x18, 5, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x2d, 1, 2, 3, 4, 8, 1];
        assert_eq!(status(&framed(&more)), Some("SERVING"));
    }

    #[test]
    fn what_is_no_message_is_refused() {
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
            assert_eq!(status(&framed(message)), None, "{message:?}");
        }
        let unframed: [&[u8]; 5] =
            [b"", &[0, 0, 0], &[1, 0, 0, 0, 2, 8, 1], &[0, 0, 0, 0, 9, 8, 1], b"<html></html>"];
        for body in unframed {
            assert_eq!(status(body), None, "{body:?}");
        }
    }
}
