//! Services: lists, changes, and the services file.

use std::sync::Arc;

use super::fixture::{Fixture, Kind, for_each_store, outcome, plain};
use crate::domain::access::GroupLimit;
use crate::domain::audit::AuditSource;
use crate::domain::service::labels::Label;
use crate::domain::{
    Condition, Definition, Failure, Group, Name, Options, Origin, PageRequest, Reason, ServiceId,
    State, Target, Template, Window, sample,
};
use crate::storage::error::StorageError;
use crate::storage::history::uptime::GetSpans;
use crate::storage::port::Query;
use crate::storage::records::{
    Change, FilePlan, GetServices, ListEvents, ListServices, LoadedService,
};

for_each_store!(
    a_page_without_filters_has_the_living_services_in_order_and_their_number,
    services_by_id_come_in_the_order_of_the_ids,
    spans_by_id_are_those_that_overlap_the_window,
    a_plan_is_applied_as_a_whole_or_not_at_all,
    a_pause_is_an_event_and_its_end_is_unknown,
    a_search_finds_what_responses_show_of_a_url,
    a_name_is_unique_within_its_group_among_the_living,
    the_longest_name_and_group_are_stored,
    texts_with_nul_characters_are_refused_or_stored,
    a_search_for_a_nul_character_finds_nothing,
    a_limit_of_groups_holds_for_lists_and_their_totals,
);

fn a_limit_of_groups_holds_for_lists_and_their_totals(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    for (name, group) in [("a", "core"), ("b", "web"), ("c", ""), ("d", "core")] {
        let group = Group::parse(group).unwrap();
        let definition = Definition { group, ..sample::definition(name) };
        let change = Change::Create(Box::new(definition));
        let id = f.writer.define(change, &AuditSource::COMMAND, 0).unwrap().id;
        f.commit(&[outcome(id, &plain(State::Up, 1_000))], 2_000);
    }
    for (groups, expected) in [
        (&["core"][..], &["a", "d"][..]),
        (&["", "web"], &["b", "c"]),
        (&["Core"], &[]),
        (&[], &[]),
    ] {
        let groups = GroupLimit::to(groups.iter().map(|name| (*name).to_owned()));
        let page = PageRequest { page: 1, limit: 1 };
        let mut found = [Vec::new(), Vec::new(), Vec::new()];
        for number in 1..=3 {
            let page = PageRequest { page: number, ..page };
            let listed = ListServices { groups: groups.clone(), page, ..list(None, None) };
            let services = listed.run(&mut *f.reader).unwrap();
            let named = f.reader.named_services(Some(page), &groups).unwrap();
            let window = Window::ALL;
            let (service_id, state, reason) = (None, None, None);
            let groups = groups.clone();
            let events = ListEvents { service_id, window, state, reason, groups, page };
            let events = events.run(&mut *f.reader).unwrap();
            let total = expected.len() as u64;
            assert_eq!((services.total, named.total, events.total), (total, total, total));
            let names = services.items.iter().map(|it| it.definition.name.as_str().to_owned());
            found[0].extend(names);
            found[1].extend(named.items.into_iter().map(|service| service.name));
            found[2].extend(events.items.into_iter().map(|event| event.service_name));
        }
        for mut names in found {
            names.sort();
            assert_eq!(names, expected, "{groups:?}");
        }
    }
}

fn list(part: Option<&str>, group: Option<&str>) -> ListServices {
    ListServices {
        groups: GroupLimit::NONE,
        status: None,
        part: part.map(str::to_owned),
        group: group.map(str::to_owned),
        reason: None,
        page: PageRequest { page: 1, limit: 10 },
    }
}

/// PostgreSQL stores at most 2,704 bytes in a row of an index.
fn the_longest_name_and_group_are_stored(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    // Random enough to be incompressible.
    let text = |first: u32| {
        let chars =
            (first..).step_by(7_919).map(|c| 0x1_0000 + c.wrapping_mul(2_654_435_761) % 0x10_0000);
        chars
            .filter_map(char::from_u32)
            .filter(|c| !c.is_whitespace())
            .take(255)
            .collect::<String>()
    };
    let name = Name::parse(&text(1)).unwrap();
    let group = Group::parse(&text(2)).unwrap();
    assert_eq!(name.as_str().len() + group.as_ref().unwrap().as_str().len(), 2 * 4 * 255);
    let definition = Definition { name: name.clone(), group, ..sample::definition("a") };
    let created = f
        .writer
        .define(Change::Create(Box::new(definition.clone())), &AuditSource::COMMAND, 0)
        .unwrap();
    assert_eq!(f.reader.service(created.id).unwrap().definition, definition);
    let taken = f
        .writer
        .define(Change::Create(Box::new(definition)), &AuditSource::COMMAND, 0)
        .unwrap_err();
    assert!(matches!(taken, StorageError::Conflict(_)), "{taken:?}");
}

