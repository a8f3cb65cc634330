//! The hosts under which clients reach the API, as they stand in `Host`, `Origin` and the request
//! target. Pure.

use std::net::{IpAddr, Ipv6Addr};

use url::Host;

/// A host and a port, as in RFC 3986, section 3.2, without user information.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Names are in lower case and without a trailing dot; IPv4 addresses that are mapped to IPv6
    /// are IPv4.
    pub host: Host,
    pub port: Option<u16>,
}

impl Authority {
    /// `None` for a text that is no authority, among them one with user information, a percent sign
    /// or characters beyond ASCII. (Clients send the ASCII form of international names.)
    pub fn parse(text: &str) -> Option<Self> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(inner) => {
                let (address, rest) = inner.split_once(']')?;
                (Host::Ipv6(address.parse().ok()?), rest)
            }
            None => {
                let end = text.find(':').unwrap_or(text.len());
                (name_or_ipv4(&text[..end])?, &text[end..])
            }
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            _ => return None,
        };
        Some(Self { host: unmapped(host), port })
    }
}

fn name_or_ipv4(text: &str) -> Option<Host> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_plain) {
        return None;
    }
    Host::parse(text).ok()
}

fn unmapped(host: Host) -> Host {
    match host {
        Host::Ipv6(ip) => match ip.to_canonical() {
            IpAddr::V4(ip) => Host::Ipv4(ip),
            IpAddr::V6(ip) => Host::Ipv6(ip),
        },
        other => other,
    }
}

/// The hosts that are this service.
#[derive(Debug, Clone)]
pub struct OwnHosts {
    /// The address that the API listens on.
    listens_on: IpAddr,
    /// `API_DOMAIN` and `API_HOSTS`.
    names: Vec<Host>,
    /// Whether the API speaks TLS.
    has_tls: bool,
}

impl OwnHosts {
    pub fn new(listens_on: IpAddr, names: impl IntoIterator<Item = Host>) -> Self {
        let names = names.into_iter().map(unmapped).collect();
        Self { listens_on, names, has_tls: false }
    }

    /// As these, of an API that speaks TLS or not.
    pub fn with_tls(self, has_tls: bool) -> Self {
        Self { has_tls, ..self }
    }

    /// Whether `host` is loopback, `localhost`, below `localhost`, or a configured name. Behind an
    /// address that other machines reach, every IP address is accepted: no page can make a browser
    /// take another site for an IP address, so DNS rebinding needs a name.
    pub fn contains(&self, host: &Host) -> bool {
        let is_any_address = !matches!(host, Host::Domain(_)) && !self.listens_on.is_loopback();
        is_any_address || is_loopback(host) || self.names.contains(host)
    }

    /// Whether pages of this origin belong to the service: the origin is the host (and port) of the
    /// request, with the scheme `https` when the API speaks TLS; or a configured name that is not
    /// loopback, at the default port of its scheme, as behind a proxy. `null` is foreign.
    pub fn is_own_origin(&self, origin: &str, requested: Option<&Authority>) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let default_port = match scheme.to_ascii_lowercase().as_str() {
            "http" => 80,
            "https" => 443,
            _ => return false,
        };
        let Some(from) = Authority::parse(authority) else { return false };
        let port = |authority: &Authority| authority.port.unwrap_or(default_port);
        let can_be_here = !self.has_tls || default_port == 443;
        let is_here = |to: &Authority| to.host == from.host && port(to) == port(&from);
        if can_be_here && requested.is_some_and(is_here) {
            return true;
        }
        let is_configured = self.names.contains(&from.host) && !is_loopback(&from.host);
        is_configured && port(&from) == default_port
    }
}

