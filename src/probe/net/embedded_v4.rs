//! IPv4 addresses inside IPv6 addresses: transition mechanisms, and networks that translate. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The prefix lengths of NAT64 (RFC 6052, section 2.2), in bits.
const NAT64_LENGTHS: [usize; 6] = [32, 40, 48, 56, 64, 96];

/// Every address that a connection to `address` may reach besides `address` itself.
///
/// - mapped and compatible (RFC 4291, 2.5.5), translated (RFC 2765)
/// - NAT64, `64:ff9b::/96` (RFC 6052) and `64:ff9b:1::/48` (RFC 8215): all of `64:ff9b::/32` in
///   every prefix length, since the operator of the network chooses it
/// - 6to4, `2002::/16` (RFC 3056)
/// - Teredo, `2001::/32`: the server and the client (RFC 4380)
/// - ISATAP, `::0:5efe:a.b.c.d` and `::200:5efe:a.b.c.d` under any prefix (RFC 5214)
pub fn embedded(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(ip) = address else { return Vec::new() };
    let (segments, octets) = (ip.segments(), ip.octets());
    let v4_at = |from: usize| {
        Ipv4Addr::new(octets[from], octets[from + 1], octets[from + 2], octets[from + 3])
    };
    let mut found = match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Vec::new(),
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => vec![v4_at(12)],
        [0x64, 0xff9b, ..] => NAT64_LENGTHS.into_iter().filter_map(|n| nat64(ip, n)).collect(),
        [0x2002, ..] => vec![v4_at(2)],
        [0x2001, 0, ..] => vec![v4_at(4), Ipv4Addr::from(!u32::from(v4_at(12)))],
        _ => Vec::new(),
    };
    if matches!(segments, [_, _, _, _, 0 | 0x200, 0x5efe, ..]) {
        found.push(v4_at(12));
    }
    found.into_iter().map(IpAddr::V4).collect()
}

/// The IPv4 address behind a NAT64 prefix of `length` bits: bits 64 to 71 are skipped. Behind a
/// short prefix, an address of 0.0.0.0/8 is the padding of a longer one.
fn nat64(ip: Ipv6Addr, length: usize) -> Option<Ipv4Addr> {
    let octets = ip.octets();
    let mut rest = (length / 8..16).filter(|index| *index != 8).map(|index| octets[index]);
    let mut next = || rest.next().unwrap_or_default();
    let found = Ipv4Addr::new(next(), next(), next(), next());
    (length == 96 || found.octets()[0] != 0).then_some(found)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `v4` behind the NAT64 prefix of `length` bits at the start of `prefix`.
    fn nat64_of(prefix: Ipv6Addr, length: usize, v4: Ipv4Addr) -> Ipv6Addr {
        let mut octets = prefix.octets();
        octets[length / 8..].fill(0);
        let free = (length / 8..16).filter(|index| *index != 8);
        for (index, octet) in free.zip(v4.octets()) {
            octets[index] = octet;
        }
        octets.into()
    }

    /// Every embedding of `v4`, with a name; `noise` fills what an embedding leaves free.
    pub fn embeddings(v4: Ipv4Addr, noise: u64) -> Vec<(&'static str, Ipv6Addr)> {
        let [a, b, c, d] = v4.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let [w, x, y, z] = [0, 16, 32, 48].map(|shift| (noise >> shift) as u16);
        let new = Ipv6Addr::new;
        let known: Ipv6Addr = "64:ff9b::".parse().unwrap();
        let local: Ipv6Addr = "64:ff9b:1::".parse().unwrap();
        vec![
            ("mapped", new(0, 0, 0, 0, 0, 0xffff, high, low)),
            ("compatible", new(0, 0, 0, 0, 0, 0, high, low)),
            ("translated", new(0, 0, 0, 0, 0xffff, 0, high, low)),
            ("NAT64", new(0x64, 0xff9b, 0, 0, 0, 0, high, low)),
            ("NAT64 /32", nat64_of(known, 32, v4)),
            ("NAT64 /40", nat64_of(known, 40, v4)),
            ("local NAT64 /48", nat64_of(local, 48, v4)),
            ("local NAT64 /56", nat64_of(local, 56, v4)),
            ("local NAT64 /64", nat64_of(local, 64, v4)),
            ("local NAT64 /96", new(0x64, 0xff9b, 1, w, x, y, high, low)),
            ("6to4", new(0x2002, high, low, w, x, y, z, w)),
            ("Teredo server", new(0x2001, 0, high, low, w, x, y, z)),
            ("Teredo client", new(0x2001, 0, w, x, y, z, !high, !low)),
            ("ISATAP", new(0x2a00 | (w & 0xff), x, y, z, 0, 0x5efe, high, low)),
            ("ISATAP, universal", new(0x2a00 | (w & 0xff), x, y, z, 0x200, 0x5efe, high, low)),
        ]
    }

    #[test]
    fn examples_of_the_rfcs() {
        for (address, expected) in [
            ("64:ff9b::192.0.2.33", "192.0.2.33"),
            ("2002:c000:221::1", "192.0.2.33"),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "65.54.227.120 192.0.2.45"),
            ("2001:db8::5efe:192.0.2.33", "192.0.2.33"),
            ("::ffff:192.0.2.33", "192.0.2.33"),
            ("::1", ""),
            ("::", ""),
            ("2001:db8::1", ""),
            ("2001:db8::192.0.2.33", ""),
        ] {
            let found = embedded(address.parse().unwrap()).into_iter().map(|ip| ip.to_string());
            assert_eq!(found.collect::<Vec<_>>().join(" "), expected, "{address}");
        }
        let v4 = "192.0.2.33".parse().unwrap();
        for (prefix, length, expected) in [
            ("2001:db8::", 32, "2001:db8:c000:221::"),
            ("2001:db8:100::", 40, "2001:db8:1c0:2:21::"),
            ("2001:db8:122::", 48, "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::", 96, "2001:db8:122:344::192.0.2.33"),
        ] {
            let address = nat64_of(prefix.parse().unwrap(), length, v4);
            assert_eq!(address, expected.parse::<Ipv6Addr>().unwrap(), "/{length}");
            assert_eq!(nat64(address, length), Some(v4), "/{length}");
        }
    }

    proptest! {
        #[test]
        fn every_embedding_is_unwrapped(v4 in 0x0100_0000_u32.., noise: u64) {
            let v4 = Ipv4Addr::from(v4);
            for (name, address) in embeddings(v4, noise) {
                prop_assert!(embedded(address.into()).contains(&v4.into()), "{name}: {address}");
            }
        }
    }
}
