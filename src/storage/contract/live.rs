//! The overview of the live state against the lists of the store, after random histories.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::fixture::{Fixture, Kind, START_MS, for_each_store, outcome, plain};
use crate::domain::access::GroupLimit;
use crate::domain::audit::AuditSource;
use crate::domain::live::{LiveService, ServiceOrder};
use crate::domain::time::step_back::StepBack;
use crate::domain::{
    Definition, Failure, Group, Name, Options, Origin, Outcome, PageRequest, Reason, ServiceId,
    State, Status, Target, Thresholds, sample,
};
use crate::live::overview::Overview;
use crate::spec::Patch;
use crate::storage::port::Query;
use crate::storage::records::{Change, FilePlan, ListServices, LoadedService};

for_each_store!(lists_of_the_live_state_are_those_of_the_store);

const NAMES: [&str; 4] = ["api", "API", "web_1", "100%"];
const GROUPS: [&str; 3] = ["", "core", "Core"];
const URLS: [&str; 4] =
    ["http://one/", "http://ann:secret@two/?token=t&page=2", "tcp://three:1", "http://*/a"];
const LOCAL: [Reason; 2] = [Reason::LocalConfig, Reason::Missed];

#[derive(Debug, Clone)]
enum Step {
    /// Results of one commit, a second apart.
    Commit(Vec<(Index, Found)>),
    Create(Fields, u32),
    Change(Index, Fields, bool),
    Delete(Index),
    /// The services file has these services.
    File(Vec<(Fields, bool)>),
    /// Seconds.
    Stall(i64),
    ClockBack(i64),
}

#[derive(Debug, Clone, Copy)]
struct Fields {
    name: &'static str,
    group: &'static str,
    url: &'static str,
}

/// What a probe finds.
#[derive(Debug, Clone, Copy)]
enum Found {
    Tick(State),
    /// The monitor cannot tell.
    Hole(Reason),
    /// The probe began before the newest commits.
    Late,
}

fn any_fields() -> impl Strategy<Value = Fields> {
    (select(&NAMES[..]), select(&GROUPS[..]), select(&URLS[..]))
        .prop_map(|(name, group, url)| Fields { name, group, url })
}

fn any_step() -> impl Strategy<Value = Step> {
    let found = prop_oneof![
        4 => Just(Found::Tick(State::Up)),
        4 => Just(Found::Tick(State::Down)),
        1 => Just(Found::Tick(State::Unknown)),
        1 => select(&LOCAL[..]).prop_map(Found::Hole),
        1 => Just(Found::Late),
    ];
    let entry = (any_fields(), prop::bool::weighted(0.8));
    prop_oneof![
        8 => prop::collection::vec((any::<Index>(), found), 0..12).prop_map(Step::Commit),
        3 => (any_fields(), 1u32..3).prop_map(|(fields, failure)| Step::Create(fields, failure)),
        3 => (any::<Index>(), any_fields(), any::<bool>())
            .prop_map(|(nth, fields, is_enabled)| Step::Change(nth, fields, is_enabled)),
        1 => any::<Index>().prop_map(Step::Delete),
        1 => prop::collection::vec(entry, 0..4).prop_map(Step::File),
        1 => (11i64..100).prop_map(Step::Stall),
        1 => (1i64..100).prop_map(Step::ClockBack),
    ]
}

fn definition(fields: Fields, failure: u32, enabled: bool) -> Definition {
    let thresholds = Thresholds { failure, ..Thresholds::default() };
    Definition {
        name: Name::parse(fields.name).unwrap(),
        group: Group::parse(fields.group).unwrap(),
        target: Target::parse(fields.url).unwrap_or_else(|_| Target::parse(URLS[0]).unwrap()),
        enabled,
        options: Arc::new(Options { thresholds, ..Options::default() }),
        ..sample::definition("a")
    }
}

/// A store, and an overview that receives the notices of the writer.
struct World {
    f: Fixture,
    overview: Overview,
    now_ms: i64,
    ids: Vec<ServiceId>,
}

