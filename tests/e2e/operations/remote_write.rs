//! Remote write to Prometheus and VictoriaMetrics.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    App, Behaviour, Launch, Series, Store, Target, Tsdb, TsdbKind, has_line, kills, wait_until,
};

/// Kills of the program. The receiver is stopped once, in between.
const KILLS: u32 = 6;

/// With more kills than [`KILLS`]: how long the receiver is away once, how many services more are
/// probed meanwhile, and how much memory that may take.
const OUTAGE: Duration = Duration::from_secs(60);
const OUTAGE_SERVICES: usize = 100;
const OUTAGE_BYTES: u64 = 64 << 20;

const ACCEPTED: &str = "service_healthcheck_remote_write_samples_total{result=\"accepted\"}";

const LAG: &str = "service_healthcheck_remote_write_lag_seconds";

fn launch(store: Store, tsdb: &Tsdb) -> Launch {
    Launch::on(store)
        .with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1")
        .with("TICKS_PER_CHUNK", "8")
        .with("REMOTE_WRITE_URL", tsdb.write_url())
        .with("REMOTE_WRITE_LABELS", "job=uptime,site=here")
}

/// The samples of `export --format openmetrics`, with the labels of [`launch`].
fn exported(launch: &Launch) -> Series {
    let output = launch.command(&["export", "--format", "openmetrics"]).output().unwrap();
    assert!(output.status.success());
    let mut all = Series::new();
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once('{').unwrap();
        let (labels, sample) = rest.split_once("} ").unwrap();
        let labels = labels.split(',').map(|label| label.split_once('=').unwrap());
        let labels = labels.map(|(name, value)| (name, value.trim_matches('"')));
        let given = [("__name__", name), ("job", "uptime"), ("site", "here")];
        let labels = labels.chain(given).filter(|(_, value)| !value.is_empty());
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (value, at) = sample.split_once(' ').unwrap();
        let at_ms = (at.parse::<f64>().unwrap() * 1e3).round() as i64;
        all.entry(labels).or_default().push((at_ms, value.parse().unwrap()));
    }
    all
}

fn assert_complete(launch: &Launch, tsdb: &Tsdb) {
    let expected = exported(launch);
    let received = tsdb.series();
    let names = |series: &Series| series.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&received), names(&expected));
    for (labels, samples) in &expected {
        assert!(!samples.is_empty());
        assert_eq!(&received[labels], samples, "{labels:?}");
    }
}

/// Waits until the receiver has everything, while no service is probed.
fn wait_until_relayed(app: &App) {
    // The gauge is updated once a second, and a result waits as long for others.
    std::thread::sleep(Duration::from_secs(2));
    wait_until("everything to be relayed", || app.metric(LAG) == Some(0.0));
}

/// Stops the receiver for [`OUTAGE`], with more services, which are paused at its end.
fn outlast_an_outage(app: &App, tsdb: &mut Tsdb, target: &Target) {
    let names = (0..OUTAGE_SERVICES).map(|nth| format!("s{nth}"));
    let ids: Vec<i64> = names.map(|name| app.add(&name, &target.url())).collect();
    ids.iter().for_each(|id| drop(app.wait_for_ticks(*id, 20)));
    let before = app.resident_bytes();
    tsdb.stop();
    let (began, mut most) = (Instant::now(), 0);
    while began.elapsed() < OUTAGE {
        std::thread::sleep(Duration::from_millis(500));
        most = most.max(app.resident_bytes());
    }
    ids.iter().for_each(|id| app.pause(*id));
    let accepted = || app.metric(ACCEPTED).unwrap();
    let (sent_before, resumed) = (accepted(), Instant::now());
    tsdb.resume();
    wait_until("little to be left", || app.metric(LAG) < Some(5.0));
    let (sent, took) = (accepted() - sent_before, resumed.elapsed());
    most = most.max(app.resident_bytes());
    let more = most.saturating_sub(before);
    println!("{sent} samples in {took:.1?} after the outage, {} KiB more memory", more >> 10);
    assert!(more <= OUTAGE_BYTES, "{more} bytes more than {before}");
}

