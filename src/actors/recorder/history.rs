//! Carries the upkeep of the history: has fresh ticks sealed, what is too old taken away, and counts what there is.

use std::time::{Duration, Instant};

use actix::prelude::*;
use slog::{debug, warn};

use super::{Phase, Recorder};
use crate::actors::beats::Standstill;
use crate::actors::reader::Ask;
use crate::actors::upkeep::STEP_EVERY;
use crate::actors::writer::{BeginSealing, FinishSealing, Finished, Publish, Published, Retain};
use crate::clock::unix_ms;
use crate::domain::time::timestamp;
use crate::storage::StorageError;
use crate::storage::history::gaps::Gap;
use crate::storage::history::retention::Progress;
use crate::storage::history::slice::{Prepare, Slice};
use crate::storage::history::usage::GetUsage;
use crate::storage::ledger::Fresh;

/// A write of the upkeep. One at a time.
pub(super) enum Duty {
    /// Begin a sealing, or find the one that is under way.
    BeginSealing,
    /// Put a slice in the place of its ticks.
    Publish(Box<Slice>),
    /// End the sealing.
    FinishSealing,
    /// Take the next step of retention.
    Retain(Progress),
}

impl Recorder {
    /// Begins what is due. A step of retention waits for a sealing, and a sealing for a step.
    pub(super) fn look_after_history(&mut self, context: &mut Context<Self>) {
        if self.phase != Phase::Open || self.trouble().is_some() {
            return;
        }
        let now = Instant::now();
        if let Some(progress) = self.upkeep.step_begins(now) {
            self.duty = Some(Duty::Retain(progress));
            self.pump(context);
        } else if self.upkeep.wants_seal(self.board.watched(), now) && !self.upkeep.is_stepping() {
            self.upkeep.seal_begins();
            self.duty = Some(Duty::BeginSealing);
            self.pump(context);
        }
    }

    /// Has a duty done by the writer.
    pub(super) fn do_duty(&mut self, duty: Duty, context: &mut Context<Self>) {
        self.store.begin(Instant::now());
        match duty {
            Duty::BeginSealing => self.begin_sealing(context),
            Duty::Publish(slice) => self.publish(slice, context),
            Duty::FinishSealing => self.finish_sealing(context),
            Duty::Retain(progress) => self.retain(progress, context),
        }
    }

    fn begin_sealing(&mut self, context: &mut Context<Self>) {
        let began = Instant::now();
        let begun = self.writer.send(BeginSealing).into_actor(self);
        context.spawn(begun.map(move |done, recorder, context| {
            let Ok(done) = done else { return recorder.writer_died() };
            recorder.written();
            match done {
                Ok(fresh) if fresh.is_sealing => {
                    recorder.sealed(0, fresh, began.elapsed());
                    recorder.prepare(context);
                }
                Ok(fresh) => recorder.sealing_ended(fresh),
                Err(error) => recorder.seal_failed(error),
            }
            recorder.pump(context);
        }));
    }

    /// Has the keeper pack the next slice.
    fn prepare(&mut self, context: &mut Context<Self>) {
        let chunk_ticks = self.upkeep.rules().chunk_ticks as usize;
        let prepared = self.keeper.send(Ask(Prepare { chunk_ticks })).into_actor(self);
        context.spawn(prepared.map(|slice, recorder, context| {
            let slice = slice.unwrap_or_else(|_| {
                Err(StorageError::Unavailable("the keeper has died".to_owned()))
            });
            match slice {
                Ok(Some(slice)) => recorder.duty = Some(Duty::Publish(Box::new(slice))),
                Ok(None) => recorder.duty = Some(Duty::FinishSealing),
                Err(error) => recorder.put_off(&error),
            }
            recorder.pump(context);
        }));
    }

    fn publish(&mut self, slice: Box<Slice>, context: &mut Context<Self>) {
        let began = Instant::now();
        let published = self.writer.send(Publish(slice)).into_actor(self);
        context.spawn(published.map(move |done, recorder, context| {
            let Ok(done) = done else { return recorder.writer_died() };
            recorder.written();
            match done {
                Ok(Published { slice, ticks, fresh }) => {
                    let took = began.elapsed();
                    recorder.sealed(ticks, fresh, took);
                    if slice.is_published() {
                        recorder.prepare(context);
                    } else {
                        // The writer belongs to outcomes and changes for as long as it did not.
                        context.run_later(took, |recorder, context| {
                            recorder.duty = Some(Duty::Publish(slice));
                            recorder.pump(context);
                        });
                    }
                }
                Err(error) => recorder.seal_failed(error),
            }
            recorder.pump(context);
        }));
    }