impl World {
    fn new(kind: Kind) -> Self {
        let f = Fixture::new(kind.open(), 0);
        Self { f, overview: Overview::new(1), now_ms: START_MS, ids: Vec::new() }
    }

    fn take(&mut self, step: &Step) {
        self.now_ms += 1_000;
        match step {
            Step::Commit(results) => self.commit(results),
            Step::Create(fields, failure) => {
                let new = definition(*fields, *failure, true);
                self.define(Change::Create(Box::new(new)));
            }
            Step::Change(nth, fields, is_enabled) => {
                let Some(id) = self.pick(nth) else { return };
                let url = definition(*fields, 1, true).target.as_str().to_owned();
                let change = json!({"name": fields.name, "group": fields.group, "url": url,
                    "enabled": is_enabled});
                let Value::Object(change) = change else { unreachable!("an object") };
                self.define(Change::Update(id, Patch::new(change).unwrap()));
            }
            Step::Delete(nth) => {
                let Some(id) = self.pick(nth) else { return };
                self.define(Change::Delete(id));
            }
            Step::File(entries) => self.apply(entries),
            Step::Stall(seconds) => {
                let from_ms = self.now_ms;
                self.now_ms += seconds * 1_000;
                self.f.writer.record_stall(from_ms, self.now_ms).unwrap();
                self.f.ledger.stalled(self.now_ms);
                self.reload();
            }
            Step::ClockBack(seconds) => {
                let by_ms = (seconds * 1_000).min(self.now_ms - START_MS);
                self.now_ms -= by_ms;
                let step = StepBack { by_ms, to_ms: self.now_ms, after_ms: self.now_ms };
                self.f.ledger.step_back(&mut *self.f.writer, &[step]).unwrap();
                self.reload_if_moved();
            }
        }
    }

    fn pick(&self, nth: &Index) -> Option<ServiceId> {
        (!self.ids.is_empty()).then(|| *nth.get(&self.ids))
    }

    fn commit(&mut self, results: &[(Index, Found)]) {
        let mut group = Vec::new();
        for (nth, found) in results {
            let Some(id) = self.pick(nth) else { continue };
            self.now_ms += 1_000;
            group.push(match found {
                Found::Tick(state) => outcome(id, &plain(*state, self.now_ms)),
                Found::Hole(reason) => {
                    let failure = Some(Failure::new(*reason, "a local fault"));
                    Outcome::without_details(id, self.now_ms, Duration::ZERO, failure)
                }
                Found::Late => outcome(id, &plain(State::Down, self.now_ms - 30_000)),
            });
        }
        let committed = self.f.commit(&group, self.now_ms);
        self.overview.update(committed.updates);
        self.reload_if_moved();
    }

    /// Some names are taken, and services of the file are read-only.
    fn define(&mut self, change: Change) {
        let Ok(applied) = self.f.writer.define(change, &AuditSource::COMMAND, self.now_ms) else {
            return;
        };
        self.f.ledger.forget(applied.id);
        let live = applied.record.as_ref().map(|record| record.live());
        self.published([(applied.id, live)]);
    }

    fn published(&mut self, services: impl IntoIterator<Item = (ServiceId, Option<LiveService>)>) {
        for (id, service) in services {
            self.ids.retain(|known| *known != id);
            self.ids.extend(service.is_some().then_some(id));
            self.overview.define([(id, service)], self.now_ms);
        }
    }

