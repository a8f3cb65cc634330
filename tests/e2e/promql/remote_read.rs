//! A Prometheus without samples of its own answers as the monitor that it reads from.

use std::path::Path;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use service_healthcheck::clock::unix_ms;
use service_healthcheck::domain::audit::AuditSource;
use service_healthcheck::domain::outcome::ProbeDetails;
use service_healthcheck::domain::service::options::{HttpVersion, TlsVersion};
use service_healthcheck::domain::{Failure, Outcome, Phases, Reason, ServiceId};
use service_healthcheck::promql::Steps;
use service_healthcheck::spec::{self, Dialect};
use service_healthcheck::storage::Store;
use service_healthcheck::storage::history::sealing::publish;
use service_healthcheck::storage::history::slice::Prepare;
use service_healthcheck::storage::ledger::Ledger;
use service_healthcheck::storage::port::Query;
use service_healthcheck::storage::records::Change;

use super::api::{DASHBOARD_QUERIES, data_file, filled};
use super::comparison::{Times, difference};
use super::demo::QUERY_MS;
use crate::support::Launch;
use crate::support::prometheus::{Prometheus, query};

const MINUTE_MS: i64 = 60_000;
const SERVICES: i64 = 5;
const MINUTES: i64 = 180;

/// Series of the compliance suite, and those that stand for them.
const NAMES: &[(&str, &str)] = &[
    ("demo_memory_usage_bytes", "probe_http_duration_seconds"),
    ("demo_cpu_usage_seconds_total", "probe_http_duration_seconds"),
    ("demo_num_cpus", "probe_success"),
    ("demo_disk_usage_bytes", "probe_duration_seconds"),
    ("demo_intermittent_metric", "probe_http_status_code"),
    ("demo_batch_last_success_timestamp_seconds", "service_up"),
    ("demo.promlabs.com:10000", "http://127.0.0.1:9/0"),
    ("type", "phase"),
    ("mode", "phase"),
    ("free", "tls"),
    ("buffers", "connect"),
    ("idle", "processing"),
    ("user", "transfer"),
];

/// Three hours, a tick a minute, of which two thirds are sealed. Returns the start.
fn write_history(file: &Path) -> i64 {
    let store = Store::open_file(file).unwrap();
    let (mut writer, mut reader) =
        (store.access().writer().unwrap(), store.access().reader().unwrap());
    // Older than the start of the program, and younger than the retention of ticks.
    let start_ms = (unix_ms() / MINUTE_MS - 2 * MINUTES) * MINUTE_MS;
    let ids: Vec<ServiceId> = (0..SERVICES)
        .map(|nth| {
            let group = if nth % 2 == 0 { json!("core") } else { Value::Null };
            let url = format!("http://127.0.0.1:9/{nth}");
            let service = json!({"name": format!("service-{nth}"), "group": group, "url": url});
            let definition = spec::read(service.as_object().unwrap(), Dialect::Api).unwrap();
            let change = Change::Create(Box::new(definition));
            writer.define(change, &AuditSource::COMMAND, start_ms).unwrap().id
        })
        .collect();
    let (mut ledger, mut random) = (Ledger::default(), SmallRng::seed_from_u64(1));
    for minute in 0..MINUTES {
        let minute_ms = start_ms + minute * MINUTE_MS;
        let outcomes: Vec<Outcome> =
            ids.iter().map(|id| outcome(*id, minute, minute_ms, &mut random)).collect();
        ledger.commit(&mut *writer, &outcomes, minute_ms + MINUTE_MS).unwrap();
        if minute == MINUTES * 2 / 3 {
            ledger.sealing(writer.begin_sealing().unwrap());
            let prepare = Prepare { chunk_ticks: 50 };
            while let Some(mut slice) = prepare.run(&mut *reader).unwrap() {
                publish(&mut *writer, &mut slice, minute_ms).unwrap();
            }
            writer.finish_sealing(minute_ms).unwrap();
            ledger.sealing(false);
        }
    }
    start_ms
}

