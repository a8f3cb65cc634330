//! TLS of the API: certificates that are renewed, limits, and the commands that use it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::slow_clients;
use crate::support::{
    App, Authority, Identity, Launch, Shape, ensure, retry_while_busy, wait_for, wait_until,
};

/// Files of the certificate and the key, in the folder of the program.
const FILES: [(&str, &str); 2] =
    [("API_TLS_CERTIFICATE_FILE", "api.pem"), ("API_TLS_KEY_FILE", "api.key")];

fn install(launch: &Launch, identity: &Identity) {
    launch.write_file("api.pem", &identity.certificate_pem());
    launch.write_file("api.key", &identity.key_pem());
}

/// A launch with a certificate of `authority` for `localhost`.
fn with_tls(authority: &Authority) -> Launch {
    with_files(Launch::new(), authority)
}

fn with_files(launch: Launch, authority: &Authority) -> Launch {
    let launch = FILES.iter().fold(launch, |launch, (name, file)| launch.with(name, file));
    install(&launch, &authority.certify("localhost", Shape::Good));
    launch
}

/// `curl --cacert`; exit code and output.
fn curl(app: &App, authority: &Path, words: &[&str], path: &str) -> (Option<i32>, String) {
    let port = app.address().rsplit(':').next().unwrap();
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "60", "--cacert"])
        .arg(authority)
        .args(["--resolve", &format!("localhost:{port}:127.0.0.1")])
        .args(words)
        .arg(format!("https://localhost:{port}{path}"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A connection that has completed its handshake.
fn connect(app: &App, authority: &Authority) -> Tls {
    let config =
        ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(authority.roots())
            .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(app.address()).unwrap();
    client.complete_io(&mut socket).unwrap();
    StreamOwned::new(client, socket)
}

/// Sends a GET and reads head and body of the response.
fn get(stream: &mut Tls, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    let mut part = [0; 16 * 1024];
    let mut length = None;
    loop {
        let count = stream.read(&mut part).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&response));
        response.extend_from_slice(&part[..count]);
        length = length.or_else(|| length_of(&response));
        if length.is_some_and(|length| response.len() >= length) {
            return String::from_utf8(response).unwrap();
        }
    }
}

/// Length of head and body; `None` before the head is complete.
fn length_of(response: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(response).to_ascii_lowercase();
    let (head, _) = text.split_once("\r\n\r\n")?;
    let (_, length) = head.split_once("content-length: ").unwrap();
    Some(head.len() + 4 + length.lines().next().unwrap().parse::<usize>().unwrap())
}

fn certificate_of(stream: &Tls) -> Vec<u8> {
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_renewed_certificate_is_used_while_an_open_connection_goes_on() {
    let authority = Authority::new();
    let launch = with_tls(&authority);
    let app = launch.start();
    let file = authority.file();
    let mut open = connect(&app, &authority);
    let old = certificate_of(&open);
    let is_renewed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Requests all the time, so that the connection is never idle for too long.
        let requests = scope.spawn(|| {
            let mut after = 0;
            while after < 3 {
                after += u32::from(is_renewed.load(Ordering::SeqCst));
                assert!(get(&mut open, "/v1/services").starts_with("HTTP/1.1 200"));
            }
        });
        for version in [["--tlsv1.3"].as_slice(), &["--tls-max", "1.2"]] {
            let (code, output) = curl(&app, &file, version, "/v1/_internal/health");
            assert_eq!((code, output.contains("OK")), (Some(0), true), "{output}");
        }
        // A key that does not fit changes nothing.
        launch.write_file("api.key", &authority.certify("localhost", Shape::Good).key_pem());
        app.signal(Signal::HUP);
        app.wait_for_log("the certificate of the API was not replaced");
        app.wait_for_log("API_TLS_KEY_FILE: invalid value");
        assert_eq!(certificate_of(&connect(&app, &authority)), old);

        let renewed = authority.certify("localhost", Shape::Good);
        install(&launch, &renewed);
        app.signal(Signal::HUP);
        app.wait_for_log("the certificate of the API was replaced");
        assert_eq!(certificate_of(&connect(&app, &authority)), renewed.chain()[0].to_vec());
        let (code, output) = curl(&app, &file, &[], "/v1/services");
        assert_eq!(code, Some(0), "{output}");
        is_renewed.store(true, Ordering::SeqCst);
        requests.join().unwrap();
    });
    app.stop();
}

#[test]
fn a_pair_that_does_not_fit_is_refused_at_the_start() {
    let authority = Authority::new();
    let launch = with_tls(&authority);
    launch.write_file("api.key", &authority.certify("localhost", Shape::Good).key_pem());
    let (code, output) = launch.run_to_end();
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("API_TLS_KEY_FILE: invalid value \"api.key\""), "{output}");
    let expected = "expected the key of the first certificate in API_TLS_CERTIFICATE_FILE";
    assert!(output.contains(expected), "{output}");
    assert!(!launch.folder().join("db.db").exists(), "nothing was started");
}

