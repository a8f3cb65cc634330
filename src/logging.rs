//! The log: one line an event on standard error, written by a thread of its own.
//!
//! What does not fit in the queue is dropped and counted by slog-async, so a reader of the log that hangs never holds up
//! a probe.

use std::io;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use slog::{Drain, Level, Logger, o};

/// Lines that may wait for the writing thread.
const QUEUE_LIMIT: usize = 8_192;

/// Longest time that the end of the process waits for whoever reads the log.
const WRITE_OUT_WITHIN: Duration = Duration::from_secs(1);

/// Writes out what is queued, as far as it is read in time. (A guard waits for ever when it is dropped.)
pub fn write_out(queue: slog_async::AsyncGuard) {
    let (done, written) = mpsc::channel();
    std::thread::spawn(move || {
        drop(queue);
        // Nobody waits any more once the time is over.
        let _ = done.send(());
    });
    let _ = written.recv_timeout(WRITE_OUT_WITHIN);
}

/// The root logger, and its queue, to be given to [`write_out`] at the end.
pub fn root(debug: bool) -> (Logger, slog_async::AsyncGuard) {
    let decorator = slog_term::TermDecorator::new().stderr().build();
    let format = slog_term::FullFormat::new(decorator)
        .use_custom_timestamp(utc_timestamp)
        .use_original_order()
        .build();
    let level = if debug { Level::Debug } else { Level::Info };
    // `ignore_res`, not `fuse`: a closed standard error must not end the process.
    let (queue, guard) = slog_async::Async::new(format.ignore_res())
        .chan_size(QUEUE_LIMIT)
        .overflow_strategy(slog_async::OverflowStrategy::DropAndReport)
        .build_with_guard();
    // Before the queue, so that a line that nobody wants costs nothing and pushes no other out.
    let drain = slog::LevelFilter::new(queue, level);
    (Logger::root(drain.ignore_res(), o!()), guard)
}

fn utc_timestamp(line: &mut dyn io::Write) -> io::Result<()> {
    slog_term::timestamp_utc(line)
}

/// Logs every panic with its place, beside what the panicking thread's owner makes of it.
pub fn log_panics(log: Logger) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let said = panic.payload_as_str().unwrap_or("without a word");
        slog::error!(log, "panic"; "message" => said, "place" => place);
    }));
}

/// Lets one line a second pass.
#[derive(Debug, Default)]
pub struct Throttle {
    last: Mutex<Option<Instant>>,
}

impl Throttle {
    /// Whether a line may be written at `now`.
    pub fn pass(&self, now: Instant) -> bool {
        let Ok(mut last) = self.last.lock() else { return true };
        let passes = last.is_none_or(|last| now.duration_since(last) >= Duration::from_secs(1));
        if passes {
            *last = Some(now);
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_passes() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert!(throttle.pass(now));
        assert!(!throttle.pass(now + Duration::from_millis(999)));
        assert!(throttle.pass(now + Duration::from_secs(1)));
    }
}
