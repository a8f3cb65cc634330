//! `service-healthcheck probe URL`: one probe now, told to a person or as JSON.

use std::fmt::Write;
use std::time::Duration;

use actix_rt::System;
use serde_json::{Map, Value, json};

use crate::api::views::probe::Probe;
use crate::clock::unix_ms;
use crate::config::{Config, ConfigError};
use crate::domain::{Certificate, Invalid, Outcome, Service, ServiceId, Verdict};
use crate::probe::{Engine, Rules};
use crate::spec;
use crate::spec::Dialect;

/// Characters of the longest bar.
const BAR: usize = 40;

/// What the command line says.
#[derive(Debug, Default)]
pub struct Asked {
    /// What to ask.
    pub url: String,
    /// `--timeout`, in seconds.
    pub timeout: Option<f64>,
    /// `--condition`, each.
    pub condition: Vec<String>,
    /// `--option`, a JSON object.
    pub option: Option<String>,
}

/// What is to be probed, read as the API reads it. The error names the option.
pub fn service(asked: &Asked, config: &Config) -> Result<Service, ConfigError> {
    let refuse = |problems| ConfigError { problems };
    let mut map = match asked.option.as_deref().map(serde_json::from_str) {
        None => Map::new(),
        Some(Ok(map)) => map,
        Some(Err(error)) => {
            // The value may contain credentials.
            let invalid = Invalid::hidden("a JSON object with fields of the API").because(error);
            return Err(refuse(vec![invalid.of("--option")]));
        }
    };
    let mut put = |field: &str, value: Value| drop(map.insert(field.to_owned(), value));
    put("name", json!("probe"));
    put("url", json!(asked.url));
    if let Some(seconds) = asked.timeout {
        put("timeout_seconds", json!(seconds));
    }
    if !asked.condition.is_empty() {
        put("conditions", json!(asked.condition));
    }
    let definition = spec::read(&map, Dialect::Api).map_err(|problems| {
        let told = problems.into_iter().map(|problem| {
            let option = match problem.path.as_str() {
                "url" => "URL".to_owned(),
                "timeout_seconds" => "--timeout".to_owned(),
                "conditions" => "--condition".to_owned(),
                path => format!("--option: {path}"),
            };
            format!("{option}: {}", problem.rejection)
        });
        refuse(told.collect())
    })?;
    let id = ServiceId::new(1).unwrap_or_else(|| unreachable!("one is positive"));
    Ok(Service::new(id, definition, &config.defaults))
}

/// Probes once.
pub fn run(service: &Service, rules: Rules) -> Outcome {
    System::new().block_on(async { Engine::new(rules).probe(service, true).await })
}

/// The outcome for a person: the verdict, what was seen, and a bar for each phase.
pub fn told(service: &Service, outcome: &Outcome) -> String {
    let mut text = String::new();
    let verdict = match outcome.verdict() {
        Verdict::Up => "up".to_owned(),
        Verdict::Down | Verdict::Local | Verdict::Unknown => {
            let failure = outcome.failure.as_ref();
            failure.map_or_else(String::new, |failure| {
                format!("{}: {}", failure.reason.as_str(), failure.detail)
            })
        }
    };
    let details = &outcome.details;
    let facts = [
        outcome.http_status.map(|status| format!("status {status}")),
        details.http_version.map(|version| format!("HTTP {}", version.as_str())),
        details.tls_version.map(|version| version.to_string()),
        details.address_text(),
        (details.redirects > 0).then(|| format!("redirects {}", details.redirects)),
        details
            .certificate_expires_at
            .map(|at| format!("certificate good for {} days", days_until(at))),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}  {verdict}", service.target.shown());
    if !facts.is_empty() {
        let _ = writeln!(text, "  {}", facts.join(", "));
    }
    for (name, spent) in outcome.phases.named() {
        let bar = "█".repeat(bar_length(spent, outcome.response_time));
        let line = format!("  {name:<10} {:>9.1} ms  {bar}", milliseconds(spent));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = write!(text, "  {:<10} {:>9.1} ms", "in all", milliseconds(outcome.response_time));
    if let Some(report) = &outcome.report {
        for judged in &report.conditions {
            let sign = if judged.fulfilled { "✓" } else { "✗" };
            let _ = write!(text, "\n  {sign} {}", judged.text);
        }
        for certificate in &report.certificates {
            let days = days_until(certificate.not_after);
            let Certificate { subject, issuer, .. } = certificate;
            let _ = write!(text, "\n  certificate {subject}, by {issuer}, good for {days} days");
        }
    }
    text
}

/// The outcome as JSON, as the API tells it.
pub fn as_json(service: &Service, outcome: &Outcome) -> Value {
    json!(Probe::new(service, outcome))
}

fn milliseconds(spent: Duration) -> f64 {
    spent.as_secs_f64() * 1e3
}

fn bar_length(spent: Duration, all: Duration) -> usize {
    let share = spent.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE);
    (share * BAR as f64).round() as usize
}

fn days_until(at: i64) -> i64 {
    (at - unix_ms() / 1_000).div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service::options::HttpVersion;
    use crate::domain::{Failure, Phases, ProbeDetails, Reason};

    #[test]
    fn the_bars_show_where_the_time_went() {
        let config = Config::from_lookup(|_| None).unwrap();
        let asked = Asked { url: "http://a/".to_owned(), timeout: Some(2.0), ..Asked::default() };
        let service = service(&asked, &config).unwrap();
        let ms = Duration::from_millis;
        let outcome = Outcome {
            service_id: service.id,
            started_at_ms: 0,
            response_time: ms(100),
            http_status: Some(503),
            failure: Some(Failure::new(Reason::Status, "503 Service Unavailable")),
            phases: Phases { connect: ms(25), processing: ms(75), ..Phases::default() },
            details: ProbeDetails {
                http_version: Some(HttpVersion::Http11),
                ..ProbeDetails::default()
            },
            network_down: false,
            report: None,
        };
        let told = told(&service, &outcome);
        assert!(
            told.starts_with(
                "http://a/  status: 503 Service Unavailable\n  status 503, HTTP 1.1\n"
            ),
            "{told}"
        );
        assert!(
            told.contains(&format!("  connect         25.0 ms  {}\n", "█".repeat(10))),
            "{told}"
        );
        assert!(
            told.contains(&format!("  processing      75.0 ms  {}\n", "█".repeat(30))),
            "{told}"
        );
        let json = as_json(&service, &outcome);
        assert_eq!(json["phases"]["processing_ms"], 75.0);
        assert_eq!(
            (&json["success"], &json["failure"]["reason"]),
            (&json!(false), &json!("status"))
        );
    }

    #[test]
    fn a_wrong_option_is_named() {
        let config = Config::from_lookup(|_| None).unwrap();
        let told = |asked| service(&asked, &config).unwrap_err().to_string();
        let at = |url: &str| Asked { url: url.to_owned(), ..Asked::default() };
        assert!(told(at("ftp://a")).starts_with("URL: "));
        assert!(told(Asked { timeout: Some(0.0), ..at("http://a/") }).starts_with("--timeout: "));
        let condition = vec!["[STATUS]".to_owned()];
        assert!(told(Asked { condition, ..at("http://a/") }).starts_with("--condition: "));
        let option = Some("{\"insecure\": 1}".to_owned());
        assert!(told(Asked { option, ..at("http://a/") }).starts_with("--option: insecure: "));
    }
}
