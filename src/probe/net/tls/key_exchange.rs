//! Groups for the key exchange beside those of ring.

use p521::PublicKey;
use p521::ecdh::EphemeralSecret;
use p521::elliptic_curve::Generate;
use p521::elliptic_curve::sec1::ToSec1Point;
use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};

/// Curves of certificates that are offered with `insecure`, by their number in TLS (RFC 8422,
/// section 5.1.1; RFC 7027). In TLS 1.2, a server has to see the curve of its certificate here.
/// They come last, so only a server that knows no other curve uses one for the key exchange.
pub static CURVES_OF_CERTIFICATES: [&dyn SupportedKxGroup; 8] = [
    &OfferedOnly(22), // secp256k1
    &OfferedOnly(21), // secp224r1
    &OfferedOnly(20), // secp224k1
    &OfferedOnly(19), // secp192r1
    &OfferedOnly(18), // secp192k1
    &OfferedOnly(28), // brainpoolP512r1
    &OfferedOnly(27), // brainpoolP384r1
    &OfferedOnly(26), // brainpoolP256r1
];

/// ECDH over P-521.
#[derive(Debug)]
pub struct Secp521r1;

struct Exchange {
    secret: EphemeralSecret,
    /// Uncompressed point (RFC 8446, section 4.2.8.2).
    public_key: Vec<u8>,
}

impl SupportedKxGroup for Secp521r1 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let secret = EphemeralSecret::try_generate().map_err(|_| GetRandomFailed)?;
        let public_key = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
        Ok(Box::new(Exchange { secret, public_key }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        const UNCOMPRESSED: u8 = 4;
        let peer = Some(peer).filter(|point| point.first() == Some(&UNCOMPRESSED));
        let peer = peer.and_then(|point| PublicKey::from_sec1_bytes(point).ok());
        let peer = peer.ok_or(Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare))?;
        Ok(self.secret.diffie_hellman(&peer).raw_secret_bytes().as_slice().into())
    }

    fn pub_key(&self) -> &[u8] {
        &self.public_key
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

/// A curve for certificates of TLS 1.2 without key exchange.
#[derive(Debug)]
struct OfferedOnly(u16);

impl SupportedKxGroup for OfferedOnly {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Err(Error::General(format!("no key exchange over the curve {} of TLS", self.0)))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::from(self.0)
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_2
    }
}
