//! How much a probe and a commit cost, as ratios to floors that are measured in the same run, since machines differ.
//!
//! The target is this very program started a second time, so that its CPU is not counted; the service is the real
//! binary over loopback with a real SQLite file. Floor and service take turns (A B A B); the medians are told.
//! `make bench`; about two minutes.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on ends")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use futures_util::stream::{FuturesUnordered, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use service_healthcheck::domain::{
    Body, Condition, Facts, Failure, Outcome, Phases, Reason, Seen, ServiceId,
};
use service_healthcheck::storage::ledger::Ledger;
use service_healthcheck::storage::{Store, connection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Turns of floor and service; the median of each is told.
const ROUNDS: usize = 3;
/// Time a service is measured for in each turn.
const WINDOW: Duration = Duration::from_secs(8);
/// Connections of the floor in each turn, and how many at once.
const FLOOR_PROBES: usize = 40_000;
const FLOOR_AT_ONCE: usize = 32;
/// Outcomes of a commit, and commits in each turn.
const GROUP: usize = 500;
const COMMITS: usize = 100;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == "--serve") {
        return serve(words.get(at + 1).map(Path::new));
    }
    let target = Target::start(None);
    conditions();
    let floor = median(|| floor(target.port));
    println!("floor: connect, GET, read, close       {:>7.1} µs CPU a probe", floor.cpu_us);
    println!("                                       {:>7.0} a second", floor.rate);
    let store = tempfile::tempdir().expect("a folder");
    let commit = median(|| commits(store.path()));
    println!("commit in groups of {GROUP}, no probing   {:>7.1} µs CPU a result", commit.cpu_us);
    println!("                                       {:>7.0} a second", commit.rate);
    let least = floor.cpu_us + commit.cpu_us;
    let plain = format!("http://127.0.0.1:{}/", target.port);
    for (told, services, interval) in [
        ("flat out", 4_000, "100ms"),
        ("paced at 1,000/s", 1_000, "1s"),
        ("paced at 200/s", 200, "1s"),
    ] {
        compare(told, least, |binary| service(binary, &plain, services, interval, None));
    }
    let identity = tempfile::tempdir().expect("a folder");
    write_identity(identity.path());
    let target = Target::start(Some(identity.path()));
    let secured = format!("https://127.0.0.1:{}/", target.port);
    compare("https, 1,000/s", least, |binary| {
        service(binary, &secured, 500, "500ms", Some(identity.path()))
    });
}

/// Tells of the service, and, in turn with it (A B A B), of another build of it if `BENCH_OTHER` names one.
fn compare(told: &str, least: f64, measure: impl Fn(&str) -> Measured) {
    let own = env!("CARGO_BIN_EXE_service-healthcheck").to_owned();
    let builds: Vec<String> = [own].into_iter().chain(std::env::var("BENCH_OTHER")).collect();
    let mut turns = vec![Vec::new(); builds.len()];
    for _ in 0..ROUNDS {
        for (nth, binary) in builds.iter().enumerate() {
            turns[nth].push(measure(binary));
        }
    }
    for (turns, who) in turns.into_iter().zip(["service", "other build"]) {
        let measured = middle(turns);
        let line = format!("{who}, {told}");
        println!("{line:<38} {:>7.1} µs CPU a recorded probe", measured.cpu_us);
        println!("{:<38} {:>7.0} a second", "", measured.rate);
        println!("{:<38} {:>7.2} × (floor + commit)", "", measured.cpu_us / least);
    }
}

