//! Stops everything in order, and reports where the data is.

use std::time::Duration;

use slog::{Logger, error, info, warn};
use tokio::time::{Instant, timeout, timeout_at};

use super::App;
use crate::actors::messages::alerting::StopDispatcher;
use crate::actors::messages::instances::StopCoordinator;
use crate::actors::messages::live::CloseStreams;
use crate::actors::messages::probing::{Drain, Stop};
use crate::actors::messages::recording::Flush;
use crate::actors::messages::relaying::StopRelay;
use crate::actors::runtime::Fault;
use crate::error::Error;
use crate::storage::{Rescued, SavedFiles};

/// The part of the grace period that is reserved for the flush: a tenth, and at most this.
const FLUSH_RESERVE: Duration = Duration::from_millis(500);

/// Longest grace period after an actor has died: most of the others would wait for it in vain.
const GRACE_AFTER_DEATH: Duration = Duration::from_secs(1);

/// Shortest time for the flush, even when the grace period is shorter.
const FLUSH_AT_LEAST: Duration = Duration::from_secs(2);

impl App {
    /// No new probe starts; running probes and API requests get the grace period; then the buffered
    /// outcomes are committed. After a change of the store, the API serves to the end, so that
    /// it says that the service is not ready.
    pub(super) async fn stop(&self, fault: Option<Fault>, grace: Duration) -> Result<(), Error> {
        let grace = match fault {
            Some(Fault::ActorDied(_)) => grace.min(GRACE_AFTER_DEATH),
            Some(Fault::StoreChanged) | None => grace,
        };
        self.reload.abort();
        for watch in self.certificate.iter().chain(&self.modules) {
            watch.abort();
        }
        if let Some(coordinator) = &self.actors.coordinator {
            coordinator.do_send(StopCoordinator);
        }
        // Their clients resume with the next run.
        self.actors.live.do_send(CloseStreams);
        let started = Instant::now();
        let drained = started + grace.saturating_sub(FLUSH_RESERVE.min(grace / 10));
        let flushed = started + grace;
        if fault == Some(Fault::StoreChanged) {
            self.drain_probes(drained).await;
            let result = self.flush(flushed).await;
            // A client that reads slowly is cut off.
            let _ = timeout(FLUSH_RESERVE, self.server.stop(true)).await;
            return result;
        }
        tokio::join!(self.drain_probes(drained), async {
            let _ = timeout_at(drained, self.server.stop(true)).await;
        });
        self.flush(flushed.max(Instant::now() + FLUSH_AT_LEAST)).await
    }

    pub(super) fn store_change(&self) -> Result<(), Error> {
        self.store.access().change().map_or(Ok(()), |change| Err(Error::StoreChanged(change)))
    }

    async fn drain_probes(&self, deadline: Instant) {
        let probes = async {
            // An error means that the actor has died and runs nothing any more.
            let _ = self.actors.scheduler.send(Stop).await;
            let _ = self.actors.pool.send(Drain).await;
        };
        // What was sent is stored before the recorder closes.
        let dispatcher = self.actors.dispatcher.send(StopDispatcher);
        let relay = async {
            if let Some(relay) = &self.actors.relay {
                let _ = relay.send(StopRelay).await;
            }
        };
        let probes = async { tokio::join!(probes, dispatcher, relay) };
        if timeout_at(deadline, probes).await.is_err() {
            let running = self.runtime.telemetry.slots_busy.get();
            info!(self.runtime.log, "running probes were cancelled at the end of the grace period";
                "count" => running);
        }
    }

    /// Without a deadline when files are rescued: the copy may take a while.
    async fn flush(&self, deadline: Instant) -> Result<(), Error> {
        let flush = self.actors.recorder.send(Flush);
        let flushed = if self.store.access().may_close() {
            timeout_at(deadline, flush).await.ok()
        } else {
            Some(flush.await)
        };
        match flushed {
            Some(Ok(Ok(None))) => {
                info!(self.runtime.log, "stopped; every outcome is in the store");
                Ok(())
            }
            Some(Ok(Ok(Some(rescued)))) => {
                log_rescued(&rescued, &self.runtime.log);
                Err(Error::StoreChanged(rescued.change))
            }
            _ => match self.runtime.telemetry.buffered.get() {
                0 => Ok(()),
                lost => Err(Error::OutcomesLost(lost)),
            },
        }
    }
}

/// Says where the data is, or that there is none.
fn log_rescued(rescued: &Rescued, log: &Logger) {
    if let Some(files) = &rescued.files {
        log_saved(files, log);
    }
    if rescued.lost > 0 {
        error!(log, "outcomes could not be saved"; "lost" => rescued.lost);
    }
}

fn log_saved(files: &SavedFiles, log: &Logger) {
    match &files.copy {
        Ok(file) => {
            warn!(log, "the database that was open is saved"; "file" => %file.display());
        }
        Err(error) => {
            error!(log, "the database that was open could not be saved"; "error" => error);
        }
    }
    if let Some(file) = &files.outcomes {
        warn!(log, "outcomes that were not committed are saved"; "file" => %file.display());
    }
    if let Some(file) = &files.log {
        warn!(log, "the log of the database that was open is set aside";
            "file" => %file.display());
    }
}
