//! Signatures of webhooks, as in Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over
//! `ID.TIMESTAMP.BODY`.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::hmac;

/// The begin of a written secret; base64 follows.
pub const SECRET_BEGIN: &str = "whsec_";

/// What a secret must be.
pub const SECRET_EXPECTED: &str = "one or two of whsec_ with 24 to 64 bytes in base64";

/// Most secrets of a channel: the old and the new one, while they are exchanged.
pub const SECRETS_LIMIT: usize = 2;

/// The key of a secret as it is written.
pub fn parse(secret: &str) -> Option<hmac::Key> {
    let bytes = BASE64_STANDARD.decode(secret.strip_prefix(SECRET_BEGIN)?).ok()?;
    (24..=64).contains(&bytes.len()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// The header `webhook-signature`: one signature for each key.
pub fn signature(keys: &[hmac::Key], id: &str, timestamp_s: i64, body: &str) -> String {
    let signed = format!("{id}.{timestamp_s}.{body}");
    let signatures = keys.iter().map(|key| {
        let tag = hmac::sign(key, signed.as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(tag))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's test suite.
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let key = parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = signature(&[key.clone(), key], id, 1_614_265_330, "{\"test\": 2432232314}");
        let one = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signature, format!("{one} {one}"));
    }

    #[test]
    fn a_secret_has_enough_bytes() {
        let long = format!("whsec_{}", BASE64_STANDARD.encode([1; 65]));
        for bad in
            ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_!", &long]
        {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
