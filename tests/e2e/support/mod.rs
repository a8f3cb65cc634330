//! Helpers that speak the domain.

mod app;
mod blackbox;
mod certificates;
mod db;
mod dns;
mod grpc;
pub mod namespace;
mod peers;
mod probe;
mod slow;
mod target;
mod tls;
mod wire;

use std::time::{Duration, Instant};

pub use app::{App, Launch};
pub use blackbox::{Blackbox, Exported};
pub use certificates::{Authority, Identity, Shape};
pub use db::{Db, go_database};
pub use dns::{Answer, NameServer, mail_server, record_of, text_record};
pub use grpc::GrpcHealth;
pub use peers::{FullQueue, Mail, greeter, websocket_echo, websocket_that_leaves};
pub use probe::Probed;
pub use slow::Delays;
pub use target::{Behaviour, Target, basic, has_line};
pub use tls::{OldTls, Terms};
pub use wire::Peer;

/// Longest wait for anything that should happen at once.
pub const SOON: Duration = Duration::from_secs(20);

/// Polls until `look` finds something; fails with `what` when it does not within [`SOON`].
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {SOON:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
