//! The upkeep: seals fresh ticks, deletes what retention no longer covers, and counts the store's
//! content for `/metrics`.
//!
//! Its writes go through the recorder, which has one write under way at a time.

pub mod decision;

use std::time::{Duration, Instant};

use actix::prelude::*;
use slog::{Logger, debug, warn};

use crate::actors::last_results::LastResults;
use crate::actors::messages::recording::{GetStoreFailure, TicksCommitted};
use crate::actors::messages::store::{
    Ask, QueueUpkeepWrite, UpkeepReply, UpkeepWrite, UpkeepWritten,
};
use crate::actors::runtime::{Lifeline, Runtime};
use crate::metrics::Telemetry;
use crate::storage::StorageError;
use crate::storage::history::retention::Progress;
use crate::storage::history::rows::Slice;
use crate::storage::history::slice::Prepare;
use crate::storage::ledger::Fresh;
use crate::storage::records::{GetUsage, Usage};
use decision::{STEP_EVERY, UpkeepPlan, UpkeepSettings, Work};

/// Interval between checks for due work; a commit checks too.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Interval between counts for `/metrics`.
const COUNT_EVERY: Duration = Duration::from_secs(60);

/// Does one piece of work at a time.
pub struct Upkeep {
    plan: UpkeepPlan,
    settings: UpkeepSettings,
    last_results: LastResults,
    links: UpkeepLinks,
    /// A query for the store's failure is pending.
    is_starting: bool,
    /// The recorder is closing.
    is_stopped: bool,
    counted_at: Option<Instant>,
    telemetry: Telemetry,
    log: Logger,
    _lifeline: Lifeline,
}

/// The recipients of the upkeep's writes and queries.
pub struct UpkeepLinks {
    pub recorder: Recipient<QueueUpkeepWrite>,
    pub store_failure: Recipient<GetStoreFailure>,
    pub prepare: Recipient<Ask<Prepare>>,
    pub usage: Recipient<Ask<GetUsage>>,
}

impl Upkeep {
    /// `last_results` says how many services are watched.
    pub fn new(
        settings: UpkeepSettings,
        last_results: LastResults,
        links: UpkeepLinks,
        runtime: &Runtime,
    ) -> Self {
        Self {
            plan: UpkeepPlan::new(settings, Instant::now()),
            settings,
            last_results,
            links,
            is_starting: false,
            is_stopped: false,
            counted_at: None,
            telemetry: runtime.telemetry.clone(),
            log: runtime.log.clone(),
            _lifeline: runtime.lifeline("upkeep"),
        }
    }

    /// Starts work that is due, unless the store takes no writes.
    fn start_due(&mut self, context: &mut Context<Self>) {
        let is_due = self.plan.is_due(self.last_results.watched(), Instant::now());
        if self.is_stopped || self.is_starting || !is_due {
            return;
        }
        self.is_starting = true;
        let failure = self.links.store_failure.send(GetStoreFailure).into_actor(self);
        context.spawn(failure.map(|failure, upkeep, context| {
            upkeep.is_starting = false;
            if matches!(failure, Ok(None)) {
                upkeep.start(context);
            }
        }));
    }

    fn start(&mut self, context: &mut Context<Self>) {
        match self.plan.begin(self.last_results.watched(), Instant::now()) {
            None => {}
            Some(Work::Sealing) => self.write(UpkeepWrite::BeginSealing, context),
            Some(Work::Retention(progress)) => {
                let retention = self.settings.retention;
                self.write(UpkeepWrite::Retain { retention, progress }, context);
            }
        }
    }

    fn write(&mut self, write: UpkeepWrite, context: &mut Context<Self>) {
        let is_retention = matches!(write, UpkeepWrite::Retain { .. });
        let reply = self.links.recorder.send(QueueUpkeepWrite(write)).into_actor(self);
        context.spawn(reply.map(move |reply, upkeep, context| {
            let Ok(Ok(UpkeepReply { result, took })) = reply else {
                upkeep.is_stopped = true;
                return;
            };
            match result {
                Ok(written) => upkeep.continue_after(written, took, context),
                Err(error) if is_retention => upkeep.postpone_retention(&error),
                Err(error) => upkeep.postpone_sealing(&error),
            }
        }));
    }

