//! Several instances on one store: who owns which shards, and what is handed over.

use std::time::Duration;

use super::{TestDatabase, settings};
use crate::domain::alert::open_counts::OpenAlertCounts;
use crate::domain::audit::AuditSource;
use crate::domain::shards::shard_of;
use crate::domain::{Outcome, Role, ServiceId, ShardSet, State, sample};
use crate::spec::Patch;
use crate::storage::contract::fixture::{START_MS, outcome, plain};
use crate::storage::coordination::command::AlertCommand;
use crate::storage::coordination::{Duty, Roster};
use crate::storage::error::StorageError;
use crate::storage::ledger::Ledger;
use crate::storage::port::{Coordinate, StoreWrite};
use crate::storage::postgres::server::{Awaiting, Joiner, Server};
use crate::storage::records::Change;

/// Longest interval of the services, in milliseconds.
const INTERVAL_MS: i64 = 15_000;

/// An instance with its connections.
struct Member {
    server: Server,
    writer: Box<dyn StoreWrite>,
    coordinator: Box<dyn Coordinate>,
    ledger: Ledger,
}

impl Member {
    fn join(database: &TestDatabase, name: &str, role: Role) -> Self {
        let awaiting = Awaiting {
            patience: Duration::from_secs(30),
            is_stopping: &|| false,
            report: &|why| panic!("{why}"),
        };
        let joiner = Joiner { name, role, duties: &[Duty::Alerts] };
        let server = Server::join(&settings(&database.url()), &joiner, &awaiting).unwrap();
        Self {
            writer: server.writer().unwrap(),
            coordinator: server.coordinator().unwrap(),
            server,
            ledger: Ledger::default(),
        }
    }

    fn owned(&self) -> ShardSet {
        self.server.owned().get()
    }

    fn look(&mut self) -> Roster {
        let owned = self.owned();
        self.coordinator.look(&owned).unwrap()
    }

    fn claim(&mut self, most: usize, now_ms: i64) -> usize {
        let claimed = self.writer.claim((most, &ShardSet::EMPTY), now_ms, INTERVAL_MS).unwrap();
        self.ledger.forget_shards(&claimed.shards);
        claimed.shards.len()
    }

    fn record(&mut self, id: ServiceId, state: State, at_ms: i64) -> Result<usize, StorageError> {
        let group: [Outcome; 1] = [outcome(id, &plain(state, at_ms))];
        Ok(self.ledger.commit(&mut *self.writer, &group, at_ms)?.recorded)
    }

    fn create(&mut self, name: &str) -> ServiceId {
        let change = Change::Create(Box::new(sample::definition(name)));
        self.writer.define(change, &AuditSource::COMMAND, START_MS).unwrap().id
    }

    fn change(&mut self, id: ServiceId, patch: &str, now_ms: i64) {
        let patch = Patch::new(serde_json::from_str(patch).unwrap()).unwrap();
        self.writer.define(Change::Update(id, patch), &AuditSource::COMMAND, now_ms).unwrap();
    }
}

