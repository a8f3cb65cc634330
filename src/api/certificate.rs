//! The certificate of the API, which can be renewed while the service runs.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};

use crate::config::{API_TLS_CERTIFICATE, API_TLS_KEY, TlsFiles};
use crate::domain::service::options::{Pem, TlsOptions};
use crate::probe::net::tls::pem::{Files, invalid};
use crate::probe::net::tls::{expires_at, provider};

/// Readiness warns when the certificate ends within this time, in seconds.
const WARN_BEFORE_S: i64 = 14 * 86_400;

/// A certificate with its chain and its key, which fit together.
#[derive(Debug, Clone)]
pub struct ApiCertificate {
    key: Arc<CertifiedKey>,
    /// End of the validity, in unix seconds.
    pub expires_at: i64,
}

impl ApiCertificate {
    /// Reads the files. The error names the setting.
    pub fn load(files: &TlsFiles) -> Result<Self, String> {
        let pem = |path: &PathBuf| Pem::File(path.clone());
        let (certificate, private_key) = (pem(&files.certificate), pem(&files.key));
        let options = TlsOptions {
            certificate: Some(certificate.clone()),
            private_key: Some(private_key.clone()),
            ..TlsOptions::default()
        };
        let read = Files::read(&options);
        let chain = read.certificates(API_TLS_CERTIFICATE.name, &certificate)?;
        let key = read.private_key(API_TLS_KEY.name, &private_key)?;
        let expires_at = chain.first().and_then(expires_at).ok_or_else(|| {
            let reason = "the first certificate cannot be parsed";
            invalid(API_TLS_CERTIFICATE.name, &certificate, "certificates in PEM", reason)
        })?;
        let key = CertifiedKey::from_der(chain, key, &provider::verifying()).map_err(|error| {
            let expected = "the key of the first certificate in API_TLS_CERTIFICATE_FILE";
            invalid(API_TLS_KEY.name, &private_key, expected, error)
        })?;
        Ok(Self { key: Arc::new(key), expires_at })
    }

    /// Whether clients are shown the same certificates.
    pub fn is_same(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }
}

/// The certificate that new connections are shown. Clones share it.
#[derive(Debug, Clone)]
pub struct CurrentCertificate(Arc<RwLock<ApiCertificate>>);

impl CurrentCertificate {
    pub fn new(certificate: ApiCertificate) -> Self {
        Self(Arc::new(RwLock::new(certificate)))
    }

    pub fn get(&self) -> ApiCertificate {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From the next connection on; open ones go on.
    pub fn replace(&self, certificate: ApiCertificate) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certificate;
    }

    /// TLS 1.2 and 1.3, HTTP/1.1, without client certificates.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider::verifying())
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// What readiness says of a certificate that ends soon.
    pub fn warning(&self, now_s: i64) -> Option<String> {
        warning(self.get().expires_at, now_s)
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get().key)
    }
}

fn warning(expires_at: i64, now_s: i64) -> Option<String> {
    let left_s = expires_at - now_s;
    if left_s > WARN_BEFORE_S {
        return None;
    }
    let days = left_s.div_euclid(86_400);
    let when = match left_s {
        ..0 => "has expired".to_owned(),
        _ => format!("expires in {days} {}", if days == 1 { "day" } else { "days" }),
    };
    Some(format!("api_certificate: {when}; renew {}", API_TLS_CERTIFICATE.name))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rcgen::{CertifiedKey as Generated, generate_simple_self_signed};

    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        file
    }

    fn pair(folder: &Path, name: &str) -> TlsFiles {
        let Generated { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        TlsFiles {
            certificate: write(folder, &format!("{name}.pem"), &cert.pem()),
            key: write(folder, &format!("{name}.key"), &signing_key.serialize_pem()),
        }
    }

    #[test]
    fn a_pair_that_does_not_fit_is_refused_by_the_name_of_the_setting() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (pair(folder.path(), "a"), pair(folder.path(), "b"));
        let loaded = ApiCertificate::load(&a).unwrap();
        assert!(loaded.is_same(&ApiCertificate::load(&a).unwrap()));
        assert!(!loaded.is_same(&ApiCertificate::load(&b).unwrap()));
        let missing = folder.path().join("missing");
        for (files, begins, contains) in [
            (
                TlsFiles { key: b.key.clone(), ..a.clone() },
                "API_TLS_KEY_FILE: invalid value ",
                "expected the key of the first certificate in API_TLS_CERTIFICATE_FILE",
            ),
            (
                TlsFiles { certificate: missing, ..a.clone() },
                "API_TLS_CERTIFICATE_FILE: invalid value ",
                "expected certificates in PEM",
            ),
            (
                TlsFiles { certificate: a.key.clone(), ..a.clone() },
                "API_TLS_CERTIFICATE_FILE: invalid value ",
                "no certificate found",
            ),
            (
                TlsFiles { key: a.certificate.clone(), ..a.clone() },
                "API_TLS_KEY_FILE: invalid value ",
                "expected a private key in PEM",
            ),
        ] {
            let error = ApiCertificate::load(&files).unwrap_err();
            assert!(error.starts_with(begins) && error.contains(contains), "{error}");
        }
    }

    #[test]
    fn readiness_warns_two_weeks_before_the_end() {
        let day = 86_400;
        assert_eq!(warning(15 * day, 0), None);
        assert_eq!(warning(14 * day + 1, 0), None);
        let text = |end: i64| warning(end, 0).unwrap();
        assert!(text(14 * day).starts_with("api_certificate: expires in 14 days;"));
        assert!(text(day).starts_with("api_certificate: expires in 1 day;"));
        assert!(text(5).starts_with("api_certificate: expires in 0 days;"));
        assert!(text(-1).starts_with("api_certificate: has expired;"));
    }
}
