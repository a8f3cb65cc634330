//! Parsers for single values in each dialect.

use std::time::Duration;

use http::Method;
use serde_json::{Map, Value};

use crate::domain::history::slo::Slo;
use crate::domain::invalid::Invalid;
use crate::domain::secret::pieces::MASK;
use crate::domain::secret::url::mask_rejected;
use crate::domain::service::dns_question::{RecordKind, ascii_name};
use crate::domain::service::label::NAME_MAX_CHARS;
use crate::domain::service::labels::LABELS_MAX;
use crate::domain::service::options::{HttpVersion, IpFamily, NameServer, Pem, TlsVersion};
use crate::domain::service::server_url::ServerUrl;
use crate::domain::service::starttls::StartTlsProtocol;
use crate::domain::service::template::Template;
use crate::domain::time::duration;
use crate::spec::field::Dialect;

/// Longest body and longest text in PEM, in bytes.
const TEXT_MAX_BYTES: usize = 256 * 1024;
/// Longest header value, in bytes.
const HEADER_MAX_BYTES: usize = 8 * 1024;
/// Most arguments of a plugin.
const ARGS_MAX: usize = 100;
/// Longest scope of a token, in bytes.
const SCOPE_MAX_BYTES: usize = 1_024;
/// Most request headers.
const HEADERS_MAX: usize = 50;

/// The value in an error message: texts of the services file as written, other values as JSON.
pub fn shown(value: &Value, dialect: Dialect) -> String {
    match value {
        Value::String(text) if dialect == Dialect::File => text.clone(),
        Value::Array(_) => "[…]".to_owned(),
        Value::Object(_) => "{…}".to_owned(),
        other => other.to_string(),
    }
}

pub fn text(value: &Value, dialect: Dialect) -> Result<&str, Invalid> {
    let expected = if dialect == Dialect::File { "a text" } else { "a string" };
    value.as_str().ok_or_else(|| Invalid::new(shown(value, dialect), expected))
}

pub fn boolean(value: &Value, dialect: Dialect) -> Result<bool, Invalid> {
    match value {
        Value::Bool(boolean) => Ok(*boolean),
        Value::String(text) if dialect == Dialect::File => {
            truth(text).ok_or_else(|| Invalid::new(text, "true or false"))
        }
        other => Err(Invalid::new(shown(other, dialect), "true or false")),
    }
}

/// A boolean of YAML 1.1, as Gatus reads it.
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            Some(true)
        }
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Some(false)
        }
        _ => None,
    }
}

/// A text of one line. In the services file it may be a block scalar, which ends with a newline.
pub fn line(value: &Value, dialect: Dialect) -> Result<&str, Invalid> {
    text(value, dialect).map(|text| trimmed(text, dialect))
}

pub fn trimmed(text: &str, dialect: Dialect) -> &str {
    if dialect == Dialect::File { text.trim() } else { text }
}

/// A duration in seconds.
pub fn seconds(value: &Value, dialect: Dialect) -> Result<f64, Invalid> {
    let (seconds, expected) = match dialect {
        Dialect::Api | Dialect::Store => (value.as_f64(), "a number of seconds or null"),
        Dialect::File => (
            value.as_str().and_then(duration::parse_seconds),
            "a duration as in Go, such as 300ms, 30s or 1m30s",
        ),
    };
    seconds.ok_or_else(|| Invalid::new(shown(value, dialect), expected))
}

/// An integer from `least` to `most`, in the API also with a fraction of zero, which JSON does not
/// tell apart; `expected` describes the range.
pub fn integer(
    value: &Value,
    dialect: Dialect,
    (least, most): (u64, u64),
    expected: &'static str,
) -> Result<u64, Invalid> {
    let number = match value {
        Value::String(text) if dialect == Dialect::File => text.parse().ok(),
        other => other.as_u64().or_else(|| whole(other.as_f64()?)),
    };
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| Invalid::new(shown(value, dialect), expected))
}

/// The number without its fraction of zero. Beyond 2^53, doubles are not exact.
fn whole(number: f64) -> Option<u64> {
    const EXACT_BELOW: f64 = (1u64 << 53) as f64;
    (number.fract() == 0.0 && (0.0..EXACT_BELOW).contains(&number)).then_some(number as u64)
}

