//! TLS as a client: who is trusted, and the handshake.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ProtocolVersion, RootCertStore,
    SignatureScheme, version,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::domain::service::options::{Pem, TlsOptions, TlsVersion};
use crate::domain::{Certificate, Failure, Invalid, ProbeDetails, Reason};
use crate::probe::failure;

/// Most ways of speaking TLS that an arbiter keeps at hand; with more, they are made anew.
const KEPT_LIMIT: usize = 256;

/// What is to be spoken over a secured connection (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// Nothing is said of it.
    None,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Whom probes trust.
#[derive(Debug, Clone)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    /// Authorities of the system and of the CA file together.
    pub authorities: usize,
}

/// Trusts the system's authorities (or `SSL_CERT_FILE`) and those of `ca_file`. The error is about
/// `ca_file`.
pub fn trust(ca_file: Option<&Path>) -> Result<Trust, Invalid> {
    let mut roots = RootCertStore::empty();
    let (_added, _unusable) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        let invalid =
            |reason: String| Invalid::quoted(file, "a PEM file of certificates").because(reason);
        let pem = std::fs::read(file).map_err(|error| invalid(error.to_string()))?;
        for certificate in certificates_of(&pem).map_err(invalid)? {
            roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
        }
    }
    Ok(Trust { authorities: roots.len(), roots: Arc::new(roots) })
}

/// Checks that TLS can be spoken as `options` say. The error is for a person.
pub fn check(options: &TlsOptions) -> Result<(), String> {
    let trust = Trust { roots: Arc::new(RootCertStore::empty()), authorities: 0 };
    config(&trust, options, Alpn::None).map(drop)
}

