//! Maintenance: definitions, the times that were planned, and uptime.

use serde_json::{Value, json};

use super::fixture::{Fixture, Kind, START_MS, for_each_store, outcome, plain};
use crate::domain::access::GroupLimit;
use crate::domain::alert::burn_rate::Burning;
use crate::domain::audit::AuditSource;
use crate::domain::maintenance::{MaintenanceDefinition, Scope};
use crate::domain::{
    CountAs, Counting, Origin, PageRequest, ServiceId, Slo, State, Totals, Uptime, Window, sample,
};
use crate::storage::alerting::burn_rates::{Objective, ReadBurnRates};
use crate::storage::error::StorageError;
use crate::storage::history::uptime::{GetTotals, GetUptime, ListUptime};
use crate::storage::maintenance::{
    FileMaintenance, ListDueSpans, MaintenanceApplied, MaintenanceChange, MaintenanceRecord,
    PlannedService,
};
use crate::storage::port::Query;
use crate::storage::records::{Change, FilePlan};

for_each_store!(
    maintenance_is_created_changed_and_deleted,
    what_does_not_fit_is_refused,
    time_down_under_maintenance_is_planned,
    time_down_under_maintenance_burns_no_budget,
    a_changed_definition_changes_no_history,
    times_of_a_stop_are_written_afterwards,
    a_service_that_joins_is_planned_from_then_on,
    a_portion_is_bounded_and_the_next_one_goes_on,
    a_window_that_counts_is_not_written,
    maintenance_of_the_file_keeps_its_id_while_its_schedule_stays,
    retention_deletes_old_times,
);

const HOUR_MS: i64 = 3_600_000;

fn definition(form: &Value) -> MaintenanceDefinition {
    MaintenanceDefinition::read(form.as_object().unwrap()).unwrap()
}

fn create(f: &mut Fixture, form: &Value, now_ms: i64) -> MaintenanceRecord {
    let retroactive = form["retroactive"] == true;
    let mut form = form.clone();
    form.as_object_mut().unwrap().remove("retroactive");
    let change = MaintenanceChange::Create { definition: definition(&form), retroactive };
    let applied = f.writer.change_maintenance(change, &AuditSource::COMMAND, now_ms).unwrap();
    assert_eq!(applied.windows.unwrap().iter().count(), f.reader.maintenances().unwrap().len());
    applied.record.unwrap()
}

fn update(
    f: &mut Fixture,
    id: i64,
    patch: &Value,
    now_ms: i64,
) -> Result<MaintenanceApplied, StorageError> {
    let patch = patch.as_object().unwrap().clone();
    let change = MaintenanceChange::Update { id, patch, retroactive: false };
    f.writer.change_maintenance(change, &AuditSource::COMMAND, now_ms)
}

/// As the span writer: until nothing is due. Returns the number of portions.
fn write_due(f: &mut Fixture, now_ms: i64, checked_ms: Option<i64>) -> usize {
    for portions in 0.. {
        let portion = ListDueSpans { now_ms, checked_ms }.run(&mut *f.reader).unwrap();
        let rows: usize = portion.parts.iter().map(|part| part.spans.len()).sum();
        assert!(rows <= ListDueSpans::ROWS);
        if portion.is_empty() {
            return portions;
        }
        f.writer
            .change_maintenance(
                MaintenanceChange::WriteSpans(portion),
                &AuditSource::COMMAND,
                now_ms,
            )
            .unwrap();
    }
    unreachable!()
}

fn totals(f: &mut Fixture, nth: usize, from_ms: i64, to_ms: i64) -> Totals {
    let (service_id, window) = (f.ids[nth], Window { from_ms, to_ms });
    let counting = Counting::default();
    let uptime: Uptime = GetUptime { service_id, window, counting }.run(&mut *f.reader).unwrap();
    let totals = GetTotals { service_id, windows: vec![window] }.run(&mut *f.reader).unwrap();
    assert_eq!(totals, [uptime.totals]);
    assert_eq!(uptime.totals.total(), (to_ms - from_ms).cast_unsigned());
    uptime.totals
}

/// Hours of planned time of a service that has never been up, in the hours after the start.
fn planned_hours(f: &mut Fixture, nth: usize, hours: i64) -> f64 {
    let totals = totals(f, nth, START_MS, START_MS + hours * HOUR_MS);
    totals.planned_ms as f64 / HOUR_MS as f64
}

