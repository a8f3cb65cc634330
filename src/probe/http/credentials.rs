//! Credentials in the form of the header `Authorization` or `Proxy-Authorization`.

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::percent_decode_str;
use url::Url;

/// The scheme `Basic` (RFC 7617).
pub fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))
}

/// The credentials in `url`.
pub fn of_url(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let password = url.password().map(decoded).unwrap_or_default();
    Some(basic(&decoded(url.username()), &password))
}
