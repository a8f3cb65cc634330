//! A world: what the recorder does with the probes of two services, in simulated time.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::oracle::{self, Fact};
use super::{Conditions, Probes, SERVICES, Step};
use crate::actors::recorder::buffer::Buffer;
use crate::actors::recorder::observation::{Observations, allowance};
use crate::domain::audit::AuditSource;
use crate::domain::history::timeline::TimeKind;
use crate::domain::time::stall::Stall;
use crate::domain::{
    Counting, Defaults, Definition, Failure, Interval, Outcome, Reason, ServiceId, Span, State,
    Thresholds, Timeout, Totals, Verdict, Window, sample,
};
use crate::spec::Patch;
use crate::storage::contract::fixture::{Fixture, Kind, START_MS};
use crate::storage::contract::ledger::events;
use crate::storage::history::uptime::{GetUptime, spans};
use crate::storage::ledger::Ledger;
use crate::storage::port::Query;
use crate::storage::records::Change;

const SECOND_MS: i64 = 1_000;

/// Without other writes the liveness mark is moved this often.
const LIVENESS_EVERY_MS: i64 = 5_000;

/// How old the mark of a commit may be: the newest tick takes its place.
const MARK_AGE_MOST_MS: i64 = 2_000;

/// Longest time that the self-check holds a result.
const HELD_MOST_MS: i64 = 5_000;

pub struct World {
    store: Fixture,
    observations: Observations,
    buffer: Buffer,
    services: Vec<Service>,
    defaults: Defaults,
    conditions: Conditions,
    /// Outcomes that the self-check holds, with the time of their arrival.
    held: Vec<(i64, Outcome)>,
    stall: Option<Stall>,
    /// Services that were reported as unobserved and have no result since.
    unobserved: HashSet<ServiceId>,
    buffer_limit: usize,
    start: Instant,
    now_ms: i64,
    marked_ms: i64,
}

struct Service {
    id: ServiceId,
    is_enabled: bool,
    interval_ms: i64,
    due_ms: i64,
    /// When the newest stored result began, and when it was committed.
    stored_ms: Option<i64>,
    committed_ms: Option<i64>,
    facts: Vec<(i64, Fact)>,
}

fn millis(duration: Duration) -> i64 {
    duration.as_millis() as i64
}

impl World {
    pub fn new(kind: Kind, interval_s: u32, timeout_s: u32, buffer_limit: usize) -> Self {
        let defaults = Defaults {
            interval: Interval::from_seconds(f64::from(interval_s)).unwrap(),
            timeout: Timeout::from_seconds(f64::from(timeout_s)).unwrap(),
        };
        let store = Fixture::with_thresholds(kind.open(), &[Thresholds::default(); SERVICES]);
        let services = store.ids.iter().enumerate().map(|(nth, id)| Service {
            id: *id,
            is_enabled: true,
            interval_ms: i64::from(interval_s) * SECOND_MS,
            due_ms: START_MS + (1 + nth as i64) * SECOND_MS,
            stored_ms: None,
            committed_ms: None,
            facts: Vec::new(),
        });
        let mut world = Self {
            services: services.collect(),
            store,
            observations: Observations::default(),
            buffer: Buffer::new(buffer_limit),
            defaults,
            conditions: Conditions::default(),
            held: Vec::new(),
            stall: None,
            unobserved: HashSet::new(),
            buffer_limit,
            start: Instant::now(),
            now_ms: START_MS,
            marked_ms: START_MS,
        };
        for nth in 0..SERVICES {
            world.watch(nth);
            world.note(nth, Fact::Watched);
        }
        world.commit();
        world
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis((self.now_ms - START_MS).unsigned_abs())
    }

    fn note(&mut self, nth: usize, fact: Fact) {
        let now_ms = self.now_ms;
        self.services[nth].facts.push((now_ms, fact));
    }

    fn nth(&self, id: ServiceId) -> usize {
        self.services.iter().position(|service| service.id == id).unwrap()
    }

