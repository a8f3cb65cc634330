//! The audit: each change is a row in its transaction.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::alerting::samples::{channel, policy};
use super::fixture::{Fixture, Kind, START_MS, for_each_store};
use crate::domain::alert::{Matcher, Settlement};
use crate::domain::audit::{
    Action, Actor, AuditEntry, AuditRecord, AuditSource, Differences, Object, ObjectKind,
};
use crate::domain::maintenance::MaintenanceDefinition;
use crate::domain::{Definition, Options, Retention, ServiceId, Target, Template, Window, sample};
use crate::spec::Patch;
use crate::storage::alerting::{AlertingApplied, AlertingChange, NewSilence};
use crate::storage::audit::ListAudit;
use crate::storage::error::StorageError;
use crate::storage::maintenance::{FileMaintenance, MaintenanceChange};
use crate::storage::port::Query;
use crate::storage::records::{Change, FilePlan};

for_each_store!(
    a_service_has_a_row_for_each_change_and_none_for_what_changes_nothing,
    a_refused_change_has_no_row,
    secrets_are_never_in_a_row,
    a_services_file_has_one_row_a_service,
    definitions_of_alerting_have_rows,
    maintenance_has_rows,
    the_changes_of_a_settlement_are_written_once,
    the_list_is_filtered_and_paged,
    retention_deletes_old_rows,
);

pub const ALL: ListAudit = ListAudit {
    window: Window::ALL,
    actor: None,
    action: None,
    service_id: None,
    before_id: None,
    limit: 1_000,
};

pub fn deploy() -> AuditSource {
    AuditSource {
        actor: Actor::Token { id: 7, name: "deploy".to_owned() },
        address: Some(IpAddr::from([192, 0, 2, 7])),
    }
}

/// Oldest first.
pub fn rows(f: &mut Fixture, list: ListAudit) -> Vec<AuditRecord> {
    let mut rows = list.run(&mut *f.reader).unwrap();
    rows.reverse();
    rows
}

pub fn actions(rows: &[AuditRecord]) -> Vec<(&str, Option<&str>)> {
    rows.iter().map(|row| (row.action.as_str(), row.object_name.as_deref())).collect()
}

pub fn fields(map: Option<&serde_json::Map<String, Value>>) -> Value {
    map.cloned().map_or(Value::Null, Value::Object)
}

fn patch(value: &Value) -> Patch {
    Patch::new(value.as_object().cloned().unwrap()).unwrap()
}

fn create(f: &mut Fixture, definition: Definition) -> ServiceId {
    f.writer.define(Change::Create(Box::new(definition)), &deploy(), START_MS).unwrap().id
}

fn a_service_has_a_row_for_each_change_and_none_for_what_changes_nothing(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let id = create(&mut f, sample::definition("a"));
    let paused = patch(&json!({"enabled": false, "group": "core"}));
    f.writer.define(Change::Update(id, paused.clone()), &deploy(), START_MS + 1).unwrap();
    f.writer.define(Change::Update(id, paused), &deploy(), START_MS + 2).unwrap();
    f.writer.define(Change::Delete(id), &AuditSource::COMMAND, START_MS + 3).unwrap();
    let rows = rows(&mut f, ALL);
    assert_eq!(
        actions(&rows),
        [
            ("service.create", Some("a")),
            ("service.update", Some("core/a")),
            ("service.delete", Some("core/a")),
        ]
    );
    let created = &rows[0];
    assert_eq!((created.at_ms, created.actor.as_str()), (START_MS, "token deploy"));
    assert_eq!((created.token_id, created.address.as_deref()), (Some(7), Some("192.0.2.7")));
    assert_eq!((created.object.as_str(), created.object_id), ("service", Some(id.get())));
    assert_eq!(created.before, None);
    assert_eq!(created.after.as_ref().unwrap()["name"], "a");
    assert_eq!(fields(rows[1].before.as_ref()), json!({"enabled": true}));
    assert_eq!(fields(rows[1].after.as_ref()), json!({"enabled": false, "group": "core"}));
    assert_eq!((rows[2].actor.as_str(), rows[2].token_id), ("command", None));
    assert_eq!((rows[2].address.as_deref(), &rows[2].after), (None, &None));
    assert_eq!(rows[2].before.as_ref().unwrap()["group"], "core");
}

