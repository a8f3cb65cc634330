//! `[DOMAIN_EXPIRATION]`: domains are looked up at local registries, over real sockets.

use std::time::Duration;

use hickory_resolver::proto::rr::RecordType;
use serde_json::{Value, json};

use crate::support::{
    Answer, App, Authority, Launch, NameServer, RdapAnswer, RegistryServer, Shape, Target,
    TlsServer, bootstrap, ensure, retry_while_busy, wait_for, wait_until,
};

/// 2035-01-01T00:00:00Z
const EXPIRES_AT: i64 = 2_051_222_400;
const EXPIRES: RdapAnswer = RdapAnswer::Expires("2035-01-01T00:00:00Z");
const VALID: &str = "[DOMAIN_EXPIRATION] > 720h";

/// A healthy target, and a name server that leads names to it.
struct Site {
    target: Target,
    names: NameServer,
}

impl Site {
    fn new(names: &[&str]) -> Self {
        let site = Self { target: Target::healthy(), names: NameServer::start() };
        for name in names {
            site.names.set_answer(name, RecordType::A, Answer::address("127.0.0.1"));
        }
        site
    }

    fn url(&self, name: &str) -> String {
        self.target.url().replace("127.0.0.1", name)
    }

    fn service(&self, name: &str, conditions: &[&str]) -> Value {
        json!({
            "name": format!("{name} {}", conditions.join(" ")),
            "url": self.url(name),
            "resolver": self.names.resolver_url(),
            "conditions": conditions,
            // A service that cannot be judged is unknown after its timeout.
            "timeout_seconds": 4,
        })
    }
}

/// The result of a probe on demand; `None` while another probe of the service runs.
fn probe_now(app: &App, id: i64) -> Option<Value> {
    let reply = app.send("POST", &format!("/v1/services/{id}/probe"), &Value::Null);
    (reply.status == 200).then(|| reply.body["data"]["probe"]["data"].clone())
}

#[test]
fn a_domain_is_looked_up_once_for_all_its_services() {
    let site = Site::new(&["status.example.co.uk", "www.example.co.uk"]);
    let registry = RegistryServer::rdap(EXPIRES);
    let app = Launch::new().with_registries(&[("uk", registry.base("http"))]).start();
    let up = [
        app.add_with(&site.service("status.example.co.uk", &[VALID])),
        app.add_with(&site.service("www.example.co.uk", &["[STATUS] == 200", VALID])),
    ];
    let short = app.add_with(&site.service("www.example.co.uk", &["[DOMAIN_EXPIRATION] < 24h"]));
    for id in up {
        app.wait_for_state(id, "up");
        app.wait_for_ticks(id, 3);
    }
    let down = app.wait_for_state(short, "down");
    assert_eq!(down["current_status"]["failure"]["reason"], "condition", "{down}");
    let requests = registry.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].starts_with("GET /rdap/domain/example.co.uk HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[0].contains("application/rdap+json"), "{requests:?}");

    let probe = wait_for("a probe on demand", || probe_now(&app, up[0]));
    assert_eq!(probe["domain_expires_at"], EXPIRES_AT);
    let gauge = format!("probe_domain_expiry_timestamp_seconds{{service_id=\"{}\"", up[0]);
    assert_eq!(app.metric(&gauge), Some(EXPIRES_AT as f64));
    let counter = "service_healthcheck_domain_lookups_total{protocol=\"rdap\",result=\"answered\"}";
    assert_eq!(app.metric(counter), Some(1.0));
}

#[test]
fn a_registry_that_fails_makes_no_target_down() {
    let site = Site::new(&["a.example.org"]);
    let registry = RegistryServer::rdap(RdapAnswer::Status(500, ""));
    let app = Launch::new().with_registries(&[("org", registry.base("http"))]).start();
    let id = app.add_with(&site.service("a.example.org", &["[STATUS] == 200", VALID]));
    let sick = app.add_with(&site.service("a.example.org", &["[STATUS] == 503", VALID]));
    let unknown = app.wait_for_state(id, "unknown");
    let failure = &unknown["current_status"]["failure"];
    assert_eq!(failure["reason"], "local_registry");
    let detail = failure["detail"].as_str().unwrap();
    assert!(detail.starts_with("the expiry of example.org is not known: "), "{detail}");
    let down = app.wait_for_state(sick, "down");
    assert_eq!(down["current_status"]["failure"]["detail"], "[STATUS] (200) == 503");
    assert_eq!(registry.requests().len(), 1, "a failure is remembered");
    assert_eq!(app.service(id)["metric"]["data"], Value::Null, "no tick");
}