fn maintenance_is_created_changed_and_deleted(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let form = json!({"cron": "0 3 * * sun", "duration": "2h", "timezone": "Europe/Berlin",
        "match": {"group": ["core"]}, "note": "a note"});
    let made = create(&mut f, &form, START_MS);
    assert_eq!(made.maintenance.origin, Origin::Api);
    assert_eq!(Value::Object(made.maintenance.definition.write()), form);
    assert_eq!((made.created_at, made.effective_ms), (START_MS / 1_000, START_MS));
    let id = made.maintenance.id;
    assert_eq!(f.reader.maintenance(id).unwrap(), made);
    let patch = json!({"duration": "3h", "note": null});
    let changed = update(&mut f, id, &patch, START_MS + 5_000).unwrap().record.unwrap();
    let expected = json!({"cron": "0 3 * * sun", "duration": "3h", "timezone": "Europe/Berlin",
        "match": {"group": ["core"]}});
    assert_eq!(Value::Object(changed.maintenance.definition.write()), expected);
    assert_eq!(changed.effective_ms, START_MS + 5_000);
    assert_eq!(changed.updated_at, START_MS / 1_000 + 5);
    let second = create(&mut f, &json!({"start": "01:00", "duration": "1h"}), START_MS);
    let ids: Vec<i64> =
        f.reader.maintenances().unwrap().iter().map(|one| one.maintenance.id).collect();
    assert_eq!(ids, [id, second.maintenance.id]);
    let deleted = f
        .writer
        .change_maintenance(MaintenanceChange::Delete(id), &AuditSource::COMMAND, START_MS)
        .unwrap();
    assert_eq!((deleted.record, deleted.windows.unwrap().iter().count()), (None, 1));
    assert_eq!(f.reader.maintenance(id).unwrap_err(), StorageError::NotFound);
    assert_eq!(update(&mut f, id, &json!({}), START_MS).unwrap_err(), StorageError::NotFound);
}

fn what_does_not_fit_is_refused(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    f.writer.define(Change::Delete(f.ids[1]), &AuditSource::COMMAND, START_MS).unwrap();
    let seconds = START_MS / 1_000;
    let mut refuse = |form: Value| {
        let change =
            MaintenanceChange::Create { definition: definition(&form), retroactive: false };
        match f.writer.change_maintenance(change, &AuditSource::COMMAND, START_MS).unwrap_err() {
            StorageError::Invalid(problems) => problems.join("; "),
            error => panic!("{error:?}"),
        }
    };
    let past = refuse(json!({"from": seconds - 10, "to": seconds + 10}));
    assert!(
        past.starts_with("from: invalid value 2026-11-23T11:59:50.000Z (in the past)"),
        "{past}"
    );
    assert!(past.ends_with("or retroactive: true"), "{past}");
    let id = f.ids[1].get();
    let form = json!({"from": seconds, "to": seconds + 10, "service_ids": [f.ids[0].get(), id]});
    let problem = format!("service_ids: there is no service {id}");
    let change = MaintenanceChange::Create { definition: definition(&form), retroactive: false };
    let error = f.writer.change_maintenance(change, &AuditSource::COMMAND, START_MS).unwrap_err();
    assert_eq!(error, StorageError::Invalid(vec![problem]));
    let id = create(&mut f, &json!({"start": "01:00", "duration": "1h"}), START_MS).maintenance.id;
    let error = update(&mut f, id, &json!({"duration": "0s"}), START_MS).unwrap_err();
    let StorageError::Invalid(problems) = error else { panic!("{error:?}") };
    assert!(problems[0].starts_with("duration: invalid value \"0s\""), "{problems:?}");
    // A `from` that is stored may be in the past.
    let once = json!({"from": seconds + 10, "to": seconds + 20});
    let id = create(&mut f, &once, START_MS).maintenance.id;
    update(&mut f, id, &json!({"to": seconds + 30}), START_MS + 15_000).unwrap();
}

