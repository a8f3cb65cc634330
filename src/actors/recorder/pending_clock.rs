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
    /// Whether a commit that notes `unobserved` is under way.
    is_sent: bool,
    /// Steps since that commit began. Bound: [`STEPS_MOST`].
    steps_since: Vec<StepBack>,
}

impl PendingClock {
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.unobserved.is_none() && self.steps_since.is_empty()
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
        if self.is_sent {
            // The store may know of the unobserved time by then.
            return push_step(&mut self.steps_since, step);
        }
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

    /// Start of the unobserved time, in unix milliseconds.
    pub fn unobserved_from_ms(&self) -> Option<i64> {
        self.unobserved.map(|unobserved| unobserved.stall.from_ms)
    }

    /// For a commit, which [`Self::noted`] ends. Without the unobserved time unless `with_stall`.
    pub fn notes(&mut self, with_stall: bool) -> ClockNotes {
        let stall = self.unobserved.filter(|_| with_stall).map(|unobserved| unobserved.stall);
        self.is_sent = stall.is_some();
        ClockNotes { steps: self.steps.clone(), stall }
    }

    /// The commit is over, and these notes are in the store.
    pub fn noted(&mut self, notes: &ClockNotes) {
        self.is_sent = false;
        self.steps.drain(..notes.steps.len().min(self.steps.len()));
        if self.unobserved.map(|unobserved| unobserved.stall) == notes.stall {
            self.unobserved = None;
        }
        for step in std::mem::take(&mut self.steps_since) {
            self.add_step(step);
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
        pending.notes(true)
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
        let notes = pending.notes(true);
        pending.add(&back(1_000, 80_000, 80_000));
        pending.noted(&notes);
        assert_eq!((pending.notes(false).steps.len(), pending.unobserved), (1, None));
        let notes = pending.notes(true);
        pending.noted(&notes);
        assert!(pending.is_empty());
    }

    #[test]
    fn the_steps_that_wait_are_bounded() {
        let mut pending = PendingClock::default();
        for _ in 0..100 {
            pending.add(&back(1_000, 80_000, 80_000));
        }
        let steps = pending.notes(true).steps;
        assert_eq!(steps.len(), STEPS_MOST);
        assert_eq!(steps.iter().map(|step| step.by_ms).sum::<i64>(), 100_000);
    }

    #[test]
    fn a_step_forward_that_is_undone_while_it_is_noted_is_undone_in_the_store_too() {
        for is_stored in [true, false] {
            let mut pending = PendingClock::default();
            pending.add(&unobserved(10_000, 3_610_000, 3_600_000));
            let notes = pending.notes(true);
            pending.add(&back(3_600_000, 15_000, 10_000));
            assert!(!pending.is_empty());
            let nothing = ClockNotes::default();
            pending.noted(if is_stored { &notes } else { &nothing });
            let rest = pending.notes(true);
            assert_eq!((rest.steps.len(), rest.stall), (usize::from(is_stored), None));
        }
    }
}
