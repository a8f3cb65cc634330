//! One value: what it may be, as each dialect writes it.

use http::Method;
use serde_json::{Map, Value};

use super::Dialect;
use crate::domain::history::slo::Slo;
use crate::domain::invalid::Invalid;
use crate::domain::service::options::{
    HttpVersion, IpFamily, NameServer, Pem, RecordKind, TlsVersion,
};
use crate::domain::service::template::Template;
use crate::domain::time::duration;

/// Longest text that is sent, and longest certificate file, in bytes.
const TEXT_MAX_BYTES: usize = 256 * 1024;
/// Longest value of a header, in bytes.
const HEADER_MAX_BYTES: usize = 8 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 50;
/// Most answers that a question to DNS can expect.
const EXPECTED_MAX: usize = 50;

/// How a refusal shows `value`: texts in the file as they are written, everything else as JSON.
pub fn shown(value: &Value, dialect: Dialect) -> String {
    match value {
        Value::String(text) if dialect == Dialect::File => text.clone(),
        Value::Array(_) => "[…]".to_owned(),
        Value::Object(_) => "{…}".to_owned(),
        other => other.to_string(),
    }
}

/// A text.
pub fn text(value: &Value, dialect: Dialect) -> Result<&str, Invalid> {
    let expected = if dialect == Dialect::File { "a text" } else { "a string" };
    value.as_str().ok_or_else(|| Invalid::new(shown(value, dialect), expected))
}

/// True or false.
pub fn truth(value: &Value, dialect: Dialect) -> Result<bool, Invalid> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::String(text) if dialect == Dialect::File => match text.as_str() {
            "true" | "True" | "TRUE" | "yes" | "on" => Ok(true),
            "false" | "False" | "FALSE" | "no" | "off" => Ok(false),
            _ => Err(Invalid::new(text, "true or false")),
        },
        other => Err(Invalid::new(shown(other, dialect), "true or false")),
    }
}

/// A time in seconds.
pub fn seconds(value: &Value, dialect: Dialect) -> Result<f64, Invalid> {
    let (read, expected) = match dialect {
        Dialect::Api | Dialect::Store => (value.as_f64(), "a number of seconds or null"),
        Dialect::File => (
            value.as_str().and_then(duration::parse_seconds),
            "a duration as in Go, such as 300ms, 30s or 1m30s",
        ),
    };
    read.ok_or_else(|| Invalid::new(shown(value, dialect), expected))
}

/// A whole number from `least` to `most`, of which `expected` tells.
pub fn whole(
    value: &Value,
    dialect: Dialect,
    (least, most): (u64, u64),
    expected: &'static str,
) -> Result<u64, Invalid> {
    let read = match value {
        Value::String(text) if dialect == Dialect::File => text.parse().ok(),
        other => other.as_u64(),
    };
    read.filter(|number| (least..=most).contains(number))
        .ok_or_else(|| Invalid::new(shown(value, dialect), expected))
}

/// The least uptime in percent.
pub fn slo_target(value: &Value, dialect: Dialect) -> Result<f64, Invalid> {
    let read = match value {
        Value::String(text) if dialect == Dialect::File => text.parse().ok(),
        other => other.as_f64(),
    };
    Slo::target(read.unwrap_or(f64::NAN)).map_err(|invalid| invalid.shown_as(shown(value, dialect)))
}

/// A text that is sent as it is, but for its variables. A refusal does not show it.
pub fn template(value: &Value, dialect: Dialect) -> Result<Template, Invalid> {
    const EXPECTED: &str = "a text of at most 262,144 bytes; in the services file ${NAME} names a variable and $$ is a dollar sign";
    let reject = || Invalid::hidden(EXPECTED);
    let written = value.as_str().filter(|text| text.len() <= TEXT_MAX_BYTES).ok_or_else(reject)?;
    match dialect {
        Dialect::Api => Ok(Template::literal(written)),
        Dialect::Store | Dialect::File => Template::parse(written).map_err(|_| reject()),
    }
}

/// A template without control characters and of a size that fits in a head. A refusal does not show it.
pub fn credential(value: &Value, dialect: Dialect) -> Result<Template, Invalid> {
    let reject = || Invalid::hidden("a text of at most 8,192 bytes without control characters");
    let fits = |text: &&str| text.len() <= HEADER_MAX_BYTES && !text.contains(char::is_control);
    value.as_str().filter(fits).ok_or_else(reject)?;
    template(value, dialect)
}

