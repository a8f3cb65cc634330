//! An echo request and its reply (RFC 792, RFC 4443), over the kernel's ping sockets, which need no
//! privilege.
//!
//! The kernel sets the identifier and delivers only echo replies with it. The payload distinguishes
//! replies to this probe from late replies to an earlier one.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use crate::domain::{Failure, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::failure;
use crate::probe::protocols::datagram;
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// Bytes after the header of a request.
const PAYLOAD_LENGTH: usize = 32;

/// Sends echo requests to the host until a reply arrives.
pub async fn probe(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    let mut addresses = context.resolve(context.url).await?;
    // ICMP has no ports: keeps the default port out of details.
    addresses.iter_mut().for_each(|address| address.set_port(0));
    context.update_details(|details| details.address = addresses.first().copied());
    context.enter(Phase::Processing);
    let types = |address: SocketAddr| if address.is_ipv4() { V4 } else { V6 };
    let payload = payload(RandomState::new().build_hasher().finish());
    let request = |address, attempt| echo_request(types(address), attempt, &payload);
    let parse =
        |address, packet: &[u8]| Ok(is_reply(types(address), packet, &payload).then_some(()));
    let (address, ()) = datagram::query_any(&addresses, ping_socket, request, parse).await?;
    context.update_details(|details| details.address = Some(address));
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
        Err(error) => Err(failure::of_io("opening a ping socket", &error)),
    }
}

/// The ICMP types of an echo request and its reply.
#[derive(Debug, Clone, Copy)]
struct Types {
    request: u8,
    reply: u8,
}

const V4: Types = Types { request: 8, reply: 0 };
const V6: Types = Types { request: 128, reply: 129 };

/// A payload that begins with `token`.
fn payload(token: u64) -> [u8; PAYLOAD_LENGTH] {
    let mut payload = [b'.'; PAYLOAD_LENGTH];
    payload[..8].copy_from_slice(&token.to_be_bytes());
    payload
}

/// An echo request. The kernel sets the identifier, and over IPv6 the checksum, which covers the
/// addresses.
fn echo_request(types: Types, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    let mut packet = vec![types.request, 0, 0, 0, 0, 0, high, low];
    packet.extend_from_slice(payload);
    let sum = checksum(&packet).to_be_bytes();
    packet[2..4].copy_from_slice(&sum);
    packet
}

/// Whether `packet` is the reply to a request with `payload`.
fn is_reply(types: Types, packet: &[u8], payload: &[u8]) -> bool {
    packet.first() == Some(&types.reply) && packet.get(8..) == Some(payload)
}

/// The Internet checksum (RFC 1071).
fn checksum(packet: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in packet.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
        // End-around carry.
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
        assert_eq!(
            checksum(&echo_request(V4, 7, &payload(42))),
            0,
            "0 over a packet with its checksum"
        );
    }

    #[test]
    fn only_a_reply_with_the_same_payload_is_accepted() {
        let (sent, other) = (payload(1), payload(2));
        let mut reply = echo_request(V4, 3, &sent);
        assert!(!is_reply(V4, &reply, &sent), "a request is not a reply");
        reply[0] = V4.reply;
        assert!(is_reply(V4, &reply, &sent));
        assert!(!is_reply(V4, &reply, &other));
        assert!(!is_reply(V6, &reply, &sent));
        assert!(!is_reply(V4, &reply[..20], &sent));
        assert!(!is_reply(V4, &[], &sent));
    }
}