#[test]
fn a_server_that_limits_requests_is_left_alone() {
    let site = Site::new(&["a.example.org", "b.example.com"]);
    let registry = RegistryServer::rdap(RdapAnswer::Status(429, "retry-after: 3600\r\n"));
    let servers = [("org", registry.base("http")), ("com", registry.base("http"))];
    let app = Launch::new().with_registries(&servers).start();
    let failure_of = |name: &str| {
        let id = app.add_with(&site.service(name, &[VALID]));
        wait_for("the answer of the registry", || {
            let failure = probe_now(&app, id)?["failure"].clone();
            let detail = failure["detail"].as_str()?.to_owned();
            let is_answer = failure["reason"] == "local_registry" && !detail.contains("not ended");
            is_answer.then_some(detail)
        })
    };
    let first = failure_of("a.example.org");
    assert!(first.ends_with("status 429"), "{first}");
    let second = failure_of("b.example.com");
    assert!(second.ends_with("the server limits the number of requests"), "{second}");
    assert_eq!(registry.requests().len(), 1);
    let gauge = "service_healthcheck_services_unobserved{reason=\"local_registry\"}";
    app.wait_for_metric(gauge, 2.0);
    assert_eq!(app.get("/v1/_internal/ready").status, 200, "no fault of the program");
}

#[test]
fn a_slow_registry_is_no_part_of_the_response_time() {
    const DELAY: Duration = Duration::from_secs(2);
    let site = Site::new(&["a.example.org"]);
    let answer = RdapAnswer::After(DELAY, "2035-01-01T00:00:00Z");
    let slow = RegistryServer::rdap(answer);
    let launch = Launch::new().with_registries(&[("org", slow.base("http"))]);
    let probe = |launch: &Launch, timeout| {
        let command = launch.probe_command(&site.url("a.example.org")).condition(VALID);
        command.options(json!({"resolver": site.names.resolver_url()})).timeout(timeout).run()
    };
    retry_while_busy(|| {
        let waited = probe(&launch, 20.0);
        waited.assert_up();
        ensure(waited.response_time_ms() < DELAY.as_secs_f64() * 1e3, || format!("{waited:?}"))
    });
    let silent = RegistryServer::rdap(RdapAnswer::Silence);
    let launch = launch.with_registries(&[("org", silent.base("http"))]);
    let unknown = probe(&launch, 1.5);
    unknown.assert_failed("local_registry", "example.org is not known: its first look-up has not");
}

#[test]
fn whois_is_asked_where_a_registry_has_no_rdap_server() {
    let site = Site::new(&["a.example.org", "b.example.org"]);
    let registry = RegistryServer::whois(
        "Domain Name: EXAMPLE.ORG\r\nRegistry Expiry Date: 2035-01-01T00:00:00Z\r\n".to_owned(),
    );
    let root = RegistryServer::whois(format!("% IANA\n\nrefer:  {}\n", registry.address()));
    let elsewhere = RegistryServer::rdap(EXPIRES);
    let app = Launch::new()
        .with_registries(&[("uk", elsewhere.base("http"))])
        .with("WHOIS_SERVER", root.address())
        .start();
    for name in ["a.example.org", "b.example.org"] {
        let id = app.add_with(&site.service(name, &[VALID]));
        app.wait_for_state(id, "up");
    }
    assert_eq!(root.requests(), ["org\r\n"]);
    assert_eq!(registry.requests(), ["example.org\r\n"]);
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn a_domain_that_is_not_registered_fails_its_condition() {
    let site = Site::new(&["a.example.org", "b.example.com", "c.example.net"]);
    let gone = RegistryServer::rdap(RdapAnswer::Status(404, ""));
    let discreet = RegistryServer::rdap(RdapAnswer::Unpublished);
    let whois = RegistryServer::whois("Registry Expiry Date: 2035-01-01\r\n".to_owned());
    let root = RegistryServer::whois(format!("whois: {}\n", whois.address()));
    let servers = [("org", gone.base("http")), ("com", discreet.base("http"))];
    let launch = Launch::new().with_registries(&servers);
    let probe = |launch: &Launch, name: &str| {
        let command = launch.probe_command(&site.url(name)).condition(VALID);
        command.options(json!({"resolver": site.names.resolver_url()})).run()
    };
    probe(&launch, "a.example.org").assert_failed("condition", "[DOMAIN_EXPIRATION] (0) > 720h");
    let unpublished = probe(&launch, "b.example.com");
    unpublished.assert_failed("local_registry", "example.com is not known: its registry does not");
    let off = probe(&launch, "c.example.net");
    off.assert_failed(
        "local_registry",
        "the registry of .net has no RDAP server, and WHOIS is off",
    );
    // WHOIS knows what RDAP does not publish.
    let launch = launch.with("WHOIS_SERVER", root.address());
    probe(&launch, "b.example.com").assert_up();
}

#[test]
fn redirects_of_registries_are_followed_over_verified_tls() {
    let site = Site::new(&["a.example.org"]);
    let authority = Authority::new();
    let identity = || authority.certify("127.0.0.1", Shape::Good);
    let config = TlsServer::new(identity()).config();
    let secured = RegistryServer::rdap_over_tls(config, EXPIRES);
    let to_tls = format!("https://{}", secured.address());
    let redirecting = RegistryServer::redirecting(None, to_tls);
    let probe = |launch: &Launch| {
        let command = launch.probe_command(&site.url("a.example.org")).condition(VALID);
        command.options(json!({"resolver": site.names.resolver_url()})).run()
    };
    let launch = Launch::new().with_registries(&[("org", redirecting.base("http"))]);
    let untrusted = probe(&launch);
    untrusted.assert_failed("local_registry", "example.org is not known: RDAP at 127.0.0.1:");
    assert!(secured.requests().is_empty(), "its certificate is not trusted");
    let launch = launch.with("PROBE_CA_FILE", authority.file().display());
    probe(&launch).assert_up();
    assert_eq!(secured.requests().len(), 1);

    let plain = RegistryServer::rdap(EXPIRES);
    let to_plain = format!("http://{}", plain.address());
    let back = RegistryServer::redirecting(Some(TlsServer::new(identity()).config()), to_plain);
    let launch = launch.with_registries(&[("org", back.base("https"))]);
    probe(&launch).assert_failed("local_registry", "a redirect to http, not to https");
    assert!(plain.requests().is_empty());
}

#[test]
fn denied_networks_are_closed_only_to_servers_that_a_server_names() {
    let site = Site::new(&["a.example.org"]);
    let registry = RegistryServer::rdap_at("127.0.0.8", EXPIRES);
    let to_registry = format!("http://{}", registry.address());
    let redirecting = RegistryServer::redirecting(None, to_registry);
    let probe = |server: &RegistryServer| {
        let launch = Launch::new()
            .with_registries(&[("org", server.base("http"))])
            .with("PROBE_DENY_NETWORKS", "127.0.0.8");
        let command = launch.probe_command(&site.url("a.example.org")).condition(VALID);
        command.options(json!({"resolver": site.names.resolver_url()})).run()
    };
    probe(&registry).assert_up();
    probe(&redirecting).assert_failed("local_registry", "127.0.0.8 is in 127.0.0.8/32");
    assert_eq!((registry.requests().len(), redirecting.requests().len()), (1, 1));
}

#[test]
fn the_bootstrap_file_may_come_from_a_url() {
    let site = Site::new(&["a.example.org"]);
    let registry = RegistryServer::rdap(EXPIRES);
    let file = RegistryServer::file(bootstrap(&[("org", registry.base("http"))]));
    let url = format!("http://{}/dns.json", file.address());
    let app = Launch::new().with("RDAP_BOOTSTRAP", url).with("WHOIS_SERVER", "off").start();
    let id = app.add_with(&site.service("a.example.org", &[VALID]));
    app.wait_for_state(id, "up");
    assert_eq!((file.requests().len(), registry.requests().len()), (1, 1));
}

#[test]
fn a_bootstrap_file_that_cannot_be_read_ends_the_start() {
    let launch = Launch::new();
    let file = launch.write_file("dns.json", "{\"services\": []}");
    let (code, output) = launch.with("RDAP_BOOTSTRAP", file.display()).run_to_end();
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("RDAP_BOOTSTRAP: invalid value"), "{output}");
    assert!(output.contains("no service with an http or https URL"), "{output}");
}

