//! Which addresses may be dialled. Asked for every address of every hop, after the look-up and before the connection, so a
//! name that changes its mind, a redirect or an odd spelling gains nothing. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

/// Where clouds tell their machines secrets, beyond link-local (which most use for IPv4): Azure's wire server, Alibaba,
/// Oracle; and over IPv6 AWS, Google, Oracle, Scaleway.
const METADATA: [IpAddr; 7] = [
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
];

/// The networks an operator lets probes reach, beside what is always refused. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    networks: Arc<Networks>,
}

#[derive(Debug, Default)]
struct Networks {
    deny: Vec<IpNet>,
    allow: Vec<IpNet>,
}

/// Why an address may not be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Link-local: no service of anybody, and where clouds keep their metadata.
    LinkLocal,
    /// The metadata service of a cloud.
    Metadata,
    /// Multicast or broadcast: not the address of one machine.
    Many,
    /// In this one of the denied networks.
    Denied(IpNet),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkLocal => f.write_str("is link-local, which is never probed"),
            Self::Metadata => f.write_str("is a cloud's metadata service, which is never probed"),
            Self::Many => {
                f.write_str("is multicast or broadcast, and not the address of one machine")
            }
            Self::Denied(network) => write!(f, "is in {network} of PROBE_DENY_NETWORKS"),
        }
    }
}

impl Policy {
    /// Refuses what is in `deny` and not in `allow`.
    pub fn new(deny: Vec<IpNet>, allow: Vec<IpNet>) -> Self {
        Self { networks: Arc::new(Networks { deny, allow }) }
    }

    /// Whether `address` may be dialled.
    pub fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        // What an address stands for is judged beside the address itself: either may be what is reached.
        let inner = inner(address);
        let meant = [Some(address), inner, loopback(address), inner.and_then(loopback)];
        for address in meant.into_iter().flatten() {
            if is_link_local(address) {
                return Err(Refusal::LinkLocal);
            }
            if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
                return Err(Refusal::Many);
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

/// Where a connection to the unspecified address goes: to this machine.
fn loopback(address: IpAddr) -> Option<IpAddr> {
    address.is_unspecified().then_some(match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    })
}

/// The IPv4 address inside an IPv6 one: mapped (RFC 4291, 2.5.5.2), compatible (2.5.5.1), translated (RFC 2765), NAT64 (RFC
/// 6052, and RFC 8215 for networks of one's own) and 6to4 (RFC 3056).
fn inner(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(ip) = address else { return None };
    let segments = ip.segments();
    let octets = ip.octets();
    let four = |from: usize| {
        let [a, b, c, d] = [octets[from], octets[from + 1], octets[from + 2], octets[from + 3]];
        Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, ..] => four(12),
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 0 | 1, ..] => four(12),
        [0, 0, 0, 0, 0xffff, 0, ..] => four(12),
        [0x2002, ..] => four(2),
        _ => None,
    }
}

/// A list of networks as the configuration writes it: CIDR or single addresses, separated by commas.
pub fn parse_networks(text: &str) -> Option<Vec<IpNet>> {
    text.split(',')
        .map(str::trim)
        .map(|one| one.parse().ok().or_else(|| one.parse::<IpAddr>().ok().map(IpNet::from)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(policy: &Policy, address: &str) -> bool {
        policy.check(address.parse().unwrap()).is_err()
    }

    #[test]
    fn link_local_and_metadata_are_refused_in_every_dress() {
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
    fn an_allowed_network_is_an_exception_from_the_denied() {
        let policy = Policy::new(
            parse_networks("10.0.0.0/8,::1").unwrap(),
            parse_networks("10.1.0.0/16").unwrap(),
        );
        assert!(refused(&policy, "10.2.0.1") && refused(&policy, "::1"));
        assert!(refused(&policy, "::ffff:10.2.0.1"));
        assert!(!refused(&policy, "10.1.0.1") && !refused(&policy, "127.0.0.1"));
        let at_home = Policy::new(parse_networks("127.0.0.0/8,::1").unwrap(), Vec::new());
        for address in ["0.0.0.0", "::", "::ffff:0.0.0.0", "::ffff:127.0.0.1", "127.9.9.9"] {
            assert!(refused(&at_home, address), "{address}");
        }
        let told = policy.check("10.2.0.1".parse().unwrap()).unwrap_err().to_string();
        assert_eq!(told, "is in 10.0.0.0/8 of PROBE_DENY_NETWORKS");
    }

    #[test]
    fn a_list_is_taken_whole_or_not_at_all() {
        assert_eq!(parse_networks("10.0.0.0/8, ::1").map(|networks| networks.len()), Some(2));
        for bad in ["", "10.0.0.0/33", "10.0.0.0/8;::1", "here", "10.0.0.0/8,"] {
            assert_eq!(parse_networks(bad), None, "{bad}");
        }
    }
}
