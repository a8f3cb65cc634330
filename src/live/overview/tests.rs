//! The overview against a model that keeps plain values and sorts them anew for every list.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::domain::access::GroupLimit;
use crate::domain::live::{
    Counts, LastResult, LiveStatus, LiveView, ServiceFilter, ServiceOrder, ServiceState,
    ServiceVersion, StateFilter,
};
use crate::domain::maintenance::{Maintenance, MaintenanceDefinition};
use crate::domain::{Origin, PageRequest, Reason, State, StoredReason, TickTotals};

const NOW_MS: i64 = 1_796_000_000_000;
const NAMES: [&str; 6] = ["api", "API", "web_1", "Ähre", "pay", "zoo"];
const GROUPS: [&str; 4] = ["", "core", "Core", "web"];
const URLS: [&[&str]; 3] = [&["http://a/x"], &["http://u:", "@Host/pay"], &["tcp://b:1"]];
const REASONS: [Reason; 2] = [Reason::Timeout, Reason::Missed];

fn id(nth: i64) -> ServiceId {
    ServiceId::new(nth).unwrap()
}

#[derive(Debug, Clone, PartialEq)]
struct Model {
    definition: ListedDefinition,
    state: ServiceState,
    result: Option<LastResult>,
    is_planned: bool,
}

impl Model {
    fn is_enabled(&self) -> bool {
        self.definition.is_enabled
    }

    fn group(&self) -> &str {
        self.definition.group.as_ref().map_or("", Group::as_str)
    }

    fn status(&self) -> LiveStatus {
        let event = self.state.event.as_ref().map(|event| event.state);
        let status = Status::new(self.definition.is_enabled, event);
        let is_flapping = self.state.is_flapping && [Status::Up, Status::Down].contains(&status);
        LiveStatus { status, is_flapping, is_planned: self.is_planned }
    }

    fn failure(&self) -> Option<&EventFailure> {
        self.state.event.as_ref()?.failure.as_ref()
    }

    fn matches(&self, filter: &ServiceFilter) -> bool {
        let ServiceFilter { state, part, group, reason, groups } = filter;
        let definition = &self.definition;
        let parts = definition.url_parts.iter().map(String::as_str);
        let contains = |part: &String| {
            [definition.name.as_str()]
                .into_iter()
                .chain(parts.clone())
                .any(|text| text.to_ascii_lowercase().contains(&part.to_ascii_lowercase()))
        };
        let known = |reason| StoredReason::Known(reason);
        state.is_none_or(|state| state.contains(self.status()))
            && part.as_ref().is_none_or(contains)
            && group.as_ref().is_none_or(|group| group == self.group())
            && groups.contains(Some(self.group()).filter(|name| !name.is_empty()))
            && reason.is_none_or(|reason| {
                self.failure().is_some_and(|failure| failure.reason == known(reason))
            })
    }

    fn in_view(&self, id: ServiceId, view: &LiveView) -> bool {
        view.services.as_ref().is_none_or(|ids| ids.contains(&id)) && self.matches(&view.filter())
    }
}

type Models = BTreeMap<ServiceId, Model>;

fn listed(models: &Models, filter: &ServiceFilter, order: ServiceOrder) -> Vec<ServiceId> {
    let mut matching: Vec<_> = models.iter().filter(|(_, it)| it.matches(filter)).collect();
    let text = |text: &str| (text.to_ascii_lowercase(), text.to_owned());
    let name = |id: &ServiceId, it: &Model| {
        let group = it.definition.group.as_ref().map(|group| text(group.as_str()));
        (group, text(it.definition.name.as_str()), *id)
    };
    if order != ServiceOrder::Id {
        matching.sort_by_key(|(id, it)| name(id, it));
    }
    let since = |it: &Model| it.state.event.as_ref().map(|event| event.since_ms);
    let newest_first = |it: &Model| std::cmp::Reverse(since(it));
    match order {
        ServiceOrder::Id | ServiceOrder::Name => {}
        ServiceOrder::Attention => {
            matching.sort_by_key(|(_, it)| (it.status().attention(), newest_first(it)));
        }
        ServiceOrder::Since => matching.sort_by_key(|(_, it)| newest_first(it)),
        ServiceOrder::Response => matching.sort_by_key(|(_, it)| {
            std::cmp::Reverse(it.result.map(|result| result.response_time_us))
        }),
    }
    matching.into_iter().map(|(id, _)| *id).collect()
}