    /// An entry with the name of an earlier one changes that service.
    fn apply(&mut self, entries: &[(Fields, bool)]) {
        let mut plan = |stored: &[LoadedService]| {
            let mut plan = FilePlan::default();
            let of_file = stored.iter().filter(|it| it.origin == Origin::File);
            let mut old: Vec<ServiceId> = of_file.map(|it| it.id).collect();
            for (fields, is_enabled) in entries {
                let new = definition(*fields, 1, *is_enabled);
                match old.pop() {
                    Some(id) => plan.change.push((id, new)),
                    None => plan.add.push(new),
                }
            }
            plan.remove = old;
            Ok(plan)
        };
        let applied = self.f.writer.define_all(&mut plan, &AuditSource::FILE, self.now_ms);
        self.f.ledger.forget_all();
        let Ok(applied) = applied else { return };
        let removed = applied.plan.remove.iter().map(|id| (*id, None));
        let defined = applied.live.into_iter().map(|service| (service.id, Some(service)));
        self.published(removed.chain(defined).collect::<Vec<_>>());
    }

    fn reload_if_moved(&mut self) {
        if self.f.ledger.take_has_moved() {
            self.reload();
        }
    }

    fn reload(&mut self) {
        let all = self.f.writer.live_services(None).unwrap();
        self.overview.replace(all, self.now_ms);
    }

    fn check(&mut self) {
        let all = self.f.reader.live_services(None).unwrap();
        assert_eq!(all.len(), self.overview.len());
        for LiveService { id, definition, state } in &all {
            let shown = self.overview.service(*id).unwrap();
            let event = state.event.as_ref();
            let status = Status::new(definition.is_enabled, event.map(|event| event.state));
            assert_eq!(shown.name, definition.name.as_str());
            assert_eq!(shown.group, definition.group.as_ref().map(Group::as_str));
            assert_eq!(shown.status.status, status);
            assert_eq!(shown.since_ms, event.map(|event| event.since_ms), "{id}");
            assert_eq!(shown.failure, event.and_then(|event| event.failure.as_ref()));
            let can_flap = [Status::Up, Status::Down].contains(&status);
            assert_eq!(shown.status.is_flapping, can_flap && state.is_flapping);
        }
        let statuses = Status::ALL.map(Some).into_iter().chain([None]);
        let reasons = [None, Some(Reason::Timeout), Some(Reason::Missed)];
        let parts = [None, Some("a"), Some("API"), Some("_"), Some("page"), Some("secret")];
        for status in statuses {
            for (reason, group) in reasons.iter().zip([None, Some(""), Some("core")]) {
                self.compare(status, *reason, None, None);
                self.compare(status, None, group, None);
            }
            for part in parts.into_iter().chain([Some("u:"), Some("%"), Some("://two")]) {
                self.compare(status, None, None, part);
            }
        }
        self.compare(Some(Status::Down), Some(Reason::Timeout), Some("Core"), Some("w"));
    }

    fn compare(
        &mut self,
        status: Option<Status>,
        reason: Option<Reason>,
        group: Option<&str>,
        part: Option<&str>,
    ) {
        for page in [1, 2] {
            let page = PageRequest { page, limit: 3 };
            let (group, part) = (group.map(str::to_owned), part.map(str::to_owned));
            let groups = GroupLimit::NONE;
            let list = ListServices { status, part, group, reason, groups, page };
            let found = self.overview.find(&list.filter(), ServiceOrder::Id, page);
            let rows = list.clone().run(&mut *self.f.reader).unwrap();
            let ids: Vec<ServiceId> = rows.items.iter().map(|record| record.id).collect();
            assert_eq!((found.ids, found.total), (ids, rows.total), "{list:?}");
            assert!(rows.items.iter().all(|record| list.matches_state(record)));
        }
    }
}

fn lists_of_the_live_state_are_those_of_the_store(kind: Kind) {
    let cases = match kind {
        Kind::Sqlite => 48,
        Kind::Postgres => 6,
    };
    proptest!(ProptestConfig::with_cases(cases), |(
        steps in prop::collection::vec(any_step(), 1..24),
    )| {
        let mut world = World::new(kind);
        for step in &steps {
            world.take(step);
        }
        world.check();
        // A start reads the same.
        let all = world.f.reader.live_services(None).unwrap();
        let mut restarted = Overview::new(2);
        restarted.define(all.into_iter().map(|service| (service.id, Some(service))), world.now_ms);
        world.overview = restarted;
        world.check();
    });
}
