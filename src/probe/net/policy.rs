//! Which addresses probes may dial. Checked for every address of every hop, after resolution and
//! before connecting, so DNS rebinding, redirects and unusual spellings cannot bypass it. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use crate::probe::net::embedded_v4::embedded;
use crate::probe::net::targets::Targets;

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
    guest: Option<Arc<Guest>>,
}

/// What also bounds a probe whose requester names the target.
#[derive(Debug)]
struct Guest {
    /// The addresses of this machine, which are refused beside loopback.
    own: Vec<IpAddr>,
    /// The only targets that are dialled; `None` for all.
    targets: Option<Targets>,
}

#[derive(Debug)]
struct Networks {
    /// The setting that names them.
    setting: &'static str,
    deny: Vec<IpNet>,
    allow: Vec<IpNet>,
}

impl Default for Networks {
    fn default() -> Self {
        Self { setting: PROBE_SETTING, deny: Vec::new(), allow: Vec::new() }
    }
}

/// The setting of the networks that probes do not dial.
const PROBE_SETTING: &str = "PROBE_DENY_NETWORKS";

/// Why an address must not be dialled; displayed after the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Includes the metadata service of most clouds.
    #[error("is link-local, which is never probed")]
    LinkLocal,
    /// Deprecated since RFC 3879, and a second name of networks that are private.
    #[error("is site-local (fec0::/10), which is deprecated and never probed")]
    SiteLocal,
    #[error("is a cloud metadata service, which is never probed")]
    Metadata,
    #[error("is multicast or broadcast, not the address of one host")]
    Multicast,
    #[error("is in {network} of {setting}")]
    Denied { network: IpNet, setting: &'static str },
    #[error("is an address of this machine, and not in PROBE_ALLOW_NETWORKS")]
    Own,
    #[error("is no target of MODULES_TARGETS")]
    NoTarget,
}

impl Policy {
    /// Refuses addresses in `deny`, unless they are in `allow`.
    pub fn new(deny: Vec<IpNet>, allow: Vec<IpNet>) -> Self {
        Self::named(PROBE_SETTING, deny, allow)
    }

    /// As [`new`](Self::new), with the name of the setting of `deny`.
    pub fn named(setting: &'static str, deny: Vec<IpNet>, allow: Vec<IpNet>) -> Self {
        Self { networks: Arc::new(Networks { setting, deny, allow }), guest: None }
    }

    /// As this policy, for a probe whose requester names the target: refuses loopback and `own`,
    /// the addresses of this machine, unless the operator allows them, and every target but
    /// `targets`.
    pub fn for_guests(&self, own: Vec<IpAddr>, targets: Option<Targets>) -> Self {
        let guest = Some(Arc::new(Guest { own, targets }));
        Self { networks: Arc::clone(&self.networks), guest }
    }

    /// As [`check`](Self::check), for a host with this name; `None` for an address.
    pub fn check_host(&self, name: Option<&str>, address: IpAddr) -> Result<(), Refusal> {
        self.check(address)?;
        let targets = self.guest.as_ref().and_then(|guest| guest.targets.as_ref());
        match targets {
            Some(targets) if !targets.contain(name, address) => Err(Refusal::NoTarget),
            _ => Ok(()),
        }
    }

    pub fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        // A connection may reach the address itself or one embedded in it, so all are checked.
        let written = std::iter::once(address).chain(embedded(address));
        let reachable = written.flat_map(|address| [Some(address), loopback(address)]);
        for address in reachable.flatten() {
            if is_link_local(address) {
                return Err(Refusal::LinkLocal);
            }
            if is_site_local(address) {
                return Err(Refusal::SiteLocal);
            }
            if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
                return Err(Refusal::Multicast);
            }
            if METADATA.contains(&address) {
                return Err(Refusal::Metadata);
            }
            let within =
                |networks: &[IpNet]| networks.iter().find(|n| n.contains(&address)).copied();
            if self.is_own(address) && within(&self.networks.allow).is_none() {
                return Err(Refusal::Own);
            }
            if let Some(network) = within(&self.networks.deny)
                && within(&self.networks.allow).is_none()
            {
                return Err(Refusal::Denied { network, setting: self.networks.setting });
            }
        }
        Ok(())
    }

    /// Whether guests reach this machine at `address`.
    fn is_own(&self, address: IpAddr) -> bool {
        let is_own = |guest: &Guest| address.is_loopback() || guest.own.contains(&address);
        self.guest.as_deref().is_some_and(is_own)
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn is_site_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfec0)
}

