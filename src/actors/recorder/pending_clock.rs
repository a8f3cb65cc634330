//! What the clocks did that is not noted in the store yet. Pure.

use crate::actors::messages::store::ClockNotes;
use crate::domain::time::clock_watch::{ClockChange, Unobserved};
use crate::domain::time::step_back::StepBack;

/// Steps back that wait for a commit; further ones are merged into the last.
const STEPS_MOST: usize = 32;

/// What is not noted in the store yet: first the steps, then the unobserved time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PendingClock {
    /// Bound: [`STEPS_MOST`].
    steps: Vec<StepBack>,
    unobserved: Option<Unobserved>,
}

impl PendingClock {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds `change`. Unobserved times that follow each other before a commit become one.
    pub fn add(&mut self, change: &ClockChange) {
        for step in &change.back {
            self.add_step(*step);
        }
        if let Some(mut newest) = change.unobserved {
            if let Some(earlier) = self.unobserved {
                newest.stall.from_ms = earlier.stall.from_ms;
                newest.forward_ms += earlier.forward_ms;
            }
            self.unobserved = Some(newest);
        }
    }

    fn add_step(&mut self, mut step: StepBack) {
        if let Some(mut pending) = self.unobserved.take() {
            if pending.forward_ms > 0 {
                // Undoes the newest step forward, which the store does not know of.
                let undone_ms = pending.forward_ms.min(step.by_ms);
                pending.forward_ms -= undone_ms;
                pending.stall.to_ms -= undone_ms;
                step.by_ms -= undone_ms;
            } else {
                pending.stall.from_ms = step.moved(pending.stall.from_ms);
                pending.stall.to_ms = step.moved(pending.stall.to_ms);
            }
            let is_left = pending.stall.to_ms > pending.stall.from_ms;
            self.unobserved = is_left.then_some(pending);
        }
        if step.by_ms > 0 {
            push_step(&mut self.steps, step);
        }
    }

    /// For a commit.
    pub fn notes(&self) -> ClockNotes {
        let stall = self.unobserved.map(|unobserved| unobserved.stall);
        ClockNotes { steps: self.steps.clone(), stall }
    }

    /// These notes are in the store.
    pub fn noted(&mut self, notes: &ClockNotes) {
        self.steps.drain(..notes.steps.len().min(self.steps.len()));
        if self.unobserved.map(|unobserved| unobserved.stall) == notes.stall {
            self.unobserved = None;
        }
    }
}

/// Adds `step`, or merges it into the last one.
pub fn push_step(steps: &mut Vec<StepBack>, step: StepBack) {
    let is_full = steps.len() >= STEPS_MOST;
    match steps.last_mut().filter(|_| is_full) {
        Some(last) => {
            last.by_ms = last.by_ms.saturating_add(step.by_ms);
            last.to_ms = step.to_ms;
            last.after_ms = last.after_ms.min(step.after_ms);
        }
        None => steps.push(step),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::stall::Stall;

    fn unobserved(from_ms: i64, to_ms: i64, forward_ms: i64) -> ClockChange {
        let stall = Stall { from_ms, to_ms };
        ClockChange { back: vec![], unobserved: Some(Unobserved { stall, forward_ms }) }
    }

    fn back(by_ms: i64, to_ms: i64, after_ms: i64) -> ClockChange {
        ClockChange { back: vec![StepBack { by_ms, to_ms, after_ms }], unobserved: None }
    }

    fn pending(changes: &[ClockChange]) -> ClockNotes {
        let mut pending = PendingClock::default();
        changes.iter().for_each(|change| pending.add(change));
        pending.notes()
    }

    #[test]
    fn stalls_before_a_commit_become_one() {
        let notes = pending(&[unobserved(1_000, 20_000, 0), unobserved(25_000, 40_000, 0)]);
        assert_eq!(notes.stall, Some(Stall { from_ms: 1_000, to_ms: 40_000 }));
    }

    #[test]
    fn a_step_forward_that_is_undone_before_a_commit_never_was() {
        let forward = unobserved(10_000, 3_610_000, 3_600_000);
        let undone = back(3_600_000, 15_000, 15_000);
        assert_eq!(pending(&[forward.clone(), undone]), ClockNotes::default());
        let half = back(1_800_000, 1_815_000, 1_815_000);
        let notes = pending(&[forward, half]);
        assert_eq!(notes.stall, Some(Stall { from_ms: 10_000, to_ms: 1_810_000 }));
        assert_eq!(notes.steps, []);
    }

    #[test]
    fn a_stall_before_a_step_back_moves_with_it() {
        let notes = pending(&[unobserved(50_000, 70_000, 0), back(40_000, 31_000, 31_000)]);
        assert_eq!(notes.stall, Some(Stall { from_ms: 10_000, to_ms: 30_000 }));
        assert_eq!(notes.steps.len(), 1);
    }

    #[test]
    fn a_change_during_a_commit_is_noted_by_the_next_one() {
        let mut pending = PendingClock::default();
        pending.add(&back(5_000, 31_000, 31_000));
        pending.add(&unobserved(40_000, 60_000, 0));
        let notes = pending.notes();
        pending.add(&back(1_000, 80_000, 80_000));
        pending.noted(&notes);
        assert_eq!((pending.notes().steps.len(), pending.notes().stall), (1, None));
        let notes = pending.notes();
        pending.noted(&notes);
        assert!(pending.is_empty());
    }

    #[test]
    fn the_steps_that_wait_are_bounded() {
        let mut pending = PendingClock::default();
        for _ in 0..100 {
            pending.add(&back(1_000, 80_000, 80_000));
        }
        let steps = pending.notes().steps;
        assert_eq!(steps.len(), STEPS_MOST);
        assert_eq!(steps.iter().map(|step| step.by_ms).sum::<i64>(), 100_000);
    }
}
