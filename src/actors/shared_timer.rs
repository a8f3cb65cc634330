//! Timers that share wake-ups: they end at multiples of their interval since a common origin.
//!
//! A process with little to probe uses most of its CPU to wake up. What it does every second needs
//! no time of its own within the second.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use actix::prelude::*;

/// Where the intervals begin: the first use in this process.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The pause before the next round of work that itself takes time: until a multiple of `interval`,
/// and at least three quarters of it.
///
/// # Panics
///
/// If `interval` is zero.
pub fn pause(interval: Duration) -> Duration {
    pause_at(ORIGIN.elapsed(), interval)
}

fn pause_at(elapsed: Duration, interval: Duration) -> Duration {
    let remaining = remaining(elapsed, interval);
    if remaining >= interval / 4 * 3 { remaining } else { remaining + interval }
}

/// What remains at `elapsed` of the current interval: more than zero, and at most `interval`.
fn remaining(elapsed: Duration, interval: Duration) -> Duration {
    let begun = elapsed.as_nanos() % interval.as_nanos();
    interval - Duration::from_nanos(u64::try_from(begun).unwrap_or_default())
}

/// Calls `call` at each multiple of `interval`, for as long as the actor runs.
///
/// # Panics
///
/// If `interval` is zero.
pub fn run_every<A>(interval: Duration, context: &mut Context<A>, call: fn(&mut A, &mut Context<A>))
where
    A: Actor<Context = Context<A>>,
{
    context.run_later(remaining(ORIGIN.elapsed(), interval), move |actor, context| {
        run_every(interval, context, call);
        call(actor, context);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn timers_end_together() {
        let end = |elapsed, interval| elapsed + remaining(elapsed, interval);
        for elapsed in [1, 200, 499] {
            assert_eq!(end(ms(elapsed), ms(500)), ms(500));
            assert_eq!(end(ms(elapsed), ms(1_000)), ms(1_000));
        }
        assert_eq!(end(ms(500), ms(500)), ms(1_000), "not again at once");
        assert_eq!(end(ms(72_000_001), ms(1_000)), ms(72_001_000));
    }

    #[test]
    fn rounds_of_work_are_never_right_after_each_other() {
        for (elapsed, pause) in [(1_003, 997), (1_250, 750), (1_251, 1_749), (1_999, 1_001)] {
            assert_eq!(pause_at(ms(elapsed), ms(1_000)), ms(pause), "{elapsed}");
        }
    }

    #[actix::test]
    async fn an_actor_is_called_again_and_again_and_not_more_often() {
        const EVERY: Duration = ms(5);
        struct Counter(tokio::sync::mpsc::UnboundedSender<()>);
        impl Actor for Counter {
            type Context = Context<Self>;
            fn started(&mut self, context: &mut Self::Context) {
                run_every(EVERY, context, |counter, _| counter.0.send(()).unwrap_or_default());
            }
        }
        let (calls, mut called) = tokio::sync::mpsc::unbounded_channel();
        let started = Instant::now();
        let _counter = Counter(calls).start();
        let ten_calls = async {
            for _ in 0..10 {
                called.recv().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ten_calls).await.unwrap();
        assert!(started.elapsed() >= EVERY * 9, "{:?}", started.elapsed());
    }
}
