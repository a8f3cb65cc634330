//! The query of a dns probe: name, type, and the records that the response must have.

use std::net::IpAddr;

/// Characters that separate the labels of a name (UTS #46, section 4): the full stop and its
/// counterparts in East Asian scripts.
const LABEL_SEPARATORS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// The query of a dns probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsQuestion {
    /// As written; [`Self::wire_name`] is the name in the query.
    pub name: String,
    pub kind: RecordKind,
    /// Records that the response must have, in any order; empty means any.
    pub expected: Vec<String>,
}

impl DnsQuestion {
    /// The name in the query, in ASCII: an address with the type PTR is turned into its name
    /// in the reverse zone (RFC 1035, section 3.5; RFC 3596, section 2.5), as in Gatus.
    pub fn wire_name(&self) -> Option<String> {
        let bare = self.name.strip_suffix('.').unwrap_or(&self.name);
        match bare.parse::<IpAddr>() {
            Ok(address) if self.kind == RecordKind::PTR => Some(reverse_name(address)),
            _ => ascii_name(&self.name),
        }
    }
}

/// `name` in ASCII, without a final dot; `.` is the root. Labels with other characters become
/// A-labels (IDNA, UTS #46); labels in ASCII stay as they are, such as `_dmarc` and `64/26`. `None`
/// beyond the limits of DNS (RFC 1035, section 2.3.4).
pub fn ascii_name(name: &str) -> Option<String> {
    if name == "." {
        return Some(name.to_owned());
    }
    let bare = name.strip_suffix(LABEL_SEPARATORS).unwrap_or(name);
    let labels: Option<Vec<String>> = bare.split(LABEL_SEPARATORS).map(ascii_label).collect();
    labels.map(|labels| labels.join(".")).filter(|name| name.len() <= 253)
}

fn ascii_label(label: &str) -> Option<String> {
    let ascii =
        if label.is_ascii() { label.to_owned() } else { idna::domain_to_ascii(label).ok()? };
    let fits = (1..=63).contains(&ascii.len()) && ascii.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(ascii)
}