/// Target of an objective, in percent.
pub fn slo_target(value: &Value, dialect: Dialect) -> Result<f64, Invalid> {
    let percent = match value {
        Value::String(text) if dialect == Dialect::File => text.parse().ok(),
        other => other.as_f64(),
    };
    Slo::target(percent.unwrap_or(f64::NAN))
        .map_err(|invalid| invalid.shown_as(shown(value, dialect)))
}

/// The name of another service, as [`FullName`](crate::domain::FullName) displays it.
pub fn full_name(text: &str) -> Result<(), Invalid> {
    let length = text.chars().count();
    let is_valid = (1..=2 * NAME_MAX_CHARS + 1).contains(&length)
        && text.trim() == text
        && !text.contains(char::is_control);
    let expected = "the name of a service, such as group/name, or name without a group";
    if is_valid { Ok(()) } else { Err(Invalid::quoted(text, expected)) }
}

/// A response time above which a result is slow, in whole milliseconds.
pub fn slow(value: &Value, dialect: Dialect) -> Result<Duration, Invalid> {
    let seconds = seconds(value, dialect)?;
    if (0.001..=3_600.0).contains(&seconds) {
        return Ok(Duration::from_millis((seconds * 1e3).round() as u64));
    }
    Err(Invalid::new(shown(value, dialect), "a time from 1 ms to 1 hour"))
}

/// Most steps of a certificate.
const STEPS_MAX: usize = 10;

/// Days before the expiry of a certificate, descending and each once.
pub fn certificate_days(value: &Value, dialect: Dialect) -> Result<Vec<u16>, Invalid> {
    const EXPECTED: &str = "a list of at most 10 numbers of days from 1 to 365";
    let items = value.as_array().filter(|items| items.len() <= STEPS_MAX);
    let items = items.ok_or_else(|| Invalid::new(shown(value, dialect), EXPECTED))?;
    let day = |item: &Value| integer(item, dialect, (1, 365), EXPECTED).map(|day| day as u16);
    let mut days = items.iter().map(day).collect::<Result<Vec<u16>, Invalid>>()?;
    days.sort_unstable_by(|a, b| b.cmp(a));
    days.dedup();
    Ok(days)
}

/// A text that may be a secret: errors do not show it.
pub fn template(value: &Value, dialect: Dialect) -> Result<Template, Invalid> {
    const EXPECTED: &str = "a text of at most 262,144 bytes; in the services file ${NAME} is a \
         variable and $$ a dollar sign";
    let reject = || Invalid::hidden(EXPECTED);
    let written = value.as_str().filter(|text| text.len() <= TEXT_MAX_BYTES).ok_or_else(reject)?;
    match dialect {
        Dialect::Api => Ok(Template::literal(written)),
        Dialect::Store | Dialect::File => Template::parse(written).map_err(|_| reject()),
    }
}

/// The arguments of a plugin. The kernel ends an argument at its first NUL.
pub fn args(value: &Value, dialect: Dialect) -> Result<Vec<Template>, Invalid> {
    const EXPECTED: &str = "a list of at most 100 texts of at most 8,192 bytes, none of them ***";
    let reject = || Invalid::hidden(EXPECTED);
    let items = value.as_array().filter(|items| items.len() <= ARGS_MAX).ok_or_else(reject)?;
    // A client that shows a definition again must not store its masks.
    let fits = |text: &str| {
        let is_mask = dialect == Dialect::Api && text == MASK;
        text.len() <= HEADER_MAX_BYTES && !text.contains('\0') && !is_mask
    };
    let arg = |item: &Value| match item.as_str().filter(|text| fits(text)) {
        Some(_) => template(item, dialect).map_err(|_| reject()),
        None => Err(reject()),
    };
    items.iter().map(arg).collect()
}

/// A template for a header value: limited length, no control characters.
pub fn credential(value: &Value, dialect: Dialect) -> Result<Template, Invalid> {
    let reject = || Invalid::hidden("a text of at most 8,192 bytes without control characters");
    let fits = |text: &&str| text.len() <= HEADER_MAX_BYTES && !text.contains(char::is_control);
    value.as_str().filter(fits).ok_or_else(reject)?;
    template(value, dialect)
}

