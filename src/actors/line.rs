//! Who is probed now, who waits, who is turned away: the decisions of the pool. Pure; time is passed in.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actors::schedule::Job;
use crate::domain::Missed;
use crate::domain::{Service, ServiceId};

/// What has not answered for this long is slow, and gives way when others wait and the slow have their share already.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// The slow ones have one slot of this many; of a pool of one, that one.
const SLOW_SHARE: usize = 2;

/// Jobs that one crew is given before the next one's turn: so that few are woken for little, and none has more to start at once
/// than it can without spoiling what it measures.
const TOGETHER: usize = 16;

/// A slot, and which of its jobs is meant: what is told of an earlier one must not be taken for a later one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The slot.
    pub slot: usize,
    /// The number of the job, counted over all slots.
    pub nth: u64,
}

/// What became of a job that was offered.
#[derive(Debug)]
pub enum Offer {
    /// Probe it now, in this place.
    Start(Place, Job),
    /// It waits. When its service waited already, it took that place, and the older slot is missed.
    Waits(Option<Missed>),
    /// It is not probed.
    Missed(Missed),
}

/// How a probe ended, as far as it matters to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Within [`PATIENCE`], whatever the target said.
    Prompt,
    /// By itself, but later.
    Late,
    /// Its deadline ended it.
    TimedOut,
    /// It was given up, for those who waited.
    GaveWay,
}

/// Slots and waiting line.
///
/// A service is slow when its last probe timed out or had to give way. All slow ones together never have more than their share
/// of the slots, so that hung targets cannot starve the others, whatever their number; and when they begin to hang all at once,
/// before anybody knows them, those that have not answered for a while give way ([`Self::who_gives_way`]).
///
/// Invariants: a service has at most one probe under way or waiting; while a slot is idle nobody waits but the slow ones whose
/// share is taken; the line never holds more than `limit`.
#[derive(Debug)]
pub struct Line {
    /// Slots without a job, by crew. Slot `n` belongs to crew `n` modulo their number.
    idle: Vec<Vec<usize>>,
    /// The crew that is given work now, and how much it was given.
    turn: (usize, usize),
    at_work: Vec<Option<Work>>,
    /// The services in `at_work`.
    busy: HashSet<ServiceId>,
    /// How many of `at_work` are slow.
    slow_at_work: usize,
    /// Those who wait, the slow ones apart, in their order.
    quick_order: VecDeque<ServiceId>,
    slow_order: VecDeque<ServiceId>,
    /// Those who wait.
    waiting: HashMap<ServiceId, Job>,
    /// The slow services. Bound: the services there are.
    slow: HashSet<ServiceId>,
    /// Most places in both orders.
    limit: usize,
    /// How many jobs were started.
    started: u64,
}

/// A slot at work.
#[derive(Debug, Clone, Copy)]
struct Work {
    id: ServiceId,
    nth: u64,
    since: Instant,
    is_slow: bool,
    /// Whether somebody has asked for it, and waits.
    on_demand: bool,
    /// Whether it was told already to give way.
    gives_way: bool,
    /// Whether its service has left meanwhile.
    has_left: bool,
}

impl Work {
    fn is_overdue(&self, now: Instant) -> bool {
        !self.is_slow && !self.on_demand && now >= self.since + PATIENCE
    }
}

impl Line {
    /// `slots` idle slots, which `crews` have in turn, and room for `limit` jobs that wait.
    pub fn new(slots: usize, crews: usize, limit: usize) -> Self {
        let of_crew = |crew| (crew..slots).step_by(crews).rev().collect();
        Self {
            idle: (0..crews).map(of_crew).collect(),
            turn: (0, 0),
            at_work: vec![None; slots],
            busy: HashSet::new(),
            slow_at_work: 0,
            quick_order: VecDeque::new(),
            slow_order: VecDeque::new(),
            waiting: HashMap::new(),
            slow: HashSet::new(),
            limit,
            started: 0,
        }
    }

