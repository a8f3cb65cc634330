//! An authority of our own, and servers with its certificates.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, Stream};
use tempfile::TempDir;

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    folder: TempDir,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem, folder: tempfile::tempdir().unwrap() }
    }

    /// Its certificate as a PEM file.
    pub fn file(&self) -> PathBuf {
        let file = self.folder.path().join("ca.pem");
        std::fs::write(&file, &self.pem).unwrap();
        file
    }

    /// When the certificates that [`Self::serve`] makes expire, in unix seconds.
    pub fn expires_at(&self) -> i64 {
        date_time_ymd(2045, 6, 7).unix_timestamp()
    }

    /// Starts an https server with a certificate for `name`, expired or not; gives its port. The thread ends with the
    /// test's process.
    pub fn serve(&self, name: &str, expired: bool) -> u16 {
        self.serve_after(Duration::ZERO, name, expired)
    }

    /// The same, with every handshake held back for a while.
    pub fn serve_after(&self, wait: Duration, name: &str, expired: bool) -> u16 {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(2045, 6, 7);
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let Ok(mut connection) = connection else { continue };
                std::thread::sleep(wait);
                let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = Stream::new(&mut session, &mut connection);
                // A client that refuses the certificate ends this, as it should. No goodbye is sent on purpose: many
                // servers send none.
                let _ = stream.read(&mut [0; 4_096]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok");
            }
        });
        port
    }
}
