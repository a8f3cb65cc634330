//! The bootstrap file of RDAP (RFC 9224): which server has the domains of a top-level domain.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use url::Url;

/// A copy of <https://data.iana.org/rdap/dns.json>; its date is in its member `publication`.
const EMBEDDED: &str = include_str!("dns.json");

/// Most entries (top-level domains with a server) of a bootstrap file.
const ENTRIES_LIMIT: usize = 100_000;

/// RDAP servers by the suffix whose domains they have.
#[derive(Debug, PartialEq, Eq)]
pub struct Bootstrap {
    servers: HashMap<String, Vec<Url>>,
}

/// RFC 9224, section 3. Members that are not read here are ignored, as section 10 requires.
#[derive(Deserialize)]
struct File {
    services: Vec<Vec<Vec<String>>>,
}

impl Bootstrap {
    /// The file within the program.
    pub fn embedded() -> Arc<Self> {
        static PARSED: LazyLock<Arc<Bootstrap>> = LazyLock::new(|| {
            let parsed = Bootstrap::parse(EMBEDDED.as_bytes());
            Arc::new(parsed.unwrap_or_else(|error| unreachable!("the embedded file: {error}")))
        });
        Arc::clone(&PARSED)
    }

    /// Parses the JSON of a bootstrap file. The error says what is wrong with it.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let file: File = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let mut servers = HashMap::new();
        for (index, service) in file.services.iter().enumerate() {
            let [suffixes, urls] = service.as_slice() else {
                return Err(format!("service {index} has no list of domains and list of URLs"));
            };
            let mut urls: Vec<Url> = urls.iter().filter_map(|url| base_url(url)).collect();
            // RFC 9224, section 3: clients prefer HTTPS.
            urls.sort_by_key(|url| url.scheme() != "https");
            for suffix in suffixes.iter().filter(|_| !urls.is_empty()) {
                let suffix = suffix.trim_matches('.').to_ascii_lowercase();
                servers.insert(suffix, urls.clone());
            }
        }
        match servers.len() {
            0 => Err("no service with an http or https URL".to_owned()),
            length if length > ENTRIES_LIMIT => Err(format!("more than {ENTRIES_LIMIT} domains")),
            _ => Ok(Self { servers }),
        }
    }

    /// The base URLs for `domain`, best first: those of its longest suffix in the file (RFC 9224,
    /// section 4). Empty when its registry has no RDAP server.
    pub fn servers(&self, domain: &str) -> &[Url] {
        let mut suffix = domain;
        loop {
            if let Some(servers) = self.servers.get(suffix) {
                return servers;
            }
            let Some((_, parent)) = suffix.split_once('.') else { return &[] };
            suffix = parent;
        }
    }
}

/// A base URL, with the slash at its end that RFC 9224, section 3, requires.
fn base_url(text: &str) -> Option<Url> {
    let text = if text.ends_with('/') { text.to_owned() } else { format!("{text}/") };
    let url = Url::parse(&text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn first(bootstrap: &Bootstrap, domain: &str) -> Option<String> {
        bootstrap.servers(domain).first().map(Url::to_string)
    }

    #[test]
    fn the_embedded_file_has_the_servers_of_registries() {
        let embedded = Bootstrap::embedded();
        assert!(embedded.servers.len() > 1_000, "{}", embedded.servers.len());
        let com = "https://rdap.verisign.com/com/v1/";
        assert_eq!(first(&embedded, "example.com").as_deref(), Some(com));
        let uk = "https://rdap.nominet.uk/uk/";
        assert_eq!(first(&embedded, "example.co.uk").as_deref(), Some(uk));
        assert_eq!(first(&embedded, "example.de"), None, "no RDAP server in the file");
    }

    #[test]
    fn the_longest_suffix_and_https_are_preferred() {
        let json = br#"{"version": "1.0", "unknown": {}, "services": [
            [["Org.", "net"], ["http://plain.example/rdap", "https://a.example/rdap"]],
            [["sub.org"], ["https://b.example/"]],
            [["ftp"], ["ftp://c.example/"]]
        ]}"#;
        let bootstrap = Bootstrap::parse(json).unwrap();
        let org: Vec<&str> = bootstrap.servers("example.org").iter().map(Url::as_str).collect();
        assert_eq!(org, ["https://a.example/rdap/", "http://plain.example/rdap/"]);
        assert_eq!(first(&bootstrap, "x.sub.org").as_deref(), Some("https://b.example/"));
        for unknown in ["example.ftp", "example.com", "organisation", ""] {
            assert_eq!(first(&bootstrap, unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_file_of_another_form_is_an_error() {
        for (json, error) in [
            ("", "EOF"),
            ("{}", "missing field `services`"),
            (r#"{"services": [["com"]]}"#, "invalid type"),
            (r#"{"services": [[["com"]]]}"#, "service 0 has no list"),
            (r#"{"services": []}"#, "no service with"),
            (r#"{"services": [[["com"], ["mailto:a@b"]]]}"#, "no service with"),
        ] {
            let found = Bootstrap::parse(json.as_bytes()).unwrap_err();
            assert!(found.contains(error), "{json}: {found}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(json in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Bootstrap::parse(&json);
        }
    }
}
