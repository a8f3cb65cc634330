//! The pool: as many probers as `RUNNER_POOL_SIZE` says, each with one job or none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use slog::{Logger, error};
use tokio::sync::oneshot;

use super::Lifeline;
use crate::actors::line::{End, Line, Offer, Place};
use crate::actors::prober::{Crews, GiveUp, Prober, RunProbe};
use crate::actors::schedule::Job;
use crate::actors::scheduler::ConfirmationResult;
use crate::domain::Missed;
use crate::domain::{Outcome, Service, ServiceId};
use crate::metrics::Telemetry;

/// How often the pool looks for probers that have died at work.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked who has to give way, while somebody waits.
const MAKE_ROOM_EVERY: Duration = Duration::from_millis(20);

/// Owns the slots and the waiting line.
pub struct Pool {
    line: Line,
    /// The prober of each slot.
    probers: Vec<Addr<Prober>>,
    slots: usize,
    crews: Crews,
    /// What is to be started in which slot, until the message at hand is done with. Bound: slots.
    starting: Vec<(usize, Addr<Prober>, RunProbe)>,
    /// Whether it is looked for who has to give way.
    makes_room: bool,
    /// Who waits for the outcome of a probe that waits. Bound: those that wait.
    requesters: HashMap<ServiceId, Requester>,
    scheduler: Option<Recipient<ConfirmationResult>>,
    /// Who waits for the last probe to end; `Some` from [`Drain`] on, and then nothing starts.
    drained: Option<Vec<oneshot::Sender<()>>>,
    telemetry: Telemetry,
    log: Logger,
    _lifeline: Lifeline,
}

impl Pool {
    /// A pool of `slots` probers in `crews`, with room for `waiting_limit` jobs that wait.
    pub fn new(
        slots: usize,
        waiting_limit: usize,
        crews: Crews,
        telemetry: Telemetry,
        log: Logger,
        lifeline: Lifeline,
    ) -> Self {
        telemetry.slots.set(slots as i64);
        Self {
            line: Line::new(slots, crews.count(), waiting_limit),
            probers: Vec::with_capacity(slots),
            slots,
            starting: Vec::new(),
            crews,
            makes_room: false,
            requesters: HashMap::new(),
            scheduler: None,
            drained: None,
            telemetry,
            log,
            _lifeline: lifeline,
        }
    }

    fn run(&mut self, place: Place, job: Job) {
        let requester = self.requesters.remove(&job.service.id);
        let Place { slot, nth } = place;
        self.starting.push((slot, self.probers[slot].clone(), RunProbe { nth, job, requester }));
    }

    fn free(&mut self, place: Place, end: End) {
        let (next, late) = self.line.finish(place, end, Instant::now());
        self.telemetry.missed(Missed::Late, late);
        if let Some((place, job)) = next {
            self.run(place, job);
        }
    }

    /// Has started what was given a slot, makes room if somebody waits, and tells how things stand.
    fn settle(&mut self, context: &mut Context<Self>) {
        self.crews.tell(std::mem::take(&mut self.starting));
        // Who waits for a probe that was turned away hears of it by the end of the channel.
        self.requesters.retain(|id, _| self.line.waits(*id));
        if self.line.quick_wait() && !self.makes_room {
            self.makes_room = true;
            context.run_later(MAKE_ROOM_EVERY, |pool, context| {
                pool.makes_room = false;
                pool.make_room();
                pool.settle(context);
            });
        }
        self.tell();
    }

    /// Has probes given up for those who wait. By way of the crews, so that none is told before it was started.
    fn make_room(&mut self) {
        let told = self.line.who_gives_way(Instant::now()).into_iter();
        let told = told.map(|Place { slot, nth }| (slot, self.probers[slot].clone(), GiveUp(nth)));
        self.crews.tell(told.collect());
    }

    fn tell(&mut self) {
        self.telemetry.slots_busy.set(self.line.busy() as i64);
        self.telemetry.slots_waiting.set(self.line.waiting() as i64);
        if self.line.busy() == 0
            && let Some(waiting) = &mut self.drained
        {
            for reply in waiting.drain(..) {
                // An app that no longer waits has given up the grace period.
                let _ = reply.send(());
            }
        }
    }

    /// Builds anew each prober that died at work. Its probe is lost: a fault of ours, and so neither up nor down.
    fn rebuild_dead(&mut self, context: &mut Context<Self>) {
        let is_dead = |place: &Place| !self.probers[place.slot].connected();
        let dead: Vec<Place> = self.line.at_work().filter(is_dead).collect();
        for place in dead {
            let slot = place.slot;
            error!(self.log, "prober died and was built anew"; "slot" => slot);
            self.telemetry.probers_rebuilt.inc();
            self.probers[slot] = self.crews.hire(slot);
            self.free(place, End::Late);
        }
        self.settle(context);
    }
}

/// Command from the scheduler: probe these, or count them as missed. Never refused, since the line is bounded and the
/// scheduler sends what is due once.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Dispatch {
    /// What is due.
    pub jobs: Vec<Job>,
}

