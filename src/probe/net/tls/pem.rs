//! Certificates and keys in PEM, from texts and files.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::PathBuf;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::bounded_file;
use crate::domain::Invalid;
use crate::domain::service::options::{Pem, TlsOptions};

/// Largest file of certificates or keys, in bytes.
pub const MAX_PEM_BYTES: usize = 4 * 1024 * 1024;

/// The files that TLS options name, with their contents.
#[derive(Debug, Default)]
pub struct Files(HashMap<PathBuf, Result<Vec<u8>, String>>);

impl Files {
    /// Reads the files of `options`.
    pub fn read(options: &TlsOptions) -> Self {
        let files = options.files().map(|path| {
            let read = bounded_file::read(path, MAX_PEM_BYTES);
            (path.clone(), read.map_err(|error| error.to_string()))
        });
        Self(files.collect())
    }

    /// The same, without blocking.
    pub async fn read_async(options: &TlsOptions) -> Self {
        let mut files = HashMap::new();
        for path in options.files() {
            let read = bounded_file::read_async(path.clone(), MAX_PEM_BYTES).await;
            files.insert(path.clone(), read.map_err(|error| error.to_string()));
        }
        Self(files)
    }

    fn bytes<'a>(&'a self, pem: &'a Pem) -> Result<&'a [u8], String> {
        match pem {
            Pem::Text(text) => Ok(text.as_bytes()),
            Pem::File(path) => match self.0.get(path) {
                Some(read) => read.as_deref().map_err(Clone::clone),
                None => Err("not read".to_owned()),
            },
        }
    }

    /// Certificates of the option `name`; never empty.
    pub fn certificates(
        &self,
        name: &str,
        pem: &Pem,
    ) -> Result<Vec<CertificateDer<'static>>, String> {
        let certificates = self.bytes(pem).and_then(parse_certificates);
        certificates.map_err(|reason| invalid(name, pem, "certificates in PEM", reason))
    }

    /// The private key of the option `name`.
    pub fn private_key(&self, name: &str, pem: &Pem) -> Result<PrivateKeyDer<'static>, String> {
        let bytes = self.bytes(pem);
        let bytes = bytes.map_err(|reason| invalid(name, pem, "a private key in PEM", reason))?;
        if is_encrypted(bytes) {
            return Err(invalid(name, pem, "a private key that is not encrypted", ENCRYPTED));
        }
        PrivateKeyDer::from_pem_slice(bytes)
            .map_err(|error| invalid(name, pem, "a private key in PEM", found(bytes, &error)))
    }
}

/// Why an encrypted key is refused.
const ENCRYPTED: &str =
    "the key is encrypted, and no passphrase can be given; decrypt it, as with `openssl pkey`";

/// Whether the text has an encrypted key: in PKCS#8 (RFC 5958), or as in RFC 1421, section 4.6.1.1.
fn is_encrypted(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    text.lines().map(str::trim).any(|line| {
        line == "-----BEGIN ENCRYPTED PRIVATE KEY-----"
            || line.strip_prefix("Proc-Type:").is_some_and(|rest| rest.contains("ENCRYPTED"))
    })
}

/// Why no key was read, with the labels of what is there instead (RFC 7468, section 2).
fn found(pem: &[u8], error: &dyn Display) -> String {
    let text = String::from_utf8_lossy(pem);
    let labels: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .take(5)
        .collect();
    match labels.as_slice() {
        [] => format!("no PEM found ({error})"),
        labels => format!("{error}; found {}", labels.join(", ")),
    }
}

pub fn parse_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err("no certificate found".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

/// The error for the option `name`; texts are not shown.
pub fn invalid(name: &str, pem: &Pem, expected: &'static str, reason: impl Display) -> String {
    let invalid = match pem {
        Pem::Text(_) => Invalid::hidden(expected),
        Pem::File(path) => Invalid::quoted(path, expected),
    };
    invalid.because(reason).of(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let pem = Pem::Text(text.to_owned());
        Files::default().private_key("private_key", &pem).unwrap_err()
    }

    #[test]
    fn an_encrypted_key_is_refused_by_name() {
        for text in [
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
             DEK-Info: AES-256-CBC,00\n\nMIIB\n-----END RSA PRIVATE KEY-----\n",
            "-----BEGIN EC PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\n\r\n",
        ] {
            let error = error(text);
            assert!(error.contains("private_key: ") && error.contains("is encrypted"), "{error}");
            assert!(error.contains("expected a private key that is not encrypted"), "{error}");
        }
    }

    #[test]
    fn a_text_without_a_key_is_named_by_its_labels() {
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        assert!(error(certificate).contains("found CERTIFICATE"), "{}", error(certificate));
        assert!(error("-----BEGIN OPENSSH PRIVATE KEY-----\n").contains("OPENSSH PRIVATE KEY"));
        assert!(error("a").contains("no PEM found"));
    }
}
