//! The relay: carries the decisions of [`RelayState`].

use std::rc::Rc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use slog::{Logger, info, warn};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::actors::messages::relaying::{
    CatchUp, LabelsChanged, RelayRecipients, SaveRelayed, StopRelay, TicksStored,
};
use crate::actors::messages::store::Ask;
use crate::actors::runtime::{Lifeline, Runtime};
use crate::actors::store::readers::Readers;
use crate::domain::ServiceId;
use crate::logging::Throttle;
use crate::metrics::{Relayed, RemoteWriteMetrics};
use crate::relay::encoding::write_request;
use crate::relay::labels_cache::LabelsCache;
use crate::relay::limits::Limits;
use crate::relay::positions::RelayTick;
use crate::relay::response::Verdict;
use crate::relay::sender::{Receiver, Reply, Sender};
use crate::relay::state::{RelayState, Step};
use crate::remote::WriteRequest;
use crate::storage::StorageError;
use crate::storage::alerting::GetDefinitions;
use crate::storage::history::unrelayed::{ListUnrelayed, NumberedTick, ReadUnrelayed};
use crate::storage::relayed::RelayedSeqs;

/// Longest wait for the request under way at the end.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// Interval between two updates of the gauges.
const GAUGES_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub struct RelaySettings {
    pub receiver: Receiver,
    /// Labels of all series.
    pub labels: Vec<(String, String)>,
}

/// What the relay sends messages to.
pub struct RelayLinks {
    pub readers: Readers,
    pub recorder: Recipient<SaveRelayed>,
    /// Shared with the writer.
    pub relayed: RelayedSeqs,
}

/// Bounds: those of [`RelayState`] and [`LabelsCache`]; one step under way.
pub struct Relay {
    state: RelayState,
    labels: LabelsCache,
    /// Services that changed while a step was under way, which may have read them before.
    changed: Vec<ServiceId>,
    sender: Rc<Sender>,
    links: RelayLinks,
    is_busy: bool,
    /// The timer of the next step.
    timer: Option<SpawnHandle>,
    /// Dropped when the last step has ended.
    stop: Option<oneshot::Sender<()>>,
    is_stopping: bool,
    is_failing: bool,
    refusals: Throttle,
    metrics: RemoteWriteMetrics,
    log: Logger,
    _lifeline: Lifeline,
}

impl Relay {
    /// Starts the relay on `arbiter`.
    pub fn spawn(
        arbiter: &ArbiterHandle,
        settings: RelaySettings,
        links: RelayLinks,
        runtime: &Runtime,
    ) -> Addr<Self> {
        let runtime = runtime.clone();
        Self::start_in_arbiter(arbiter, move |_| Self {
            state: RelayState::new(Limits::DEFAULT, links.relayed.clone(), Instant::now()),
            labels: LabelsCache::new(settings.labels),
            changed: Vec::new(),
            sender: Rc::new(Sender::new(settings.receiver)),
            links,
            is_busy: false,
            timer: None,
            stop: None,
            is_stopping: false,
            is_failing: false,
            refusals: Throttle::default(),
            metrics: runtime.telemetry.remote_write.clone(),
            log: runtime.log.clone(),
            _lifeline: runtime.lifeline("relay"),
        })
    }

    pub fn recipients(relay: &Addr<Self>) -> RelayRecipients {
        RelayRecipients {
            ticks: relay.clone().recipient(),
            labels: relay.clone().recipient(),
            behind: relay.clone().recipient(),
        }
    }

    /// Begins the next step unless one is under way.
    fn turn(&mut self, context: &mut Context<Self>) {
        if self.is_busy {
            return;
        }
        if self.is_stopping {
            return self.save_and_stop(context);
        }
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        match self.state.next(Instant::now()) {
            Step::Idle => {}
            Step::Wait(until) => self.wake_at(until, context),
            Step::Check => self.send(Vec::new(), context),
            Step::Send(ticks) => self.read_labels(ticks, context),
            Step::List { after, limit } => {
                let rows = self.links.readers.ask(Ask(ListUnrelayed { after, limit }));
                self.step(rows, context, |relay, rows, _| match rows {
                    Ok(rows) => relay.state.listed(&rows),
                    Err(error) => relay.store_failed(&error),
                });
            }
            Step::Read { services, limit } => {
                let ticks = self.links.readers.ask(Ask(ReadUnrelayed { services, limit }));
                self.step(ticks, context, |relay, ticks, _| match ticks {
                    Ok(ticks) => relay.state.read(ticks),
                    Err(error) => relay.store_failed(&error),
                });
            }
            Step::Save => {
                let saved = self.links.recorder.send(SaveRelayed);
                self.step(saved, context, |relay, saved, _| {
                    relay.state.saved(matches!(saved, Ok(Ok(()))), Instant::now());
                });
            }
        }
    }

