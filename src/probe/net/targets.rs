//! The targets that a list of networks and host patterns names. Pure.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// Networks, and patterns of host names in which `*` is any text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    networks: Vec<IpNet>,
    hosts: Vec<HostPattern>,
}

/// A pattern in lower case, split at its stars.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HostPattern(Vec<String>);

impl Targets {
    /// Parses a list such as `10.0.0.0/8, *.example.org`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut targets = Self::default();
        for item in text.split(',').map(str::trim) {
            let network = item.parse().ok().or_else(|| item.parse().map(IpAddr::into).ok());
            match network {
                Some(network) => targets.networks.push(network),
                None => targets.hosts.push(HostPattern::parse(item)?),
            }
        }
        Some(targets)
    }

    /// Whether a target with this name (`None` for an address) is named, when it is dialled at
    /// `address`.
    pub fn contain(&self, name: Option<&str>, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
            || name.is_some_and(|name| self.hosts.iter().any(|pattern| pattern.matches(name)))
    }
}

impl HostPattern {
    fn parse(text: &str) -> Option<Self> {
        let is_of_a_name = |c: char| c.is_alphanumeric() || "-_.*".contains(c);
        let fits = (1..=253).contains(&text.len()) && text.chars().all(is_of_a_name);
        // No name ends in a number, so this is an address with a mistake.
        let ends_in_number = text.rsplit('.').next()?.bytes().all(|it| it.is_ascii_digit());
        let fits = fits && !ends_in_number;
        fits.then(|| Self(normal(text).split('*').map(str::to_owned).collect()))
    }

    fn matches(&self, name: &str) -> bool {
        let name = normal(name);
        let [first, middle @ .., last] = self.0.as_slice() else { return self.0 == [name] };
        let Some(mut rest) = name.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            let Some(at) = rest.find(part.as_str()) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("*"))
    }
}

/// In lower case, and without the dot of the root.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_target_is_named_by_its_network_or_by_its_name() {
        let targets =
            Targets::parse("10.0.0.0/8, fd00::/8,192.0.2.7 , *.Example.org, api").unwrap();
        for (name, address, expected) in [
            (None, "10.1.2.3", true),
            (None, "::ffff:10.1.2.3", true),
            (None, "fd00::1", true),
            (None, "192.0.2.7", true),
            (None, "192.0.2.8", false),
            (Some("a.b.example.ORG."), "192.0.2.8", true),
            (Some("example.org"), "192.0.2.8", false),
            (Some("a.example.org.evil"), "192.0.2.8", false),
            (Some("API"), "192.0.2.8", true),
            (Some("apis"), "192.0.2.8", false),
            (Some("evil"), "10.1.2.3", true),
        ] {
            let is_named = targets.contain(name, address.parse().unwrap());
            assert_eq!(is_named, expected, "{name:?} {address}");
        }
        for wrong in ["", "a,,b", "10.0.0.0/33", "10.0.0.256", "http://a", "a:80", "a b"] {
            assert_eq!(Targets::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_star_is_any_text(parts in proptest::collection::vec("[ab.]{0,3}", 1..4),
            between in proptest::collection::vec("[ab.]{0,3}", 3)) {
            let pattern = format!("x{}y", parts.join("*"));
            let mut name = "x".to_owned();
            for (nth, part) in parts.iter().enumerate() {
                if nth > 0 {
                    name.push_str(&between[nth - 1]);
                }
                name.push_str(part);
            }
            name.push('y');
            let parsed = HostPattern::parse(&pattern).unwrap();
            prop_assert!(parsed.matches(&name), "{} {}", parsed, name);
            for other in [format!("{name}!"), format!("!{name}")] {
                prop_assert!(!parsed.matches(&other), "{} {}", parsed, other);
            }
        }
    }
}
