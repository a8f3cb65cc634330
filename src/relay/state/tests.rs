use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::domain::{ServiceId, State, StoredTick};
use crate::metrics::tick_samples;

const SERVICES: usize = 4;

const LIMITS: Limits = Limits {
    queue: 12,
    samples: 5 * SERIES.len(),
    read: 3,
    unsaved: 6,
    refused_run: 24,
    linger: Duration::from_secs(1),
};

fn id(service: usize) -> ServiceId {
    ServiceId::new(service as i64 + 1).unwrap()
}

fn tick(at_ms: i64, state: State) -> StoredTick {
    StoredTick {
        at_ms,
        state,
        response_time_us: at_ms.unsigned_abs(),
        phases_us: Some([1; 5]),
        http_status: Some(200),
        reason: None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Receiver {
    /// Refuses a request with a sample that is older than the newest one of its series.
    Ordered,
    /// Takes everything.
    Lenient,
}

/// Store, receiver and clock around a relay.
struct World {
    relay: RelayState,
    seqs: RelayedSeqs,
    now: Instant,
    /// By service: its ticks, and the stored cursor.
    store: Vec<(Vec<StoredTick>, u64)>,
    receiver: Receiver,
    is_up: bool,
    /// The next answer is lost, after the receiver took the request.
    loses_answer: bool,
    is_store_up: bool,
    /// Times of the samples by service.
    received: Vec<Vec<i64>>,
    requests: u64,
    /// Older samples are refused.
    oldest_ms: i64,
}

impl World {
    fn new(receiver: Receiver, limits: Limits) -> Self {
        let (seqs, now) = (RelayedSeqs::default(), Instant::now());
        Self {
            relay: RelayState::new(limits, seqs.clone(), now),
            seqs,
            now,
            store: vec![(Vec::new(), 0); SERVICES],
            receiver,
            is_up: true,
            loses_answer: false,
            is_store_up: true,
            received: vec![Vec::new(); SERVICES],
            requests: 0,
            oldest_ms: i64::MIN,
        }
    }

    /// Commits a tick of each of these services.
    fn commit(&mut self, services: &[(usize, State)], is_reported: bool) {
        let mut ticks = Vec::new();
        for &(service, state) in services {
            let (stored, cursor) = &mut self.store[service];
            let at_ms = 1_000 + stored.len() as i64;
            stored.push(tick(at_ms, state));
            let seq = stored.len() as u64;
            ticks.push(NumberedTick { service_id: id(service), seq, tick: tick(at_ms, state) });
            if let Some(relayed) = self.seqs.unsaved(id(service)) {
                *cursor = relayed;
                self.seqs.saved(id(service), relayed);
            }
        }
        if is_reported {
            self.relay.committed(ticks.into_iter(), self.now);
        }
    }

    /// The process is killed and starts again.
    fn kill(&mut self, limits: Limits) {
        self.seqs = RelayedSeqs::default();
        self.relay = RelayState::new(limits, self.seqs.clone(), self.now);
    }

    fn receive(&mut self, ticks: &[RelayTick]) -> Verdict {
        self.requests += 1;
        if !self.is_up {
            return Verdict::Failed { retry_after: None };
        }
        let mut received = self.received.clone();
        for tick in ticks.iter().filter(|tick| tick.has_samples()) {
            let series = &mut received[tick.service_id.get() as usize - 1];
            let is_older = series.last().is_some_and(|newest| tick.tick.at_ms < *newest);
            let is_refused = self.receiver == Receiver::Ordered && is_older;
            if is_refused || tick.tick.at_ms < self.oldest_ms {
                return Verdict::Refused;
            }
            if series.last() != Some(&tick.tick.at_ms) {
                series.push(tick.tick.at_ms);
            }
        }
        self.received = received;
        if std::mem::take(&mut self.loses_answer) {
            return Verdict::Failed { retry_after: None };
        }
        Verdict::Accepted
    }

    /// `false` when there is nothing to do.
    fn step(&mut self) -> bool {
        match self.relay.next(self.now) {
            Step::Idle => return false,
            Step::Wait(until) => self.now = until,
            Step::Check => {
                let verdict = self.receive(&[]);
                self.relay.checked(verdict, self.now);
            }
            Step::Send(ticks) => {
                assert!(ticks.iter().map(RelayTick::samples).sum::<usize>() <= LIMITS.samples);
                let verdict = self.receive(&ticks);
                self.relay.answered(verdict, self.now);
            }
            Step::List { .. } | Step::Read { .. } | Step::Save if !self.is_store_up => {
                match self.relay.next(self.now) {
                    Step::Save => self.relay.saved(false, self.now),
                    _ => self.relay.store_failed(self.now),
                }
            }
            Step::List { after, limit } => {
                let rows = self.list(after, limit);
                self.relay.listed(&rows);
            }
            Step::Read { services, limit } => {
                let ticks = self.read(services, limit);
                self.relay.read(ticks);
            }
            Step::Save => {
                for (service, seq) in self.seqs.all_unsaved() {
                    self.store[service.get() as usize - 1].1 = seq;
                    self.seqs.saved(service, seq);
                }
                self.relay.saved(true, self.now);
            }
        }
        true
    }

    fn list(&self, after: i64, limit: u32) -> Vec<Unrelayed> {
        let rows = self.store.iter().enumerate().map(|(service, (ticks, cursor))| Unrelayed {
            service_id: id(service),
            relayed_seq: *cursor,
            newest_seq: ticks.len() as u64,
        });
        let behind = rows.filter(|row| row.relayed_seq < row.newest_seq);
        behind.filter(|row| row.service_id.get() > after).take(limit as usize).collect()
    }

    fn read(&self, services: Vec<Unrelayed>, limit: usize) -> UnrelayedTicks {
        let mut read = UnrelayedTicks::default();
        for mut service in services {
            let stored = &self.store[service.service_id.get() as usize - 1].0;
            while read.ticks.len() < limit && service.relayed_seq < service.newest_seq {
                service.relayed_seq += 1;
                let tick = stored[service.relayed_seq as usize - 1];
                let (service_id, seq) = (service.service_id, service.relayed_seq);
                read.ticks.push(NumberedTick { service_id, seq, tick });
            }
            if service.relayed_seq < service.newest_seq {
                read.rest.push(service);
            }
        }
        read
    }

    /// Everything works until nothing is left to do.
    fn settle(&mut self) {
        (self.is_up, self.is_store_up, self.loses_answer) = (true, true, false);
        for _ in 0..100_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the relay does not come to rest: {:?}", self.relay);
    }

    /// Times of the stored samples of a service.
    fn stored(&self, service: usize) -> Vec<i64> {
        let ticks = self.store[service].0.iter();
        ticks.filter(|tick| tick_samples::has_samples(tick)).map(|tick| tick.at_ms).collect()
    }

    /// Every sample is there; without duplicates, in order.
    fn assert_complete(&self) {
        for (service, received) in self.received.iter().enumerate() {
            let mut seen = HashSet::new();
            let first: Vec<i64> = received.iter().copied().filter(|it| seen.insert(*it)).collect();
            assert_eq!(first, self.stored(service), "service {service}");
            if self.receiver == Receiver::Ordered {
                assert_eq!(received, &first);
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Event {
    Commit(Vec<(usize, State)>),
    Steps(usize),
    Kill,
    Receiver(bool),
    LoseAnswer,
    Store(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let state =
        prop_oneof![3 => Just(State::Up), 1 => Just(State::Down), 1 => Just(State::Unknown)];
    let services = prop::collection::vec((0..SERVICES, state), 1..6);
    prop_oneof![
        8 => services.prop_map(Event::Commit),
        8 => (1..12usize).prop_map(Event::Steps),
        1 => Just(Event::Kill),
        1 => any::<bool>().prop_map(Event::Receiver),
        1 => Just(Event::LoseAnswer),
        1 => any::<bool>().prop_map(Event::Store),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        source_file: Some(file!()), ..ProptestConfig::with_cases(150)
    })]

    #[test]
    fn every_sample_arrives_in_order_whatever_happens(
        events in prop::collection::vec(event(), 1..80),
        is_ordered in any::<bool>(),
    ) {
        let receiver = if is_ordered { Receiver::Ordered } else { Receiver::Lenient };
        let mut world = World::new(receiver, LIMITS);
        for event in events {
            match event {
                Event::Commit(services) => world.commit(&services, true),
                Event::Steps(count) => _ = (0..count).all(|_| world.step()),
                Event::Kill => world.kill(LIMITS),
                Event::Receiver(is_up) => world.is_up = is_up,
                Event::LoseAnswer => world.loses_answer = true,
                Event::Store(is_up) => world.is_store_up = is_up,
            }
        }
        world.settle();
        world.assert_complete();
        // What is complete is not sent again after a restart.
        let requests = world.requests;
        world.settle();
        prop_assert_eq!(world.requests, requests);
    }
}

fn up(service: usize) -> [(usize, State); 1] {
    [(service, State::Up)]
}

#[test]
fn a_live_tick_waits_for_others_of_its_request() {
    let mut world = World::new(Receiver::Ordered, LIMITS);
    world.settle();
    let began = world.now;
    world.commit(&up(0), true);
    world.now += LIMITS.linger / 2;
    world.commit(&up(1), true);
    assert_eq!(world.relay.lag(world.now), LIMITS.linger / 2);
    assert_eq!(world.relay.next(world.now), Step::Wait(began + LIMITS.linger));
    world.settle();
    assert_eq!((world.requests, world.relay.lag(world.now)), (2, Duration::ZERO), "with the check");
    world.assert_complete();
}

#[test]
fn a_tick_that_was_not_reported_is_found_in_the_store() {
    let mut world = World::new(Receiver::Ordered, LIMITS);
    world.settle();
    for is_reported in [true, false, true] {
        world.commit(&up(0), is_reported);
    }
    world.settle();
    world.assert_complete();
}

#[test]
fn a_wrong_url_loses_nothing() {
    let mut world = World::new(Receiver::Ordered, LIMITS);
    (0..9).for_each(|_| world.commit(&up(0), true));
    for _ in 0..50 {
        match world.relay.next(world.now) {
            Step::Check => world.relay.checked(Verdict::Refused, world.now),
            Step::Send(_) => panic!("sent to a receiver that refuses everything"),
            _ => _ = world.step(),
        }
    }
    assert!(world.relay.lag(world.now) > Duration::from_secs(60));
    world.settle();
    world.assert_complete();
}

/// As when the path of the URL exists no longer.
#[test]
fn a_receiver_that_begins_to_refuse_everything_loses_nothing() {
    let mut world = World::new(Receiver::Ordered, LIMITS);
    world.commit(&up(0), true);
    world.settle();
    world.is_up = false;
    world.commit(&up(0), true);
    while world.relay.lag(world.now) < Duration::from_secs(5) {
        world.step();
    }
    for _ in 0..20 {
        match world.relay.next(world.now) {
            Step::Check => world.relay.checked(Verdict::Refused, world.now),
            Step::Send(_) => panic!("sent without a check"),
            _ => _ = world.step(),
        }
    }
    world.settle();
    world.assert_complete();
}

#[test]
fn a_walk_stores_its_cursors_meanwhile_and_at_its_end() {
    let mut world = World::new(Receiver::Ordered, LIMITS);
    (0..63).for_each(|_| world.commit(&up(0), false));
    while world.step() {
        let received = world.received[0].len() as u64;
        let again = received - world.store[0].1;
        assert!(again < LIMITS.unsaved + 5, "{again} ticks would be sent again after a crash");
    }
    assert_eq!(world.store[0].1, 63);
}

#[test]
fn one_refused_tick_does_not_hold_the_others_up() {
    let mut world = World::new(Receiver::Lenient, LIMITS);
    (0..5).for_each(|_| world.commit(&[(0, State::Up), (1, State::Up)], true));
    let refused = (id(1), 3);
    let mut passed_over = Vec::new();
    loop {
        if let Step::Send(ticks) = world.relay.next(world.now) {
            let is_bad = |tick: &RelayTick| (tick.service_id, tick.seq) == refused;
            if ticks.iter().any(is_bad) {
                let answered = world.relay.answered(Verdict::Refused, world.now);
                passed_over.extend(answered.refused);
                continue;
            }
        }
        if !world.step() {
            break;
        }
    }
    assert_eq!(passed_over.iter().map(|it| (it.service_id, it.seq)).collect::<Vec<_>>(), [refused]);
    assert_eq!((world.received[0].len(), world.received[1].len()), (5, 4));
}

/// As Prometheus, which refuses what is more than an hour old, when the history begins long before.
#[test]
fn a_long_history_that_is_refused_ends() {
    let limits = Limits { samples: 1_000, read: 500, ..LIMITS };
    let mut world = World::new(Receiver::Ordered, limits);
    world.store[0].0 = (0..50_000).map(|at_ms| tick(at_ms, State::Up)).collect();
    world.oldest_ms = 45_000;
    (0..200_000).all(|_| match world.relay.next(world.now) {
        Step::Send(ticks) => {
            let verdict = world.receive(&ticks);
            world.relay.answered(verdict, world.now);
            true
        }
        _ => world.step(),
    });
    assert!(world.requests < 1_000, "{}", world.requests);
    let received = &world.received[0];
    assert_eq!(received.last(), Some(&49_999));
    assert!(received[0] < 45_000 + 50_000 / 8 && received.is_sorted(), "{}", received[0]);
    assert!(world.relay.take_skipped() > 40_000 * SERIES.len());
}
