//! Request and response by datagrams. They can be lost, so requests are repeated every second.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::domain::outcome::address_text;
use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::limits::check;

/// Time without a response after which a request is repeated.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Most bytes read of one datagram; the rest is discarded.
const DATAGRAM_MAX: usize = 4_096;

/// Most datagrams of one address that are ignored, since they are no response.
const IGNORED_LIMIT: u64 = 1_000;

/// A socket connected to one address, so it receives from that address only.
struct PeerSocket {
    socket: UdpSocket,
    address: SocketAddr,
}

/// Queries `addresses` in turn: the next one after an error or [`RETRY_AFTER`], the last one until
/// the deadline. `parse` returns `None` for datagrams to ignore. Returns the response and the
/// address that sent it.
pub async fn query_any<T>(
    addresses: &[SocketAddr],
    new_socket: impl Fn(SocketAddr) -> Result<std::net::UdpSocket, Failure>,
    request: impl Fn(SocketAddr, u16) -> Vec<u8>,
    parse: impl Fn(SocketAddr, &[u8]) -> Result<Option<T>, Failure>,
) -> Result<(SocketAddr, T), Failure> {
    let mut last_failure = Failure::new(Reason::Unreachable, "no address to send to");
    for (index, &address) in addresses.iter().enumerate() {
        let socket = match PeerSocket::open(address, &new_socket) {
            Ok(socket) => socket,
            Err(failure) => {
                last_failure = failure;
                continue;
            }
        };
        let query =
            socket.query(|attempt| request(address, attempt), |packet| parse(address, packet));
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

impl PeerSocket {
    /// Sends nothing. Fails for an address whose family this machine does not support, or without a
    /// route.
    fn open(
        address: SocketAddr,
        new_socket: impl Fn(SocketAddr) -> Result<std::net::UdpSocket, Failure>,
    ) -> Result<Self, Failure> {
        let socket = new_socket(address)?;
        let socket = connect(socket, address).map_err(|error| socket_failure(address, &error))?;
        Ok(Self { socket, address })
    }

    /// Sends `request(attempt)`, from attempt 0 on, until `parse` returns a response. Never ends by
    /// itself without a response.
    async fn query<T>(
        &self,
        request: impl Fn(u16) -> Vec<u8>,
        parse: impl Fn(&[u8]) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let failed = |error: io::Error| socket_failure(self.address, &error);
        let mut buffer = vec![0; DATAGRAM_MAX];
        let (mut attempt, mut ignored): (u16, u64) = (0, 0);
        loop {
            self.socket.send(&request(attempt)).await.map_err(failed)?;
            attempt = attempt.wrapping_add(1);
            let retry_at = Instant::now() + RETRY_AFTER;
            while let Ok(received) = timeout_at(retry_at, self.socket.recv(&mut buffer)).await {
                let length = received.map_err(failed)?;
                if let Some(response) = parse(&buffer[..length])? {
                    return Ok(response);
                }
                ignored += 1;
                check(ignored, IGNORED_LIMIT, "datagrams that are no response")
                    .map_err(|exceeded| exceeded.failure("waiting for the response"))?;
            }
        }
    }
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
    use std::net::Ipv4Addr;

    use super::*;

    fn new_socket(_: SocketAddr) -> Result<std::net::UdpSocket, Failure> {
        Ok(std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    #[test]
    fn a_request_is_repeated_until_it_is_answered() {
        actix_rt::System::new().block_on(async {
            let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let socket = PeerSocket::open(peer.local_addr().unwrap(), new_socket).unwrap();
            let responses = async {
                let mut buffer = [0; 8];
                // The first response is ignored, as if the request were lost.
                for text in [&b"noise"[..], b"yes"] {
                    let (_, from) = peer.recv_from(&mut buffer).await.unwrap();
                    peer.send_to(text, from).await.unwrap();
                }
                std::future::pending::<()>().await;
            };
            let parse = |packet: &[u8]| Ok((packet == b"yes").then_some(packet.len()));
            let query = socket.query(|attempt| vec![attempt.to_be_bytes()[1]], parse);
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
            let socket = PeerSocket::open(peer.local_addr().unwrap(), new_socket).unwrap();
            let flood = async {
                let (_, from) = peer.recv_from(&mut [0; 8]).await.unwrap();
                loop {
                    peer.send_to(b"noise", from).await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                response = socket.query(|_| vec![1], |_| Ok(None::<()>)) => {
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
            let closed = new_socket(([127, 0, 0, 1], 0).into()).unwrap().local_addr().unwrap();
            let socket = PeerSocket::open(closed, new_socket).unwrap();
            let response = socket.query(|_| vec![1], |_| Ok(Some(()))).await;
            assert_eq!(response.unwrap_err().reason, Reason::Refused);
        });
    }

    #[test]
    fn the_next_address_is_queried_after_a_refusal_or_silence() {
        actix_rt::System::new().block_on(async {
            let closed = new_socket(([127, 0, 0, 1], 0).into()).unwrap().local_addr().unwrap();
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
            let query = query_any(&addresses, new_socket, |_, _| vec![1], |_, _| Ok(Some(())));
            tokio::select! {
                response = query => assert_eq!(response, Ok((responding, ()))),
                () = responses => {}
            }
        });
    }
}
