//! A step back of the wall clock: how moments of the time before it read afterwards.

/// The wall clock was set back by `by_ms`, to `to_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepBack {
    /// Milliseconds. With 0, which is a cut, moments of the future become the new time.
    pub by_ms: i64,
    /// Unix milliseconds of the new time: no moment before the step is later.
    pub to_ms: i64,
    /// Moments after this one move, in unix milliseconds of the old time; not later than `to_ms`.
    /// Earlier than `to_ms` when the step undoes a step forward: everything since that step moves.
    pub after_ms: i64,
}

impl StepBack {
    /// By how much the clock was set back is unknown: what is later than `now_ms` becomes `now_ms`.
    pub fn cut(now_ms: i64) -> Self {
        Self { by_ms: 0, to_ms: now_ms, after_ms: now_ms }
    }

    /// Unix milliseconds of the step, in the old time.
    pub fn from_ms(&self) -> i64 {
        self.to_ms.saturating_add(self.by_ms)
    }

    /// The moment `at_ms` of the old time, as it reads after the step. Never before 1970.
    pub fn moved(&self, at_ms: i64) -> i64 {
        if at_ms <= self.after_ms {
            return at_ms;
        }
        self.shifted(at_ms, self.by_ms)
    }

    fn shifted(&self, at_ms: i64, by_ms: i64) -> i64 {
        at_ms.saturating_sub(by_ms).max(0).min(at_ms).min(self.to_ms)
    }
}

/// Start and end of an event, in unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub started_ms: i64,
    /// `None` while it lasts.
    pub ended_ms: Option<i64>,
}

/// Moves the events of one service, from the newest to older ones.
///
/// A boundary that [`StepBack::moved`] moves does so by the whole step, so events that lie after
/// the new time keep their length. The event before them becomes shorter by the step, since that
/// much wall time is lived twice, unless it is an outage or would end before it begins: then it
/// moves as a whole, and the one before it becomes shorter. So every outage keeps its length.
#[derive(Debug, Clone, Copy)]
pub struct PeriodMover {
    step: StepBack,
    /// The newer event's start, before and after the step.
    newer: Option<(i64, i64)>,
}

impl PeriodMover {
    pub fn new(step: StepBack) -> Self {
        Self { step, newer: None }
    }

    /// The next older event after the step; `None` when neither it nor any older one changes.
    pub fn moved(&mut self, old: Period, is_outage: bool) -> Option<Period> {
        let step = &self.step;
        let old_end = old.ended_ms.unwrap_or(step.from_ms());
        let new_end = match self.newer {
            Some((before, after)) if before == old_end => after,
            Some((_, after)) => step.moved(old_end).min(after),
            None => step.moved(old_end),
        };
        let by_ms = old_end.saturating_sub(new_end).max(0);
        let moves_whole = by_ms > 0 && (is_outage || new_end < old.started_ms);
        let started_ms = if old.started_ms > step.after_ms {
            step.moved(old.started_ms)
        } else if moves_whole {
            step.shifted(old.started_ms, by_ms)
        } else {
            old.started_ms
        };
        let started_ms = started_ms.min(new_end);
        self.newer = Some((old.started_ms, started_ms));
        let new = Period { started_ms, ended_ms: old.ended_ms.map(|_| new_end) };
        (new != old || by_ms > 0).then_some(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The starts of events after `step`, oldest first. `true` is an outage; the last one is open.
    fn starts(step: StepBack, events: &[(i64, bool)]) -> Vec<i64> {
        let mut mover = PeriodMover::new(step);
        let mut starts: Vec<i64> = events.iter().map(|(at, _)| *at).collect();
        for nth in (0..events.len()).rev() {
            let (started_ms, is_outage) = events[nth];
            let ended_ms = events.get(nth + 1).map(|(at, _)| *at);
            let Some(new) = mover.moved(Period { started_ms, ended_ms }, is_outage) else { break };
            starts[nth] = new.started_ms;
        }
        starts
    }

    fn back(by_ms: i64, to_ms: i64) -> StepBack {
        StepBack { by_ms, to_ms, after_ms: to_ms }
    }

    const UP: bool = false;
    const DOWN: bool = true;

    #[test]
    fn what_lies_in_the_future_moves_by_the_step() {
        let events = [(0, UP), (90_000, DOWN), (95_000, UP)];
        assert_eq!(starts(back(20_000, 80_000), &events), [0, 70_000, 75_000]);
    }

    #[test]
    fn an_event_that_is_no_outage_absorbs_the_step() {
        assert_eq!(
            starts(back(20_000, 80_000), &[(0, UP), (10_000, DOWN), (50_000, UP)]),
            [0, 10_000, 50_000]
        );
    }

    #[test]
    fn an_outage_that_lasts_keeps_its_length() {
        // Down for 40 s when 60 became 40.
        assert_eq!(starts(back(20_000, 40_000), &[(0, UP), (20_000, DOWN)]), [0, 0]);
        assert_eq!(starts(back(5_000, 55_000), &[(0, UP), (20_000, DOWN)]), [0, 15_000]);
    }

    #[test]
    fn a_short_event_moves_as_a_whole() {
        // The second outage would begin before the first one ends.
        let events = [(0, UP), (40_000, DOWN), (45_000, UP), (70_000, DOWN), (75_000, UP)];
        let moved = starts(back(30_000, 60_000), &events);
        assert_eq!(moved, [0, 10_000, 15_000, 40_000, 45_000]);
    }

    #[test]
    fn an_undone_step_forward_leaves_the_time_that_it_really_lasted() {
        // At 10 s the clock went 3 s forward; unknown until the result 0.4 s later; undone after
        // 5 s.
        let step = StepBack { by_ms: 3_000, to_ms: 15_000, after_ms: 12_999 };
        assert_eq!(starts(step, &[(0, UP), (10_000, UP), (13_400, UP)]), [0, 10_000, 10_400]);
    }

    #[test]
    fn a_cut_moves_only_what_lies_in_the_future() {
        let cut = StepBack::cut(80_000);
        let events = [(0, UP), (10_000, DOWN), (20_000, UP), (90_000, DOWN), (95_000, UP)];
        assert_eq!(starts(cut, &events), [0, 10_000, 20_000, 80_000, 80_000]);
        assert_eq!(starts(cut, &[(0, UP), (10_000, DOWN)]), [0, 10_000], "an open outage stays");
        assert_eq!(starts(cut, &[(0, UP), (70_000, DOWN), (85_000, UP)]), [0, 65_000, 80_000]);
    }

    #[test]
    fn nothing_moves_before_1970() {
        assert_eq!(starts(back(i64::MAX, 5), &[(10, UP), (20, DOWN), (30, UP)]), [0, 0, 0]);
    }
}