fn certificates_of(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err("it holds no certificate".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

fn text_of(pem: &Pem) -> Result<Vec<u8>, String> {
    match pem {
        Pem::Text(text) => Ok(text.clone().into_bytes()),
        Pem::File(path) => {
            std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
        }
    }
}

/// Sessions are never resumed, so that each probe checks the certificate.
fn config(trust: &Trust, options: &TlsOptions, alpn: Alpn) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[_] = match options.min_version {
        Some(TlsVersion::Tls13) => &[&version::TLS13],
        Some(TlsVersion::Tls12) | None => &[&version::TLS13, &version::TLS12],
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| error.to_string())?;
    let builder = if options.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else if let Some(ca) = &options.ca {
        let mut roots = RootCertStore::empty();
        for certificate in certificates_of(&text_of(ca)?).map_err(|why| format!("ca: {why}"))? {
            roots.add(certificate).map_err(|error| format!("ca: {error}"))?;
        }
        builder.with_root_certificates(roots)
    } else {
        builder.with_root_certificates(Arc::clone(&trust.roots))
    };
    let mut config = match (&options.certificate, &options.private_key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates_of(&text_of(certificate)?)
                .map_err(|why| format!("certificate: {why}"))?;
            let key = PrivateKeyDer::from_pem_slice(&text_of(key)?)
                .map_err(|error| format!("private_key: {error}"))?;
            let told = |error| format!("certificate and private_key: {error}");
            builder.with_client_auth_cert(chain, key).map_err(told)?
        }
        _ => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = match alpn {
        Alpn::None => Vec::new(),
        Alpn::Http1 => vec![b"http/1.1".to_vec()],
        Alpn::Http2 => vec![b"h2".to_vec()],
    };
    Ok(config)
}

/// The ways of speaking TLS that an arbiter has at hand. Bound: [`KEPT_LIMIT`].
pub struct Tls {
    trust: Trust,
    kept: RefCell<HashMap<(TlsOptions, Alpn), Arc<ClientConfig>>>,
}

impl Tls {
    /// Trusts whom `trust` says where a service says nothing else.
    pub fn new(trust: Trust) -> Self {
        Self { trust, kept: RefCell::default() }
    }

    fn config(&self, options: &TlsOptions, alpn: Alpn) -> Result<Arc<ClientConfig>, Failure> {
        let mut kept = self.kept.borrow_mut();
        let key = (options.clone(), alpn);
        if let Some(config) = kept.get(&key) {
            return Ok(Arc::clone(config));
        }
        let config = config(&self.trust, options, alpn)
            .map_err(|why| Failure::new(Reason::LocalConfig, format!("tls: {why}")))?;
        let config = Arc::new(config);
        // What a file holds may change, so a configuration that reads files is made anew each time.
        let files = [&options.ca, &options.certificate, &options.private_key];
        if !files.into_iter().flatten().any(|pem| matches!(pem, Pem::File(_))) {
            if kept.len() >= KEPT_LIMIT {
                kept.clear();
            }
            kept.insert(key, Arc::clone(&config));
        }
        Ok(config)
    }

    /// Secures `stream` for the host of `url`, or for the name that `options` say. Also tells whether the target asked for a
    /// certificate, where nothing is spoken over TLS (`Alpn::None`): over TLS 1.3 it refuses ours, or none, only behind the
    /// handshake.
    pub async fn secure(
        &self,
        options: &TlsOptions,
        alpn: Alpn,
        url: &Url,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, bool), Failure> {
        if self.trust.authorities == 0 && options.ca.is_none() && !options.insecure {
            let told = "no certificate authority is known here";
            return Err(Failure::new(Reason::LocalConfig, told));
        }
        let host = options.server_name.as_deref().or(url.host_str()).unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| {
            Failure::new(Reason::TlsHostname, format!("{host} is no name for a certificate"))
        })?;
        let config = self.config(options, alpn)?;
        let shake_hands = async |config| {
            let secured = TlsConnector::from(config).connect(name, stream).await;
            secured.map_err(|error| failure::of_tls(&error))
        };
        if alpn != Alpn::None {
            // A protocol over TLS shows the refusal by itself.
            return Ok((shake_hands(config).await?, false));
        }
        let own = Arc::clone(&config.client_auth_cert_resolver);
        let asked = Arc::new(AskedForCertificate { own, asked: AtomicBool::new(false) });
        let mut noting = ClientConfig::clone(&config);
        noting.client_auth_cert_resolver = Arc::clone(&asked) as Arc<dyn ResolvesClientCert>;
        let stream = shake_hands(Arc::new(noting)).await?;
        Ok((stream, asked.asked.load(Ordering::Relaxed)))
    }
}

/// Notes the version and the earliest end of the certificates of a connection.
pub fn note(connection: &ClientConnection, seen: &mut ProbeDetails) {
    seen.tls_version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => Some(TlsVersion::Tls12),
        Some(ProtocolVersion::TLSv1_3) => Some(TlsVersion::Tls13),
        _ => None,
    };
    let chain = connection.peer_certificates().unwrap_or_default();
    seen.certificate_expires_at = chain
        .iter()
        .filter_map(|certificate| X509Certificate::from_der(certificate).ok())
        .map(|(_, certificate)| certificate.validity().not_after.timestamp())
        .min();
}

/// The chain that the target has shown, its own certificate first.
pub fn certificates(connection: &ClientConnection) -> Vec<Certificate> {
    let chain = connection.peer_certificates().unwrap_or_default();
    let parsed = chain.iter().filter_map(|der| X509Certificate::from_der(der).ok());
    parsed
        .map(|(_, certificate)| Certificate {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
        })
        .collect()
}

/// Notes that the target asked for a certificate.
#[derive(Debug)]
struct AskedForCertificate {
    own: Arc<dyn ResolvesClientCert>,
    asked: AtomicBool,
}

impl ResolvesClientCert for AskedForCertificate {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.own.resolve(hints, schemes)
    }

    fn has_certs(&self) -> bool {
        self.own.has_certs()
    }
}

/// Takes any certificate, as a service with `insecure` wants; that the target has its key is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