    fn continue_after(
        &mut self,
        written: UpkeepWritten,
        took: Duration,
        context: &mut Context<Self>,
    ) {
        match written {
            UpkeepWritten::SealingBegun(fresh) if fresh.is_sealing => {
                self.note_sealed(0, fresh, took);
                self.prepare_slice(context);
            }
            UpkeepWritten::SealingBegun(fresh) => self.end_sealing(fresh),
            UpkeepWritten::SlicePublished { slice, ticks, fresh } => {
                self.note_sealed(ticks, fresh, took);
                self.publish_rest(slice, took, context);
            }
            UpkeepWritten::SealingFinished { strays, fresh } => {
                if strays > 0 {
                    warn!(self.log,
                        "fresh ticks without a metric were deleted; another program has changed \
                        the tables"; "count" => strays);
                }
                self.note_sealed(0, fresh, took);
                self.end_sealing(fresh);
            }
            UpkeepWritten::Retained(progress) => {
                self.plan.step_ended(Some(progress), Instant::now());
                if progress != Progress::Done {
                    context.run_later(STEP_EVERY, Self::start_due);
                }
            }
        }
    }

    /// Packs the next slice on the reader's thread.
    fn prepare_slice(&mut self, context: &mut Context<Self>) {
        let chunk_ticks = self.settings.chunk_ticks as usize;
        let prepared = self.links.prepare.send(Ask(Prepare { chunk_ticks })).into_actor(self);
        context.spawn(prepared.map(|slice, upkeep, context| {
            let died = || Err(StorageError::Unavailable("the upkeep reader has died".to_owned()));
            match slice.unwrap_or_else(|_| died()) {
                Ok(Some(slice)) => {
                    upkeep.write(UpkeepWrite::PublishSlice(Box::new(slice)), context);
                }
                Ok(None) => upkeep.write(UpkeepWrite::FinishSealing, context),
                Err(error) => upkeep.postpone_sealing(&error),
            }
        }));
    }

    /// Publishes the rest of a slice after a pause as long as the last transaction, so outcomes and
    /// changes get half of the writer's time.
    fn publish_rest(&mut self, slice: Box<Slice>, took: Duration, context: &mut Context<Self>) {
        if slice.is_published() {
            return self.prepare_slice(context);
        }
        context.run_later(took, |upkeep, context| {
            upkeep.write(UpkeepWrite::PublishSlice(slice), context);
        });
    }

    fn note_sealed(&mut self, ticks: u64, fresh: Fresh, took: Duration) {
        let seconds = took.as_secs_f64();
        self.telemetry.sealed(ticks, seconds);
        debug!(self.log, "ticks sealed"; "count" => ticks, "seconds" => seconds);
        self.plan.note(fresh, Instant::now());
    }

    fn end_sealing(&mut self, fresh: Fresh) {
        let now = Instant::now();
        self.plan.seal_ended(true, now);
        self.plan.note(fresh, now);
    }

    fn postpone_sealing(&mut self, error: &StorageError) {
        warn!(self.log, "ticks were not sealed and stay fresh"; "error" => %error);
        self.plan.seal_ended(false, Instant::now());
    }

    fn postpone_retention(&mut self, error: &StorageError) {
        warn!(self.log, "retention did not delete old data"; "error" => %error);
        self.plan.step_ended(None, Instant::now());
    }

    fn count_if_due(&mut self, context: &mut Context<Self>) {
        let now = Instant::now();
        if self.counted_at.is_some_and(|at| now < at + COUNT_EVERY) {
            return;
        }
        self.counted_at = Some(now);
        let usage = self.links.usage.send(Ask(GetUsage)).into_actor(self);
        context.spawn(usage.map(|usage, upkeep, _| {
            // A store that cannot be read fails the queries of HTTP, which report it.
            if let Ok(Ok(usage)) = usage {
                upkeep.set_gauges(&usage);
            }
        }));
    }

    fn set_gauges(&self, usage: &Usage) {
        let parts = [
            ("file", Some(usage.file_bytes)),
            ("log", usage.log_bytes),
            ("free", usage.free_bytes),
            ("sealed_ticks", Some(usage.sealed_bytes)),
        ];
        for (part, bytes) in parts {
            if let Some(bytes) = bytes {
                self.telemetry.storage_bytes(part, bytes);
            }
        }
        for (table, rows) in usage.rows() {
            self.telemetry.storage_rows(table, rows);
        }
    }
}

impl Actor for Upkeep {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        // The first count comes late: after one a second after the start, a process with 100,000
        // services from a file kept 25 MiB more.
        context.run_interval(CHECK_EVERY, |upkeep, context| {
            upkeep.start_due(context);
            upkeep.count_if_due(context);
        });
    }
}

impl Handler<TicksCommitted> for Upkeep {
    type Result = ();

    fn handle(&mut self, TicksCommitted(fresh): TicksCommitted, context: &mut Self::Context) {
        self.plan.note(fresh, Instant::now());
        self.start_due(context);
    }
}