/// Word, start and end of each event of the service.
fn events(database: &TestDatabase, id: ServiceId) -> Vec<String> {
    let rows = database.query(&format!(
        "SELECT event || ' ' || date_started_ms - {START_MS} || ' ' || \
         coalesce((date_ended_ms - {START_MS})::text, '-') FROM service_events \
         WHERE service_id = {id} ORDER BY id"
    ));
    rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

fn two() -> (TestDatabase, Member, Member) {
    let database = TestDatabase::new();
    let first = Member::join(&database, "a", Role::All);
    let second = Member::join(&database, "b", Role::All);
    (database, first, second)
}

#[test]
fn the_first_instance_owns_everything_and_the_second_joins_with_nothing() {
    let (_database, mut first, mut second) = two();
    assert_eq!((first.owned(), second.owned()), (ShardSet::ALL, ShardSet::EMPTY));
    assert!(first.server.was_alone() && !second.server.was_alone());
    let roster = second.look();
    let seen: Vec<(&str, usize)> =
        roster.instances.iter().map(|seen| (seen.name.as_str(), seen.shards)).collect();
    assert_eq!(seen, [("a", 1_024), ("b", 0)]);
    assert_eq!((roster.orphans, roster.duties.as_slice()), (0, &[][..]));
    assert_eq!(first.look().duties, [Duty::Alerts]);
    assert!(!second.coordinator.take_duty(Duty::Alerts).unwrap());
}

#[test]
fn what_one_gives_back_the_other_takes_without_a_gap() {
    let (database, mut first, mut second) = two();
    let id = first.create("service");
    assert_eq!(shard_of(id.get()), 0);
    first.record(id, State::Up, START_MS).unwrap();
    let half = first.owned().some(512);
    assert!(half.has(0));
    first.writer.give_back(&half, START_MS + 1_000).unwrap();
    assert_eq!(first.owned().len(), 512);
    assert_eq!(second.look().orphans, 512);
    let claimed =
        second.writer.claim((600, &ShardSet::EMPTY), START_MS + 2_000, INTERVAL_MS).unwrap();
    assert_eq!((claimed.shards, claimed.gap), (half, None));
    assert_eq!(claimed.services.iter().map(|it| it.id).collect::<Vec<_>>(), [id]);
    assert_eq!(claimed.newest_ms, [(id, START_MS)]);
    second.record(id, State::Down, START_MS + 15_000).unwrap();
    assert_eq!(events(&database, id), ["uptime 0 15000", "downtime 15000 -"]);
}

#[test]
fn a_silent_instance_is_ended_once_and_what_nobody_watched_is_unknown() {
    let (database, mut first, mut second) = two();
    let id = first.create("service");
    first.record(id, State::Up, START_MS).unwrap();
    let seen = second.look().instances[0].clone();
    // It has written since.
    first.record(id, State::Up, START_MS + 1_000).unwrap();
    assert!(!second.coordinator.end(&seen, START_MS + 30_000).unwrap());
    let seen = second.look().instances[0].clone();
    assert!(second.coordinator.end(&seen, START_MS + 60_000).unwrap());
    assert!(second.coordinator.take_duty(Duty::Alerts).unwrap());
    assert_eq!(second.look().orphans, 1_024);
    assert_eq!(second.claim(2_000, START_MS + 60_000), 1_024);
    assert_eq!(events(&database, id), ["uptime 0 1000", "unknown 1000 -"]);
    // It is not dead, and may not write.
    let error = first.record(id, State::Up, START_MS + 61_000).unwrap_err();
    assert!(error.to_string().contains("was ended by instance 2 (\"b\")"), "{error}");
    assert_eq!(first.server.change(), None, "it may register anew");
    assert!(first.server.check().is_err());
    assert!(first.look().own().is_none());

    first.ledger.fenced();
    first.coordinator.rejoin().unwrap();
    assert_eq!((first.owned(), first.server.check()), (ShardSet::EMPTY, Ok(())));
    assert_eq!(first.look().own().map(|own| own.id), Some(3));
    first.ledger.commit(&mut *first.writer, &[], START_MS + 62_000).unwrap();
    second.record(id, State::Up, START_MS + 63_000).unwrap();
}

#[test]
fn a_restart_takes_the_shards_of_its_predecessor_and_ends_it_for_good() {
    let (database, first, mut second) = two();
    let mut first = first;
    first.writer.give_back(&first.owned().some(512), START_MS).unwrap();
    second.claim(512, START_MS);
    let again = Member::join(&database, "a", Role::All);
    assert_eq!(again.owned(), ShardSet::ALL.without(&second.owned()));
    assert!(first.writer.step_back(&[]).is_err());
    assert!(first.server.change().is_some(), "its name has another instance");
}

#[test]
fn one_that_registers_anew_takes_the_place_of_no_instance_that_has_started_meanwhile() {
    let (database, mut first, mut second) = two();
    let end_of = |second: &mut Member, name: &str| {
        let roster = second.look();
        let seen = roster.instances.iter().find(|seen| seen.name == name).unwrap();
        assert!(second.coordinator.end(seen, START_MS).unwrap());
    };
    end_of(&mut second, "a");
    assert!(first.look().own().is_none());
    // As after an attempt to register anew whose answer was lost.
    let lost = Member::join(&database, "a", Role::All);
    first.coordinator.rejoin().unwrap();
    assert_eq!(first.look().own().map(|own| own.id), Some(4));
    drop(lost);

    end_of(&mut second, "a");
    assert!(first.look().own().is_none());
    let mut again = Member::join(&database, "a", Role::All);
    again.create("service");
    let error = first.coordinator.rejoin().unwrap_err();
    assert!(error.to_string().contains("has its place"), "{error}");
    assert!(first.server.change().is_some());
    assert!(again.look().own().is_some());
}

#[test]
fn a_change_of_another_instance_is_written_by_the_owner_at_the_time_of_the_change() {
    let (database, mut first, mut second) = two();
    let [paused, deleted] = ["paused", "deleted"].map(|name| first.create(name));
    for id in [paused, deleted] {
        first.record(id, State::Up, START_MS).unwrap();
    }
    let revision = first.look().revision;
    second.change(paused, r#"{"enabled": false}"#, START_MS + 5_000);
    let delete = Change::Delete(deleted);
    second.writer.define(delete, &AuditSource::COMMAND, START_MS + 6_000).unwrap();
    assert_eq!(events(&database, paused), ["uptime 0 -"], "not yet");
    let changed = first.coordinator.changed_services(revision).unwrap();
    assert_eq!(changed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [paused, deleted]);
    for _ in 0..2 {
        first.writer.settle_definitions(&[paused, deleted]).unwrap();
        assert_eq!(events(&database, paused), ["uptime 0 5000", "paused 5000 -"]);
        assert_eq!(events(&database, deleted), ["uptime 0 6000"]);
    }
    // Unless there is none: then its next owner does.
    second.change(paused, r#"{"enabled": true}"#, START_MS + 8_000);
    first.writer.give_back(&ShardSet::ALL, START_MS + 9_000).unwrap();
    second.claim(1_024, START_MS + 9_500);
    let expected = ["uptime 0 5000", "paused 5000 8000", "unknown 8000 -"];
    assert_eq!(events(&database, paused), expected);
}

#[test]
fn an_outcome_in_the_inbox_is_recorded_once_by_the_owner() {
    let (database, mut first, mut second) = two();
    let id = first.create("job");
    second.writer.post(&[outcome(id, &plain(State::Up, START_MS))]).unwrap();
    assert_eq!(second.coordinator.inbox(&second.owned(), 9).unwrap(), []);
    let owned = first.owned();
    let found = first.coordinator.inbox(&owned, 9).unwrap();
    let [(row, reported)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((reported.inbox_id, reported.service_id), (Some(*row), id));
    let group = [reported.clone()];
    first.ledger.commit(&mut *first.writer, &group, START_MS + 1_000).unwrap();
    assert_eq!(first.coordinator.inbox(&owned, 9).unwrap(), []);
    let count = database.query("SELECT count(*) FROM service_ticks");
    assert_eq!(count[0][0].as_deref(), Some("1"));
}

#[test]
fn rows_of_the_inbox_that_another_version_wrote_keep_no_others_from_being_read() {
    let (database, mut first, mut second) = two();
    let id = first.create("job");
    database.query(&format!(
        "INSERT INTO inbox (service_id, at_ms, outcome) SELECT service_id, 0, '{{}}' \
         FROM unnest(array[0, {id}]) service_id, generate_series(1, 5)"
    ));
    let owned = first.owned();
    assert_eq!(first.coordinator.inbox(&owned, 2).unwrap(), []);
    assert_eq!(first.coordinator.commands(2).unwrap(), []);
    second.writer.post(&[outcome(id, &plain(State::Up, START_MS))]).unwrap();
    let source = AuditSource::COMMAND;
    let command = AlertCommand::Acknowledge { alert_id: 1, acknowledgement: None, source };
    second.writer.post_command(&command).unwrap();
    assert_eq!(first.coordinator.inbox(&owned, 2).unwrap().len(), 1);
    assert_eq!(first.coordinator.commands(2).unwrap(), [(12, command)]);
}

#[test]
fn an_answer_that_was_lost_with_a_claim_is_made_up_for() {
    let (database, mut first, mut second) = two();
    first.writer.give_back(&ShardSet::ALL, START_MS).unwrap();
    // As after a claim of all whose answer was lost.
    database.query("UPDATE shards SET owner_id = 2 WHERE shard < 100");
    let counts = |roster: Roster| (roster.orphans, roster.unadopted);
    assert_eq!((counts(first.look()), counts(second.look())), ((924, 0), (924, 100)));
    // Those that are being given back are left, and its own come first.
    let except = (0..10).collect();
    let claimed = second.writer.claim((90, &except), START_MS, INTERVAL_MS).unwrap();
    assert_eq!(claimed.shards, (10..100).collect());
    assert_eq!(second.claim(2_000, START_MS), 934);
    assert_eq!(counts(second.look()), (0, 0));
}

#[test]
fn upkeep_and_gaps_leave_the_services_of_others_alone() {
    let (database, mut first, mut second) = two();
    let ids: Vec<ServiceId> = (0..20).map(|nth| first.create(&format!("s{nth}"))).collect();
    for id in &ids {
        first.record(*id, State::Up, START_MS).unwrap();
    }
    // The first fifteen are of shard 0.
    let zero: ShardSet = [0].into_iter().collect();
    first.writer.give_back(&zero, START_MS + 1_000).unwrap();
    assert_eq!(second.claim(1, START_MS + 1_500), 1);
    assert_eq!(first.writer.fresh_extent().unwrap().ticks, 5);
    assert_eq!(second.writer.fresh_extent().unwrap().ticks, 15);
    let gap = second.writer.record_stall(START_MS + 2_000, START_MS + 60_000).unwrap().unwrap();
    assert_eq!(gap.services, 15);
    assert_eq!(events(&database, ids[19]), ["uptime 0 -"]);
    assert!(first.writer.begin_sealing().unwrap());
    let sealing = first.writer.sealing().unwrap().unwrap();
    let unsealed = first.writer.unsealed_services(&sealing, 99).unwrap();
    assert_eq!(unsealed.iter().map(|it| it.id).collect::<Vec<_>>(), ids[15..]);
    let relayed = second.writer.unrelayed(0, 4).unwrap();
    assert_eq!(relayed.len(), 4);
    assert_eq!(second.writer.unrelayed(12, 4).unwrap().len(), 3);
    assert_eq!(first.writer.unrelayed(0, 4).unwrap().len(), 1, "after those of the other");
}

#[test]
fn an_instance_of_the_api_owns_nothing_and_a_runner_beside_it_everything() {
    let database = TestDatabase::new();
    let mut api = Member::join(&database, "api", Role::Api);
    assert_eq!(api.owned(), ShardSet::EMPTY);
    assert!(api.look().duties.is_empty());
    let mut runner = Member::join(&database, "runner", Role::Runner);
    assert_eq!(runner.owned(), ShardSet::ALL);
    let roles: Vec<Role> = runner.look().instances.iter().map(|seen| seen.role).collect();
    assert_eq!(roles, [Role::Api, Role::Runner]);
}

#[test]
fn open_alerts_are_counted_for_those_who_do_not_decide() {
    let (database, _first, mut second) = two();
    database.query(
        "INSERT INTO alerts (id, service_id, kind, severity, state, since_ms, amount, group_name, \
             facts) SELECT id, service_id, 'down', 'critical', state, 0, 1, name, '{}' \
             FROM (VALUES (1, 1, 'firing', 'core'), (2, 2, 'acknowledged', 'core'), \
                 (3, 3, 'firing', NULL), (4, NULL, 'firing', NULL), (5, 1, 'resolved', 'core')) \
                 v(id, service_id, state, name)",
    );
    let open = [(true, Some("core")), (true, Some("core")), (true, None), (false, None)];
    let expected = OpenAlertCounts::of(open.into_iter());
    assert_eq!(second.coordinator.open_alert_counts().unwrap(), expected);
}

#[test]
fn the_grid_of_an_instance_that_joins_is_that_of_the_others() {
    let (_database, mut first, mut second) = two();
    assert_eq!(first.writer.agree_spread(5_000, true).unwrap(), 5_000);
    assert_eq!(second.writer.agree_spread(9_000, false).unwrap(), 5_000);
    assert_eq!(first.writer.agree_spread(9_000, true).unwrap(), 9_000);
}
