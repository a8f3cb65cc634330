//! A server of a plaintext protocol that switches to TLS.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::ServerConfig;

use super::wire::{self, Peer};

/// What the server does before TLS.
#[derive(Debug, Clone)]
pub enum Step {
    /// Reads exactly these bytes.
    Read(Vec<u8>),
    /// Writes these, at once.
    Write(Vec<u8>),
}

pub fn read(bytes: impl AsRef<[u8]>) -> Step {
    Step::Read(bytes.as_ref().to_vec())
}

pub fn write(bytes: impl AsRef<[u8]>) -> Step {
    Step::Write(bytes.as_ref().to_vec())
}

/// Starts a server that goes through `steps` and then expects the TLS handshake.
pub fn upgrading_server(config: Arc<ServerConfig>, steps: Vec<Step>) -> Peer {
    Peer::start(move |mut connection| {
        for step in &steps {
            match step {
                Step::Read(expected) => {
                    let mut received = vec![0; expected.len()];
                    connection.read_exact(&mut received)?;
                    if received != *expected {
                        wire::close(&mut connection);
                        return Err(io::Error::other(format!("{received:?}")));
                    }
                }
                Step::Write(bytes) => connection.write_all(bytes)?,
            }
        }
        let over_tls = wire::with_tls(&config, &mut connection, |wire| {
            // Until the client closes.
            io::copy(wire, &mut io::sink()).map(drop)
        });
        wire::close(&mut connection);
        over_tls
    })
}
