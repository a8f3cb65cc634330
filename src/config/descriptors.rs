//! The budget of file descriptors.

use crate::config::api::{MAX_CONNECTIONS, RESERVED_CONNECTIONS};
use crate::config::error::ConfigError;
use crate::config::probing::POOL_SIZE;
use crate::config::variable::Variable;
use crate::domain::invalid::Invalid;

/// File descriptors beside those of probes and connections: store, log, signals, event loops, and
/// the connections that are kept for health and readiness.
const OTHER_DESCRIPTORS: u64 = 64 + RESERVED_CONNECTIONS as u64;

/// Rejects a pool or a number of connections that exceeds `limit`, the hard limit of the process.
///
/// A probe needs one socket, and a connection to the API needs one. During name resolution and
/// while addresses race, a probe needs more for a moment: running out of descriptors then is a
/// local fault and never a downtime.
pub fn check(pool: u64, connections: u64, limit: u64) -> Result<(), ConfigError> {
    let available = limit.saturating_sub(OTHER_DESCRIPTORS);
    if pool + connections <= available {
        return Ok(());
    }
    let too_many = |variable: &Variable, value: u64, most: u64| {
        let expected = format!(
            "at most {most}: {} ({pool}), {} ({connections}) and {OTHER_DESCRIPTORS} for the \
             program must fit in the hard limit of {limit} file descriptors",
            POOL_SIZE.name, MAX_CONNECTIONS.name
        );
        Invalid::new(value, expected).of(variable.name)
    };
    let beside = |other: u64| if other < available { available - other } else { available / 2 };
    // A setting is invalid if it leaves nothing for the other; if both leave something, it is the
    // pool.
    let mut problems = Vec::new();
    if connections >= available {
        problems.push(too_many(&MAX_CONNECTIONS, connections, beside(pool)));
    }
    if pool >= available || problems.is_empty() {
        problems.push(too_many(&POOL_SIZE, pool, beside(connections)));
    }
    Err(ConfigError { problems })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_exceeds_the_descriptors_is_rejected() {
        assert!(check(1_000, 100, 1_228).is_ok());
        let problems =
            |pool, connections, limit| check(pool, connections, limit).unwrap_err().problems;
        for (pool, connections, limit, expected) in [
            (1_000, 100, 1_227, "RUNNER_POOL_SIZE: invalid value 1000, expected at most 999:"),
            (1_000, 100, 500, "RUNNER_POOL_SIZE: invalid value 1000, expected at most 272:"),
            (8, 512, 500, "API_MAX_CONNECTIONS: invalid value 512, expected at most 364:"),
        ] {
            let problems = problems(pool, connections, limit);
            assert_eq!(problems.len(), 1);
            assert!(problems[0].starts_with(expected), "{problems:?}");
        }
        assert_eq!(problems(1_024, 512, 500).len(), 2, "each exceeds the limit by itself");
    }
}
