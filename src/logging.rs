//! The log: one line per event on standard error, written by its own thread.
//!
//! When the queue is full, slog-async drops lines and counts them, so a reader of the log that
//! hangs never delays a probe.

use std::io;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use slog::{Drain, Level, Logger, o};

/// Lines in the queue of the writing thread.
const QUEUE_LIMIT: usize = 8_192;

/// Longest wait for the reader of the log at the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Writes the queued lines, for at most a second. (Dropping the guard itself has no time limit.)
pub fn flush(queue: slog_async::AsyncGuard) {
    let (done, written) = mpsc::channel();
    std::thread::spawn(move || {
        drop(queue);
        // The receiver is gone after the timeout.
        let _ = done.send(());
    });
    let _ = written.recv_timeout(FLUSH_TIMEOUT);
}

/// The root logger, and its queue for [`flush`] at the end of the process.
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
    // Before the queue, so that lines below the level do not fill it.
    let drain = slog::LevelFilter::new(queue, level);
    (Logger::root(drain.ignore_res(), o!()), guard)
}

fn utc_timestamp(line: &mut dyn io::Write) -> io::Result<()> {
    slog_term::timestamp_utc(line)
}

/// Logs every panic with its location. The supervisor of the thread handles the panic itself.
pub fn log_panics(log: Logger) {
    std::panic::set_hook(Box::new(move |panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("without a message");
        slog::error!(log, "panic"; "message" => message, "location" => location);
    }));
}

/// Permits one log line per second.
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
    fn one_line_per_second_passes() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert!(throttle.pass(now));
        assert!(!throttle.pass(now + Duration::from_millis(999)));
        assert!(throttle.pass(now + Duration::from_secs(1)));
    }
}
