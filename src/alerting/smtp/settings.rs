//! The keys of a channel of kind `email`.

use std::net::Ipv6Addr;

use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use serde_json::{Map, Value};
use url::Url;

use crate::domain::alert::channel::KeyProblem;
use crate::domain::service::definition::Origin;
use crate::domain::{Invalid, Template};

/// TLS from the start is the rule of this port (RFC 8314, section 3.3).
const IMPLICIT_TLS_PORT: u16 = 465;

/// Settings with their variables filled in.
#[derive(Debug, Clone)]
pub struct Settings {
    pub from: Mailbox,
    pub to: Vec<Mailbox>,
    /// Host and port; the scheme has no meaning.
    pub server: Url,
    pub security: Security,
    pub login: Option<Login>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the start.
    Implicit,
    /// STARTTLS, or no mail.
    Required,
    /// STARTTLS if the server offers it. A certificate that is not valid fails then, too.
    Optional,
    Off,
}

#[derive(Debug, Clone)]
pub struct Login {
    pub credentials: Credentials,
    /// Texts that no error may contain.
    pub secrets: Vec<String>,
}

impl Settings {
    /// Reads `keys`, typed and filled. The error names the key.
    pub fn read(keys: &Map<String, Value>) -> Result<Self, String> {
        let text = |name: &str| keys.get(name).and_then(Value::as_str).unwrap_or_default();
        let from = mailbox(text("from")).map_err(|why| why.of("from"))?;
        let port = keys.get("port").and_then(Value::as_u64);
        let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(25);
        let host = text("host");
        let server = server(host, port).map_err(|why| why.of("host"))?;
        let to = keys.get("to").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let to: Result<Vec<Mailbox>, Invalid> =
            to.iter().map(|item| mailbox(item.as_str().unwrap_or_default())).collect();
        let to = to.map_err(|why| why.of("to"))?;
        if to.is_empty() {
            return Err("to: missing, expected a list of at least one text".to_owned());
        }
        let password = Some(text("password")).filter(|password| !password.is_empty());
        let username = Some(text("username")).filter(|username| !username.is_empty());
        let username = username.unwrap_or(from.email.as_ref());
        let login = password.map(|password| Login::new(username, password));
        let security = match (text("starttls"), &login) {
            _ if port == IMPLICIT_TLS_PORT => Security::Implicit,
            ("required", _) | ("", Some(_)) => Security::Required,
            ("off", _) => Security::Off,
            _ => Security::Optional,
        };
        Ok(Self { from, to, server, security, login })
    }
}

/// Checks keys as they are written. Texts with variables are checked when they are filled in.
pub fn check(keys: &Map<String, Value>, origin: Origin) -> Vec<KeyProblem> {
    let check = |name: &'static str, test: fn(&str) -> Result<(), Invalid>| {
        let texts = keys.get(name).map(|value| literals(value, origin)).unwrap_or_default();
        let problems = texts.into_iter().filter_map(move |text| test(&text).err());
        problems.map(move |why| KeyProblem::new(name, why)).collect::<Vec<_>>()
    };
    let address: fn(&str) -> Result<(), Invalid> = |text| mailbox(text).map(drop);
    let mut problems = check("from", address);
    problems.extend(check("to", address));
    problems.extend(check("host", |host| server(host, 25).map(drop)));
    problems
}

/// The texts without variables: of a list, or of one text with commas. Only a file has variables.
pub fn literals(value: &Value, origin: Origin) -> Vec<String> {
    let texts: Vec<&str> = match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => text.split(',').map(str::trim).collect(),
        _ => Vec::new(),
    };
    let literal = |text: &str| match origin {
        Origin::Api => Some(text.to_owned()),
        Origin::File => Template::parse(text).ok().and_then(|text| text.as_literal()),
    };
    texts.into_iter().filter(|text| !text.is_empty()).filter_map(literal).collect()
}

impl Login {
    fn new(username: &str, password: &str) -> Self {
        use base64::Engine;
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let plain = format!("\0{username}\0{password}");
        // The longest first, since a text may contain another.
        let secrets = vec![encode(&plain), encode(password), password.to_owned()];
        Self { credentials: Credentials::new(username.to_owned(), password.to_owned()), secrets }
    }
}

