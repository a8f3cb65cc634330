//! The answer of `GET /probe`: families of one probe, as blackbox_exporter has them.

use std::fmt::Write;

use crate::domain::service::options::HttpVersion;
use crate::domain::{Kind, Outcome, Phases, Reason, Verdict};
use crate::metrics::names::{self, Label};

/// Seconds of a phase.
type PhaseSeconds = (&'static str, f64);

/// Families in the text format of Prometheus; the names are unique.
#[derive(Default)]
struct Families(String);

impl Families {
    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, help, [(None, value)]);
    }

    fn phases(&mut self, name: &str, help: &str, phases: impl IntoIterator<Item = PhaseSeconds>) {
        let series = phases.into_iter().map(|(phase, it)| (Some((names::PHASE, phase)), it));
        self.family(name, help, series);
    }

    fn family<'a>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Option<Label<'a>>, f64)>,
    ) {
        // Writing to a `String` cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (label, value) in series {
            let series = match label {
                Some(_) => names::series(name, label),
                None => name.to_owned(),
            };
            let _ = writeln!(self.0, "{series} {value}");
        }
    }
}

/// The families of the probe of a target of `kind`, by the kinds of blackbox_exporter; those that
/// a probe does not measure are left out.
pub fn module_families(kind: Kind, outcome: &Outcome) -> String {
    let mut families = Families::default();
    let is_up = outcome.verdict() == Verdict::Up;
    families.gauge(names::PROBE_SUCCESS, "Whether the probe succeeded", number(is_up));
    families.gauge(
        names::PROBE_DURATION_SECONDS,
        "Duration of the probe",
        outcome.response_time.as_secs_f64(),
    );
    let Phases { resolve, connect, tls, processing, transfer } = outcome.phases;
    let [resolve, connect, rest] =
        [resolve, connect, tls + processing + transfer].map(|it| it.as_secs_f64());
    families.gauge(
        names::PROBE_DNS_LOOKUP_TIME_SECONDS,
        "Duration of the name resolution",
        resolve,
    );
    let version = outcome.details.address.map_or(0.0, |it| if it.is_ipv6() { 6.0 } else { 4.0 });
    families.gauge(names::PROBE_IP_PROTOCOL, "IP version of the connection, 4 or 6", version);
    match kind {
        Kind::Http => http(&mut families, outcome),
        Kind::Tcp | Kind::Tls | Kind::StartTls => failed_due_to_regex(&mut families, outcome),
        Kind::Icmp => families.phases(
            names::PROBE_ICMP_DURATION_SECONDS,
            "Duration of each phase of the ping",
            [("resolve", resolve), ("setup", connect), ("rtt", rest)],
        ),
        Kind::Dns => families.phases(
            names::PROBE_DNS_DURATION_SECONDS,
            "Duration of each phase of the query",
            [("resolve", resolve), ("connect", connect), ("request", rest)],
        ),
        Kind::Grpc => {
            families.phases(
                names::PROBE_GRPC_DURATION_SECONDS,
                "Duration of each phase of the check",
                [("resolve", resolve), ("check", connect + rest)],
            );
            let is_secured = outcome.details.tls_version.is_some();
            families.gauge(
                names::PROBE_GRPC_SSL,
                "Whether the connection used TLS",
                number(is_secured),
            );
        }
        _ => {}
    }
    certificates(&mut families, kind, outcome);
    families.0
}

fn http(families: &mut Families, outcome: &Outcome) {
    let status = f64::from(outcome.http_status.unwrap_or(0));
    families.gauge(names::PROBE_HTTP_STATUS_CODE, "HTTP status, 0 without a response", status);
    families.phases(
        names::PROBE_HTTP_DURATION_SECONDS,
        "Duration of each phase of the request, summed over redirects",
        outcome.phases.named().map(|(phase, it)| (phase, it.as_secs_f64())),
    );
    let details = &outcome.details;
    let redirects = f64::from(details.redirects);
    families.gauge(
        names::PROBE_HTTP_REDIRECTS,
        "Number of redirects that were followed",
        redirects,
    );
    let is_secured = number(details.tls_version.is_some());
    families.gauge(names::PROBE_HTTP_SSL, "Whether the final connection used TLS", is_secured);
    let version = details.http_version.map_or(0.0, HttpVersion::number);
    families.gauge(names::PROBE_HTTP_VERSION, "HTTP version, 0 without a response", version);
    failed_due_to_regex(families, outcome);
}

