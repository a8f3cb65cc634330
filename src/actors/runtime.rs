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
    /// A runtime, and the receiver of the names of actors that died.
    pub fn new(telemetry: Telemetry, log: Logger) -> (Self, mpsc::UnboundedReceiver<&'static str>) {
        let (deaths, died) = mpsc::unbounded_channel();
        (Self { telemetry, log, lifelines: Lifelines(deaths) }, died)
    }

    pub fn lifeline(&self, actor: &'static str) -> Lifeline {
        self.lifelines.lifeline(actor)
    }
}

/// Makes lifelines.
#[derive(Debug, Clone)]
pub struct Lifelines(mpsc::UnboundedSender<&'static str>);

impl Lifelines {
    pub fn lifeline(&self, actor: &'static str) -> Lifeline {
        Lifeline { actor, deaths: self.0.clone() }
    }
}

/// Held by an actor without which the process must stop. Its drop, by a panic or otherwise, reports
/// the actor's death to the app. Bound: one message each.
#[derive(Debug)]
pub struct Lifeline {
    actor: &'static str,
    deaths: mpsc::UnboundedSender<&'static str>,
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        // The app has ended when nothing receives this.
        let _ = self.deaths.send(self.actor);
    }
}
