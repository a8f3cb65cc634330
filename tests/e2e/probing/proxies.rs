//! Targets behind an HTTP proxy.

use serde_json::{Value, json};

use crate::support::{
    Authority, Behaviour, Credentials, Launch, Peer, Proxy, Shape, Target, TlsServer, TokenServer,
    basic, has_line, websocket_echo,
};

/// A URL by a name that only the proxy resolves.
fn by_name(scheme: &str, port: u16) -> String {
    format!("{scheme}://pay.test:{port}/x?y=1")
}

fn through(proxy: &str) -> Value {
    json!({"proxy_url": proxy})
}

#[test]
fn a_proxy_forwards_plain_requests_in_absolute_form() {
    let (launch, target) = (Launch::new(), Target::healthy());
    let proxy = Proxy::requiring("ann:s3cret");
    let url = by_name("http", target.port());
    let with_account = proxy.url().replace("://", "://ann:s3cret@");
    let report = launch.probe_command(&url).options(through(&with_account)).run();
    report.assert_up();
    let head = &proxy.heads()[0];
    assert!(head.starts_with(&format!("GET {url} HTTP/1.1\r\n")), "{head}");
    assert!(has_line(head, &format!("host: pay.test:{}", target.port())), "{head}");
    assert!(has_line(head, &format!("proxy-{}", basic("ann:s3cret"))), "{head}");
    assert!(target.last_head().starts_with("GET /x?y=1 "), "{}", target.last_head());
    let refused = launch.probe_command(&url).options(through(&proxy.url())).run();
    refused.assert_failed("proxy", ": no connection to pay.test:");
    refused.assert_failed("proxy", "407 Proxy Authentication Required");
}

#[test]
fn other_requests_go_through_a_tunnel() {
    let (launch, authority, proxy) = (Launch::new(), Authority::new(), Proxy::start());
    let echo = Peer::tcp(websocket_echo);
    let server = TlsServer::new(authority.certify("pay.test", Shape::Good)).serve();
    let options = json!({"proxy_url": proxy.url(), "tls": {"ca": authority.pem()}});
    let url = by_name("https", server.port());
    let report = launch
        .probe_command(&url)
        .options(options)
        .condition("[CERTIFICATE_EXPIRATION] > 1h")
        .condition("[BODY] == ok")
        .run();
    report.assert_up();
    let socket = json!({"proxy_url": proxy.url(), "body": "ping", "expect": "ping"});
    launch.probe_command(&by_name("ws", echo.port())).options(socket).run().assert_up();
    let heads = proxy.heads();
    for (head, port) in heads.iter().zip([server.port(), echo.port()]) {
        assert!(head.starts_with(&format!("CONNECT pay.test:{port} HTTP/1.1\r\n")), "{head}");
        assert!(has_line(head, &format!("host: pay.test:{port}")), "{head}");
    }
    assert_eq!(heads.len(), 2);
}

#[test]
fn a_proxy_may_speak_tls_itself() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let config = || TlsServer::new(authority.certify("127.0.0.1", Shape::Good)).config();
    let proxy = Proxy::over_tls(config());
    let options = json!({"proxy_url": proxy.url(), "tls": {"ca": authority.pem()}});
    let target = Target::healthy();
    let plain = by_name("http", target.port());
    launch.probe_command(&plain).options(options.clone()).run().assert_up();
    let server = TlsServer::new(authority.certify("pay.test", Shape::Good)).serve();
    let secured = by_name("https", server.port());
    launch.probe_command(&secured).options(options).run().assert_up();
    let [forwarded, tunnel] = &proxy.heads()[..] else { panic!("{:?}", proxy.heads()) };
    assert!(forwarded.starts_with(&format!("GET {plain} ")), "{forwarded}");
    assert!(tunnel.starts_with("CONNECT "), "{tunnel}");
    let untrusted = launch.probe_command(&plain).options(through(&proxy.url())).run();
    untrusted.assert_failed("tls_untrusted", "the proxy 127.0.0.1:");
}

#[test]
fn redirects_and_logins_go_through_the_proxy_too() {
    let (launch, proxy, there) = (Launch::new(), Proxy::start(), Target::healthy());
    let here = Target::start(Behaviour::RedirectTo(by_name("http", there.port())));
    let tokens = TokenServer::start(Credentials::Header, 60);
    let token_url = format!("http://login.test:{}/token", tokens.port());
    let options = json!({
        "proxy_url": proxy.url(),
        "oauth2": {"token_url": token_url, "client_id": "id", "client_secret": "s3cret"}
    });
    launch.probe_command(&by_name("http", here.port())).options(options).run().assert_up();
    let lines: Vec<String> =
        proxy.heads().iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
    assert_eq!(
        lines,
        [
            format!("POST {token_url} HTTP/1.1"),
            format!("GET {} HTTP/1.1", by_name("http", here.port())),
            format!("GET {} HTTP/1.1", by_name("http", there.port())),
        ]
    );
}

#[test]
fn a_failure_of_the_proxy_names_the_proxy() {
    let (launch, target) = (Launch::new(), Target::healthy());
    let (plain, secured) = (target.url(), target.url().replace("http:", "https:"));
    let raw = |text: &str| Target::start(Behaviour::Raw(text.as_bytes().to_vec()));
    let nothing = raw("");
    let garbage = raw("SSH-2.0-x\r\n\r\n");
    let refuses = raw("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    let hung = Target::start(Behaviour::Hung);
    let closed = "http://127.0.0.1:1";
    for (proxy, url, reason, detail) in [
        (closed.to_owned(), &plain, "refused", "the proxy 127.0.0.1:1: connecting to 127.0.0.1:1"),
        (closed.to_owned(), &secured, "refused", "the proxy 127.0.0.1:1: connecting to"),
        (nothing.url(), &secured, "proxy", "closed the connection instead of a tunnel to"),
        (garbage.url(), &secured, "proxy", "the response to CONNECT is not HTTP"),
        (refuses.url(), &secured, "proxy", "no connection to 127.0.0.1:"),
        (hung.url(), &secured, "connect_timeout", "still connecting, at the proxy 127.0.0.1:"),
    ] {
        let timeout = if reason == "connect_timeout" { 1.0 } else { 30.0 };
        let command = launch.probe_command(url).options(through(&proxy)).timeout(timeout);
        let report = command.condition("[CONNECTED] == false").run();
        report.assert_failed(reason, detail);
    }
    let proxy = Proxy::start();
    let report = launch.probe_command(&by_name("https", 1)).options(through(&proxy.url())).run();
    report.assert_failed("proxy", "no connection to pay.test:1: 502 Bad Gateway");
    assert_eq!(target.request_count(), 0);
}

#[test]
fn denied_addresses_are_not_reached_through_a_proxy_or_as_one() {
    let (proxy, target) = (Proxy::start(), Target::healthy());
    let launch = Launch::new();
    for host in ["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200"] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}/");
            let report = launch.probe_command(&url).options(through(&proxy.url())).run();
            report.assert_failed("address_blocked", "is");
        }
    }
    let strict = launch.with("PROBE_DENY_NETWORKS", "127.0.0.0/8");
    for url in ["http://localhost/".to_owned(), by_name("http", target.port())] {
        let report = strict.probe_command(&url).options(through(&proxy.url())).run();
        report.assert_failed("address_blocked", "127.0.0.1 is in 127.0.0.0/8");
    }
    assert!(proxy.heads().is_empty(), "{:?}", proxy.heads());
}
