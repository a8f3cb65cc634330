//! The same modules, the same targets: blackbox_exporter, this program, and Prometheus, which
//! scrapes it.

use std::collections::BTreeSet;
use std::time::Duration;

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use serde_json::{Value, json};

use super::{is_up, path, probe, value, with_modules};
use crate::support::prometheus::{Prometheus, check_metrics};
use crate::support::wire::read_until;
use crate::support::{
    Answer, Authority, Behaviour, Blackbox, GrpcHealth, Launch, MailServer, NameServer, Peer,
    Shape, Target, TlsServer, smtp_greeting, wait_for,
};

/// Families of blackbox_exporter that a probe does not measure; the documentation lists them.
const LEFT_OUT: [&str; 12] = [
    "probe_dns_additional_rrs",
    "probe_dns_answer_rrs",
    "probe_dns_authority_rrs",
    "probe_dns_query_succeeded",
    "probe_grpc_healthcheck_response",
    "probe_grpc_status_code",
    "probe_http_content_length",
    "probe_http_last_modified_timestamp_seconds",
    "probe_http_uncompressed_body_length",
    "probe_icmp_reply_hop_limit",
    "probe_ip_addr_hash",
    "probe_ssl_last_chain_info",
];

/// Values that must be equal where both have them.
const SAME: [&str; 8] = [
    "probe_success",
    "probe_ip_protocol",
    "probe_http_status_code",
    "probe_http_redirects",
    "probe_http_ssl",
    "probe_http_version",
    "probe_failed_due_to_regex",
    "probe_ssl_earliest_cert_expiry",
];

fn module(prober: &str, mut options: Value) -> Value {
    options["preferred_ip_protocol"] = json!("ip4");
    json!({"prober": prober, "timeout": "3s", prober: options})
}

fn modules(authority: &Authority) -> Value {
    let tls = json!({"ca_file": authority.file()});
    let header = |regexp: &str| json!([{"header": "X-Node", "regexp": regexp}]);
    let starttls = json!([
        {"expect": "^220 "}, {"send": "EHLO prober\r"}, {"expect": "^250[ -]STARTTLS"},
        {"send": "STARTTLS\r"}, {"expect": "^220 "}, {"starttls": true},
    ]);
    let banner = json!([{"expect": "^220 .*ESMTP"}, {"send": "QUIT\r"}]);
    let irc = json!([
        {"send": "NICK prober"}, {"send": "USER prober prober prober :prober"},
        {"expect": "PING :([^ ]+)", "send": "PONG ${1}"}, {"expect": "^:[^ ]+ 001"},
    ]);
    let question = |name: &str| json!({"query_name": name, "query_type": "A"});
    let mut nowhere = question("nowhere.example");
    nowhere["valid_rcodes"] = json!(["NOERROR", "NXDOMAIN"]);
    let mut over_tcp = question("web.example");
    over_tcp["transport_protocol"] = json!("tcp");
    over_tcp["recursion_desired"] = json!(false);
    json!({
        "http_2xx": module("http", json!({"tls_config": tls})),
        "below_400": module("http", json!({
            "valid_status_codes": (200..400).collect::<Vec<u16>>(), "follow_redirects": false,
        })),
        "post": module("http", json!({"method": "POST", "body": "costs $5"})),
        "matches": module("http", json!({"fail_if_body_not_matches_regexp": ["^read[xy]$", "dy"]})),
        "lacks": module("http", json!({"fail_if_body_matches_regexp": ["nothing", "rea."]})),
        "node_a": module("http", json!({"fail_if_header_not_matches": header("^a$")})),
        "not_node_a": module("http", json!({"fail_if_header_matches": header("^a$")})),
        "only_tls": module("http", json!({"fail_if_not_ssl": true, "tls_config": tls})),
        "no_tls": module("http", json!({"fail_if_ssl": true, "tls_config": tls})),
        "tcp": module("tcp", json!({})),
        "banner": module("tcp", json!({"query_response": banner})),
        "pong": module("tcp", json!({"query_response": [{"send": "PING\r"}, {"expect": "PONG"}]})),
        "irc": module("tcp", json!({"query_response": irc})),
        "tls": module("tcp", json!({"tls": true, "tls_config": tls})),
        "starttls": module("tcp", json!({"query_response": starttls, "tls_config": tls})),
        "dns": module("dns", question("web.example")),
        "sick": module("dns", question("sick.example")),
        "nowhere": module("dns", nowhere),
        "over_tcp": module("dns", over_tcp),
        "icmp": module("icmp", json!({})),
        "ttl": module("icmp", json!({"ttl": 5})),
        "grpc": module("grpc", json!({})),
        "grpc_bad": module("grpc", json!({"service": "bad"})),
        "grpc_tls": module("grpc", json!({"tls": true, "tls_config": tls})),
    })
}

