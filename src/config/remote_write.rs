//! Settings of remote write.

use std::path::PathBuf;

use url::Url;

use crate::config::reader::Reader;
use crate::config::secret::Secret;
use crate::config::variable::{Section, Variable};
use crate::domain::service::labels::{Label, RESERVED};

const URL: Variable = Variable::optional(
    "REMOTE_WRITE_URL",
    "an http or https URL without a user name and a fragment",
    "URL that every result is sent to by Prometheus remote write 1.0, such as \
     http://victoria:8428/api/v1/write",
);
pub(super) const TOKEN: Variable = Variable::optional(
    "REMOTE_WRITE_TOKEN",
    "visible ASCII characters",
    "token of `Authorization: Bearer` for REMOTE_WRITE_URL",
)
.secret();
const LABELS: Variable = Variable::optional(
    "REMOTE_WRITE_LABELS",
    "labels such as job=uptime,site=berlin whose names the metrics do not use themselves",
    "labels of all series that are sent; a label of a service of the same name takes precedence",
);
pub const CA_FILE: Variable = Variable::optional(
    "REMOTE_WRITE_CA_FILE",
    "a PEM file of certificates",
    "certificates that REMOTE_WRITE_URL is trusted by, beside those of the system",
);

pub const SECTION: Section =
    Section { title: "Remote write", variables: &[URL, TOKEN, LABELS, CA_FILE] };

/// Settings of remote write.
#[derive(Debug, Clone)]
pub struct RemoteWriteConfig {
    pub url: Url,
    pub token: Option<Secret>,
    /// Name and value, by name.
    pub labels: Vec<(String, String)>,
    pub ca_file: Option<PathBuf>,
}

/// `None` without a URL.
pub fn read(reader: &mut Reader) -> Option<RemoteWriteConfig> {
    let url = reader.optional(&URL, url);
    let token = reader.optional(&TOKEN, token);
    let labels = reader.optional(&LABELS, labels);
    let ca_file = reader.optional(&CA_FILE, |text| Some(PathBuf::from(text)));
    if reader.text(&URL).is_none() {
        for other in [&TOKEN, &LABELS, &CA_FILE] {
            if reader.text(other).is_some() {
                reader.missing(&URL, other);
            }
        }
    }
    Some(RemoteWriteConfig { url: url?, token, labels: labels.unwrap_or_default(), ca_file })
}

fn url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = ["http", "https"].contains(&url.scheme())
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    is_plain.then_some(url)
}

fn token(text: &str) -> Option<Secret> {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    is_visible.then(|| Secret::new(text.to_owned()))
}

fn labels(text: &str) -> Option<Vec<(String, String)>> {
    let mut labels = Vec::new();
    for label in text.split(',') {
        let (name, value) = label.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        Label::new(name, value).ok()?;
        if RESERVED.contains(&name) || value.is_empty() {
            return None;
        }
        labels.push((name.to_owned(), value.to_owned()));
    }
    labels.sort();
    let is_unique = labels.windows(2).all(|pair| pair[0].0 != pair[1].0);
    is_unique.then_some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Option<RemoteWriteConfig>, Vec<String>> {
        let lookup = |name: &str| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let mut reader = Reader::new(&lookup);
        let config = read(&mut reader);
        if reader.problems.is_empty() { Ok(config) } else { Err(reader.problems) }
    }

    #[test]
    fn labels_are_names_and_values() {
        let url = ("REMOTE_WRITE_URL", "https://tsdb.example/api/v1/write?extra=1");
        let config = with(&[url, ("REMOTE_WRITE_LABELS", "site=x=y, job=up time")]).unwrap();
        let labels = config.unwrap().labels;
        assert_eq!(
            labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(),
            [("job", "up time"), ("site", "x=y")]
        );
        for bad in
            ["job", "job=", "1a=b", "service_id=1", "__name__=a", "a=1,a=2", "a=1,", "phase=x"]
        {
            let problems = with(&[url, ("REMOTE_WRITE_LABELS", bad)]).unwrap_err();
            assert!(problems[0].starts_with("REMOTE_WRITE_LABELS: invalid value"), "{bad}");
        }
    }

    #[test]
    fn a_url_has_no_credentials_and_a_token_is_hidden() {
        for bad in ["tsdb:8428", "ftp://a/", "https://u:p@a/", "https://u@a/", "https://a/#b"] {
            let problems = with(&[("REMOTE_WRITE_URL", bad)]).unwrap_err();
            assert_eq!(problems.len(), 1, "{bad}");
        }
        let token = ("REMOTE_WRITE_TOKEN", "s3 cret");
        let url = ("REMOTE_WRITE_URL", "http://a/");
        let problems = with(&[url, token]).unwrap_err();
        assert_eq!(
            problems,
            ["REMOTE_WRITE_TOKEN: invalid value, expected visible ASCII characters"]
        );
        let config = with(&[url, ("REMOTE_WRITE_TOKEN", "s3cret")]).unwrap().unwrap();
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn without_a_url_nothing_else_may_be_set() {
        assert!(with(&[]).unwrap().is_none());
        assert_eq!(
            with(&[("REMOTE_WRITE_LABELS", "a=b")]).unwrap_err(),
            ["REMOTE_WRITE_URL: required together with REMOTE_WRITE_LABELS"]
        );
    }
}