    /// Runs `work`, then `done`, and then the next step.
    fn step<T: 'static>(
        &mut self,
        work: impl Future<Output = T> + 'static,
        context: &mut Context<Self>,
        done: impl FnOnce(&mut Self, T, &mut Context<Self>) + 'static,
    ) {
        self.is_busy = true;
        context.spawn(work.into_actor(self).map(move |result, relay, context| {
            relay.is_busy = false;
            done(relay, result, context);
            relay.turn(context);
        }));
    }

    fn wake_at(&mut self, until: Instant, context: &mut Context<Self>) {
        let wait = until.saturating_duration_since(Instant::now());
        self.timer = Some(context.run_later(wait, |relay, context| {
            relay.timer = None;
            relay.turn(context);
        }));
    }

    fn store_failed(&mut self, error: &StorageError) {
        // The recorder logs what fails; a reader that fails alone is logged here.
        if self.refusals.pass(Instant::now()) {
            warn!(self.log, "remote write: the store cannot be read"; "error" => %error);
        }
        self.state.store_failed(Instant::now());
    }

    /// Sends `ticks` once the labels of their services are known.
    fn read_labels(&mut self, ticks: Vec<RelayTick>, context: &mut Context<Self>) {
        let missing = self.labels.missing(ticks.iter().map(|tick| tick.service_id));
        if missing.is_empty() {
            return self.send(ticks, context);
        }
        let definitions = self.links.readers.ask(Ask(GetDefinitions(missing)));
        self.step(definitions, context, |relay, definitions, context| match definitions {
            Ok(definitions) => {
                relay.labels.insert(definitions);
                relay.send(ticks, context);
            }
            Err(error) => relay.store_failed(&error),
        });
    }

    /// Sends these ticks, or an empty request.
    fn send(&mut self, ticks: Vec<RelayTick>, context: &mut Context<Self>) {
        let request = write_request(&ticks, self.labels.known());
        for id in self.changed.drain(..) {
            self.labels.forget(id);
        }
        let sender = Rc::clone(&self.sender);
        let sent = async move {
            let reply = sender.send(&request).await;
            (reply, request)
        };
        self.step(sent, context, move |relay, (reply, request), _| {
            if ticks.is_empty() {
                relay.state.checked(reply.verdict, Instant::now());
            } else {
                relay.answered(&reply, &request);
            }
            relay.note(&reply, ticks.is_empty());
        });
    }

    fn answered(&mut self, reply: &Reply, request: &WriteRequest) {
        let samples = request.timeseries.iter().map(|series| series.samples.len()).sum::<usize>();
        let answered = self.state.answered(reply.verdict, Instant::now());
        if reply.verdict == Verdict::Accepted {
            self.metrics.samples(Relayed::Accepted, samples as u64);
        }
        if let Some(tick) = answered.refused {
            self.metrics.samples(Relayed::Refused, samples as u64);
            if self.refusals.pass(Instant::now()) {
                warn!(self.log, "remote write: the receiver refused a result for good";
                    "service_id" => tick.service_id.get(), "time_ms" => tick.tick.at_ms,
                    "error" => &reply.detail);
            }
        }
        self.metrics.samples(Relayed::Refused, self.state.take_skipped() as u64);
    }

    /// Counts a request, and logs when the receiver begins or ceases to take requests.
    fn note(&mut self, reply: &Reply, is_check: bool) {
        let is_failure = match reply.verdict {
            Verdict::Accepted => false,
            Verdict::Refused => is_check,
            Verdict::Failed { .. } => true,
        };
        let result = match reply.verdict {
            _ if is_failure => Relayed::Failed,
            Verdict::Accepted => Relayed::Accepted,
            Verdict::Refused | Verdict::Failed { .. } => Relayed::Refused,
        };
        self.metrics.request(result, 1);
        if is_failure && !self.is_failing {
            warn!(self.log, "remote write: the receiver takes no results; they wait in the store";
                "error" => &reply.detail);
        } else if !is_failure && self.is_failing {
            info!(self.log, "remote write: the receiver takes results again");
        }
        self.is_failing = is_failure;
    }

    /// Stores the cursors, so that the next run repeats nothing.
    fn save_and_stop(&mut self, context: &mut Context<Self>) {
        let Some(stop) = self.stop.take() else { return };
        let saved = self.links.recorder.send(SaveRelayed);
        // An error means that the next run repeats what is not stored.
        self.step(saved, context, |_, _, _| drop(stop));
    }

    fn update_gauges(&mut self) {
        self.metrics.waiting(self.state.lag(Instant::now()), self.state.queued());
    }
}

impl Actor for Relay {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(GAUGES_EVERY, |relay, _| relay.update_gauges());
        self.turn(context);
    }
}

impl Handler<TicksStored> for Relay {
    type Result = ();

    fn handle(&mut self, TicksStored(ticks): TicksStored, context: &mut Self::Context) {
        let ticks = ticks.into_iter().map(|new| NumberedTick {
            service_id: new.service_id,
            seq: new.seq,
            tick: new.tick,
        });
        self.state.committed(ticks, Instant::now());
        self.turn(context);
    }
}

impl Handler<CatchUp> for Relay {
    type Result = ();

    fn handle(&mut self, _: CatchUp, context: &mut Self::Context) {
        self.state.catch_up();
        self.turn(context);
    }
}

impl Handler<LabelsChanged> for Relay {
    type Result = ();

    fn handle(&mut self, LabelsChanged(id): LabelsChanged, _: &mut Self::Context) {
        self.labels.forget(id);
        if self.is_busy {
            self.changed.push(id);
        }
    }
}

impl Handler<StopRelay> for Relay {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: StopRelay, context: &mut Self::Context) -> Self::Result {
        let (stop, stopped) = oneshot::channel();
        self.stop = Some(stop);
        self.is_stopping = true;
        self.turn(context);
        let recorder = self.links.recorder.clone();
        Box::pin(async move {
            // The sender is dropped when the cursors are stored.
            if timeout(STOP_WAIT, stopped).await.is_err() {
                let _ = recorder.send(SaveRelayed).await;
            }
        })
    }
}
