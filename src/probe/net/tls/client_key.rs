//! Keys of client certificates: those of ring, and P-521.

use std::fmt;
use std::sync::Arc;

use p521::ecdsa;
use p521::ecdsa::signature::Signer as _;
use p521::pkcs8::{DecodePrivateKey, EncodePublicKey};
use rustls::crypto::{KeyProvider, ring};
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

#[derive(Debug)]
pub struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        match P521Key::load(&key) {
            Some(key) => Ok(Arc::new(key)),
            None => ring::default_provider().key_provider.load_private_key(key),
        }
    }
}

#[derive(Clone)]
struct P521Key {
    key: Arc<ecdsa::SigningKey>,
    public_key: Vec<u8>,
}

impl fmt::Debug for P521Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P521Key")
    }
}

impl P521Key {
    /// `None` for a key of another kind.
    fn load(key: &PrivateKeyDer<'_>) -> Option<Self> {
        let secret = match key {
            PrivateKeyDer::Pkcs8(key) => {
                p521::SecretKey::from_pkcs8_der(key.secret_pkcs8_der()).ok()?
            }
            PrivateKeyDer::Sec1(key) => {
                p521::SecretKey::from_sec1_der(key.secret_sec1_der()).ok()?
            }
            _ => return None,
        };
        let public_key = secret.public_key().to_public_key_der().ok()?.into_vec();
        Some(Self { key: Arc::new(ecdsa::SigningKey::from(&secret)), public_key })
    }
}

impl SigningKey for P521Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let is_offered = offered.contains(&SignatureScheme::ECDSA_NISTP521_SHA512);
        is_offered.then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.public_key.as_slice()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for P521Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature: ecdsa::DerSignature = self.key.sign(message);
        Ok(signature.as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP521_SHA512
    }
}
