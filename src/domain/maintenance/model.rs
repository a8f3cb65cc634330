//! Compares schedules with a model that decides for each minute.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::*;
use crate::domain::time::timestamp;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn schedule(value: &Value) -> Schedule {
    written::read(&map(value))
        .unwrap_or_else(|problems| unreachable!("{value}: {problems:?}"))
        .schedule
}

fn ms(text: &str) -> i64 {
    timestamp::parse(text).unwrap()
}

/// Five zones, each with days before both changes of the local time of a year. Lord Howe changes
/// by half an hour, Casablanca is back by an hour in Ramadan, Apia skipped a day in 2011, and
/// Troll changes by two hours.
const CHANGES: [(&str, &str); 12] = [
    ("Europe/Berlin", "2026-03-28"),
    ("Europe/Berlin", "2026-10-24"),
    ("America/New_York", "2026-03-07"),
    ("America/New_York", "2026-10-31"),
    ("Australia/Lord_Howe", "2026-04-04"),
    ("Australia/Lord_Howe", "2026-10-03"),
    ("Africa/Casablanca", "2026-02-14"),
    ("Africa/Casablanca", "2026-03-21"),
    ("Antarctica/Troll", "2026-03-28"),
    ("Antarctica/Troll", "2026-10-24"),
    ("Pacific/Apia", "2011-12-29"),
    ("Pacific/Apia", "2011-09-23"),
];

/// The starts in the days around a change: each minute of local time that the form selects,
/// as jiff disambiguates it.
fn model_starts(form: &Value, zone: &str, from_ms: i64) -> Vec<i64> {
    let zone = TimeZone::get(zone).unwrap();
    let from = zone.to_datetime(Timestamp::from_millisecond(from_ms - 2 * DAY_MS).unwrap());
    let mut local = from.with().second(0).subsec_nanosecond(0).build().unwrap();
    let mut starts = Vec::new();
    for _ in 0..7 * 24 * 60 {
        if is_selected(form, local) {
            let at = zone.to_ambiguous_timestamp(local).compatible().unwrap();
            starts.push(at.as_millisecond());
        }
        local = local.checked_add(SignedDuration::from_mins(1)).unwrap();
    }
    starts.sort_unstable();
    starts.dedup();
    starts
}

fn is_selected(form: &Value, at: DateTime) -> bool {
    if let Some(start) = form["start"].as_str() {
        let names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let day = names[at.weekday().to_monday_zero_offset() as usize];
        let every = form["every"].as_array().unwrap();
        let is_day = every.is_empty() || every.iter().any(|name| name == day);
        return is_day && start == format!("{:02}:{:02}", at.hour(), at.minute());
    }
    let cron = form["cron"].as_str().unwrap();
    let fields: Vec<&str> = cron.split(' ').collect();
    let fits = |field: &str, value: i8| match field.strip_prefix("*/") {
        Some(step) => value % step.parse::<i8>().unwrap() == 0,
        None => field == "*" || field.split(',').any(|one| one == value.to_string()),
    };
    fits(fields[0], at.minute())
        && fits(fields[1], at.hour())
        && fits(fields[4], at.weekday().to_sunday_zero_offset())
}