/// PostgreSQL stores no NUL character.
fn texts_with_nul_characters_are_refused_or_stored(kind: Kind) {
    assert!(Name::parse("a\0").is_err());
    assert!(Group::parse("a\0").is_err());
    assert!(Label::new("a", "b\0").is_err());
    assert!(Target::parse("http://h/\0").is_err());
    assert!(Condition::parse("[BODY] == a\0").is_err());
    let mut f = Fixture::new(kind.open(), 0);
    let body = Some(Template::literal("a\0b"));
    let options = Arc::new(Options { body, ..Options::default() });
    let definition = Definition { options, ..sample::definition("a") };
    let created = f
        .writer
        .define(Change::Create(Box::new(definition.clone())), &AuditSource::COMMAND, 0)
        .unwrap();
    assert_eq!(f.reader.service(created.id).unwrap().definition, definition);
    let mut outcome = outcome(created.id, &plain(State::Down, 1_000));
    // Not by its constructor, which escapes it.
    outcome.failure = Some(Failure { reason: Reason::Timeout, detail: "a\0b".to_owned() });
    f.commit(&[outcome], 1_000);
    let event = f.reader.service(created.id).unwrap().latest_event.unwrap();
    let detail = event.failure.unwrap().detail.replace('\0', "");
    assert_eq!(detail, "ab");
}

fn a_search_for_a_nul_character_finds_nothing(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let mut found = |part, group| {
        let page = list(part, group).run(&mut *f.reader).unwrap();
        assert_eq!(page.items.len() as u64, page.total);
        page.total
    };
    assert_eq!(found(Some("service-0"), None), 1);
    for part in ["\0", "service-0\0", "\0service-0", "service\0-0"] {
        assert_eq!(found(Some(part), None), 0, "{part:?}");
    }
    assert_eq!(found(None, Some("\0")), 0);
    assert_eq!(found(None, Some("a\0")), 0);
}

