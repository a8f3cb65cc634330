//! Floors: the least that the same work costs on this machine, as bare loops in this process.

use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_service::fn_service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use awc::{Client, Connector};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use service_healthcheck::storage::sqlite::prepared::{Prepared, Text};

use crate::program::{self, Cpu};
use crate::target::{ADDRESSES, Target};

/// Concurrent requests in the saturated case.
const CONCURRENCY: usize = 32;

/// Results of one transaction of the insert loop, and number of services.
const TRANSACTION: i64 = 500;
const SERVICES: i64 = 1_000;

/// Result of one turn.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// CPU for each operation, in microseconds.
    pub cpu_us: f64,
    /// Operations a second.
    pub rate: f64,
}

/// Rate of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As fast as possible.
    Saturated,
    /// Requests a second, at even distances, by one timer.
    Paced(u32),
}

/// A loop over new connections: connect, GET, read to the end, close.
pub fn bare(target: &Target, pace: Pace, lasts: Duration) -> Cost {
    let addresses = addresses(target);
    requests(pace, lasts, move |nth| bare_request(addresses[nth % addresses.len()]))
}

/// The same, a request each `distance`, which may be seconds.
pub fn bare_every(target: &Target, distance: Duration, lasts: Duration) -> Cost {
    let addresses = addresses(target);
    let send = move |nth: usize| bare_request(addresses[nth % addresses.len()]);
    measured(async move |started| paced(distance, started, lasts, send).await)
}

async fn bare_request(address: SocketAddr) {
    exchange(TcpStream::connect(address).await.expect("a connection")).await;
}

/// The same with a full TLS handshake each.
pub fn secured(
    target: &Target,
    certificate: &std::path::Path,
    pace: Pace,
    lasts: Duration,
) -> Cost {
    let addresses = addresses(target);
    let connector = connector(certificate);
    requests(pace, lasts, move |nth| {
        let address = addresses[nth % addresses.len()];
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(address).await.expect("a connection");
            let name = ServerName::IpAddress(address.ip().into());
            exchange(connector.connect(name, stream).await.expect("a handshake")).await;
        }
    })
}

/// awc alone, with a new connection each time.
pub fn awc(target: &Target, pace: Pace, lasts: Duration) -> Cost {
    let uris: Vec<Uri> = addresses(target)
        .iter()
        .map(|address| format!("http://{address}/").parse().expect("a URI"))
        .collect();
    // Built lazily on the thread that uses it: a client is not `Send`.
    let client: Rc<Cell<Option<Client>>> = Rc::default();
    requests(pace, lasts, move |nth| {
        let made = client.take().unwrap_or_else(awc_client);
        client.set(Some(made.clone()));
        let uri = uris[nth % uris.len()].clone();
        async move {
            let mut answer = made.get(uri).force_close().send().await.expect("an answer");
            answer.body().await.expect("a body");
        }
    })
}

fn awc_client() -> Client {
    let dial = fn_service(async |request: ConnectInfo<Uri>| {
        let uri = request.request();
        let host = uri.host().and_then(|host| host.parse().ok());
        let address = host.map(|host| SocketAddr::new(host, uri.port_u16().unwrap_or(80)));
        let stream = TcpStream::connect(address.ok_or(ConnectError::Unresolved)?).await;
        Ok(Connection::new(uri.clone(), stream.map_err(ConnectError::Io)?))
    });
    Client::builder()
        .connector(Connector::new().connector(dial).limit(0))
        .timeout(Duration::from_secs(15))
        .disable_redirects()
        .no_default_headers()
        .finish()
}

fn addresses(target: &Target) -> Vec<SocketAddr> {
    (0..usize::from(ADDRESSES)).map(|nth| target.address(nth)).collect()
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        .await
        .expect("a request");
    let mut answer = [0; 512];
    while stream.read(&mut answer).await.expect("an answer") > 0 {}
}

fn connector(certificate: &std::path::Path) -> TlsConnector {
    let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

/// Sends requests at `pace` for `lasts`, and waits for the last of them.
fn requests<Request: Future<Output = ()> + 'static>(
    pace: Pace,
    lasts: Duration,
    send: impl Fn(usize) -> Request + 'static,
) -> Cost {
    measured(async move |started| match pace {
        Pace::Saturated => saturated(started + lasts, send).await,
        Pace::Paced(rate) => paced(Duration::from_secs(1) / rate, started, lasts, send).await,
    })
}