/// The loopback address that a connection to the unspecified address reaches.
fn loopback(address: IpAddr) -> Option<IpAddr> {
    address.is_unspecified().then_some(match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    })
}

/// The network of the other family that reaches the same: its hosts are denied by one family only.
struct Counterpart {
    /// Denied together, these networks say what is meant.
    denied: &'static [&'static str],
    open: &'static str,
    subject: &'static str,
}

const COUNTERPARTS: [Counterpart; 5] = [
    Counterpart { denied: &["0.0.0.0/0"], open: "::/0", subject: "all addresses" },
    Counterpart { denied: &["::/0"], open: "0.0.0.0/0", subject: "all addresses" },
    Counterpart { denied: &["127.0.0.0/8"], open: "::1/128", subject: "this machine" },
    Counterpart { denied: &["::1/128"], open: "127.0.0.0/8", subject: "this machine" },
    Counterpart {
        denied: &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
        open: "fc00::/7",
        subject: "private networks",
    },
];

/// The private networks of IPv4, of which a deny list should name all or none.
const PRIVATE: Counterpart = Counterpart {
    denied: &["fc00::/7"],
    open: "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
    subject: "private networks",
};

impl Policy {
    /// What the deny list leaves open: the other family of something that it denies. One sentence
    /// each.
    pub fn warnings(&self) -> Vec<String> {
        let Networks { deny, allow, .. } = &*self.networks;
        let is_within = |network: &str, list: &[IpNet]| {
            network.parse().is_ok_and(|network: IpNet| list.iter().any(|n| n.contains(&network)))
        };
        // A list that denies everything of a family is warned of as such only.
        let denies_all = |family: &str| is_within(family, deny);
        let denies_a_family = denies_all("0.0.0.0/0") != denies_all("::/0");
        let mut warnings = Vec::new();
        for Counterpart { denied, open, subject } in COUNTERPARTS.iter().chain([&PRIVATE]) {
            if denies_a_family && *subject != "all addresses" {
                continue;
            }
            let is_meant = denied.iter().all(|network| is_within(network, deny));
            let mut others = open.split(',');
            let is_closed =
                others.all(|network| is_within(network, deny) || is_within(network, allow));
            if is_meant && !is_closed {
                let denied = denied.join(",");
                warnings.push(format!("{denied} is denied, but not {open} ({subject})"));
            }
        }
        warnings
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
    use crate::probe::net::embedded_v4::tests::embeddings;
    use proptest::prelude::*;

    fn refused(policy: &Policy, address: &str) -> bool {
        policy.check(address.parse().unwrap()).is_err()
    }

    #[test]
    fn guests_reach_this_machine_only_where_it_is_allowed_and_targets_only() {
        let own = || vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let operator = Policy::new(
            parse_networks("10.0.0.0/8").unwrap(),
            parse_networks("127.0.0.2,10.1.0.0/16").unwrap(),
        );
        let guests = operator.for_guests(own(), None);
        for (address, expected) in [
            ("192.0.2.1", Err(Refusal::Own)),
            ("::ffff:192.0.2.1", Err(Refusal::Own)),
            ("2001:db8::1", Err(Refusal::Own)),
            ("127.0.0.1", Err(Refusal::Own)),
            ("127.1.2.3", Err(Refusal::Own)),
            ("::1", Err(Refusal::Own)),
            ("0.0.0.0", Err(Refusal::Own)),
            ("::", Err(Refusal::Own)),
            ("64:ff9b::7f00:1", Err(Refusal::Own)),
            ("127.0.0.2", Ok(())),
            ("169.254.169.254", Err(Refusal::LinkLocal)),
            ("10.1.2.3", Ok(())),
            ("192.0.2.2", Ok(())),
        ] {
            assert_eq!(guests.check(address.parse().unwrap()), expected, "{address}");
        }
        assert!(refused(&guests, "10.2.0.1") && !refused(&operator, "127.0.0.1"));
        let narrowed = operator.for_guests(own(), Targets::parse("127.0.0.0/8, *.example.org"));
        for (name, address, expected) in [
            (None, "127.0.0.2", Ok(())),
            (None, "127.0.0.3", Err(Refusal::Own)),
            (None, "192.0.2.2", Err(Refusal::NoTarget)),
            (Some("a.example.org"), "192.0.2.2", Ok(())),
            (Some("a.example.org"), "192.0.2.1", Err(Refusal::Own)),
            (Some("a.example.com"), "192.0.2.2", Err(Refusal::NoTarget)),
        ] {
            let checked = narrowed.check_host(name, address.parse().unwrap());
            assert_eq!(checked, expected, "{name:?} {address}");
        }
        let anywhere = operator.check_host(Some("a"), "192.0.2.2".parse().unwrap());
        assert_eq!(anywhere, Ok(()), "the operator's own services have no such list");
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
        let deny = parse_networks("10.0.0.0/8").unwrap();
        let policy = Policy::named("ALERT_DENY_NETWORKS", deny, Vec::new());
        let refusal = policy.check("10.2.0.1".parse().unwrap()).unwrap_err().to_string();
        assert_eq!(refusal, "is in 10.0.0.0/8 of ALERT_DENY_NETWORKS");
    }

    #[test]
    fn denying_loopback_denies_every_spelling_of_it() {
        let policy = Policy::new(parse_networks("127.0.0.0/8,::1").unwrap(), Vec::new());
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "::",
            "::1",
            "::ffff:0.0.0.0",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::0.0.0.0",
            "64:ff9b:1:7f00:0:100::",
            "64:ff9b:1:7f::1:0:0",
            "2002:7f00:1::1",
            "2001:0:7f00:1::1",
            "2001:0:102:304:0:0:80ff:fffe",
            "2001:db8::5efe:127.0.0.1",
            "2001:db8::200:5efe:127.0.0.1",
        ] {
            assert!(refused(&policy, address), "{address}");
        }
        for address in ["128.0.0.1", "64:ff9b::8.8.8.8", "2002:808:808::1", "2001:db8::1"] {
            assert!(!refused(&policy, address), "{address}");
        }
        assert!(refused(&Policy::default(), "fec0::1") && refused(&Policy::default(), "feff::1"));
    }