fn time_down_under_maintenance_is_planned(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let id = f.ids[0];
    // Up from 12:00, down from 13:30, up from 15:30, down from 17:00.
    for (state, minutes) in
        [(State::Up, 0), (State::Down, 90), (State::Up, 210), (State::Down, 300)]
    {
        let at_ms = START_MS + minutes * 60_000;
        f.commit(&[outcome(id, &plain(state, at_ms))], at_ms);
    }
    let all = create(&mut f, &json!({"start": "13:00", "duration": "2h"}), START_MS);
    let own = json!({"start": "17:30", "duration": "1h", "service_ids": [id.get()]});
    create(&mut f, &own, START_MS);
    let now_ms = START_MS + 7 * HOUR_MS;
    assert!(write_due(&mut f, now_ms, None) > 0);
    assert_eq!(write_due(&mut f, now_ms, None), 0, "everything is written");
    let minutes = |totals: Totals| {
        [totals.up_ms, totals.down_ms, totals.unknown_ms, totals.planned_ms].map(|ms| ms / 60_000)
    };
    // 13:30 to 15:00 and 17:30 to 18:30 are planned.
    assert_eq!(minutes(totals(&mut f, 0, START_MS, now_ms)), [180, 90, 0, 150]);
    // The other service was never probed.
    assert_eq!(minutes(totals(&mut f, 1, START_MS, now_ms)), [0, 0, 300, 120]);
    let window = Window { from_ms: START_MS, to_ms: now_ms };
    let mut uptime = |planned| {
        let counting = Counting { planned, ..Counting::default() };
        let query = GetUptime { service_id: id, window, counting };
        let uptime = query.run(&mut *f.reader).unwrap();
        let page = PageRequest { page: 1, limit: 10 };
        let list = ListUptime { window, counting, groups: GroupLimit::NONE, page }
            .run(&mut *f.reader)
            .unwrap();
        assert_eq!(list.items[0].uptime, uptime);
        (uptime.percent().unwrap().round(), uptime.outages.count, uptime.outages.total_ms / 60_000)
    };
    assert_eq!(uptime(CountAs::Exclude), (67.0, 2, 90));
    assert_eq!(uptime(CountAs::Down), (43.0, 2, 240));
    assert_eq!(uptime(CountAs::Up), (79.0, 3, 90));
    // Deleting the definition leaves the past.
    let change = MaintenanceChange::Delete(all.maintenance.id);
    f.writer.change_maintenance(change, &AuditSource::COMMAND, now_ms).unwrap();
    assert_eq!(minutes(totals(&mut f, 1, START_MS, now_ms)), [0, 0, 300, 120]);
    f.assert_consistent();
}

fn time_down_under_maintenance_burns_no_budget(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let ids = f.ids.clone();
    for (state, minutes) in [(State::Up, 0), (State::Down, 60)] {
        let at_ms = START_MS + minutes * 60_000;
        let both = ids.iter().map(|id| outcome(*id, &plain(state, at_ms)));
        f.commit(&both.collect::<Vec<_>>(), at_ms);
    }
    let own = json!({"start": "13:00", "duration": "1h", "service_ids": [ids[0].get()]});
    create(&mut f, &own, START_MS);
    let slo = Slo::new(99.9, Slo::WINDOW).unwrap();
    let objective = |id: &ServiceId| Objective {
        service_id: *id,
        slo,
        definition: sample::definition("a name"),
    };
    let objectives: Vec<Objective> = ids.iter().map(objective).collect();
    let mut fast = |minutes: i64| {
        let now_ms = START_MS + minutes * 60_000;
        write_due(&mut f, now_ms, None);
        let query = ReadBurnRates { objectives: objectives.clone(), now_ms };
        let judged = query.run(&mut *f.reader).unwrap();
        judged.into_iter().map(|(_, [fast, ..])| fast).collect::<Vec<_>>()
    };
    assert_eq!(fast(90), [Burning::Ends, Burning::Begins], "the first is under maintenance");
    assert_eq!(fast(140), [Burning::Begins, Burning::Begins], "its maintenance has ended");
}

