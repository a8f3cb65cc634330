//! Alerts as Alertmanager takes them: `POST /api/v2/alerts`. Pure; when they are sent is decided by
//! [`mirror`](crate::alerting::mirror).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use url::Url;

use crate::alerting::smtp::literals;
use crate::domain::Invalid;
use crate::domain::alert::channel::KeyProblem;
use crate::domain::alert::{AlertKind, Message};
use crate::domain::service::definition::Origin;
use crate::domain::time::timestamp::to_rfc3339;

/// For how long an alert fires that is not repeated, in milliseconds: four rounds of the mirror.
pub const FIRES_MS: i64 = 4 * 60_000;

/// Name of the alert that always fires.
pub const WATCHDOG: &str = "Watchdog";

/// Labels that are made from the alert; the channel's own cannot replace them.
const OWN_LABELS: [&str; 6] = ["alertname", "service", "group", "kind", "severity", "monitor"];

/// Longest value of a label or an annotation, in bytes.
const VALUE_LIMIT: usize = 4 * 1024;

/// The keys of a channel of kind `alertmanager`, their variables filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where alerts are posted to.
    pub endpoints: Vec<Url>,
    pub labels: BTreeMap<String, String>,
    pub watchdog: bool,
}

impl Settings {
    /// Reads `keys`, typed and filled. The error names the key, and no URL, which may have a
    /// password.
    pub fn read(keys: &Map<String, Value>) -> Result<Self, String> {
        let urls = keys.get("urls").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let endpoints: Option<Vec<Url>> =
            urls.iter().map(|url| endpoint(url.as_str().unwrap_or_default())).collect();
        let endpoints = endpoints.filter(|endpoints| !endpoints.is_empty());
        let endpoints = endpoints.ok_or_else(|| Invalid::hidden(URLS).of("urls"))?;
        let mut labels = BTreeMap::new();
        for (name, value) in keys.get("labels").and_then(Value::as_object).into_iter().flatten() {
            check_label(name).map_err(|why| why.of("labels"))?;
            labels.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
        }
        let watchdog = keys.get("watchdog").and_then(Value::as_bool).unwrap_or_default();
        Ok(Self { endpoints, labels, watchdog })
    }
}

/// Checks keys as they are written. Texts with variables are checked when they are filled in.
pub fn check(keys: &Map<String, Value>, origin: Origin) -> Vec<KeyProblem> {
    let urls = keys.get("urls").map(|urls| literals(urls, origin)).unwrap_or_default();
    let urls = urls.into_iter().filter(|url| endpoint(url).is_none());
    let urls = urls.map(|_| KeyProblem::new("urls", Invalid::hidden(URLS)));
    let labels = keys.get("labels").and_then(Value::as_object).into_iter().flatten();
    let labels = labels.filter_map(|(name, _)| check_label(name).err());
    urls.chain(labels.map(|why| KeyProblem::new("labels", why))).collect()
}

const URLS: &str = "a list of at least one http:// or https:// URL";

/// The endpoint of the Alertmanager at `url`, which may have a path of its own.
fn endpoint(url: &str) -> Option<Url> {
    let mut url = Url::parse(url).ok()?;
    let is_valid = matches!(url.scheme(), "http" | "https") && url.has_host();
    let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    is_valid.then_some(url)
}

/// Checks the name of a label that a channel adds.
pub fn check_label(name: &str) -> Result<(), Invalid> {
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return Err(Invalid::quoted(
            name,
            "names of letters, digits and _, not beginning with a digit",
        ));
    }
    if OWN_LABELS.contains(&name) {
        return Err(Invalid::quoted(name, "names other than those of the alert's own labels"));
    }
    Ok(())
}

/// One alert, and the texts of its annotations.
#[derive(Debug, Clone, Copy)]
pub struct Alert<'a> {
    pub message: &'a Message,
    pub title: &'a str,
    pub text: &'a str,
}