/// `NAME <ADDRESS>` or an address; a domain in Unicode becomes ASCII.
fn mailbox(text: &str) -> Result<Mailbox, Invalid> {
    let invalid = || Invalid::quoted(text, "an address, such as ops@example.org");
    if text.contains(char::is_control) {
        return Err(invalid());
    }
    let mailbox: Mailbox = text.trim().parse().map_err(|_| invalid())?;
    let domain = idna::domain_to_ascii(mailbox.email.domain()).map_err(|_| invalid())?;
    let email = Address::new(mailbox.email.user(), domain).map_err(|_| invalid())?;
    Ok(Mailbox { email, ..mailbox })
}

fn server(host: &str, port: u16) -> Result<Url, Invalid> {
    let invalid = || Invalid::quoted(host, "a host name or an address");
    let is_v6 = host.parse::<Ipv6Addr>().is_ok();
    let bracketed = if is_v6 { format!("[{host}]") } else { host.to_owned() };
    let is_host =
        |url: &Url| url.path() == "/" && url.query().is_none() && url.username().is_empty();
    let url = Url::parse(&format!("https://{bracketed}/")).ok().filter(is_host);
    let mut url = url.filter(|url| url.port().is_none() && !host.contains(['/', '#', ' ']));
    let set = url.as_mut().map(|url| url.set_port(Some(port)));
    set.and_then(Result::ok).and(url).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(keys: &Value) -> Result<Settings, String> {
        let mut all = json!({"from": "mon@example.net", "host": "mail.example", "port": 25,
            "to": ["ops@example.org"]});
        all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        Settings::read(all.as_object().unwrap())
    }

    #[test]
    fn starttls_is_required_with_a_password_and_port_465_is_tls_from_the_start() {
        for (keys, expected) in [
            (json!({}), Security::Optional),
            (json!({"password": "s3cret"}), Security::Required),
            (json!({"password": "s3cret", "starttls": "optional"}), Security::Optional),
            (json!({"password": "s3cret", "starttls": "off"}), Security::Off),
            (json!({"starttls": "required"}), Security::Required),
            (json!({"port": 465}), Security::Implicit),
            (json!({"port": 465, "starttls": "off"}), Security::Implicit),
        ] {
            assert_eq!(settings(&keys).unwrap().security, expected, "{keys}");
        }
    }

    #[test]
    fn the_user_is_the_sender_and_without_a_password_there_is_no_login() {
        let login = |keys| settings(&keys).unwrap().login;
        assert!(login(json!({"username": "u"})).is_none());
        let of = |user: &str| Login::new(user, "s3cret").secrets;
        assert_eq!(
            login(json!({"from": "M <mon@example.net>", "password": "s3cret"})).unwrap().secrets,
            of("mon@example.net"),
        );
        let other = login(json!({"username": "u", "password": "s3cret"})).unwrap();
        assert_eq!(other.secrets, of("u"));
    }

    #[test]
    fn addresses_have_names_and_domains_in_ascii() {
        let settings = settings(&json!({
            "from": "Wächter <mon@bücher.example>", "to": ["a@localhost", "B <b@example.org>"],
        }));
        let settings = settings.unwrap();
        assert_eq!(settings.from.email.to_string(), "mon@xn--bcher-kva.example");
        assert_eq!(settings.from.name.as_deref(), Some("Wächter"));
        assert_eq!(settings.to.len(), 2);
    }

    #[test]
    fn a_mistake_names_its_key() {
        for (keys, expected) in [
            (json!({"from": "mon"}), "from: invalid value \"mon\", expected an address, such as"),
            (json!({"from": "a@b\r\nBcc: c@d"}), "from: invalid value"),
            (json!({"to": ["a@b.example", "c"]}), "to: invalid value \"c\", expected an address"),
            (json!({"to": []}), "to: missing, expected"),
            (json!({"host": "a/b"}), "host: invalid value \"a/b\", expected a host name or an"),
            (json!({"host": "a:26"}), "host: invalid value"),
            (json!({"host": "u@a"}), "host: invalid value"),
            (json!({"host": ""}), "host: invalid value"),
        ] {
            let error = settings(&keys).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        let keys = json!({"from": "${FROM}", "to": "a@b.example, c", "host": "a b"});
        let problems: Vec<String> = check(keys.as_object().unwrap(), Origin::File)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(problems[0].starts_with("to: invalid value \"c\""), "{problems:?}");
        assert!(problems[1].starts_with("host: ") && problems.len() == 2, "{problems:?}");
        for (host, expected) in [
            ("127.0.0.1", "https://127.0.0.1:25/"),
            ("::1", "https://[::1]:25/"),
            ("bücher.example", "https://xn--bcher-kva.example:25/"),
        ] {
            assert_eq!(settings(&json!({"host": host})).unwrap().server.as_str(), expected);
        }
    }
}
