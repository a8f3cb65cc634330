//! TLS as a client: trusted authorities, configurations, and the handshake.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
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
use url::Url;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::bounded_file;
use crate::domain::service::options::{Pem, TlsOptions, TlsVersion};
use crate::domain::{Certificate, Failure, Invalid, ProbeDetails, Reason};
use crate::probe::failure;
use crate::probe::net::tls_stream::TlsStream;

/// Most cached configurations of an arbiter; beyond that, the cache is cleared.
const CONFIGS_LIMIT: usize = 256;

/// Largest file of certificates or keys, in bytes.
const MAX_PEM_BYTES: usize = 4 * 1024 * 1024;

/// The protocol offered in the handshake (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// No ALPN extension.
    None,
    Http1,
    Http2,
}

/// The certificate authorities that probes trust by default.
#[derive(Debug, Clone)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    /// Number of authorities.
    pub authorities: usize,
}

impl Trust {
    /// Trusts the system's authorities (or `SSL_CERT_FILE`) and those of the PEM file `ca_file`.
    /// The error is about `ca_file`.
    pub fn load(ca_file: Option<&Path>) -> Result<Self, Invalid> {
        let mut roots = RootCertStore::empty();
        let (_added, _unusable) = roots.add_parsable_certificates(system_certificates());
        if let Some(file) = ca_file {
            let invalid = |reason: String| {
                Invalid::quoted(file, "a PEM file of certificates").because(reason)
            };
            let pem = bounded_file::read(file, MAX_PEM_BYTES);
            let pem = pem.map_err(|error| invalid(error.to_string()))?;
            for certificate in parse_certificates(&pem).map_err(invalid)? {
                roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
            }
        }
        Ok(Self { authorities: roots.len(), roots: Arc::new(roots) })
    }
}

/// The certificates of the system or of `SSL_CERT_FILE`; none when reading them hangs.
fn system_certificates() -> Vec<CertificateDer<'static>> {
    let load = || rustls_native_certs::load_native_certs().certs;
    bounded_file::within(bounded_file::READ_TIMEOUT, load).unwrap_or_default()
}

/// Checks that a TLS configuration can be built from `options`, and reads their files. The error
/// names the option.
pub fn validate(options: &TlsOptions) -> Result<(), String> {
    let trust = Trust { roots: Arc::new(RootCertStore::empty()), authorities: 0 };
    let files = options.files().map(|path| {
        let read = bounded_file::read(path, MAX_PEM_BYTES);
        (path.clone(), read.map_err(|error| error.to_string()))
    });
    build_config(&trust, options, &Files(files.collect()), Alpn::None).map(drop)
}

/// The files that TLS options name, with their contents.
#[derive(Debug, Default)]
pub struct Files(HashMap<PathBuf, Result<Vec<u8>, String>>);

/// Reads the files of `options`, which may change between probes.
pub async fn read_files(options: &TlsOptions) -> Files {
    let mut files = HashMap::new();
    for path in options.files() {
        let read = bounded_file::read_async(path.clone(), MAX_PEM_BYTES).await;
        files.insert(path.clone(), read.map_err(|error| error.to_string()));
    }
    Files(files)
}