fn a_refused_change_has_no_row(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let before = rows(&mut f, ALL);
    let taken = Change::Create(Box::new(sample::definition("service-0")));
    let error = f.writer.define(taken, &deploy(), START_MS).unwrap_err();
    assert!(matches!(error, StorageError::Conflict(_)), "{error:?}");
    let taken = Change::Update(f.ids[0], patch(&json!({"name": "service-1"})));
    f.writer.define(taken, &deploy(), START_MS).unwrap_err();
    let gone = ServiceId::new(4_711).unwrap();
    f.writer.define(Change::Delete(gone), &deploy(), START_MS).unwrap_err();
    let unknown = AlertingChange::DeletePolicy(4_711);
    f.writer.change_alerting(unknown, &deploy(), START_MS).unwrap_err();
    assert_eq!(rows(&mut f, ALL), before);
}

fn secrets_are_never_in_a_row(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let with = |url: &str, token: &str| {
        let bearer_token = Some(Template::literal(token));
        let options = Arc::new(Options { bearer_token, ..Options::default() });
        let target = Target::parse(url).unwrap();
        Definition { options, target, ..sample::definition("a") }
    };
    let id = create(&mut f, with("http://u:s3cret-0@a.example/?token=s3cret-1", "s3cret-2"));
    let change = json!({"bearer_token": "s3cret-3", "headers": {"X-Api-Key": "s3cret-4"},
        "body": "s3cret-5", "url": "http://u:s3cret-6@a.example/b?token=s3cret-1"});
    f.writer.define(Change::Update(id, patch(&change)), &deploy(), START_MS).unwrap();
    let mut channel = channel("ops");
    channel.options.keys.insert("token".to_owned(), "s3cret-7".into());
    let create = AlertingChange::CreateChannel(channel.clone());
    let applied = f.writer.change_alerting(create, &deploy(), START_MS).unwrap();
    let AlertingApplied::Channel(created) = applied else { panic!("{applied:?}") };
    channel.options.keys.insert("token".to_owned(), "s3cret-8".into());
    let update = AlertingChange::UpdateChannel(created.id, channel);
    f.writer.change_alerting(update, &deploy(), START_MS).unwrap();
    f.writer.define(Change::Delete(id), &deploy(), START_MS).unwrap();
    let rows = rows(&mut f, ALL);
    let text = format!("{rows:?}");
    assert!(!text.contains("s3cret"), "{text}");
    let after = fields(rows[1].after.as_ref());
    assert_eq!(
        (&after["bearer_token"], &after["headers"]["X-Api-Key"]),
        (&json!("changed"), &json!("***"))
    );
    assert_eq!(after["url"], "http://u:***@a.example/b?token=***");
    assert_eq!(fields(rows[3].after.as_ref()), json!({"keys": {"token": "changed"}}));
}

fn a_services_file_has_one_row_a_service(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let schedule = json!({"start": "23:00", "duration": "1h"});
    let maintenance = MaintenanceDefinition::read(schedule.as_object().unwrap()).unwrap();
    let plan = FilePlan {
        add: vec![sample::definition("a"), sample::definition("b")],
        channels: vec![channel("ops")],
        policies: vec![policy("all", &["ops"])],
        maintenance: vec![FileMaintenance { definition: maintenance, services: None }],
        ..FilePlan::default()
    };
    let source = &AuditSource::FILE;
    let added = f.writer.define_all(&mut |_| Ok(plan.clone()), source, START_MS).unwrap().added;
    let again = FilePlan { add: Vec::new(), ..plan };
    f.writer.define_all(&mut |_| Ok(again.clone()), source, START_MS + 1).unwrap();
    let changed = Definition { enabled: false, ..sample::definition("a") };
    let other = FilePlan {
        change: vec![(added[0], changed)],
        remove: vec![added[1]],
        ..FilePlan::default()
    };
    f.writer.define_all(&mut |_| Ok(other.clone()), source, START_MS + 2).unwrap();
    let rows = rows(&mut f, ALL);
    assert!(
        rows.iter().all(|row| (row.action.as_str(), row.actor.as_str()) == ("file.apply", "file"))
    );
    let of = |at_ms: i64| {
        let rows = rows.iter().filter(|row| row.at_ms == at_ms);
        let mut rows: Vec<(&str, bool, bool)> = rows
            .map(|row| (row.object.as_str(), row.before.is_some(), row.after.is_some()))
            .collect();
        rows.sort_unstable();
        rows
    };
    let all = ["channel", "maintenance", "policy", "service", "service"];
    assert_eq!(of(START_MS), all.map(|object| (object, false, true)));
    assert_eq!(of(START_MS + 1), []);
    assert_eq!(
        of(START_MS + 2),
        [
            ("channel", true, false),
            ("maintenance", true, false),
            ("policy", true, false),
            ("service", true, false),
            ("service", true, true),
        ]
    );
    let paused = rows.iter().find(|row| row.before.is_some() && row.after.is_some()).unwrap();
    assert_eq!(fields(paused.after.as_ref()), json!({"enabled": false}));
}

