//! Decides which job starts, which is queued and which is missed. Pure; time is passed in.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::actors::messages::probing::{Job, Lease, PATIENCE, ProbeEnd};
use crate::domain::{Missed, Service, ServiceId};

/// Slow services share one slot of this many, rounded up; a slot is left for the others. In a pool
/// of one slot, they use that slot while no other job is queued.
const SLOW_SHARE: usize = 2;

/// Jobs given to one arbiter before the next arbiter gets jobs: few arbiters wake up for a small
/// batch, and all share a large one.
const BATCH_SIZE: usize = 32;

/// Decision about an offered job.
#[derive(Debug)]
pub enum Admission {
    Start(Lease, Job),
    /// `Some` when the job replaced an older slot of its service in the queue: that one is missed.
    Queued(Option<Missed>),
    Missed(Missed),
}

/// Slots and queued jobs.
///
/// A service is slow when its last probe timed out or was preempted. All slow services together
/// hold at most their share of the slots, so hung targets cannot starve the others, whatever their
/// number. When many targets begin to hang at once, before they are known as slow, the probes that
/// run longer than [`PATIENCE`] are preempted ([`Self::preempt`]). So a service that answers
/// promptly is probed within about its interval and [`PATIENCE`], in a pool of any size, once each
/// hung service has been found to be slow.
///
/// Invariants: a service has at most one probe running or queued; while a slot is idle, only jobs
/// of slow services whose share is taken are queued; at most `limit` jobs are queued.
#[derive(Debug)]
pub struct ProbeQueue {
    /// Idle slots by arbiter. Slot `n` belongs to arbiter `n` modulo their number.
    idle: Vec<Vec<usize>>,
    /// The arbiter that gets the next jobs, and how many of this batch it has got.
    next_arbiter: (usize, usize),
    running: Vec<Option<Running>>,
    /// The services in `running`.
    busy: HashSet<ServiceId>,
    /// How many of `running` are slow.
    slow_running: usize,
    /// Queued services in their order; slow ones have their own order.
    quick_order: VecDeque<ServiceId>,
    slow_order: VecDeque<ServiceId>,
    queued: HashMap<ServiceId, Job>,
    /// Bound: the existing services.
    slow: HashSet<ServiceId>,
    /// Most entries of both orders together.
    limit: usize,
    /// Jobs started so far; the newest lease's generation.
    generation: u64,
}

/// The job in a slot.
#[derive(Debug, Clone, Copy)]
struct Running {
    id: ServiceId,
    generation: u64,
    since: Instant,
    is_slow: bool,
    on_demand: bool,
    is_preempted: bool,
    /// The service was removed while its probe ran.
    is_removed: bool,
}

impl Running {
    /// Whether it may be preempted.
    fn is_overdue(&self, now: Instant) -> bool {
        !self.on_demand && now >= self.since + PATIENCE
    }
}

impl ProbeQueue {
    /// `slots` idle slots, distributed over the arbiters in turn, and room for `limit` queued jobs.
    pub fn new(slots: usize, arbiters: usize, limit: usize) -> Self {
        let slots_of = |arbiter| (arbiter..slots).step_by(arbiters).rev().collect();
        Self {
            idle: (0..arbiters).map(slots_of).collect(),
            next_arbiter: (0, 0),
            running: vec![None; slots],
            busy: HashSet::new(),
            slow_running: 0,
            quick_order: VecDeque::new(),
            slow_order: VecDeque::new(),
            queued: HashMap::new(),
            slow: HashSet::new(),
            limit,
            generation: 0,
        }
    }

    /// Running probes.
    pub fn busy(&self) -> usize {
        self.busy.len()
    }

    /// Queued jobs.
    pub fn queued(&self) -> usize {
        self.queued.len()
    }

    /// The services with a running or queued probe.
    pub fn services(&self) -> impl Iterator<Item = ServiceId> {
        self.busy.iter().chain(self.queued.keys()).copied()
    }

    pub fn contains(&self, id: ServiceId) -> bool {
        self.queued.contains_key(&id)
    }

    /// Whether a job of a service is queued that is not known as slow.
    pub fn has_quick(&self) -> bool {
        !self.quick_order.is_empty()
    }