/// The URL of a proxy or a token endpoint.
pub fn server_url(value: &Value, dialect: Dialect) -> Result<ServerUrl, Invalid> {
    text(value, dialect)?;
    ServerUrl::new(template(value, dialect)?)
}

/// The URL of a proxy; an empty one means none in the services file, as in Gatus.
pub fn proxy(value: &Value, dialect: Dialect) -> Result<Option<ServerUrl>, Invalid> {
    if dialect == Dialect::File && value.as_str() == Some("") {
        return Ok(None);
    }
    server_url(value, dialect).map(Some)
}

/// A scope of an OAuth 2.0 token.
pub fn scope(text: &str) -> Result<String, Invalid> {
    let fits = (1..=SCOPE_MAX_BYTES).contains(&text.len()) && !text.contains(char::is_control);
    let expected = "a scope of 1 to 1,024 bytes without control characters";
    if fits { Ok(text.to_owned()) } else { Err(Invalid::quoted(text, expected)) }
}

pub fn method(value: &Value, dialect: Dialect) -> Result<Method, Invalid> {
    let word = text(value, dialect)?.to_ascii_uppercase();
    let is_word = (1..=20).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_uppercase());
    let method = Method::from_bytes(word.as_bytes()).ok();
    method.filter(|method| is_word && method != Method::CONNECT).ok_or_else(|| {
        Invalid::new(shown(value, dialect), "a method such as GET, HEAD or POST, and not CONNECT")
    })
}

pub fn labels(value: &Value, _: Dialect) -> Result<&Map<String, Value>, Invalid> {
    let map = value.as_object().filter(|map| map.len() <= LABELS_MAX);
    map.ok_or_else(|| Invalid::hidden("a mapping of at most 20 labels"))
}

pub fn headers(value: &Value, _: Dialect) -> Result<&Map<String, Value>, Invalid> {
    let map = value.as_object().filter(|map| map.len() <= HEADERS_MAX);
    map.ok_or_else(|| Invalid::hidden("a mapping of at most 50 headers"))
}

pub fn header(name: &str, value: &Value, dialect: Dialect) -> Result<(String, Template), Invalid> {
    Ok((header_name(name)?, credential(value, dialect)?))
}

/// Whether the header frames the request: it belongs to the probe.
pub fn is_framing_header(name: &str) -> bool {
    const FRAMING: [&str; 6] =
        ["connection", "content-length", "expect", "te", "transfer-encoding", "upgrade"];
    FRAMING.contains(&name.to_ascii_lowercase().as_str())
}

/// A header name (RFC 9110, section 5.6.2), but for those of [`is_framing_header`].
fn header_name(name: &str) -> Result<String, Invalid> {
    let fits = (1..=256).contains(&name.len()) && name.chars().all(is_name_character);
    if fits && !is_framing_header(name) {
        return Ok(name.to_owned());
    }
    Err(Invalid::quoted(
        shown_header_name(name),
        "a header name, except for those that frame the request (connection, content-length, \
         expect, te, transfer-encoding, upgrade)",
    ))
}

