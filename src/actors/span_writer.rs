//! Writes the times of maintenance to the store as they begin.
//!
//! Uptime reads what was written, so a changed definition changes no history. The times of a stop
//! of the monitor are written at its next start.

use std::time::Duration;

use actix::prelude::*;
use slog::{Logger, warn};

use crate::actors::current_windows::CurrentWindows;
use crate::actors::messages::store::{Ask, ChangeMaintenance};
use crate::actors::runtime::{Lifeline, Runtime};
use crate::actors::shared_timer::run_every;
use crate::clock::unix_ms;
use crate::domain::audit::AuditSource;
use crate::domain::maintenance::Windows;
use crate::storage::StorageError;
use crate::storage::coordination::Duty;
use crate::storage::coordination::owned::Duties;
use crate::storage::maintenance::{
    ListDueSpans, MaintenanceApplied, MaintenanceChange, SpanPortion,
};

/// Interval between checks whether a maintenance has begun.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Longest interval between queries, which find services that were added or renamed.
const QUERY_EVERY_MS: i64 = 60_000;

/// Pause between portions, so that other writes get most of the writer's time.
const PORTION_PAUSE: Duration = Duration::from_millis(100);

/// One query or write is under way at a time, and a write has at most [`ListDueSpans::ROWS`] rows.
pub struct SpanWriter {
    windows: CurrentWindows,
    /// Those of the last query.
    seen: Windows,
    /// When the next maintenance begins, or the next query is due, in unix milliseconds.
    due_ms: i64,
    /// Of the last query after which everything was written, in unix milliseconds.
    checked_ms: Option<i64>,
    is_busy: bool,
    links: SpanWriterLinks,
    log: Logger,
    _lifeline: Lifeline,
}

/// The recipients of queries and writes.
pub struct SpanWriterLinks {
    pub due: Recipient<Ask<ListDueSpans>>,
    pub recorder: Recipient<ChangeMaintenance>,
    pub duties: Duties,
}

impl SpanWriter {
    pub fn new(windows: CurrentWindows, links: SpanWriterLinks, runtime: &Runtime) -> Self {
        Self {
            windows,
            seen: Windows::default(),
            due_ms: i64::MIN,
            checked_ms: None,
            is_busy: false,
            links,
            log: runtime.log.clone(),
            _lifeline: runtime.lifeline("span writer"),
        }
    }

    fn check(&mut self, context: &mut Context<Self>) {
        let (now_ms, windows) = (unix_ms(), self.windows.get());
        if !self.links.duties.has(Duty::Alerts) {
            return;
        }
        if self.is_busy || (windows.is_empty() && self.seen.is_empty()) {
            return;
        }
        let is_changed = !windows.is_same(&self.seen);
        // A clock that was set back must not make the check wait.
        let is_due = now_ms >= self.due_ms || self.due_ms > now_ms + QUERY_EVERY_MS;
        if is_changed || is_due {
            self.seen = windows;
            self.query(now_ms, context);
        }
    }

    fn query(&mut self, now_ms: i64, context: &mut Context<Self>) {
        self.is_busy = true;
        let list = ListDueSpans { now_ms, checked_ms: self.checked_ms };
        let portion = self.links.due.send(Ask(list)).into_actor(self);
        context.spawn(portion.map(move |portion, writer, context| match portion {
            Ok(Ok(portion)) => writer.write(now_ms, portion, context),
            Ok(Err(error)) => writer.postpone(now_ms, &error),
            // The reader died, so the process ends.
            Err(_) => {}
        }));
    }

    fn write(&mut self, now_ms: i64, portion: SpanPortion, context: &mut Context<Self>) {
        if portion.is_empty() {
            return self.done(now_ms);
        }
        let is_more = portion.is_more;
        let change = MaintenanceChange::WriteSpans(portion);
        let change = ChangeMaintenance { change, source: AuditSource::MONITOR };
        let written = self.links.recorder.send(change).into_actor(self);
        context.spawn(written.map(move |written, writer, context| match written {
            Ok(Ok(MaintenanceApplied { .. })) if is_more => {
                context.run_later(PORTION_PAUSE, move |writer, context| {
                    writer.query(unix_ms(), context);
                });
            }
            Ok(Ok(_)) => writer.done(now_ms),
            Ok(Err(error)) => writer.postpone(now_ms, &error),
            // The recorder died, so the process ends.
            Err(_) => {}
        }));
    }

    fn done(&mut self, now_ms: i64) {
        self.is_busy = false;
        self.checked_ms = Some(now_ms);
        let latest_ms = now_ms.saturating_add(QUERY_EVERY_MS);
        self.due_ms = self.seen.next_start(now_ms).map_or(latest_ms, |at_ms| at_ms.min(latest_ms));
    }

    /// The next check tries again.
    fn postpone(&mut self, now_ms: i64, error: &StorageError) {
        warn!(self.log, "times of maintenance were not written, and are tried again";
            "error" => %error);
        self.is_busy = false;
        self.due_ms = now_ms.saturating_add(QUERY_EVERY_MS / 6);
    }
}

impl Actor for SpanWriter {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        run_every(CHECK_EVERY, context, Self::check);
    }
}
