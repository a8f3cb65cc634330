//! The name servers of the machine: resolv.conf(5), and who is to blame when they fail.

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use serde_json::{Value, json};

use crate::support::machine::Machine;
use crate::support::{Answer, App, NameServer, Target, ensure, retry_while_busy};

/// A name server that knows `web.test` and ten more names, all of 127.0.0.1.
fn name_server(address: &str) -> NameServer {
    let server = NameServer::start_at(address);
    for name in names().chain(["web.test".to_owned()]) {
        server.set_answer(&name, RecordType::A, Answer::address("127.0.0.1"));
    }
    server
}

fn names() -> impl Iterator<Item = String> {
    (0..10).map(|n| format!("{n}.test"))
}

fn url(target: &Target, name: &str) -> String {
    target.url().replace("127.0.0.1", name)
}

#[test]
fn name_servers_that_answer_nothing_are_no_downtime() {
    let Some(machine) = Machine::enter("blame") else { return };
    machine.write_resolv_conf("nameserver 127.0.0.2\n");
    let (server, target) = (name_server("127.0.0.2:53"), Target::healthy());
    let app = machine
        .launch()
        .with("SELF_CHECK_TARGETS", format!("tcp://127.0.0.1:{}", target.port()))
        .with("SELF_CHECK_WINDOW_SECONDS", "1")
        .with("RUNNER_HTTP_TIMEOUT_SECONDS", "1")
        .start();
    let ids: Vec<i64> = names().map(|name| app.add(&name, &url(&target, &name))).collect();
    let refused = app.add("refused", &url(&target, "refused.test"));
    server.set_answer("refused.test", RecordType::A, Answer::Fails(ResponseCode::Refused));
    ids.iter().for_each(|id| _ = app.wait_for_state(*id, "up"));
    app.wait_for_state(refused, "down");
    let local = "service_healthcheck_probes_total{result=\"local\",reason=\"local_resolver\"}";
    assert_eq!(app.metric(local), Some(0.0), "the server works for other names");

    server.fail_all(Some(Answer::Silence));
    app.wait_for_log("no name server of this machine works");
    app.wait_for_metric(local, 30.0);
    assert_eq!(app.metric("service_healthcheck_resolver_failing"), Some(1.0));
    server.fail_all(None);
    app.wait_for_log("the name servers of this machine work again");
    for id in ids {
        app.wait_for_state(id, "up");
        assert!(events(&app, id).iter().all(|event| event["event"] != "downtime"));
    }
    let log = app.log();
    assert_eq!(log.matches("no name server of this machine works").count(), 1, "{log}");
    let of_services = log.lines().filter(|line| line.contains("reason: local_resolver"));
    assert_eq!(of_services.count(), 0, "one warning for all services: {log}");
    let checks = app.metric("service_healthcheck_resolver_checks_total{result=\"failed\"}");
    assert!(checks.is_some_and(|checks| (1.0..10.0).contains(&checks)), "{checks:?}");
}

fn events(app: &App, id: i64) -> Vec<Value> {
    app.get(&format!("/v1/services/{id}/events")).list("events").to_vec()
}

#[test]
fn a_failed_look_up_is_the_targets_fault_only_if_the_servers_answer_others() {
    let Some(machine) = Machine::enter("verdicts") else { return };
    machine.write_resolv_conf("nameserver 127.0.0.2\n");
    let target = Target::healthy();
    let launch = machine.launch();
    let probe = |name: &str| launch.probe_command(&url(&target, name)).timeout(1.0).run();
    probe("web.test").assert_failed("local_resolver", "127.0.0.2: ");

    let server = name_server("127.0.0.2:53");
    probe("web.test").assert_up();
    probe("nowhere.test").assert_failed("dns_no_such_name", "there is no such name");
    server.set_answer("sick.test", RecordType::A, Answer::Fails(ResponseCode::ServFail));
    server.set_answer("sick.test", RecordType::AAAA, Answer::Fails(ResponseCode::ServFail));
    probe("sick.test").assert_failed("dns_server", "the server answered");
    server.set_answer("silent.test", RecordType::A, Answer::Silence);
    server.set_answer("silent.test", RecordType::AAAA, Answer::Silence);
    probe("silent.test").assert_failed("dns_timeout", "still looking up the name");
    for code in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::FormErr] {
        server.fail_all(Some(Answer::Fails(code)));
        probe("web.test").assert_failed("local_resolver", &format!("127.0.0.2: {code}"));
    }
    server.fail_all(Some(Answer::Silence));
    probe("web.test").assert_failed("local_resolver", "127.0.0.2: no answer");
    let own = json!({"resolver": "udp://127.0.0.2:53"});
    let probed = launch.probe_command(&url(&target, "web.test")).timeout(1.0).options(own).run();
    probed.assert_failed("dns_timeout", "still looking up the name");
}