/// The name of a header of a response (RFC 9110, section 5.6.2).
pub fn response_header(value: &Value, dialect: Dialect) -> Result<String, Invalid> {
    let name = line(value, dialect)?;
    let fits = (1..=256).contains(&name.len()) && name.chars().all(is_name_character);
    if fits { Ok(name.to_owned()) } else { Err(Invalid::quoted(name, "the name of a header")) }
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

/// `name` up to the first invalid character: behind a colon may be the value, a secret.
pub fn shown_header_name(name: &str) -> String {
    match name.find(|c| !is_name_character(c)) {
        Some(end) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// The version of HTTP that must be spoken.
pub fn http_version(value: &Value, dialect: Dialect) -> Result<HttpVersion, Invalid> {
    HttpVersion::parse(text(value, dialect)?)
        .ok_or_else(|| Invalid::new(shown(value, dialect), "\"1.0\", \"1.1\" or \"2\""))
}

pub fn tls_version(value: &Value, dialect: Dialect) -> Result<TlsVersion, Invalid> {
    match text(value, dialect)? {
        "1.2" => Ok(TlsVersion::Tls12),
        "1.3" => Ok(TlsVersion::Tls13),
        _ => Err(Invalid::new(shown(value, dialect), "\"1.2\" or \"1.3\"")),
    }
}

pub fn starttls_protocol(value: &Value, dialect: Dialect) -> Result<StartTlsProtocol, Invalid> {
    StartTlsProtocol::parse(text(value, dialect)?).ok_or_else(|| {
        let expected = "smtp, imap, pop3, ftp, ldap, postgresql, xmpp or xmpp-server";
        Invalid::new(shown(value, dialect), expected)
    })
}

/// Certificates or a key. In the API only the text itself is valid: a file name would reveal to
/// clients which files this machine has.
pub fn pem(value: &Value, dialect: Dialect) -> Result<Pem, Invalid> {
    let written = value.as_str().filter(|text| text.len() <= TEXT_MAX_BYTES).unwrap_or_default();
    if written.contains("-----BEGIN ") {
        return Ok(Pem::Text(written.to_owned()));
    }
    if dialect == Dialect::Api || written.is_empty() || written.contains(char::is_control) {
        return Err(Invalid::hidden("a text in PEM; in the services file also a file name"));
    }
    Ok(Pem::File(written.into()))
}

pub fn host_name(value: &Value, dialect: Dialect) -> Result<String, Invalid> {
    let written = text(value, dialect)?;
    match url::Host::parse(written) {
        Ok(_) => Ok(written.to_owned()),
        Err(_) => Err(Invalid::new(shown(value, dialect), "a host name or an IP address")),
    }
}

pub fn ip_family(value: &Value, dialect: Dialect) -> Result<IpFamily, Invalid> {
    match text(value, dialect)? {
        "ip" => Ok(IpFamily::Any),
        "ip4" => Ok(IpFamily::V4),
        "ip6" => Ok(IpFamily::V6),
        _ => Err(Invalid::new(shown(value, dialect), "ip, ip4 or ip6")),
    }
}

/// A name server in the form of Gatus.
pub fn name_server(value: &Value, dialect: Dialect) -> Result<NameServer, Invalid> {
    const EXPECTED: &str =
        "a name server by its address, such as udp://1.1.1.1:53 or tcp://[::1]:53";
    let written = text(value, dialect)?;
    let (over_tcp, address) = match written.split_once("://") {
        Some(("udp", address)) => (false, address),
        Some(("tcp", address)) => (true, address),
        _ => (false, written),
    };
    let with_port = address.parse().ok();
    let address =
        with_port.or_else(|| Some((address.parse::<std::net::IpAddr>().ok()?, 53).into()));
    // A URL of DNS over HTTPS may have a credential.
    let address =
        address.ok_or_else(|| Invalid::new(mask_rejected(&shown(value, dialect)), EXPECTED))?;
    Ok(NameServer { address, over_tcp })
}

/// A name, as written; in Unicode it is valid if it has a form in ASCII.
pub fn query_name(value: &Value, dialect: Dialect) -> Result<String, Invalid> {
    let name = text(value, dialect)?;
    match ascii_name(name) {
        Some(_) => Ok(name.to_owned()),
        None => Err(Invalid::new(shown(value, dialect), "a DNS name, or . for the root")),
    }
}

pub fn record_kind(value: &Value, dialect: Dialect) -> Result<RecordKind, Invalid> {
    RecordKind::parse(text(value, dialect)?)
        .ok_or_else(|| Invalid::new(shown(value, dialect), RecordKind::EXPECTED))
}

/// A list of at most `most` texts; `expected` describes the list.
pub fn list<T>(
    value: &Value,
    dialect: Dialect,
    most: usize,
    expected: &'static str,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<Vec<T>, Invalid> {
    let items = value.as_array().filter(|items| items.len() <= most);
    let items = items.ok_or_else(|| Invalid::new(shown(value, dialect), expected))?;
    items.iter().map(|item| parse(text(item, dialect)?)).collect()
}
