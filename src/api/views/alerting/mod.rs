//! Channels, policies, silences, alerts and deliveries.

pub mod alert;
pub mod channel;
pub mod delivery;
pub mod policy;
pub mod silence;

/// Unix seconds, as most fields show a time.
fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1_000)
}
