//! From a URL to an open TCP connection: resolve, then connect.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::net::TcpStream;
use url::{Host, Url};

use super::failure;
use crate::domain::{Failure, Reason};

/// How long one address has before the next is tried beside it (RFC 8305, "Connection Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Addresses that are tried at once; the descriptor budget of `Config::descriptors_needed` counts on it.
const ATTEMPTS_AT_ONCE: usize = 2;

/// Addresses of a name that are tried at all.
const MAX_ADDRESSES: usize = 8;

/// Looks names up with the system's configuration, without a cache and without a thread pool: a look-up that hangs
/// holds one probe and nothing else.
pub struct Dialer {
    resolver: Result<TokioResolver, String>,
}

impl Dialer {
    /// A dialer that asks the servers of `/etc/resolv.conf` and honours `/etc/hosts`. Without a readable
    /// configuration it asks 127.0.0.1, as resolv.conf(5) says.
    pub fn from_system() -> Self {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
            let local = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![local]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        });
        let options = builder.options_mut();
        options.cache_size = 0;
        options.num_concurrent_reqs = 1;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        let resolver = builder.build().map_err(|error| error.to_string());
        Self { resolver }
    }

    /// The addresses behind the host of `url`, in the order in which they are to be tried; never empty.
    pub async fn resolve(&self, url: &Url) -> Result<Vec<SocketAddr>, Failure> {
        let port = url.port_or_known_default().unwrap_or(80);
        let name = match url.host() {
            Some(Host::Ipv4(ip)) => return Ok(vec![SocketAddr::new(ip.into(), port)]),
            Some(Host::Ipv6(ip)) => return Ok(vec![SocketAddr::new(ip.into(), port)]),
            Some(Host::Domain(name)) => name,
            None => return Err(Failure::new(Reason::Redirect, format!("{url} has no host"))),
        };
        let resolver = self
            .resolver
            .as_ref()
            .map_err(|why| Failure::new(Reason::Local, format!("no resolver: {why}")))?;
        let found =
            resolver.lookup_ip(name).await.map_err(|error| failure::of_dns(name, &error))?;
        let addresses = interleave(found.iter(), port);
        if addresses.is_empty() {
            return Err(Failure::new(Reason::Dns, format!("{name} has no address")));
        }
        Ok(addresses)
    }
}

/// IPv6 and IPv4 in turn, IPv6 first (RFC 8305, section 4), at most [`MAX_ADDRESSES`].
fn interleave(found: impl Iterator<Item = IpAddr>, port: u16) -> Vec<SocketAddr> {
    let (six, four): (Vec<IpAddr>, Vec<IpAddr>) = found.partition(IpAddr::is_ipv6);
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    let mut addresses = Vec::new();
    loop {
        let pair = [six.next(), four.next()];
        if pair == [None, None] || addresses.len() >= MAX_ADDRESSES {
            return addresses;
        }
        addresses.extend(pair.into_iter().flatten().map(|ip| SocketAddr::new(ip, port)));
    }
}

/// Connects to the first of `addresses` that answers, trying the next one after an error or a short wait.
///
/// When all fail, the failure is that of the first address whose fault lies with the target.
pub async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    let mut rest = addresses.iter().copied();
    let mut attempts = FuturesUnordered::new();
    let mut failed: Option<Failure> = None;
    loop {
        if attempts.len() < ATTEMPTS_AT_ONCE
            && let Some(address) = rest.next()
        {
            attempts.push(async move { (address, TcpStream::connect(address).await) });
        }
        let more = rest.len() > 0 && attempts.len() < ATTEMPTS_AT_ONCE;
        tokio::select! {
            done = attempts.next() => match done {
                None => return Err(failed.unwrap_or_else(|| {
                    Failure::new(Reason::Unreachable, "no address to connect to")
                })),
                Some((_, Ok(stream))) => {
                    // A small request should leave at once; an error here would show on the next call anyway.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Some((address, Err(error))) => {
                    let failure = failure::of_connect(address, &error);
                    match &failed {
                        Some(earlier) if earlier.reason != Reason::Local => {}
                        _ => failed = Some(failure),
                    }
                }
            },
            () = tokio::time::sleep(ATTEMPT_DELAY), if more => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families_take_turns() {
        let found = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "::1", "::2"];
        let order = interleave(found.iter().map(|ip| ip.parse().unwrap()), 80);
        let order: Vec<String> = order.iter().map(|address| address.ip().to_string()).collect();
        assert_eq!(order, ["::1", "10.0.0.1", "::2", "10.0.0.2", "10.0.0.3"]);
    }
}
