//! Helpers that speak the domain.

mod app;
mod db;
mod target;
mod tls;

use std::time::{Duration, Instant};

pub use app::{App, Launch};
pub use db::Db;
pub use target::{Behaviour, Target};
pub use tls::Authority;

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