/// The method of a request.
pub fn method(value: &Value, dialect: Dialect) -> Result<Method, Invalid> {
    let word = text(value, dialect)?.to_ascii_uppercase();
    let is_word = (1..=20).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_uppercase());
    let method = Method::from_bytes(word.as_bytes()).ok();
    method.filter(|method| is_word && method != Method::CONNECT).ok_or_else(|| {
        Invalid::new(shown(value, dialect), "a method such as GET, HEAD or POST, and not CONNECT")
    })
}

/// Headers by name.
pub fn headers(value: &Value, _: Dialect) -> Result<&Map<String, Value>, Invalid> {
    let map = value.as_object().filter(|map| map.len() <= HEADERS_MAX);
    map.ok_or_else(|| Invalid::hidden("a mapping of at most 50 headers"))
}

/// One header.
pub fn header(name: &str, value: &Value, dialect: Dialect) -> Result<(String, Template), Invalid> {
    Ok((header_name(name)?, credential(value, dialect)?))
}

/// The name of a header that a probe may set (RFC 9110, section 5.6.2). What frames the request is the probe's.
fn header_name(name: &str) -> Result<String, Invalid> {
    const FRAMING: [&str; 6] =
        ["connection", "content-length", "expect", "te", "transfer-encoding", "upgrade"];
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let fits = (1..=256).contains(&name.len()) && name.bytes().all(is_token);
    if fits && !FRAMING.contains(&name.to_ascii_lowercase().as_str()) {
        return Ok(name.to_owned());
    }
    Err(Invalid::quoted(
        name,
        "the name of a header, and not one that frames the request (connection, content-length, expect, te, transfer-encoding, upgrade)",
    ))
}

/// The version of HTTP that must be spoken.
pub fn http_version(value: &Value, dialect: Dialect) -> Result<HttpVersion, Invalid> {
    HttpVersion::parse(text(value, dialect)?)
        .ok_or_else(|| Invalid::new(shown(value, dialect), "\"1.0\", \"1.1\" or \"2\""))
}

/// The least version of TLS.
pub fn tls_version(value: &Value, dialect: Dialect) -> Result<TlsVersion, Invalid> {
    match text(value, dialect)? {
        "1.2" => Ok(TlsVersion::Tls12),
        "1.3" => Ok(TlsVersion::Tls13),
        _ => Err(Invalid::new(shown(value, dialect), "\"1.2\" or \"1.3\"")),
    }
}

/// Certificates or a key. The API takes the text only: what files this machine has is not for a client to find out.
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

/// The name that a certificate is to be for.
pub fn host_name(value: &Value, dialect: Dialect) -> Result<String, Invalid> {
    let written = text(value, dialect)?;
    match url::Host::parse(written) {
        Ok(_) => Ok(written.to_owned()),
        Err(_) => Err(Invalid::new(shown(value, dialect), "a host name or an IP address")),
    }
}

/// Which addresses of a name are used.
pub fn ip_family(value: &Value, dialect: Dialect) -> Result<IpFamily, Invalid> {
    match text(value, dialect)? {
        "ip" => Ok(IpFamily::Any),
        "ip4" => Ok(IpFamily::V4),
        "ip6" => Ok(IpFamily::V6),
        _ => Err(Invalid::new(shown(value, dialect), "ip, ip4 or ip6")),
    }
}

/// A name server, as Gatus writes it.
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
    let address = address.ok_or_else(|| Invalid::new(shown(value, dialect), EXPECTED))?;
    Ok(NameServer { address, over_tcp })
}

/// The name that DNS is asked for.
pub fn query_name(value: &Value, dialect: Dialect) -> Result<String, Invalid> {
    let name = text(value, dialect)?;
    let bare = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if bare.len() <= 253 && bare.split('.').all(is_label) {
        return Ok(name.to_owned());
    }
    Err(Invalid::new(shown(value, dialect), "a name as DNS has them, in ASCII"))
}

/// The type of record that DNS is asked for.
pub fn record_kind(value: &Value, dialect: Dialect) -> Result<RecordKind, Invalid> {
    RecordKind::parse(text(value, dialect)?).ok_or_else(|| {
        Invalid::new(shown(value, dialect), "A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT or CAA")
    })
}

/// A list of at most 50 texts, each read by `parse`; `expected` tells of it.
pub fn list<T>(
    value: &Value,
    dialect: Dialect,
    expected: &'static str,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<Vec<T>, Invalid> {
    let items = value.as_array().filter(|items| items.len() <= EXPECTED_MAX);
    let items = items.ok_or_else(|| Invalid::new(shown(value, dialect), expected))?;
    items.iter().map(|item| parse(text(item, dialect)?)).collect()
}
