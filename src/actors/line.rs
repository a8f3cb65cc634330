//! Who is probed now, who waits, who is turned away: the decisions of the pool. Pure; time is passed in.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::schedule::Job;
use crate::domain::{Service, ServiceId};
use crate::telemetry::Missed;

/// What became of a job that was offered.
#[derive(Debug)]
pub enum Offer {
    /// Probe it now, in this slot.
    Start(usize, Job),
    /// It waits. When its service waited already, it took that place, and the older slot is missed.
    Waits(Option<Missed>),
    /// It is not probed.
    Missed(Missed),
}

/// Slots and waiting line.
///
/// Invariants: a service has at most one probe under way or waiting; while a slot is idle nobody waits; the line never
/// holds more than `limit`.
#[derive(Debug)]
pub struct Line {
    /// Slots without a job.
    idle: Vec<usize>,
    /// The service in each slot, if there is one.
    at_work: Vec<Option<ServiceId>>,
    /// The services in `at_work`.
    busy: HashSet<ServiceId>,
    /// The order of those who wait. An id without a job in `waiting` has left and is passed over.
    order: VecDeque<ServiceId>,
    /// Those who wait.
    waiting: HashMap<ServiceId, Job>,
    /// Most places in `order`.
    limit: usize,
}

impl Line {
    /// `slots` idle slots, and room for `limit` jobs that wait.
    pub fn new(slots: usize, limit: usize) -> Self {
        Self {
            idle: (0..slots).rev().collect(),
            at_work: vec![None; slots],
            busy: HashSet::new(),
            order: VecDeque::new(),
            waiting: HashMap::new(),
            limit,
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

    /// The slots that are at work.
    pub fn slots_at_work(&self) -> impl Iterator<Item = usize> {
        self.at_work.iter().enumerate().filter_map(|(slot, service)| service.map(|_| slot))
    }

    /// Takes a job that is due.
    pub fn offer(&mut self, job: Job) -> Offer {
        let id = job.service.id;
        if self.busy.contains(&id) {
            return Offer::Missed(Missed::Busy);
        }
        if let Some(older) = self.waiting.get_mut(&id) {
            *older = job;
            return Offer::Waits(Some(Missed::Late));
        }
        if let Some(slot) = self.idle.pop() {
            self.occupy(slot, id);
            return Offer::Start(slot, job);
        }
        if self.order.len() >= self.limit {
            return Offer::Missed(Missed::Full);
        }
        self.order.push_back(id);
        self.waiting.insert(id, job);
        Offer::Waits(None)
    }

    /// Frees a slot, and gives it to the first that waits and can still start before its next slot; also says how many
    /// could not.
    pub fn finish(&mut self, slot: usize, now: Instant) -> (Option<Job>, u64) {
        let Some(id) = self.at_work[slot].take() else { return (None, 0) };
        self.busy.remove(&id);
        let mut late = 0;
        while let Some(id) = self.order.pop_front() {
            match self.waiting.remove(&id) {
                None => {}
                Some(job) if job.next_due <= now => late += 1,
                Some(job) => {
                    self.occupy(slot, id);
                    return (Some(job), late);
                }
            }
        }
        self.idle.push(slot);
        (None, late)
    }

    /// Has a waiting service probed as it is now.
    pub fn revise(&mut self, service: &Arc<Service>) {
        if let Some(job) = self.waiting.get_mut(&service.id) {
            job.service = Arc::clone(service);
        }
    }

    /// Takes a service out of the line.
    pub fn leave(&mut self, id: ServiceId) {
        self.waiting.remove(&id);
    }

    /// Takes everyone out of the line.
    pub fn clear(&mut self) {
        self.order.clear();
        self.waiting.clear();
    }

    fn occupy(&mut self, slot: usize, id: ServiceId) {
        self.at_work[slot] = Some(id);
        self.busy.insert(id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::sample;

    fn job(id: i64, now: Instant) -> Job {
        let service = Arc::new(sample::service(id, 1.0));
        Job { service, due: now, next_due: now + Duration::from_secs(1) }
    }

    #[test]
    fn never_more_at_once_than_slots() {
        let (mut line, now) = (Line::new(2, 9), Instant::now());
        assert!(matches!(line.offer(job(1, now)), Offer::Start(0, _)));
        assert!(matches!(line.offer(job(2, now)), Offer::Start(1, _)));
        assert!(matches!(line.offer(job(3, now)), Offer::Waits(None)));
        assert_eq!((line.busy(), line.waiting()), (2, 1));
    }

    #[test]
    fn a_service_is_never_probed_twice_at_once() {
        let (mut line, now) = (Line::new(2, 9), Instant::now());
        line.offer(job(1, now));
        assert!(matches!(line.offer(job(1, now)), Offer::Missed(Missed::Busy)));
        let (next, late) = line.finish(0, now);
        assert!(next.is_none() && late == 0);
        assert!(matches!(line.offer(job(1, now)), Offer::Start(_, _)));
    }

    #[test]
    fn first_come_first_served() {
        let (mut line, now) = (Line::new(1, 9), Instant::now());
        for id in 1..=3 {
            line.offer(job(id, now));
        }
        let (next, _) = line.finish(0, now);
        assert_eq!(next.unwrap().service.id.get(), 2);
        let (next, _) = line.finish(0, now);
        assert_eq!(next.unwrap().service.id.get(), 3);
    }

    #[test]
    fn what_cannot_start_before_its_next_slot_is_missed() {
        let (mut line, now) = (Line::new(1, 9), Instant::now());
        for id in 1..=3 {
            line.offer(job(id, now));
        }
        let (next, late) = line.finish(0, now + Duration::from_secs(1));
        assert!(next.is_none());
        assert_eq!((late, line.waiting()), (2, 0));
    }

    #[test]
    fn a_newer_slot_takes_the_place_of_the_older() {
        let (mut line, now) = (Line::new(1, 9), Instant::now());
        line.offer(job(1, now));
        line.offer(job(2, now));
        let later = now + Duration::from_secs(1);
        assert!(matches!(line.offer(job(2, later)), Offer::Waits(Some(Missed::Late))));
        let (next, late) = line.finish(0, later);
        assert_eq!((next.unwrap().due, late), (later, 0));
    }

    #[test]
    fn a_full_line_turns_away() {
        let (mut line, now) = (Line::new(1, 2), Instant::now());
        for id in 1..=3 {
            line.offer(job(id, now));
        }
        assert!(matches!(line.offer(job(4, now)), Offer::Missed(Missed::Full)));
    }

    #[test]
    fn who_left_the_line_is_passed_over() {
        let (mut line, now) = (Line::new(1, 9), Instant::now());
        for id in 1..=3 {
            line.offer(job(id, now));
        }
        line.leave(ServiceId::new(2).unwrap());
        let (next, late) = line.finish(0, now);
        assert_eq!((next.unwrap().service.id.get(), late), (3, 0));
    }
}