/// What `run` costs for each of the requests whose number it returns.
fn measured(run: impl AsyncFnOnce(Instant) -> usize) -> Cost {
    actix_rt::System::new().block_on(async {
        let (started, before) = (Instant::now(), Cpu::own());
        let count = run(started).await;
        Cost {
            cpu_us: Cpu::own().us_since(&before) / count as f64,
            rate: count as f64 / started.elapsed().as_secs_f64(),
        }
    })
}

async fn saturated<Request: Future<Output = ()> + 'static>(
    deadline: Instant,
    send: impl Fn(usize) -> Request + 'static,
) -> usize {
    let (count, send) = (Rc::new(Cell::new(0)), Rc::new(send));
    let lanes: Vec<_> = (0..CONCURRENCY)
        .map(|_| {
            let (count, send) = (Rc::clone(&count), Rc::clone(&send));
            actix_rt::spawn(async move {
                while Instant::now() < deadline {
                    count.set(count.get() + 1);
                    send(count.get()).await;
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.await.expect("a lane that ends");
    }
    count.get()
}

async fn paced<Request: Future<Output = ()> + 'static>(
    distance: Duration,
    started: Instant,
    lasts: Duration,
    send: impl Fn(usize) -> Request,
) -> usize {
    let count = lasts.div_duration_f64(distance) as usize;
    let mut requests = Vec::with_capacity(count);
    for nth in 0..count {
        let due = started + distance.mul_f64(nth as f64);
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        requests.push(actix_rt::spawn(send(nth)));
    }
    for request in requests {
        request.await.expect("a request that ends");
    }
    count
}

diesel::table! {
    ticks (id) {
        id -> BigInt,
        service_id -> BigInt,
        is_up -> Bool,
        http_status -> Integer,
        created_at_ms -> BigInt,
        connect_us -> BigInt,
        first_byte_us -> BigInt,
        transfer_us -> BigInt,
    }
}

/// A statement that is prepared once, as in the service.
struct Update;

impl Text<6> for Update {
    const PARTS: [&'static str; 6] = [
        "UPDATE metrics SET tick_count = ",
        ", up_count = ",
        ", response_time_sum_ns = ",
        ", latest_tick_id = ",
        ", updated_at = ",
        " WHERE service_id = ",
    ];
}

/// Inserts a tick and updates a metric in SQLite for each result, in transactions of 500.
pub fn inserts(lasts: Duration) -> Cost {
    let folder = program::folder();
    let file = folder.path().join("floor.db");
    let mut writing: SqliteConnection =
        diesel::Connection::establish(&file.to_string_lossy()).expect("a connection");
    writing
        .batch_execute(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA wal_autocheckpoint = 4000; \
             CREATE TABLE ticks (id INTEGER PRIMARY KEY, service_id, is_up, http_status, \
                 created_at_ms, connect_us, first_byte_us, transfer_us); \
             CREATE TABLE metrics (service_id INTEGER PRIMARY KEY, tick_count, up_count, \
                 response_time_sum_ns, latest_tick_id, updated_at); \
             INSERT INTO metrics WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                 WHERE i < {SERVICES}) SELECT i, 0, 0, 0, 0, 0 FROM n"
        ))
        .expect("tables");
    let (started, before) = (Instant::now(), Cpu::own());
    let mut count = 0;
    while started.elapsed() < lasts {
        writing
            .immediate_transaction(|writing| {
                (0..TRANSACTION).try_for_each(|_| {
                    count += 1;
                    insert(writing, count)
                })
            })
            .expect("a transaction");
    }
    Cost {
        cpu_us: Cpu::own().us_since(&before) / count as f64,
        rate: count as f64 / started.elapsed().as_secs_f64(),
    }
}

fn insert(writing: &mut SqliteConnection, id: i64) -> QueryResult<()> {
    let (service_id, at_ms) = (1 + id % SERVICES, 1_763_856_000_000 + id);
    diesel::insert_into(ticks::table)
        .values((
            ticks::id.eq(id),
            ticks::service_id.eq(service_id),
            ticks::is_up.eq(true),
            ticks::http_status.eq(200),
            ticks::created_at_ms.eq(at_ms),
            ticks::connect_us.eq(90 + id % 100),
            ticks::first_byte_us.eq(800 + id % 100),
            ticks::transfer_us.eq(10),
        ))
        .execute(writing)?;
    let count = id / SERVICES;
    let numbers = [count, count, id * 1_000, id, at_ms / 1_000, service_id].map(Some);
    Prepared::new(Update, numbers).execute(writing)?;
    Ok(())
}
