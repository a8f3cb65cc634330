//! An echo request and its reply (RFC 792, RFC 4443), over the kernel's ping sockets, which need no privilege.
//!
//! The kernel sets the identifier and passes on echo replies to it alone; the payload tells the replies to this probe
//! from late ones to an earlier.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use url::Url;

use super::datagram;
use crate::domain::{Failure, Reason};
use crate::probe::context::{ProbeContext, ProbeResponse};
use crate::probe::failure;
use crate::probe::timings::Phase;

/// Bytes behind the head of a request.
const PAYLOAD: usize = 32;

/// Sends echo requests to the host until one is answered.
pub async fn probe(way: &ProbeContext<'_>, url: &Url) -> Result<ProbeResponse, Failure> {
    let mut addresses = way.addresses(url).await?;
    // There are no ports; the one of the transport would only be told.
    addresses.iter_mut().for_each(|address| address.set_port(0));
    way.note(|seen| seen.address = addresses.first().copied());
    way.enter(Phase::Waiting);
    let types = |address: SocketAddr| if address.is_ipv4() { V4 } else { V6 };
    let payload = payload(RandomState::new().build_hasher().finish());
    let question = |address, attempt| request(types(address), attempt, &payload);
    let answer = |address, heard: &[u8]| Ok(answers(types(address), heard, &payload).then_some(()));
    let (address, ()) = datagram::ask_any(&addresses, ping_socket, question, answer).await?;
    way.note(|seen| seen.address = Some(address));
    Ok(ProbeResponse::default())
}

fn ping_socket(address: SocketAddr) -> Result<std::net::UdpSocket, Failure> {
    let protocol = if address.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    match Socket::new(Domain::for_address(address), Type::DGRAM, Some(protocol)) {
        Ok(socket) => Ok(socket.into()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Failure::new(
            Reason::LocalConfig,
            "no permission for ping sockets; allow this group in net.ipv4.ping_group_range",
        )),
        Err(error) => Err(failure::of_io("making a ping socket", &error)),
    }
}

/// The types of an echo request and of its reply.
#[derive(Debug, Clone, Copy)]
struct Types {
    request: u8,
    reply: u8,
}

const V4: Types = Types { request: 8, reply: 0 };
const V6: Types = Types { request: 128, reply: 129 };

/// A payload that begins with `token` and goes on in a pattern.
fn payload(token: u64) -> [u8; PAYLOAD] {
    let mut payload = [b'.'; PAYLOAD];
    payload[..8].copy_from_slice(&token.to_be_bytes());
    payload
}

/// An echo request. Its identifier is left to the kernel, and so is the checksum over IPv6, which covers the addresses.
fn request(types: Types, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    let mut packet = vec![types.request, 0, 0, 0, 0, 0, high, low];
    packet.extend_from_slice(payload);
    let sum = checksum(&packet).to_be_bytes();
    packet[2..4].copy_from_slice(&sum);
    packet
}

/// Whether `packet` is the reply to a request with this payload.
fn answers(types: Types, packet: &[u8], payload: &[u8]) -> bool {
    packet.first() == Some(&types.reply) && packet.get(8..) == Some(payload)
}

/// The Internet checksum (RFC 1071).
fn checksum(packet: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in packet.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
        // The carry comes back in at the low end.
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[]), 0xffff);
        assert_eq!(checksum(&[0xff]), 0x00ff);
        assert_eq!(checksum(&request(V4, 7, &payload(42))), 0, "with its checksum it sums up to 0");
    }

    #[test]
    fn only_the_reply_with_our_payload_is_ours() {
        let (ours, other) = (payload(1), payload(2));
        let mut reply = request(V4, 3, &ours);
        assert!(!answers(V4, &reply, &ours), "a request is no reply");
        reply[0] = V4.reply;
        assert!(answers(V4, &reply, &ours));
        assert!(!answers(V4, &reply, &other));
        assert!(!answers(V6, &reply, &ours));
        assert!(!answers(V4, &reply[..20], &ours));
        assert!(!answers(V4, &[], &ours));
    }
}
