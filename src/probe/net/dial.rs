//! Resolves the host of a URL and connects to its addresses, with Happy Eyeballs (RFC 8305).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use url::{Host, Url};

use crate::domain::service::options::IpFamily;
use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::net::policy::Policy;
use crate::probe::net::resolve::Resolver;

/// Time before the next address is tried in parallel (RFC 8305, "Connection Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Most addresses tried for a name, and so the most simultaneous connections of one probe.
const MAX_ADDRESSES: usize = 8;

/// The addresses of `family` of the host of `url`, in the order of attempts; never empty. Name
/// servers share the time until `deadline`.
pub async fn resolve(
    resolver: &Resolver,
    url: &Url,
    family: IpFamily,
    deadline: std::time::Instant,
) -> Result<Vec<SocketAddr>, Failure> {
    let port = url.port_or_known_default().unwrap_or(80);
    let literal: IpAddr = match url.host() {
        Some(Host::Ipv4(ip)) => ip.into(),
        Some(Host::Ipv6(ip)) => ip.into(),
        Some(Host::Domain(name)) => {
            let found = Box::pin(resolver.addresses(name, family, deadline)).await?;
            return Ok(interleave(found, port));
        }
        None => return Err(Failure::new(Reason::RedirectBlocked, "the URL has no host")),
    };
    let other_family = if literal.is_ipv4() { IpFamily::V6 } else { IpFamily::V4 };
    if family == other_family {
        let detail = format!("{literal} is not of the address family that the service requires");
        return Err(Failure::new(Reason::DnsNoSuchName, detail));
    }
    Ok(vec![SocketAddr::new(literal, port)])
}

/// Those of the addresses, which `name` resolved to if there is one, that `policy` allows; the
/// failure names the first refused address when all are.
pub fn filter_allowed(
    policy: &Policy,
    name: Option<&str>,
    mut addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Failure> {
    let mut refused = None;
    addresses.retain(|address| match policy.check_host(name, address.ip()) {
        Ok(()) => true,
        Err(why) => {
            refused.get_or_insert((address.ip(), why));
            false
        }
    });
    match refused {
        Some((ip, why)) if addresses.is_empty() => {
            Err(Failure::new(Reason::AddressBlocked, format!("{ip} {why}")))
        }
        _ => Ok(addresses),
    }
}

/// Checks the host of `url`, which a proxy dials, as far as the URL itself says its address.
pub fn check_written(policy: &Policy, url: &Url) -> Result<(), Failure> {
    let localhost = || [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].to_vec();
    let addresses: Vec<IpAddr> = match url.host() {
        Some(Host::Ipv4(ip)) => vec![ip.into()],
        Some(Host::Ipv6(ip)) => vec![ip.into()],
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            let is_local = name == "localhost" || name.ends_with(".localhost");
            if is_local { localhost() } else { Vec::new() }
        }
        None => Vec::new(),
    };
    for ip in addresses {
        let refused = |why| Failure::new(Reason::AddressBlocked, format!("{ip} {why}"));
        policy.check(ip).map_err(refused)?;
    }
    Ok(())
}

/// Alternates between IPv6 and IPv4, IPv6 first (RFC 8305, section 4); at most
/// [`MAX_ADDRESSES`].
fn interleave(found: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    let (v6, v4): (Vec<IpAddr>, Vec<IpAddr>) = found.into_iter().partition(IpAddr::is_ipv6);
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let mut addresses = Vec::new();
    loop {
        let pair = [v6.next(), v4.next()];
        if pair == [None, None] || addresses.len() >= MAX_ADDRESSES {
            return addresses;
        }
        addresses.extend(pair.into_iter().flatten().map(|ip| SocketAddr::new(ip, port)));
    }
}

/// A connection over TCP.
#[derive(Debug)]
pub struct Dialled {
    pub stream: TcpStream,
    /// Address of the target.
    pub peer: SocketAddr,
    /// `None` if `getsockname` failed.
    pub local: Option<SocketAddr>,
}

/// Connects to the first of `addresses` that accepts. The next attempt starts after an error or
/// [`ATTEMPT_DELAY`].
///
/// When all attempts fail, returns the failure with the highest [`specificity`].
pub async fn connect(addresses: &[SocketAddr]) -> Result<Dialled, Failure> {
    if let [only] = addresses {
        return attempt(*only).await;
    }
    let mut rest = addresses.iter().copied();
    let mut attempts = FuturesUnordered::new();
    let mut best_failure: Option<Failure> = None;
    let mut next_at = Instant::now();
    loop {
        if Instant::now() >= next_at || attempts.is_empty() {
            match rest.next() {
                Some(address) => attempts.push(attempt(address)),
                None if attempts.is_empty() => {
                    let no_address =
                        || Failure::new(Reason::Unreachable, "no address to connect to");
                    return Err(best_failure.unwrap_or_else(no_address));
                }
                None => {}
            }
            next_at = Instant::now() + ATTEMPT_DELAY;
        }
        tokio::select! {
            Some(result) = attempts.next() => match result {
                Ok(connected) => return Ok(connected),
                Err(failure) => {
                    best_failure = Some(match best_failure {
                        Some(best) if specificity(&best) >= specificity(&failure) => best,
                        _ => failure,
                    });
                    next_at = Instant::now();
                }
            },
            () = sleep_until(next_at), if rest.len() > 0 => {}
        }
    }
}

async fn attempt(address: SocketAddr) -> Result<Dialled, Failure> {
    let connected = TcpStream::connect(address).await;
    let stream = connected.map_err(|error| failure::of_connect(address, &error))?;
    // The kernel replaces the unspecified address with a loopback address.
    let replaced = address.ip().is_unspecified().then(|| stream.peer_addr().ok()).flatten();
    let (peer, local) = (replaced.unwrap_or(address), stream.local_addr().ok());
    // A simultaneous open with the same socket (RFC 9293, section 3.5).
    if local == Some(peer) {
        let detail =
            format!("connecting to {address}: no listener, the socket connected to itself");
        return Err(Failure::new(Reason::Refused, detail));
    }
    // Sends small requests at once. The next call would report an error of the socket.
    let _ = stream.set_nodelay(true);
    Ok(Dialled { stream, peer, local })
}

/// How much a failure says about the target: a refusal most, a local fault nothing.
fn specificity(failure: &Failure) -> u8 {
    match failure.reason {
        reason if reason.is_local() => 0,
        Reason::Unreachable => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_the_url_is_checked_also_behind_a_proxy() {
        let deny = ["127.0.0.0/8", "10.0.0.0/8"].map(|network| network.parse().unwrap());
        let policy = Policy::new(deny.to_vec(), Vec::new());
        let is_good = |host: &str| {
            check_written(&policy, &format!("http://{host}/").parse().unwrap()).is_ok()
        };
        for host in ["10.1.2.3", "0x0a010203", "[::ffff:10.1.2.3]", "169.254.169.254", "localhost"]
        {
            assert!(!is_good(host), "{host}");
        }
        assert!(!is_good("a.localhost.") && is_good("192.0.2.1") && is_good("a.example"));
    }

    #[test]
    fn addresses_of_both_families_alternate() {
        let found = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "::1", "::2"];
        let order = interleave(found.iter().map(|ip| ip.parse().unwrap()).collect(), 80);
        let order: Vec<String> = order.iter().map(|address| address.ip().to_string()).collect();
        assert_eq!(order, ["::1", "10.0.0.1", "::2", "10.0.0.2", "10.0.0.3"]);
    }
}
