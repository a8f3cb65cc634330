//! The arbiters of the probers, and the probers by slot.

use actix::prelude::*;

use super::Prober;
use super::state::ProberDeps;

/// Owns the probers. The prober of slot `n` runs on arbiter `n` modulo their number.
pub struct ArbiterPool {
    arbiters: Vec<ArbiterHandle>,
    deps: ProberDeps,
    /// By slot.
    probers: Vec<Addr<Prober>>,
}

impl ArbiterPool {
    /// `arbiters` has at least one.
    pub fn new(arbiters: Vec<ArbiterHandle>, deps: ProberDeps) -> Self {
        Self { arbiters, deps, probers: Vec::new() }
    }

    pub fn arbiters(&self) -> usize {
        self.arbiters.len()
    }

    /// Spawns the prober of `slot`, which is new or replaces a dead one. Slots begin at 0 and have
    /// no gap.
    pub fn spawn(&mut self, slot: usize) {
        let arbiter = &self.arbiters[slot % self.arbiters.len()];
        let prober = Prober::spawn(arbiter, slot, self.deps.clone());
        if slot < self.probers.len() {
            self.probers[slot] = prober;
        } else {
            self.probers.push(prober);
        }
    }

    pub fn is_alive(&self, slot: usize) -> bool {
        self.probers[slot].connected()
    }

    /// Sends messages to the probers of these slots, in order; each arbiter is woken once. A
    /// message to an arbiter that has ended is lost; the pool's sweep frees the slot.
    pub fn send<M>(&self, messages: Vec<(usize, M)>)
    where
        M: Message<Result = ()> + Send + 'static,
        Prober: Handler<M>,
    {
        let mut by_arbiter: Vec<Vec<(Addr<Prober>, M)>> =
            self.arbiters.iter().map(|_| Vec::new()).collect();
        for (slot, message) in messages {
            let arbiter = slot % self.arbiters.len();
            by_arbiter[arbiter].push((self.probers[slot].clone(), message));
        }
        for (arbiter, messages) in self.arbiters.iter().zip(by_arbiter) {
            if messages.is_empty() {
                continue;
            }
            arbiter.spawn_fn(move || {
                for (prober, message) in messages {
                    prober.do_send(message);
                }
            });
        }
    }
}
