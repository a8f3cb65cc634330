//! Request and response by datagrams. They can be lost, so requests are repeated every second.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::domain::outcome::address_text;
use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::limits::check;

/// Time without a response after which a request is repeated.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Longest datagram, in bytes (RFC 768: a length of 16 bits).
pub const DATAGRAM_MAX: usize = 65_535;

/// Most datagrams of one address that are ignored, since they are no response.
const IGNORED_LIMIT: u64 = 1_000;

/// Opens a socket for an address, with what requests and responses over it depend on.
pub trait Open<S>: Fn(SocketAddr) -> Result<(std::net::UdpSocket, S), Failure> {}

impl<S, F: Fn(SocketAddr) -> Result<(std::net::UdpSocket, S), Failure>> Open<S> for F {}

/// A request that is about to be sent.
pub struct Attempt<'a, S> {
    /// From 0.
    pub number: u16,
    pub socket: &'a PeerSocket<S>,
}

/// Queries `addresses` in turn: the next one after an error or [`RETRY_AFTER`], the last one until
/// the deadline. `parse` returns `None` for datagrams to ignore. Returns the response and the
/// address that sent it.
pub async fn query_any<S, T>(
    addresses: &[SocketAddr],
    open: impl Open<S>,
    request: impl Fn(Attempt<'_, S>) -> Result<Vec<u8>, Failure>,
    parse: impl Fn(&S, &[u8]) -> Result<Option<T>, Failure>,
) -> Result<(SocketAddr, T), Failure> {
    let mut last_failure = no_address();
    for (index, &address) in addresses.iter().enumerate() {
        let socket = match PeerSocket::open(address, &open) {
            Ok(socket) => socket,
            Err(failure) => {
                last_failure = failure;
                continue;
            }
        };
        let query = socket.query(&request, &parse);
        let result = if index + 1 == addresses.len() {
            query.await
        } else {
            match tokio::time::timeout(RETRY_AFTER, query).await {
                Ok(result) => result,
                Err(_elapsed) => continue,
            }
        };
        match result {
            Ok(response) => return Ok((address, response)),
            Err(failure) => last_failure = failure,
        }
    }
    Err(last_failure)
}

pub fn no_address() -> Failure {
    Failure::new(Reason::Unreachable, "no address to send to")
}

/// A socket connected to one address, so it receives from that address only.
pub struct PeerSocket<S> {
    socket: UdpSocket,
    pub address: SocketAddr,
    pub state: S,
}

impl<S> PeerSocket<S> {
    /// Sends nothing. Fails for an address whose family this machine does not support, or without a
    /// route.
    pub fn open(address: SocketAddr, open: impl Open<S>) -> Result<Self, Failure> {
        let (socket, state) = open(address)?;
        let socket = connect(socket, address).map_err(|error| socket_failure(address, &error))?;
        Ok(Self { socket, address, state })
    }

    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub async fn send(&self, packet: &[u8]) -> Result<(), Failure> {
        let sent = self.socket.send(packet).await;
        sent.map(drop).map_err(|error| socket_failure(self.address, &error))
    }

    /// Length of the next datagram. An ICMP error about an earlier one, such as a closed port, is a
    /// failure.
    pub async fn receive(&self, buffer: &mut [u8]) -> Result<usize, Failure> {
        // tokio wakes no reader for an error of the socket.
        let error = self.socket.async_io(Interest::ERROR, || match self.socket.take_error()? {
            Some(error) => Err(error),
            None => Err(io::ErrorKind::WouldBlock.into()),
        });
        let received = tokio::select! {
            biased;
            received = self.socket.recv(buffer) => received,
            failed = error => failed,
        };
        received.map_err(|error| socket_failure(self.address, &error))
    }

    /// Sends requests, from attempt 0 on, until `parse` returns a response. Never ends by itself
    /// without a response.
    async fn query<T>(
        &self,
        request: impl Fn(Attempt<'_, S>) -> Result<Vec<u8>, Failure>,
        parse: impl Fn(&S, &[u8]) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let mut buffer = vec![0; DATAGRAM_MAX];
        let (mut number, mut ignored): (u16, u64) = (0, 0);
        loop {
            self.send(&request(Attempt { number, socket: self })?).await?;
            number = number.wrapping_add(1);
            let retry_at = Instant::now() + RETRY_AFTER;
            while let Ok(received) = timeout_at(retry_at, self.receive(&mut buffer)).await {
                let length = received?;
                if let Some(response) = parse(&self.state, &buffer[..length])? {
                    return Ok(response);
                }
                ignored += 1;
                check(ignored, IGNORED_LIMIT, "datagrams that are no response")
                    .map_err(|exceeded| exceeded.failure("waiting for the response"))?;
            }
        }
    }
}

/// A UDP socket of the family of `address`.
pub fn udp_socket(address: SocketAddr) -> Result<(std::net::UdpSocket, ()), Failure> {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let socket = std::net::UdpSocket::bind((any, 0));
    let socket = socket.map_err(|error| failure::of_io("opening a UDP socket", &error))?;
    Ok((socket, ()))
}

fn connect(socket: std::net::UdpSocket, address: SocketAddr) -> io::Result<UdpSocket> {
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// An error of a socket that probes `address`.
pub fn socket_failure(address: SocketAddr, error: &io::Error) -> Failure {
    failure::of_io(&format!("probing {}", address_text(address)), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed_port() -> SocketAddr {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        std::net::UdpSocket::bind(any).unwrap().local_addr().unwrap()
    }

    #[test]
    fn a_request_is_repeated_until_it_is_answered() {
        actix_rt::System::new().block_on(async {
            let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let socket = PeerSocket::open(peer.local_addr().unwrap(), udp_socket).unwrap();
            let responses = async {
                let mut buffer = [0; 8];
                // The first response is ignored, as if the request were lost.
                for text in [&b"noise"[..], b"yes"] {
                    let (_, from) = peer.recv_from(&mut buffer).await.unwrap();
                    peer.send_to(text, from).await.unwrap();
                }
                std::future::pending::<()>().await;
            };
            let parse = |(): &(), packet: &[u8]| Ok((packet == b"yes").then_some(packet.len()));
            let query = socket.query(|attempt| Ok(vec![attempt.number.to_be_bytes()[1]]), parse);
            tokio::select! {
                response = query => assert_eq!(response, Ok(3)),
                () = responses => {}
            }
        });
    }

    #[test]
    fn datagrams_that_are_no_response_are_limited() {
        actix_rt::System::new().block_on(async {
            let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let socket = PeerSocket::open(peer.local_addr().unwrap(), udp_socket).unwrap();
            let flood = async {
                let (_, from) = peer.recv_from(&mut [0; 8]).await.unwrap();
                loop {
                    peer.send_to(b"noise", from).await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                response = socket.query(|_| Ok(vec![1]), |_, _| Ok(None::<()>)) => {
                    let detail =
                        "waiting for the response: more than 1000 datagrams that are no response";
                    assert_eq!(response, Err(Failure::new(Reason::Protocol, detail)));
                }
                () = flood => {}
            }
        });
    }

    #[test]
    fn a_closed_port_is_refused() {
        actix_rt::System::new().block_on(async {
            let socket = PeerSocket::open(closed_port(), udp_socket).unwrap();
            // The error comes although nothing is sent again.
            socket.send(&[1]).await.unwrap();
            let received = socket.receive(&mut [0; 8]).await;
            assert_eq!(received.unwrap_err().reason, Reason::Refused);
        });
    }

    #[test]
    fn the_next_address_is_queried_after_a_refusal_or_silence() {
        actix_rt::System::new().block_on(async {
            let closed = closed_port();
            let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let responding = peer.local_addr().unwrap();
            let addresses = [closed, silent.local_addr().unwrap(), responding];
            let responses = async {
                let mut buffer = [0; 8];
                let (_, from) = peer.recv_from(&mut buffer).await.unwrap();
                peer.send_to(b"yes", from).await.unwrap();
                std::future::pending::<()>().await;
            };
            let query = query_any(&addresses, udp_socket, |_| Ok(vec![1]), |_, _| Ok(Some(())));
            tokio::select! {
                response = query => assert_eq!(response, Ok((responding, ()))),
                () = responses => {}
            }
        });
    }
}
