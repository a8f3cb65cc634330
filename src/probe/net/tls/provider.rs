//! The cryptography of probes: ring with P-521, and what `insecure` offers beside it.

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, ring};
use rustls::{CipherSuiteCommon, SignatureScheme, SupportedCipherSuite, Tls12CipherSuite};

use crate::probe::net::tls::client_key::Keys;
use crate::probe::net::tls::key_exchange::{CURVES_OF_CERTIFICATES, Secp521r1};

/// For targets whose certificate is verified.
pub fn verifying() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(with_p521()));
    Arc::clone(&PROVIDER)
}

/// For targets with any certificate: also offers what only the certificate needs.
pub fn accepting() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let mut provider = with_p521();
        provider.kx_groups.extend(CURVES_OF_CERTIFICATES);
        provider.cipher_suites = provider.cipher_suites.into_iter().map(with_ed448).collect();
        Arc::new(provider)
    });
    Arc::clone(&PROVIDER)
}

fn with_p521() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.kx_groups.push(&Secp521r1);
    provider.key_provider = &Keys;
    provider
}

/// A suite of TLS 1.2 with ECDSA also accepts signatures with Ed448 (RFC 8422, section 5.10). Leaks
/// a few bytes, once for each suite.
fn with_ed448(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    let SupportedCipherSuite::Tls12(tls12) = suite else { return suite };
    if !tls12.sign.contains(&SignatureScheme::ED25519) {
        return suite;
    }
    let sign = [tls12.sign, &[SignatureScheme::ED448]].concat();
    let CipherSuiteCommon { suite, hash_provider, confidentiality_limit } = tls12.common;
    SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
        common: CipherSuiteCommon { suite, hash_provider, confidentiality_limit },
        prf_provider: tls12.prf_provider,
        kx: tls12.kx,
        sign: sign.leak(),
        aead_alg: tls12.aead_alg,
    })))
}
