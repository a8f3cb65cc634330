//! Helpers: the program under test, its targets and its database.

pub mod alertmanager;
mod app;
mod blackbox;
pub mod browser;
mod certificates;
mod db;
mod dns;
mod event_stream;
mod grpc;
pub mod machine;
pub mod namespace;
pub mod openssl;
pub mod pack;
mod peers;
pub mod plugins;
pub mod postfix;
#[allow(dead_code, reason = "shared with the unit tests")]
#[path = "../../support/postgres_cluster.rs"]
mod postgres_cluster;
mod postgres_proxy;
mod probe;
pub mod prometheus;
mod proxy;
mod receiver;
mod registries;
pub mod schema;
mod slow;
pub mod sshd;
mod stores;
mod target;
pub mod tls;
mod token_server;
mod tsdb;
mod udp;
pub mod upgrade;
pub mod wire;

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

pub use app::{App, Launch, Reply};
pub use blackbox::{Blackbox, Exported};
pub use certificates::{Authority, Identity, Shape};
pub use db::{Db, go_database};
pub use dns::{Answer, NameServer, Rejection, mail_server, record_of, text_record};
pub use event_stream::{EventStream, open_unread};
pub use grpc::GrpcHealth;
pub use peers::{
    FullBacklog, MailServer, smtp_greeting, websocket_accept, websocket_echo, websocket_that_closes,
};
pub use postgres_cluster::{Cluster, ClusterOptions, Database};
pub use postgres_proxy::PostgresProxy;
pub use probe::ProbeReport;
pub use proxy::Proxy;
pub use receiver::{Received, Receiver};
pub use registries::{RdapAnswer, RegistryServer, bootstrap};
pub use slow::Delays;
pub(crate) use stores::stores;
pub use stores::{Store, new_database_of};
pub use target::{Behaviour, Target, basic, has_line};
pub use tls::{OldTls, TlsServer};
pub use token_server::{Credentials, TokenServer};
pub use tsdb::{Series, Tsdb, TsdbKind};
pub use udp::UdpPeer;
pub use wire::Peer;

/// Longest wait for a condition. Only a broken program exceeds it, however busy the machine is.
pub const WAIT_LIMIT: Duration = Duration::from_secs(120);

/// Attempts of [`retry_while_busy`].
const ATTEMPTS: usize = 10;

/// Polls until `find` finds something; fails with `what` after [`WAIT_LIMIT`].
#[track_caller]
pub fn wait_for<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + WAIT_LIMIT;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {WAIT_LIMIT:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Polls until `condition` holds; fails with `what` after [`WAIT_LIMIT`].
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// How often a test kills the program: the environment variable `KILLS`, or `default`.
pub fn kills(default: u32) -> u32 {
    std::env::var("KILLS").map_or(default, |kills| kills.parse().unwrap())
}

/// Repeats a measurement that a busy machine can spoil, until one attempt succeeds. A broken
/// program fails every attempt.
#[track_caller]
pub fn retry_while_busy(mut attempt: impl FnMut() -> Result<(), String>) {
    let mut errors = Vec::new();
    while errors.len() < ATTEMPTS {
        match attempt() {
            Ok(()) => return,
            Err(error) => errors.push(error),
        }
    }
    panic!("all {ATTEMPTS} attempts failed:\n{}", errors.join("\n"));
}

/// An address of the loopback network that no other server of the tests has, for servers with fixed
/// ports.
pub fn loopback_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let (process, number) = (std::process::id() % 65_536, NEXT.fetch_add(1, Ordering::Relaxed));
    format!("127.{}.{}.{}", 1 + number % 250, process / 256, 1 + process % 256 % 254)
}

/// `Err` with `error` unless `condition` holds.
pub fn ensure(condition: bool, error: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(error()) }
}