fn failed_due_to_regex(families: &mut Families, outcome: &Outcome) {
    let reason = outcome.failure.as_ref().map(|failure| failure.reason);
    families.gauge(
        names::PROBE_FAILED_DUE_TO_REGEX,
        "Whether the response did not fulfil an expression",
        number(reason == Some(Reason::Condition)),
    );
}

/// After a TLS handshake; the exporter has an expiry of 0 of gRPC in plain text too.
fn certificates(families: &mut Families, kind: Kind, outcome: &Outcome) {
    let details = &outcome.details;
    let expiry = details.certificate_expires_at.filter(|_| details.tls_version.is_some());
    if let Some(expiry) = expiry.or((kind == Kind::Grpc).then_some(0)) {
        families.gauge(
            names::PROBE_SSL_EARLIEST_CERT_EXPIRY,
            "Earliest expiry of the certificates that the target sent, in unix seconds",
            expiry as f64,
        );
    }
    let Some(version) = details.tls_version else { return };
    // The exporter has none of gRPC.
    if let Some(expiry) = details.verified_chain_expires_at.filter(|_| kind != Kind::Grpc) {
        families.gauge(
            names::PROBE_SSL_LAST_CHAIN_EXPIRY,
            "Earliest expiry of the certificate chain that was verified, in unix seconds",
            expiry as f64,
        );
    }
    families.family(
        names::PROBE_TLS_VERSION_INFO,
        "TLS version, as a label",
        [(Some((names::VERSION, version.as_str())), 1.0)],
    );
}

fn number(value: bool) -> f64 {
    f64::from(u8::from(value))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::service::options::TlsVersion;
    use crate::domain::{Failure, sample};

    /// Lines without help and type.
    fn samples(kind: Kind, outcome: &Outcome) -> Vec<String> {
        let text = module_families(kind, outcome);
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn each_kind_has_the_families_of_its_prober() {
        let mut outcome = sample::outcome(1, 0);
        outcome.response_time = Duration::from_millis(1_500);
        outcome.phases = Phases { processing: Duration::from_millis(1_500), ..Phases::default() };
        outcome.details.address = Some("[::1]:80".parse().unwrap());
        let all = ["probe_success 1", "probe_duration_seconds 1.5"];
        for (kind, own) in [
            (Kind::Icmp, r#"probe_icmp_duration_seconds{phase="rtt"} 1.5"#),
            (Kind::Dns, r#"probe_dns_duration_seconds{phase="request"} 1.5"#),
            (Kind::Grpc, r#"probe_grpc_duration_seconds{phase="check"} 1.5"#),
            (Kind::Tcp, "probe_failed_due_to_regex 0"),
            (Kind::Http, r#"probe_http_duration_seconds{phase="processing"} 1.5"#),
            (Kind::WebSocket, "probe_ip_protocol 6"),
        ] {
            let found = samples(kind, &outcome);
            assert_eq!(found[..2], all, "{kind:?}");
            assert!(found.contains(&own.to_owned()), "{kind:?} {own}: {found:?}");
        }
        assert!(samples(Kind::Http, &outcome).contains(&"probe_http_ssl 0".to_owned()));
    }

    #[test]
    fn certificates_are_of_a_handshake_and_an_expression_is_of_its_failure() {
        let mut outcome = sample::outcome(1, 0);
        outcome.failure = Some(Failure::new(Reason::Condition, "body_lacks"));
        outcome.details.certificate_expires_at = Some(7);
        let of = |outcome: &Outcome| samples(Kind::Http, outcome).join("\n");
        let without = of(&outcome);
        assert!(without.contains("probe_failed_due_to_regex 1") && !without.contains("_ssl_"));
        outcome.details.tls_version = Some(TlsVersion::Tls13);
        let with = of(&outcome);
        assert!(with.contains("probe_ssl_earliest_cert_expiry 7"), "{with}");
        assert!(with.contains("probe_tls_version_info{version=\"TLS 1.3\"} 1"), "{with}");
        assert!(!with.contains("last_chain"), "no chain was verified");
    }
}
