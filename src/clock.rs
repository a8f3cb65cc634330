//! The wall clock. Nothing else reads it, so every timestamp has one source (clippy's
//! `disallowed-methods` holds this).

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest time between the readings of the two clocks that [`read`] accepts at once.
const READ_WITHIN: Duration = Duration::from_millis(1);

/// Attempts of [`read`]; the one with the shortest time between the two readings counts.
const READ_ATTEMPTS: usize = 8;

/// How far the clock of the machine is behind that of the database, in milliseconds.
static BEHIND_MS: AtomicI64 = AtomicI64::new(0);

/// Unix milliseconds now; 0 before 1970.
pub fn unix_ms() -> i64 {
    let unix_ms = followed_ms();
    #[cfg(feature = "failpoints")]
    let unix_ms = unix_ms.saturating_add(stepped::offset_ms()).max(0);
    unix_ms
}

/// As [`unix_ms`], without the steps of a test: what is compared with the clock of the database.
#[expect(clippy::disallowed_methods, reason = "the only reader of the wall clock")]
pub fn followed_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let machine_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    #[cfg(feature = "failpoints")]
    let machine_ms = machine_ms.saturating_add(stepped::machine_offset_ms());
    machine_ms.saturating_add(BEHIND_MS.load(Ordering::Relaxed)).max(0)
}

/// Moves the clock of this process by so many milliseconds: it follows that of the database.
pub fn adjust(by_ms: i64) {
    BEHIND_MS.fetch_add(by_ms, Ordering::Relaxed);
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

    /// Sets the clock of the machine wrong from the start, in milliseconds.
    const MACHINE: &str = "FAILPOINTS_MACHINE_CLOCK_OFFSET_MS";

    static MACHINE_OFFSET_MS: LazyLock<i64> = LazyLock::new(|| {
        std::env::var(MACHINE).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    });

    pub fn machine_offset_ms() -> i64 {
        *MACHINE_OFFSET_MS
    }

    static FILE: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os(VARIABLE).map(PathBuf::from));

    pub fn offset_ms() -> i64 {
        let text = FILE.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}
