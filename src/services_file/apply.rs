//! Applying a services file to the store.

use std::collections::HashMap;

use crate::domain::audit::AuditSource;
use crate::domain::live::LiveService;
use crate::domain::maintenance::Windows;
use crate::domain::service::definition::Definition;
use crate::domain::service::service_id::ServiceId;
use crate::services_file::content::Content;
use crate::services_file::plan::plan;
use crate::storage::maintenance::FileMaintenance;
use crate::storage::records::{AppliedPlan, FilePlan, LoadedService};
use crate::storage::{StorageError, StoreWrite};

/// The changes of an applied services file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileApplied {
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
    /// Changed services that are probed or judged in another way.
    pub redefined: Vec<ServiceId>,
    /// Each changed service; `None` for a removed one.
    pub services: Vec<(ServiceId, Option<Definition>)>,
    /// The added and changed services with their states, by id.
    pub live: Vec<LiveService>,
    /// Whether a channel or a policy of the file was added, changed or removed.
    pub alerting_changed: bool,
    /// All maintenance, when that of the file changed.
    pub windows: Option<Windows>,
}

/// Why a services file was not applied. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Entries conflict with services of the API; one message for each problem.
    #[error("{}", .0.join("; "))]
    Refused(Vec<String>),
    #[error(transparent)]
    Store(#[from] StorageError),
}

/// Changes what belongs to the file to `content`, in one transaction.
pub fn apply(
    store: &mut dyn StoreWrite,
    content: &Content,
    now_ms: i64,
) -> Result<FileApplied, FileError> {
    let mut redefined = Vec::new();
    let mut make_plan = |stored: &[LoadedService]| {
        let mut plan = FilePlan {
            channels: content.channels.clone(),
            policies: content.policies.clone(),
            ..plan(&content.entries, stored)?
        };
        let of_all = content.maintenance.iter().cloned();
        plan.maintenance
            .extend(of_all.map(|definition| FileMaintenance { definition, services: None }));
        redefined = changed_probes(&plan, stored);
        Ok(plan)
    };
    let applied = store.define_all(&mut make_plan, &AuditSource::FILE, now_ms).map_err(
        |error| match error {
            StorageError::Invalid(problems) => FileError::Refused(problems),
            error => FileError::Store(error),
        },
    )?;
    let AppliedPlan { plan, added: ids, live, alerting_changed, windows } = applied;
    let (added, changed, removed) = (plan.add.len(), plan.change.len(), plan.remove.len());
    let additions = ids.into_iter().zip(plan.add);
    let defined = plan.change.into_iter().chain(additions);
    let defined = defined.map(|(id, definition)| (id, Some(definition)));
    let services = plan.remove.into_iter().map(|id| (id, None)).chain(defined).collect();
    Ok(FileApplied {
        added,
        changed,
        removed,
        redefined,
        services,
        live,
        alerting_changed,
        windows,
    })
}

/// The services that `plan` has probed or judged in another way.
fn changed_probes(plan: &FilePlan, stored: &[LoadedService]) -> Vec<ServiceId> {
    let before: HashMap<ServiceId, &Definition> =
        stored.iter().map(|service| (service.id, &service.definition)).collect();
    let is_redefined = |(id, after): &&(ServiceId, Definition)| {
        before.get(id).is_none_or(|before| !after.probes_as(before))
    };
    plan.change.iter().filter(is_redefined).map(|(id, _)| *id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Variables;
    use crate::services_file::read::read_text;
    use crate::storage::contract::fixture::{Kind, TestStore};

    fn applied(store: &mut TestStore, text: &str) -> Result<FileApplied, FileError> {
        let content = read_text("s.yaml".as_ref(), text, &Variables::default()).unwrap();
        apply(&mut *store.writer, &content, 0)
    }

    /// Names of the channels and the policies in the store.
    fn names(store: &mut TestStore) -> (Vec<String>, Vec<String>) {
        let channels = store.writer.channels().unwrap().into_iter().map(|it| it.name);
        let channels = channels.collect();
        let policies = store.writer.policies().unwrap().into_iter().map(|it| it.name);
        (channels, policies.collect())
    }

    #[test]
    fn channels_and_policies_are_applied_with_the_services() {
        let mut store = Kind::Sqlite.open();
        let endpoints = "endpoints: [{name: a, url: 'http://a/', alerts: [{type: slack}]}]\n";
        let text = |url: &str, policies: &str| {
            format!(
                "alerting:\n  slack: {{webhook-url: '{url}'}}\n  policies: {policies}\n{endpoints}"
            )
        };
        let first = text("https://hooks.example.org/$$x", "[{name: all, channels: slack}]");
        let done = applied(&mut store, &first).unwrap();
        assert_eq!((done.added, done.alerting_changed), (1, true));
        assert_eq!(names(&mut store), (vec!["slack".into()], vec!["all".into()]));
        let same = applied(&mut store, &first).unwrap();
        assert_eq!((same.changed, same.alerting_changed), (0, false));
        let channel = store.writer.channels().unwrap().remove(0);
        assert_eq!(channel.options.keys["webhook-url"], "https://hooks.example.org/$$x");
        let other = applied(&mut store, &text("https://hooks.example.org/y", "[]")).unwrap();
        assert_eq!((other.changed, other.alerting_changed), (0, true));
        assert_eq!(names(&mut store), (vec!["slack".into()], vec![]));
        let rule = store.writer.load_services().unwrap().remove(0).definition;
        assert_eq!(rule.options.alerts.as_ref().unwrap()[0].channel, "slack", "it is stored");
        let gone = applied(&mut store, "endpoints: []\n").unwrap();
        assert_eq!((gone.removed, gone.alerting_changed), (1, true));
        assert_eq!(names(&mut store), (vec![], vec![]));
    }

    #[test]
    fn a_refused_plan_changes_no_channel() {
        let mut store = Kind::Sqlite.open();
        let text = "alerting: {slack: {}}\nendpoints: [{name: taken, url: 'http://a/'}]\n";
        let taken = read_text("s.yaml".as_ref(), text, &Variables::default()).unwrap();
        let definition = taken.entries[0].definition.clone();
        let change = crate::storage::records::Change::Create(Box::new(definition));
        store.writer.define(change, &AuditSource::COMMAND, 0).unwrap();
        assert!(matches!(applied(&mut store, text), Err(FileError::Refused(_))));
        assert_eq!(names(&mut store), (vec![], vec![]));
    }
}
