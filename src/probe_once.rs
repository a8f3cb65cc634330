//! `service-healthcheck probe URL`: one probe now, told to a person or as JSON.

use std::fmt::Write;
use std::time::Duration;

use actix_rt::System;
use serde_json::{Value, json};

use crate::config::{Config, ConfigError};
use crate::domain::{
    Condition, Name, Options, Outcome, Service, ServiceId, Target, Timeout, Verdict,
};
use crate::probe::{Engine, Rules, unix_ms};

/// Characters of the longest bar.
const BAR: usize = 40;

/// What is to be probed, from the command line. The error names the option.
pub fn service(
    url: &str,
    timeout_seconds: Option<f64>,
    conditions: &[String],
    config: &Config,
) -> Result<Service, ConfigError> {
    let refuse = |option: &str, why: &dyn std::fmt::Display| ConfigError {
        problems: vec![format!("{option}: {why}")],
    };
    let timeout = match timeout_seconds {
        Some(seconds) => Timeout::from_seconds(seconds).map_err(|why| refuse("--timeout", &why))?,
        None => config.defaults.timeout,
    };
    let conditions = conditions
        .iter()
        .map(|text| Condition::parse(text))
        .collect::<Result<_, _>>()
        .map_err(|why| refuse("--condition", &why))?;
    let id = ServiceId::new(1).unwrap_or_else(|| unreachable!("one is positive"));
    Ok(Service {
        id,
        name: Name::parse("probe").map_err(|why| refuse("name", &why))?,
        group: None,
        target: Target::parse(url).map_err(|why| refuse("URL", &why))?,
        interval: config.defaults.interval,
        timeout,
        conditions,
        options: Options::none(),
    })
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
        Verdict::Down | Verdict::Ours | Verdict::Unknown => {
            let failure = outcome.failure.as_ref();
            failure.map_or_else(String::new, |failure| {
                format!("{}: {}", failure.reason.as_str(), failure.detail)
            })
        }
    };
    let seen = &outcome.seen;
    let facts = [
        outcome.http_status.map(|status| format!("status {status}")),
        seen.http_version.map(|version| format!("HTTP {version}")),
        seen.tls_version.map(str::to_owned),
        seen.address.map(|address| address.to_string()),
        (seen.redirects > 0).then(|| format!("redirects {}", seen.redirects)),
        seen.certificate_expires_at
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
    text
}

/// The outcome as JSON: times in milliseconds, the certificate's end in unix seconds.
pub fn as_json(service: &Service, outcome: &Outcome) -> Value {
    let phases: serde_json::Map<String, Value> = outcome
        .phases
        .named()
        .into_iter()
        .map(|(name, spent)| (format!("{name}_ms"), json!(milliseconds(spent))))
        .collect();
    json!({
        "url": service.target.shown(),
        "success": outcome.verdict() == Verdict::Up,
        "failure": outcome.failure.as_ref().map(|failure| json!({
            "reason": failure.reason.as_str(),
            "detail": failure.detail,
        })),
        "http_status": outcome.http_status,
        "response_time_ms": milliseconds(outcome.response_time),
        "phases": phases,
        "address": outcome.seen.address.map(|address| address.to_string()),
        "redirects": outcome.seen.redirects,
        "http_version": outcome.seen.http_version,
        "tls_version": outcome.seen.tls_version,
        "certificate_expires_at": outcome.seen.certificate_expires_at,
    })
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
    use crate::domain::{Failure, Phases, Reason, Seen};

    #[test]
    fn the_bars_show_where_the_time_went() {
        let config = Config::from_lookup(|_| None).unwrap();
        let service = service("http://a/", Some(2.0), &[], &config).unwrap();
        let ms = Duration::from_millis;
        let outcome = Outcome {
            service_id: service.id,
            started_at_ms: 0,
            response_time: ms(100),
            http_status: Some(503),
            failure: Some(Failure::new(Reason::Status, "503 Service Unavailable")),
            phases: Phases { connect: ms(25), first_byte: ms(75), ..Phases::default() },
            seen: Seen { http_version: Some("1.1"), ..Seen::default() },
            cut_off: false,
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
        let told = |url, timeout| service(url, timeout, &[], &config).unwrap_err().to_string();
        assert!(told("ftp://a", None).starts_with("URL: "));
        assert!(told("http://a/", Some(0.0)).starts_with("--timeout: "));
        let wrong = service("http://a/", None, &["[STATUS]".to_owned()], &config).unwrap_err();
        assert!(wrong.to_string().starts_with("--condition: "), "{wrong}");
    }
}