fn raw(head: &str, body: &str) -> Target {
    let length = body.len();
    let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}");
    Target::start(Behaviour::Raw(answer.into_bytes()))
}

fn families(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(['{', ' ']).next().unwrap()).collect()
}

#[test]
fn verdicts_and_families_are_those_of_the_exporter() {
    let authority = Authority::new();
    let modules = modules(&authority);
    let exporter = Blackbox::start(&modules);
    let app = with_modules(&modules).start();

    let healthy = Target::healthy();
    let (sick, missing) = (Target::start(Behaviour::Status(503)), raw("404 Not Found", "no"));
    let hops = Target::start(Behaviour::Hops);
    let moved = Target::start(Behaviour::RedirectTo(sick.url()));
    let node = raw("200 OK\r\nx-node: a", "ready");
    let (good, expired) =
        (authority.serve_shape(Shape::Good), authority.serve_shape(Shape::Expired));
    let mail = Peer::tcp(smtp_greeting);
    let refusing = Peer::tcp(|stream| {
        // Data that is not read would reset the connection.
        let _ = stream.read(&mut [0; 64])?;
        stream.write_all(b"-ERR\r\n")
    });
    let irc = |welcome: &'static str| {
        Peer::tcp(move |stream| {
            read_until(stream, b":prober\n")?;
            stream.write_all(b"NOTICE * :wait\r\nPING :a-token\r\n")?;
            let is_pong = read_until(stream, b"\n")? == "PONG a-token\n";
            let numeral = if is_pong { welcome } else { "451" };
            stream.write_all(format!(":irc.example {numeral} prober :Hello\r\n").as_bytes())
        })
    };
    let (irc, full) = (irc("001"), irc("465"));
    let terms = || TlsServer::new(authority.certify("127.0.0.1", Shape::Good));
    let upgrades = MailServer::Good.serve(terms().config());
    let names = NameServer::start();
    names.set_answer("web.example", RecordType::A, Answer::address("192.0.2.1"));
    names.set_answer("sick.example", RecordType::A, Answer::Fails(ResponseCode::ServFail));
    names.set_answer("nowhere.example", RecordType::A, Answer::Fails(ResponseCode::NXDomain));
    let grpc = GrpcHealth::plain();
    let grpc_tls = GrpcHealth::secured(terms().with_alpn("h2").config());
    let bare = |url: String| url.split_once("://").unwrap().1.to_owned();

    for (module, target, expected) in [
        ("http_2xx", healthy.url(), true),
        ("http_2xx", bare(healthy.url()), true),
        ("http_2xx", missing.url(), false),
        ("http_2xx", hops.at("/hops/3"), true),
        ("http_2xx", moved.url(), false),
        ("http_2xx", "http://127.0.0.1:1/".to_owned(), false),
        ("http_2xx", good.url("https"), true),
        ("http_2xx", expired.url("https"), false),
        ("below_400", moved.url(), true),
        ("below_400", sick.url(), false),
        ("post", node.url(), true),
        ("matches", node.url(), true),
        ("lacks", node.url(), false),
        ("lacks", healthy.url(), true),
        ("node_a", node.url(), true),
        ("node_a", healthy.url(), false),
        ("not_node_a", node.url(), false),
        ("not_node_a", healthy.url(), false),
        ("only_tls", good.url("https"), true),
        ("only_tls", healthy.url(), false),
        ("no_tls", good.url("https"), false),
        ("no_tls", healthy.url(), true),
        ("tcp", bare(mail.url("tcp")), true),
        ("tcp", "127.0.0.1:1".to_owned(), false),
        ("banner", bare(mail.url("tcp")), true),
        ("pong", bare(refusing.url("tcp")), false),
        ("irc", bare(irc.url("tcp")), true),
        ("irc", bare(full.url("tcp")), false),
        ("tls", bare(good.url("tls")), true),
        ("tls", bare(expired.url("tls")), false),
        ("starttls", bare(upgrades.url("starttls")), true),
        ("dns", names.address(), true),
        ("sick", names.address(), false),
        ("nowhere", names.address(), true),
        ("over_tcp", names.address(), true),
        ("icmp", "127.0.0.1".to_owned(), true),
        ("ttl", "127.0.0.1".to_owned(), true),
        ("grpc", bare(grpc.url("grpc")), true),
        ("grpc_bad", bare(grpc.url("grpc")), false),
        ("grpc_tls", bare(grpc_tls.url("grpcs")), true),
    ] {
        let what = format!("{module} {target}");
        let target = target.trim_end_matches('/').to_owned();
        let theirs = exporter.probe_text(module, &target);
        let ours = probe(&app, &[("module", module), ("target", &target)]);
        assert_eq!(ours.status, 200, "{what}: {ours:?}");
        let verdicts = [&ours.text, &theirs].map(|text| value(text, "probe_success"));
        let both = format!("{what}:\n{}\n{theirs}", ours.text);
        assert_eq!(verdicts, [Some(f64::from(u8::from(expected))); 2], "{both}");
        let mut known = families(&theirs);
        known.retain(|family| !LEFT_OUT.contains(family));
        assert_eq!(families(&ours.text), known, "{both}");
        for name in SAME {
            if (module, name) == ("below_400", "probe_http_redirects") {
                // The exporter counts the redirect that it does not follow.
                continue;
            }
            assert_eq!(value(&ours.text, name), value(&theirs, name), "{name} of {both}");
        }
        check_metrics(&ours.text);
    }
    assert_eq!(node.last_body(), "", "the newest request was a GET");
    assert!(node.bodies().contains(&"costs $5".to_owned()));
    let docs = include_str!("../../../docs/blackbox.md");
    for family in LEFT_OUT {
        assert!(docs.contains(&format!("`{family}`")), "{family}");
    }
}

