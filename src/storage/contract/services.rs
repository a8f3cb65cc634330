//! Services: lists, changes, and the services file.

use super::fixture::{Fixture, Kind, for_each_store, outcome, plain};
use crate::domain::{
    Definition, Group, Origin, PageRequest, ServiceId, State, Target, Window, sample,
};
use crate::storage::error::StorageError;
use crate::storage::port::Query;
use crate::storage::records::{Change, FilePlan, ListServices, LoadedService};

for_each_store!(
    a_page_without_filters_has_the_living_services_in_order_and_their_number,
    a_plan_is_applied_as_a_whole_or_not_at_all,
    a_pause_is_an_event_and_its_end_is_unknown,
    a_search_finds_what_responses_show_of_a_url,
    a_name_is_unique_within_its_group_among_the_living,
);

fn a_name_is_unique_within_its_group_among_the_living(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let mut add = |group: &str| {
        let group = Group::parse(group).unwrap();
        let definition = Definition { group, ..sample::definition("a") };
        f.writer.define(Change::Create(Box::new(definition)), 0).map(|applied| applied.id)
    };
    let taken = |text: &str| Err(StorageError::Conflict(format!("name: {text}")));
    let (first, second) = (add("g").unwrap(), add("").unwrap());
    assert_ne!(first, second);
    assert_eq!(add("g"), taken(r#""g/a" is already taken in its group"#));
    assert_eq!(add(""), taken(r#""a" is already taken among the services without a group"#));
    f.writer.define(Change::Delete(second), 0).unwrap();
    let mut move_first = |group: &str| {
        let change = [("group".to_owned(), group.into())].into_iter().collect();
        let patch = crate::spec::Patch::new(change).unwrap();
        f.writer.define(Change::Update(first, patch), 0).map(|applied| applied.id)
    };
    assert_eq!(move_first(""), Ok(first));
    assert_eq!(move_first("h"), Ok(first));
}

fn a_page_without_filters_has_the_living_services_in_order_and_their_number(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 7);
    let ids = f.ids.clone();
    for deleted in [0, 3] {
        f.writer.define(Change::Delete(ids[deleted]), 0).unwrap();
    }
    let mut page = |page, group: Option<&str>| {
        let list = ListServices {
            status: None,
            part: None,
            group: group.map(str::to_owned),
            reason: None,
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
    let error = f.writer.define_all(&mut refused, 0).unwrap_err();
    assert_eq!(error, StorageError::Invalid(vec!["a problem".to_owned()]));

    let mut twice = |known: &[LoadedService]| {
        assert_eq!(known.len(), 1);
        let add = vec![sample::definition("a"), sample::definition("a")];
        Ok(FilePlan { add, ..FilePlan::default() })
    };
    let error = f.writer.define_all(&mut twice, 0).unwrap_err();
    assert!(matches!(error, StorageError::Conflict(_)), "{error:?}");
    assert_eq!(names(&mut f), std::slice::from_ref(&by_api));

    let applied = f.writer.define_all(&mut |_| Ok(add("a")), 0).unwrap();
    assert_eq!((applied.plan, applied.added.len()), (add("a"), 1));
    assert_eq!(names(&mut f), [by_api.clone(), ("a".to_owned(), Origin::File)]);

    let id = applied.added[0];
    let changed = Definition { enabled: false, ..sample::definition("a") };
    let change = FilePlan { change: vec![(id, changed.clone())], ..FilePlan::default() };
    f.writer.define_all(&mut |_| Ok(change.clone()), 0).unwrap();
    assert_eq!(f.reader.service(id).unwrap().definition, changed);
    let error = f.writer.define(Change::Delete(id), 0).unwrap_err();
    assert!(matches!(error, StorageError::Conflict(_)), "{error:?}");

    let remove = FilePlan { remove: vec![id], ..FilePlan::default() };
    f.writer.define_all(&mut |_| Ok(remove.clone()), 0).unwrap();
    assert_eq!(names(&mut f), [by_api]);
}

fn a_pause_is_an_event_and_its_end_is_unknown(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    f.commit(&[outcome(id, &plain(State::Up, 1_000))], 1_000);
    for (enabled, now_ms) in [(false, 2_000), (true, 3_000)] {
        let change = [("enabled".to_owned(), enabled.into())].into_iter().collect();
        let patch = crate::spec::Patch::new(change).unwrap();
        f.writer.define(Change::Update(id, patch), now_ms).unwrap();
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
    ] {
        let target = Target::parse(url).unwrap();
        let definition = Definition { target, ..sample::definition(name) };
        f.writer.define(Change::Create(Box::new(definition)), 0).unwrap();
    }
    for (part, expected) in [
        ("hunter", vec!["hunter2"]),
        ("2", vec!["a", "b", "c", "hunter2"]),
        ("h", vec!["a", "b", "c", "hunter2"]),
        ("ann:", vec!["a"]),
        ("page=2", vec!["a", "b"]),
        ("api_key", vec!["b"]),
        ("API_KEY=h", vec![]),
        ("ONE.example", vec!["a"]),
        ("100%", vec!["c"]),
        ("n:h", vec![]),
        (";jsessionid=", vec!["c"]),
        ("_", vec!["b"]),
    ] {
        let list = ListServices {
            status: None,
            part: Some(part.to_owned()),
            group: None,
            reason: None,
            page: PageRequest { page: 1, limit: 10 },
        };
        let page = list.run(&mut *f.reader).unwrap();
        let names: Vec<&str> =
            page.items.iter().map(|record| record.definition.name.as_str()).collect();
        let expected: Vec<&str> = expected;
        assert_eq!((names, page.total as usize), (expected.clone(), expected.len()), "{part}");
    }
}