fn a_changed_definition_changes_no_history(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let at_13 = create(&mut f, &json!({"start": "13:00", "duration": "4h"}), START_MS);
    let id = at_13.maintenance.id;
    write_due(&mut f, START_MS + HOUR_MS, None);
    // Under way since 13:00; from 15:00 on it ends at 16:00.
    update(&mut f, id, &json!({"duration": "3h"}), START_MS + 3 * HOUR_MS).unwrap();
    write_due(&mut f, START_MS + 3 * HOUR_MS, None);
    assert_eq!(planned_hours(&mut f, 0, 24), 3.0);
    // From 15:30 on it is another time of the day.
    let change = json!({"start": "20:00", "duration": "1h"});
    update(&mut f, id, &change, START_MS + 3 * HOUR_MS + HOUR_MS / 2).unwrap();
    assert_eq!(planned_hours(&mut f, 0, 7), 2.5);
    write_due(&mut f, START_MS + 8 * HOUR_MS, None);
    assert_eq!(planned_hours(&mut f, 0, 12), 3.5);
    // A part of an old definition is not written any more.
    let list = ListDueSpans { now_ms: START_MS + 32 * HOUR_MS, checked_ms: None };
    let stale = list.run(&mut *f.reader).unwrap();
    assert_eq!(stale.parts.len(), 1);
    // Disabled, which writes what was due before: the evening of the second day, cut.
    let half_past_ms = START_MS + 32 * HOUR_MS + HOUR_MS / 2;
    update(&mut f, id, &json!({"enabled": false}), half_past_ms).unwrap();
    f.writer
        .change_maintenance(
            MaintenanceChange::WriteSpans(stale),
            &AuditSource::COMMAND,
            half_past_ms,
        )
        .unwrap();
    assert_eq!(planned_hours(&mut f, 0, 48), 4.0);
    assert_eq!(write_due(&mut f, START_MS + 60 * HOUR_MS, None), 0);
}

fn times_of_a_stop_are_written_afterwards(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    create(&mut f, &json!({"start": "13:00", "duration": "1h"}), START_MS);
    let seconds = START_MS / 1_000;
    create(&mut f, &json!({"from": seconds + 7_200, "to": seconds + 10_800}), START_MS);
    write_due(&mut f, START_MS, None);
    write_due(&mut f, START_MS + 72 * HOUR_MS, None);
    assert_eq!(planned_hours(&mut f, 0, 72), 4.0);
    // Made afterwards, for a time in the past.
    let past = json!({"from": seconds + 36_000, "to": seconds + 43_200, "retroactive": true});
    let id = create(&mut f, &past, START_MS + 72 * HOUR_MS).maintenance.id;
    write_due(&mut f, START_MS + 72 * HOUR_MS, None);
    assert_eq!(planned_hours(&mut f, 0, 72), 6.0);
    // Corrected: half as long. Without being retroactive, the past stays.
    for (retroactive, hours) in [(false, 6.0), (true, 5.0)] {
        let to = if retroactive { 39_600 } else { 39_000 };
        let patch = json!({"to": seconds + to}).as_object().unwrap().clone();
        let change = MaintenanceChange::Update { id, patch, retroactive };
        f.writer
            .change_maintenance(change, &AuditSource::COMMAND, START_MS + 73 * HOUR_MS)
            .unwrap();
        write_due(&mut f, START_MS + 73 * HOUR_MS, None);
        assert_eq!(planned_hours(&mut f, 0, 72), hours);
    }
}

fn a_service_that_joins_is_planned_from_then_on(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let form = json!({"start": "13:00", "duration": "4h", "match": {"name": ["*-0", "new"]}});
    create(&mut f, &form, START_MS);
    write_due(&mut f, START_MS + HOUR_MS, None);
    let joined_ms = START_MS + 2 * HOUR_MS;
    let new = sample::definition("new");
    let id = f
        .writer
        .define(Change::Create(Box::new(new)), &AuditSource::COMMAND, joined_ms)
        .unwrap()
        .id;
    f.ids.push(id);
    assert_eq!(write_due(&mut f, joined_ms, Some(joined_ms - 1_000)), 1);
    assert_eq!(write_due(&mut f, joined_ms, Some(joined_ms - 1_000)), 0);
    assert_eq!((planned_hours(&mut f, 0, 24), planned_hours(&mut f, 1, 24)), (4.0, 3.0));
}

fn a_portion_is_bounded_and_the_next_one_goes_on(kind: Kind) {
    let services = ListDueSpans::ROWS + 20;
    let mut f = Fixture::new(kind.open(), services);
    let form = json!({"start": "13:00", "duration": "1h", "match": {"name": ["service-*"]}});
    create(&mut f, &form, START_MS);
    let now_ms = START_MS + HOUR_MS;
    let portion = ListDueSpans { now_ms, checked_ms: None }.run(&mut *f.reader).unwrap();
    assert!(portion.is_more && portion.parts[0].mark_ms.is_none());
    assert_eq!(write_due(&mut f, now_ms, None), 2);
    assert_eq!(planned_hours(&mut f, 0, 24), 1.0);
    assert_eq!(planned_hours(&mut f, services - 1, 24), 1.0);
}

