//! Files of modules: what they mean, and what is refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::service::bytes_regex::BytesRegex;
use crate::domain::service::options::{DialogueStep, ModuleOptions};
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
        ("{prober: websocket, websocket: {headers: {A: [b]}}}", json!({"headers": {"A": "b"}})),
    ] {
        assert_eq!(fields(module), expected, "{module}");
    }
}

#[test]
fn some_options_of_modules_are_no_fields_of_a_service() {
    let of = |module: &str| {
        let modules = parse(&format!("modules:\n  m: {module}\n"));
        let options = &modules.get("m").unwrap().template().options;
        options.of_module.as_deref().cloned().unwrap_or_default()
    };
    let regex = |text: &str| Some(BytesRegex::parse(text).unwrap());
    let step = |expect: Option<&str>, send: Option<&str>, upgrades: bool| DialogueStep {
        expect: expect.and_then(regex),
        send: send.map(str::to_owned),
        upgrades,
    };
    let with = |dialogue: &[DialogueStep]| ModuleOptions {
        dialogue: dialogue.to_vec(),
        ..ModuleOptions::default()
    };
    for (module, expected) in [
        ("{prober: tcp, tcp: {query_response: []}}", ModuleOptions::default()),
        (
            "{prober: tcp, tcp: {query_response: [{send: A}, \
             {expect: 'B (.)', send: '${1} $HOME'}, {starttls: true}, {send: C, expect: ''}]}}",
            with(&[
                step(None, Some("A"), false),
                step(Some("B (.)"), Some("${1} $HOME"), false),
                step(None, None, true),
                step(None, Some("C"), false),
            ]),
        ),
        (
            "{prober: websocket, websocket: {query_response: [{expect: a, send: b}]}}",
            with(&[step(Some("a"), Some("b"), false)]),
        ),
        (
            "{prober: icmp, icmp: {ttl: 5}}",
            ModuleOptions { ttl: Some(5), ..ModuleOptions::default() },
        ),
        ("{prober: icmp, icmp: {ttl: 0}}", ModuleOptions::default()),
        (
            "{prober: dns, dns: {query_name: a, transport_protocol: tcp, \
             recursion_desired: false}}",
            ModuleOptions {
                is_dns_over_tcp: true,
                has_no_recursion: true,
                ..ModuleOptions::default()
            },
        ),
    ] {
        assert_eq!(of(module), expected, "{module}");
    }
}

#[test]
fn a_module_may_merge_another_one_and_a_file_may_be_empty() {
    let modules = parse(
        "modules:\n  all: &all\n    prober: http\n    timeout: 3s\n    http: {method: PUT}\n  \
         own:\n    <<: *all\n    timeout: 4s\n",
    );
    let [all, own] = ["all", "own"].map(|name| modules.get(name).unwrap());
    assert_eq!(own.template(), all.template());
    let seconds = [all, own].map(|module| module.timeout.unwrap().as_secs());
    assert_eq!(seconds, [3, 4]);
    assert!(parse("").is_empty() && parse("modules:").is_empty());
    let found = problems("modules:\n  a:\n    <<: text\n");
    assert_eq!(found, ["b.yml:3: <<: invalid value, expected a mapping or a list of mappings"]);
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
    icmp: {ttl: 500}
  d:
    prober: tcp
    tcp:
      query_response:
        - starttls: true
        - starttls: true
  e: {prober: dns}
  f: {prober: unix}
  g: {timeout: 5}
";
    let found = problems(text);
    let expected = [
        "b.yml:5: modules.a.http.proxy_url: not supported",
        "b.yml:11: modules.b.http.colour: unknown key, expected one of ",
        "b.yml:14: modules.c.icmp.ttl: invalid value 500, expected 0 to 255",
        "b.yml:20: modules.d.tcp.query_response.2.starttls: not supported twice",
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
        (
            "{prober: dns, dns: {query_name: a, transport_protocol: sctp}}",
            "modules.m.dns.transport_protocol: invalid value sctp, expected udp or tcp",
        ),
        ("{prober: dns, dns: {query_name: a, query_class: CH}}", "query_class: not supported"),
        ("{prober: icmp, icmp: {payload_size: 9}}", "modules.m.icmp.payload_size: not supported"),
        ("{prober: dns, dns: {query_name: a, query_type: X Y}}", "modules.m.dns.query_type: inv"),
        (
            "{prober: dns, dns: {query_name: a, validate_answer_rrs: {fail_if_matches_regexp: \
             [a]}}}",
            "modules.m.dns.validate_answer_rrs: not supported",
        ),
        (
            "{prober: tcp, tcp: {tls: true, query_response: [{starttls: true}]}}",
            "modules.m.tcp.tls: not supported beside starttls",
        ),
        (
            "{prober: websocket, websocket: {query_response: [{starttls: true}]}}",
            "modules.m.websocket.query_response.1.starttls: not supported",
        ),
        ("{prober: tcp, tcp: {source_ip_address: 127.0.0.1}}", "source_ip_address: not supported"),
    ] {
        let found = problems(&format!("modules:\n  m: {module}\n"));
        assert!(found.len() == 1 && found[0].contains(expected), "{module}: {found:?}");
    }
    assert_eq!(problems("modules: {}\nother: 1\n").len(), 1);
    assert!(problems("modules: [").first().unwrap().starts_with("b.yml:"));
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
