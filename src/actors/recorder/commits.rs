//! The commits of groups of outcomes, and what is published of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use slog::error;

use super::{Phase, Recorder};
use crate::actors::messages::alerting::SignalsCommitted;
use crate::actors::messages::recording::{NamedEvent, TicksCommitted};
use crate::actors::messages::relaying::TicksStored;
use crate::actors::messages::store::{Commit, CommitDone, NotCommitted};
use crate::metrics::RecordResult;
use crate::storage::ledger::Committed;

impl Recorder {
    pub(super) fn commit(&mut self, now: Instant, context: &mut Context<Self>) {
        self.watch_clocks();
        // Results from before unobserved time are committed before it is noted: they decide events.
        let until_ms = self.pending_clock.unobserved_from_ms();
        let until_ms = until_ms.filter(|at_ms| self.buffer.begins_before(*at_ms));
        let group = self.buffer.take_group(until_ms, now);
        self.store.begin(now);
        self.steps_since_commit.clear();
        let clock = self.pending_clock.notes(until_ms.is_none());
        let as_of = self.clock_watch.last();
        let rescues = self.store_change.is_some() && self.phase == Phase::Closing;
        let commit = Commit { group, clock, as_of, rescues };
        let commit = self.writer.commit.send(commit).into_actor(self);
        context.spawn(commit.map(move |done, recorder, context| {
            let Ok(done) = done else { return recorder.handle_writer_death() };
            recorder.end_write();
            recorder.finish_commit(done, now.elapsed(), context);
            recorder.unpark();
            recorder.start_next_write(context);
        }));
    }

    fn finish_commit(&mut self, mut done: CommitDone, took: Duration, context: &mut Context<Self>) {
        let failure = self.take_back(done.failed.take());
        if done.services.is_some() || done.gap.is_some() || done.set_back.is_some() {
            self.commit_window.all_changed();
        }
        self.commit_window.committed(&done.committed, self.buffer.finished());
        self.count_committed(&done.committed, took);
        self.publish_ticks(&mut done.committed);
        self.publish_events(&done.committed);
        self.publish_updates(std::mem::take(&mut done.committed.updates), context);
        self.publish_all(done.services.take());
        self.live.write_published();
        if done.committed.signals > 0 {
            self.notify_dispatcher(|to| to.signals.do_send(SignalsCommitted));
        }
        self.clock_noted(&done.noted, done.set_back, done.gap);
        self.reports.committed(self.buffer.finished(), &done.committed);
        match failure {
            None => match done.given_up {
                None => self.note_success(),
                Some(lost) => self.telemetry.outcomes(RecordResult::Dropped, lost),
            },
            Some(why) => {
                self.telemetry.commit_failures.inc();
                self.note_failure(why);
                self.note_store_change(done.store_change);
            }
        }
        if let Some(links) = &self.links {
            links.upkeep.do_send(TicksCommitted(done.fresh));
        }
    }

    /// The group has left the buffer, except for what was not committed. Returns why that was not.
    fn take_back(&mut self, failed: Option<NotCommitted>) -> Option<String> {
        let Some(NotCommitted { mut group, why }) = failed else {
            self.buffer.group_done();
            return None;
        };
        self.move_failed(&mut group);
        self.buffer.put_back(group, Instant::now());
        Some(why)
    }

    fn count_committed(&self, committed: &Committed, took: Duration) {
        if committed.recorded > 0 {
            self.telemetry.commit_size.observe(committed.recorded as f64);
            self.telemetry.commit_duration.observe(took.as_secs_f64());
        }
        self.telemetry.outcomes(RecordResult::Recorded, committed.recorded);
        self.telemetry.outcomes(RecordResult::Orphaned, committed.orphaned.len());
        self.telemetry.outcomes(RecordResult::Dropped, committed.refused.len());
        for (service_id, why) in &committed.refused {
            error!(self.log, "an outcome contradicts the store and was dropped";
                "service_id" => service_id.get(), "error" => why);
            self.last_results.clear(*service_id);
        }
    }

    /// There are none without remote write.
    fn publish_ticks(&self, committed: &mut Committed) {
        if committed.ticks.is_empty() {
            return;
        }
        if let Some(relay) = self.links.as_ref().and_then(|links| links.relay.as_ref()) {
            relay.ticks.do_send(TicksStored(std::mem::take(&mut committed.ticks)));
        }
    }

    fn publish_events(&mut self, committed: &Committed) {
        let named = committed.began.iter().map(|event| NamedEvent {
            name: self.last_results.name(event.service_id),
            event: event.clone(),
        });
        let events: Arc<[NamedEvent]> = named.collect();
        self.events.publish(&events);
    }
}
