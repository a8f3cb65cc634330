//! Options that several probers share: address family, TLS, and those of an HTTP client.

use serde_json::{Value, json};

use crate::domain::Invalid;
use crate::modules::block::{Block, Place, Problems};
use crate::modules::draft::{Draft, literal};
use crate::services_file::yaml;
use crate::spec::field::{
    BEARER, CA, CERTIFICATE, FOLLOW, INSECURE, IP_FAMILY, MIN_VERSION, PASSWORD, PRIVATE_KEY,
    SERVER_NAME, USERNAME,
};

/// Keys of the address family.
pub const FAMILY: [&str; 2] = ["preferred_ip_protocol", "ip_protocol_fallback"];

/// Keys of an HTTP client that are read.
pub const CLIENT: [&str; 8] = [
    "headers",
    "http_headers",
    "basic_auth",
    "authorization",
    "bearer_token",
    "tls_config",
    "follow_redirects",
    "enable_http2",
];

/// Keys of an HTTP client that are refused.
pub const UNSUPPORTED_OF_CLIENT: [&str; 9] = [
    "bearer_token_file",
    "enable_http3",
    "no_proxy",
    "oauth2",
    "proxy_connect_header",
    "proxy_from_environment",
    "proxy_url",
    "skip_resolve_phase_with_proxy",
    "use_http3",
];

/// The family of addresses: a preference alone has no effect, since both families race.
pub fn read_family(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    let preferred = block.text("preferred_ip_protocol", problems);
    let falls_back = block.boolean("ip_protocol_fallback", problems);
    if let Some((place, family)) = &preferred
        && !["ip4", "ip6", ""].contains(family)
    {
        place.reject(&Invalid::new(family, "ip4 or ip6"), problems);
        return;
    }
    if let Some((place, false)) = falls_back {
        // The exporter prefers IPv6 by default.
        let family = preferred.map(|(_, family)| family).filter(|family| !family.is_empty());
        draft.put(IP_FAMILY, family.unwrap_or("ip6"), place);
    }
}

/// `tls_config`.
pub fn read_tls(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    let Some(tls) = block.block("tls_config", problems) else { return };
    let known = [
        "ca_file",
        "ca",
        "cert_file",
        "cert",
        "key_file",
        "key",
        "server_name",
        "insecure_skip_verify",
        "min_version",
        "max_version",
    ];
    tls.check_keys(&known, &["ca_ref", "cert_ref", "key_ref"], problems);
    for (keys, field) in [
        (["ca_file", "ca"], CA),
        (["cert_file", "cert"], CERTIFICATE),
        (["key_file", "key"], PRIVATE_KEY),
    ] {
        for key in keys {
            if let Some((place, text)) = tls.text(key, problems).filter(|(_, it)| !it.is_empty()) {
                draft.put(field, text, place);
            }
        }
    }
    if let Some((place, name)) =
        tls.text("server_name", problems).filter(|(_, name)| !name.is_empty())
    {
        draft.put(SERVER_NAME, name, place);
    }
    if let Some((place, true)) = tls.boolean("insecure_skip_verify", problems) {
        draft.put(INSECURE, true, place);
    }
    match tls.text("min_version", problems) {
        // Lower ones are never spoken.
        None | Some((_, "TLS10" | "TLS11" | "")) => {}
        Some((place, "TLS12")) => draft.put(MIN_VERSION, "1.2", place),
        Some((place, "TLS13")) => draft.put(MIN_VERSION, "1.3", place),
        Some((place, other)) => {
            place.reject(&Invalid::new(other, "TLS10, TLS11, TLS12 or TLS13"), problems);
        }
    }
    match tls.text("max_version", problems) {
        None | Some((_, "TLS13" | "")) => {}
        Some((place, _)) => place.unsupported(problems),
    }
}

/// The options of an HTTP client, whose keys the caller has checked.
pub fn read_client(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    read_headers(block, draft, problems);
    read_credentials(block, draft, problems);
    read_tls(block, draft, problems);
    // A TLS handshake is for the name in the header, as in the exporter.
    if let Some((place, host)) = host_header(block).filter(|_| !draft.has(SERVER_NAME)) {
        draft.put(SERVER_NAME, without_port(&host), place);
    }
    if let Some((place, false)) = block.boolean("follow_redirects", problems) {
        draft.put(FOLLOW, false, place);
    }
}

/// `headers` and `http_headers`.
pub fn read_headers(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    for (name, place, value) in header_entries(block, problems) {
        draft.put_header(&name, &value, place);
    }
}

/// Names and values of `headers` and `http_headers`.
fn header_entries(block: &Block, problems: &mut Problems) -> Vec<(String, Place, String)> {
    let mut entries = Vec::new();
    if let Some(headers) = block.block("headers", problems) {
        for (name, place, node) in headers.entries(problems) {
            let only = match yaml::items(node) {
                Some([only]) => yaml::text(only),
                _ => yaml::text(node),
            };
            match only {
                Some(value) => entries.push((name.to_owned(), place, value.to_owned())),
                None => place.reject(&Invalid::hidden("one text"), problems),
            }
        }
    }
    let Some(headers) = block.block("http_headers", problems) else { return entries };
    for (name, place, node) in headers.entries(problems) {
        let Some(header) = Block::of(node, place.clone(), problems) else { continue };
        header.check_keys(&["values", "secrets"], &["files"], problems);
        let mut values = header.texts("values", problems);
        values.extend(header.texts("secrets", problems));
        match values.as_slice() {
            [] => {}
            [value] => entries.push((name.to_owned(), place, (*value).to_owned())),
            _ => place.reject(&Invalid::hidden("one value"), problems),
        }
    }
    entries
}

/// The header `Host`. Its problems are reported by [`read_headers`].
fn host_header(block: &Block) -> Option<(Place, String)> {
    let mut entries = header_entries(block, &mut Problems::default()).into_iter();
    let host = entries.rfind(|(name, _, _)| name.eq_ignore_ascii_case("host"))?;
    Some((host.1, host.2))
}

/// The host of an authority.
pub fn without_port(authority: &str) -> &str {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit());
    match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) && (!host.contains(':') || host.ends_with(']')) => host,
        _ => authority,
    }
}

fn read_credentials(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    if let Some((place, token)) =
        block.text("bearer_token", problems).filter(|(_, token)| !token.is_empty())
    {
        draft.put(BEARER, literal(token), place);
    }
    if let Some(auth) = block.block("basic_auth", problems)
        && block.get("basic_auth").is_some()
    {
        let files = ["username_file", "username_ref", "password_file", "password_ref"];
        auth.check_keys(&["username", "password"], &files, problems);
        for (key, field) in [("username", USERNAME), ("password", PASSWORD)] {
            let text = auth.text(key, problems).map_or("", |(_, text)| text);
            draft.put(field, literal(text), auth.place().clone());
        }
    }
    if let Some(authorization) = block.block("authorization", problems)
        && block.get("authorization").is_some()
    {
        let files = ["credentials_file", "credentials_ref"];
        authorization.check_keys(&["type", "credentials"], &files, problems);
        match authorization.text("type", problems) {
            Some((place, kind)) if !kind.eq_ignore_ascii_case("bearer") => {
                place.reject(&Invalid::new(kind, "Bearer"), problems);
            }
            _ => {}
        }
        if let Some((place, credentials)) = authorization.text("credentials", problems) {
            draft.put(BEARER, literal(credentials), place);
        }
    }
}

/// A JSON list of texts.
pub fn json_texts(texts: &[&str]) -> Value {
    json!(texts)
}
