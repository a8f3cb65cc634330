//! An authority of our own, and certificates of every kind, good and bad.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// What a certificate is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Nothing is wrong with it.
    Good,
    /// It expired in 2021.
    Expired,
    /// It is valid from 2040 on.
    NotYetValid,
    /// It is for `else.example` and not for the name that was asked for.
    WrongName,
    /// It says so itself.
    SelfSigned,
    /// It is an authority's own, as `openssl req -x509` makes it.
    AuthorityCertificate,
    /// An intermediate authority has signed it, which is shown beside it.
    WithIntermediate,
    /// An intermediate authority has signed it, which is not shown.
    MissingIntermediate,
}

/// A certificate with its chain and its key.
pub struct Identity {
    certificates: Vec<Certificate>,
    key: KeyPair,
}

impl Identity {
    /// The certificates in PEM, its own first.
    pub fn certificate_pem(&self) -> String {
        self.certificates.iter().map(Certificate::pem).collect()
    }

    /// The key in PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The certificates as rustls takes them, its own first.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.certificates.iter().map(|certificate| certificate.der().clone()).collect()
    }

    /// The key as rustls takes it.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
    folder: TempDir,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        Self::named("authority of the tests")
    }

    /// A new one of that name. Two of one name have different keys all the same.
    pub fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority(name);
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { issuer: Issuer::new(params, key), certificate, folder }
    }

    /// Its certificate in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Its certificate as a PEM file.
    pub fn file(&self) -> PathBuf {
        let file = self.folder.path().join("ca.pem");
        std::fs::write(&file, self.pem()).unwrap();
        file
    }

    /// A store that trusts this authority and no other.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        roots
    }

    /// When the good certificates expire, in unix seconds.
    pub fn expires_at(&self) -> i64 {
        date_time_ymd(2045, 6, 7).unix_timestamp()
    }

    /// A certificate of that shape for `name`, a host name or an address.
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

    /// An authority that this one has signed.
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
