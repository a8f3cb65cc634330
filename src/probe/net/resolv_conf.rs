//! `/etc/resolv.conf` and `/etc/hosts`, read as glibc and Go read them (resolv.conf(5), hosts(5)).
//! Pure.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use resolv_conf::{Config, ScopedIp};

use crate::domain::service::options::IpFamily;

/// Most name servers in use; glibc ignores further ones (MAXNS).
const SERVERS_MAX: usize = 3;

const PORT: u16 = 53;

/// Limits of the options in glibc (RES_MAXNDOTS, RES_MAXRETRANS, RES_MAXRETRY).
const DOTS_MAX: u32 = 15;
const TIMEOUT_MAX: u32 = 30;
const ATTEMPTS_MAX: u32 = 5;

/// How the system's name servers are queried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvConf {
    /// One to three.
    pub servers: Vec<SocketAddr>,
    /// Domains without a dot at the end.
    search: Vec<String>,
    /// From this number of dots on, a name is queried as it is before the search list.
    dots: usize,
    /// How long one server is waited for.
    pub timeout: Duration,
    /// How often each server is queried for one name; at least 1.
    pub attempts: u32,
    /// Look-ups begin with a different server each.
    pub rotate: bool,
    /// Queries over TCP only (`use-vc`).
    pub over_tcp: bool,
    pub edns: bool,
}

impl ResolvConf {
    /// Ignores what it does not understand, as glibc does; without a usable `nameserver`, the
    /// server is 127.0.0.1. `scope` returns the number of a network interface. `host` is the name
    /// of this machine: without `search` and `domain`, its domain is searched.
    pub fn parse(text: &[u8], host: &str, scope: impl Fn(&str) -> Option<u32>) -> Self {
        let (config, _) = Config::parse_with_errors(text);
        let servers = config.nameservers.iter().filter_map(|server| address(server, &scope));
        let mut servers: Vec<SocketAddr> = servers.take(SERVERS_MAX).collect();
        if servers.is_empty() {
            servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
        }
        let mut search: Vec<&str> =
            config.get_last_search_or_domain().map(String::as_str).collect();
        if search.is_empty() {
            search.extend(host.split_once('.').map(|(_, domain)| domain));
        }
        let search = search.into_iter().map(|domain| domain.trim_end_matches('.'));
        Self {
            servers,
            search: search.filter(|domain| !domain.is_empty()).map(str::to_owned).collect(),
            dots: config.ndots.min(DOTS_MAX) as usize,
            timeout: Duration::from_secs(config.timeout.clamp(1, TIMEOUT_MAX).into()),
            attempts: config.attempts.clamp(1, ATTEMPTS_MAX),
            rotate: config.rotate,
            over_tcp: config.use_vc,
            edns: config.edns0,
        }
    }

    /// The absolute names, without the dot at the end, that a look-up of `name` queries in order
    /// until one exists; and whether the first of them is `name` itself.
    pub fn candidates(&self, name: &str) -> (Vec<String>, bool) {
        if let Some(absolute) = name.strip_suffix('.') {
            return (vec![absolute.to_owned()], true);
        }
        let is_first = name.matches('.').count() >= self.dots;
        let mut names: Vec<String> =
            self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        names.insert(if is_first { 0 } else { names.len() }, name.to_owned());
        (names, is_first)
    }
}

fn address(server: &ScopedIp, scope: &impl Fn(&str) -> Option<u32>) -> Option<SocketAddr> {
    match server {
        ScopedIp::V4(ip) => Some(SocketAddr::from((*ip, PORT))),
        ScopedIp::V6(ip, None) => Some(SocketAddr::from((*ip, PORT))),
        ScopedIp::V6(ip, Some(zone)) => {
            let scope = zone.parse().ok().or_else(|| scope(zone))?;
            Some(SocketAddrV6::new(*ip, PORT, 0, scope).into())
        }
    }
}

/// The names of `/etc/hosts`, in lower case, each with its addresses in the order of the file.
#[derive(Debug, Default)]
pub struct Hosts(HashMap<String, Vec<IpAddr>>);