#[test]
fn commands_on_this_machine_speak_to_it_whatever_its_name() {
    let authority = Authority::new();
    let launch = with_tls(&authority);
    install(&launch, &authority.certify("monitor.example", Shape::Good));
    let app = launch.start();
    let port = app.address().rsplit(':').next().unwrap().to_owned();
    let here = launch.clone().with("API_PORT", &port);
    let (code, output) = here.run(&["health"]);
    assert_eq!(code, Some(0), "{output}");
    let (code, output) = here.run(&["alert", "list"]);
    assert_eq!(code, Some(0), "{output}");
    // Without TLS it does not understand.
    let plain = FILES.iter().fold(here, |launch, (name, _)| launch.with(name, ""));
    let (code, _) = plain.run(&["health"]);
    assert_eq!(code, Some(1));
    app.stop();
}

#[test]
fn the_end_of_the_certificate_is_a_metric_and_a_warning_before() {
    let authority = Authority::new();
    let launch = with_tls(&authority);
    let app = launch.start();
    let mut stream = connect(&app, &authority);
    let metrics = get(&mut stream, "/metrics");
    let expected = format!(
        "service_healthcheck_api_certificate_expiry_seconds{{}} {}",
        authority.expires_at()
    );
    assert!(metrics.contains(&expected), "{metrics}");
    let ready = wait_for("readiness", || {
        let ready = get(&mut connect(&app, &authority), "/v1/_internal/ready");
        ready.starts_with("HTTP/1.1 200").then_some(ready)
    });
    assert!(!ready.contains("warnings"), "{ready}");
    install(&launch, &authority.certify("localhost", Shape::Expired));
    app.signal(Signal::HUP);
    app.wait_for_log("the certificate of the API was replaced");
    let file = authority.file();
    let (_, output) = curl(&app, &file, &["-k"], "/v1/_internal/ready");
    assert!(output.contains("api_certificate: has expired; renew"), "{output}");
    app.stop();
    let without = Launch::new().start();
    assert_eq!(without.metric("service_healthcheck_api_certificate_expiry_seconds"), None);
}

#[test]
fn a_session_over_tls_has_a_cookie_for_tls_alone() {
    let authority = Authority::new();
    let app = with_tls(&authority).with("API_TOKEN", "token-of-the-api").start();
    let json = ["-i", "-H", "Content-Type: application/json", "-d"];
    let words = [&json[..], &["{\"token\": \"token-of-the-api\"}"]].concat();
    let (code, reply) = curl(&app, &authority.file(), &words, "/v1/session");
    assert_eq!(code, Some(0), "{reply}");
    let cookie = reply.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.starts_with("__Host-shc_session=") && cookie.contains("; Secure"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let actor = |cookie: &str| {
        let header = format!("Cookie: {cookie}");
        curl(&app, &authority.file(), &["-H", &header], "/v1/session").1
    };
    assert!(actor(pair).contains("\"API_TOKEN\""), "{}", actor(pair));
    let plain = pair.replace("__Host-", "");
    assert!(!actor(&plain).contains("\"API_TOKEN\""), "a page without TLS may have set it");
}

#[test]
fn a_stop_does_not_wait_for_a_handshake() {
    /// As in `api/server.rs`.
    const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
    let authority = Authority::new();
    retry_while_busy(|| {
        let mut app = with_tls(&authority).start();
        let silent = TcpStream::connect(app.address()).unwrap();
        assert!(get(&mut connect(&app, &authority), "/v1/services").starts_with("HTTP/1.1 200"));
        let began = Instant::now();
        app.signal(Signal::TERM);
        assert_eq!(app.exit_code(), Some(0), "{}", app.log());
        drop(silent);
        let took = began.elapsed();
        ensure(took < HANDSHAKE_TIMEOUT, || format!("{took:?} of {HANDSHAKE_TIMEOUT:?}"))
    });
}

#[test]
fn a_client_without_a_handshake_is_closed_and_takes_no_place() {
    let authority = Authority::new();
    let app = with_tls(&authority).with("API_MAX_CONNECTIONS", 1).start();
    let mut silent: Vec<TcpStream> =
        (0..40).map(|_| TcpStream::connect(app.address()).unwrap()).collect();
    assert!(get(&mut connect(&app, &authority), "/v1/services").starts_with("HTTP/1.1 200"));
    let began = Instant::now();
    for stream in &mut silent {
        stream.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
        // The end of the connection, with or without an alert before it.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert!(began.elapsed() < Duration::from_secs(90), "each was closed by its deadline");
    let mut plain = TcpStream::connect(app.address()).unwrap();
    plain.write_all(b"GET /v1/services HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "it speaks TLS only");
    app.stop();
}

#[test]
fn a_client_that_takes_nothing_over_tls_is_closed_and_a_slow_one_gets_all() {
    let authority = Authority::new();
    let launch = with_files(slow_clients::launch(), &authority);
    let app = launch.with("API_CLIENT_TIMEOUT_SECONDS", 1).start();
    let request = b"GET /v1/services?limit=300 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut first = connect(&app, &authority);
    let sockets = app.open_sockets();
    let mut silent = connect(&app, &authority);
    silent.write_all(request).unwrap();
    // It sends more than it reads, which must not count as progress.
    silent.sock.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    for _ in 0..20 {
        let _ = silent.write_all(request);
    }
    let answer = get(&mut first, "/v1/services?limit=300");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.len() > 3_000_000);
    wait_until("the silent client to be closed", || app.open_sockets() < sockets);
    app.stop();
}
