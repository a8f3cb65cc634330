//! The oracle: which timelines the facts of a script permit. It knows neither the table of
//! observations nor the ledger.

use crate::domain::{Reason, Span, State};

/// Delay until a hole is found, beyond the allowance: the lateness that is tolerated and the time
/// between two checks. Also longer than the self-check holds a result.
const SLACK_MS: i64 = 8_000;

/// A service whose first probe since the start has not ended is given this much longer.
const FIRST_PROBE_MS: i64 = 60_000;

/// A fact about one service, in the order of time. Times are unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The service is watched from now on.
    Watched,
    /// The allowance, in milliseconds.
    Allowance(i64),
    /// A result of a probe that began then was stored.
    Recorded(State),
    /// A result of a probe that began then was dropped.
    Dropped,
    /// A probe ended with this local fault.
    Failed(Reason),
    /// The process runs again, and the time since `from_ms` is a gap, unless it is excused. After a
    /// restart, when the last result was committed.
    Resumed {
        from_ms: i64,
        is_gap: bool,
        is_restart: bool,
        committed_ms: Option<i64>,
    },
    Paused,
}

/// The newest result, or another beginning of the time that the oracle looks at.
#[derive(Debug, Clone)]
struct Since {
    at_ms: i64,
    /// What the timeline shows from then on; `None` before the first event.
    state: Option<State>,
    /// Before this moment, the service cannot be found unobserved.
    earliest_ms: i64,
    /// After this moment, the service must have been found unobserved.
    latest_ms: i64,
    first_dropped_ms: Option<i64>,
    /// The first dropped result that an earlier process knew of.
    forgotten_ms: Vec<i64>,
    /// When the result was committed: a new process knows this moment alone, so that it dates a
    /// hole later by the time for which the result was buffered.
    committed_ms: Option<i64>,
    causes: Vec<Reason>,
}

impl Since {
    fn new(at_ms: i64, state: Option<State>, allowance_ms: i64, first_ms: i64) -> Self {
        Self {
            at_ms,
            state,
            earliest_ms: at_ms + allowance_ms,
            latest_ms: at_ms + allowance_ms + SLACK_MS + first_ms,
            first_dropped_ms: None,
            forgotten_ms: Vec::new(),
            committed_ms: None,
            causes: Vec::new(),
        }
    }
}

/// A period as the timeline must show it, with the reasons of which the event has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permitted {
    pub state: Option<State>,
    pub from_ms: i64,
    pub reasons: Vec<Reason>,
}

/// One permitted timeline of the time between two facts.
type Choice = Vec<Permitted>;

/// Compares the events of a service (oldest first, with their reasons) with its facts. Returns a
/// sentence about the first difference.
pub fn compare(facts: &[(i64, Fact)], events: &[(Span, Option<Reason>)]) -> Result<(), String> {
    let mut since: Option<Since> = None;
    let mut allowance_ms = 0;
    for &(at_ms, fact) in facts {
        match fact {
            Fact::Allowance(ms) => {
                allowance_ms = ms;
                if let Some(since) = &mut since {
                    since.earliest_ms = since.earliest_ms.min(since.at_ms + ms);
                    since.latest_ms = since.latest_ms.max(at_ms + ms + SLACK_MS);
                }
            }
            Fact::Failed(reason) => {
                if let Some(since) = &mut since {
                    since.causes.push(reason);
                }
            }
            Fact::Dropped => {
                if let Some(since) = &mut since {
                    since.first_dropped_ms.get_or_insert(at_ms);
                }
            }
            Fact::Watched => {
                let state = match &since {
                    Some(before) => {
                        let paused = until(before, at_ms, events)?;
                        paused.map(|_| State::Unknown)
                    }
                    None => None,
                };
                since = Some(Since::new(at_ms, state, allowance_ms, FIRST_PROBE_MS));
            }
            Fact::Recorded(state) => {
                if let Some(before) = &since {
                    until(before, at_ms, events)?;
                }
                since = Some(Since::new(at_ms, Some(state), allowance_ms, 0));
            }
            Fact::Resumed { from_ms, is_gap, is_restart, committed_ms } => {
                let Some(before) = &mut since else { continue };
                before.committed_ms = committed_ms.or(before.committed_ms);
                if is_restart && before.first_dropped_ms.is_some() {
                    before.forgotten_ms.extend(before.first_dropped_ms.take());
                }
                // Without an event, a service is unknown since it is watched, if at all.
                if is_gap && before.state.is_some() {
                    // A gap begins after what the store knows already.
                    let from_ms = from_ms.max(before.at_ms);
                    let state = until(before, from_ms, events)?.map(|_| State::Unknown);
                    since = Some(Since::new(from_ms, state, allowance_ms, 0));
                } else {
                    before.latest_ms =
                        before.latest_ms.max(at_ms + allowance_ms + SLACK_MS + FIRST_PROBE_MS);
                }
            }
            Fact::Paused => {
                let Some(before) = &since else { continue };
                let state = until(before, at_ms, events)?.map(|_| State::Paused);
                since = Some(Since::new(at_ms, state, i64::MAX / 4, 0));
            }
        }
    }
    Ok(())
}