    /// The leases of all running probes.
    pub fn leases(&self) -> impl Iterator<Item = Lease> {
        self.running.iter().enumerate().filter_map(|(slot, running)| {
            Some(Lease { slot, generation: running.as_ref()?.generation })
        })
    }

    /// The jobs offered next are due together: the arbiter with most idle slots gets the first.
    pub fn begin_batch(&mut self) {
        self.next_arbiter.1 = BATCH_SIZE;
    }

    pub fn offer(&mut self, job: Job, now: Instant) -> Admission {
        let id = job.service.id;
        if self.busy.contains(&id) {
            return Admission::Missed(Missed::Busy);
        }
        if let Some(older) = self.queued.get_mut(&id) {
            *older = job;
            return Admission::Queued(Some(Missed::Late));
        }
        let is_slow = self.slow.contains(&id);
        let may_start = !is_slow || job.on_demand || self.may_start_slow();
        if let Some(slot) = may_start.then(|| self.idle_slot()).flatten() {
            return Admission::Start(self.lease(slot, &job, now), job);
        }
        // Slow services may use half of the queue too.
        let is_full = self.quick_order.len() + self.slow_order.len() >= self.limit
            || (is_slow && self.slow_order.len() >= self.limit.div_ceil(SLOW_SHARE));
        if is_full {
            return Admission::Missed(Missed::Full);
        }
        if is_slow { &mut self.slow_order } else { &mut self.quick_order }.push_back(id);
        self.queued.insert(id, job);
        Admission::Queued(None)
    }

    /// Ends a lease and leases its slot to the first queued job that may start and is not late.
    /// Also returns how many jobs were late. A lease that has ended before is ignored.
    pub fn finish(
        &mut self,
        lease: Lease,
        end: ProbeEnd,
        now: Instant,
    ) -> (Option<(Lease, Job)>, u64) {
        let Lease { slot, generation } = lease;
        let is_current = |running: &mut Running| running.generation == generation;
        let Some(running) = self.running[slot].take_if(is_current) else { return (None, 0) };
        self.busy.remove(&running.id);
        self.slow_running -= usize::from(running.is_slow);
        match end {
            ProbeEnd::Prompt => _ = self.slow.remove(&running.id),
            ProbeEnd::Late => {}
            ProbeEnd::TimedOut | ProbeEnd::Preempted if running.is_removed => {}
            ProbeEnd::TimedOut | ProbeEnd::Preempted => _ = self.slow.insert(running.id),
        }
        let mut late = 0;
        while let Some(id) = self.pop_next() {
            match self.queued.remove(&id) {
                None => {}
                Some(job) if job.next_due <= now => late += 1,
                Some(job) => return (Some((self.lease(slot, &job, now), job)), late),
            }
        }
        let arbiter = slot % self.idle.len();
        self.idle[arbiter].push(slot);
        (None, late)
    }

    /// Chooses the probes to cancel now, each once: while a job of a service is queued that is not
    /// known as slow, those that run longer than [`PATIENCE`], as many as overdue and slow probes
    /// together exceed the slow share; the oldest first, and those of services that are known as
    /// slow last. So later jobs find room too.
    pub fn preempt(&mut self, now: Instant) -> Vec<Lease> {
        let count = |which: &dyn Fn(&Running) -> bool| {
            self.running.iter().flatten().filter(|running| which(running)).count()
        };
        let overdue = count(&|running| running.is_slow || running.is_overdue(now));
        let preempted = count(&|running| running.is_preempted);
        let excess = overdue.saturating_sub(self.slow_limit() + preempted);
        if excess == 0 || !self.has_quick() {
            return Vec::new();
        }
        let may_be_preempted =
            |running: &&mut Running| running.is_overdue(now) && !running.is_preempted;
        let mut chosen: Vec<(usize, &mut Running)> = (self.running.iter_mut().enumerate())
            .filter_map(|(slot, running)| Some((slot, running.as_mut().filter(may_be_preempted)?)))
            .collect();
        chosen.sort_unstable_by_key(|(_, running)| (running.is_slow, running.generation));
        chosen.truncate(excess);
        let leases = chosen.into_iter().map(|(slot, running)| {
            running.is_preempted = true;
            Lease { slot, generation: running.generation }
        });
        leases.collect()
    }

