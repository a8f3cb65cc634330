//! The wall clock. Nothing else reads it, so every timestamp has one source (clippy's
//! `disallowed-methods` holds this).

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds now; 0 before 1970.
#[expect(clippy::disallowed_methods, reason = "the only reader of the wall clock")]
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