#[test]
fn a_target_without_a_registered_domain_is_refused_where_it_is_written() {
    let app = Launch::new().with_registries(&[("uk", "http://127.0.0.1:1/".to_owned())]).start();
    for body in [
        json!({"url": "http://localhost/"}),
        json!({"url": "tcp://db.internal:5432"}),
        json!({"url": "http://192.0.2.1/"}),
        json!({"url": "icmp://[2001:db8::1]"}),
        json!({"url": "push://job", "heartbeat": {"token": "0123456789abcdef"}}),
        json!({"url": "dns://192.0.2.1",
            "dns": {"query_name": "printer.local", "query_type": "A"}}),
    ] {
        let mut body = body;
        body["name"] = json!("a");
        body["conditions"] = json!(["[DOMAIN_EXPIRATION] > 720h"]);
        let errors = app.rejected("POST", "/v1/services", &body);
        assert!(errors.contains("below a registered domain"), "{body}: {errors}");
    }
    for body in [
        json!({"name": "a", "url": "icmp://a.example.co.uk"}),
        json!({"name": "b", "url": "dns://192.0.2.1",
            "dns": {"query_name": "example.co.uk", "query_type": "A"}}),
    ] {
        let mut body = body;
        body["conditions"] = json!(["[DOMAIN_EXPIRATION] > 720h"]);
        body["enabled"] = json!(false);
        app.add_with(&body);
    }
    let path = "/v1/services/1";
    let errors = app.rejected("PATCH", path, &json!({"url": "icmp://localhost"}));
    assert!(errors.contains("conditions: invalid value"), "{errors}");
}

#[test]
fn a_local_name_in_the_services_file_is_a_local_fault() {
    let text = "endpoints:\n  - name: a\n    url: http://localhost:1/\n    client: {timeout: 1s}\n\
        \x20   conditions: [\"[DOMAIN_EXPIRATION] > 720h\"]\n";
    let app = Launch::new().with_services_file(text).start();
    let unknown = app.wait_for_state(1, "unknown");
    assert_eq!(unknown["current_status"]["failure"]["reason"], "local_config", "{unknown}");
    wait_until("the log", || app.log().contains("localhost has no registered domain"));
}
