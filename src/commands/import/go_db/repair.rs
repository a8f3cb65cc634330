//! Repairs the events of a service, so that they agree with each other and with its newest tick.
//! Pure.

use crate::domain::State;
use crate::storage::import::ImportedEvent;

/// The events in order, each ending where the next begins. The newest has the state of the newest
/// tick and is open, unless the service was deleted. Returns the events and one phrase per repair.
///
/// `newest` is state and time of the newest tick, `deleted_ms` the time of the service's deletion;
/// unix milliseconds.
pub(super) fn repair(
    mut events: Vec<ImportedEvent>,
    newest: Option<(State, i64)>,
    deleted_ms: Option<i64>,
) -> (Vec<ImportedEvent>, Vec<String>) {
    let mut repairs = Vec::new();
    events.sort_by_key(|event| event.started_ms);
    close_gaps(&mut events, &mut repairs);
    if let (Some((state, at_ms)), None) = (newest, deleted_ms) {
        match_newest_tick(&mut events, state, at_ms, &mut repairs);
    }
    if let (Some(deleted_ms), Some(last)) = (deleted_ms, events.last_mut()) {
        last.ended_ms.get_or_insert(deleted_ms.max(last.started_ms));
    }
    (events, repairs)
}

fn close_gaps(events: &mut [ImportedEvent], repairs: &mut Vec<String>) {
    for index in 0..events.len() {
        let next = events.get(index + 1).copied();
        let event = &mut events[index];
        let word = event.state.event();
        let end = match next {
            Some(next) => Some(next.started_ms),
            None => event.ended_ms.map(|ended| ended.max(event.started_ms)),
        };
        if next.is_some_and(|next| next.state == event.state) {
            repairs.push(format!("two {word} events in a row; both imported"));
        }
        if end != event.ended_ms {
            repairs.push(format!("a {word} did not end where the next event begins; repaired"));
            event.ended_ms = end;
        }
    }
}

fn match_newest_tick(
    events: &mut Vec<ImportedEvent>,
    state: State,
    at_ms: i64,
    repairs: &mut Vec<String>,
) {
    let agrees =
        events.last().is_some_and(|event| event.state == state && event.ended_ms.is_none());
    if agrees {
        return;
    }
    let word = state.event();
    repairs.push(format!(
        "the newest event contradicts the newest tick; a new {word} begins at that tick"
    ));
    let mut started_ms = at_ms;
    if let Some(last) = events.last_mut() {
        started_ms = started_ms.max(last.started_ms);
        last.ended_ms = Some(started_ms);
    }
    let at = started_ms.div_euclid(1_000);
    events.push(ImportedEvent {
        state,
        started_ms,
        ended_ms: None,
        created_at: at,
        updated_at: at,
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(state: State, started_ms: i64, ended_ms: Option<i64>) -> ImportedEvent {
        ImportedEvent { state, started_ms, ended_ms, created_at: 0, updated_at: 0 }
    }

    #[test]
    fn a_consistent_history_is_left_unchanged() {
        let events = vec![event(State::Up, 0, Some(5)), event(State::Down, 5, None)];
        let (repaired, repairs) = repair(events.clone(), Some((State::Down, 9)), None);
        assert_eq!((repaired, repairs), (events, Vec::<String>::new()));
    }

    #[test]
    fn gaps_and_overlaps_are_closed_and_reported() {
        let events = vec![
            event(State::Up, 0, Some(3)),
            event(State::Down, 5, Some(9)),
            event(State::Up, 7, None),
        ];
        let (repaired, repairs) = repair(events, Some((State::Up, 9)), None);
        let ends: Vec<Option<i64>> = repaired.iter().map(|event| event.ended_ms).collect();
        assert_eq!(ends, [Some(5), Some(7), None]);
        assert_eq!(repairs.len(), 2, "{repairs:?}");
    }

    proptest! {
        /// Any events become events that obey the rules of the store.
        #[test]
        fn repaired_events_are_consistent(
            raw in prop::collection::vec(
                (any::<bool>(), 0i64..100, prop::option::of(0i64..100)),
                0..8,
            ),
            newest in prop::option::of((any::<bool>(), 0i64..100)),
            deleted in prop::option::of(0i64..100),
        ) {
            let state = |up: bool| if up { State::Up } else { State::Down };
            let events =
                raw.into_iter().map(|(up, start, end)| event(state(up), start, end)).collect();
            let newest = newest.map(|(up, at)| (state(up), at));
            let (repaired, _) = repair(events, newest, deleted);
            for pair in repaired.windows(2) {
                prop_assert_eq!(pair[0].ended_ms, Some(pair[1].started_ms));
            }
            for event in &repaired {
                prop_assert!(event.ended_ms.is_none_or(|ended| ended >= event.started_ms));
            }
            if let (Some((state, _)), None) = (newest, deleted) {
                let last = repaired.last().unwrap();
                prop_assert_eq!((last.state, last.ended_ms), (state, None));
            }
            if deleted.is_some() {
                prop_assert!(repaired.iter().all(|event| event.ended_ms.is_some()));
            }
        }
    }
}