/// The body of one request: `alerts`, and the watchdog of `monitor` when there is one.
pub fn body(
    settings: &Settings,
    alerts: &[Alert<'_>],
    watchdog_of: Option<&str>,
    now_ms: i64,
) -> Value {
    let fires_until = to_rfc3339(now_ms + FIRES_MS);
    let mut items: Vec<Value> = alerts
        .iter()
        .map(|alert| {
            let Message { since_ms, ended_ms, link, .. } = alert.message;
            // An end before the begin is refused.
            let ends_at = ended_ms.map_or(now_ms + FIRES_MS, |ended_ms| ended_ms.max(*since_ms));
            let mut item = json!({
                "labels": labels(alert.message, &settings.labels),
                "annotations": annotations(alert),
                "startsAt": to_rfc3339(*since_ms),
                "endsAt": to_rfc3339(ends_at),
            });
            if let Some(link) = link {
                item["generatorURL"] = link.as_str().into();
            }
            item
        })
        .collect();
    if let Some(monitor) = watchdog_of {
        let mut labels = settings.labels.clone();
        labels.insert("alertname".to_owned(), WATCHDOG.to_owned());
        labels.insert("severity".to_owned(), "none".to_owned());
        labels.insert("monitor".to_owned(), value(monitor));
        labels.retain(|_, value| !value.is_empty());
        items.push(json!({
            "labels": labels,
            "annotations": {"summary": "The monitor runs; this alert always fires."},
            "endsAt": fires_until,
        }));
    }
    Value::Array(items)
}

/// The labels of an alert: its own, and `added` of the channel. Alertmanager takes alerts with
/// equal labels for one.
pub fn labels(message: &Message, added: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = [
        alert_name(message.kind),
        &message.facts.name,
        message.facts.group.as_deref().unwrap_or_default(),
        message.kind.as_str(),
        message.severity.as_str(),
        &message.monitor,
    ];
    let mut labels = added.clone();
    let own = OWN_LABELS.into_iter().zip(own);
    labels.extend(own.map(|(name, text)| (name.to_owned(), text.to_owned())));
    let labels = labels.into_iter().map(|(name, text)| (name, value(&text)));
    labels.filter(|(_, value)| !value.is_empty()).collect()
}

/// `summary` and `description`.
pub fn annotations(alert: &Alert<'_>) -> BTreeMap<&'static str, String> {
    let annotations = [("summary", alert.title), ("description", alert.text)];
    let annotations = annotations.into_iter().map(|(name, text)| (name, value(text)));
    annotations.filter(|(_, value)| !value.is_empty()).collect()
}

/// The name of alerts of a kind, in the style of Prometheus.
pub fn alert_name(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::Down => "ServiceDown",
        AlertKind::Certificate => "CertificateExpiresSoon",
        AlertKind::Degraded => "ServiceDegraded",
        AlertKind::Flapping => "ServiceFlapping",
        AlertKind::SloFast => "ErrorBudgetBurnFast",
        AlertKind::SloSlow => "ErrorBudgetBurnSlow",
        AlertKind::SloTicket => "ErrorBudgetBurnTicket",
        AlertKind::Connectivity => "MonitorWithoutConnectivity",
        AlertKind::Store => "MonitorStoreFails",
        AlertKind::Late => "MonitorLate",
        AlertKind::Channel => "MonitorChannelFails",
        AlertKind::File => "MonitorServicesFileRefused",
    }
}

fn value(text: &str) -> String {
    text[..text.floor_char_boundary(VALUE_LIMIT)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::smtp::tests::message;
    use crate::domain::alert::{Facts, Severity};

    fn settings(keys: &Value) -> Result<Settings, String> {
        Settings::read(keys.as_object().unwrap())
    }

    #[test]
    fn the_endpoint_is_under_the_path_of_the_url() {
        let urls = json!(["http://am:9093", "https://u:p@example.org/am/?x#y"]);
        let settings = settings(&json!({"urls": urls, "watchdog": true})).unwrap();
        let endpoints: Vec<&str> = settings.endpoints.iter().map(Url::as_str).collect();
        assert_eq!(
            endpoints,
            ["http://am:9093/api/v2/alerts", "https://u:p@example.org/am/api/v2/alerts"]
        );
        assert!(settings.watchdog && settings.labels.is_empty());
    }

    #[test]
    fn a_mistake_names_its_key_and_no_url() {
        let good = "http://am";
        for (keys, expected) in [
            (json!({}), "urls: invalid value, expected a list of at least one http://"),
            (json!({"urls": ["ftp://u:s3cret@am"]}), "urls: invalid value, expected a list of"),
            (json!({"urls": [good], "labels": {"a-b": "c"}}), "labels: invalid value \"a-b\", exp"),
            (json!({"urls": [good], "labels": {"1a": "c"}}), "labels: invalid value \"1a\", exp"),
            (json!({"urls": [good], "labels": {"": "c"}}), "labels: invalid value \"\", expected"),
            (
                json!({"urls": [good], "labels": {"service": "c"}}),
                "labels: invalid value \"service\", expected names other than",
            ),
        ] {
            let error = settings(&keys).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
            let problems = check(keys.as_object().unwrap(), Origin::Api);
            assert_eq!(problems.len(), usize::from(keys != json!({})), "{keys}");
        }
        let keys = json!({"urls": "http://a, ${AM}"});
        let problems = |origin| check(keys.as_object().unwrap(), origin).len();
        assert_eq!((problems(Origin::File), problems(Origin::Api)), (0, 1));
    }

    #[test]
    fn a_firing_alert_ends_in_four_minutes_and_an_ended_one_at_its_end() {
        let keys = json!({"urls": ["http://am"], "labels": {"team": "core", "empty": ""}});
        let settings = settings(&keys).unwrap();
        let firing = Message {
            facts: Facts { name: "api".to_owned(), ..Facts::default() },
            link: Some("https://mon.example.org/services/7".to_owned()),
            since_ms: 0,
            severity: Severity::Warning,
            ..message()
        };
        let group = Some("core".to_owned());
        let facts = Facts { name: "db".to_owned(), group, ..Facts::default() };
        let ended = Message { facts, ended_ms: Some(60_000), since_ms: 1_000, ..message() };
        let early = Message { ended_ms: Some(500), ..ended.clone() };
        let alerts = [&firing, &ended, &early].map(|message| Alert {
            message,
            title: "DOWN: api",
            text: "no answer",
        });
        let body = body(&settings, &alerts, None, 120_000);
        assert_eq!(
            body[0],
            json!({
                "labels": {"alertname": "ServiceDown", "service": "api", "kind": "down",
                    "severity": "warning", "monitor": "monitor", "team": "core"},
                "annotations": {"summary": "DOWN: api", "description": "no answer"},
                "startsAt": "1970-01-01T00:00:00.000Z",
                "endsAt": "1970-01-01T00:06:00.000Z",
                "generatorURL": "https://mon.example.org/services/7",
            })
        );
        assert_eq!(body[1]["endsAt"], "1970-01-01T00:01:00.000Z");
        assert_eq!(body[1]["labels"]["group"], "core");
        assert!(body[1].get("generatorURL").is_none());
        assert_eq!(body[2]["endsAt"], body[2]["startsAt"], "Alertmanager refuses an earlier end");
    }

    #[test]
    fn the_watchdog_fires_with_the_labels_of_the_channel() {
        let keys = json!({"urls": ["http://am"], "labels": {"team": "core"}, "watchdog": true});
        let body = body(&settings(&keys).unwrap(), &[], Some("monitor"), 0);
        let labels = json!({"alertname": "Watchdog", "severity": "none", "monitor": "monitor",
            "team": "core"});
        assert_eq!(body.as_array().map(Vec::len), Some(1));
        assert_eq!(
            (&body[0]["labels"], &body[0]["endsAt"]),
            (&labels, &json!("1970-01-01T00:04:00.000Z"))
        );
    }

    #[test]
    fn each_kind_has_a_name_of_its_own_and_values_are_bounded() {
        let names = AlertKind::ALL.map(alert_name);
        for name in names {
            assert_eq!(names.iter().filter(|other| **other == name).count(), 1, "{name}");
        }
        let long = Message { monitor: "é".repeat(10_000), ..message() };
        let labels = labels(&long, &BTreeMap::new());
        assert!(labels.values().all(|value| value.len() <= VALUE_LIMIT));
    }
}
