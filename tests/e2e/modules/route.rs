//! Who may probe which target by `GET /probe`, and which requests are refused.

use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{is_up, path, probe, value, with_modules};
use crate::support::{
    Behaviour, Launch, Peer, Target, has_line, wait_until, websocket_echo, websocket_that_closes,
};

const API_TOKEN: &str = "0123456789abcdef-api";

#[test]
fn a_request_without_target_or_with_an_unknown_module_is_refused() {
    let target = Target::healthy();
    let off = Launch::new().start();
    assert_eq!(probe(&off, &[("target", &target.url())]).status, 404, "without MODULES_FILE");

    let app = with_modules(&json!({
        "http_2xx": {"prober": "http"},
        "fixed": {"prober": "http", "http": {"headers": {"Host": "a"}}},
    }));
    let app = app.start();
    let url = target.url();
    assert!(is_up(&app, "http_2xx", &url));
    let by_default = probe(&app, &[("target", &url), ("other", "ignored")]);
    assert_eq!(by_default.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(value(&by_default.text, "probe_success"), Some(1.0), "{by_default:?}");
    for (parameters, error) in [
        (&[("module", "http_2xx")][..], "target: required"),
        (&[("target", "")][..], "target: required"),
        (
            &[("target", "a"), ("module", "nope")][..],
            "module: invalid value \"nope\", expected a module of MODULES_FILE",
        ),
        (
            &[("target", "a"), ("module", "fixed"), ("hostname", "b")][..],
            "hostname: invalid value \"b\" (it has \"a\"), expected the header Host of the module",
        ),
    ] {
        let reply = probe(&app, parameters);
        assert_eq!((reply.status, reply.errors().as_str()), (400, error), "{reply:?}");
    }
    let header = [("X-Prometheus-Scrape-Timeout-Seconds", "soon")];
    let reply = app.request("GET", &path(&[("target", &url)]), &header, "");
    assert_eq!(reply.status, 400, "{reply:?}");
    for unusable in ["http://[", "a b"] {
        assert!(!is_up(&app, "http_2xx", unusable), "{unusable}");
    }
    let named = probe(&app, &[("target", &url), ("hostname", "named.example")]);
    assert_eq!(value(&named.text, "probe_success"), Some(1.0));
    assert!(has_line(&target.last_head(), "Host: named.example"), "{}", target.last_head());
}

#[test]
fn this_machine_is_no_target_unless_it_is_allowed_on_every_hop() {
    let there = Target::healthy();
    let here = Target::start_at("127.0.0.2", Behaviour::RedirectTo(there.url()));
    let via = format!("http://127.0.0.2:{}/", here.port());
    let launch = with_modules(&json!({"http_2xx": {"prober": "http"}}));
    let detail = |launch: &Launch, target: &str| {
        let app = launch.start();
        let reply = probe(&app, &[("target", target), ("debug", "true")]);
        assert_eq!(value(&reply.text, "probe_success"), Some(0.0), "{reply:?}");
        reply.text.lines().next().unwrap().to_owned()
    };
    let closed = launch.clone().with("PROBE_ALLOW_NETWORKS", "");
    let own = "is an address of this machine, and not in PROBE_ALLOW_NETWORKS";
    for target in [there.url(), format!("http://0.0.0.0:{}/", there.port())] {
        let found = detail(&closed, &target);
        assert!(found.contains("address_blocked") && found.contains(own), "{found}");
    }
    assert_eq!(there.request_count(), 0);
    // The services of the operator are not bound by this.
    let app = closed.start();
    let id = app.add("own", &there.url());
    app.wait_for_state(id, "up");
    app.stop();

    let first_hop = launch.clone().with("PROBE_ALLOW_NETWORKS", "127.0.0.2");
    let found = detail(&first_hop, &via);
    assert!(found.contains(&format!("127.0.0.1 {own}")), "{found}");
    assert_eq!(here.request_count(), 1, "the first hop was allowed");

    let narrowed = launch.clone().with("MODULES_TARGETS", "127.0.0.1, *.example.org");
    let found = detail(&narrowed, &via);
    assert!(found.contains("127.0.0.2 is no target of MODULES_TARGETS"), "{found}");
    assert!(is_up(&narrowed.start(), "http_2xx", &there.url()));
    assert!(is_up(&launch.start(), "http_2xx", &via));
}

#[test]
fn a_message_of_a_websocket_must_match() {
    let (echo, closing) = (Peer::tcp(websocket_echo), Peer::tcp(websocket_that_closes));
    let module =
        |dialogue: Value| json!({"prober": "websocket", "websocket": {"query_response": dialogue}});
    let app = with_modules(&json!({
        "echo": module(json!([
            {"send": "one"}, {"expect": "^(on)e$", "send": "${1}ce"}, {"expect": "^once$"},
        ])),
        "other": module(json!([{"send": "one"}, {"expect": "^two$"}])),
    }));
    let app = app.start();
    assert!(is_up(&app, "echo", &echo.url("ws")));
    assert!(!is_up(&app, "echo", &closing.url("ws")));
    let debug = [("module", "other"), ("target", &closing.url("ws")), ("debug", "true")];
    let text = probe(&app, &debug).text;
    assert!(text.contains("condition: closed by the peer before a message"), "{text}");
}

#[test]
fn a_page_of_another_site_starts_no_probe() {
    let target = Target::healthy();
    let app = with_modules(&json!({"http_2xx": {"prober": "http"}})).start();
    let path = path(&[("target", &target.url())]);
    for header in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        assert_eq!(app.request("GET", &path, &[header], "").status, 403, "{header:?}");
    }
    assert_eq!(app.request("GET", &path, &[("host", "evil.example")], "").status, 421);
    assert_eq!(target.request_count(), 0);
}