fn parse_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err("no certificate found".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

impl Files {
    fn bytes<'a>(&'a self, pem: &'a Pem) -> Result<&'a [u8], String> {
        match pem {
            Pem::Text(text) => Ok(text.as_bytes()),
            Pem::File(path) => match self.0.get(path) {
                Some(read) => read.as_deref().map_err(Clone::clone),
                None => Err("not read".to_owned()),
            },
        }
    }
}

/// Certificates of the option `name`.
fn read_certificates(
    name: &str,
    pem: &Pem,
    files: &Files,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = files.bytes(pem).and_then(parse_certificates);
    certificates.map_err(|reason| invalid(name, pem, "certificates in PEM", reason))
}

fn invalid(name: &str, pem: &Pem, expected: &'static str, reason: impl Display) -> String {
    let invalid = match pem {
        Pem::Text(_) => Invalid::hidden(expected),
        Pem::File(path) => Invalid::quoted(path, expected),
    };
    invalid.because(reason).of(name)
}

/// Without session resumption, so every probe verifies the certificate.
fn build_config(
    trust: &Trust,
    options: &TlsOptions,
    files: &Files,
    alpn: Alpn,
) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[_] = match options.min_version {
        Some(TlsVersion::Tls13) => &[&version::TLS13],
        Some(TlsVersion::Tls12) | None => &[&version::TLS13, &version::TLS12],
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| error.to_string())?;
    let builder = if options.insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAnyCertificate(provider)))
    } else if let Some(ca) = &options.ca {
        let mut roots = RootCertStore::empty();
        for certificate in read_certificates("ca", ca, files)? {
            let added = roots.add(certificate);
            added.map_err(|error| invalid("ca", ca, "certificates of authorities", error))?;
        }
        builder.with_root_certificates(roots)
    } else {
        builder.with_root_certificates(Arc::clone(&trust.roots))
    };
    let mut config = match (&options.certificate, &options.private_key) {
        (Some(certificate), Some(private_key)) => {
            let chain = read_certificates("certificate", certificate, files)?;
            let invalid_key =
                |expected, reason: String| invalid("private_key", private_key, expected, reason);
            let key = files
                .bytes(private_key)
                .and_then(|pem| {
                    PrivateKeyDer::from_pem_slice(pem).map_err(|error| error.to_string())
                })
                .map_err(|reason| invalid_key("a private key in PEM", reason))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| invalid_key("the key of `certificate`", error.to_string()))?
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

/// TLS client configurations, cached per arbiter. Bound: [`CONFIGS_LIMIT`].
pub struct TlsConfigs {
    trust: Trust,
    cache: RefCell<HashMap<(TlsOptions, Alpn), Arc<ClientConfig>>>,
}

/// A finished handshake.
pub struct Handshake {
    pub stream: TlsStream,
    /// Whether the target requested a client certificate; recorded for `Alpn::None` only.
    pub certificate_requested: bool,
}

impl TlsConfigs {
    /// `trust` applies to services without a `ca` of their own.
    pub fn new(trust: Trust) -> Self {
        Self { trust, cache: RefCell::default() }
    }

    fn config(
        &self,
        options: &TlsOptions,
        files: &Files,
        alpn: Alpn,
    ) -> Result<Arc<ClientConfig>, Failure> {
        let mut cache = self.cache.borrow_mut();
        let key = (options.clone(), alpn);
        if let Some(config) = cache.get(&key) {
            return Ok(Arc::clone(config));
        }
        let config = build_config(&self.trust, options, files, alpn)
            .map_err(|why| Failure::new(Reason::LocalConfig, format!("tls: {why}")))?;
        let config = Arc::new(config);
        // Not cached when it reads files, since they may change.
        if options.files().next().is_none() {
            if cache.len() >= CONFIGS_LIMIT {
                cache.clear();
            }
            cache.insert(key, Arc::clone(&config));
        }
        Ok(config)
    }

    /// Does the handshake over `stream` with the host of `url`, or with `server_name` of `options`.
    /// `files` are the files of `options`.
    ///
    /// Over TLS 1.3 a target refuses a client certificate, or its absence, only after the
    /// handshake. A protocol over TLS shows that refusal; for `Alpn::None` the caller has to wait
    /// for it, if [`Handshake::certificate_requested`].
    pub async fn handshake(
        &self,
        options: &TlsOptions,
        files: &Files,
        alpn: Alpn,
        url: &Url,
        stream: TcpStream,
    ) -> Result<Handshake, Failure> {
        if self.trust.authorities == 0 && options.ca.is_none() && !options.insecure {
            let detail = "this machine has no trusted certificate authority";
            return Err(Failure::new(Reason::LocalConfig, detail));
        }
        let host = options.server_name.as_deref().or(url.host_str()).unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| {
            Failure::new(Reason::TlsHostname, format!("{host} is not a valid server name"))
        })?;
        let config = self.config(options, files, alpn)?;
        let connect = async |config| {
            let connected = TlsStream::connect(TlsConnector::from(config), name, stream).await;
            connected.map_err(|error| failure::of_tls(&error))
        };
        if alpn != Alpn::None {
            return Ok(Handshake { stream: connect(config).await?, certificate_requested: false });
        }
        let inner = Arc::clone(&config.client_auth_cert_resolver);
        let recorder =
            Arc::new(CertificateRequestRecorder { inner, requested: AtomicBool::new(false) });
        let mut recording = ClientConfig::clone(&config);
        recording.client_auth_cert_resolver = Arc::clone(&recorder) as Arc<dyn ResolvesClientCert>;
        let stream = connect(Arc::new(recording)).await?;
        let certificate_requested = recorder.requested.load(Ordering::Relaxed);
        Ok(Handshake { stream, certificate_requested })
    }
}

/// Sets the TLS version and the earliest expiry of the peer's certificates.
pub fn read_details(connection: &ClientConnection, details: &mut ProbeDetails) {
    details.tls_version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => Some(TlsVersion::Tls12),
        Some(ProtocolVersion::TLSv1_3) => Some(TlsVersion::Tls13),
        _ => None,
    };
    let chain = connection.peer_certificates().unwrap_or_default();
    details.certificate_expires_at = chain
        .iter()
        .filter_map(|certificate| X509Certificate::from_der(certificate).ok())
        .map(|(_, certificate)| certificate.validity().not_after.timestamp())
        .min();
}

/// The certificate chain that the target presented, its own certificate first.
pub fn peer_chain(connection: &ClientConnection) -> Vec<Certificate> {
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

/// Records whether the target requested a client certificate.
#[derive(Debug)]
struct CertificateRequestRecorder {
    inner: Arc<dyn ResolvesClientCert>,
    requested: AtomicBool,
}

impl ResolvesClientCert for CertificateRequestRecorder {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.requested.store(true, Ordering::Relaxed);
        self.inner.resolve(hints, schemes)
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}

/// For services with `insecure`. Still verifies that the target has the certificate's key.
#[derive(Debug)]
struct AcceptAnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyCertificate {
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
