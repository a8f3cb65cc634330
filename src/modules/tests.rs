//! Files of modules: what they mean, and what is refused.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::modules::target::TargetError;
use crate::spec::{Form, write};

fn parse(text: &str) -> Modules {
    Modules::parse("b.yml", text).unwrap()
}

fn problems(text: &str) -> Vec<String> {
    Modules::parse("b.yml", text).unwrap_err()
}

/// The fields of the service of a module, without name, defaults and URL.
fn fields(module: &str) -> Value {
    let text = format!("modules:\n  m: {module}\n");
    let modules = parse(&text);
    let mut fields = write(modules.get("m").unwrap().template(), Form::Literal);
    let defaults = ["name", "url", "group", "enabled", "interval_seconds", "timeout_seconds"];
    fields.retain(|name, value| !defaults.contains(&name.as_str()) && value != &json!([]));
    Value::Object(fields)
}

#[test]
fn options_of_http_are_the_fields_of_a_service() {
    for (module, expected) in [
        ("{prober: http}", json!({"accept_status": ["200-299"]})),
        (
            "{prober: http, http: {method: POST, body: 'costs $5', valid_status_codes: [200, 404], \
             headers: {Accept: a, Host: h.example:81}, follow_redirects: false}}",
            json!({
                "accept_status": ["200", "404"], "method": "POST", "body": "costs $5",
                "headers": {"Accept": "a", "Host": "h.example:81"}, "follow_redirects": false,
                "tls": {"server_name": "h.example"},
            }),
        ),
        (
            "{prober: http, http: {fail_if_body_matches_regexp: [a, b], \
             fail_if_body_not_matches_regexp: [c], body_size_limit: 10MB, \
             fail_if_header_matches: [{header: X, regexp: d}], \
             fail_if_header_not_matches: [{header: Y, regexp: e, allow_missing: true}]}}",
            json!({
                "accept_status": ["200-299"], "body_lacks": ["a", "b"], "body_matches": ["c"],
                "body_limit_bytes": 10 << 20, "header_lacks": [{"name": "X", "regex": "d"}],
                "header_matches": [{"name": "Y", "regex": "e", "allow_missing": true}],
            }),
        ),
        (
            "{prober: http, http: {basic_auth: {username: u, password: 'p$HOME'}, \
             tls_config: {ca_file: /a.pem, cert_file: /b.pem, key_file: /c.pem, server_name: s, \
             insecure_skip_verify: true, min_version: TLS13}}}",
            json!({
                "accept_status": ["200-299"], "insecure": true,
                "basic_auth": {"username": "u", "password": "p$HOME"},
                "tls": {"ca": "/a.pem", "certificate": "/b.pem", "private_key": "/c.pem",
                    "server_name": "s", "min_version": "1.3"},
            }),
        ),
        (
            "{prober: http, http: {authorization: {credentials: t}, valid_http_versions: \
             [HTTP/2.0], preferred_ip_protocol: ip4, ip_protocol_fallback: false, \
             http_headers: {X-Key: {secrets: [s]}}}}",
            json!({
                "accept_status": ["200-299"], "bearer_token": "t", "http_version": "2",
                "ip_family": "ip4", "headers": {"X-Key": "s"},
            }),
        ),
        (
            "{prober: http, http: {preferred_ip_protocol: ip4, enable_http2: true, proxy_url: '', \
             fail_if_body_json_matches_cel: '', valid_http_versions: [HTTP/1.1, HTTP/2.0]}}",
            json!({"accept_status": ["200-299"], "http_version": "1.1"}),
        ),
        // A block of another prober has no effect.
        ("{prober: http, tcp: {tls: true}}", json!({"accept_status": ["200-299"]})),
    ] {
        assert_eq!(fields(module), expected, "{module}");
    }
}