#[test]
fn a_dead_first_server_costs_one_short_timeout() {
    let Some(machine) = Machine::enter("order") else { return };
    machine.write_resolv_conf("nameserver 127.0.0.2\nnameserver 127.0.0.3\n");
    let (second, target) = (name_server("127.0.0.3:53"), Target::healthy());
    let launch = machine.launch();
    let is_fast = |limit_ms: f64| {
        retry_while_busy(|| {
            let report = launch.probe_command(&url(&target, "web.test")).timeout(2.0).run();
            let is_fast = report.is_up() && report.response_time_ms() < limit_ms;
            ensure(is_fast, || format!("{report:?}"))
        });
    };
    // Its port is closed, which the kernel reports at once.
    is_fast(600.0);
    let first = name_server("127.0.0.2:53");
    first.fail_all(Some(Answer::Fails(ResponseCode::ServFail)));
    is_fast(600.0);
    first.fail_all(Some(Answer::Silence));
    is_fast(1_500.0);

    // From then on, the second server is preferred, by each thread for itself.
    let app = launch.with("RUNNER_HTTP_TIMEOUT_SECONDS", "4").start();
    let id = app.add("named", &url(&target, "web.test"));
    app.wait_for_ticks(id, 20);
    let (silent, answered) = (first.total_query_count(), second.total_query_count());
    app.wait_for_ticks(id, 40);
    let (silent, answered) =
        (first.total_query_count() - silent, second.total_query_count() - answered);
    assert!(answered >= 20 && silent * 2 < answered, "{silent} silent, {answered} answered");
    assert_eq!(app.service(id)["metric"]["data"]["down_count"], 0);
}

#[test]
fn hosts_file_and_localhost_need_no_name_server() {
    let Some(machine) = Machine::enter("hosts") else { return };
    let (target, launch) = (Target::healthy(), machine.launch());
    let probe = |name: &str| launch.probe_command(&url(&target, name)).timeout(2.0).run();
    for resolv_conf in [None, Some("# no network yet\n"), Some("nameserver 127.0.0.2\n")] {
        if let Some(text) = resolv_conf {
            machine.write_resolv_conf(text);
        }
        machine.write_hosts("127.0.0.1 named.test with_underscore\n");
        for name in ["named.test", "with_underscore", "localhost", "a.localhost"] {
            probe(name).assert_up();
        }
        probe("other.test").assert_failed("local_resolver", "no name server of this machine works");
    }
    // Without a `nameserver` line, the server is 127.0.0.1.
    let _server = name_server("127.0.0.1:53");
    machine.write_resolv_conf("search test\noptions ndots:1\n");
    probe("web.test").assert_up();
    probe("web").assert_up();
}

#[test]
fn changed_files_apply_to_the_next_probes() {
    let Some(machine) = Machine::enter("reload") else { return };
    let (_server, target) = (name_server("127.0.0.2:53"), Target::healthy());
    machine.write_resolv_conf("nameserver 127.0.0.3\n");
    let app = machine.launch().with("RUNNER_HTTP_TIMEOUT_SECONDS", "1").start();
    let local = "service_healthcheck_probes_total{result=\"local\",reason=\"local_resolver\"}";
    let id = app.add("named", &url(&target, "web.test"));
    app.wait_for_metric(local, 1.0);
    machine.write_resolv_conf("nameserver 127.0.0.2\n");
    app.wait_for_state(id, "up");
    let other = app.add("other", &url(&target, "other.test"));
    app.wait_for_state(other, "down");
    machine.write_hosts("127.0.0.1 other.test\n");
    app.wait_for_state(other, "up");
}
