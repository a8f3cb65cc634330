//! The address of a client behind proxies. Pure.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The address of the client: that of the connection, or the last one of `X-Forwarded-For` when the
/// connection is that of a trusted proxy. A proxy appends the address of its own peer, so that
/// everything before the last one may be made up by the client.
pub fn client(peer: IpAddr, forwarded_for: &[&str], trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !trusted.iter().any(|network| network.contains(&peer)) {
        return peer;
    }
    let last = forwarded_for.last().and_then(|value| value.rsplit(',').next());
    last.and_then(address).unwrap_or(peer)
}

/// An address, which may have a port or brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
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
    fn everybody_else_is_the_peer() {
        assert_eq!(of("192.0.2.1", &["10.0.0.1"]), "192.0.2.1");
        assert_eq!(of("::ffff:192.0.2.1", &["10.0.0.1"]), "192.0.2.1");
        for unusable in [&[][..], &[""], &["unknown"], &["192.0.2.7, "], &["_hidden"]] {
            assert_eq!(of("10.1.2.3", unusable), "10.1.2.3", "{unusable:?}");
        }
    }
}