fn definitions_of_alerting_have_rows(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let mut now_ms = START_MS;
    let mut change = |f: &mut Fixture, change: AlertingChange| {
        now_ms += 1;
        f.writer.change_alerting(change, &deploy(), now_ms).unwrap()
    };
    let AlertingApplied::Channel(ops) =
        change(&mut f, AlertingChange::CreateChannel(channel("ops")))
    else {
        panic!("no channel")
    };
    let AlertingApplied::Policy(all) =
        change(&mut f, AlertingChange::CreatePolicy(policy("all", &["ops"])))
    else {
        panic!("no policy")
    };
    change(&mut f, AlertingChange::UpdatePolicy(all.id, policy("everything", &["ops"])));
    change(&mut f, AlertingChange::UpdatePolicy(all.id, policy("everything", &["ops"])));
    let silence = |note: &str| NewSilence {
        matcher: Matcher::default(),
        from_ms: START_MS,
        to_ms: START_MS + 1_000,
        by: None,
        note: Some(note.to_owned()),
    };
    let AlertingApplied::Silence(quiet) =
        change(&mut f, AlertingChange::CreateSilence(silence("x")))
    else {
        panic!("no silence")
    };
    change(&mut f, AlertingChange::UpdateSilence(quiet.id, silence("y")));
    change(&mut f, AlertingChange::DeleteSilence(quiet.id));
    change(&mut f, AlertingChange::DeletePolicy(all.id));
    change(&mut f, AlertingChange::DeleteChannel(ops.id));
    let rows = rows(&mut f, ALL);
    assert_eq!(
        actions(&rows),
        [
            ("channel.create", Some("ops")),
            ("policy.create", Some("all")),
            ("policy.update", Some("everything")),
            ("silence.create", Some("x")),
            ("silence.update", Some("y")),
            ("silence.delete", Some("y")),
            ("policy.delete", Some("everything")),
            ("channel.delete", Some("ops")),
        ]
    );
    let update = (fields(rows[2].before.as_ref()), fields(rows[2].after.as_ref()));
    assert_eq!(update, (json!({"name": "all"}), json!({"name": "everything"})));
}

fn maintenance_has_rows(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let schedule = json!({"start": "23:00", "duration": "1h", "note": "disks"});
    let definition = MaintenanceDefinition::read(schedule.as_object().unwrap()).unwrap();
    let create = MaintenanceChange::Create { definition, retroactive: false };
    let created = f.writer.change_maintenance(create, &deploy(), START_MS).unwrap().record.unwrap();
    let id = created.maintenance.id;
    let update = |duration: &str| MaintenanceChange::Update {
        id,
        patch: json!({"duration": duration}).as_object().cloned().unwrap(),
        retroactive: false,
    };
    f.writer.change_maintenance(update("2h"), &deploy(), START_MS).unwrap();
    f.writer.change_maintenance(update("2h"), &deploy(), START_MS).unwrap();
    f.writer.change_maintenance(MaintenanceChange::Delete(id), &deploy(), START_MS).unwrap();
    let rows = rows(&mut f, ALL);
    let expected = ["maintenance.create", "maintenance.update", "maintenance.delete"];
    assert_eq!(actions(&rows), expected.map(|action| (action, Some("disks"))));
    let update = (fields(rows[1].before.as_ref()), fields(rows[1].after.as_ref()));
    assert_eq!(update, (json!({"duration": "1h"}), json!({"duration": "2h"})));
}

