//! A certificate authority of the tests, and certificates, valid and invalid.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// What is right or wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Valid.
    Good,
    /// Expired in 2021.
    Expired,
    /// Valid from 2040 on.
    NotYetValid,
    /// For `else.example` instead of the requested name.
    WrongName,
    /// Self-signed.
    SelfSigned,
    /// The certificate of an authority, as `openssl req -x509` makes it.
    AuthorityCertificate,
    /// Signed by an intermediate authority, which is part of the chain.
    WithIntermediate,
    /// Signed by an intermediate authority, which is missing in the chain.
    MissingIntermediate,
}

/// A certificate with its chain and its key.
pub struct Identity {
    certificates: Vec<Certificate>,
    key: KeyPair,
}

impl Identity {
    /// The chain in PEM, leaf first.
    pub fn certificate_pem(&self) -> String {
        self.certificates.iter().map(Certificate::pem).collect()
    }

    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The chain for rustls, leaf first.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.certificates.iter().map(|certificate| certificate.der().clone()).collect()
    }

    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
    folder: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        Self::named("authority of the tests")
    }

    /// An authority with this name. Two authorities of one name have different keys.
    pub fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority(name);
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { issuer: Issuer::new(params, key), certificate, folder }
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The path of a PEM file with the certificate.
    pub fn file(&self) -> PathBuf {
        let file = self.folder.path().join("ca.pem");
        std::fs::write(&file, self.pem()).unwrap();
        file
    }

    /// A root store that trusts only this authority.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        roots
    }

    /// Expiry of the valid certificates, in unix seconds.
    pub fn expires_at(&self) -> i64 {
        date_time_ymd(2045, 6, 7).unix_timestamp()
    }

    /// A certificate for `name`, a host name or an address.
    pub fn certify(&self, name: &str, shape: Shape) -> Identity {
        let name = if shape == Shape::WrongName { "else.example" } else { name };
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "target of the tests");
        params.not_after = date_time_ymd(2045, 6, 7);
        match shape {
            Shape::Expired => {
                params.not_before = date_time_ymd(2020, 1, 1);
                params.not_after = date_time_ymd(2021, 1, 1);
            }
            Shape::NotYetValid => params.not_before = date_time_ymd(2040, 1, 1),
            Shape::AuthorityCertificate => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            _ => {}
        }
        let key = KeyPair::generate().unwrap();
        let certificates = match shape {
            Shape::SelfSigned | Shape::AuthorityCertificate => {
                vec![params.self_signed(&key).unwrap()]
            }
            Shape::WithIntermediate | Shape::MissingIntermediate => {
                let (issuer, intermediate) = self.intermediate();
                let own = params.signed_by(&key, &issuer).unwrap();
                if shape == Shape::WithIntermediate { vec![own, intermediate] } else { vec![own] }
            }
            _ => vec![params.signed_by(&key, &self.issuer).unwrap()],
        };
        Identity { certificates, key }
    }

    /// An intermediate authority, signed by this one.
    fn intermediate(&self) -> (Issuer<'static, KeyPair>, Certificate) {
        let key = KeyPair::generate().unwrap();
        let params = authority("intermediate of the tests");
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (Issuer::new(params, key), certificate)
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}
