//! TLS servers, correct and incorrect.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS12;
use rustls::{ALL_VERSIONS, ServerConfig, SupportedProtocolVersion};
use serde_json::{Value, json};

use super::certificates::{Authority, Identity, Shape};
use super::slow::Delays;
use super::wire::{self, Peer};

static ONLY_TLS12: [&SupportedProtocolVersion; 1] = [&TLS12];

/// Configuration of a TLS server.
pub struct TlsServer {
    identity: Identity,
    versions: &'static [&'static SupportedProtocolVersion],
    clients_of: Option<Authority>,
    protocol: Option<Vec<u8>>,
}

impl TlsServer {
    /// A server with this identity that requires no client certificate.
    pub fn new(identity: Identity) -> Self {
        Self { identity, versions: ALL_VERSIONS, clients_of: None, protocol: None }
    }

    /// TLS 1.2 only.
    pub fn only_tls12(mut self) -> Self {
        self.versions = &ONLY_TLS12;
        self
    }

    /// Requires a client certificate of `authority`.
    pub fn requiring_clients_of(mut self, authority: Authority) -> Self {
        self.clients_of = Some(authority);
        self
    }

    /// Negotiates `protocol` in the handshake (RFC 7301).
    pub fn with_alpn(mut self, protocol: &str) -> Self {
        self.protocol = Some(protocol.as_bytes().to_vec());
        self
    }

    pub fn config(self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.versions)
            .unwrap();
        let builder = match &self.clients_of {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let roots = Arc::new(authority.roots());
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut config =
            builder.with_single_cert(self.identity.chain(), self.identity.key()).unwrap();
        config.alpn_protocols = self.protocol.into_iter().collect();
        Arc::new(config)
    }

    /// Starts an https server.
    pub fn serve(self) -> Peer {
        Peer::tls(self.config(), wire::respond_ok)
    }
}

impl Authority {
    /// Starts an https server with such a certificate for 127.0.0.1.
    pub fn serve_shape(&self, shape: Shape) -> Peer {
        TlsServer::new(self.certify("127.0.0.1", shape)).serve()
    }

    /// Starts an https server with a certificate for `name`; returns the port. The server stops
    /// with the test process.
    pub fn serve(&self, name: &str, expired: bool) -> u16 {
        self.serve_after(Duration::ZERO, name, expired)
    }

    /// The same, with a delay in every handshake.
    pub fn serve_after(&self, wait: Duration, name: &str, expired: bool) -> u16 {
        let shape = if expired { Shape::Expired } else { Shape::Good };
        let config = TlsServer::new(self.certify(name, shape)).config();
        let peer = Peer::start(Delays { tls: wait, ..Delays::default() }.over_tls(config));
        let port = peer.port();
        std::mem::forget(peer);
        port
    }
}

/// How a server answers a ClientHello without a TLS version that it supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldTls {
    /// The fatal alert `protocol_version`.
    Alert,
    /// A ServerHello with TLS 1.1.
    Hello,
    /// The end of the connection.
    Closes,
}

impl OldTls {
    /// Starts such a server. Libraries no longer support TLS 1.1, so the few bytes are written out.
    pub fn serve(self) -> Peer {
        Peer::start(move |mut connection| {
            let mut record = [0; 5];
            connection.read_exact(&mut record)?;
            let length = u16::from_be_bytes([record[3], record[4]]);
            connection.read_exact(&mut vec![0; usize::from(length)])?;
            connection.write_all(&self.answer())?;
            wire::close(&mut connection);
            Ok(())
        })
    }

    fn answer(self) -> Vec<u8> {
        match self {
            // An alert in a record of TLS 1.1: fatal (2), protocol_version (70) (RFC 4346, section
            // 7.2).
            Self::Alert => vec![0x15, 3, 2, 0, 2, 2, 70],
            Self::Hello => {
                // Version 3.2, a random, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression
                // (section 7.4.1.3).
                let hello = [&[3, 2][..], &[7; 32], &[0, 0, 0x2f, 0]].concat();
                let length = hello.len() as u8;
                let handshake = [&[2, 0, 0, length][..], &hello].concat();
                [&[0x16, 3, 2, 0, length + 4][..], &handshake].concat()
            }
            Self::Closes => Vec::new(),
        }
    }
}

/// Reads the head of a request.
pub fn read_head(wire: &mut (impl Read + ?Sized)) -> io::Result<()> {
    let (mut lines, mut line) = (BufReader::new(wire), String::new());
    while lines.read_line(&mut line)? > "\r\n".len() {
        line.clear();
    }
    Ok(())
}

/// A TLS server that requests a client certificate but does not require one.
pub fn optional_client_certificate(identity: &Identity) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(Authority::named("clients of another").roots());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_client_cert_verifier(verifier);
    Arc::new(builder.with_single_cert(identity.chain(), identity.key()).unwrap())
}

/// The option `tls` to send `identity` to a target certified by `authority`.
pub fn client_certificate_option(authority: &Authority, identity: &Identity) -> Value {
    json!({
        "ca": authority.pem(),
        "certificate": identity.certificate_pem(),
        "private_key": identity.key_pem(),
    })
}
