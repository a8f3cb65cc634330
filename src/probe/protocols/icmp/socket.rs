//! Raw sockets and ping sockets for echo requests.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::protocols::icmp::echo::{Echo, Family, without_ip_header};

/// The form of the packets that a socket receives.
#[derive(Debug, Clone, Copy)]
pub struct EchoSocket {
    pub family: Family,
    is_raw: bool,
}

impl EchoSocket {
    /// Whether `packet` is a reply to a request of `echo`.
    pub fn is_reply(self, echo: &Echo, packet: &[u8]) -> bool {
        let message = match (self.is_raw, self.family) {
            // raw(7): packets over IPv4 have their IP header.
            (true, Family::V4) => without_ip_header(packet),
            _ => Some(packet),
        };
        message.is_some_and(|message| echo.is_reply(self.family, message, self.is_raw))
    }
}

/// A socket for echo requests with the identifier `id` to `address`; `ttl` instead of the time to
/// live of the system. A ping socket is given an identifier by the kernel, and receives only
/// replies with it.
pub fn open(
    address: SocketAddr,
    id: u16,
    ttl: Option<u8>,
) -> Result<(UdpSocket, EchoSocket), Failure> {
    let (family, protocol) = match address {
        SocketAddr::V4(_) => (Family::V4, Protocol::ICMPV4),
        SocketAddr::V6(_) => (Family::V6, Protocol::ICMPV6),
    };
    let new = |kind| Socket::new(Domain::for_address(address), kind, Some(protocol));
    let raw = new(Type::RAW).and_then(|socket| {
        receive_only_replies(&socket, family, id)?;
        Ok(socket)
    });
    let (socket, is_raw) = match raw {
        Ok(socket) => (Ok(socket), true),
        Err(error) if is_forbidden(&error) => (new(Type::DGRAM), false),
        Err(error) => (Err(error), true),
    };
    let socket = socket.and_then(|socket| {
        match (ttl.map(u32::from), family) {
            (None, _) => {}
            (Some(ttl), Family::V4) => socket.set_ttl_v4(ttl)?,
            (Some(hops), Family::V6) => socket.set_unicast_hops_v6(hops)?,
        }
        Ok(socket)
    });
    match socket {
        Ok(socket) => Ok((socket.into(), EchoSocket { family, is_raw })),
        Err(error) if is_forbidden(&error) => Err(Failure::new(
            Reason::LocalConfig,
            "no permission for ICMP: give this process CAP_NET_RAW for raw sockets, or allow its \
             group in net.ipv4.ping_group_range for ping sockets",
        )),
        Err(error) => Err(failure::of_io("opening a socket for ICMP", &error)),
    }
}

fn is_forbidden(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// Makes the kernel drop all other packets. A raw socket receives every ICMP message from its peer:
/// also requests, and the replies to other processes and probes, so that a busy host could fill its
/// buffer.
#[cfg(target_os = "linux")]
fn receive_only_replies(socket: &Socket, family: Family, id: u16) -> io::Result<()> {
    use socket2::SockFilter;

    // Instructions of the classic BPF: see linux/filter.h and
    // https://www.kernel.org/doc/html/latest/networking/filter.html
    const LOAD_IP_HEADER_LENGTH: u16 = 0xb1; // BPF_LDX | BPF_B | BPF_MSH
    const LOAD_X: u16 = 0x01; // BPF_LDX | BPF_W | BPF_IMM
    const LOAD_BYTE: u16 = 0x50; // BPF_LD | BPF_B | BPF_IND
    const LOAD_HALF: u16 = 0x48; // BPF_LD | BPF_H | BPF_IND
    const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K

    // Offsets are relative to X, the length of the header before the ICMP message.
    let message = match family {
        Family::V4 => SockFilter::new(LOAD_IP_HEADER_LENGTH, 0, 0, 0),
        Family::V6 => SockFilter::new(LOAD_X, 0, 0, 0),
    };
    let whole_packet = u32::MAX;
    socket.attach_filter(&[
        message,
        SockFilter::new(LOAD_BYTE, 0, 0, 0),
        SockFilter::new(JUMP_IF_EQUAL, 0, 3, u32::from(family.reply())),
        SockFilter::new(LOAD_HALF, 0, 0, 4),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, u32::from(id)),
        SockFilter::new(RETURN, 0, 0, whole_packet),
        SockFilter::new(RETURN, 0, 0, 0),
    ])
}

/// Other systems have no such filter; the probe ignores other packets itself.
#[cfg(not(target_os = "linux"))]
fn receive_only_replies(_: &Socket, _: Family, _: u16) -> io::Result<()> {
    Ok(())
}
