//! `service-healthcheck probe URL`: one probe now, printed as text or as JSON.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use actix_rt::System;
use serde_json::{Map, Value, json};

use super::output::print_line;
use crate::api::views::probe::Probe;
use crate::app::startup;
use crate::cli::ProbeArgs;
use crate::clock::unix_ms;
use crate::config::{Config, ConfigError};
use crate::domain::{Certificate, Invalid, Outcome, Requests, Service, ServiceId};
use crate::error::Error;
use crate::probe::Engine;
use crate::spec;
use crate::spec::Dialect;

/// Width of the longest bar, in characters.
const BAR_CHARS: usize = 40;

/// Probes once and prints the result. The exit code is 0 when the target is up.
pub(super) fn run(config: &Config, args: &ProbeArgs) -> Result<ExitCode, Error> {
    let service = service(config, args)?;
    let rules = startup::rules(config)?;
    let outcome = System::new().block_on(async { Engine::new(rules).probe(&service, true).await });
    let requests = config.process.requests;
    if args.json {
        print_line(as_json(&service, &outcome, requests));
    } else {
        print_line(as_text(&service, &outcome, requests));
    }
    let is_up = outcome.failure.is_none();
    Ok(if is_up { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The service that the arguments define. The error names each invalid option.
fn service(config: &Config, args: &ProbeArgs) -> Result<Service, ConfigError> {
    let invalid = |problems| ConfigError { problems };
    let mut map = match args.option.as_deref().map(serde_json::from_str) {
        None => Map::new(),
        Some(Ok(map)) => map,
        Some(Err(error)) => {
            // The value may contain credentials.
            let rejection = Invalid::hidden("a JSON object with fields of the API");
            // An error about the type shows the value.
            let rejection = if error.is_data() { rejection } else { rejection.because(error) };
            return Err(invalid(vec![rejection.of("--option")]));
        }
    };
    let mut put = |field: &str, value: Value| drop(map.insert(field.to_owned(), value));
    put("name", json!("probe"));
    put("url", json!(args.url));
    if let Some(seconds) = args.timeout {
        put("timeout_seconds", json!(seconds));
    }
    if !args.condition.is_empty() {
        put("conditions", json!(args.condition));
    }
    let definition = spec::read(&map, Dialect::Api).map_err(|problems| {
        let problems = problems.into_iter().map(|problem| {
            let option = match problem.path.as_str() {
                "url" => "URL".to_owned(),
                "timeout_seconds" => "--timeout".to_owned(),
                "conditions" => "--condition".to_owned(),
                path => format!("--option: {path}"),
            };
            format!("{option}: {}", problem.rejection)
        });
        invalid(problems.collect())
    })?;
    spec::check_plugins(&definition, config.plugins.is_some())
        .map_err(|problem| invalid(vec![format!("URL: {}", problem.rejection)]))?;
    let id = ServiceId::new(1).unwrap_or_else(|| unreachable!("one is positive"));
    Ok(Service::new(id, definition, &config.services.defaults))
}

/// Verdict, details of the response, and a bar for each phase.
fn as_text(service: &Service, outcome: &Outcome, requests: Requests) -> String {
    let verdict = match &outcome.failure {
        None => "up".to_owned(),
        Some(failure) => format!("{}: {}", failure.reason.as_str(), failure.detail),
    };
    let details = &outcome.details;
    let details = [
        outcome.http_status.map(|status| format!("status {status}")),
        details.http_version.map(|version| format!("HTTP {}", version.as_str())),
        details.tls_version.map(|version| version.to_string()),
        details.address_text(),
        (details.redirects > 0).then(|| format!("redirects {}", details.redirects)),
        details
            .own_certificate_expires_at
            .map(|at| format!("certificate valid for {} days", days_until(at))),
        details.domain_expires_at.map(|at| format!("domain valid for {} days", days_until(at))),
    ];
    let details: Vec<String> = details.into_iter().flatten().collect();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}  {verdict}", service.target.shown(requests));
    if !details.is_empty() {
        let _ = writeln!(text, "  {}", details.join(", "));
    }
    for (name, duration) in outcome.phases.named() {
        let bar = "█".repeat(bar_chars(duration, outcome.response_time));
        let line = format!("  {name:<10} {:>9.1} ms  {bar}", milliseconds(duration));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = write!(text, "  {:<10} {:>9.1} ms", "total", milliseconds(outcome.response_time));
    if let Some(plugin) = &outcome.details.plugin {
        let _ = write!(text, "\n  {} {}", plugin.state.as_str(), plugin.text);
        for value in &plugin.perfdata {
            let number = value.value.as_ref().map_or("U".to_owned(), |it| it.value().to_string());
            let _ = write!(text, "\n  {} {number}{}", value.label, value.unit);
        }
    }
    if let Some(report) = &outcome.report {
        for condition in &report.conditions {
            let sign = if condition.fulfilled { "✓" } else { "✗" };
            let _ = write!(text, "\n  {sign} {}", condition.text);
        }
        for certificate in &report.certificates {
            let days = days_until(certificate.not_after);
            let Certificate { subject, issuer, .. } = certificate;
            let _ = write!(text, "\n  certificate {subject}, by {issuer}, valid for {days} days");
        }
    }
    text
}

/// The JSON of the API's on-demand probe.
fn as_json(service: &Service, outcome: &Outcome, requests: Requests) -> Value {
    json!(Probe::new(service, outcome, requests))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn bar_chars(duration: Duration, total: Duration) -> usize {
    let share = duration.as_secs_f64() / total.as_secs_f64().max(f64::MIN_POSITIVE);
    (share * BAR_CHARS as f64).round() as usize
}

fn days_until(unix_s: i64) -> i64 {
    (unix_s - unix_ms() / 1_000).div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service::options::HttpVersion;
    use crate::domain::{Failure, Phases, ProbeDetails, Reason};

    #[test]
    fn the_bars_show_the_share_of_each_phase() {
        let config = Config::from_lookup(|_| None).unwrap();
        let args =
            ProbeArgs { url: "http://a/".to_owned(), timeout: Some(2.0), ..ProbeArgs::default() };
        let service = service(&config, &args).unwrap();
        let ms = Duration::from_millis;
        let outcome = Outcome {
            service_id: service.id,
            started_at_ms: 0,
            response_time: ms(100),
            http_status: Some(503),
            failure: Some(Failure::new(Reason::Status, "503 Service Unavailable")),
            expected_failure: None,
            phases: Phases { connect: ms(25), processing: ms(75), ..Phases::default() },
            details: ProbeDetails {
                http_version: Some(HttpVersion::Http11),
                ..ProbeDetails::default()
            },
            network_down: false,
            revision: None,
            is_outdated: false,
            scheduled_every: None,
            inbox_id: None,
            report: None,
        };
        let text = as_text(&service, &outcome, Requests::Masked);
        assert!(
            text.starts_with(
                "http://a/  status: 503 Service Unavailable\n  status 503, HTTP 1.1\n"
            ),
            "{text}"
        );
        assert!(
            text.contains(&format!("  connect         25.0 ms  {}\n", "█".repeat(10))),
            "{text}"
        );
        assert!(
            text.contains(&format!("  processing      75.0 ms  {}\n", "█".repeat(30))),
            "{text}"
        );
        let json = as_json(&service, &outcome, Requests::Masked);
        assert_eq!(json["phases"]["processing_ms"], 75.0);
        assert_eq!(
            (&json["success"], &json["failure"]["reason"]),
            (&json!(false), &json!("status"))
        );
    }

    #[test]
    fn an_error_names_the_invalid_option() {
        let config = Config::from_lookup(|_| None).unwrap();
        let error = |args| service(&config, &args).unwrap_err().to_string();
        let url = |url: &str| ProbeArgs { url: url.to_owned(), ..ProbeArgs::default() };
        assert!(error(url("ftp://a")).starts_with("URL: "));
        let args = ProbeArgs { timeout: Some(0.0), ..url("http://a/") };
        assert!(error(args).starts_with("--timeout: "));
        let args = ProbeArgs { condition: vec!["[STATUS]".to_owned()], ..url("http://a/") };
        assert!(error(args).starts_with("--condition: "));
        let args = ProbeArgs { option: Some("{\"insecure\": 1}".to_owned()), ..url("http://a/") };
        assert!(error(args).starts_with("--option: insecure: "));
    }
}