#[test]
fn the_file_of_the_package_is_taken_as_it_is() {
    let launch = Launch::new()
        .with("MODULES_FILE", "/etc/prometheus/blackbox.yml")
        .with("PROBE_ALLOW_NETWORKS", "127.0.0.0/8");
    let app = launch.start();
    let ssh = Peer::tcp(|stream| stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n"));
    let ssh_address = ssh.url("tcp").replace("tcp://", "");
    let healthy = Target::healthy();
    assert!(is_up(&app, "http_2xx", &healthy.url()));
    assert!(is_up(&app, "ssh_banner", &ssh_address));
    assert!(is_up(&app, "icmp_ttl5", "127.0.0.1"));
    assert!(!is_up(&app, "irc_banner", &ssh_address));
}

#[test]
fn prometheus_scrapes_with_the_usual_relabelling() {
    let app = with_modules(&json!({"http_2xx": {"prober": "http"}})).start();
    let (healthy, sick) = (Target::healthy(), Target::start(Behaviour::Status(503)));
    let config = format!(
        "scrape_configs:\n- job_name: blackbox\n  metrics_path: /probe\n  scrape_interval: 1s\n  \
         params: {{module: [http_2xx]}}\n  static_configs:\n  - targets: ['{}', '{}']\n  \
         relabel_configs:\n  - source_labels: [__address__]\n    target_label: __param_target\n  \
         - source_labels: [__param_target]\n    target_label: instance\n  \
         - target_label: __address__\n    replacement: '{}'\n",
        healthy.url(),
        sick.url(),
        app.address()
    );
    let prometheus = Prometheus::scraping(&config);
    for (target, expected) in [(&healthy, "1"), (&sick, "0")] {
        let query = format!("probe_success{{job=\"blackbox\",instance=\"{}\"}}", target.url());
        let found = wait_for(&query, || {
            let data = prometheus.query("query", &[("query", &query)]).unwrap();
            data["result"][0]["value"][1].as_str().map(str::to_owned)
        });
        assert_eq!(found, expected);
    }
    assert!(app.get("/v1/services").list("services").is_empty(), "no service, no tick");
    assert_eq!(app.metric("probe_success"), None);
}

#[test]
fn the_time_of_the_scrape_bounds_the_probe() {
    let app = with_modules(&json!({"http_2xx": {"prober": "http", "timeout": "1h"}})).start();
    let hung = Target::start(Behaviour::Hung);
    let target = hung.url();
    let header = [("X-Prometheus-Scrape-Timeout-Seconds", "1.25")];
    let path = path(&[("target", &target), ("debug", "true")]);
    let reply = app.request("GET", &path, &header, "");
    assert_eq!((reply.status, value(&reply.text, "probe_success")), (200, Some(0.0)), "{reply:?}");
    assert!(reply.text.contains("no complete response within 750ms"), "{}", reply.text);
    let took = value(&reply.text, "probe_duration_seconds").unwrap();
    assert!(took >= Duration::from_millis(750).as_secs_f64(), "{took}");
    assert!(!is_up(&app, "http_2xx", "http://127.0.0.1:1/"), "others are not hung");
}