    /// A queued job of this service probes the new definition.
    pub fn revise(&mut self, service: &Arc<Service>) {
        if let Some(job) = self.queued.get_mut(&service.id) {
            job.service = Arc::clone(service);
        }
    }

    /// Removes a service from the queue and from the slow services.
    pub fn remove(&mut self, id: ServiceId) {
        self.slow.remove(&id);
        if self.queued.remove(&id).is_some() {
            self.quick_order.retain(|queued| *queued != id);
            self.slow_order.retain(|queued| *queued != id);
        }
        if self.busy.contains(&id) {
            for running in self.running.iter_mut().flatten().filter(|running| running.id == id) {
                running.is_removed = true;
            }
        }
    }

    /// Removes every queued job.
    pub fn clear(&mut self) {
        self.quick_order.clear();
        self.slow_order.clear();
        self.queued.clear();
    }

    /// Most slow probes while other jobs are queued.
    fn slow_limit(&self) -> usize {
        let slots = self.running.len();
        slots.div_ceil(SLOW_SHARE).min(slots - 1)
    }

    fn may_start_slow(&self) -> bool {
        let is_only_slot = self.running.len() == 1 && self.quick_order.is_empty();
        self.slow_running < self.slow_limit() || is_only_slot
    }

    /// Pops the first service that may start now: of both orders, the one that is due longer.
    fn pop_next(&mut self) -> Option<ServiceId> {
        let due = |id: &ServiceId| self.queued.get(id).map(|job| job.due);
        let quick = self.quick_order.front().map(due);
        let may_slow = self.may_start_slow();
        let slow = self.slow_order.front().filter(|_| may_slow).map(due);
        if slow.is_some() && (quick.is_none() || slow < quick) {
            self.slow_order.pop_front()
        } else {
            self.quick_order.pop_front()
        }
    }

    fn idle_slot(&mut self) -> Option<usize> {
        let (arbiter, given) = &mut self.next_arbiter;
        if *given >= BATCH_SIZE || self.idle[*arbiter].is_empty() {
            let idle = |arbiter: &usize| (self.idle[*arbiter].len(), Reverse(*arbiter));
            *arbiter = (0..self.idle.len()).max_by_key(idle)?;
            *given = 0;
        }
        *given += 1;
        self.idle[*arbiter].pop()
    }

    fn lease(&mut self, slot: usize, job: &Job, now: Instant) -> Lease {
        let (id, on_demand) = (job.service.id, job.on_demand);
        let is_slow = self.slow.contains(&id);
        self.generation += 1;
        let generation = self.generation;
        self.running[slot] = Some(Running {
            id,
            generation,
            since: now,
            is_slow,
            on_demand,
            is_preempted: false,
            is_removed: false,
        });
        self.slow_running += usize::from(is_slow);
        self.busy.insert(id);
        Lease { slot, generation }
    }
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::sample;

    pub(super) fn job(id: i64, now: Instant) -> Job {
        let service = Arc::new(sample::service(id, 1.0));
        Job { service, due: now, next_due: now + Duration::from_secs(1), on_demand: false }
    }

    fn lease(queue: &ProbeQueue, slot: usize) -> Lease {
        queue.leases().find(|lease| lease.slot == slot).unwrap()
    }

    #[test]
    fn never_more_at_once_than_slots() {
        let (mut queue, now) = (ProbeQueue::new(2, 1, 9), Instant::now());
        assert!(matches!(queue.offer(job(1, now), now), Admission::Start(_, _)));
        assert!(matches!(queue.offer(job(2, now), now), Admission::Start(_, _)));
        assert!(matches!(queue.offer(job(3, now), now), Admission::Queued(None)));
        assert_eq!((queue.busy(), queue.queued()), (2, 1));
    }

