//! Signature algorithms: those of ring, and ECDSA of the RustCrypto crates where ring has none
//! (P-521, and SHA-512 with P-256 and P-384).

use std::sync::LazyLock;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rustls::SignatureScheme;
use rustls::crypto::ring;
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
    SubjectPublicKeyInfoDer, alg_id,
};
use sha2::{Digest, Sha256, Sha384, Sha512};
use webpki::{EndEntityCert, RawPublicKeyEntity};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::PublicKey;

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

/// Sizes of RSA keys whose signatures ring verifies, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// The algorithms that this program verifies.
pub struct Algorithms {
    /// For signatures of certificates.
    pub all: Vec<Algorithm>,
    /// For signatures of handshakes, in the order of preference. In TLS 1.3, the first algorithm of
    /// a scheme is the only one; in TLS 1.2, the scheme does not fix the curve.
    schemes: Vec<(SignatureScheme, Vec<Algorithm>)>,
}

pub static ALGORITHMS: LazyLock<Algorithms> = LazyLock::new(Algorithms::new);

impl Algorithms {
    fn new() -> Self {
        let ring = ring::default_provider().signature_verification_algorithms;
        let mut all = ring.all.to_vec();
        all.extend(ECDSA);
        let mut schemes = Vec::new();
        for (scheme, algorithms) in ring.mapping {
            let mut algorithms = algorithms.to_vec();
            match *scheme {
                SignatureScheme::ECDSA_NISTP256_SHA256 => algorithms.push(P521_SHA256),
                SignatureScheme::ECDSA_NISTP384_SHA384 => algorithms.push(P521_SHA384),
                // Behind the other curves, so that it is preferred to none of them.
                SignatureScheme::ED25519 => {
                    let sha512 = vec![P521_SHA512, P384_SHA512, P256_SHA512];
                    schemes.push((SignatureScheme::ECDSA_NISTP521_SHA512, sha512));
                }
                _ => {}
            }
            schemes.push((*scheme, algorithms));
        }
        Self { all, schemes }
    }

    pub fn schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.iter().map(|(scheme, _)| *scheme).collect()
    }

    fn of_scheme(&self, scheme: SignatureScheme) -> &[Algorithm] {
        let mut schemes = self.schemes.iter();
        schemes.find(|(known, _)| *known == scheme).map_or(&[], |(_, algorithms)| algorithms)
    }

    /// Checks the signature of a handshake by the key of `certificate`, whatever the version of the
    /// certificate.
    pub fn check(
        &self,
        certificate: &CertificateDer<'_>,
        scheme: SignatureScheme,
        version: HandshakeVersion,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let key_info = key_info(certificate).ok_or(SignatureError::UnreadableKey)?;
        let key =
            RawPublicKeyEntity::try_from(&key_info).map_err(|_| SignatureError::UnreadableKey)?;
        let algorithms = self.of_scheme(scheme);
        let algorithms = match version {
            HandshakeVersion::Tls13 if is_rsa_pkcs1(scheme) => &[],
            HandshakeVersion::Tls13 => &algorithms[..algorithms.len().min(1)],
            HandshakeVersion::Tls12 => algorithms,
        };
        for algorithm in algorithms {
            match key.verify_signature(*algorithm, message, signature) {
                Ok(()) => return Ok(()),
                // ring does not distinguish keys of other sizes from invalid signatures.
                Err(webpki::Error::InvalidSignatureForPublicKey) => {
                    return Err(match rsa_bits(&key_info) {
                        Some(bits) if !RSA_BITS.contains(&bits) => SignatureError::RsaKey(bits),
                        _ => SignatureError::Invalid,
                    });
                }
                Err(_another_key) => {}
            }
        }
        Err(SignatureError::Unsupported(scheme))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeVersion {
    Tls12,
    Tls13,
}

/// Why the signature of a handshake is not valid, or cannot be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The target does not have the key of its certificate.
    #[error("the signature of the handshake is not by the key of the certificate")]
    Invalid,
    #[error("the certificate has an RSA key of {0} bits, expected 2048 to 8192")]
    RsaKey(usize),
    #[error("no support for keys such as that of the certificate with {0:?}")]
    Unsupported(SignatureScheme),
    #[error("the key of the certificate cannot be read")]
    UnreadableKey,
}

