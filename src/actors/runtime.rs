//! The context that every actor shares.

use slog::Logger;
use tokio::sync::mpsc;

use crate::metrics::Telemetry;

/// Passed to the actors at their start.
#[derive(Debug, Clone)]
pub struct Runtime {
    pub telemetry: Telemetry,
    pub log: Logger,
    pub lifelines: Lifelines,
}

impl Runtime {
    /// A runtime, and the receiver of the faults that end the process.
    pub fn new(telemetry: Telemetry, log: Logger) -> (Self, mpsc::UnboundedReceiver<Fault>) {
        let (faults, reported) = mpsc::unbounded_channel();
        (Self { telemetry, log, lifelines: Lifelines(faults) }, reported)
    }

    pub fn lifeline(&self, actor: &'static str) -> Lifeline {
        self.lifelines.lifeline(actor)
    }
}

/// Why the process must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The actor of that name has died.
    ActorDied(&'static str),
    /// This process may not use its store any more.
    StoreChanged,
}

/// Makes lifelines.
#[derive(Debug, Clone)]
pub struct Lifelines(mpsc::UnboundedSender<Fault>);

impl Lifelines {
    pub fn lifeline(&self, actor: &'static str) -> Lifeline {
        Lifeline { actor, faults: self.0.clone() }
    }
}

/// Held by an actor without which the process must stop. Its drop, by a panic or otherwise, reports
/// the actor's death to the app. Bound: two messages each.
#[derive(Debug)]
pub struct Lifeline {
    actor: &'static str,
    faults: mpsc::UnboundedSender<Fault>,
}

impl Lifeline {
    /// Reports a fault that ends the process. At most once.
    pub fn report(&self, fault: Fault) {
        // The app has ended when nothing receives this.
        let _ = self.faults.send(fault);
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        self.report(Fault::ActorDied(self.actor));
    }
}