    #[test]
    fn a_service_is_never_probed_twice_at_once() {
        let (mut queue, now) = (ProbeQueue::new(2, 1, 9), Instant::now());
        queue.offer(job(1, now), now);
        assert!(matches!(queue.offer(job(1, now), now), Admission::Missed(Missed::Busy)));
        let (next, late) = queue.finish(lease(&queue, 0), ProbeEnd::Prompt, now);
        assert!(next.is_none() && late == 0);
        assert!(matches!(queue.offer(job(1, now), now), Admission::Start(_, _)));
    }

    #[test]
    fn first_come_first_served() {
        let (mut queue, now) = (ProbeQueue::new(1, 1, 9), Instant::now());
        for id in 1..=3 {
            queue.offer(job(id, now), now);
        }
        let (next, _) = queue.finish(lease(&queue, 0), ProbeEnd::Prompt, now);
        assert_eq!(next.unwrap().1.service.id.get(), 2);
        let (next, _) = queue.finish(lease(&queue, 0), ProbeEnd::Prompt, now);
        assert_eq!(next.unwrap().1.service.id.get(), 3);
    }

    #[test]
    fn a_job_that_cannot_start_before_its_next_slot_is_missed() {
        let (mut queue, now) = (ProbeQueue::new(1, 1, 9), Instant::now());
        for id in 1..=3 {
            queue.offer(job(id, now), now);
        }
        let (next, late) =
            queue.finish(lease(&queue, 0), ProbeEnd::Prompt, now + Duration::from_secs(1));
        assert!(next.is_none());
        assert_eq!((late, queue.queued()), (2, 0));
    }

    #[test]
    fn a_newer_slot_replaces_the_queued_one_of_its_service() {
        let (mut queue, now) = (ProbeQueue::new(1, 1, 9), Instant::now());
        queue.offer(job(1, now), now);
        queue.offer(job(2, now), now);
        let later = now + Duration::from_secs(1);
        assert!(matches!(queue.offer(job(2, later), now), Admission::Queued(Some(Missed::Late))));
        let (next, late) = queue.finish(lease(&queue, 0), ProbeEnd::Prompt, later);
        assert_eq!((next.unwrap().1.due, late), (later, 0));
    }

    #[test]
    fn a_full_queue_admits_no_job() {
        let (mut queue, now) = (ProbeQueue::new(1, 1, 2), Instant::now());
        for id in 1..=3 {
            queue.offer(job(id, now), now);
        }
        assert!(matches!(queue.offer(job(4, now), now), Admission::Missed(Missed::Full)));
    }

    #[test]
    fn a_removed_service_is_skipped() {
        let (mut queue, now) = (ProbeQueue::new(1, 1, 9), Instant::now());
        for id in 1..=3 {
            queue.offer(job(id, now), now);
        }
        queue.remove(ServiceId::new(2).unwrap());
        let (next, late) = queue.finish(lease(&queue, 0), ProbeEnd::Prompt, now);
        assert_eq!((next.unwrap().1.service.id.get(), late), (3, 0));
    }

    /// A queue in which these services are known as slow.
    fn queue_with_slow(slots: usize, limit: usize, slow: impl Iterator<Item = i64>) -> ProbeQueue {
        let mut queue = ProbeQueue::new(slots, 1, limit);
        queue.slow = slow.map(|id| ServiceId::new(id).unwrap()).collect();
        queue
    }

    #[test]
    fn slow_services_get_half_of_the_slots_whatever_their_number() {
        let now = Instant::now();
        let mut queue = queue_with_slow(8, 99, 1..=90);
        for id in 1..=90 {
            queue.offer(job(id, now), now);
        }
        assert_eq!((queue.busy(), queue.queued()), (4, 50), "and half of the queue");
        for id in 101..=104 {
            assert!(matches!(queue.offer(job(id, now), now), Admission::Start(_, _)), "{id}");
        }
        assert!(matches!(queue.offer(job(105, now), now), Admission::Queued(None)));
        let quick_slot = queue.running.iter().position(|running| running.unwrap().id.get() == 101);
        let (next, _) = queue.finish(lease(&queue, quick_slot.unwrap()), ProbeEnd::Prompt, now);
        assert_eq!(
            next.unwrap().1.service.id.get(),
            105,
            "not one of the slow services queued before"
        );
    }