fn any_form() -> impl Strategy<Value = Value> {
    let minutes = select(vec!["0", "30", "59", "0,45", "*/5", "*", "17"]);
    let hours = select(vec!["0", "1", "2", "3", "*", "*/2", "23", "1,2,3"]);
    let weekdays = select(vec!["*", "0", "6", "0,1"]);
    let cron = (minutes, hours, weekdays)
        .prop_map(|(m, h, d)| json!({"cron": format!("{m} {h} * * {d}")}));
    let days = prop::collection::vec(select(vec!["Saturday", "Sunday", "Monday"]), 0..3);
    let gatus = (0..24, select(vec![0, 15, 30, 59]), days).prop_map(
        |(hour, minute, days)| json!({"start": format!("{hour:02}:{minute:02}"), "every": days}),
    );
    prop_oneof![cron, gatus]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_schedule_is_that_of_the_model_over_each_change(
        form in any_form(),
        (zone, day) in select(CHANGES.to_vec()),
        length_m in prop_oneof![Just(1), 1..180_i64, 1..=24 * 60_i64],
        probed_m in prop::collection::vec(0..4 * 24 * 60_i64, 12),
    ) {
        let from_ms = ms(&format!("{day}T00:00:00Z"));
        let to_ms = from_ms + 4 * DAY_MS;
        let mut written = form.clone();
        written["timezone"] = json!(zone);
        written["duration"] = json!(format!("{length_m}m"));
        let schedule = schedule(&written);
        let starts = model_starts(&form, zone, from_ms);
        let length_ms = length_m * MINUTE_MS;

        let within = |from_ms: i64| {
            starts.iter().copied().filter(move |at| (from_ms..to_ms).contains(at))
        };
        let found: Vec<i64> = schedule.starting(from_ms, to_ms).map(|one| one.from_ms).collect();
        prop_assert_eq!(found, within(from_ms).collect::<Vec<_>>());
        let found: Vec<i64> = schedule.occurrences(from_ms, to_ms).map(|one| one.from_ms).collect();
        prop_assert_eq!(found, within(from_ms - length_ms + 1).collect::<Vec<_>>());

        for minute in probed_m {
            let at_ms = from_ms + minute * MINUTE_MS;
            let is_active = |at_ms: i64| {
                starts.iter().any(|start| (*start..start + length_ms).contains(&at_ms))
            };
            let until_ms = schedule.active_until(at_ms);
            let at = timestamp::to_rfc3339(at_ms);
            prop_assert_eq!(until_ms.is_some(), is_active(at_ms), "{}", at);
            if let Some(until_ms) = until_ms {
                let mut each = (at_ms..until_ms.min(to_ms)).step_by(MINUTE_MS as usize);
                prop_assert!(each.all(is_active));
                // After eight joined occurrences, the end may be too early.
                let is_cut = until_ms - at_ms >= 7 * MINUTE_MS;
                let is_end = !is_active(until_ms) || until_ms >= to_ms || is_cut;
                prop_assert!(is_end, "{}", timestamp::to_rfc3339(until_ms));
            }
            let next_ms = schedule.next_start(at_ms).filter(|next_ms| *next_ms < to_ms);
            prop_assert_eq!(next_ms, within(at_ms).next());
        }
    }

    #[test]
    fn no_form_panics(
        key in select(written::KEYS.to_vec()),
        value in prop_oneof![".{0,12}".prop_map(Value::from), any::<i64>().prop_map(Value::from)],
        at_ms in any::<i64>(),
    ) {
        let zone = "Europe/Berlin";
        let mut form = map(&json!({"start": "01:00", "duration": "1h", "timezone": zone}));
        form.insert(key.to_owned(), value);
        if let Ok(written) = written::read(&form) {
            let _ = written.schedule.active_until(at_ms);
            let _ = written.schedule.next_start(at_ms);
            let _ = written.schedule.occurrences(at_ms, i64::MAX).take(3).count();
            prop_assert_eq!(written::read(&written.keys), Ok(written));
        }
    }
}

/// Starts of the days around a change, in UTC.
fn starts(form: &Value, from: &str, to: &str) -> Vec<String> {
    let all = schedule(form);
    let starting = all.starting(ms(from), ms(to));
    starting.map(|one| timestamp::to_rfc3339(one.from_ms)[5..16].to_owned()).collect()
}

#[test]
fn a_start_in_a_gap_is_moved_and_one_that_exists_twice_is_the_first() {
    let form = json!({"start": "02:30", "duration": "2h", "timezone": "Europe/Berlin"});
    assert_eq!(
        starts(&form, "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z"),
        ["03-28T01:30", "03-29T01:30", "03-30T00:30"]
    );
    assert_eq!(
        starts(&form, "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z"),
        ["10-24T00:30", "10-25T00:30", "10-26T01:30"]
    );
    // True time: from 02:30 CEST two hours, which is 03:30 CET.
    let until = schedule(&form).active_until(ms("2026-10-25T00:30:00Z")).unwrap();
    assert_eq!(until, ms("2026-10-25T02:30:00Z"));
}

#[test]
fn the_end_is_exclusive_and_adjacent_occurrences_are_one() {
    let at =
        |form: &Value, at: &str| schedule(form).active_until(ms(at)).map(timestamp::to_rfc3339);
    let evening = json!({"start": "23:00", "duration": "2h", "every": ["Friday"]});
    assert_eq!(at(&evening, "2026-11-27T22:59:59.999Z"), None);
    assert_eq!(at(&evening, "2026-11-27T23:00:00Z").unwrap(), "2026-11-28T01:00:00.000Z");
    // The Friday's, on Saturday.
    assert_eq!(at(&evening, "2026-11-28T00:59:59.999Z").unwrap(), "2026-11-28T01:00:00.000Z");
    assert_eq!(at(&evening, "2026-11-28T01:00:00Z"), None);
    let weekend = json!({"start": "00:00", "duration": "24h", "every": ["Saturday", "Sunday"]});
    assert_eq!(at(&weekend, "2026-11-28T05:00:00Z").unwrap(), "2026-11-30T00:00:00.000Z");
    let once = json!({"from": "2026-11-28T05:00:00Z", "to": 1_795_900_000});
    assert_eq!(
        at(&once, "2026-11-28T05:00:00Z").unwrap(),
        timestamp::to_rfc3339(1_795_900_000_000)
    );
    let off = json!({"start": "00:00", "duration": "24h", "enabled": false});
    assert_eq!((at(&off, "2026-11-28T05:00:00Z"), schedule(&off).next_start(0)), (None, None));
}

