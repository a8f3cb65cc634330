//! Counts wrong tokens by the address of the client. Pure; time is passed in.
//!
//! Only wrong tokens are counted and refused, so a client with the right one is never locked out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Wrong tokens of one address that are refused at once with 401; the tenth is 429.
const BURST: u32 = 9;

/// One more is allowed after this time: ten a minute.
const REFILL: Duration = Duration::from_secs(6);

/// Most addresses with an entry of their own, of about 40 bytes each.
const ADDRESSES_LIMIT: usize = 4_096;

/// A token bucket (as the generic cell rate algorithm) for each address that sent wrong tokens.
#[derive(Debug)]
pub struct Throttle {
    /// When the bucket of an address is full again. Bound: `limit`.
    full_at: HashMap<IpAddr, Instant>,
    /// The bucket that further addresses share while `full_at` is full.
    shared_full_at: Instant,
    /// Entries that are full again are removed at most once in [`REFILL`].
    next_sweep: Instant,
    limit: usize,
}

impl Throttle {
    pub fn new(now: Instant) -> Self {
        Self::with_limit(ADDRESSES_LIMIT, now)
    }

    fn with_limit(limit: usize, now: Instant) -> Self {
        Self { full_at: HashMap::new(), shared_full_at: now, next_sweep: now, limit }
    }

    /// A wrong token from `address`. Returns the time to wait when there were too many.
    pub fn wrong_token(&mut self, address: IpAddr, now: Instant) -> Option<Duration> {
        let network = network(address);
        if self.full_at.len() >= self.limit && now >= self.next_sweep {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.next_sweep = now + REFILL;
        }
        let has_room = self.full_at.len() < self.limit || self.full_at.contains_key(&network);
        let full_at = match has_room {
            true => self.full_at.entry(network).or_insert(now),
            false => &mut self.shared_full_at,
        };
        let after = (*full_at).max(now) + REFILL;
        let excess = after.saturating_duration_since(now + REFILL * BURST);
        if excess.is_zero() {
            *full_at = after;
            return None;
        }
        Some(excess)
    }
}

/// The IPv4 address, or the /64 of an IPv6 address: a client has at least as many addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_tenth_wrong_token_waits_and_one_more_is_allowed_every_six_seconds() {
        let start = Instant::now();
        let mut throttle = Throttle::new(start);
        for _ in 0..BURST {
            assert_eq!(throttle.wrong_token(ip("10.0.0.1"), start), None);
        }
        assert_eq!(throttle.wrong_token(ip("10.0.0.1"), start), Some(REFILL));
        let later = start + Duration::from_secs(4);
        assert_eq!(throttle.wrong_token(ip("10.0.0.1"), later), Some(Duration::from_secs(2)));
        assert_eq!(throttle.wrong_token(ip("10.0.0.1"), start + REFILL), None);
        assert!(throttle.wrong_token(ip("10.0.0.1"), start + REFILL).is_some());
        assert_eq!(throttle.wrong_token(ip("10.0.0.2"), start), None, "another address");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_a_mapped_address_is_its_ipv4_address() {
        let start = Instant::now();
        let mut throttle = Throttle::new(start);
        for host in 0..BURST {
            let address = format!("2001:db8:0:1::{host:x}");
            assert_eq!(throttle.wrong_token(ip(&address), start), None);
        }
        assert!(throttle.wrong_token(ip("2001:db8:0:1:ffff::"), start).is_some());
        assert_eq!(throttle.wrong_token(ip("2001:db8:0:2::1"), start), None);
        for _ in 0..BURST {
            assert_eq!(throttle.wrong_token(ip("::ffff:10.0.0.1"), start), None);
        }
        assert!(throttle.wrong_token(ip("10.0.0.1"), start).is_some());
    }

    #[test]
    fn many_addresses_share_one_bucket_beyond_the_limit_until_others_are_full_again() {
        let start = Instant::now();
        let mut throttle = Throttle::with_limit(8, start);
        let address = |nth: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(nth));
        for nth in 0..8 + BURST {
            assert_eq!(throttle.wrong_token(address(nth), start), None, "{nth}");
            assert!(throttle.full_at.len() <= 8);
        }
        assert!(throttle.wrong_token(address(99), start).is_some(), "the shared bucket is empty");
        assert_eq!(throttle.wrong_token(address(0), start), None, "its entry remains");
        assert_eq!(throttle.wrong_token(address(99), start + 2 * REFILL), None);
        assert_eq!(throttle.full_at.len(), 1, "the others were full again");
    }
}