    /// How many slots are at work.
    pub fn busy(&self) -> usize {
        self.busy.len()
    }

    /// How many jobs wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the service waits.
    pub fn waits(&self, id: ServiceId) -> bool {
        self.waiting.contains_key(&id)
    }

    /// Whether somebody waits who is not known as slow.
    pub fn quick_wait(&self) -> bool {
        !self.quick_order.is_empty()
    }

    /// The places that are at work.
    pub fn at_work(&self) -> impl Iterator<Item = Place> {
        let place =
            |(slot, work): (usize, &Option<Work>)| Some(Place { slot, nth: work.as_ref()?.nth });
        self.at_work.iter().enumerate().filter_map(place)
    }

    /// The jobs that are offered next are due together: the crew that has least to do begins.
    pub fn next_batch(&mut self) {
        self.turn.1 = TOGETHER;
    }

    /// Takes a job that is due.
    pub fn offer(&mut self, job: Job, now: Instant) -> Offer {
        let id = job.service.id;
        if self.busy.contains(&id) {
            return Offer::Missed(Missed::Busy);
        }
        if let Some(older) = self.waiting.get_mut(&id) {
            *older = job;
            return Offer::Waits(Some(Missed::Late));
        }
        let is_slow = self.slow.contains(&id);
        let may_start = !is_slow || job.on_demand || self.slow_at_work < self.slow_limit();
        if let Some(slot) = may_start.then(|| self.idle_slot()).flatten() {
            return Offer::Start(self.occupy(slot, &job, now), job);
        }
        // The slow ones have half of the line too, and are turned away from the rest.
        let is_full = self.quick_order.len() + self.slow_order.len() >= self.limit
            || (is_slow && self.slow_order.len() >= self.limit.div_ceil(SLOW_SHARE));
        if is_full {
            return Offer::Missed(Missed::Full);
        }
        if is_slow { &mut self.slow_order } else { &mut self.quick_order }.push_back(id);
        self.waiting.insert(id, job);
        Offer::Waits(None)
    }

    /// Frees a place, and gives its slot to the first that waits, may have it and can still start before its next slot; also says
    /// how many could not. A place that is free already stays as it is.
    pub fn finish(&mut self, place: Place, end: End, now: Instant) -> (Option<(Place, Job)>, u64) {
        let Place { slot, nth } = place;
        let Some(work) = self.at_work[slot].take_if(|work| work.nth == nth) else {
            return (None, 0);
        };
        self.busy.remove(&work.id);
        self.slow_at_work -= usize::from(work.is_slow);
        match end {
            End::Prompt => _ = self.slow.remove(&work.id),
            End::Late => {}
            End::TimedOut | End::GaveWay if work.has_left => {}
            End::TimedOut | End::GaveWay => _ = self.slow.insert(work.id),
        }
        let mut late = 0;
        while let Some(id) = self.next_in_line() {
            match self.waiting.remove(&id) {
                None => {}
                Some(job) if job.next_due <= now => late += 1,
                Some(job) => return (Some((self.occupy(slot, &job, now), job)), late),
            }
        }
        let crew = slot % self.idle.len();
        self.idle[crew].push(slot);
        (None, late)
    }

    /// The slots whose probes are to be given up now, if somebody waits who is not known as slow: those that have not answered within
    /// [`PATIENCE`], the longest first, as far as they and the slow have more than their share. So there is room for those who
    /// come next, too. Each is named once.
    pub fn who_gives_way(&mut self, now: Instant) -> Vec<Place> {
        let count = |which: &dyn Fn(&Work) -> bool| {
            self.at_work.iter().flatten().filter(|work| which(work)).count()
        };
        let overdue = count(&|work| work.is_overdue(now));
        let told = count(&|work| work.gives_way);
        let excess = (overdue + self.slow_at_work).saturating_sub(self.slow_limit() + told);
        if excess == 0 || !self.quick_wait() {
            return Vec::new();
        }
        let may_be_told = |work: &&mut Work| work.is_overdue(now) && !work.gives_way;
        let mut giving: Vec<(usize, &mut Work)> = (self.at_work.iter_mut().enumerate())
            .filter_map(|(slot, work)| Some((slot, work.as_mut().filter(may_be_told)?)))
            .collect();
        giving.sort_unstable_by_key(|(_, work)| work.nth);
        giving.truncate(excess);
        let told = giving.into_iter().map(|(slot, work)| {
            work.gives_way = true;
            Place { slot, nth: work.nth }
        });
        told.collect()
    }

