//! Settings of alerting.

use url::Url;

use crate::config::reader::Reader;
use crate::config::variable::{Section, Variable};
use crate::probe::net::policy::{Policy, parse_networks};

pub(super) const DELIVERY_RETENTION: Variable = Variable::new(
    "DELIVERY_RETENTION_DAYS",
    "30",
    "a number of days from 0.0000116 (a second) to 36500",
    "how long attempts to deliver notifications are stored",
);
const PUBLIC_URL: Variable = Variable::optional(
    "PUBLIC_URL",
    "an http or https URL without a user name, a query and a fragment",
    "URL under which users reach this service, for the links in messages; without it, messages \
     have no links",
);

const DENY_NETWORKS_NAME: &str = "ALERT_DENY_NETWORKS";
const DENY_NETWORKS: Variable = Variable::optional(
    DENY_NETWORKS_NAME,
    "networks or addresses such as 10.0.0.0/8, separated by commas",
    "networks that messages are never sent to; link-local addresses and the metadata addresses of \
     clouds are always denied",
);
const ALLOW_NETWORKS: Variable = Variable::optional(
    "ALERT_ALLOW_NETWORKS",
    "networks or addresses such as 10.1.0.0/16, separated by commas",
    "exceptions from ALERT_DENY_NETWORKS",
);

pub const SECTION: Section = Section {
    title: "Alerting",
    variables: &[DELIVERY_RETENTION, PUBLIC_URL, DENY_NETWORKS, ALLOW_NETWORKS],
};

/// Settings of alerting.
#[derive(Debug, Clone)]
pub struct AlertingConfig {
    /// Base of the links in messages, without a slash at the end.
    pub public_url: Option<String>,
    /// Which addresses messages may be sent to.
    pub policy: Policy,
}

impl AlertingConfig {
    pub fn read(reader: &mut Reader) -> Self {
        Self {
            public_url: reader.optional(&PUBLIC_URL, public_url),
            policy: Policy::named(
                DENY_NETWORKS_NAME,
                reader.optional(&DENY_NETWORKS, parse_networks).unwrap_or_default(),
                reader.optional(&ALLOW_NETWORKS, parse_networks).unwrap_or_default(),
            ),
        }
    }
}

fn public_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_plain = ["http", "https"].contains(&url.scheme())
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    is_plain.then(|| url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_the_base_of_links() {
        for (text, expected) in [
            ("https://mon.example.org", Some("https://mon.example.org")),
            ("https://mon.example.org/status/", Some("https://mon.example.org/status")),
            ("http://192.0.2.1:9999/", Some("http://192.0.2.1:9999")),
            ("mon.example.org", None),
            ("ftp://mon.example.org", None),
            ("https://u:p@mon.example.org", None),
            ("https://mon.example.org/?a=b", None),
            ("https://mon.example.org/#a", None),
        ] {
            assert_eq!(public_url(text).as_deref(), expected, "{text}");
        }
    }
}