fn a_window_that_counts_is_not_written(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    create(&mut f, &json!({"start": "13:00", "duration": "1h", "uptime": "count"}), START_MS);
    assert_eq!(write_due(&mut f, START_MS + 5 * HOUR_MS, None), 0);
    assert_eq!(planned_hours(&mut f, 0, 24), 0.0);
}

fn maintenance_of_the_file_keeps_its_id_while_its_schedule_stays(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let at_13 = definition(&json!({"start": "13:00", "duration": "2h"}));
    let at_20 = definition(&json!({"start": "20:00", "duration": "1h"}));
    let apply = |f: &mut Fixture, maintenance: Vec<FileMaintenance>, now_ms: i64| {
        let add = match f.ids.len() {
            1 => vec![sample::definition("added")],
            _ => Vec::new(),
        };
        let plan = FilePlan { add, maintenance, ..FilePlan::default() };
        let applied =
            f.writer.define_all(&mut |_| Ok(plan.clone()), &AuditSource::COMMAND, now_ms).unwrap();
        f.ids.extend(applied.added);
        let all = f.reader.maintenances().unwrap();
        assert!(all.iter().all(|one| one.maintenance.origin == Origin::File));
        let scopes = all.into_iter().map(|one| {
            let scope = match one.maintenance.definition.scope {
                Scope::Services(ids) => ids.into_iter().map(ServiceId::get).collect(),
                Scope::Matching(_) => Vec::new(),
            };
            (one.maintenance.id, scope)
        });
        (scopes.collect::<Vec<_>>(), applied.windows.is_some())
    };
    let of = |definition: &MaintenanceDefinition, services: Option<Vec<PlannedService>>| {
        FileMaintenance { definition: definition.clone(), services }
    };
    let first = f.ids[0];
    let both = vec![PlannedService::Stored(first), PlannedService::Added(0)];
    let wanted = vec![of(&at_13, Some(both)), of(&at_20, None)];
    let (stored, is_changed) = apply(&mut f, wanted, START_MS);
    let added = f.ids[1];
    assert!(is_changed);
    assert_eq!(stored, [(1, vec![first.get(), added.get()]), (2, vec![])]);
    write_due(&mut f, START_MS + HOUR_MS, None);
    // The same again, in another order.
    let both = vec![PlannedService::Stored(first), PlannedService::Stored(added)];
    let wanted = vec![of(&at_20, None), of(&at_13, Some(both))];
    assert_eq!(apply(&mut f, wanted, START_MS + HOUR_MS), (stored, false));
    // One service leaves the window, and the window of all services goes.
    let wanted = vec![of(&at_13, Some(vec![PlannedService::Stored(added)]))];
    let half_ms = START_MS + HOUR_MS + HOUR_MS / 2;
    assert_eq!(apply(&mut f, wanted, half_ms), (vec![(1, vec![added.get()])], true));
    write_due(&mut f, half_ms, None);
    assert_eq!((planned_hours(&mut f, 0, 24), planned_hours(&mut f, 1, 24)), (0.5, 2.0));
    let change = MaintenanceChange::Delete(1);
    let error = f.writer.change_maintenance(change, &AuditSource::COMMAND, half_ms).unwrap_err();
    assert!(matches!(error, StorageError::Conflict(_)), "{error:?}");
    assert_eq!(apply(&mut f, Vec::new(), half_ms), (vec![], true));
}

fn retention_deletes_old_times(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    create(&mut f, &json!({"start": "13:00", "duration": "1h"}), START_MS);
    write_due(&mut f, START_MS + 10 * 24 * HOUR_MS, None);
    assert_eq!(planned_hours(&mut f, 0, 240), 10.0);
    let cutoff_ms = START_MS + 5 * 24 * HOUR_MS;
    let deleted: Vec<bool> = (0..3).map(|_| f.writer.expire_spans(cutoff_ms, 2).unwrap()).collect();
    assert_eq!(deleted, [true, true, false]);
    assert_eq!(planned_hours(&mut f, 0, 240), 5.0);
}