/// Whether `host` is this machine, whatever the name servers say. Browsers resolve `localhost` and
/// the names below it to loopback (RFC 6761, section 6.3).
fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => *ip == Ipv6Addr::LOCALHOST,
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn own(listens_on: &str, names: &[&str]) -> OwnHosts {
        let names = names.iter().map(|name| Host::parse(name).unwrap());
        OwnHosts::new(listens_on.parse().unwrap(), names)
    }

    fn contains(hosts: &OwnHosts, text: &str) -> bool {
        Authority::parse(text).is_some_and(|authority| hosts.contains(&authority.host))
    }

    #[test]
    fn a_host_is_compared_by_meaning_and_its_port_is_not() {
        let hosts = own("127.0.0.1", &["mon.example.org", "10.1.2.3", "müller.example", "my_app"]);
        for text in [
            "127.0.0.1",
            "127.0.0.1:9999",
            "127.8.9.1",
            "127.0.0.1.",
            "[::1]",
            "[::1]:80",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "localhost",
            "LOCALHOST:1",
            "localhost.",
            "a.b.localhost",
            "mon.example.org",
            "Mon.Example.ORG.:443",
            "mon.example.org:",
            "10.1.2.3",
            "[::ffff:10.1.2.3]",
            "xn--mller-kva.example",
            "my_app:9999",
        ] {
            assert!(contains(&hosts, text), "{text}");
        }
        for text in [
            "",
            ".",
            ":9999",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil-localhost",
            "localhost..",
            "localhost@evil.example",
            "evil.example@localhost",
            "localhost:x",
            "localhost:+1",
            "localhost:99999",
            "localhost/",
            "localhost, evil.example",
            "localhos%74",
            "müller.example",
            "::1",
            "[::1",
            "[::1]x",
            "[::2]",
            "[fe80::1%25eth0]",
            "0.0.0.0",
            "10.1.2.4",
            "192.168.1.1",
            "sub.mon.example.org",
        ] {
            assert!(!contains(&hosts, text), "{text}");
        }
    }

    #[test]
    fn a_public_address_accepts_every_address_but_only_configured_names() {
        for listens_on in ["0.0.0.0", "::", "10.0.0.5"] {
            let hosts = own(listens_on, &["localhost"]);
            for text in ["10.0.0.5:9999", "192.168.1.7", "[2001:db8::1]", "127.0.0.1", "localhost"]
            {
                assert!(contains(&hosts, text), "{text}");
            }
            assert!(!contains(&hosts, "evil.example") && !contains(&hosts, "monitor"));
        }
    }

    #[test]
    fn an_origin_is_own_when_it_is_the_host_or_a_configured_name() {
        let hosts = own("127.0.0.1", &["localhost", "mon.example.org"]);
        let is_own =
            |origin: &str, host: &str| hosts.is_own_origin(origin, Authority::parse(host).as_ref());
        for (origin, host) in [
            ("http://127.0.0.1:9999", "127.0.0.1:9999"),
            ("http://localhost:9999", "LOCALHOST:9999"),
            ("http://[::1]:9999", "[::1]:9999"),
            ("http://localhost", "localhost"),
            ("http://localhost", "localhost:80"),
            ("https://mon.example.org", "mon.example.org"),
            ("https://mon.example.org", "127.0.0.1:9999"),
            ("https://mon.example.org:443", "127.0.0.1:9999"),
        ] {
            assert!(is_own(origin, host), "{origin} at {host}");
        }
        for (origin, host) in [
            ("null", "localhost"),
            ("", "localhost"),
            ("http://evil.example", "localhost:9999"),
            ("http://localhost:3000", "localhost:9999"),
            ("http://localhost", "localhost:9999"),
            ("http://localhost:9999", "127.0.0.1:9999"),
            ("http://127.0.0.1", "127.0.0.1:9999"),
            ("https://mon.example.org:8443", "127.0.0.1:9999"),
            ("https://mon.example.org.evil.example", "mon.example.org"),
            ("https://mon.example.org@evil.example", "mon.example.org"),
            ("file://localhost", "localhost"),
            ("http://localhost/", "localhost"),
            ("http://localhost", ""),
        ] {
            assert!(!is_own(origin, host), "{origin} at {host}");
        }
    }

    #[test]
    fn a_mapped_address_is_its_ipv4_address() {
        let authority = Authority::parse("[::ffff:10.0.0.1]:80").unwrap();
        let host = Host::Ipv4(Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(authority, Authority { host, port: Some(80) });
    }

    #[test]
    fn over_tls_a_page_without_it_is_foreign() {
        let hosts = own("127.0.0.1", &["mon.example.org"]).with_tls(true);
        let is_own =
            |origin: &str, host: &str| hosts.is_own_origin(origin, Authority::parse(host).as_ref());
        assert!(is_own("https://localhost:9999", "localhost:9999"));
        assert!(!is_own("http://localhost:9999", "localhost:9999"));
        assert!(is_own("http://mon.example.org", "10.0.0.1:9999"), "a proxy in front");
    }
}
