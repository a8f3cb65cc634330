//! The wall clock. Nothing else reads it, so every timestamp has one source (clippy's
//! `disallowed-methods` holds this).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest time between the readings of the two clocks that [`read`] accepts at once.
const READ_WITHIN: Duration = Duration::from_millis(1);

/// Attempts of [`read`]; the one with the shortest time between the two readings counts.
const READ_ATTEMPTS: usize = 8;

/// Unix milliseconds now; 0 before 1970.
#[expect(clippy::disallowed_methods, reason = "the only reader of the wall clock")]
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    #[cfg(feature = "failpoints")]
    let unix_ms = unix_ms.saturating_add(stepped::offset_ms()).max(0);
    unix_ms
}

/// The monotonic clock and the wall clock (unix milliseconds) at the same moment, within a
/// millisecond unless the machine interrupts every attempt for longer.
pub fn read() -> (Instant, i64) {
    let attempt = || {
        let instant = Instant::now();
        let wall_ms = unix_ms();
        (instant.elapsed(), instant, wall_ms)
    };
    let mut best = attempt();
    for _ in 1..READ_ATTEMPTS {
        if best.0 <= READ_WITHIN {
            break;
        }
        let next = attempt();
        if next.0 < best.0 {
            best = next;
        }
    }
    (best.1, best.2)
}

/// A wall clock that a test sets while the program runs. Builds without the feature `failpoints`,
/// as every release is, have none of it.
#[cfg(feature = "failpoints")]
mod stepped {
    use std::path::PathBuf;
    use std::sync::LazyLock;

    /// Names a file with the offset of the wall clock in milliseconds, which is read each time.
    const VARIABLE: &str = "FAILPOINTS_CLOCK_OFFSET_FILE";

    static FILE: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os(VARIABLE).map(PathBuf::from));

    pub fn offset_ms() -> i64 {
        let text = FILE.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}