/// Up but for some minutes of each hour; unknown for ten minutes. No time is one of a query.
fn outcome(id: ServiceId, minute: i64, minute_ms: i64, random: &mut SmallRng) -> Outcome {
    let at_ms = minute_ms + id.get() * 7_000 + random.random_range(0..QUERY_MS);
    let mut part = || Duration::from_micros(random.random_range(1..90_000));
    let phases = Phases {
        resolve: part(),
        connect: part(),
        tls: part(),
        processing: part(),
        transfer: part(),
    };
    let is_unknown = (130..140).contains(&minute);
    let failure = match (minute + id.get() * 11) % 60 {
        _ if is_unknown => Some(Failure::new(Reason::Unreachable, "no route")),
        0..7 => Some(Failure::new(Reason::Status, "503 Service Unavailable")),
        _ => None,
    };
    // A new certificate each hour.
    let expires_at = (minute_ms / MINUTE_MS / 60 + 1_000) * 3_600;
    let details = ProbeDetails {
        address: Some("127.0.0.1:9".parse().unwrap()),
        redirects: u32::try_from(id.get() % 2).unwrap(),
        http_version: Some(HttpVersion::Http11),
        tls_version: Some(if minute < 100 { TlsVersion::Tls12 } else { TlsVersion::Tls13 }),
        certificate_expires_at: Some(expires_at),
        ..ProbeDetails::default()
    };
    let http_status = failure.as_ref().map_or(200, |_| 503);
    Outcome {
        http_status: (!is_unknown).then_some(http_status),
        phases,
        network_down: is_unknown,
        details: if is_unknown { ProbeDetails::default() } else { details },
        ..Outcome::without_details(id, at_ms, phases.total(), failure)
    }
}

/// The queries of the compliance suite that have no buckets, and those of dashboards. Rates are
/// left out: after a gap, version 2 of Prometheus extrapolates otherwise.
fn queries() -> Vec<String> {
    let compliance = data_file("compliance.jsonl");
    let compliance = compliance.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let mut query = line["query"].as_str().unwrap().to_owned();
        for (theirs, ours) in NAMES {
            query = query.replace(theirs, ours);
        }
        let is_rate = ["rate(", "increase("].iter().any(|name| query.starts_with(name));
        (!query.contains("demo_") && !is_rate).then_some(query)
    });
    let dashboards = data_file("dashboard-exprs.txt");
    let queries: Vec<String> = compliance.chain(dashboards.lines().map(filled)).collect();
    assert!(queries.len() > DASHBOARD_QUERIES + 400, "{}", queries.len());
    queries
}

#[test]
fn a_prometheus_with_remote_read_answers_as_the_monitor() {
    let launch = Launch::new().with("RUNNER_SCRAPE_INTERVAL_SECONDS", 60);
    let start_ms = write_history(&launch.folder().join("db.db"));
    let app = launch.start();
    let prometheus = Prometheus::reading_from(app.address());
    let end_ms = start_ms + (MINUTES - 10) * MINUTE_MS + QUERY_MS;
    let steps = Steps { start_ms: end_ms - 60 * MINUTE_MS, end_ms, step_ms: 150_000 };
    let (mut differences, mut answered) = (Vec::new(), 0);
    for expr in queries() {
        for times in [Times::Instant(end_ms), Times::Range(steps)] {
            let (path, form) = times.form(&expr);
            let ours = query(&format!("http://{}", app.address()), path, &form);
            let theirs = prometheus.query(path, &form);
            let has_series =
                |data: &Value| data["result"].as_array().is_some_and(|it| !it.is_empty());
            answered += usize::from(ours.as_ref().is_ok_and(has_series));
            let difference = difference(&ours, &theirs);
            differences.extend(difference.map(|difference| format!("{expr}: {difference}")));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(answered > 600, "{answered} answers with series");
}
