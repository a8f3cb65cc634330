//! TLS as a client: configurations, cached, and the handshake.

mod certificates;
mod checks;
mod client_key;
mod config;
mod key_exchange;
pub mod pem;
pub mod provider;
mod recorder;
mod signatures;
mod trust;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion};
use tokio_rustls::TlsConnector;
use url::Url;

pub use certificates::expires_at;
pub use config::{Alpn, validate};
pub use pem::Files;
pub use trust::Trust;

use crate::domain::service::options::{TlsOptions, TlsVersion};
use crate::domain::{Failure, Reason};
use crate::probe::net::tls::certificates::Presented;
use crate::probe::net::tls::config::{Prepared, prepare};
use crate::probe::net::tls::recorder::{CertificateRecorder, RequestRecorder};
use crate::probe::net::tls::trust::TrustStore;
use crate::probe::net::tls_stream::{TlsStream, Transport};
use crate::probe::tls_failure::{Handshaking, of_handshake};

/// Most cached configurations of an arbiter; beyond that, the cache is cleared.
const CONFIGS_LIMIT: usize = 256;

/// TLS client configurations, cached per arbiter. Bound: [`CONFIGS_LIMIT`].
pub struct TlsConfigs {
    trust: Trust,
    cache: RefCell<HashMap<(TlsOptions, Alpn), Rc<Prepared>>>,
}

/// A handshake, successful or not.
pub struct Handshake {
    pub result: Result<TlsStream, Failure>,
    pub certificates: Presented,
    /// Whether the target requested a client certificate.
    pub certificate_requested: bool,
}

/// A client of HTTP/1.1 that accepts every certificate.
pub fn accepting_client() -> Result<ClientConfig, String> {
    let options = TlsOptions { insecure: true, ..TlsOptions::default() };
    let trust = Trust::from(TrustStore::new());
    prepare(&trust, &options, &Files::default(), Alpn::Http1).map(|prepared| prepared.config)
}

impl TlsConfigs {
    /// `trust` applies to services without a `ca` of their own.
    pub fn new(trust: Trust) -> Self {
        Self { trust, cache: RefCell::default() }
    }

    fn prepared(
        &self,
        options: &TlsOptions,
        files: &Files,
        alpn: Alpn,
    ) -> Result<Rc<Prepared>, Failure> {
        let mut cache = self.cache.borrow_mut();
        let key = (options.clone(), alpn);
        if let Some(prepared) = cache.get(&key) {
            return Ok(Rc::clone(prepared));
        }
        let prepared = prepare(&self.trust, options, files, alpn)
            .map_err(|why| Failure::new(Reason::LocalConfig, format!("tls: {why}")))?;
        let prepared = Rc::new(prepared);
        // Not cached when it reads files, since they may change.
        if options.files().next().is_none() {
            if cache.len() >= CONFIGS_LIMIT {
                cache.clear();
            }
            cache.insert(key, Rc::clone(&prepared));
        }
        Ok(prepared)
    }

    /// Does the handshake over `stream` with the host of `url`, or with `server_name` of `options`.
    /// `files` are the files of `options`. The error is a fault of the options.
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
        stream: Transport,
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
        let prepared = self.prepared(options, files, alpn)?;
        let certificates = Arc::new(CertificateRecorder::new(prepared.policy.clone()));
        let mut config = ClientConfig::clone(&prepared.config);
        let request = Arc::new(RequestRecorder::new(Arc::clone(&config.client_auth_cert_resolver)));
        config.client_auth_cert_resolver = Arc::clone(&request) as Arc<dyn ResolvesClientCert>;
        config.dangerous().set_certificate_verifier(Arc::clone(&certificates) as _);
        let connector = TlsConnector::from(Arc::new(config));
        let connected = TlsStream::connect(connector, name, stream).await;
        let presented = std::mem::take(&mut *certificates.presented());
        let progress = Handshaking {
            shows_certificate: !presented.chain.is_empty(),
            min_version: options.min_version,
        };
        Ok(Handshake {
            result: connected.map_err(|error| of_handshake(&error, progress)),
            certificates: presented,
            certificate_requested: request.requested(),
        })
    }
}

/// The negotiated version.
pub fn version(connection: &ClientConnection) -> Option<TlsVersion> {
    match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => Some(TlsVersion::Tls12),
        Some(ProtocolVersion::TLSv1_3) => Some(TlsVersion::Tls13),
        _ => None,
    }
}