pub fn entry(at_ms: i64, object_id: i64) -> AuditEntry {
    AuditEntry {
        at_ms,
        source: deploy(),
        action: Action::AlertAcknowledge,
        object: Object::new(ObjectKind::Alert, object_id, "a"),
        differences: Differences::default(),
    }
}

fn the_changes_of_a_settlement_are_written_once(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let settlement = Settlement { audit: vec![entry(1, 3), entry(1, 4)], ..Settlement::default() };
    f.writer.settle_alerts(&settlement).unwrap();
    // After a lost acknowledgement the same settlement is written again.
    f.writer.settle_alerts(&settlement).unwrap();
    let later = Settlement { audit: vec![entry(2, 3)], ..Settlement::default() };
    f.writer.settle_alerts(&later).unwrap();
    let rows = rows(&mut f, ALL);
    let found: Vec<_> = rows.iter().map(|row| (row.at_ms, row.object_id)).collect();
    assert_eq!(found, [(1, Some(3)), (1, Some(4)), (2, Some(3))]);
}

fn the_list_is_filtered_and_paged(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 3);
    let id = f.ids[1];
    f.writer.record_audit(&[entry(START_MS - 5, id.get()), entry(START_MS + 5, 9)]).unwrap();
    f.writer.define(Change::Delete(id), &deploy(), START_MS + 9).unwrap();
    let mut names = |list: ListAudit| -> Vec<(i64, Option<i64>)> {
        rows(&mut f, list).iter().map(|row| (row.at_ms, row.object_id)).collect()
    };
    let one = Some(id.get());
    let of_service = ListAudit { service_id: Some(id), ..ALL };
    assert_eq!(names(of_service), [(START_MS, one), (START_MS + 9, one)]);
    let by_deploy = ListAudit { actor: Some("token deploy".to_owned()), ..ALL };
    let expected = [(START_MS - 5, one), (START_MS + 5, Some(9)), (START_MS + 9, one)];
    assert_eq!(names(by_deploy), expected);
    let deleted = ListAudit { action: Some(Action::ServiceDelete.as_str()), ..ALL };
    assert_eq!(names(deleted), [(START_MS + 9, one)]);
    let window = Window { from_ms: START_MS + 5, to_ms: START_MS + 9 };
    assert_eq!(names(ListAudit { window, ..ALL }), [(START_MS + 5, Some(9))]);
    assert_eq!(names(ListAudit { actor: Some("a\0".to_owned()), ..ALL }), []);
    let newest = ListAudit { limit: 2, ..ALL }.run(&mut *f.reader).unwrap();
    let before_id = newest.last().map(|row| row.id);
    let older = ListAudit { before_id, ..ALL }.run(&mut *f.reader).unwrap();
    let ids: Vec<i64> = newest.iter().chain(&older).map(|row| row.id).collect();
    let all: Vec<i64> = ALL.run(&mut *f.reader).unwrap().iter().map(|row| row.id).collect();
    assert_eq!((ids.len(), &ids), (6, &all));
    assert!(all.is_sorted_by(|newer, older| newer > older), "{all:?}");
}

fn retention_deletes_old_rows(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let day_ms = 86_400_000;
    let old: Vec<AuditEntry> = (0..1_200).map(|nth| entry(START_MS - day_ms, nth)).collect();
    f.writer.record_audit(&old).unwrap();
    assert_eq!(rows(&mut f, ListAudit { limit: 2_000, ..ALL }).len(), 1_201);
    let day = std::time::Duration::from_secs(86_400);
    let retention = Retention { ticks: day, rollups: day, deliveries: day };
    f.retain(retention, START_MS + 1);
    assert_eq!(actions(&rows(&mut f, ALL)), [("service.create", Some("service-0"))]);
}
