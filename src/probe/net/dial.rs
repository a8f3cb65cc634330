//! From a URL to an open TCP connection: resolve, then connect.

use std::net::{IpAddr, SocketAddr};
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

/// How long one address has before the next is tried beside it (RFC 8305, "Connection Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Addresses of a name that are tried at all, and so the most connections of one probe at once.
const MAX_ADDRESSES: usize = 8;

/// The addresses of `family` behind the host of `url`, in the order in which they are to be tried; never empty.
pub async fn resolve(
    resolver: &Resolver,
    url: &Url,
    family: IpFamily,
) -> Result<Vec<SocketAddr>, Failure> {
    let port = url.port_or_known_default().unwrap_or(80);
    let literal: IpAddr = match url.host() {
        Some(Host::Ipv4(ip)) => ip.into(),
        Some(Host::Ipv6(ip)) => ip.into(),
        Some(Host::Domain(name)) => {
            return Ok(interleave(resolver.addresses(name, family).await?, port));
        }
        None => return Err(Failure::new(Reason::RedirectBlocked, "a URL without a host")),
    };
    let other = if literal.is_ipv4() { IpFamily::V6 } else { IpFamily::V4 };
    if family == other {
        let told = format!("{literal} is not of the family that the service asks for");
        return Err(Failure::new(Reason::DnsNoSuchName, told));
    }
    Ok(vec![SocketAddr::new(literal, port)])
}

/// Those of `addresses` that may be dialled; when none may, the failure says why the first may not.
pub fn permitted(
    policy: &Policy,
    mut addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Failure> {
    let mut refused = None;
    addresses.retain(|address| match policy.check(address.ip()) {
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

/// IPv6 and IPv4 in turn, IPv6 first (RFC 8305, section 4), at most [`MAX_ADDRESSES`].
fn interleave(found: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    let (six, four): (Vec<IpAddr>, Vec<IpAddr>) = found.into_iter().partition(IpAddr::is_ipv6);
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

/// Connects to the first of `addresses` that answers, trying the next one after an error or a short wait. Gives that address too.
///
/// When all fail, the failure is the one that tells most of the target: a refusal more than no way to it, and that more
/// than a fault of ours (see [`tells`]).
pub async fn connect(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Failure> {
    if let [only] = addresses {
        return attempt(*only).await;
    }
    let mut rest = addresses.iter().copied();
    let mut attempts = FuturesUnordered::new();
    let mut failed: Option<Failure> = None;
    let mut next_at = Instant::now();
    loop {
        if Instant::now() >= next_at || attempts.is_empty() {
            match rest.next() {
                Some(address) => attempts.push(attempt(address)),
                None if attempts.is_empty() => {
                    let nothing = || Failure::new(Reason::Unreachable, "no address to connect to");
                    return Err(failed.unwrap_or_else(nothing));
                }
                None => {}
            }
            next_at = Instant::now() + ATTEMPT_DELAY;
        }
        tokio::select! {
            Some(done) = attempts.next() => match done {
                Ok(connected) => return Ok(connected),
                Err(failure) => {
                    if failed.as_ref().is_none_or(|failed| tells(failed) < tells(&failure)) {
                        failed = Some(failure);
                    }
                    next_at = Instant::now();
                }
            },
            () = sleep_until(next_at), if rest.len() > 0 => {}
        }
    }
}

async fn attempt(address: SocketAddr) -> Result<(TcpStream, SocketAddr), Failure> {
    let connected = TcpStream::connect(address).await.map(|stream| {
        // The unspecified address stands for a loopback one, which only the connection tells.
        let peer = address.ip().is_unspecified().then(|| stream.peer_addr().ok()).flatten();
        (stream, peer.unwrap_or(address))
    });
    match connected {
        // A port of ours that found itself (RFC 9293, section 3.5): nobody else listens there.
        Ok((stream, peer)) if stream.local_addr().is_ok_and(|own| own == peer) => {
            let told = format!("connecting to {address}: nobody listens there");
            Err(Failure::new(Reason::Refused, told))
        }
        Ok((stream, peer)) => {
            // A small request should leave at once; an error here would show on the next call anyway.
            let _ = stream.set_nodelay(true);
            Ok((stream, peer))
        }
        Err(error) => Err(failure::of_connect(address, &error)),
    }
}

/// How much a failure to connect tells of the target.
fn tells(failure: &Failure) -> u8 {
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
    fn addresses_of_both_families_take_turns() {
        let found = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "::1", "::2"];
        let order = interleave(found.iter().map(|ip| ip.parse().unwrap()).collect(), 80);
        let order: Vec<String> = order.iter().map(|address| address.ip().to_string()).collect();
        assert_eq!(order, ["::1", "10.0.0.1", "::2", "10.0.0.2", "10.0.0.3"]);
    }
}
