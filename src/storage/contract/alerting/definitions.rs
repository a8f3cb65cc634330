//! Channels, policies and silences.

use super::super::fixture::{Fixture, Kind, for_each_store};
use super::samples::*;
use crate::domain::Origin;
use crate::domain::alert::Settlement;
use crate::domain::audit::AuditSource;
use crate::storage::alerting::{
    AlertingApplied, AlertingChange, NewChannel, NewPolicy, NewSilence,
};
use crate::storage::error::StorageError;
use crate::storage::records::FilePlan;

for_each_store!(
    channels_policies_and_silences_are_created_changed_and_deleted,
    what_contradicts_the_stored_names_is_refused,
    channels_of_the_file_keep_their_ids,
    a_file_with_the_name_of_a_channel_of_the_api_is_refused,
);

fn channels_policies_and_silences_are_created_changed_and_deleted(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = channel_id(&change(&mut f, AlertingChange::CreateChannel(channel("ops"))));
    let failing = Settlement { failing: vec![(id, Some(77))], ..Settlement::default() };
    settle(&mut f, &failing);
    let disabled = NewChannel { enabled: false, ..channel("night") };
    let applied = change(&mut f, AlertingChange::UpdateChannel(id, disabled.clone()));
    let stored = f.reader.channel(id).unwrap();
    assert_eq!(applied, AlertingApplied::Channel(stored.clone()));
    assert_eq!((stored.name.as_str(), stored.kind.as_str()), ("night", "slack"));
    assert_eq!((stored.origin, stored.enabled), (Origin::Api, false));
    assert_eq!((stored.options, stored.failing_since_ms), (disabled.options, Some(77)));

    let AlertingApplied::Policy(made) =
        change(&mut f, AlertingChange::CreatePolicy(policy("all", &["night"])))
    else {
        panic!("no policy")
    };
    let first = NewPolicy { position: 0, ..policy("first", &[]) };
    change(&mut f, AlertingChange::CreatePolicy(first));
    let names = |f: &mut Fixture| -> Vec<String> {
        f.reader.policies().unwrap().into_iter().map(|policy| policy.name).collect()
    };
    assert_eq!(names(&mut f), ["first", "all"], "in their order");
    let renamed = policy("rest", &["night"]);
    change(&mut f, AlertingChange::UpdatePolicy(made.id, renamed.clone()));
    let stored = f.reader.policy(made.id).unwrap();
    assert_eq!((stored.name.as_str(), stored.options), ("rest", renamed.options));

    let AlertingApplied::Silence(made_silence) =
        change(&mut f, AlertingChange::CreateSilence(silence(9)))
    else {
        panic!("no silence")
    };
    let longer = NewSilence { by: None, note: Some("n".to_owned()), ..silence(10) };
    change(&mut f, AlertingChange::UpdateSilence(made_silence.id, longer));
    let stored = f.reader.silence(made_silence.id).unwrap();
    assert_eq!((stored.to_ms, stored.by, stored.note), (10, None, Some("n".to_owned())));
    assert_eq!(stored.matcher, silence(0).matcher);

    let state = state(&mut f);
    assert_eq!((state.channels.len(), state.policies.len(), state.silences.len()), (1, 2, 1));
    for (delete, id) in [
        (AlertingChange::DeletePolicy(made.id), made.id),
        (AlertingChange::DeleteChannel(id), id),
        (AlertingChange::DeleteSilence(made_silence.id), made_silence.id),
    ] {
        assert_eq!(change(&mut f, delete), AlertingApplied::Deleted(id));
    }
    assert_eq!(f.reader.channels().unwrap(), []);
    assert_eq!(names(&mut f), ["first"]);
    assert_eq!(f.reader.silences().unwrap(), []);
    let again = channel_id(&change(&mut f, AlertingChange::CreateChannel(channel("ops"))));
    assert!(again > id, "the deliveries of the former channel are not those of this one");
}