    /// Has a waiting service probed as it is now.
    pub fn revise(&mut self, service: &Arc<Service>) {
        if let Some(job) = self.waiting.get_mut(&service.id) {
            job.service = Arc::clone(service);
        }
    }

    /// Takes a service out of the line, and forgets what is known of it.
    pub fn leave(&mut self, id: ServiceId) {
        self.slow.remove(&id);
        if self.waiting.remove(&id).is_some() {
            self.quick_order.retain(|waiting| *waiting != id);
            self.slow_order.retain(|waiting| *waiting != id);
        }
        if self.busy.contains(&id) {
            for work in self.at_work.iter_mut().flatten().filter(|work| work.id == id) {
                work.has_left = true;
            }
        }
    }

    /// Takes everyone out of the line.
    pub fn clear(&mut self) {
        self.quick_order.clear();
        self.slow_order.clear();
        self.waiting.clear();
    }

    fn slow_limit(&self) -> usize {
        self.at_work.len().div_ceil(SLOW_SHARE)
    }

    /// Takes the first in line that may start now: of both orders, the one that has been due longer.
    fn next_in_line(&mut self) -> Option<ServiceId> {
        let due = |id: &ServiceId| self.waiting.get(id).map(|job| job.due);
        let quick = self.quick_order.front().map(due);
        let may_slow = self.slow_at_work < self.slow_limit();
        let slow = self.slow_order.front().filter(|_| may_slow).map(due);
        if slow.is_some() && (quick.is_none() || slow < quick) {
            self.slow_order.pop_front()
        } else {
            self.quick_order.pop_front()
        }
    }

    fn idle_slot(&mut self) -> Option<usize> {
        let (crew, given) = &mut self.turn;
        if *given >= TOGETHER || self.idle[*crew].is_empty() {
            let most = |crew: &usize| (self.idle[*crew].len(), Reverse(*crew));
            *crew = (0..self.idle.len()).max_by_key(most)?;
            *given = 0;
        }
        *given += 1;
        self.idle[*crew].pop()
    }

