//! A TCP relay on loopback that can be cut.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Connects the visitor with the program.
type Connect = dyn Fn() -> io::Result<TcpStream> + Send + Sync;

/// Relays connections to another address until it is cut; stopped on drop.
pub struct Relay {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    connect: Box<Connect>,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    is_cut: bool,
    is_stopped: bool,
    /// Both ends of the connections so far.
    streams: Vec<TcpStream>,
}

impl Relay {
    /// Relays to what `connect` connects to, in a thread for each connection.
    pub fn through(connect: impl Fn() -> io::Result<TcpStream> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared { connect: Box::new(connect), line: Mutex::default() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.line.lock().unwrap().is_stopped {
                    return;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || shared.relay(stream));
            }
        });
        Self { address, shared }
    }

    /// Host and port of this end.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Closes all connections, and new ones as soon as they are made.
    pub fn cut(&self) {
        let mut line = self.shared.line.lock().unwrap();
        line.is_cut = true;
        line.close();
    }

    /// Relays new connections again.
    pub fn restore(&self) {
        self.shared.line.lock().unwrap().is_cut = false;
    }
}

impl Line {
    fn close(&mut self) {
        for stream in self.streams.drain(..) {
            // The peer may have closed it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn relay(&self, near: TcpStream) {
        let Ok(far) = (self.connect)() else { return };
        let ends = [near.try_clone().unwrap(), far.try_clone().unwrap()];
        {
            let mut line = self.line.lock().unwrap();
            line.streams.extend(ends);
            if line.is_cut {
                line.close();
            }
        }
        let (mut from_near, mut to_far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = io::copy(&mut from_near, &mut to_far);
            let _ = to_far.shutdown(Shutdown::Write);
        });
        let (mut from_far, mut to_near) = (far, near);
        let _ = io::copy(&mut from_far, &mut to_near);
        let _ = to_near.shutdown(Shutdown::Write);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        {
            let mut line = self.shared.line.lock().unwrap();
            line.is_stopped = true;
            line.close();
        }
        // Wakes the accepting thread, which then exits.
        let _ = TcpStream::connect(&self.address);
    }
}
