//! Which addresses probes may dial. Checked for every address of every hop, after resolution and
//! before connecting, so DNS rebinding, redirects and unusual spellings cannot bypass it. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

/// Metadata services of clouds that are not link-local (as most are for IPv4): Azure's wire server,
/// Alibaba, Oracle; over IPv6 AWS, Google, Oracle, Scaleway.
const METADATA: [IpAddr; 7] = [
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
];

/// The operator's networks, in addition to addresses that are always refused. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    networks: Arc<Networks>,
}

#[derive(Debug, Default)]
struct Networks {
    deny: Vec<IpNet>,
    allow: Vec<IpNet>,
}

/// Why an address must not be dialled; displayed after the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Includes the metadata service of most clouds.
    #[error("is link-local, which is never probed")]
    LinkLocal,
    #[error("is a cloud metadata service, which is never probed")]
    Metadata,
    #[error("is multicast or broadcast, not the address of one host")]
    Multicast,
    #[error("is in {0} of PROBE_DENY_NETWORKS")]
    Denied(IpNet),
}

impl Policy {
    /// Refuses addresses in `deny`, unless they are in `allow`.
    pub fn new(deny: Vec<IpNet>, allow: Vec<IpNet>) -> Self {
        Self { networks: Arc::new(Networks { deny, allow }) }
    }

    pub fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        // A connection may reach the address itself or the one embedded in it, so both are checked.
        let embedded = embedded_v4(address);
        let reachable = [Some(address), embedded, loopback(address), embedded.and_then(loopback)];
        for address in reachable.into_iter().flatten() {
            if is_link_local(address) {
                return Err(Refusal::LinkLocal);
            }
            if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
                return Err(Refusal::Multicast);
            }
            if METADATA.contains(&address) {
                return Err(Refusal::Metadata);
            }
            let within =
                |networks: &[IpNet]| networks.iter().find(|n| n.contains(&address)).copied();
            if let Some(network) = within(&self.networks.deny)
                && within(&self.networks.allow).is_none()
            {
                return Err(Refusal::Denied(network));
            }
        }
        Ok(())
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// The loopback address that a connection to the unspecified address reaches.
fn loopback(address: IpAddr) -> Option<IpAddr> {
    address.is_unspecified().then_some(match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    })
}

/// The IPv4 address embedded in an IPv6 address: mapped (RFC 4291, 2.5.5.2), compatible (2.5.5.1),
/// translated (RFC 2765), NAT64 (RFC 6052, and RFC 8215 for local networks) and 6to4 (RFC 3056).
fn embedded_v4(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(ip) = address else { return None };
    let segments = ip.segments();
    let octets = ip.octets();
    let v4_at = |from: usize| {
        let [a, b, c, d] = [octets[from], octets[from + 1], octets[from + 2], octets[from + 3]];
        Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, ..] => v4_at(12),
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 0 | 1, ..] => v4_at(12),
        [0, 0, 0, 0, 0xffff, 0, ..] => v4_at(12),
        [0x2002, ..] => v4_at(2),
        _ => None,
    }
}

/// Parses a comma-separated list of networks in CIDR notation and single addresses.
pub fn parse_networks(text: &str) -> Option<Vec<IpNet>> {
    text.split(',')
        .map(str::trim)
        .map(|item| item.parse().ok().or_else(|| item.parse::<IpAddr>().ok().map(IpNet::from)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(policy: &Policy, address: &str) -> bool {
        policy.check(address.parse().unwrap()).is_err()
    }

    #[test]
    fn link_local_and_metadata_are_refused_in_every_notation() {
        let policy = Policy::new(Vec::new(), parse_networks("0.0.0.0/0, ::/0").unwrap());
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "168.63.129.16",
            "100.100.100.200",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
        ] {
            assert!(refused(&policy, address), "{address}");
        }
        for address in ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "203.0.113.7", "2001:db8::1"]
        {
            assert!(!refused(&policy, address), "{address}");
        }
    }

    #[test]
    fn an_allowed_network_is_an_exception_from_denied_networks() {
        let policy = Policy::new(
            parse_networks("10.0.0.0/8,::1").unwrap(),
            parse_networks("10.1.0.0/16").unwrap(),
        );
        assert!(refused(&policy, "10.2.0.1") && refused(&policy, "::1"));
        assert!(refused(&policy, "::ffff:10.2.0.1"));
        assert!(!refused(&policy, "10.1.0.1") && !refused(&policy, "127.0.0.1"));
        let loopback_denied = Policy::new(parse_networks("127.0.0.0/8,::1").unwrap(), Vec::new());
        for address in ["0.0.0.0", "::", "::ffff:0.0.0.0", "::ffff:127.0.0.1", "127.9.9.9"] {
            assert!(refused(&loopback_denied, address), "{address}");
        }
        let refusal = policy.check("10.2.0.1".parse().unwrap()).unwrap_err().to_string();
        assert_eq!(refusal, "is in 10.0.0.0/8 of PROBE_DENY_NETWORKS");
    }

    #[test]
    fn a_list_with_an_invalid_item_is_rejected() {
        assert_eq!(parse_networks("10.0.0.0/8, ::1").map(|networks| networks.len()), Some(2));
        for bad in ["", "10.0.0.0/33", "10.0.0.0/8;::1", "here", "10.0.0.0/8,"] {
            assert_eq!(parse_networks(bad), None, "{bad}");
        }
    }
}