    fn watch(&mut self, nth: usize) {
        let seconds = self.services[nth].interval_ms as f64 / 1e3;
        let definition = Definition {
            interval: Some(Interval::from_seconds(seconds).unwrap()),
            ..sample::definition("a")
        };
        let allowance = allowance(&definition, &self.defaults);
        let (id, now) = (self.services[nth].id, self.now());
        self.observations.watch(id, allowance, self.now_ms, now);
        self.note(nth, Fact::Allowance(millis(allowance)));
    }

    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Run(seconds, conditions) => {
                self.conditions = conditions.clone();
                self.run(*seconds);
                self.release();
            }
            Step::Interval { nth, seconds } => self.change_interval(*nth, *seconds),
            Step::Pause { nth, seconds } => self.pause(*nth, *seconds),
            Step::Stall(seconds) => self.stall(*seconds),
            Step::Restart { seconds, killed } => self.restart(*seconds, *killed),
            Step::Seal => {
                if !self.conditions.store_fails && self.store.begin_sealing() {
                    self.store.seal_rest(16, self.now_ms);
                }
            }
        }
    }

    /// As `Recorder::every_second`, with the probes and the commit of that second.
    fn run(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.now_ms += SECOND_MS;
            self.check();
            for nth in 0..SERVICES {
                self.probe(nth);
            }
            let is_old = |(at_ms, _): &(i64, Outcome)| self.now_ms - at_ms >= HELD_MOST_MS;
            if self.held.iter().any(is_old) {
                self.release();
            }
            self.commit();
        }
    }

    /// As `Recorder::check_observations`. A service is reported once a hole.
    fn check(&mut self) {
        let now = self.now();
        for found in self.observations.overdue(now) {
            assert!(self.unobserved.insert(found.id), "reported twice: {found:?}");
        }
        let counted: usize = self.observations.unobserved().values().sum();
        assert_eq!(counted, self.unobserved.len());
        self.buffer_holes();
    }

    fn buffer_holes(&mut self) {
        let now = self.now();
        while self.buffer.has_room()
            && let Some(hole) = self.observations.next_hole()
        {
            self.buffer.push(hole, now);
        }
    }

    fn probe(&mut self, nth: usize) {
        let service = &mut self.services[nth];
        if !service.is_enabled || service.due_ms > self.now_ms {
            return;
        }
        while service.due_ms <= self.now_ms {
            service.due_ms += service.interval_ms;
        }
        let id = service.id;
        let is_down = self.conditions.is_down[nth];
        let mut outcome = sample::outcome(id.get(), self.now_ms);
        outcome.failure = is_down.then(|| Failure::new(Reason::Refused, "refused"));
        match self.conditions.probes[nth] {
            Probes::Missed => return,
            Probes::Fail(reason) => {
                outcome.failure = Some(Failure::new(reason, "a local fault"));
                self.observations.failed(&outcome);
                return self.note(nth, Fact::Failed(reason));
            }
            Probes::Made => {}
            Probes::NetworkLost => {
                outcome.failure = Some(Failure::new(Reason::ConnectTimeout, "no answer"));
                outcome.network_down = true;
            }
            Probes::Held => {
                self.observations.pending(id);
                return self.held.push((self.now_ms, outcome));
            }
        }
        self.receive(outcome);
    }

    /// As `Recorder::buffer_or_drop`. While the store takes writes, an outcome waits for room.
    fn receive(&mut self, outcome: Outcome) {
        let (id, now) = (outcome.service_id, self.now());
        if !self.buffer.has_room() {
            self.commit();
        }
        if !self.buffer.has_room() {
            self.observations.dropped(&outcome);
            let nth = self.nth(id);
            return self.services[nth].facts.push((outcome.started_at_ms, Fact::Dropped));
        }
        let observed = self.observations.recorded(&outcome, now);
        assert_eq!(self.unobserved.remove(&id), observed.is_back);
        match observed.hole {
            Some(hole) => self.buffer.push_behind_hole(hole, outcome, now),
            None => self.buffer.push(outcome, now),
        };
    }

    fn release(&mut self) {
        for (_, outcome) in std::mem::take(&mut self.held) {
            self.observations.decided(outcome.service_id);
            self.receive(outcome);
        }
        self.commit();
    }

    /// As `Writer::handle(Commit)`: a stall goes first.
    fn commit(&mut self) {
        if self.conditions.store_fails {
            return;
        }
        if let Some(Stall { from_ms, to_ms }) = self.stall.take() {
            self.store.writer.record_stall(from_ms, to_ms).unwrap();
            self.store.ledger.stalled(to_ms);
        }
        while !self.buffer.is_empty() || self.now_ms - self.marked_ms > LIVENESS_EVERY_MS {
            let group = self.buffer.take_group(None, self.now());
            self.store.commit(&group, self.now_ms);
            self.buffer.group_done();
            self.marked_ms = self.store.inspect.mark_ms().unwrap();
            let age_ms = self.now_ms - self.marked_ms;
            assert!((0..=MARK_AGE_MOST_MS).contains(&age_ms), "{age_ms} ms");
            for outcome in &group {
                self.stored(outcome);
            }
            self.buffer_holes();
        }
    }

    fn stored(&mut self, outcome: &Outcome) {
        let state = match outcome.verdict() {
            Verdict::Up => State::Up,
            Verdict::Down => State::Down,
            Verdict::Unknown => State::Unknown,
            Verdict::Local => return,
        };
        let nth = self.nth(outcome.service_id);
        let service = &mut self.services[nth];
        service.stored_ms = Some(outcome.started_at_ms);
        service.committed_ms = Some(self.now_ms);
        // Before the facts of later probes, which were dropped or failed meanwhile.
        let at_ms = outcome.started_at_ms;
        let place = service.facts.iter().rposition(|(other_ms, _)| *other_ms <= at_ms);
        service.facts.insert(place.map_or(0, |nth| nth + 1), (at_ms, Fact::Recorded(state)));
    }

    fn change(&mut self, nth: usize, field: &str, value: serde_json::Value) {
        let id = self.services[nth].id;
        let change = [(field.to_owned(), value)].into_iter().collect();
        let change = Change::Update(id, Patch::new(change).unwrap());
        self.store.writer.define(change, &AuditSource::COMMAND, self.now_ms).unwrap();
        self.store.ledger.forget(id);
    }

    /// A store that fails refuses changes.
    fn change_interval(&mut self, nth: usize, seconds: u32) {
        if self.conditions.store_fails {
            return;
        }
        self.change(nth, "interval_seconds", json!(seconds));
        let service = &mut self.services[nth];
        service.interval_ms = i64::from(seconds) * SECOND_MS;
        service.due_ms = service.due_ms.min(self.now_ms + service.interval_ms);
        self.watch(nth);
    }

    /// Only of a service with a result: without one, a new process counts from the creation of the
    /// service, pauses included.
    fn pause(&mut self, nth: usize, seconds: u32) {
        if self.conditions.store_fails || self.services[nth].stored_ms.is_none() {
            return;
        }
        self.change(nth, "enabled", json!(false));
        let id = self.services[nth].id;
        assert_eq!(self.unobserved.remove(&id), self.observations.unwatch(id));
        self.services[nth].is_enabled = false;
        self.note(nth, Fact::Paused);
        self.run(seconds);
        self.release();
        self.change(nth, "enabled", json!(true));
        let service = &mut self.services[nth];
        service.is_enabled = true;
        service.due_ms = self.now_ms + SECOND_MS;
        self.watch(nth);
        self.note(nth, Fact::Watched);
    }

    /// The detector sees stalls of more than ten seconds only.
    fn stall(&mut self, seconds: u32) {
        if self.conditions.store_fails {
            return;
        }
        let from_ms = self.now_ms;
        self.now_ms += i64::from(seconds) * SECOND_MS;
        self.stall = Some(Stall { from_ms, to_ms: self.now_ms });
        let now = self.now();
        self.observations.stalled(now);
        for nth in 0..SERVICES {
            let (is_gap, is_restart, committed_ms) = (true, false, None);
            self.note(nth, Fact::Resumed { from_ms, is_gap, is_restart, committed_ms });
        }
        self.commit();
    }

    fn restart(&mut self, seconds: u32, killed: bool) {
        if !killed && !self.conditions.store_fails {
            // As `Close`.
            self.store.commit(&[], self.now_ms);
            self.marked_ms = self.now_ms;
        }
        let from_ms = self.marked_ms;
        self.now_ms += i64::from(seconds) * SECOND_MS;
        self.conditions.store_fails = false;
        self.buffer = Buffer::new(self.buffer_limit);
        self.store.ledger = Ledger::default();
        self.unobserved.clear();
        self.stall = None;
        let default_interval = self.defaults.interval.get();
        self.store.writer.close_gap(self.now_ms, default_interval).unwrap();
        self.marked_ms = self.now_ms;
        let loaded = self.store.reader.load_services().unwrap();
        self.observations = Observations::of(&loaded, &self.defaults, self.now());
        for nth in 0..SERVICES {
            let service = &mut self.services[nth];
            service.due_ms = self.now_ms + SECOND_MS;
            let silent_ms = service.stored_ms.map_or(0, |stored_ms| self.now_ms - stored_ms);
            let committed_ms = service.committed_ms;
            let is_gap =
                self.now_ms - from_ms > service.interval_ms || silent_ms > 2 * service.interval_ms;
            // What was dropped or failed after the mark is not known to the new process.
            self.note(nth, Fact::Resumed { from_ms, is_gap, is_restart: true, committed_ms });
        }
    }

    /// Everything works again, then the timelines are compared.
    pub fn finish(mut self) {
        self.take(&Step::Run(90, Conditions::default()));
        assert_eq!(self.unobserved, HashSet::new());
        assert!(self.buffer.is_empty());
        self.store.assert_consistent();
        let before = self.answers();
        if self.store.begin_sealing() {
            self.store.seal_rest(16, self.now_ms);
        }
        self.store.assert_consistent();
        assert_eq!(self.answers(), before, "sealed answers differ from fresh ones");
        for nth in 0..SERVICES {
            let events = self.events(nth);
            self.check_shape(nth, &events);
            let facts = &self.services[nth].facts;
            if let Err(difference) = oracle::compare(facts, &events) {
                panic!("service {nth}: {difference}\nfacts {facts:#?}\nevents {events:#?}");
            }
        }
    }

    fn events(&mut self, nth: usize) -> Vec<(Span, Option<Reason>)> {
        let id = self.services[nth].id;
        let all = spans(&mut *self.store.reader, id, Window::ALL).unwrap();
        let mut listed = events(&mut *self.store.reader, id);
        listed.reverse();
        assert_eq!(listed.len(), all.len());
        let reasons = listed.into_iter().map(|event| {
            event.failure.and_then(|failure| Reason::from_word(failure.reason.as_str()))
        });
        all.into_iter().zip(reasons).collect()
    }

    /// The events follow each other, the newest is open, and the uptime is their sum.
    fn check_shape(&mut self, nth: usize, events: &[(Span, Option<Reason>)]) {
        for pair in events.windows(2) {
            assert_eq!(pair[0].0.to_ms, Some(pair[1].0.from_ms));
        }
        let open = events.iter().filter(|(span, _)| span.to_ms.is_none()).count();
        assert_eq!(open, usize::from(!events.is_empty()));
        let mut sum = Totals::default();
        for (span, _) in events {
            let spent_ms = span.to_ms.unwrap_or(self.now_ms) - span.from_ms;
            sum.add(TimeKind::In(span.state), spent_ms.unsigned_abs());
        }
        let all_ms = (self.now_ms - START_MS).unsigned_abs();
        sum.add(TimeKind::In(State::Unknown), all_ms - sum.total());
        assert_eq!(self.uptime(nth), sum);
    }

    fn uptime(&mut self, nth: usize) -> Totals {
        let window = Window { from_ms: START_MS, to_ms: self.now_ms };
        let service_id = self.services[nth].id;
        let query = GetUptime { service_id, window, counting: Counting::default() };
        query.run(&mut *self.store.reader).unwrap().totals
    }

    fn answers(&mut self) -> Vec<Totals> {
        (0..SERVICES).map(|nth| self.uptime(nth)).collect()
    }
}