#[test]
fn quiet_hours_are_those_of_any_schedule() {
    let night = schedule(&json!({"start": "22:00", "duration": "8h"}));
    let holiday = schedule(&json!({"from": "2026-12-24T00:00:00Z", "to": "2026-12-27T00:00:00Z"}));
    let all = [night, holiday];
    assert_eq!(is_quiet(&all, ms("2026-12-23T21:00:00Z")), None);
    assert_eq!(is_quiet(&all, ms("2026-12-23T23:00:00Z")), Some(ms("2026-12-24T06:00:00Z")));
    assert_eq!(is_quiet(&all, ms("2026-12-24T05:00:00Z")), Some(ms("2026-12-27T00:00:00Z")));
    assert_eq!(is_quiet(&[], 0), None);
}

#[test]
fn a_form_that_is_wrong_is_refused_with_its_key() {
    for (form, expected) in [
        (json!({}), "start: required"),
        (
            json!({"start": "25:00", "duration": "1h"}),
            "start: invalid value \"25:00\", expected HH:MM",
        ),
        (json!({"start": "5:00", "duration": "1h"}), "start: invalid value"),
        (json!({"start": "05:0ü", "duration": "1h"}), "start: invalid value"),
        (json!({"start": 300, "duration": "1h"}), "start: invalid value 300"),
        (json!({"start": "05:00"}), "duration: required"),
        (
            json!({"start": "05:00", "duration": "0s"}),
            "duration: invalid value \"0s\", expected above 0s",
        ),
        (json!({"start": "05:00", "duration": "25h"}), "expected above 0s, at most 24h"),
        (
            json!({"start": "05:00", "duration": "1h", "every": ["Mon"]}),
            "every: invalid value \"Mon\"",
        ),
        (json!({"start": "05:00", "duration": "1h", "every": "Monday"}), "every: invalid value"),
        (
            json!({"start": "05:00", "duration": "1h", "timezone": "Mars"}),
            "timezone: invalid value",
        ),
        (json!({"start": "05:00", "duration": "1h", "enabled": "yes"}), "enabled: invalid value"),
        (json!({"start": "05:00", "duration": "1h", "to": 7}), "duration: not used with from"),
        (json!({"cron": "0 0 31 2 *", "duration": "1h"}), "cron: invalid value"),
        (json!({"cron": "0 0 * * *", "duration": "1h", "every": []}), "every: not used with cron"),
        (json!({"cron": "0 0 * * *", "duration": "745h"}), "at most 744h"),
        (json!({"from": 7, "to": 7}), "to: invalid value 7, expected a time after from"),
        (json!({"from": "tomorrow", "to": 7}), "from: invalid value \"tomorrow\""),
        (json!({"to": 7}), "from: required"),
    ] {
        let problems = written::read(&map(&form)).unwrap_err();
        let all: Vec<String> = problems
            .iter()
            .map(|KeyProblem { key, problem }| format!("{key}: {problem}"))
            .collect();
        assert!(all.iter().any(|one| one.contains(expected)), "{form}: {all:?}");
    }
}

#[test]
fn the_maintenance_that_lasts_longest_counts() {
    use std::sync::Arc;

    use crate::domain::alert::silence::Matcher;
    use crate::domain::service::definition::Origin;
    use crate::domain::service::service_id::ServiceId;

    let one = |id, form: Value, scope| Maintenance {
        id,
        origin: Origin::Api,
        definition: MaintenanceDefinition {
            scope,
            note: Some(Arc::from(format!("note {id}"))),
            ..MaintenanceDefinition::new(written::read(&map(&form)).unwrap())
        },
    };
    let core = Matcher { group: vec!["core".to_owned()], ..Matcher::default() };
    let seven = ServiceId::new(7).unwrap();
    let windows: Windows = [
        one(1, json!({"from": 100, "to": 200}), Scope::Matching(core)),
        one(2, json!({"from": 150, "to": 300}), Scope::Services([seven].into())),
        one(3, json!({"from": 150, "to": 300}), Scope::Services([seven].into())),
        one(4, json!({"from": 1_000, "to": 2_000}), Scope::Matching(Matcher::default())),
    ]
    .into_iter()
    .collect();
    let active = |id: i64, group, at_s: i64| {
        let active = windows.active(ServiceId::new(id).unwrap(), "api", group, at_s * 1_000)?;
        assert_eq!(
            active.note.as_deref(),
            Some(format!("note {}", active.maintenance_id).as_str())
        );
        Some((active.maintenance_id, active.until_ms / 1_000))
    };
    assert_eq!(active(8, Some("core"), 160), Some((1, 200)));
    assert_eq!(active(8, None, 160), None);
    assert_eq!(active(7, Some("core"), 120), Some((1, 200)));
    assert_eq!(active(7, Some("core"), 160), Some((2, 300)));
    assert_eq!(active(9, None, 1_999), Some((4, 2_000)));
    assert_eq!(active(7, Some("core"), 300), None);
}