#[test]
fn options_of_the_other_probers_are_the_fields_of_a_service() {
    for (module, expected) in [
        ("{prober: icmp, icmp: {ttl: 64, preferred_ip_protocol: ip4}}", json!({})),
        (
            "{prober: dns, dns: {query_name: example.org}}",
            json!({
                "dns": {"query_name": "example.org", "query_type": "ANY"},
                "conditions": ["[DNS_RCODE] == NOERROR"],
            }),
        ),
        (
            "{prober: dns, dns: {query_name: a, query_type: MX, valid_rcodes: [NOERROR, NXDOMAIN], \
             transport_protocol: udp, recursion_desired: true, validate_answer_rrs: \
             {fail_if_matches_regexp: []}}}",
            json!({
                "dns": {"query_name": "a", "query_type": "MX"},
                "conditions": ["[DNS_RCODE] == any(NOERROR, NXDOMAIN)"],
            }),
        ),
        ("{prober: grpc, grpc: {service: s}}", json!({"grpc_service": "s"})),
        (
            "{prober: tcp, tcp: {tls: true, tls_config: {insecure_skip_verify: true}}}",
            json!({"insecure": true}),
        ),
        (
            "{prober: tcp, tcp: {query_response: [{send: A}, {send: B}, {expect: C, send: D}]}}",
            json!({"body": "A\nB\n"}),
        ),
        (
            "{prober: tcp, tcp: {query_response: [{expect: '^220 ([^ ]+) ESMTP (.+)$'}, \
             {send: \"EHLO prober\\r\"}, {expect: '^250-STARTTLS'}, {send: \"STARTTLS\\r\"}, \
             {expect: '^220'}, {starttls: true}, {send: \"EHLO prober\\r\"}]}}",
            json!({"starttls_protocol": "smtp"}),
        ),
        (
            "{prober: websocket, websocket: {query_response: [{send: hi}], headers: {A: [b]}}}",
            json!({"body": "hi", "headers": {"A": "b"}}),
        ),
    ] {
        assert_eq!(fields(module), expected, "{module}");
    }
}

#[test]
fn what_probes_cannot_do_is_refused_by_line_and_field() {
    let text = "\
modules:
  a:
    prober: http
    http:
      proxy_url: http://p:3128
      method: CONNECT
  b:
    prober: http
    http:
      fail_if_body_matches_regexp: ['(']
      colour: red
  c:
    prober: icmp
    icmp: {ttl: 5}
  d:
    prober: tcp
    tcp:
      query_response:
        - expect: PING
        - expect: PONG
  e: {prober: dns}
  f: {prober: unix}
  g: {timeout: 5}
";
    let found = problems(text);
    let expected = [
        "b.yml:5: modules.a.http.proxy_url: not supported",
        "b.yml:11: modules.b.http.colour: unknown key, expected one of ",
        "b.yml:14: modules.c.icmp.ttl: not supported",
        "b.yml:18: modules.d.tcp.query_response: not supported, expected texts to send and at \
             most one expect, or the dialogue of SMTP up to starttls",
        "b.yml:21: modules.e.dns.query_name: required",
        "b.yml:22: modules.f.prober: invalid value unix, expected http, tcp, icmp, dns, grpc, \
             websocket",
        "b.yml:23: modules.g.timeout: invalid value 5, expected a duration as in Go, such as \
             5s, of at most 1h",
        "b.yml:23: modules.g.prober: required",
    ];
    let twice = problems("modules:\n  a: {prober: http}\n  a: {prober: tcp}\n");
    assert_eq!(twice, ["b.yml:3: duplicated key in mapping"]);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
    for (module, expected) in [
        (
            "{prober: http, http: {method: CONNECT}}",
            "b.yml:2: modules.m.http.method: invalid value \"CONNECT\", expected a method",
        ),
        (
            "{prober: http, http: {fail_if_body_matches_regexp: ['(']}}",
            "b.yml:2: modules.m.http.fail_if_body_matches_regexp: invalid value \"(\" (unclosed",
        ),
        (
            "{prober: tcp, tcp: {query_response: [{expect: '('}]}}",
            "b.yml:2: modules.m.tcp.query_response.1.expect: invalid value \"(\"",
        ),
        (
            "{prober: http, http: {headers: {'a b': c}}}",
            "b.yml:2: modules.m.http.headers.a b: invalid value",
        ),
        ("{prober: http, http: {oauth2: {client_id: a}}}", "modules.m.http.oauth2: not supported"),
        (
            "{prober: http, http: {basic_auth: {username: a, password_file: /b}}}",
            "modules.m.http.basic_auth.password_file: not supported",
        ),
        (
            "{prober: http, http: {http_headers: {A: {files: [/b]}}}}",
            "modules.m.http.http_headers.A.files: not supported",
        ),
        ("{prober: http, http: {compression: gzip}}", "modules.m.http.compression: not supported"),
        ("{prober: http, http: 7}", "modules.m.http: invalid value, expected a mapping"),
        ("{prober: dns, dns: {query_name: a, transport_protocol: tcp}}", "not supported"),
        ("{prober: dns, dns: {query_name: a, query_type: X Y}}", "modules.m.dns.query_type: inv"),
        (
            "{prober: dns, dns: {query_name: a, validate_answer_rrs: {fail_if_matches_regexp: \
             [a]}}}",
            "modules.m.dns.validate_answer_rrs: not supported",
        ),
        ("{prober: tcp, tcp: {query_response: [{starttls: true}]}}", "not supported, expected"),
        ("{prober: tcp, tcp: {source_ip_address: 127.0.0.1}}", "source_ip_address: not supported"),
    ] {
        let found = problems(&format!("modules:\n  m: {module}\n"));
        assert!(found.len() == 1 && found[0].contains(expected), "{module}: {found:?}");
    }
    assert_eq!(problems("modules: {}\nother: 1\n").len(), 1);
    assert!(problems("modules: [").first().unwrap().starts_with("b.yml:"));
}