fn every_sample_arrives_although_all_are_killed(store: Store, kind: TsdbKind) {
    let mut tsdb = Tsdb::start(kind);
    let launch = launch(store, &tsdb);
    let targets = [Target::healthy(), Target::start(Behaviour::Alternating(200, 503))];
    let mut app = launch.start();
    let mut ids = vec![app.add("steady", &targets[0].url())];
    ids.push(app.add_with(&json!({
        "name": "shaky", "url": targets[1].url(), "group": "core", "labels": {"team": "a"},
    })));
    ids.push(app.add("closed", "tcp://127.0.0.1:1"));
    for kill in 0..kills(KILLS) {
        match kill % KILLS {
            2 => tsdb.stop(),
            4 => tsdb.resume(),
            _ => {}
        }
        // Some kills hit the walk through the store, and others what is live.
        std::thread::sleep(Duration::from_millis(150 + 700 * u64::from(kill % 3)));
        drop(app);
        app = launch.start();
    }
    if !tsdb.is_running() {
        tsdb.resume();
    }
    if kills(KILLS) > KILLS {
        outlast_an_outage(&app, &mut tsdb, &targets[0]);
    }
    for id in &ids {
        let ticks = app.service(*id)["metric"]["data"]["tick_count"].as_u64().unwrap();
        app.wait_for_ticks(*id, ticks + 5);
    }
    ids.iter().for_each(|id| app.pause(*id));
    wait_until_relayed(&app);
    assert_complete(&launch, &tsdb);
    assert!(app.metric(ACCEPTED).unwrap() > 0.0);
    // What is stored is not sent again.
    app.stop();
    let app = launch.start();
    wait_until_relayed(&app);
    let sent = app.metric("service_healthcheck_remote_write_requests_total{result=\"accepted\"}");
    assert_eq!(sent, Some(0.0), "{}", app.log());
    assert_complete(&launch, &tsdb);
}

#[test]
fn every_sample_arrives_in_prometheus_although_all_are_killed() {
    every_sample_arrives_although_all_are_killed(Store::Sqlite, TsdbKind::Prometheus);
}

#[test]
fn every_sample_arrives_in_victoria_metrics_although_all_are_killed() {
    every_sample_arrives_although_all_are_killed(Store::Sqlite, TsdbKind::VictoriaMetrics);
}

mod on_postgres {
    use super::*;

    #[test]
    fn every_sample_arrives_in_prometheus_although_all_are_killed() {
        every_sample_arrives_although_all_are_killed(Store::Postgres, TsdbKind::Prometheus);
    }
}

#[test]
fn a_receiver_gets_the_token_and_a_wrong_one_loses_nothing() {
    let receiver = Target::start(Behaviour::Status(401));
    let launch = Launch::new()
        .with("REMOTE_WRITE_URL", receiver.url())
        .with("REMOTE_WRITE_TOKEN", "s3cret-token");
    let target = Target::healthy();
    let app = launch.start();
    app.add("a", &target.url());
    app.wait_for_log("remote write: the receiver takes no results; they wait in the store");
    let head = receiver.heads().remove(0);
    assert!(!app.log().contains("s3cret-token"), "{}", app.log());
    for header in [
        "authorization: Bearer s3cret-token",
        "content-encoding: snappy",
        "content-type: application/x-protobuf",
        "x-prometheus-remote-write-version: 0.1.0",
    ] {
        assert!(has_line(&head, header), "{header}: {head}");
    }
    app.wait_until_ready();
    app.wait_for_metric(LAG, 1.0);
    let failed = app.metric("service_healthcheck_remote_write_requests_total{result=\"failed\"}");
    assert!(failed.unwrap() >= 1.0);
    let log = app.stop();
    assert!(!log.contains("takes results again"), "{log}");
}

#[test]
fn settings_of_remote_write_are_checked_at_the_start() {
    let launch = Launch::new()
        .with("REMOTE_WRITE_URL", "https://tsdb.example/api/v1/write")
        .with("REMOTE_WRITE_CA_FILE", "missing.pem");
    let (code, output) = launch.run_to_end();
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("REMOTE_WRITE_CA_FILE: invalid value \"missing.pem\""), "{output}");
}