    fn finish_sealing(&mut self, context: &mut Context<Self>) {
        let began = Instant::now();
        let finished = self.writer.send(FinishSealing).into_actor(self);
        context.spawn(finished.map(move |done, recorder, context| {
            let Ok(done) = done else { return recorder.writer_died() };
            recorder.written();
            match done {
                Ok(Finished { strays, fresh }) => {
                    if strays > 0 {
                        warn!(recorder.log, "fresh ticks that no metric leads to were taken away; somebody else has changed the tables";
                            "count" => strays);
                    }
                    recorder.sealed(0, fresh, began.elapsed());
                    recorder.sealing_ended(fresh);
                }
                Err(error) => recorder.seal_failed(error),
            }
            recorder.pump(context);
        }));
    }

    /// A transaction of a sealing took so long.
    fn sealed(&mut self, ticks: u64, fresh: Fresh, took: Duration) {
        let seconds = took.as_secs_f64();
        self.telemetry.sealed(ticks, seconds);
        debug!(self.log, "ticks sealed"; "count" => ticks, "seconds" => seconds);
        self.upkeep.note(fresh, Instant::now());
    }

    fn sealing_ended(&mut self, fresh: Fresh) {
        let now = Instant::now();
        self.upkeep.seal_ended(true, now);
        self.upkeep.note(fresh, now);
    }

    /// A transaction of a sealing came to nothing.
    fn seal_failed(&mut self, error: StorageError) {
        self.put_off(&error);
        self.note_failure(error);
    }

    /// What is not sealed stays fresh, and is sealed later.
    fn put_off(&mut self, error: &StorageError) {
        warn!(self.log, "ticks were not sealed and stay as they are"; "error" => %error);
        self.upkeep.seal_ended(false, Instant::now());
    }

    fn retain(&mut self, progress: Progress, context: &mut Context<Self>) {
        let retention = self.upkeep.rules().retention;
        let retained = self.writer.send(Retain { retention, progress }).into_actor(self);
        context.spawn(retained.map(|done, recorder, context| {
            let Ok(done) = done else { return recorder.writer_died() };
            recorder.written();
            recorder.upkeep.step_ended(done.as_ref().ok().copied(), Instant::now());
            match done {
                Ok(Progress::Done) => {}
                Ok(_) => {
                    context.run_later(STEP_EVERY, Self::look_after_history);
                }
                Err(error) => {
                    warn!(recorder.log, "what is too old was not taken away"; "error" => %error);
                    recorder.note_failure(error);
                }
            }
            recorder.pump(context);
        }));
    }

    fn note_failure(&mut self, error: StorageError) {
        if let StorageError::Unavailable(why) = error {
            self.fails(why);
        }
    }

    /// A time in which this process stood still is a gap, like one in which it did not run.
    pub(super) fn notice_standstill(&mut self) {
        if let Some(standstill) = self.beats.beat(unix_ms()) {
            let from_ms = self.stood_still.map_or(standstill.from_ms, |earlier| earlier.from_ms);
            self.stood_still = Some(Standstill { from_ms, ..standstill });
        }
    }

    /// The standstill that went with a commit is in the store.
    pub(super) fn gap_noted(&mut self, noted: Option<Standstill>, gap: Option<Gap>) {
        if self.stood_still == noted {
            self.stood_still = None;
        }
        if let Some(Gap { from_ms, services }) = gap {
            warn!(self.log, "this process stood still, or the clock was set forward; that time is unknown";
                "since" => timestamp::to_rfc3339(from_ms), "services" => services);
        }
    }

    /// Has `/metrics` tell how much there is.
    pub(super) fn count_history(&mut self, context: &mut Context<Self>) {
        let counted = self.keeper.send(Ask(GetUsage)).into_actor(self);
        context.spawn(counted.map(|usage, recorder, _| {
            // A store that cannot be read is told by those who wait for an answer.
            let Ok(Ok(usage)) = usage else { return };
            let tell = |part: &'static str, value: u64| {
                recorder.telemetry.storage_bytes(part, value);
            };
            tell("file", usage.file_bytes);
            tell("log", usage.log_bytes);
            tell("free", usage.free_bytes);
            tell("sealed_ticks", usage.sealed_bytes);
            for (table, rows) in usage.rows() {
                recorder.telemetry.storage_rows(table, rows);
            }
        }));
    }
}
