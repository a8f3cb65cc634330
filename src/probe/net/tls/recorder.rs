//! Verifies one handshake and records what the target shows and requests in it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use crate::probe::net::tls::certificates::Presented;
use crate::probe::net::tls::signatures::{ALGORITHMS, HandshakeVersion, SignatureError};
use crate::probe::net::tls::trust::TrustStore;

/// Which certificates a probe accepts.
#[derive(Debug, Clone)]
pub enum Policy {
    Trusted(Arc<TrustStore>),
    /// Any, for services with `insecure`. That the target has the key of its certificate is checked
    /// as far as this program knows the algorithm.
    Any,
}

/// Schemes that are offered with `insecure` beside those that can be checked.
const UNCHECKED_SCHEMES: [SignatureScheme; 12] = [
    SignatureScheme::ED448,
    // rsa_pss_pss_sha256, _sha384, _sha512 (RFC 8446, section 4.2.3).
    SignatureScheme::Unknown(0x0809),
    SignatureScheme::Unknown(0x080a),
    SignatureScheme::Unknown(0x080b),
    // ecdsa_brainpoolP256r1tls13_sha256, P384r1, P512r1 (RFC 8734).
    SignatureScheme::Unknown(0x081a),
    SignatureScheme::Unknown(0x081b),
    SignatureScheme::Unknown(0x081c),
    SignatureScheme::ML_DSA_44,
    SignatureScheme::ML_DSA_65,
    SignatureScheme::ML_DSA_87,
    SignatureScheme::ECDSA_SHA1_Legacy,
    SignatureScheme::RSA_PKCS1_SHA1,
];

#[derive(Debug)]
pub struct CertificateRecorder {
    policy: Policy,
    presented: Mutex<Presented>,
}

impl CertificateRecorder {
    pub fn new(policy: Policy) -> Self {
        Self { policy, presented: Mutex::default() }
    }

    pub fn presented(&self) -> MutexGuard<'_, Presented> {
        self.presented.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_signature(
        &self,
        version: HandshakeVersion,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let checked =
            ALGORITHMS.check(certificate, signed.scheme, version, message, signed.signature());
        match (checked, &self.policy) {
            (Ok(()), _) => {}
            (Err(SignatureError::Invalid), _) => return Err(CertificateError::BadSignature.into()),
            (Err(_unknown), Policy::Any) => {}
            (Err(unknown), Policy::Trusted(_)) => {
                return Err(CertificateError::Other(OtherError(Arc::new(unknown))).into());
            }
        }
        Ok(HandshakeSignatureValid::assertion())
    }
}

impl ServerCertVerifier for CertificateRecorder {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut presented = self.presented();
        let chain = [own].into_iter().chain(intermediates);
        presented.chain = chain.map(|certificate| certificate.clone().into_owned()).collect();
        if let Policy::Trusted(store) = &self.policy {
            let verified = store.verify(own, intermediates, name, now)?;
            presented.verified_expires_at = verified.expires_at;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(HandshakeVersion::Tls12, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(HandshakeVersion::Tls13, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = ALGORITHMS.schemes();
        if matches!(self.policy, Policy::Any) {
            // Short hashes first: SHA-512 does not fit into a short RSA key.
            schemes.reverse();
            schemes.extend(UNCHECKED_SCHEMES);
        }
        schemes
    }
}

/// Records whether the target requested a client certificate.
#[derive(Debug)]
pub struct RequestRecorder {
    inner: Arc<dyn ResolvesClientCert>,
    requested: AtomicBool,
}

impl RequestRecorder {
    pub fn new(inner: Arc<dyn ResolvesClientCert>) -> Self {
        Self { inner, requested: AtomicBool::new(false) }
    }

    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for RequestRecorder {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.requested.store(true, Ordering::Relaxed);
        self.inner.resolve(hints, schemes)
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}