impl Hosts {
    pub fn parse(text: &[u8]) -> Self {
        let mut hosts: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for line in String::from_utf8_lossy(text).trim_start_matches('\u{feff}').lines() {
            let entry = line.split('#').next().unwrap_or_default();
            let mut words = entry.split_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse().ok()) else { continue };
            for name in words {
                let addresses = hosts.entry(normalized(name)).or_default();
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        Self(hosts)
    }

    /// The addresses of `name` that need no name server: those of the file, or those of
    /// `localhost` and the names below it (RFC 6761, section 6.3). Empty for other names.
    pub fn addresses(&self, name: &str, family: IpFamily) -> Vec<IpAddr> {
        let name = normalized(name);
        let of_family = |addresses: &[IpAddr]| -> Vec<IpAddr> {
            addresses.iter().copied().filter(|address| is_of(family, *address)).collect()
        };
        let found = of_family(self.0.get(&name).map_or(&[], Vec::as_slice));
        let is_localhost = name == "localhost" || name.ends_with(".localhost");
        if found.is_empty() && is_localhost {
            return of_family(&[Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
        }
        found
    }
}

fn normalized(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn is_of(family: IpFamily, address: IpAddr) -> bool {
    match family {
        IpFamily::Any => true,
        IpFamily::V4 => address.is_ipv4(),
        IpFamily::V6 => address.is_ipv6(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> ResolvConf {
        ResolvConf::parse(text.as_bytes(), "monitor", |zone| (zone == "eth0").then_some(7))
    }

    fn servers(text: &str) -> Vec<String> {
        parsed(text).servers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn name_servers_are_read_as_glibc_reads_them() {
        for (text, expected) in [
            ("", &["127.0.0.1:53"][..]),
            ("# no network yet\n; nameserver 10.0.0.1\n", &["127.0.0.1:53"]),
            ("nameserver\nnameserver here\nnameserver 10.0.0.256", &["127.0.0.1:53"]),
            ("nameserver 10.0.0.1:5353\nnameserver [::1]:53", &["127.0.0.1:53"]),
            ("nameserver 10.0.0.1", &["10.0.0.1:53"]),
            ("nameserver 10.0.0.1\r\nnameserver\t::1\r\n", &["10.0.0.1:53", "[::1]:53"]),
            ("nameserver 10.0.0.1#first\nnameserver 10.0.0.2;x", &["10.0.0.1:53", "10.0.0.2:53"]),
            ("nameserver 10.0.0.1 and more\nnonsense 1", &["10.0.0.1:53"]),
            (
                "nameserver 10.0.0.1\nnameserver 10.0.0.2\n\
                 nameserver 10.0.0.3\nnameserver 10.0.0.4",
                &["10.0.0.1:53", "10.0.0.2:53", "10.0.0.3:53"],
            ),
            ("nameserver fe80::1%eth0", &["[fe80::1%7]:53"]),
            ("nameserver fe80::1%3", &["[fe80::1%3]:53"]),
            ("nameserver fe80::1%gone\nnameserver 10.0.0.1", &["10.0.0.1:53"]),
        ] {
            assert_eq!(servers(text), expected, "{text:?}");
        }
    }

    #[test]
    fn options_have_the_defaults_and_limits_of_glibc() {
        let options = |text: &str| {
            let conf = parsed(text);
            (conf.timeout.as_secs(), conf.attempts, conf.dots, conf.rotate, conf.over_tcp)
        };
        assert_eq!(options(""), (5, 2, 1, false, false));
        assert_eq!(options("options timeout:1 attempts:3\noptions rotate"), (1, 3, 1, true, false));
        assert_eq!(
            options("options timeout:99 attempts:99 ndots:99 use-vc"),
            (30, 5, 15, false, true)
        );
        assert_eq!(options("options timeout:0 attempts:0 ndots:0"), (1, 1, 0, false, false));
        assert_eq!(options("options timeout:x unknown:1 attempts"), (5, 2, 1, false, false));
    }

    #[test]
    fn candidates_follow_dots_and_search_list() {
        let candidates = |text: &str, name: &str| parsed(text).candidates(name).0.join(" ");
        let search = "search a.test b.test.\noptions ndots:2";
        assert_eq!(candidates(search, "web"), "web.a.test web.b.test web");
        assert_eq!(candidates(search, "web.c"), "web.c.a.test web.c.b.test web.c");
        assert_eq!(candidates(search, "web.c.d"), "web.c.d web.c.d.a.test web.c.d.b.test");
        assert_eq!(candidates(search, "web."), "web");
        assert_eq!(candidates("search a.test\ndomain b.test", "web"), "web.b.test web");
        assert_eq!(candidates("search .", "web"), "web");
        assert_eq!(candidates("", "web"), "web", "the machine has no domain");
        let of_machine = ResolvConf::parse(b"", "monitor.corp.test", |_| None);
        assert_eq!(of_machine.candidates("web").0, ["web.corp.test", "web"]);
    }

    #[test]
    fn names_of_the_hosts_file_and_localhost_need_no_server() {
        let text = b"\xef\xbb\xbf127.0.0.1 localhost Web.Test web_1 # comment 10.0.0.9\r\n\
            ::2 web.test\n10.0.0.7 web.test web.test\n\xff\xff x\nnonsense name\nfe80::1%lo0 y\n";
        let hosts = Hosts::parse(text);
        let found = |name: &str, family| {
            let found = hosts.addresses(name, family).into_iter().map(|ip| ip.to_string());
            found.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found("WEB.test.", IpFamily::Any), "127.0.0.1 ::2 10.0.0.7");
        assert_eq!(found("web.test", IpFamily::V6), "::2");
        assert_eq!(found("web_1", IpFamily::V4), "127.0.0.1");
        assert_eq!(found("localhost", IpFamily::Any), "127.0.0.1", "as the file has it");
        assert_eq!(found("localhost", IpFamily::V6), "::1");
        assert_eq!(found("a.localhost", IpFamily::Any), "::1 127.0.0.1");
        for name in ["name", "comment", "notlocalhost", "y", "10.0.0.9"] {
            assert_eq!(found(name, IpFamily::Any), "", "{name}");
        }
    }
}
