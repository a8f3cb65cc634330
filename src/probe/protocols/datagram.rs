//! Asking by datagrams. They can be lost, so the question is asked again each second until it is answered.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::domain::outcome::address_text;
use crate::domain::{Failure, Reason};
use crate::probe::failure;

/// How long one question has before it is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Longest datagram that is read, in bytes; what is longer is cut.
const DATAGRAM_MAX: usize = 4_096;

/// A socket that sends to one address and hears from it alone.
struct Line {
    socket: UdpSocket,
    address: SocketAddr,
}

/// Asks each of `addresses` in turn, over a socket that `make` makes: the next one after an error, or a second of silence; the
/// last one for as long as it takes. Gives the answer and who gave it.
pub async fn ask_any<T>(
    addresses: &[SocketAddr],
    make: impl Fn(SocketAddr) -> Result<std::net::UdpSocket, Failure>,
    question: impl Fn(SocketAddr, u16) -> Vec<u8>,
    answer: impl Fn(SocketAddr, &[u8]) -> Result<Option<T>, Failure>,
) -> Result<(SocketAddr, T), Failure> {
    let mut failure = Failure::new(Reason::Unreachable, "no address to ask");
    for (nth, &address) in addresses.iter().enumerate() {
        let line = match Line::open(address, &make) {
            Ok(line) => line,
            Err(why) => {
                failure = why;
                continue;
            }
        };
        let asking = line.ask(|attempt| question(address, attempt), |heard| answer(address, heard));
        let heard = if nth + 1 == addresses.len() {
            asking.await
        } else {
            match tokio::time::timeout(ASK_AGAIN_AFTER, asking).await {
                Ok(heard) => heard,
                Err(_silent) => continue,
            }
        };
        match heard {
            Ok(heard) => return Ok((address, heard)),
            Err(why) => failure = why,
        }
    }
    Err(failure)
}

impl Line {
    /// A line to `address`, over a socket that `make` makes. Nothing is sent: an address without one is of a family that this
    /// machine does not speak, or has no route.
    fn open(
        address: SocketAddr,
        make: impl Fn(SocketAddr) -> Result<std::net::UdpSocket, Failure>,
    ) -> Result<Self, Failure> {
        let socket = make(address)?;
        let socket = connect(socket, address).map_err(|error| of_socket(address, &error))?;
        Ok(Self { socket, address })
    }

    /// Sends what `question` gives for each attempt (0 for the first), until `answer` finds an answer in what comes.
    /// Never ends by itself when nothing does.
    async fn ask<T>(
        &self,
        question: impl Fn(u16) -> Vec<u8>,
        answer: impl Fn(&[u8]) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let told = |error: io::Error| of_socket(self.address, &error);
        let mut room = vec![0; DATAGRAM_MAX];
        let mut attempt: u16 = 0;
        loop {
            self.socket.send(&question(attempt)).await.map_err(told)?;
            attempt = attempt.wrapping_add(1);
            let again_at = Instant::now() + ASK_AGAIN_AFTER;
            while let Ok(heard) = timeout_at(again_at, self.socket.recv(&mut room)).await {
                let length = heard.map_err(told)?;
                if let Some(answer) = answer(&room[..length])? {
                    return Ok(answer);
                }
            }
        }
    }
}

fn connect(socket: std::net::UdpSocket, address: SocketAddr) -> io::Result<UdpSocket> {
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// An error of a socket that asks `address`.
pub fn of_socket(address: SocketAddr, error: &io::Error) -> Failure {
    failure::of_io(&format!("asking {}", address_text(address)), error)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn make(_: SocketAddr) -> Result<std::net::UdpSocket, Failure> {
        Ok(std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    #[test]
    fn a_question_is_asked_again_until_it_is_answered() {
        actix_rt::System::new().block_on(async {
            let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let line = Line::open(peer.local_addr().unwrap(), make).unwrap();
            let answering = async {
                let mut room = [0; 8];
                // The first is passed over, as if it were lost.
                for text in [&b"noise"[..], b"yes"] {
                    let (_, from) = peer.recv_from(&mut room).await.unwrap();
                    peer.send_to(text, from).await.unwrap();
                }
                std::future::pending::<()>().await;
            };
            let answer = |heard: &[u8]| Ok((heard == b"yes").then_some(heard.len()));
            let asking = line.ask(|attempt| vec![attempt.to_be_bytes()[1]], answer);
            tokio::select! {
                answer = asking => assert_eq!(answer, Ok(3)),
                () = answering => {}
            }
        });
    }

    #[test]
    fn nobody_there_is_a_refusal() {
        actix_rt::System::new().block_on(async {
            let closed = make(([127, 0, 0, 1], 0).into()).unwrap().local_addr().unwrap();
            let line = Line::open(closed, make).unwrap();
            let answer = line.ask(|_| vec![1], |_| Ok(Some(()))).await;
            assert_eq!(answer.unwrap_err().reason, Reason::Refused);
        });
    }

    #[test]
    fn who_refuses_or_is_silent_is_passed_over() {
        actix_rt::System::new().block_on(async {
            let closed = make(([127, 0, 0, 1], 0).into()).unwrap().local_addr().unwrap();
            let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let known = peer.local_addr().unwrap();
            let addresses = [closed, silent.local_addr().unwrap(), known];
            let answering = async {
                let mut room = [0; 8];
                let (_, from) = peer.recv_from(&mut room).await.unwrap();
                peer.send_to(b"yes", from).await.unwrap();
                std::future::pending::<()>().await;
            };
            let asking = ask_any(&addresses, make, |_, _| vec![1], |_, _| Ok(Some(())));
            tokio::select! {
                answer = asking => assert_eq!(answer, Ok((known, ()))),
                () = answering => {}
            }
        });
    }
}