fn a_name_is_unique_within_its_group_among_the_living(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let mut add = |group: &str| {
        let group = Group::parse(group).unwrap();
        let definition = Definition { group, ..sample::definition("a") };
        f.writer
            .define(Change::Create(Box::new(definition)), &AuditSource::COMMAND, 0)
            .map(|applied| applied.id)
    };
    let taken = |text: &str| Err(StorageError::Conflict(format!("name: {text}")));
    let (first, second) = (add("g").unwrap(), add("").unwrap());
    assert_ne!(first, second);
    assert_eq!(add("g"), taken(r#""g/a" is already taken in its group"#));
    assert_eq!(add(""), taken(r#""a" is already taken among the services without a group"#));
    f.writer.define(Change::Delete(second), &AuditSource::COMMAND, 0).unwrap();
    let mut move_first = |group: &str| {
        let change = [("group".to_owned(), group.into())].into_iter().collect();
        let patch = crate::spec::Patch::new(change).unwrap();
        f.writer
            .define(Change::Update(first, patch), &AuditSource::COMMAND, 0)
            .map(|applied| applied.id)
    };
    assert_eq!(move_first(""), Ok(first));
    assert_eq!(move_first("h"), Ok(first));
}

fn a_page_without_filters_has_the_living_services_in_order_and_their_number(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 7);
    let ids = f.ids.clone();
    for deleted in [0, 3] {
        f.writer.define(Change::Delete(ids[deleted]), &AuditSource::COMMAND, 0).unwrap();
    }
    let mut page = |page, group: Option<&str>| {
        let list = ListServices {
            status: None,
            part: None,
            group: group.map(str::to_owned),
            reason: None,
            groups: GroupLimit::NONE,
            page: PageRequest { page, limit: 2 },
        };
        let page = list.run(&mut *f.reader).unwrap();
        (page.items.iter().map(|record| record.id).collect::<Vec<_>>(), page.total)
    };
    for (nth, expected) in [(1, vec![1, 2]), (2, vec![4, 5]), (3, vec![6]), (4, vec![])] {
        let expected: Vec<ServiceId> = expected.into_iter().map(|nth: usize| ids[nth]).collect();
        assert_eq!(page(nth, None), (expected.clone(), 5));
        assert_eq!(page(nth, Some("")), (expected, 5), "as with a filter");
    }
}

fn services_by_id_come_in_the_order_of_the_ids(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 5);
    let ids = f.ids.clone();
    f.commit(&[outcome(ids[4], &plain(State::Down, 1_000))], 1_000);
    f.writer.define(Change::Delete(ids[1]), &AuditSource::COMMAND, 0).unwrap();
    let unknown = ServiceId::new(ids[4].get() + 1).unwrap();
    let asked = vec![ids[4], ids[1], unknown, ids[0], ids[2]];
    let records = GetServices(asked).run(&mut *f.reader).unwrap();
    let expected: Vec<_> =
        [4, 0, 2].into_iter().map(|nth: usize| f.reader.service(ids[nth]).unwrap()).collect();
    assert_eq!(records, expected);
    assert_eq!(GetServices(Vec::new()).run(&mut *f.reader).unwrap(), []);
    let many: Vec<ServiceId> = (1..=5_000).filter_map(ServiceId::new).collect();
    let found = GetServices(many).run(&mut *f.reader).unwrap();
    assert_eq!(found.len(), 4, "more ids than a statement has parameters");
}

fn spans_by_id_are_those_that_overlap_the_window(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 3);
    let ids = f.ids.clone();
    for (at_ms, state) in [(1_000, State::Up), (2_000, State::Down), (3_000, State::Up)] {
        f.commit(&[outcome(ids[0], &plain(state, at_ms))], at_ms);
    }
    f.commit(&[outcome(ids[1], &plain(State::Up, 2_500))], 3_000);
    let mut spans = |from_ms, to_ms| {
        let query = GetSpans { ids: ids.clone(), window: Window { from_ms, to_ms } };
        let answer = query.run(&mut *f.reader).unwrap();
        let of = |id: &ServiceId| answer[id].events.iter().map(|span| (span.from_ms, span.to_ms));
        ids.iter().map(|id| of(id).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let (first, second, last) = ((1_000, Some(2_000)), (2_000, Some(3_000)), (3_000, None));
    let other = (2_500, None);
    assert_eq!(spans(0, 1_000), [vec![], vec![], vec![]]);
    assert_eq!(spans(0, 1_001), [vec![first], vec![], vec![]]);
    assert_eq!(spans(1_500, 2_500), [vec![first, second], vec![], vec![]]);
    assert_eq!(spans(2_000, 2_501), [vec![second], vec![other], vec![]]);
    assert_eq!(spans(9_000, 9_001), [vec![last], vec![other], vec![]]);
    assert_eq!(spans(i64::MIN, i64::MAX), [vec![first, second, last], vec![other], vec![]]);
}

fn a_plan_is_applied_as_a_whole_or_not_at_all(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let names = |f: &mut Fixture| -> Vec<(String, Origin)> {
        let services = f.reader.load_services().unwrap().into_iter();
        services
            .map(|service| (service.definition.name.as_str().to_owned(), service.origin))
            .collect()
    };
    let by_api = ("service-0".to_owned(), Origin::Api);
    let add = |name: &str| FilePlan { add: vec![sample::definition(name)], ..FilePlan::default() };

    let mut refused = |_: &[LoadedService]| Err(vec!["a problem".to_owned()]);
    let error = f.writer.define_all(&mut refused, &AuditSource::COMMAND, 0).unwrap_err();
    assert_eq!(error, StorageError::Invalid(vec!["a problem".to_owned()]));

    let mut twice = |known: &[LoadedService]| {
        assert_eq!(known.len(), 1);
        let add = vec![sample::definition("a"), sample::definition("a")];
        Ok(FilePlan { add, ..FilePlan::default() })
    };
    let error = f.writer.define_all(&mut twice, &AuditSource::COMMAND, 0).unwrap_err();
    assert!(matches!(error, StorageError::Conflict(_)), "{error:?}");
    assert_eq!(names(&mut f), std::slice::from_ref(&by_api));

    let applied = f.writer.define_all(&mut |_| Ok(add("a")), &AuditSource::COMMAND, 0).unwrap();
    assert_eq!((applied.plan, applied.added.len()), (add("a"), 1));
    assert_eq!(names(&mut f), [by_api.clone(), ("a".to_owned(), Origin::File)]);

    let id = applied.added[0];
    let changed = Definition { enabled: false, ..sample::definition("a") };
    let change = FilePlan { change: vec![(id, changed.clone())], ..FilePlan::default() };
    f.writer.define_all(&mut |_| Ok(change.clone()), &AuditSource::COMMAND, 0).unwrap();
    assert_eq!(f.reader.service(id).unwrap().definition, changed);
    let error = f.writer.define(Change::Delete(id), &AuditSource::COMMAND, 0).unwrap_err();
    assert!(matches!(error, StorageError::Conflict(_)), "{error:?}");

    let remove = FilePlan { remove: vec![id], ..FilePlan::default() };
    f.writer.define_all(&mut |_| Ok(remove.clone()), &AuditSource::COMMAND, 0).unwrap();
    assert_eq!(names(&mut f), [by_api]);
}

fn a_pause_is_an_event_and_its_end_is_unknown(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    f.commit(&[outcome(id, &plain(State::Up, 1_000))], 1_000);
    for (enabled, now_ms) in [(false, 2_000), (true, 3_000)] {
        let change = [("enabled".to_owned(), enabled.into())].into_iter().collect();
        let patch = crate::spec::Patch::new(change).unwrap();
        f.writer.define(Change::Update(id, patch), &AuditSource::COMMAND, now_ms).unwrap();
        f.ledger.forget(id);
    }
    f.commit(&[outcome(id, &plain(State::Up, 4_000))], 4_000);
    let spans = f.reader.spans(&[id], Window::ALL).unwrap().remove(&id).unwrap();
    let spans: Vec<_> = spans.iter().map(|span| (span.state, span.from_ms)).collect();
    let (up, paused, unknown) = (State::Up, State::Paused, State::Unknown);
    assert_eq!(spans, [(up, 1_000), (paused, 2_000), (unknown, 3_000), (up, 4_000)]);
    f.assert_consistent();
}

fn a_search_finds_what_responses_show_of_a_url(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    for (name, url) in [
        ("a", "https://ann:hunter2@one.example/p?page=2"),
        ("b", "https://hunter2@two.example/?Api_Key=hunter2&page=2"),
        ("c", "https://three.example/;jsessionid=hunter2?q=100%25#sig=hunter2"),
        ("hunter2", "https://four.example/"),
        // Their lower case is another letter, which only some stores fold.
        ("\u{c4}hre", "tcp://x:1"),
        ("kelvin \u{212a}", "tcp://x:1"),
    ] {
        let target = Target::parse(url).unwrap();
        let definition = Definition { target, ..sample::definition(name) };
        f.writer.define(Change::Create(Box::new(definition)), &AuditSource::COMMAND, 0).unwrap();
    }
    for (part, expected) in [
        ("hunter", vec!["hunter2"]),
        ("2", vec!["a", "b", "c", "hunter2"]),
        ("h", vec!["a", "b", "c", "hunter2", "\u{c4}hre"]),
        ("ann:", vec!["a"]),
        ("page=2", vec!["a", "b"]),
        ("api_key", vec!["b"]),
        ("API_KEY=h", vec![]),
        ("ONE.example", vec!["a"]),
        ("100%", vec!["c"]),
        ("n:h", vec![]),
        (";jsessionid=", vec!["c"]),
        ("_", vec!["b"]),
        ("\u{c4}hre", vec!["\u{c4}hre"]),
        ("\u{e4}hre", vec![]),
        ("\u{212a}", vec!["kelvin \u{212a}"]),
        ("kelvin k", vec![]),
        ("KELVIN", vec!["kelvin \u{212a}"]),
    ] {
        let page = list(Some(part), None).run(&mut *f.reader).unwrap();
        let names: Vec<&str> =
            page.items.iter().map(|record| record.definition.name.as_str()).collect();
        let expected: Vec<&str> = expected;
        assert_eq!((names, page.total as usize), (expected.clone(), expected.len()), "{part}");
    }
}