/// What it costs to judge one condition, facts at hand; and to read a body of 1 KiB as JSON.
fn conditions() {
    const TURNS: u32 = 200_000;
    let body =
        format!(r#"{{"status": "UP", "items": [{{"id": 7}}], "pad": "{}"}}"#, "x".repeat(960));
    let started = Instant::now();
    for _ in 0..TURNS / 10 {
        std::hint::black_box(Body::new(std::hint::black_box(body.as_bytes()).to_vec(), true));
    }
    let read = started.elapsed() / (TURNS / 10);
    println!("a body of 1 KiB read as JSON           {:>7.2} µs", read.as_secs_f64() * 1e6);
    let facts = Facts {
        status: Some(200),
        body: Body::new(body.clone().into_bytes(), true),
        ..Facts::default()
    };
    for text in [
        "[STATUS] == 200",
        "[STATUS] == any(200, 204, 429)",
        "[RESPONSE_TIME] < 500",
        "[BODY].status == UP",
        "[BODY].items[0].id == 0x7",
        "len([BODY].items) > 0",
        "[BODY].status == pat(U*)",
    ] {
        let condition = Condition::parse(text).expect("a condition");
        let started = Instant::now();
        for _ in 0..TURNS {
            std::hint::black_box(condition.judge(std::hint::black_box(&facts)).is_ok());
        }
        let each = started.elapsed().as_secs_f64() * 1e6 / f64::from(TURNS);
        println!("condition {text:<30} {each:>6.3} µs");
    }
}

/// What was measured in one turn.
#[derive(Debug, Clone, Copy)]
struct Measured {
    cpu_us: f64,
    rate: f64,
}

fn median(mut measure: impl FnMut() -> Measured) -> Measured {
    middle((0..ROUNDS).map(|_| measure()).collect())
}

fn middle(mut turns: Vec<Measured>) -> Measured {
    turns.sort_by(|a, b| a.cpu_us.total_cmp(&b.cpu_us));
    turns[ROUNDS / 2]
}

/// User and system CPU time of a process so far, in microseconds.
fn cpu_us(pid: u32) -> f64 {
    let process = procfs::process::Process::new(pid.cast_signed()).expect("a process");
    let stat = process.stat().expect("its stat");
    (stat.utime + stat.stime) as f64 * 1e6 / procfs::ticks_per_second() as f64
}

/// A bare loop: connect, GET, read to the end, close.
fn floor(port: u16) -> Measured {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (started, before) = (Instant::now(), cpu_us(std::process::id()));
    runtime.block_on(async {
        let mut running = FuturesUnordered::new();
        for _ in 0..FLOOR_AT_ONCE {
            running.push(ask(port));
        }
        for _ in FLOOR_AT_ONCE..FLOOR_PROBES {
            running.next().await;
            running.push(ask(port));
        }
        while running.next().await.is_some() {}
    });
    let probes = FLOOR_PROBES as f64;
    Measured {
        cpu_us: (cpu_us(std::process::id()) - before) / probes,
        rate: probes / started.elapsed().as_secs_f64(),
    }
}

async fn ask(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        .await
        .expect("a request");
    let mut answer = [0; 512];
    while stream.read(&mut answer).await.expect("an answer") > 0 {}
}

/// Commits as the writer does, without probing.
fn commits(folder: &Path) -> Measured {
    let file = folder.join("commits.db");
    let store = Store::open(&file).expect("a store");
    let mut connection = connection::writer(store.path()).expect("a connection");
    diesel::sql_query(format!(
        "INSERT OR IGNORE INTO services (id, name, url, created_at, updated_at) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {GROUP}) \
         SELECT i, 'service-' || i, 'http://127.0.0.1/', 0, 0 FROM n"
    ))
    .execute(&mut connection)
    .expect("services");
    let mut ledger = Ledger::default();
    let (started, before) = (Instant::now(), cpu_us(std::process::id()));
    for nth in 0..COMMITS {
        let group: Vec<Outcome> = (1..=GROUP).map(|id| outcome(id, nth)).collect();
        ledger.commit(&mut connection, &group, nth as i64).expect("a commit");
    }
    let results = (COMMITS * GROUP) as f64;
    Measured {
        cpu_us: (cpu_us(std::process::id()) - before) / results,
        rate: results / started.elapsed().as_secs_f64(),
    }
}

fn outcome(id: usize, nth: usize) -> Outcome {
    // One in a hundred fails, so that events are among it.
    let fails = (id + nth).is_multiple_of(100);
    Outcome {
        service_id: ServiceId::new(id as i64).expect("positive"),
        started_at_ms: nth as i64,
        response_time: Duration::from_micros(1_000 + id as u64),
        http_status: Some(if fails { 500 } else { 200 }),
        failure: fails.then(|| Failure::new(Reason::Status, "500 Internal Server Error")),
        phases: Phases { connect: Duration::from_micros(90), ..Phases::default() },
        seen: Seen::default(),
        cut_off: false,
        report: None,
    }
}

/// The program `binary` with that many services.
fn service(
    binary: &str,
    url: &str,
    services: usize,
    interval: &str,
    identity: Option<&Path>,
) -> Measured {
    let folder = tempfile::tempdir().expect("a folder");
    let list: String = (0..services)
        .map(|n| format!("  - {{name: s{n}, url: '{url}{n}', interval: {interval}}}\n"))
        .collect();
    std::fs::write(folder.path().join("services.yaml"), format!("endpoints:\n{list}"))
        .expect("a file");
    let ca = identity.map(|folder| folder.join(CERTIFICATE)).unwrap_or_default();
    let mut child = Command::new(binary)
        .arg("run")
        .current_dir(folder.path())
        .env("API_PORT", "0")
        .env("SERVICES_FILE", "services.yaml")
        .env("RUNNER_POOL_SIZE", "64")
        .env("PROBE_CA_FILE", ca)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the service");
    let api = listening(&mut child);
    // The first round is spread like every other; it also warms the connection to the store.
    std::thread::sleep(Duration::from_secs(3));
    let (started, before, recorded) = (Instant::now(), cpu_us(child.id()), recorded(&api));
    std::thread::sleep(WINDOW);
    let probes = self::recorded(&api) - recorded;
    let measured = Measured {
        cpu_us: (cpu_us(child.id()) - before) / probes,
        rate: probes / started.elapsed().as_secs_f64(),
    };
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    measured
}

/// Address of the API; the rest of the log is read and dropped.
fn listening(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
    let address = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("listening, address: ").map(|(_, rest)| rest.to_owned()))
        .expect("it listens");
    std::thread::spawn(move || lines.for_each(drop));
    address
}