    #[test]
    fn a_service_that_times_out_is_slow_until_it_answers_promptly() {
        let (mut queue, now) = (ProbeQueue::new(1, 1, 9), Instant::now());
        let id = ServiceId::new(1).unwrap();
        for (end, is_slow) in [
            (ProbeEnd::TimedOut, true),
            (ProbeEnd::Late, true),
            (ProbeEnd::Prompt, false),
            (ProbeEnd::Late, false),
            (ProbeEnd::Preempted, true),
        ] {
            queue.offer(job(1, now), now);
            queue.finish(lease(&queue, 0), end, now);
            assert_eq!(queue.slow.contains(&id), is_slow, "{end:?}");
        }
        queue.remove(id);
        assert!(queue.slow.is_empty());
    }

    #[test]
    fn probes_that_hang_for_the_first_time_are_preempted_while_jobs_are_queued() {
        let (mut queue, now) = (ProbeQueue::new(4, 1, 9), Instant::now());
        for id in 1..=4 {
            queue.offer(job(id, now), now);
        }
        let later = now + PATIENCE;
        assert!(queue.preempt(later).is_empty(), "no job is queued");
        for id in 5..=9 {
            queue.offer(job(id, now), later);
        }
        assert!(queue.preempt(later - Duration::from_millis(1)).is_empty(), "too early");
        let preempted = queue.preempt(later);
        assert_eq!(preempted.len(), 2, "down to the slow share");
        assert!(queue.preempt(later).is_empty(), "each once");
        for lease in preempted {
            let id = queue.running[lease.slot].unwrap().id;
            let (next, _) = queue.finish(lease, ProbeEnd::Preempted, later);
            assert!(next.is_some() && queue.slow.contains(&id));
            let (next, _) = queue.finish(lease, ProbeEnd::Prompt, later);
            assert!(next.is_none() && queue.busy() == 4, "the slot is leased to another job");
        }
    }

    #[test]
    fn the_longest_due_job_of_both_orders_starts_first() {
        let now = Instant::now();
        let later = now + Duration::from_millis(10);
        let mut queue = queue_with_slow(2, 9, [3, 4].into_iter());
        for (id, due) in [(1, now), (2, now), (3, now), (4, later), (5, later)] {
            queue.offer(job(id, due), now);
        }
        let next = |queue: &mut ProbeQueue, slot| {
            let (next, _) = queue.finish(lease(queue, slot), ProbeEnd::Prompt, now);
            next.unwrap().1.service.id.get()
        };
        assert_eq!(next(&mut queue, 0), 3);
        assert_eq!(next(&mut queue, 1), 5, "one slow probe is running already");
    }

    #[test]
    fn a_small_batch_goes_to_one_arbiter_and_a_large_one_to_all() {
        let now = Instant::now();
        let jobs_by_arbiter = |jobs: i64| {
            let mut queue = ProbeQueue::new(100, 2, 9);
            queue.begin_batch();
            let mut given = [0, 0];
            for id in 1..=jobs {
                let Admission::Start(lease, _) = queue.offer(job(id, now), now) else { panic!() };
                given[lease.slot % 2] += 1;
            }
            given
        };
        assert_eq!(jobs_by_arbiter(5), [5, 0]);
        assert_eq!(jobs_by_arbiter(40), [32, 8]);
        assert_eq!(jobs_by_arbiter(100), [50, 50]);
    }

    #[test]
    fn a_removed_service_preempts_nothing_and_an_on_demand_probe_is_never_preempted() {
        let (mut queue, now) = (ProbeQueue::new(2, 1, 9), Instant::now());
        let id = |id| ServiceId::new(id).unwrap();
        queue.offer(Job { on_demand: true, ..job(1, now) }, now);
        queue.offer(job(2, now), now);
        queue.offer(job(3, now), now);
        queue.remove(id(3));
        assert!(!queue.has_quick() && queue.preempt(now + PATIENCE).is_empty());
        queue.offer(job(4, now), now);
        assert!(
            queue.preempt(now + PATIENCE).is_empty(),
            "one overdue probe is within the slow share"
        );
        queue.remove(id(2));
        queue.finish(lease(&queue, 1), ProbeEnd::TimedOut, now);
        assert!(queue.slow.is_empty(), "the service was removed");
    }
}
