//! Settings of the look-ups of domain registries, for `[DOMAIN_EXPIRATION]`.

use std::path::PathBuf;

use url::Url;

use crate::config::reader::Reader;
use crate::config::variable::{Section, Variable};
use crate::probe::registry::{BootstrapSource, Settings, parse_server};

pub const BOOTSTRAP: Variable = Variable::optional(
    "RDAP_BOOTSTRAP",
    "a file name, or a URL of http or https",
    "bootstrap file of RDAP (RFC 9224): a file, read again when it is a minute old, or a URL such \
     as https://data.iana.org/rdap/dns.json, fetched at most once a day; by default the copy in \
     the program",
);
const WHOIS: Variable = Variable::new(
    "WHOIS_SERVER",
    "whois.iana.org",
    "a host with or without a port, or off",
    "root of WHOIS, which knows the server of each top-level domain; used where a registry has no \
     RDAP server",
);

pub const SECTION: Section = Section { title: "Domain registries", variables: &[BOOTSTRAP, WHOIS] };

pub fn read(reader: &mut Reader) -> Settings {
    Settings {
        bootstrap: reader.optional(&BOOTSTRAP, bootstrap).unwrap_or(BootstrapSource::Embedded),
        whois: reader.value(&WHOIS, |text| match text {
            "off" => Some(None),
            server => parse_server(server).map(Some),
        }),
    }
}

fn bootstrap(text: &str) -> Option<BootstrapSource> {
    if !text.contains("://") {
        return Some(BootstrapSource::File(PathBuf::from(text)));
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(BootstrapSource::Url(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(bootstrap: &str, whois: &str) -> Result<Settings, Vec<String>> {
        let lookup = |name: &str| match name {
            "RDAP_BOOTSTRAP" => Some(bootstrap.to_owned()),
            "WHOIS_SERVER" => Some(whois.to_owned()),
            _ => None,
        };
        let mut reader = Reader::new(&lookup);
        let settings = read(&mut reader);
        if reader.problems.is_empty() { Ok(settings) } else { Err(reader.problems) }
    }

    #[test]
    fn the_bootstrap_file_is_a_file_or_a_url() {
        let source = |text| settings(text, "").unwrap().bootstrap;
        assert_eq!(source(""), BootstrapSource::Embedded);
        assert_eq!(source("rdap/dns.json"), BootstrapSource::File("rdap/dns.json".into()));
        let url = "https://data.iana.org/rdap/dns.json";
        assert_eq!(source(url), BootstrapSource::Url(url.parse().unwrap()));
        for bad in ["ftp://a/b", "https://"] {
            assert!(settings(bad, "").unwrap_err()[0].starts_with("RDAP_BOOTSTRAP: "), "{bad}");
        }
    }

    #[test]
    fn the_root_of_whois_is_a_host_or_off() {
        let server = |text| settings("", text).unwrap().whois;
        let host = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(server(""), host("whois.iana.org", 43));
        assert_eq!(server("127.0.0.1:4343"), host("127.0.0.1", 4_343));
        assert_eq!(server("[::1]:80"), host("[::1]", 80));
        assert_eq!(server("off"), None);
        for bad in ["a b", "http://a", "a/b", "u@a", "a:99999"] {
            assert!(settings("", bad).unwrap_err()[0].starts_with("WHOIS_SERVER: "), "{bad}");
        }
    }
}
