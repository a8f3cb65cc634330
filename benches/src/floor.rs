//! The floors: the least that the same work costs on this machine, in bare loops in this process.

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

use service_healthcheck::storage::prepared::{Prepared, Text};

use crate::program::{self, Cpu};
use crate::target::{ADDRESSES, Target};

/// Requests at once when they are sent flat out.
const AT_ONCE: usize = 32;

/// Results of one transaction of the insert loop, and services that they belong to.
const TRANSACTION: i64 = 500;
const SERVICES: i64 = 1_000;

/// What one turn gave.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// CPU for each, in microseconds.
    pub cpu_us: f64,
    /// How many a second.
    pub rate: f64,
}

/// How fast requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As fast as it goes.
    FlatOut,
    /// So many a second, evenly, by one timer, as a scheduler would.
    Paced(u32),
}

/// A loop over new connections: connect, GET, read to the end, close.
pub fn bare(target: &Target, pace: Pace, lasts: Duration) -> Cost {
    let addresses = addresses(target);
    requests(pace, lasts, move |nth| {
        let address = addresses[nth % addresses.len()];
        async move {
            exchange(TcpStream::connect(address).await.expect("a connection")).await;
        }
    })
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

/// awc alone, with a connection of our own each time.
pub fn awc(target: &Target, pace: Pace, lasts: Duration) -> Cost {
    let uris: Vec<Uri> = addresses(target)
        .iter()
        .map(|address| format!("http://{address}/").parse().expect("a URI"))
        .collect();
    // Built where it is used: a client belongs to one thread.
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

/// Sends requests at that pace for that long, and waits for the last of them.
fn requests<Asked: Future<Output = ()> + 'static>(
    pace: Pace,
    lasts: Duration,
    ask: impl Fn(usize) -> Asked + 'static,
) -> Cost {
    actix_rt::System::new().block_on(async {
        let (started, before) = (Instant::now(), Cpu::own());
        let count = match pace {
            Pace::FlatOut => flat_out(started + lasts, ask).await,
            Pace::Paced(rate) => paced(rate, started, lasts, ask).await,
        };
        Cost {
            cpu_us: Cpu::own().us_since(&before) / count as f64,
            rate: count as f64 / started.elapsed().as_secs_f64(),
        }
    })
}

async fn flat_out<Asked: Future<Output = ()> + 'static>(
    deadline: Instant,
    ask: impl Fn(usize) -> Asked + 'static,
) -> usize {
    let (asked, ask) = (Rc::new(Cell::new(0)), Rc::new(ask));
    let lanes: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (asked, ask) = (Rc::clone(&asked), Rc::clone(&ask));
            actix_rt::spawn(async move {
                while Instant::now() < deadline {
                    asked.set(asked.get() + 1);
                    ask(asked.get()).await;
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.await.expect("a lane that ends");
    }
    asked.get()
}

async fn paced<Asked: Future<Output = ()> + 'static>(
    rate: u32,
    started: Instant,
    lasts: Duration,
    ask: impl Fn(usize) -> Asked,
) -> usize {
    let count = (lasts.as_secs_f64() * f64::from(rate)) as usize;
    let mut asked = Vec::with_capacity(count);
    for nth in 0..count {
        let due = started + Duration::from_secs_f64(nth as f64 / f64::from(rate));
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        asked.push(actix_rt::spawn(ask(nth)));
    }
    for request in asked {
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

/// Prepared once, as the service's own.
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

/// A loop into SQLite: a tick inserted and a metric updated for each result, in transactions of 500.
pub fn inserts(lasts: Duration) -> Cost {
    let folder = program::folder();
    let file = folder.path().join("floor.db");
    let mut writing: SqliteConnection =
        diesel::Connection::establish(&file.to_string_lossy()).expect("a connection");
    writing
        .batch_execute(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000; \
             CREATE TABLE ticks (id INTEGER PRIMARY KEY, service_id, is_up, http_status, created_at_ms, \
                 connect_us, first_byte_us, transfer_us); \
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
