//! Which times of a maintenance are to be written, as they begin.
//!
//! Written times stay when the definition changes, so each is written once: by a mark up to which
//! every begin is written. The end is written with the begin, and cut when the definition changes.

use crate::domain::maintenance::definition::{MaintenanceDefinition, PlannedUptime};
use crate::domain::maintenance::schedule::Occurrence;

/// Most occurrences that are processed at a time.
const OCCURRENCES: usize = 500;

/// The times to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSpans {
    /// Those that began after the mark, in order and apart.
    pub begun: Vec<Occurrence>,
    /// The rest of one that began before the mark, for services that have joined since.
    pub rest: Option<Occurrence>,
    /// The mark once they are written, in unix milliseconds.
    pub mark_ms: i64,
    /// Whether these are all until now.
    pub is_all: bool,
}

/// The times of `definition` that are due at `now_ms`. It holds since `effective_ms`, and what
/// began up to `mark_ms` is written.
pub fn due(
    definition: &MaintenanceDefinition,
    effective_ms: i64,
    mark_ms: i64,
    now_ms: i64,
) -> DueSpans {
    let mut due =
        DueSpans { begun: Vec::new(), rest: None, mark_ms: mark_ms.max(now_ms), is_all: true };
    if definition.uptime == PlannedUptime::Count || now_ms < effective_ms {
        return DueSpans { mark_ms, ..due };
    }
    let schedule = definition.schedule();
    // One that is under way when the definition becomes effective begins there.
    let joined = (mark_ms < effective_ms).then(|| schedule.active_until(effective_ms)).flatten();
    let joined = joined.map(|to_ms| Occurrence { from_ms: effective_ms, to_ms });
    let mut begun: Vec<Occurrence> = joined.into_iter().collect();
    let from_ms = mark_ms.saturating_add(1).max(effective_ms);
    begun.extend(schedule.starting(from_ms, now_ms.saturating_add(1)).take(OCCURRENCES));
    if begun.len() >= OCCURRENCES
        && let Some(last) = begun.last()
    {
        due.mark_ms = last.from_ms;
        due.is_all = false;
    }
    due.rest = schedule.active_until(now_ms).map(|to_ms| Occurrence { from_ms: now_ms, to_ms });
    for one in begun {
        match due.begun.last_mut() {
            Some(last) if last.to_ms >= one.from_ms => last.to_ms = last.to_ms.max(one.to_ms),
            _ => due.begun.push(one),
        }
    }
    let is_begun = |rest: &Occurrence| due.begun.iter().any(|one| one.to_ms > rest.from_ms);
    due.rest = due.rest.filter(|rest| !is_begun(rest));
    due
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::{Value, json};

    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    /// A Monday, 12:00 UTC.
    const NOON_MS: i64 = 1_795_435_200_000;

    fn definition(form: &Value) -> MaintenanceDefinition {
        MaintenanceDefinition::read(form.as_object().unwrap()).unwrap()
    }

    fn hours(due: &DueSpans) -> Vec<(i64, i64)> {
        let hour = |at_ms: i64| (at_ms - NOON_MS) / HOUR_MS;
        due.begun.iter().map(|one| (hour(one.from_ms), hour(one.to_ms))).collect()
    }

    #[test]
    fn times_are_due_once_they_begin() {
        let at_13 = definition(&json!({"start": "13:00", "duration": "2h"}));
        let due = |mark_ms: i64, now_ms: i64| due(&at_13, 0, mark_ms, now_ms);
        assert_eq!(hours(&due(NOON_MS, NOON_MS + HOUR_MS - 1)), []);
        let begun = due(NOON_MS, NOON_MS + HOUR_MS);
        assert_eq!((hours(&begun), begun.rest), (vec![(1, 3)], None));
        assert_eq!(begun.mark_ms, NOON_MS + HOUR_MS);
        let later = due(begun.mark_ms, NOON_MS + 2 * HOUR_MS);
        assert_eq!(hours(&later), []);
        let rest = later.rest.unwrap();
        assert_eq!((rest.from_ms, rest.to_ms), (NOON_MS + 2 * HOUR_MS, NOON_MS + 3 * HOUR_MS));
        // The monitor was off for two days.
        assert_eq!(hours(&due(NOON_MS, NOON_MS + 50 * HOUR_MS)), [(1, 3), (25, 27), (49, 51)]);
    }

    #[test]
    fn a_definition_holds_from_its_change_on() {
        let at_11 = definition(&json!({"start": "11:00", "duration": "4h"}));
        assert_eq!(hours(&due(&at_11, NOON_MS, NOON_MS - 1, NOON_MS)), [(0, 3)]);
        let past = definition(&json!({"from": NOON_MS / 1_000 - 7_200, "to": NOON_MS / 1_000}));
        let from_ms = NOON_MS - 2 * HOUR_MS;
        assert_eq!(hours(&due(&past, from_ms, from_ms - 1, NOON_MS + HOUR_MS)), [(-2, 0)]);
        assert_eq!(hours(&due(&past, NOON_MS, NOON_MS - 1, NOON_MS + HOUR_MS)), []);
        let counted = json!({"start": "11:00", "duration": "4h", "uptime": "count"});
        assert_eq!(hours(&due(&definition(&counted), NOON_MS, NOON_MS - 1, NOON_MS)), []);
    }

    #[test]
    fn a_long_time_is_processed_in_portions() {
        let each_minute = definition(&json!({"cron": "* * * * *", "duration": "1m"}));
        let now_ms = NOON_MS + 24 * HOUR_MS;
        let (mut mark_ms, mut runs, mut total_ms) = (NOON_MS, 0, 0);
        while mark_ms < now_ms {
            let due = due(&each_minute, 0, mark_ms, now_ms);
            assert_eq!(due.begun.len(), 1, "adjacent ones are one");
            total_ms += due.begun[0].to_ms - due.begun[0].from_ms;
            (mark_ms, runs) = (due.mark_ms, runs + 1);
        }
        assert_eq!((runs, total_ms), (3, 24 * HOUR_MS));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whenever it is checked, and whenever the monitor is off, the same times are written.
        #[test]
        fn the_times_do_not_depend_on_when_they_are_checked(
            form in select(vec![
                json!({"start": "13:00", "duration": "2h"}),
                json!({"cron": "*/30 * * * *", "duration": "10m"}),
                json!({"cron": "0 */3 * * *", "duration": "4h"}),
                json!({"from": NOON_MS / 1_000 + 3_600, "to": NOON_MS / 1_000 + 70_000}),
            ]),
            effective_ms in 0..20 * HOUR_MS,
            steps in prop::collection::vec(1..6 * HOUR_MS, 1..12),
        ) {
            let definition = definition(&form);
            let effective_ms = NOON_MS + effective_ms;
            let (mut now_ms, mut mark_ms) = (effective_ms, effective_ms - 1);
            let mut written = Vec::new();
            for step in steps {
                now_ms += step;
                let due = due(&definition, effective_ms, mark_ms, now_ms);
                written.extend(due.begun.iter().map(|one| (one.from_ms, one.to_ms)));
                mark_ms = due.mark_ms;
            }
            let covered = |spans: &[(i64, i64)], at_ms: i64| {
                spans.iter().any(|(from_ms, to_ms)| (*from_ms..*to_ms).contains(&at_ms))
            };
            for nth in 0..(now_ms - NOON_MS) / 600_000 {
                let at_ms = NOON_MS + nth * 600_000;
                let mut active = definition.schedule().occurrences(at_ms, at_ms + 1);
                let is_active = active.next().is_some();
                let expected = is_active && at_ms >= effective_ms;
                prop_assert_eq!(covered(&written, at_ms), expected, "at {}", at_ms);
            }
        }
    }
}
