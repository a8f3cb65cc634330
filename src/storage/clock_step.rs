//! What a step back of the wall clock changes of the events of a service.

use std::ops::ControlFlow;

use crate::domain::time::step_back::{Period, PeriodMover, StepBack};

/// An event that a step moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovedEvent {
    pub id: i64,
    pub period: Period,
    pub has_new_start: bool,
}

/// The events of one service that a step moves.
#[derive(Debug)]
pub struct MovedEvents {
    mover: PeriodMover,
    /// Newest first.
    events: Vec<MovedEvent>,
}

impl MovedEvents {
    pub fn new(step: StepBack) -> Self {
        Self { mover: PeriodMover::new(step), events: Vec::new() }
    }

    /// Takes the next older event. Breaks when neither it nor any older one changes.
    pub fn push(&mut self, id: i64, is_outage: bool, old: Period) -> ControlFlow<()> {
        let Some(period) = self.mover.moved(old, is_outage) else {
            return ControlFlow::Break(());
        };
        if period != old {
            let has_new_start = period.started_ms != old.started_ms;
            self.events.push(MovedEvent { id, period, has_new_start });
        }
        ControlFlow::Continue(())
    }

    /// Newest first.
    pub fn events(&self) -> &[MovedEvent] {
        &self.events
    }

    /// The first event that the times of the roll-ups do not contain any more. The end of an older
    /// event is the start of the next one.
    pub fn first_outdated_id(&self) -> Option<i64> {
        let begun = self.events.iter().filter(|event| event.has_new_start).map(|event| event.id);
        begun.min().or(self.events.first().map(|event| event.id))
    }
}