/// RSA with PKCS#1 is for certificates only in TLS 1.3 (RFC 8446, section 4.2.3).
fn is_rsa_pkcs1(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    )
}

/// webpki reads X.509 v3 only.
fn key_info(certificate: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    if let Ok(certificate) = EndEntityCert::try_from(certificate) {
        return Some(certificate.subject_public_key_info());
    }
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.subject_pki.raw.to_vec().into())
}

fn rsa_bits(key_info: &SubjectPublicKeyInfoDer<'_>) -> Option<usize> {
    let (_, info) = SubjectPublicKeyInfo::from_der(key_info).ok()?;
    let Ok(PublicKey::RSA(key)) = info.parsed() else { return None };
    let zeros = key.modulus.iter().take_while(|byte| **byte == 0).count();
    let first = key.modulus.get(zeros)?;
    Some((key.modulus.len() - zeros) * 8 - first.leading_zeros() as usize)
}

const ECDSA: [Algorithm; 5] = [P521_SHA512, P521_SHA384, P521_SHA256, P384_SHA512, P256_SHA512];
const P521_SHA512: Algorithm = &Ecdsa { curve: Curve::P521, hash: Hash::Sha512 };
const P521_SHA384: Algorithm = &Ecdsa { curve: Curve::P521, hash: Hash::Sha384 };
const P521_SHA256: Algorithm = &Ecdsa { curve: Curve::P521, hash: Hash::Sha256 };
const P384_SHA512: Algorithm = &Ecdsa { curve: Curve::P384, hash: Hash::Sha512 };
const P256_SHA512: Algorithm = &Ecdsa { curve: Curve::P256, hash: Hash::Sha512 };

/// ECDSA (FIPS 186-5, section 6).
#[derive(Debug)]
struct Ecdsa {
    curve: Curve,
    hash: Hash,
}

#[derive(Debug)]
enum Curve {
    P256,
    P384,
    P521,
}

#[derive(Debug)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// Length of a number modulo the order of P-521, in bytes.
const P521_BYTES: usize = 66;

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let hash = match self.hash {
            Hash::Sha256 => Sha256::digest(message).to_vec(),
            Hash::Sha384 => Sha384::digest(message).to_vec(),
            Hash::Sha512 => Sha512::digest(message).to_vec(),
        };
        let verified = match self.curve {
            Curve::P256 => {
                use p256::ecdsa::{DerSignature, VerifyingKey};
                VerifyingKey::from_sec1_bytes(public_key).and_then(|key| {
                    key.verify_prehash(&hash, &DerSignature::from_bytes(signature)?)
                })
            }
            Curve::P384 => {
                use p384::ecdsa::{DerSignature, VerifyingKey};
                VerifyingKey::from_sec1_bytes(public_key).and_then(|key| {
                    key.verify_prehash(&hash, &DerSignature::from_bytes(signature)?)
                })
            }
            Curve::P521 => {
                use p521::ecdsa::{DerSignature, VerifyingKey};
                // The crate refuses hashes of less than half the length; as numbers, they are the
                // same with zeros in front.
                let mut padded = vec![0; P521_BYTES.saturating_sub(hash.len())];
                padded.extend(hash);
                VerifyingKey::from_sec1_bytes(public_key).and_then(|key| {
                    key.verify_prehash(&padded, &DerSignature::from_bytes(signature)?)
                })
            }
        };
        verified.map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        match self.curve {
            Curve::P256 => alg_id::ECDSA_P256,
            Curve::P384 => alg_id::ECDSA_P384,
            Curve::P521 => alg_id::ECDSA_P521,
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self.hash {
            Hash::Sha256 => alg_id::ECDSA_SHA256,
            Hash::Sha384 => alg_id::ECDSA_SHA384,
            Hash::Sha512 => alg_id::ECDSA_SHA512,
        }
    }
}
