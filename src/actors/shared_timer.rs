//! Timers that wake their thread together.
//!
//! A process with little to probe uses most of its CPU to wake up. What it does every second needs
//! no time of its own within the second.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use actix::prelude::*;

/// The instant of this run from which the intervals count.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The time until the next whole multiple of `interval` since some instant of this run.
///
/// # Panics
///
/// If `interval` is zero.
pub fn until_next(interval: Duration) -> Duration {
    rest(ORIGIN.elapsed(), interval)
}

/// What is left at `past` of the current interval: more than zero, and at most `interval`.
fn rest(past: Duration, interval: Duration) -> Duration {
    let past = past.as_nanos() % interval.as_nanos();
    interval - Duration::from_nanos(u64::try_from(past).unwrap_or_default())
}

/// Calls `call` at each whole multiple of `interval`, for as long as the actor runs.
pub fn run_every<A>(interval: Duration, context: &mut Context<A>, call: fn(&mut A, &mut Context<A>))
where
    A: Actor<Context = Context<A>>,
{
    context.run_later(until_next(interval), move |actor, context| {
        run_every(interval, context, call);
        call(actor, context);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_end_together() {
        let ms = Duration::from_millis;
        let end = |past, interval| past + rest(past, interval);
        for past in [1, 200, 499] {
            assert_eq!(end(ms(past), ms(500)), ms(500));
            assert_eq!(end(ms(past), ms(1_000)), ms(1_000));
        }
        assert_eq!(end(ms(500), ms(500)), ms(1_000), "not again at once");
        assert_eq!(end(ms(72_000_001), ms(1_000)), ms(72_001_000));
    }

    #[actix::test]
    async fn an_actor_is_called_again_and_again() {
        struct Counter(tokio::sync::mpsc::UnboundedSender<()>);
        impl Actor for Counter {
            type Context = Context<Self>;
            fn started(&mut self, context: &mut Self::Context) {
                run_every(Duration::from_millis(5), context, |counter, _| {
                    let _ = counter.0.send(());
                });
            }
        }
        let (calls, mut called) = tokio::sync::mpsc::unbounded_channel();
        let _counter = Counter(calls).start();
        for _ in 0..3 {
            called.recv().await.unwrap();
        }
    }
}