/// Notice from the recorder: these probes are over, and their outcomes are taken. If it is lost, the recorder has died, and the
/// process ends.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Finished(pub Vec<Ended>);

/// A probe that is over.
#[derive(Debug)]
pub struct Ended {
    /// Where it was.
    pub place: Place,
    /// How it ended.
    pub end: End,
    /// What it saw, of a service with a threshold for failures.
    pub looked: Option<ConfirmationResult>,
}

/// Command from the app at start: whom to tell of services whose failures want to be confirmed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SubscribeConfirmations(pub Recipient<ConfirmationResult>);

/// Command from HTTP: probe this service now, beside its slots. The reply is the outcome, or that there is no prober for it: one
/// is under way already, or the line is full.
#[derive(Debug, Message)]
#[rtype(result = "Result<Outcome, oneshot::error::RecvError>")]
pub struct ProbeNow {
    /// What to probe.
    pub service: Arc<Service>,
    /// Whether the outcome is a tick like any other.
    pub records: bool,
}

/// Who waits for the outcome of one probe.
#[derive(Debug)]
pub struct Requester {
    /// Where it goes.
    pub reply: oneshot::Sender<Outcome>,
    /// Whether it is recorded too.
    pub records: bool,
}

/// Notice from the scheduler: if this service waits, it is to be probed as it is now.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Revise {
    /// As it is now.
    pub service: Arc<Service>,
}

/// Notice from the scheduler: this service is watched no longer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Leave {
    /// Which.
    pub id: ServiceId,
}

/// Command from the app: start nothing any more. The reply means that no probe is under way.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), oneshot::error::RecvError>")]
pub struct Drain;

impl Actor for Pool {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.probers = (0..self.slots).map(|slot| self.crews.hire(slot)).collect();
        context.run_interval(SWEEP_EVERY, |pool, context| pool.rebuild_dead(context));
    }
}

impl Handler<Dispatch> for Pool {
    type Result = ();

    fn handle(&mut self, dispatch: Dispatch, context: &mut Self::Context) {
        if self.drained.is_some() {
            return;
        }
        let now = Instant::now();
        self.line.next_batch();
        for job in dispatch.jobs {
            match self.line.offer(job, now) {
                Offer::Start(place, job) => self.run(place, job),
                Offer::Waits(None) => {}
                Offer::Waits(Some(missed)) | Offer::Missed(missed) => {
                    self.telemetry.missed(missed, 1);
                }
            }
        }
        self.settle(context);
    }
}

impl Handler<Finished> for Pool {
    type Result = ();

    fn handle(&mut self, Finished(probes): Finished, context: &mut Self::Context) {
        for Ended { place, end, looked } in probes {
            if let (Some(looked), Some(scheduler)) = (looked, &self.scheduler) {
                scheduler.do_send(looked);
            }
            if end == End::GaveWay {
                self.telemetry.missed(Missed::GaveWay, 1);
            }
            self.free(place, end);
        }
        self.settle(context);
    }
}

impl Handler<SubscribeConfirmations> for Pool {
    type Result = ();

    fn handle(
        &mut self,
        SubscribeConfirmations(scheduler): SubscribeConfirmations,
        _: &mut Self::Context,
    ) {
        self.scheduler = Some(scheduler);
    }
}

impl Handler<ProbeNow> for Pool {
    type Result = ResponseFuture<Result<Outcome, oneshot::error::RecvError>>;

    fn handle(&mut self, ask: ProbeNow, context: &mut Self::Context) -> Self::Result {
        let (reply, outcome) = oneshot::channel();
        let (now, id) = (Instant::now(), ask.service.id);
        if self.drained.is_none() && !self.line.waits(id) {
            let next_due = now + ask.service.timeout.get();
            let job = Job { due: now, next_due, service: ask.service, on_demand: true };
            match self.line.offer(job, now) {
                Offer::Start(place, job) => {
                    self.requesters.insert(id, Requester { reply, records: ask.records });
                    self.run(place, job);
                }
                Offer::Waits(_) => {
                    self.requesters.insert(id, Requester { reply, records: ask.records });
                }
                Offer::Missed(_) => {}
            }
        }
        self.settle(context);
        Box::pin(outcome)
    }
}

impl Handler<Revise> for Pool {
    type Result = ();

    fn handle(&mut self, revise: Revise, _: &mut Self::Context) {
        self.line.revise(&revise.service);
    }
}

impl Handler<Leave> for Pool {
    type Result = ();

    fn handle(&mut self, leave: Leave, _: &mut Self::Context) {
        self.line.leave(leave.id);
        self.requesters.remove(&leave.id);
        self.tell();
    }
}

impl Handler<Drain> for Pool {
    type Result = ResponseFuture<Result<(), oneshot::error::RecvError>>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        let (reply, drained) = oneshot::channel();
        self.drained.get_or_insert_default().push(reply);
        self.line.clear();
        self.requesters.clear();
        self.tell();
        Box::pin(drained)
    }
}
