//! The arbiters of the probers, and the probers by slot.

use actix::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::yield_now;

use super::Prober;
use super::state::ProberDeps;
use crate::actors::messages::probing::ToProber;

/// Messages that an arbiter delivers before it polls its sockets and runs the tasks that are ready.
/// Probes that have begun go first: otherwise the start of many probes would be part of the times
/// that each of them measures, and on a machine that is too slow all slots would be busy, where a
/// probe uses more CPU than where few are.
const DELIVERED_AT_ONCE: usize = 4;

/// Owns the probers. The prober of slot `n` runs on arbiter `n` modulo their number.
pub struct ArbiterPool {
    arbiters: Vec<ProberArbiter>,
    deps: ProberDeps,
    /// By slot.
    probers: Vec<Addr<Prober>>,
}

/// An arbiter with the messages on their way to its probers.
struct ProberArbiter {
    handle: ArbiterHandle,
    /// Bound: three a slot: the job of its lease, and the preemptions of this lease and the last.
    messages: UnboundedSender<Vec<Addressed>>,
}

/// A message and the prober that receives it.
type Addressed = (Addr<Prober>, ToProber);

impl ArbiterPool {
    /// `arbiters` has at least one.
    pub fn new(arbiters: Vec<ArbiterHandle>, deps: ProberDeps) -> Self {
        let arbiters = arbiters.into_iter().map(ProberArbiter::new).collect();
        Self { arbiters, deps, probers: Vec::new() }
    }

    pub fn arbiters(&self) -> usize {
        self.arbiters.len()
    }

    /// Spawns the prober of `slot`, which is new or replaces a dead one. Slots begin at 0 and have
    /// no gap.
    pub fn spawn(&mut self, slot: usize) {
        let arbiter = &self.arbiters[slot % self.arbiters.len()];
        let prober = Prober::spawn(&arbiter.handle, slot, self.deps.clone());
        if slot < self.probers.len() {
            self.probers[slot] = prober;
        } else {
            self.probers.push(prober);
        }
    }

    pub fn is_alive(&self, slot: usize) -> bool {
        self.probers[slot].connected()
    }

    /// Sends messages to the probers of these slots; each arbiter is woken once, and delivers in
    /// order. A message to an arbiter that has ended is lost; the pool's sweep frees the slot.
    pub fn send(&self, messages: Vec<(usize, ToProber)>) {
        let mut by_arbiter: Vec<Vec<Addressed>> =
            self.arbiters.iter().map(|_| Vec::new()).collect();
        for (slot, message) in messages {
            let arbiter = slot % self.arbiters.len();
            by_arbiter[arbiter].push((self.probers[slot].clone(), message));
        }
        for (arbiter, messages) in self.arbiters.iter().zip(by_arbiter) {
            if !messages.is_empty() {
                let _ = arbiter.messages.send(messages);
            }
        }
    }
}

impl ProberArbiter {
    fn new(handle: ArbiterHandle) -> Self {
        let (messages, received) = unbounded_channel();
        handle.spawn(deliver(received, |(prober, message): Addressed| prober.do_send(message)));
        Self { handle, messages }
    }
}

/// Delivers messages on their arbiter with `send`, [`DELIVERED_AT_ONCE`] in each turn of its loop.
async fn deliver<T>(mut received: UnboundedReceiver<Vec<T>>, send: impl Fn(T)) {
    let mut delivered = 0;
    while let Some(messages) = received.recv().await {
        for message in messages {
            send(message);
            delivered += 1;
            if delivered == DELIVERED_AT_ONCE {
                delivered = 0;
                // Until the sockets were polled and each task that is ready has run.
                yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[actix::test]
    async fn tasks_that_are_ready_run_between_deliveries() {
        let (messages, received) = unbounded_channel();
        for numbers in [0..40, 40..43, 43..100] {
            messages.send(numbers.collect()).unwrap();
        }
        drop(messages);
        let delivered = Rc::new(RefCell::new(Vec::new()));
        let numbers = Rc::clone(&delivered);
        actix_rt::spawn(deliver(received, move |number: u32| numbers.borrow_mut().push(number)));
        let mut counts = vec![0];
        for _ in 0..100 {
            yield_now().await;
            counts.push(delivered.borrow().len());
        }
        assert!(counts.windows(2).all(|pair| pair[1] <= pair[0] + DELIVERED_AT_ONCE), "{counts:?}");
        assert_eq!(*delivered.borrow(), (0..100).collect::<Vec<u32>>(), "all, in order");
    }
}