fn reverse_name(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(ip) => {
            let nibbles = ip.octets().into_iter().rev().flat_map(|byte| [byte & 0xf, byte >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
        }
    }
}

/// The type of a DNS record, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordKind(u16);

impl RecordKind {
    pub const A: Self = Self(1);
    pub const NS: Self = Self(2);
    pub const PTR: Self = Self(12);
    pub const MX: Self = Self(15);
    pub const TXT: Self = Self(16);
    pub const NAPTR: Self = Self(35);
    pub const DS: Self = Self(43);
    pub const SSHFP: Self = Self(44);
    pub const DNSKEY: Self = Self(48);
    pub const TLSA: Self = Self(52);
    pub const SMIMEA: Self = Self(53);
    pub const CDS: Self = Self(59);
    pub const CDNSKEY: Self = Self(60);
    pub const SVCB: Self = Self(64);
    pub const HTTPS: Self = Self(65);
    /// Any type: a question, never a record.
    pub const ANY: Self = Self(255);
    pub const CAA: Self = Self(257);

    pub const EXPECTED: &'static str = "a record type such as A, AAAA, CNAME, MX, NS, PTR, SOA, \
         SRV, TXT, CAA, NAPTR, TLSA, HTTPS, SVCB, DS, ANY or, by its number, TYPE65";

    /// Mnemonics of the IANA registry "Resource Record (RR) TYPEs".
    const NAMES: [(u16, &'static str); 36] = [
        (1, "A"),
        (2, "NS"),
        (5, "CNAME"),
        (6, "SOA"),
        (12, "PTR"),
        (13, "HINFO"),
        (15, "MX"),
        (16, "TXT"),
        (17, "RP"),
        (18, "AFSDB"),
        (28, "AAAA"),
        (29, "LOC"),
        (33, "SRV"),
        (35, "NAPTR"),
        (37, "CERT"),
        (39, "DNAME"),
        (43, "DS"),
        (44, "SSHFP"),
        (46, "RRSIG"),
        (47, "NSEC"),
        (48, "DNSKEY"),
        (50, "NSEC3"),
        (51, "NSEC3PARAM"),
        (52, "TLSA"),
        (53, "SMIMEA"),
        (59, "CDS"),
        (60, "CDNSKEY"),
        (61, "OPENPGPKEY"),
        (62, "CSYNC"),
        (63, "ZONEMD"),
        (64, "SVCB"),
        (65, "HTTPS"),
        (99, "SPF"),
        (255, "ANY"),
        (256, "URI"),
        (257, "CAA"),
    ];

    pub const fn from_number(number: u16) -> Self {
        Self(number)
    }

    pub const fn number(self) -> u16 {
        self.0
    }

    /// A mnemonic or `TYPE` and a number (RFC 3597, section 5). The case of `word` does not matter.
    /// Types that are no records (OPT, AXFR and others) are rejected, except for ANY.
    pub fn parse(word: &str) -> Option<Self> {
        let named = Self::NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(word));
        if let Some((number, _)) = named {
            return Some(Self(*number));
        }
        let (prefix, digits) = word.split_at_checked(4)?;
        let is_number =
            prefix.eq_ignore_ascii_case("TYPE") && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| is_number)?;
        // RFC 6895, section 3.1: 0 is reserved, 41 is OPT, 128 to 254 are for queries.
        (!matches!(number, 0 | 41 | 128..=254)).then_some(Self(number))
    }

    /// The name in upper case.
    pub fn name(self) -> String {
        let named = Self::NAMES.iter().find(|(number, _)| *number == self.0);
        named.map_or_else(|| format!("TYPE{}", self.0), |(_, name)| (*name).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_asked_for_in_ascii() {
        for (written, ascii) in [
            ("example.org", "example.org"),
            ("Example.org.", "Example.org"),
            (".", "."),
            ("_dmarc.example.org", "_dmarc.example.org"),
            ("64/26.2.0.192.in-addr.arpa", "64/26.2.0.192.in-addr.arpa"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example.", "xn--bcher-kva.example"),
            ("faß.example", "xn--fa-hia.example"),
            ("_sip._tcp.bücher.example", "_sip._tcp.xn--bcher-kva.example"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(ascii_name(written).as_deref(), Some(ascii), "{written}");
        }
        let long = "ü".repeat(63);
        for bad in ["", "..", "a..b", ".a", "a b", "bü cher.de", "a\n", "\u{3002}", long.as_str()]
        {
            assert_eq!(ascii_name(bad), None, "{bad:?}");
        }
        assert_eq!(ascii_name(&"a".repeat(63)), Some("a".repeat(63)));
        assert_eq!(ascii_name(&"a".repeat(64)), None);
        assert_eq!(ascii_name(&["a".repeat(63).as_str(); 4].join(".")), None, "255 characters");
    }

    #[test]
    fn an_address_with_ptr_is_turned_into_its_reverse_name() {
        let wire_name = |name: &str, kind| {
            DnsQuestion { name: name.to_owned(), kind, expected: Vec::new() }.wire_name().unwrap()
        };
        let ptr = |name| wire_name(name, RecordKind::PTR);
        assert_eq!(ptr("192.0.2.1"), "1.2.0.192.in-addr.arpa");
        assert_eq!(ptr("192.0.2.1."), "1.2.0.192.in-addr.arpa");
        assert_eq!(ptr("::ffff:192.0.2.1"), "1.2.0.192.in-addr.arpa");
        let v6 = "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(ptr("2001:db8::567:89ab"), v6, "RFC 3596, section 2.5");
        assert_eq!(ptr("1.2.0.192.in-addr.arpa."), "1.2.0.192.in-addr.arpa");
        assert_eq!(ptr("64/26.2.0.192.in-addr.arpa"), "64/26.2.0.192.in-addr.arpa");
        assert_eq!(wire_name("192.0.2.1", RecordKind::A), "192.0.2.1");
    }

    #[test]
    fn a_record_type_is_a_mnemonic_or_a_number() {
        for name in ["A", "CAA", "NAPTR", "TLSA", "HTTPS", "SVCB", "DS", "ANY", "TYPE65280"] {
            let kind = RecordKind::parse(&name.to_lowercase()).unwrap();
            assert_eq!(kind.name(), name);
        }
        assert_eq!(RecordKind::parse("TYPE65"), Some(RecordKind::HTTPS));
        for bad in ["", "B", "TYPE", "TYPE0", "TYPE41", "TYPE252", "TYPE65536", "TYPE+1", "AXFR"] {
            assert_eq!(RecordKind::parse(bad), None, "{bad}");
        }
    }
}