fn check_lists(overview: &Overview, models: &Models, filter: &ServiceFilter) {
    let orders = ServiceOrder::WORDS.map(|(order, _)| order);
    for order in orders.into_iter().chain([ServiceOrder::Id]) {
        let expected = listed(models, filter, order);
        for (page, limit) in [(1, 1_000), (1, 3), (2, 2), (3, 2)] {
            let request = PageRequest { page, limit };
            let found = overview.find(filter, order, request);
            let skipped = request.offset() as usize;
            let expected_page: Vec<_> =
                expected.iter().skip(skipped).take(limit as usize).copied().collect();
            assert_eq!(found.total as usize, expected.len(), "{filter:?}");
            assert_eq!(found.ids, expected_page, "{filter:?} {order:?} {page}");
        }
    }
}

fn check_counts(overview: &Overview, models: &Models) {
    let mut all = Counts::default();
    let mut groups: BTreeMap<&str, Counts> = BTreeMap::new();
    for model in models.values() {
        all.add(model.status());
        groups.entry(model.group()).or_default().add(model.status());
    }
    assert_eq!(overview.counts(&GroupLimit::NONE), all);
    let limit = GroupLimit::to([String::new(), "core".to_owned(), "gone".to_owned()]);
    let mut visible = Counts::default();
    groups
        .iter()
        .filter(|(name, _)| ["", "core"].contains(name))
        .for_each(|(_, counts)| visible.add_all(counts));
    assert_eq!(overview.counts(&limit), visible);
    let names: Vec<_> = overview.groups(&limit).into_iter().map(|group| group.name).collect();
    let is_visible =
        |name: &Option<Group>| name.as_ref().is_none_or(|name| name.as_str() == "core");
    assert!(names.iter().all(is_visible), "{names:?}");
    assert_eq!(overview.len(), models.len());
    let found = overview.groups(&GroupLimit::NONE).into_iter();
    let found: BTreeMap<String, Counts> = found
        .map(|group| {
            (group.name.map(|it| it.as_str().to_owned()).unwrap_or_default(), group.counts)
        })
        .collect();
    assert_eq!(found, groups.into_iter().map(|(name, counts)| (name.to_owned(), counts)).collect());
}

fn check_services(overview: &Overview, models: &Models) {
    for nth in 1..=20 {
        let shown = overview.service(id(nth));
        let Some(model) = models.get(&id(nth)) else {
            assert_eq!(shown, None);
            continue;
        };
        let shown = shown.unwrap();
        assert_eq!(shown.name, model.definition.name.as_str());
        assert_eq!(shown.group.unwrap_or_default(), model.group());
        assert_eq!(shown.status, model.status());
        assert_eq!(shown.since_ms, model.state.event.as_ref().map(|event| event.since_ms));
        assert_eq!((shown.failure, shown.result), (model.failure(), model.result));
    }
}