/// Checks the timeline from `since` to `end_ms` and returns its last state.
fn until(
    since: &Since,
    end_ms: i64,
    events: &[(Span, Option<Reason>)],
) -> Result<Option<State>, String> {
    let shown = shown(events, since.at_ms, end_ms);
    let choices = choices(since, end_ms);
    let is_permitted = choices.iter().any(|choice| {
        let choice: Vec<&Permitted> =
            choice.iter().filter(|period| period.from_ms < end_ms).collect();
        choice.len() == shown.len()
            && choice.iter().zip(&shown).all(|(permitted, (state, from_ms, reason))| {
                permitted.state == *state
                    && permitted.from_ms == *from_ms
                    && (permitted.reasons.is_empty()
                        || reason.is_some_and(|reason| permitted.reasons.contains(&reason)))
            })
    });
    if is_permitted || since.at_ms >= end_ms {
        return Ok(shown.last().map_or(since.state, |(state, ..)| *state));
    }
    Err(format!("until {end_ms} since {since:?}\nshown {shown:?}\npermitted {choices:?}"))
}

fn choices(since: &Since, end_ms: i64) -> Vec<Choice> {
    let lasts = vec![Permitted { state: since.state, from_ms: since.at_ms, reasons: Vec::new() }];
    let mut choices = Vec::new();
    let is_unknown = matches!(since.state, Some(State::Unknown | State::Paused));
    if is_unknown || end_ms <= since.latest_ms {
        choices.push(lasts.clone());
    }
    if is_unknown || end_ms <= since.earliest_ms {
        return choices;
    }
    // Before it is found that there are no results, a dropped one dates the hole.
    let dropped_ms = since.first_dropped_ms.filter(|at_ms| *at_ms <= since.latest_ms);
    for at_ms in dropped_ms.into_iter().chain(since.forgotten_ms.iter().copied()) {
        choices.push(unknown(&lasts, at_ms, vec![Reason::Dropped]));
    }
    if dropped_ms.is_none_or(|at_ms| at_ms > since.earliest_ms) {
        let mut reasons = since.causes.clone();
        reasons.push(Reason::Missed);
        if let Some(at_ms) = since.committed_ms {
            choices.push(unknown(&lasts, at_ms, reasons.clone()));
        }
        choices.push(unknown(&lasts, since.at_ms, reasons));
    }
    choices
}

/// `lasts` until `from_ms`, then unknown.
fn unknown(lasts: &Choice, from_ms: i64, reasons: Vec<Reason>) -> Choice {
    let mut choice: Choice =
        lasts.iter().filter(|period| period.from_ms < from_ms).cloned().collect();
    choice.push(Permitted { state: Some(State::Unknown), from_ms, reasons });
    choice
}

/// What the timeline shows from `from_ms` to `to_ms`: each state with its start within, and the
/// reason of its event.
fn shown(
    events: &[(Span, Option<Reason>)],
    from_ms: i64,
    to_ms: i64,
) -> Vec<(Option<State>, i64, Option<Reason>)> {
    let mut shown = Vec::new();
    let first_ms = events.first().map_or(i64::MAX, |(span, _)| span.from_ms);
    if from_ms < first_ms {
        shown.push((None, from_ms, None));
    }
    for (span, reason) in events {
        let begins_ms = span.from_ms.max(from_ms);
        let is_empty = span.to_ms.is_some_and(|ended_ms| ended_ms <= begins_ms);
        if begins_ms < to_ms && !is_empty {
            shown.push((Some(span.state), begins_ms, *reason));
        }
    }
    shown
}