    #[test]
    fn a_deny_list_that_leaves_the_other_family_open_is_warned_of() {
        let warnings = |deny: &str, allow: &str| {
            let list = |text: &str| parse_networks(text).unwrap_or_default();
            Policy::new(list(deny), list(allow)).warnings()
        };
        let private = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16";
        for (deny, allow, expected) in [
            ("", "", &[][..]),
            ("127.0.0.0/8", "", &["127.0.0.0/8 is denied, but not ::1/128 (this machine)"]),
            ("127.0.0.0/8", "::1", &[]),
            ("127.0.0.0/8,::1", "", &[]),
            ("::1", "", &["::1/128 is denied, but not 127.0.0.0/8 (this machine)"]),
            ("10.0.0.0/8", "", &[]),
            (
                private,
                "",
                &["10.0.0.0/8,172.16.0.0/12,192.168.0.0/16 is denied, but not fc00::/7 (private \
                   networks)"],
            ),
            (
                "fc00::/7,10.0.0.0/8",
                "",
                &["fc00::/7 is denied, but not 10.0.0.0/8,172.16.0.0/12,192.168.0.0/16 (private \
                   networks)"],
            ),
            ("0.0.0.0/0", "", &["0.0.0.0/0 is denied, but not ::/0 (all addresses)"]),
            ("::/0", "", &["::/0 is denied, but not 0.0.0.0/0 (all addresses)"]),
            ("0.0.0.0/0,::/0", "", &[]),
        ] {
            assert_eq!(warnings(deny, allow), expected, "{deny} {allow}");
        }
        assert_eq!(warnings(&format!("{private},fc00::/7"), ""), [""; 0]);
    }

    proptest! {
        #[test]
        fn every_embedding_of_a_denied_address_is_denied(
            v4 in 0x0100_0000_u32..,
            noise: u64,
            length in 1_u8..=32,
        ) {
            let v4 = Ipv4Addr::from(v4);
            let network = IpNet::new(v4.into(), length).unwrap().trunc();
            let policy = Policy::new(vec![network], Vec::new());
            for (name, address) in embeddings(v4, noise) {
                prop_assert!(policy.check(address.into()).is_err(), "{name}: {address}");
            }
        }
    }

    #[test]
    fn a_list_with_an_invalid_item_is_rejected() {
        assert_eq!(parse_networks("10.0.0.0/8, ::1").map(|networks| networks.len()), Some(2));
        for bad in ["", "10.0.0.0/33", "10.0.0.0/8;::1", "here", "10.0.0.0/8,"] {
            assert_eq!(parse_networks(bad), None, "{bad}");
        }
    }
}
