//! Channels and parents that a service of the API names.

use std::sync::Arc;

use super::fixture::{Fixture, Kind, for_each_store};
use crate::domain::alert::{AlertRule, ChannelOptions};
use crate::domain::audit::AuditSource;
use crate::domain::{Definition, Group, Name, Options, ServiceId, sample};
use crate::spec::Patch;
use crate::storage::alerting::{AlertingChange, NewChannel};
use crate::storage::error::StorageError;
use crate::storage::records::Change;

for_each_store!(an_alert_names_a_channel_that_exists, parents_do_not_lead_back_to_the_service,);

fn service(name: &str, options: Options) -> Change {
    let (group, name) = name.split_once('/').unwrap_or(("", name));
    Change::Create(Box::new(Definition {
        name: Name::parse(name).unwrap(),
        group: Group::parse(group).unwrap(),
        options: Arc::new(options),
        ..sample::definition("a")
    }))
}

fn refused(problem: &str) -> Result<ServiceId, StorageError> {
    Err(StorageError::Invalid(vec![problem.to_owned()]))
}

fn an_alert_names_a_channel_that_exists(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let with_alert = |name: &str, channel: &str| {
        let alerts = Some(Arc::from([AlertRule::new("ops"), AlertRule::new(channel)]));
        service(name, Options { alerts, ..Options::default() })
    };
    let expected = "expected the name of a channel: there is none";
    let none = f.writer.define(with_alert("a", "ops"), &AuditSource::COMMAND, 0).unwrap_err();
    let problems =
        [0, 1].map(|nth| format!("alerts.{nth}.channel: invalid value \"ops\", {expected}"));
    assert_eq!(none, StorageError::Invalid(problems.to_vec()));
    let channel = NewChannel {
        name: "ops".to_owned(),
        kind: "webhook".to_owned(),
        enabled: true,
        options: ChannelOptions::default(),
    };
    f.writer
        .change_alerting(AlertingChange::CreateChannel(channel), &AuditSource::COMMAND, 0)
        .unwrap();
    let expected = "invalid value \"osp\", expected the name of a channel: ops";
    let unknown =
        f.writer.define(with_alert("a", "osp"), &AuditSource::COMMAND, 0).map(|applied| applied.id);
    assert_eq!(unknown, refused(&format!("alerts.1.channel: {expected}")));
    let id = f.writer.define(with_alert("a", "ops"), &AuditSource::COMMAND, 0).unwrap().id;
    let change = serde_json::json!({"alerts": [{"channel": "osp"}]});
    let patch = Patch::new(change.as_object().unwrap().clone()).unwrap();
    let changed = f
        .writer
        .define(Change::Update(id, patch), &AuditSource::COMMAND, 0)
        .map(|applied| applied.id);
    assert_eq!(changed, refused(&format!("alerts.0.channel: {expected}")));
}

fn parents_do_not_lead_back_to_the_service(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let behind = |name: &str, parents: &[&str]| {
        let depends_on = parents.iter().map(|parent| (*parent).to_owned()).collect();
        service(name, Options { depends_on, ..Options::default() })
    };
    let mut add = |change: Change| {
        f.writer.define(change, &AuditSource::COMMAND, 0).map(|applied| applied.id)
    };
    let cycle = |path: &str| refused(&format!("depends_on: a cycle of parents: {path}"));
    assert_eq!(add(behind("a", &["a"])), cycle("a → a"));
    let top = add(behind("net/top", &["missing"])).unwrap();
    add(behind("middle", &["net/top"])).unwrap();
    let low = add(behind("low", &["middle", "net/top"])).unwrap();
    let mut patch = |id, change: serde_json::Value| {
        let patch = Patch::new(change.as_object().unwrap().clone()).unwrap();
        f.writer
            .define(Change::Update(id, patch), &AuditSource::COMMAND, 0)
            .map(|applied| applied.id)
    };
    let back = serde_json::json!({"depends_on": ["low"]});
    assert_eq!(patch(top, back), cycle("net/top → low → net/top"));
    let renamed = serde_json::json!({"name": "missing", "group": null});
    assert_eq!(patch(low, serde_json::json!({"depends_on": ["middle"]})), Ok(low));
    assert_eq!(patch(low, renamed), cycle("missing → middle → net/top → missing"));
    assert_eq!(patch(top, serde_json::json!({"depends_on": null})), Ok(top));
}
