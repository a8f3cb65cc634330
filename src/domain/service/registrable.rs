//! The domain that a registry registered, found by the public suffix list.

use psl::{List, Psl, Suffix, Type};
use url::{Host, Url};

use crate::domain::service::options::Options;
use crate::domain::service::target::Kind;

/// The host whose domain `[DOMAIN_EXPIRATION]` refers to: of a dns target, the name that is
/// queried; `None` for kinds without a host.
pub fn host_of<'a>(kind: Kind, url: &'a Url, options: &'a Options) -> Option<&'a str> {
    match kind {
        Kind::Push | Kind::Exec => None,
        Kind::Dns => options.dns.as_ref().map(|question| question.name.as_str()),
        _ => url.host_str(),
    }
}

/// The registered domain of `host`, in lower-case ASCII: `example.co.uk` of
/// `status.example.co.uk`. `None` for an IP address, a local name (`localhost`, `db.internal`) and
/// a public suffix.
///
/// Only suffixes of registries count, not those in which a company gives away names:
/// `user.github.io` is a part of the domain `github.io`.
pub fn registrable_domain(host: &str) -> Option<String> {
    let Ok(Host::Domain(name)) = Host::parse(host) else { return None };
    let name = name.trim_end_matches('.');
    let suffix = registry_suffix(name)?;
    let label = name.strip_suffix(suffix)?.strip_suffix('.')?.rsplit('.').next()?;
    (!label.is_empty()).then(|| format!("{label}.{suffix}"))
}

/// The longest suffix of `name` under which a registry registers domains.
fn registry_suffix(name: &str) -> Option<&str> {
    let mut within = name;
    loop {
        let suffix = List.suffix(within.as_bytes()).filter(Suffix::is_known)?;
        let length = suffix.as_bytes().len();
        let found = within.get(within.len().checked_sub(length)?..)?;
        if suffix.typ() == Some(Type::Icann) {
            return Some(found);
        }
        (_, within) = found.split_once('.')?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_registered_domain_is_one_label_below_the_suffix_of_its_registry() {
        for (host, domain) in [
            ("example.org", Some("example.org")),
            ("status.example.co.uk", Some("example.co.uk")),
            ("EXAMPLE.Org.", Some("example.org")),
            ("user.github.io", Some("github.io")),
            ("github.io", Some("github.io")),
            ("a.b.s3.amazonaws.com", Some("amazonaws.com")),
            ("www.ck", Some("www.ck")),
            ("a.b.kawasaki.jp", Some("a.b.kawasaki.jp")),
            ("a.city.kawasaki.jp", Some("city.kawasaki.jp")),
            ("www.пример.рф", Some("xn--e1afmkfd.xn--p1ai")),
            ("_dmarc.example.org", Some("example.org")),
            ("co.uk", None),
            ("com", None),
            ("localhost", None),
            ("db", None),
            ("db.internal", None),
            ("printer.local", None),
            ("a.test", None),
            ("192.0.2.1", None),
            ("[2001:db8::1]", None),
            ("2001:db8::1", None),
            ("", None),
            (".", None),
            ("..com", None),
        ] {
            assert_eq!(registrable_domain(host).as_deref(), domain, "{host:?}");
        }
    }

    proptest! {
        #[test]
        fn a_registered_domain_is_its_own_domain(
            host in "([a-z0-9.-]{0,12}|.{0,6})\\.?(com|co\\.uk|github\\.io|kawasaki\\.jp|test)\\.?"
        ) {
            if let Some(domain) = registrable_domain(&host) {
                prop_assert_eq!(registrable_domain(&domain), Some(domain));
            }
        }
    }
}
