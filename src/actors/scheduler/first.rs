//! When a service that begins to be watched is probed first. Pure; time is passed in.

use std::time::{Duration, Instant};

use super::spread::Spread;
use crate::domain::Service;
use crate::domain::time::clock_watch::Moment;

/// Shortest and longest time over which the first probes of new services are spread.
const FIRST_PROBES_WITHIN: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(60));

/// When the first slot of a service is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// At once: a client has just created the service.
    Now,
    /// Within this time or one interval, spread by id: the service was never probed
    /// ([`first_probes_within`]).
    Soon(Duration),
    /// On its grid: the service has a history.
    OnGrid,
    /// In the newest slot that is later than this time, in unix milliseconds, by more than half an
    /// interval, or in the next one: the newest result that another owner of the service recorded.
    /// So no slot is probed twice, and the one that nobody has probed is.
    After(i64),
}

/// Time over which the first probes of so many new services are spread: a few seconds, but at most
/// one new service a second and slot of the pool, which is then not filled by targets that respond
/// within a second.
pub fn first_probes_within(new_services: usize, pool_size: usize) -> Duration {
    let (least, most) = FIRST_PROBES_WITHIN;
    let seconds = new_services as f64 / pool_size.max(1) as f64;
    Duration::from_secs_f64(seconds.min(most.as_secs_f64())).max(least)
}

/// The first two slots of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// The first one.
    pub due: Instant,
    /// The first one on the grid, which may be the same.
    pub grid: Instant,
}

impl First {
    /// The first slots of `service`, which is watched from `now` on.
    pub fn slots(self, spread: Spread, service: &Service, now: Moment) -> Slots {
        let interval = service.interval.get();
        let on_grid = now.instant + spread.until_grid(service.id, interval, now.wall_ms);
        let due = match self {
            Self::OnGrid => on_grid,
            Self::Now => now.instant,
            Self::Soon(within) => now.instant + spread.phase(service.id, interval.min(within)),
            Self::After(newest_ms) => {
                let due = first_after(newest_ms, on_grid, interval, now);
                return Slots { due, grid: due };
            }
        };
        let mut grid = on_grid;
        if due != grid {
            // The slot after one off the grid is at least half an interval later.
            while grid < due + interval / 2 {
                grid += interval;
            }
        }
        Slots { due, grid }
    }
}

/// As [`First::After`]; `on_grid` is the next slot.
fn first_after(newest_ms: i64, on_grid: Instant, interval: Duration, now: Moment) -> Instant {
    let since = Duration::from_millis(now.wall_ms.abs_diff(newest_ms));
    let next = on_grid.saturating_duration_since(now.instant);
    if newest_ms > now.wall_ms || since + next <= interval / 2 {
        on_grid + interval
    } else if since + next > interval + interval / 2 {
        on_grid.checked_sub(interval).unwrap_or(on_grid)
    } else {
        on_grid
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::schedule::{DEFAULT_TOLERANCE, Schedule};
    use super::*;
    use crate::domain::{ServiceId, sample};

    fn now() -> Moment {
        Moment { instant: Instant::now(), wall_ms: 1_700_000_000_000 }
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_new_owner_begins_with_the_first_slot_that_nobody_has_probed() {
        let (id, interval, now) = (ServiceId::new(7).unwrap(), secs(60), now());
        let (spread, service) = (Spread::default(), sample::service(7, 60.0));
        let next = spread.until_grid(id, interval, now.wall_ms);
        let next_ms = next.as_millis() as i64;
        let due = |newest_ms: i64| {
            let Slots { due, grid } =
                First::After(now.wall_ms + newest_ms).slots(spread, &service, now);
            assert_eq!(due, grid);
            due
        };
        let [before, on_grid, after] =
            [now.instant + next - interval, now.instant + next, now.instant + next + interval];
        // Of the slot before: also a little early, or late.
        for late_ms in [-100, 0, (60_000 - next_ms).min(29_000)] {
            assert_eq!(due(next_ms - 60_000 + late_ms), on_grid, "{late_ms}");
        }
        // Of the one before that, or of none for long.
        for late_ms in [-120_000, -119_000, -92_000, -3_600_000] {
            assert_eq!(due(next_ms + late_ms), before, "{late_ms}");
        }
        // The next slot was probed a little early.
        assert_eq!(due(next_ms - 50), after);
        assert_eq!(due(60_000), after, "another clock is ahead");
    }

    #[test]
    fn new_services_are_probed_within_seconds_and_do_not_overrun_the_pool() {
        let secs_f64 = |new, pool| first_probes_within(new, pool).as_secs_f64();
        assert_eq!((secs_f64(1, 1_024), secs_f64(3_000, 1_024)), (3.0, 3.0));
        assert!((9.0..10.0).contains(&secs_f64(10_000, 1_024)));
        assert_eq!((secs_f64(10_000, 0), secs_f64(1_000_000, 1_024)), (60.0, 60.0));
        for (services, pool) in [(10, 16), (3_000, 1_024), (10_000, 1_024), (40_000, 1_024)] {
            let (mut schedule, now) =
                (Schedule::new(Spread::of(services), DEFAULT_TOLERANCE), now());
            let first = First::Soon(first_probes_within(services, pool));
            for id in 1..=services as i64 {
                schedule.watch(Arc::new(sample::service(id, 86_400.0)), first, now);
            }
            let mut probed = 0;
            for second in 1.. {
                let (jobs, _) = schedule.pop_due(now.instant + secs(second), services);
                assert!(jobs.len() <= pool + pool / 10, "{} in second {second}", jobs.len());
                probed += jobs.len();
                if probed == services {
                    assert!(second <= 3.max(services as u64 / pool as u64 + 1), "{second} s");
                    break;
                }
            }
        }
        let now = now();
        let slots = First::Soon(secs(60)).slots(Spread::default(), &sample::service(7, 1.0), now);
        assert!(slots.due <= now.instant + secs(1), "within its interval");
    }
}