    fn occupy(&mut self, slot: usize, job: &Job, now: Instant) -> Place {
        let (id, on_demand) = (job.service.id, job.on_demand);
        let is_slow = self.slow.contains(&id);
        self.started += 1;
        let nth = self.started;
        let work =
            Work { id, nth, since: now, is_slow, on_demand, gives_way: false, has_left: false };
        self.at_work[slot] = Some(work);
        self.slow_at_work += usize::from(is_slow);
        self.busy.insert(id);
        Place { slot, nth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sample;

    fn job(id: i64, now: Instant) -> Job {
        let service = Arc::new(sample::service(id, 1.0));
        Job { service, due: now, next_due: now + Duration::from_secs(1), on_demand: false }
    }

    fn place(line: &Line, slot: usize) -> Place {
        line.at_work().find(|place| place.slot == slot).unwrap()
    }

    #[test]
    fn never_more_at_once_than_slots() {
        let (mut line, now) = (Line::new(2, 1, 9), Instant::now());
        assert!(matches!(line.offer(job(1, now), now), Offer::Start(_, _)));
        assert!(matches!(line.offer(job(2, now), now), Offer::Start(_, _)));
        assert!(matches!(line.offer(job(3, now), now), Offer::Waits(None)));
        assert_eq!((line.busy(), line.waiting()), (2, 1));
    }

    #[test]
    fn a_service_is_never_probed_twice_at_once() {
        let (mut line, now) = (Line::new(2, 1, 9), Instant::now());
        line.offer(job(1, now), now);
        assert!(matches!(line.offer(job(1, now), now), Offer::Missed(Missed::Busy)));
        let (next, late) = line.finish(place(&line, 0), End::Prompt, now);
        assert!(next.is_none() && late == 0);
        assert!(matches!(line.offer(job(1, now), now), Offer::Start(_, _)));
    }

    #[test]
    fn first_come_first_served() {
        let (mut line, now) = (Line::new(1, 1, 9), Instant::now());
        for id in 1..=3 {
            line.offer(job(id, now), now);
        }
        let (next, _) = line.finish(place(&line, 0), End::Prompt, now);
        assert_eq!(next.unwrap().1.service.id.get(), 2);
        let (next, _) = line.finish(place(&line, 0), End::Prompt, now);
        assert_eq!(next.unwrap().1.service.id.get(), 3);
    }

    #[test]
    fn what_cannot_start_before_its_next_slot_is_missed() {
        let (mut line, now) = (Line::new(1, 1, 9), Instant::now());
        for id in 1..=3 {
            line.offer(job(id, now), now);
        }
        let (next, late) = line.finish(place(&line, 0), End::Prompt, now + Duration::from_secs(1));
        assert!(next.is_none());
        assert_eq!((late, line.waiting()), (2, 0));
    }

    #[test]
    fn a_newer_slot_takes_the_place_of_the_older() {
        let (mut line, now) = (Line::new(1, 1, 9), Instant::now());
        line.offer(job(1, now), now);
        line.offer(job(2, now), now);
        let later = now + Duration::from_secs(1);
        assert!(matches!(line.offer(job(2, later), now), Offer::Waits(Some(Missed::Late))));
        let (next, late) = line.finish(place(&line, 0), End::Prompt, later);
        assert_eq!((next.unwrap().1.due, late), (later, 0));
    }

    #[test]
    fn a_full_line_turns_away() {
        let (mut line, now) = (Line::new(1, 1, 2), Instant::now());
        for id in 1..=3 {
            line.offer(job(id, now), now);
        }
        assert!(matches!(line.offer(job(4, now), now), Offer::Missed(Missed::Full)));
    }

    #[test]
    fn who_left_the_line_is_passed_over() {
        let (mut line, now) = (Line::new(1, 1, 9), Instant::now());
        for id in 1..=3 {
            line.offer(job(id, now), now);
        }
        line.leave(ServiceId::new(2).unwrap());
        let (next, late) = line.finish(place(&line, 0), End::Prompt, now);
        assert_eq!((next.unwrap().1.service.id.get(), late), (3, 0));
    }

    /// A line in which these services are known as slow.
    fn line_with_slow(slots: usize, limit: usize, slow: impl Iterator<Item = i64>) -> Line {
        let mut line = Line::new(slots, 1, limit);
        line.slow = slow.map(|id| ServiceId::new(id).unwrap()).collect();
        line
    }

    #[test]
    fn the_slow_have_half_of_the_slots_whatever_their_number() {
        let now = Instant::now();
        let mut line = line_with_slow(8, 99, 1..=90);
        for id in 1..=90 {
            line.offer(job(id, now), now);
        }
        assert_eq!((line.busy(), line.waiting()), (4, 50), "and half of the line");
        for id in 101..=104 {
            assert!(matches!(line.offer(job(id, now), now), Offer::Start(_, _)), "{id}");
        }
        assert!(matches!(line.offer(job(105, now), now), Offer::Waits(None)));
        let quick_slot = line.at_work.iter().position(|work| work.unwrap().id.get() == 101);
        let (next, _) = line.finish(place(&line, quick_slot.unwrap()), End::Prompt, now);
        assert_eq!(next.unwrap().1.service.id.get(), 105, "not one of the slow that came before");
    }

    #[test]
    fn who_times_out_is_slow_until_it_answers_promptly() {
        let (mut line, now) = (Line::new(1, 1, 9), Instant::now());
        let id = ServiceId::new(1).unwrap();
        for (end, is_slow) in [
            (End::TimedOut, true),
            (End::Late, true),
            (End::Prompt, false),
            (End::Late, false),
            (End::GaveWay, true),
        ] {
            line.offer(job(1, now), now);
            line.finish(place(&line, 0), end, now);
            assert_eq!(line.slow.contains(&id), is_slow, "{end:?}");
        }
        line.leave(id);
        assert!(line.slow.is_empty());
    }

    #[test]
    fn those_who_hang_for_the_first_time_give_way_to_those_who_wait() {
        let (mut line, now) = (Line::new(4, 1, 9), Instant::now());
        for id in 1..=4 {
            line.offer(job(id, now), now);
        }
        let later = now + PATIENCE;
        assert!(line.who_gives_way(later).is_empty(), "nobody waits");
        for id in 5..=9 {
            line.offer(job(id, now), later);
        }
        assert!(line.who_gives_way(later - Duration::from_millis(1)).is_empty(), "too early");
        let told = line.who_gives_way(later);
        assert_eq!(told.len(), 2, "down to their share");
        assert!(line.who_gives_way(later).is_empty(), "once");
        for gone in told {
            let id = line.at_work[gone.slot].unwrap().id;
            let (next, _) = line.finish(gone, End::GaveWay, later);
            assert!(next.is_some() && line.slow.contains(&id));
            let (next, _) = line.finish(gone, End::Prompt, later);
            assert!(next.is_none() && line.busy() == 4, "its slot is another's by now");
        }
    }

    #[test]
    fn of_both_orders_the_longest_due_goes_first() {
        let now = Instant::now();
        let later = now + Duration::from_millis(10);
        let mut line = line_with_slow(2, 9, [3, 4].into_iter());
        for (id, due) in [(1, now), (2, now), (3, now), (4, later), (5, later)] {
            line.offer(job(id, due), now);
        }
        let next = |line: &mut Line, slot| {
            let (next, _) = line.finish(place(line, slot), End::Prompt, now);
            next.unwrap().1.service.id.get()
        };
        assert_eq!(next(&mut line, 0), 3);
        assert_eq!(next(&mut line, 1), 5, "one slow at work is enough");
    }

    #[test]
    fn a_batch_goes_to_few_crews_and_a_large_one_to_all() {
        let now = Instant::now();
        let crews_of = |jobs: i64| {
            let mut line = Line::new(100, 2, 9);
            line.next_batch();
            let mut given = [0, 0];
            for id in 1..=jobs {
                let Offer::Start(place, _) = line.offer(job(id, now), now) else { panic!() };
                given[place.slot % 2] += 1;
            }
            given
        };
        assert_eq!(crews_of(5), [5, 0]);
        assert_eq!(crews_of(40), [24, 16]);
        assert_eq!(crews_of(100), [50, 50]);
    }

    #[test]
    fn nobody_gives_way_to_who_has_left_and_what_was_asked_for_never_does() {
        let (mut line, now) = (Line::new(2, 1, 9), Instant::now());
        let id = |nth| ServiceId::new(nth).unwrap();
        line.offer(Job { on_demand: true, ..job(1, now) }, now);
        line.offer(job(2, now), now);
        line.offer(job(3, now), now);
        line.leave(id(3));
        assert!(!line.quick_wait() && line.who_gives_way(now + PATIENCE).is_empty());
        line.offer(job(4, now), now);
        assert!(line.who_gives_way(now + PATIENCE).is_empty(), "one overdue is their share");
        line.leave(id(2));
        line.finish(place(&line, 1), End::TimedOut, now);
        assert!(line.slow.is_empty(), "it has left");
    }
}
