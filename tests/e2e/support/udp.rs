//! A target over UDP.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A server on 127.0.0.1 that answers each datagram; stopped on drop.
pub struct UdpPeer {
    port: u16,
    received: Arc<AtomicUsize>,
    closed: Arc<AtomicBool>,
}

impl UdpPeer {
    /// Starts a server; `answer` returns `None` for silence.
    pub fn start(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (received, closed) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counted, closing) = (Arc::clone(&received), Arc::clone(&closed));
        std::thread::spawn(move || {
            let mut room = [0; 65_535];
            while !closing.load(Ordering::SeqCst) {
                // A timeout, or an ICMP error about an earlier answer.
                let Ok((length, from)) = socket.recv_from(&mut room) else { continue };
                counted.fetch_add(1, Ordering::SeqCst);
                if let Some(answer) = answer(&room[..length]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { port, received, closed }
    }

    /// A server that repeats each datagram behind `prefix`.
    pub fn echo(prefix: &'static str) -> Self {
        Self::start(move |packet| Some([prefix.as_bytes(), packet].concat()))
    }

    pub fn url(&self) -> String {
        format!("udp://127.0.0.1:{}", self.port)
    }

    /// Number of datagrams so far.
    pub fn received(&self) -> usize {
        self.received.load(Ordering::SeqCst)
    }
}

impl Drop for UdpPeer {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}
