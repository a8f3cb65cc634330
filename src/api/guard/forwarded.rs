//! What proxies say about a client: its address, and whether it uses TLS. Pure.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The address of the client: that of the connection, or the last one of `X-Forwarded-For` when the
/// connection is that of a trusted proxy. A proxy appends the address of its own peer, so that
/// everything before the last one may be made up by the client.
pub fn client(peer: IpAddr, forwarded_for: &[&str], trusted: &[IpNet]) -> IpAddr {
    last_of(peer, forwarded_for, trusted).and_then(address).unwrap_or(peer.to_canonical())
}

/// Whether the client uses TLS: that of this service (`has_tls`) or that of a proxy. A browser
/// writes the scheme of its page into `Origin`; for other clients, the last value of
/// `X-Forwarded-Proto` decides when the connection is that of a trusted proxy.
pub fn is_secure(
    has_tls: bool,
    origin: Option<&str>,
    (peer, forwarded_proto): (Option<IpAddr>, &[&str]),
    trusted: &[IpNet],
) -> bool {
    let of_page = origin.and_then(|origin| origin.split_once("://")).map(|(scheme, _)| scheme);
    let of_proxy = || last_of(peer?, forwarded_proto, trusted);
    let is_https = |scheme: &str| scheme.eq_ignore_ascii_case("https");
    has_tls || of_page.or_else(of_proxy).is_some_and(is_https)
}

/// The last value of a list that a trusted proxy appends to; `None` for any other peer.
fn last_of<'v>(peer: IpAddr, values: &[&'v str], trusted: &[IpNet]) -> Option<&'v str> {
    let peer = peer.to_canonical();
    let is_trusted = trusted.iter().any(|network| network.contains(&peer));
    let last = values.last().and_then(|value| value.rsplit(',').next());
    last.map(str::trim).filter(|_| is_trusted)
}

/// An address, which may have a port or brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    address.or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, forwarded_for: &[&str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        client(peer.parse().unwrap(), forwarded_for, &trusted).to_string()
    }

    #[test]
    fn a_proxy_that_is_trusted_names_the_client() {
        assert_eq!(of("10.1.2.3", &["1.1.1.1, 192.0.2.7"]), "192.0.2.7");
        assert_eq!(of("10.1.2.3", &["1.1.1.1", "192.0.2.7:4711"]), "192.0.2.7");
        assert_eq!(of("::ffff:10.1.2.3", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(of("::1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(of("::1", &["[2001:db8::1]:80"]), "2001:db8::1");
        assert_eq!(of("::1", &["[2001:db8::1]"]), "2001:db8::1");
    }

    #[test]
    fn tls_is_that_of_this_service_of_the_page_or_of_a_trusted_proxy() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let of = |has_tls, origin, peer: &str, proto: &[&str]| {
            is_secure(has_tls, origin, (peer.parse().ok(), proto), &trusted)
        };
        let (https, http) = (Some("https://mon.example"), Some("HTTP://mon.example"));
        assert!(of(true, None, "192.0.2.1", &[]) && of(true, http, "192.0.2.1", &["http"]));
        assert!(of(false, https, "192.0.2.1", &[]) && of(false, https, "10.0.0.1", &["http"]));
        assert!(!of(false, None, "192.0.2.1", &["https"]), "not from any client");
        assert!(of(false, None, "10.0.0.1", &["https"]));
        assert!(of(false, Some("null"), "::ffff:10.0.0.1", &["http", "http, HTTPS "]));
        assert!(
            !of(false, None, "10.0.0.1", &["https, http"]) && !of(false, None, "10.0.0.1", &[])
        );
        assert!(!of(false, http, "10.0.0.1", &["https"]), "a browser drops a secure cookie then");
        assert!(!is_secure(false, None, (None, &["https"]), &trusted));
    }

    #[test]
    fn everybody_else_is_the_peer() {
        assert_eq!(of("192.0.2.1", &["10.0.0.1"]), "192.0.2.1");
        assert_eq!(of("::ffff:192.0.2.1", &["10.0.0.1"]), "192.0.2.1");
        for unusable in [&[][..], &[""], &["unknown"], &["192.0.2.7, "], &["_hidden"]] {
            assert_eq!(of("10.1.2.3", unusable), "10.1.2.3", "{unusable:?}");
        }
    }
}