fn what_contradicts_the_stored_names_is_refused(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let plan = FilePlan {
        channels: vec![channel("of file")],
        policies: vec![policy("file policy", &["of file"])],
        ..FilePlan::default()
    };
    f.writer.define_all(&mut |_| Ok(plan.clone()), &AuditSource::COMMAND, 0).unwrap();
    let of_file = f.reader.channels().unwrap()[0].id;
    let file_policy = f.reader.policies().unwrap()[0].id;
    let id = channel_id(&change(&mut f, AlertingChange::CreateChannel(channel("ops"))));
    change(&mut f, AlertingChange::CreatePolicy(policy("all", &["ops", "of file"])));
    let conflict = |text: &str| StorageError::Conflict(text.to_owned());
    let read_only = |what: &str| {
        conflict(&format!(
            "id: {what} belongs to the services file and is read-only here; change it there"
        ))
    };
    let named =
        conflict("id: the policy \"all\" names the channel \"ops\"; change the policy first");
    let of_file_named = format!("channel {of_file} (of file)");
    let policy_named = format!("policy {file_policy} (file policy)");
    let unknown = StorageError::Invalid(vec![
        "channels: unknown channel \"x\"".to_owned(),
        "channels: unknown channel \"y\"".to_owned(),
    ]);
    for (refused, expected) in [
        (AlertingChange::CreateChannel(channel("ops")), conflict("name: \"ops\" is already taken")),
        (AlertingChange::UpdateChannel(id, channel("of file")), named.clone()),
        (AlertingChange::UpdateChannel(of_file, channel("of file")), read_only(&of_file_named)),
        (AlertingChange::DeleteChannel(of_file), read_only(&of_file_named)),
        (AlertingChange::DeleteChannel(id), named),
        (AlertingChange::CreatePolicy(policy("p", &["ops", "x", "y"])), unknown),
        (
            AlertingChange::CreatePolicy(policy("all", &[])),
            conflict("name: \"all\" is already taken"),
        ),
        (AlertingChange::DeletePolicy(file_policy), read_only(&policy_named)),
        (AlertingChange::UpdatePolicy(file_policy, policy("p", &[])), read_only(&policy_named)),
        (AlertingChange::UpdateChannel(99, channel("z")), StorageError::NotFound),
        (AlertingChange::DeletePolicy(99), StorageError::NotFound),
        (AlertingChange::UpdateSilence(99, silence(1)), StorageError::NotFound),
        (AlertingChange::DeleteSilence(99), StorageError::NotFound),
    ] {
        let error =
            f.writer.change_alerting(refused.clone(), &AuditSource::COMMAND, 0).unwrap_err();
        assert_eq!(error, expected, "{refused:?}");
    }
    let same = AlertingChange::UpdateChannel(id, NewChannel { enabled: false, ..channel("ops") });
    assert_eq!(channel_id(&change(&mut f, same)), id, "without a new name");
}

fn channels_of_the_file_keep_their_ids(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let of_api = channel_id(&change(&mut f, AlertingChange::CreateChannel(channel("api"))));
    let apply = |f: &mut Fixture, channels: &[NewChannel], policies: &[NewPolicy]| {
        let plan = FilePlan {
            channels: channels.to_vec(),
            policies: policies.to_vec(),
            ..FilePlan::default()
        };
        let applied =
            f.writer.define_all(&mut |_| Ok(plan.clone()), &AuditSource::COMMAND, 0).unwrap();
        assert_eq!(applied.plan, plan);
        let channels = f.reader.channels().unwrap().into_iter();
        let of_file = channels.filter(|channel| channel.origin == Origin::File);
        let ids: Vec<_> = of_file.map(|channel| (channel.name, channel.id)).collect();
        (applied.alerting_changed, ids)
    };
    let names = |ids: &[(String, i64)]| -> Vec<String> {
        ids.iter().map(|(name, _)| name.clone()).collect()
    };
    let (changed, first) =
        apply(&mut f, &[channel("a"), channel("b")], &[policy("p", &["a"]), policy("q", &["b"])]);
    assert!(changed);
    assert_eq!(names(&first), ["a", "b"]);
    let policies = f.reader.policies().unwrap();
    settle(&mut f, &Settlement { failing: vec![(first[1].1, Some(5))], ..Settlement::default() });

    let same =
        apply(&mut f, &[channel("b"), channel("a")], &[policy("q", &["b"]), policy("p", &["a"])]);
    assert_eq!(same, (false, first.clone()), "nothing changed");

    let other = NewChannel { kind: "email".to_owned(), ..channel("b") };
    let (changed, second) = apply(&mut f, &[other, channel("c")], &[policy("q", &["c"])]);
    assert!(changed);
    assert_eq!((second[0].clone(), second[1].0.as_str()), (first[1].clone(), "c"));
    let stored = f.reader.channel(first[1].1).unwrap();
    assert_eq!((stored.kind.as_str(), stored.failing_since_ms), ("email", Some(5)));
    let left = f.reader.policies().unwrap();
    assert_eq!((left.len(), left[0].id), (1, policies[1].id));
    assert_eq!(left[0].options, policy("q", &["c"]).options);

    assert_eq!(apply(&mut f, &[], &[]), (true, vec![]));
    assert_eq!(f.reader.channels().unwrap()[0].id, of_api, "that of the API stays");
}

fn a_file_with_the_name_of_a_channel_of_the_api_is_refused(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = channel_id(&change(&mut f, AlertingChange::CreateChannel(channel("ops"))));
    change(&mut f, AlertingChange::CreatePolicy(policy("all", &[])));
    let plan = FilePlan { channels: vec![channel("new"), channel("ops")], ..FilePlan::default() };
    let error =
        f.writer.define_all(&mut |_| Ok(plan.clone()), &AuditSource::COMMAND, 0).unwrap_err();
    let why = format!(
        "the channel \"ops\" of the services file has the name of the channel {id} of the API; \
         rename one of them"
    );
    assert_eq!(error, StorageError::Invalid(vec![why]));
    assert_eq!(f.reader.channels().unwrap().len(), 1);
    let plan = FilePlan { policies: vec![policy("all", &[])], ..FilePlan::default() };
    let error =
        f.writer.define_all(&mut |_| Ok(plan.clone()), &AuditSource::COMMAND, 0).unwrap_err();
    assert!(error.to_string().contains("the policy \"all\" of the services file"), "{error}");
    let plan = FilePlan { channels: vec![channel("a"), channel("a")], ..FilePlan::default() };
    let error =
        f.writer.define_all(&mut |_| Ok(plan.clone()), &AuditSource::COMMAND, 0).unwrap_err();
    assert_eq!(error.to_string(), "the services file has two of the channel \"a\"");
}