/// Ticks committed so far.
fn recorded(api: &str) -> f64 {
    let mut stream = std::net::TcpStream::connect(api).expect("the API");
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let line = "service_healthcheck_outcomes_total{result=\"recorded\"} ";
    let (_, rest) = text.split_once(line).expect("the counter");
    rest.lines().next().and_then(|number| number.parse().ok()).expect("a number")
}

/// A target in a process of its own.
struct Target {
    child: Child,
    port: u16,
}

impl Target {
    /// With the identity in that folder it speaks TLS.
    fn start(identity: Option<&Path>) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .arg("--serve")
            .args(identity)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a target");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("its port");
        Self { child, port: line.trim().parse().expect("a port") }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Names of the files of an identity.
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// Writes a certificate for 127.0.0.1, which signs itself, and its key.
fn write_identity(folder: &Path) {
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("an identity");
    std::fs::write(folder.join(CERTIFICATE), signed.cert.pem()).expect("a file");
    std::fs::write(folder.join(KEY), signed.signing_key.serialize_pem()).expect("a file");
}

/// Answers every request with 200 and closes first.
fn serve(identity: Option<&Path>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let acceptor = identity.map(acceptor);
    runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("its address").port());
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::task::spawn_local(async move {
                match acceptor {
                    None => answer(stream).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            answer(stream).await;
                        }
                    }
                }
            });
        }
    }));
}

fn acceptor(identity: &Path) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(identity.join(CERTIFICATE));
    let chain = vec![certificate.expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(identity.join(KEY)).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("they fit together");
    TlsAcceptor::from(Arc::new(config))
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut request = [0; 1_024];
    // A peer that has gone needs no answer.
    if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
        let _ = stream.write_all(answer).await;
        let _ = stream.shutdown().await;
    }
}