#[derive(Debug, Clone)]
enum Step {
    Define {
        nth: i64,
        definition: ListedDefinition,
        state: ServiceState,
    },
    Remove(i64),
    Update(i64, ServiceUpdate),
    /// Maintenance of the services of a group.
    Plan(Option<&'static str>),
    /// All services are read anew.
    Replace(BTreeMap<i64, (ListedDefinition, ServiceState)>),
}

fn any_event() -> impl Strategy<Value = NewestEvent> {
    let failure = prop::option::of(prop_oneof![
        select(REASONS.to_vec()).prop_map(StoredReason::Known),
        Just(StoredReason::Other("later".to_owned())),
    ]);
    let failure = failure.prop_map(|reason| {
        reason.map(|reason| EventFailure { reason, detail: "detail".to_owned() })
    });
    (select(State::ALL.to_vec()), 0i64..6, failure)
        .prop_map(|(state, since_ms, failure)| NewestEvent { state, since_ms, failure })
}

fn any_definition() -> impl Strategy<Value = ListedDefinition> {
    let texts = (select(NAMES.to_vec()), select(GROUPS.to_vec()), select(URLS.to_vec()));
    (texts, prop::bool::weighted(0.8)).prop_map(|((name, group, url), is_enabled)| {
        ListedDefinition {
            name: Name::parse(name).unwrap(),
            group: Group::parse(group).unwrap(),
            is_enabled,
            url_parts: url.iter().map(|part| (*part).to_owned()).collect(),
        }
    })
}

fn any_state() -> impl Strategy<Value = ServiceState> {
    (prop::option::of(any_event()), any::<bool>())
        .prop_map(|(event, is_flapping)| ServiceState { event, is_flapping })
}

fn any_step() -> impl Strategy<Value = Step> {
    let nth = 1i64..=12;
    let state = any_state();
    let result = (select(State::ALL[..3].to_vec()), 0i64..9, 0u64..5)
        .prop_map(|(state, at_ms, response_time_us)| LastResult { state, at_ms, response_time_us });
    let update = (prop::option::of(any_event()), any::<bool>(), prop::option::of(result)).prop_map(
        |(event, is_flapping, result)| ServiceUpdate { event, is_flapping, result, totals: None },
    );
    prop_oneof![
        4 => (nth.clone(), any_definition(), state)
            .prop_map(|(nth, definition, state)| Step::Define { nth, definition, state }),
        1 => nth.clone().prop_map(Step::Remove),
        6 => (nth, update).prop_map(|(nth, update)| Step::Update(nth, update)),
        1 => prop::option::of(select(vec!["core", "web"])).prop_map(Step::Plan),
        1 => prop::collection::btree_map(1i64..=12, (any_definition(), any_state()), 0..12)
            .prop_map(Step::Replace),
    ]
}

fn any_filter() -> impl Strategy<Value = ServiceFilter> {
    let parts = vec!["a", "API", "P", "://", "@host", "u:@", "ähre", "Ä", "1"];
    (
        prop::option::of(select(StateFilter::ALL.to_vec())),
        prop::option::weighted(0.3, select(parts)),
        prop::option::weighted(0.3, select(vec!["", "core", "Core", "gone", " bad"])),
        prop::option::weighted(0.3, select(REASONS.to_vec())),
        any_limit(),
    )
        .prop_map(|(state, part, group, reason, groups)| ServiceFilter {
            state,
            part: part.map(str::to_owned),
            group: group.map(str::to_owned),
            reason,
            groups,
        })
}

fn any_limit() -> impl Strategy<Value = GroupLimit> {
    let names = prop::collection::btree_set(select(vec!["", "core", "gone", "web"]), 0..4);
    prop::option::weighted(0.3, names).prop_map(|names| {
        let names = names.map(|names| GroupLimit::to(names.into_iter().map(str::to_owned)));
        names.unwrap_or(GroupLimit::NONE)
    })
}

fn any_view() -> impl Strategy<Value = LiveView> {
    (
        prop::option::weighted(0.3, prop::collection::btree_set(1i64..=12, 0..6)),
        prop::option::weighted(0.4, select(vec!["", "core", "web"])),
        prop::option::weighted(0.4, select(StateFilter::ALL.to_vec())),
        any_limit(),
    )
        .prop_map(|(ids, group, state, groups)| LiveView {
            services: ids.map(|ids| ids.into_iter().map(id).collect()),
            group: group.map(str::to_owned),
            state,
            groups,
        })
}

/// Maintenance of the services of a group at [`NOW_MS`].
fn windows_of(group: Option<&str>) -> Windows {
    let maintenance = |group: &str| {
        let (from, to) = (NOW_MS / 1_000, NOW_MS / 1_000 + 1);
        let form = json!({"match": {"group": [group]}, "from": from, "to": to});
        let definition = MaintenanceDefinition::read(form.as_object().unwrap()).unwrap();
        Maintenance { id: 1, origin: Origin::Api, definition }
    };
    group.map(maintenance).into_iter().collect()
}

fn define(
    models: &mut Models,
    planned: Option<&str>,
    nth: i64,
    definition: &ListedDefinition,
    state: &ServiceState,
) {
    let result = models.get(&id(nth)).and_then(|model| model.result);
    let group = definition.group.as_ref().map(Group::as_str);
    let is_planned = planned.is_some() && planned == group;
    let (definition, state) = (definition.clone(), state.clone());
    models.insert(id(nth), Model { definition, state, result, is_planned });
}

fn take(overview: &mut Overview, models: &mut Models, planned: &mut Option<&str>, step: &Step) {
    match step {
        Step::Define { nth, definition, state } => {
            overview.define([added(*nth, definition.clone(), state.clone())], NOW_MS);
            define(models, *planned, *nth, definition, state);
        }
        Step::Replace(services) => {
            let all = services.iter().map(|(nth, (definition, state))| LiveService {
                id: id(*nth),
                definition: definition.clone(),
                state: state.clone(),
            });
            overview.replace(all.collect(), NOW_MS);
            models.retain(|id, _| services.contains_key(&id.get()));
            for (nth, (definition, state)) in services {
                define(models, *planned, *nth, definition, state);
            }
        }
        Step::Remove(nth) => {
            overview.define([(id(*nth), None)], NOW_MS);
            models.remove(&id(*nth));
        }
        Step::Update(nth, update) => {
            overview.update([(id(*nth), update.clone())]);
            if let Some(model) = models.get_mut(&id(*nth)) {
                if let Some(event) = &update.event {
                    model.state.event = Some(event.clone());
                }
                model.state.is_flapping = update.is_flapping;
                model.result = update.result.or(model.result);
            }
        }
        Step::Plan(group) => {
            overview.plan(windows_of(*group), NOW_MS);
            *planned = *group;
            for model in models.values_mut() {
                model.is_planned = group.is_some() && Some(model.group()) == *group;
            }
        }
    }
}

proptest! {
    #[test]
    fn every_list_and_count_is_that_of_the_model(
        steps in prop::collection::vec(any_step(), 1..40),
        filters in prop::collection::vec(any_filter(), 4),
    ) {
        let (mut overview, mut models) = (Overview::new(7), Models::new());
        let mut planned = None;
        for step in &steps {
            take(&mut overview, &mut models, &mut planned, step);
            check_counts(&overview, &models);
        }
        check_services(&overview, &models);
        check_lists(&overview, &models, &ServiceFilter::default());
        for filter in &filters {
            check_lists(&overview, &models, filter);
        }
    }

    /// A client that applies every change of its view has the same rows as one that fetches all.
    #[test]
    fn a_view_follows_its_changes(
        before in prop::collection::vec(any_step(), 0..12),
        rounds in prop::collection::vec(prop::collection::vec(any_step(), 0..12), 1..6),
        view in any_view(),
    ) {
        let (mut overview, mut models) = (Overview::new(7), Models::new());
        let mut planned = None;
        let take_all = |steps: &[Step], overview: &mut _, models: &mut _, planned: &mut _| {
            steps.iter().for_each(|step| take(overview, models, planned, step));
        };
        take_all(&before, &mut overview, &mut models, &mut planned);
        let in_view = |models: &Models| -> BTreeMap<ServiceId, Model> {
            let seen = models.iter().filter(|(id, model)| model.in_view(**id, &view));
            seen.map(|(id, model)| (*id, model.clone())).collect()
        };
        let visible = |model: &Model| {
            let mut visible = Model { result: None, ..model.clone() };
            if let Some(event) = visible.state.event.as_mut().filter(|_| !model.is_enabled()) {
                // A service that is paused shows no other state.
                event.state = State::Paused;
            }
            visible
        };
        let mut known = in_view(&models);
        let mut moment = overview.moment();
        for steps in &rounds {
            take_all(steps, &mut overview, &mut models, &mut planned);
            let changes = overview.changes_since(moment, &view, usize::MAX);
            let ViewChanges::Some { shown, gone } = changes else { panic!("{changes:?}") };
            let all: BTreeSet<_> = shown.iter().chain(&gone).collect();
            prop_assert_eq!(all.len(), shown.len() + gone.len(), "each is told once");
            if let Some(most) = all.len().checked_sub(1) {
                let many = overview.changes_since(moment, &view, most);
                prop_assert_eq!(many, ViewChanges::Many(all.len()));
            }
            for id in gone {
                known.remove(&id);
            }
            for id in shown {
                known.insert(id, models[&id].clone());
            }
            let now = in_view(&models);
            let names = |seen: &BTreeMap<ServiceId, Model>| -> Vec<(ServiceId, String)> {
                seen.iter().map(|(id, model)| (*id, format!("{:?}", visible(model)))).collect()
            };
            prop_assert_eq!(names(&known), names(&now));
            moment = overview.moment();
        }
        let other_run = LiveMoment { boot: 8, seq: 0 };
        prop_assert_eq!(overview.changes_since(other_run, &view, 1), ViewChanges::Unknown);
    }
}

fn definition(name: &str) -> ListedDefinition {
    ListedDefinition {
        name: Name::parse(name).unwrap(),
        group: None,
        is_enabled: true,
        url_parts: Vec::new(),
    }
}

type Defined = (ServiceId, Option<LiveService>);

fn added(nth: i64, definition: ListedDefinition, state: ServiceState) -> Defined {
    (id(nth), Some(LiveService { id: id(nth), definition, state }))
}

fn all_of(ids: RangeInclusive<i64>) -> impl Iterator<Item = Defined> {
    ids.map(|nth| added(nth, definition(&format!("s{nth}")), ServiceState::default()))
}

#[test]
fn the_overview_at_the_start_has_neither_changes_nor_spare_room() {
    let services = all_of(1..=1_000).filter_map(|(_, service)| service).collect();
    let mut overview = Overview::of(1, services, 0);
    assert_eq!((overview.len(), overview.moment()), (1_000, LiveMoment { boot: 2, seq: 0 }));
    assert_eq!((overview.entries.capacity(), overview.versions.capacity()), (1_000, 1_000));
    let moment = overview.moment();
    let changes = |overview: &Overview| overview.changes_since(moment, &LiveView::default(), 9);
    assert_eq!(changes(&overview), ViewChanges::Some { shown: vec![], gone: vec![] });
    overview.define([(id(7), None)], 0);
    assert_eq!(changes(&overview), ViewChanges::Some { shown: vec![], gone: vec![id(7)] });
}

#[test]
fn what_is_removed_leaves_nothing_behind() {
    let mut overview = Overview::new(1);
    overview.define(all_of(1..=1_000), 0);
    overview.define((1..=999).map(|nth| (id(nth), None)), 0);
    assert_eq!((overview.len(), overview.entries.len(), overview.order.len()), (1, 1, 1));
    let found = overview.find(
        &ServiceFilter { part: Some("S1000".to_owned()), ..ServiceFilter::default() },
        ServiceOrder::Name,
        PageRequest { page: 1, limit: 10 },
    );
    assert_eq!((found.ids, found.total), (vec![id(1_000)], 1));
}

#[test]
fn group_names_that_are_not_used_any_more_are_dropped_in_a_new_run() {
    let mut overview = Overview::new(1);
    for nth in 0..2_000 {
        let group = Group::parse(&format!("g{nth}")).unwrap();
        let definition = ListedDefinition { group, ..definition("a") };
        overview.define([added(1, definition, ServiceState::default())], 0);
    }
    assert_eq!(overview.groups(&GroupLimit::NONE).len(), 1);
    assert_eq!(overview.service(id(1)).unwrap().group, Some("g1999"));
    assert!(overview.moment().boot > 1, "clients fetch everything again");
}

#[test]
fn changes_beyond_those_that_are_known_are_unknown() {
    let mut overview = Overview::new(1);
    overview.define(all_of(1..=2), 0);
    let moment = overview.moment();
    for nth in 0..=CHANGES as i64 {
        let event = Some(NewestEvent { state: State::Up, since_ms: nth, failure: None });
        let update = ServiceUpdate { event, is_flapping: false, result: None, totals: None };
        overview.update([(id(1), update)]);
    }
    let view = LiveView::default();
    assert_eq!(overview.changes_since(moment, &view, 9), ViewChanges::Unknown);
    let later = LiveMoment { seq: moment.seq + 1, ..moment };
    let only_one = ViewChanges::Some { shown: vec![id(1)], gone: vec![] };
    assert_eq!(overview.changes_since(later, &view, 9), only_one);
    let future = LiveMoment { seq: overview.moment().seq + 1, ..moment };
    assert_eq!(overview.changes_since(future, &view, 9), ViewChanges::Unknown);
}

#[test]
fn a_version_is_of_everything_that_is_stored_of_a_service() {
    let mut overview = Overview::new(1);
    overview.define(all_of(1..=3), NOW_MS);
    let versions = |overview: &Overview| -> Vec<Option<ServiceVersion>> {
        let page = PageRequest { page: 1, limit: 10 };
        overview.find(&ServiceFilter::default(), ServiceOrder::Id, page).versions
    };
    let mut before = versions(&overview);
    assert!(before.iter().all(|version| version.unwrap().totals.is_none()), "not known yet");
    let mut only_the_second = |overview: &Overview, what: &str| {
        let now = versions(overview);
        let number = |version: Option<ServiceVersion>| version.map(|version| version.number);
        let pairs = before.iter().zip(&now);
        let changed: Vec<bool> = pairs.map(|(old, new)| number(*old) != number(*new)).collect();
        assert_eq!(changed, [false, true, false], "{what}");
        before = now;
    };
    let mut ticks = 0;
    let mut update = |overview: &mut Overview, event: Option<NewestEvent>, is_flapping| {
        ticks += 1;
        let totals = Some(TickTotals { tick_count: ticks, ..TickTotals::default() });
        let result = Some(LastResult { state: State::Up, at_ms: 5, response_time_us: 70 });
        overview.update([(id(2), ServiceUpdate { event, is_flapping, result, totals })]);
        assert_eq!(versions(overview)[1].unwrap().totals, totals);
    };
    let event = Some(NewestEvent { state: State::Up, since_ms: 5, failure: None });
    update(&mut overview, event.clone(), false);
    only_the_second(&overview, "an event");
    update(&mut overview, event, false);
    only_the_second(&overview, "an event that looks the same");
    update(&mut overview, None, true);
    only_the_second(&overview, "flapping");
    update(&mut overview, None, false);
    only_the_second(&overview, "no flapping any more");
    let numbers = |overview: &Overview| versions(overview).into_iter().map(|it| it.unwrap().number);
    let before_result = Vec::from_iter(numbers(&overview));
    update(&mut overview, None, false);
    assert_eq!(Vec::from_iter(numbers(&overview)), before_result, "a result alone");
    overview.alerts_changed([id(2), id(99)]);
    only_the_second(&overview, "an alert");
    assert!(versions(&overview)[1].unwrap().totals.is_some(), "the results are the same");
    let of_other = ServiceUpdate { event: None, is_flapping: false, result: None, totals: None };
    overview.update([(id(2), of_other)]);
    only_the_second(&overview, "results of another owner");
    assert_eq!(versions(&overview)[1].unwrap().totals, None);
    overview.define([added(2, definition("s2"), ServiceState::default())], NOW_MS);
    only_the_second(&overview, "a definition");
    assert_eq!(versions(&overview)[1].unwrap().totals, None, "until the next result");
    let group = Group::parse("core").unwrap();
    let in_group = ListedDefinition { group, ..definition("s2") };
    overview.define([added(2, in_group, ServiceState::default())], NOW_MS);
    only_the_second(&overview, "another group");
    overview.plan(windows_of(Some("core")), NOW_MS);
    assert_eq!(versions(&overview)[1], None, "under maintenance");
    overview.plan(Windows::default(), NOW_MS);
    assert!(versions(&overview)[1].is_some());

    let before = versions(&overview);
    overview.define(all_of(4..=200), NOW_MS);
    overview.define((4..=200).map(|nth| (id(nth), None)), NOW_MS);
    assert_eq!(overview.entries.len(), overview.versions.len());
    assert_eq!(versions(&overview), before, "of others");
    let all = all_of(1..=3).filter_map(|(_, service)| service);
    overview.replace(all.collect(), NOW_MS);
    assert!(versions(&overview).iter().zip(&before).all(|(new, old)| new != old), "all");
    assert!(versions(&overview).iter().all(|version| version.unwrap().totals.is_none()));
}

#[test]
fn a_result_alone_is_no_change() {
    let mut overview = Overview::new(1);
    overview.define(all_of(1..=1), 0);
    let moment = overview.moment();
    let result = Some(LastResult { state: State::Up, at_ms: 5, response_time_us: 70 });
    let update = ServiceUpdate { event: None, is_flapping: false, result, totals: None };
    overview.update([(id(1), update)]);
    assert_eq!((overview.moment(), overview.service(id(1)).unwrap().result), (moment, result));
}