#[test]
fn on_a_network_a_probe_takes_the_scope_and_its_detail_an_admin() {
    let target = Target::healthy();
    let app = with_modules(&json!({
        "http_2xx": {"prober": "http", "http": {
            "basic_auth": {"username": "u", "password": "s3cret"},
        }},
    }));
    let app = app.with("API_HOST", "0.0.0.0").with("API_READ", "open").with("API_TOKEN", API_TOKEN);
    let app = app.start();
    let send = |parameters: &[(&str, &str)], token: Option<&str>| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers = bearer.iter().map(|bearer| ("authorization", bearer.as_str()));
        let headers: Vec<(&str, &str)> = headers.chain([("host", "localhost")]).collect();
        app.request("GET", &path(parameters), &headers, "")
    };
    let created = |scopes: &[&str]| {
        let body = json!({"name": scopes.join("-"), "scopes": scopes}).to_string();
        let bearer = format!("Bearer {API_TOKEN}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("host", "localhost"),
        ];
        let reply = app.request("POST", "/v1/tokens", &headers, &body);
        reply.body["data"]["token"]["data"]["text"].as_str().unwrap().to_owned()
    };
    let url = target.url();
    let plain = [("target", url.as_str())];
    let debug = [("target", url.as_str()), ("debug", "true")];
    assert_eq!(send(&plain, None).status, 401, "reads are open, probes are not");
    let read = created(&["read"]);
    assert_eq!(send(&plain, Some(&read)).status, 403);
    assert_eq!(target.request_count(), 0);
    let scoped = created(&["probe"]);
    assert_eq!(value(&send(&plain, Some(&scoped)).text, "probe_success"), Some(1.0));
    assert_eq!(send(&debug, Some(&scoped)).status, 403);
    let detail = send(&debug, Some(API_TOKEN));
    assert_eq!(detail.status, 200, "{detail:?}");
    for part in ["Probe succeeded", "probe_success 1", "\"accept_status\"", "\"u\""] {
        assert!(detail.text.contains(part), "{part}: {}", detail.text);
    }
    assert!(!detail.text.contains("s3cret"), "{}", detail.text);
}

#[test]
fn such_probes_take_a_quarter_of_the_pool() {
    let (hung, healthy) = (Target::start(Behaviour::Hung), Target::healthy());
    let modules = json!({"http_2xx": {"prober": "http", "timeout": "1m"}});
    let app = with_modules(&modules).with("RUNNER_POOL_SIZE", 4).start();
    let (url, healthy) = (hung.url(), healthy.url());
    thread::scope(|scope| {
        let request = scope.spawn(|| {
            let header = [("X-Prometheus-Scrape-Timeout-Seconds", "20")];
            app.request("GET", &path(&[("target", &url)]), &header, "").status
        });
        wait_until("the first probe", || hung.request_count() == 1);
        let refused = probe(&app, &[("target", &healthy)]);
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(refused.errors().contains("a quarter of RUNNER_POOL_SIZE"), "{refused:?}");
        let id = app.add("service", &healthy);
        app.wait_for_state(id, "up");
        drop(hung);
        assert_eq!(request.join().unwrap(), 200);
    });
    assert!(is_up(&app, "http_2xx", &healthy), "the place is free again");
}

#[test]
fn a_changed_file_is_applied_and_an_invalid_one_changes_nothing() {
    let target = Target::healthy();
    let launch = with_modules(&json!({"http_2xx": {"prober": "http"}}));
    let app = launch.start();
    let url = target.url();
    let status = |module: &str| probe(&app, &[("target", &url), ("module", module)]).status;
    assert_eq!((status("http_2xx"), status("later")), (200, 400));
    launch.write_file("blackbox.yml", "modules:\n  later:\n    prober: http\n");
    wait_until("the new file", || status("later") == 200);
    assert_eq!(status("http_2xx"), 400);
    let invalid = "modules:\n  a:\n    prober: http\n    http:\n      proxy_url: http://p:1\n";
    launch.write_file("blackbox.yml", invalid);
    app.signal(Signal::HUP);
    app.wait_for_log("modules file not applied; nothing was changed");
    assert!(app.log().contains("blackbox.yml:5: modules.a.http.proxy_url: not supported"));
    assert_eq!(status("later"), 200);
    app.stop();
    let (code, output) = launch.run_to_end();
    let problem = "MODULES_FILE: blackbox.yml:5: modules.a.http.proxy_url: not supported";
    assert!(code == Some(2) && output.contains(problem), "{code:?} {output}");
}
