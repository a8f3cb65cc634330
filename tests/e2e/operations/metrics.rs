//! `/metrics` as a scraper sees it.

use serde_json::json;

use crate::support::prometheus::{Prometheus, check_metrics};
use crate::support::{Behaviour, Launch, Store, Target, stores, wait_for};

stores!(every_documented_metric_is_exposed, every_probe_is_recorded,);

fn every_documented_metric_is_exposed(store: Store) {
    let app = Launch::on(store).start();
    let (healthy, sick) = (Target::healthy(), Target::start(Behaviour::Status(500)));
    let up = app.add_with(&json!({"name": "say \"hi\" \\", "url": healthy.url(), "group": "core"}));
    let down = app.add("sick", &sick.url());
    let gone = app.add("gone", "http://127.0.0.1:1/");
    for id in [up, down, gone] {
        app.wait_for_ticks(id, 2);
    }
    let reply = app.get("/metrics");
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for expected in [
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
        "process_start_time_seconds ",
        "service_healthcheck_probes_total{result=\"up\",reason=\"\"} ",
        "service_healthcheck_probes_total{result=\"down\",reason=\"status\"} ",
        "service_healthcheck_probes_total{result=\"down\",reason=\"refused\"} ",
        "service_healthcheck_response_time_seconds_bucket{le=\"",
        "service_healthcheck_slots 16",
        "service_healthcheck_slots_busy ",
        "service_healthcheck_slots_waiting ",
        "service_healthcheck_probes_missed_total{reason=\"late\"} ",
        "service_healthcheck_schedule_lateness_seconds_count ",
        "service_healthcheck_commit_size_sum ",
        "service_healthcheck_commit_duration_seconds_count ",
        "probe_success{service_id=\"1\",name=\"say \\\"hi\\\" \\\\\",group=\"core\"} 1",
        "probe_success{service_id=\"2\",name=\"sick\",group=\"\"} 0",
        "probe_duration_seconds{service_id=\"1\"",
        "probe_http_status_code{service_id=\"2\",name=\"sick\",group=\"\"} 500",
        "probe_http_status_code{service_id=\"3\",name=\"gone\",group=\"\"} 0",
    ] {
        assert!(reply.text.contains(expected), "{expected} in:\n{}", reply.text);
    }

    app.delete(&format!("/v1/services/{gone}"));
    app.send("PATCH", &format!("/v1/services/{down}"), &json!({"enabled": false}));
    app.wait_for_ticks(up, 8);
    let text = app.get("/metrics").text;
    assert!(text.contains("service_id=\"1\"") && !text.contains("service_id=\"2\""), "{text}");
    assert!(!text.contains("service_id=\"3\""), "{text}");
    assert!(text.contains("service_healthcheck_services 1\n"), "{text}");
}

fn every_probe_is_recorded(store: Store) {
    let app = Launch::on(store).start();
    let target = Target::healthy();
    for name in 0..10 {
        app.add(&name.to_string(), &target.url());
    }
    app.wait_for_metric("service_healthcheck_outcomes_total{result=\"recorded\"}", 50.0);
    let (hits, db) = (target.request_count(), app.db());
    app.stop();
    let recorded = db.number("SELECT count(*) FROM service_ticks");
    assert!(
        recorded >= hits as i64 && recorded == target.request_count() as i64,
        "{recorded} of {hits}"
    );
}

#[test]
fn prometheus_scrapes_the_monitor_and_its_linter_finds_nothing() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let id = app.add("one", &target.url());
    app.wait_for_ticks(id, 2);
    check_metrics(&app.get("/metrics").text);
    let prometheus = Prometheus::scraping(&format!(
        "scrape_configs:\n- job_name: monitor\n  scrape_interval: 1s\n  static_configs:\n  - \
         targets: ['{}']\n",
        app.address()
    ));
    for query in ["probe_success{name=\"one\"}", "service_healthcheck_services", "up"] {
        let found = wait_for(query, || {
            let data = prometheus.query("query", &[("query", query)]).unwrap();
            data["result"][0]["value"][1].as_str().map(str::to_owned)
        });
        assert_eq!(found, "1", "{query}");
    }
}
