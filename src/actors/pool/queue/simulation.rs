//! Simulates a pool with targets that hang, in steps of the interval between preemption checks.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::tests::job;
use super::{Admission, ProbeQueue};
use crate::actors::messages::probing::{Job, Lease, ProbeEnd};

/// How the probes of a service end.
#[derive(Clone, Copy)]
struct Simulated {
    interval_ms: u64,
    /// `None` for a target that hangs.
    answers_after_ms: Option<u64>,
}

/// Runs a pool for `seconds` in steps of [`PREEMPT_MS`]. Returns the longest time without a
/// prompt result of a service that answers, in its last half.
fn longest_wait_ms(slots: usize, services: &[Simulated], timeout_ms: u64, seconds: u64) -> u64 {
    const PREEMPT_MS: u64 = 20;
    let start = Instant::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    let mut queue = ProbeQueue::new(slots, 1, 1_000);
    let mut ends: HashMap<usize, (Lease, u64, ProbeEnd)> = HashMap::new();
    let mut last_ms = vec![0; services.len()];
    let mut longest_ms = 0;
    let end_of = |job: &Job, now_ms: u64| {
        let service = services[job.service.id.get() as usize - 1];
        match service.answers_after_ms {
            Some(after_ms) => (now_ms + after_ms, ProbeEnd::Prompt),
            None => (now_ms + timeout_ms, ProbeEnd::TimedOut),
        }
    };
    for now_ms in (0..seconds * 1_000).step_by(PREEMPT_MS as usize) {
        let now = at(now_ms);
        let mut started = Vec::new();
        for (nth, service) in services.iter().enumerate() {
            // Spread over the interval.
            let phase_ms = nth as u64 * PREEMPT_MS % service.interval_ms;
            if now_ms % service.interval_ms == phase_ms {
                let next_due = at(now_ms + service.interval_ms);
                let job = Job { due: now, next_due, ..job(nth as i64 + 1, now) };
                if let Admission::Start(lease, job) = queue.offer(job, now) {
                    started.push((lease, job));
                }
            }
        }
        for lease in queue.preempt(now) {
            ends.insert(lease.slot, (lease, now_ms, ProbeEnd::Preempted));
        }
        let over: Vec<_> = ends.values().filter(|(_, at, _)| *at <= now_ms).copied().collect();
        for (lease, _, end) in over {
            ends.remove(&lease.slot);
            let id = queue.running[lease.slot].unwrap().id;
            if end == ProbeEnd::Prompt {
                last_ms[id.get() as usize - 1] = now_ms;
            }
            started.extend(queue.finish(lease, end, now).0);
        }
        for (lease, job) in started {
            let (at, end) = end_of(&job, now_ms);
            ends.insert(lease.slot, (lease, at, end));
        }
        for (service, last_ms) in services.iter().zip(&last_ms) {
            if service.answers_after_ms.is_some() && now_ms > seconds * 500 {
                longest_ms = longest_ms.max(now_ms - last_ms);
            }
        }
    }
    longest_ms
}

#[test]
fn four_hung_services_leave_the_only_slot_to_a_healthy_one() {
    let hung = Simulated { interval_ms: 2_000, answers_after_ms: None };
    let healthy = Simulated { interval_ms: 2_000, answers_after_ms: Some(20) };
    let services = [hung, hung, healthy, hung, hung];
    let waited_ms = longest_wait_ms(1, &services, 15_000, 60);
    assert!(waited_ms <= 2_000 + 1_000, "{waited_ms} ms");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the number of hung services, and however small the pool.
    #[test]
    fn a_healthy_service_is_probed_within_its_interval_and_patience(
        slots in 1usize..6,
        hung in 0usize..12,
        healthy in 1usize..6,
        intervals_ms in prop::collection::vec(1u64..20, 20),
        timeout_ms in 1_000u64..20_000,
    ) {
        let interval_ms = |nth: usize| intervals_ms[nth % intervals_ms.len()] * 500;
        let mut services: Vec<Simulated> = (0..hung)
            .map(|nth| Simulated { interval_ms: interval_ms(nth), answers_after_ms: None })
            .collect();
        services.extend((0..healthy).map(|nth| Simulated {
            interval_ms: interval_ms(hung + nth),
            answers_after_ms: Some(20),
        }));
        let longest_ms = services[hung..].iter().map(|service| service.interval_ms).max();
        // Time for each other job in the queue, and for two steps of the simulation.
        let most_ms = longest_ms.unwrap() + 500 + 40 * (healthy as u64 + 2);
        let waited_ms = longest_wait_ms(slots, &services, timeout_ms, 80);
        prop_assert!(waited_ms <= most_ms, "{waited_ms} ms, at most {most_ms} ms");
    }
}