#[test]
fn the_file_of_the_package_is_read_once_two_modules_are_taken_out() {
    let text = "modules:\n  http_2xx:\n    prober: http\n  http_post_2xx:\n    prober: http\n    \
                http:\n      method: POST\n  ssh_banner:\n    prober: tcp\n    timeout: 5s\n    \
                tcp:\n      query_response:\n      - expect: \"^SSH-2.0-\"\n      - send: \
                \"SSH-2.0-blackbox-ssh-check\"\n  icmp:\n    prober: icmp\n";
    let modules = parse(text);
    assert_eq!(modules.len(), 4);
    let ssh = modules.get("ssh_banner").unwrap();
    assert_eq!((ssh.prober, ssh.timeout), (Prober::Tcp, Some(Duration::from_secs(5))));
    let expects = ssh.template().options.expect_line.as_ref().unwrap();
    assert!(expects.is_match(b"SSH-2.0-OpenSSH") && !expects.is_match(b"x SSH-2.0-"));
    assert!(parse("").is_empty() && parse("modules:").is_empty());
}

#[test]
fn a_target_becomes_the_url_of_its_prober() {
    let text = "modules:\n  http: {prober: http}\n  tcp: {prober: tcp}\n  tls: {prober: tcp, tcp: \
                {tls: true}}\n  icmp: {prober: icmp}\n  dns: {prober: dns, dns: {query_name: \
                a}}\n  grpc: {prober: grpc}\n  ws: {prober: websocket}\n";
    let modules = parse(text);
    let url = |module: &str, target: &str| {
        let definition = modules.get(module).unwrap().definition(target, None);
        definition.map(|it| it.target.as_str().to_owned()).map_err(drop)
    };
    for (module, target, expected) in [
        ("http", "example.org", Ok("http://example.org")),
        ("http", "https://example.org/a?b", Ok("https://example.org/a?b")),
        ("http", "a b", Err(())),
        ("tcp", "example.org:25", Ok("tcp://example.org:25")),
        ("tcp", "[::1]:25", Ok("tcp://[::1]:25")),
        ("tcp", "example.org", Err(())),
        ("tls", "example.org:443", Ok("tls://example.org:443")),
        ("icmp", "::1", Ok("icmp://[::1]")),
        ("icmp", "example.org", Ok("icmp://example.org")),
        ("dns", "1.1.1.1", Ok("dns://1.1.1.1")),
        ("dns", "[::1]:5353", Ok("dns://[::1]:5353")),
        ("grpc", "http://a:50051/x", Ok("grpc://a:50051")),
        ("ws", "ws://a/", Ok("ws://a/")),
        ("ws", "a", Err(())),
    ] {
        let found = url(module, target);
        assert_eq!(found.as_deref().ok(), expected.ok(), "{module} {target}");
    }
}

#[test]
fn a_host_name_replaces_the_host_and_contradicts_no_header() {
    let modules = parse(
        "modules:\n  http: {prober: http}\n  fixed: {prober: http, http: {headers: {host: a}}}\n  \
         tls: {prober: tcp, tcp: {tls: true, tls_config: {server_name: s}}}\n",
    );
    let of = |module: &str, target: &str, name: &str| {
        modules.get(module).unwrap().definition(target, Some(name))
    };
    let fields = |definition: &Definition| write(definition, Form::Literal);
    let plain = fields(&of("http", "10.0.0.1", "b.example:81").unwrap());
    assert_eq!(plain["headers"], json!({"Host": "b.example:81"}));
    assert_eq!(plain["tls"], json!({"server_name": "b.example"}));
    assert_eq!(of("fixed", "c", "b").unwrap_err(), TargetError::Hostname("a".to_owned()));
    assert!(of("fixed", "c", "a").is_ok());
    assert_eq!(fields(&of("tls", "c:1", "b").unwrap())["tls"], json!({"server_name": "s"}));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-c:{}\\[\\]&*!|>\n '\"#-]{0,60}") {
        let _ = Modules::parse("b.yml", &text);
        let _ = Modules::parse("b.yml", &format!("modules:\n  m:\n    prober: http\n    {text}"));
    }
}
