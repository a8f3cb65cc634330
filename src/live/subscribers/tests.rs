//! Streams as a client reads them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::access::GroupLimit;
use crate::domain::live::{
    ListedDefinition, LiveService, NewestEvent, ServiceState, ServiceUpdate, StateFilter,
};
use crate::domain::{EventFailure, Group, Name, Reason, State, StoredReason};
use crate::live::overview::CHANGES;

fn id(nth: i64) -> ServiceId {
    ServiceId::new(nth).unwrap()
}

/// A service without results, in the group `g1` or `g2`.
fn service(nth: i64) -> LiveService {
    let definition = ListedDefinition {
        name: Name::parse(&format!("service {nth}")).unwrap(),
        group: Group::parse(if nth % 2 == 0 { "g2" } else { "g1" }).unwrap(),
        is_enabled: true,
        url_parts: Vec::new(),
    };
    LiveService { id: id(nth), definition, state: ServiceState::default() }
}

fn overview(services: i64) -> Overview {
    let mut overview = Overview::new(7);
    overview.define((1..=services).map(|nth| (id(nth), Some(service(nth)))), 0);
    overview
}

fn began(state: State, since_ms: i64) -> ServiceUpdate {
    let failure = (state == State::Down).then(|| EventFailure {
        reason: StoredReason::Known(Reason::Status),
        detail: "503 Service Unavailable".to_owned(),
    });
    let event = Some(NewestEvent { state, since_ms, failure });
    ServiceUpdate { event, is_flapping: false, result: None, totals: None }
}

fn set(overview: &mut Overview, nth: i64, state: State, since_ms: i64) {
    overview.update([(id(nth), began(state, since_ms))]);
}

/// One event; its name is empty for an id alone, and `:` for a comment.
#[derive(Debug, Clone, PartialEq)]
struct Received {
    name: String,
    data: Value,
    /// The last event id after it.
    id: Option<LiveMoment>,
}

/// What a browser makes of the text.
fn parse(chunk: &str) -> Vec<Received> {
    assert!(chunk.ends_with("\n\n"), "{chunk}");
    let block = |block: &str| {
        let mut received = Received { name: String::new(), data: Value::Null, id: None };
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("event", name)) => received.name = name.to_owned(),
                Some(("data", data)) => received.data = serde_json::from_str(data).unwrap(),
                Some(("id", id)) => received.id = Some(id.parse().unwrap()),
                Some(("retry", ms)) => assert_eq!(ms, "2000"),
                _ => received.name = line.to_owned(),
            }
        }
        received
    };
    chunk.split_terminator("\n\n").map(block).collect()
}

struct Stream {
    subscriber: Subscriber,
    start: Instant,
}

impl Stream {
    fn of(view: LiveView, since: Option<LiveMoment>) -> Self {
        let start = Instant::now();
        Self { subscriber: Subscriber::new(view, since, start), start }
    }

    /// What the client receives at a second after the start, but for open alerts.
    fn at(&mut self, overview: &Overview, second: f64) -> Vec<Received> {
        let mut received = self.with_alerts(overview, second, Arc::default());
        received.retain(|event| event.name != "alerts");
        received
    }

    fn with_alerts(
        &mut self,
        overview: &Overview,
        second: f64,
        alerts: Arc<OpenAlertCounts>,
    ) -> Vec<Received> {
        let now = self.start + Duration::from_secs_f64(second);
        let chunk = self.subscriber.chunk(overview, &mut Texts::new(alerts), now, 1_000);
        chunk.map(|chunk| parse(&chunk)).unwrap_or_default()
    }
}

fn names(received: &[Received]) -> Vec<&str> {
    received.iter().map(|event| event.name.as_str()).collect()
}

#[test]
fn a_stream_begins_with_hello_and_continues_with_changes() {
    let mut overview = overview(2);
    let mut stream = Stream::of(LiveView::default(), None);
    let hello = stream.at(&overview, 0.0);
    let data = json!({"boot": 7, "seq": 2, "now_ms": 1_000});
    let moment = Some(overview.moment());
    assert_eq!(hello, [Received { name: "hello".to_owned(), data, id: moment }]);
    assert_eq!(stream.at(&overview, 0.25), []);

    set(&mut overview, 1, State::Up, 10);
    set(&mut overview, 1, State::Down, 20);
    overview.define([(id(2), None)], 0);
    let changes = stream.at(&overview, 0.5);
    assert_eq!(names(&changes), ["gone", "state", ""]);
    assert_eq!(changes[0].data, json!({"id": 2}));
    let expected = json!({"id": 1, "name": "service 1", "group": "g1", "state": "down",
        "flapping": false, "maintenance": false, "since_ms": 20, "reason": "status",
        "detail": "503 Service Unavailable", "last_result": null});
    assert_eq!(changes[1].data, expected, "the newest state alone");
    assert_eq!(changes[2].id, Some(overview.moment()));
}

#[test]
fn the_number_of_open_alerts_is_sent_at_first_and_when_it_changes() {
    let overview = overview(1);
    let groups = GroupLimit::to(["g1".to_owned()]);
    let mut limited = Stream::of(LiveView { groups, ..LiveView::default() }, None);
    let mut stream = Stream::of(LiveView::default(), None);
    let alerts = |groups: &[&str]| {
        Arc::new(OpenAlertCounts::of(groups.iter().map(|group| (true, Some(*group)))))
    };
    let mut at = |second, open: &[&str]| {
        let numbers = |received: &[Received]| -> Vec<u64> {
            let alerts = received.iter().filter(|event| event.name == "alerts");
            alerts.map(|event| event.data["open"].as_u64().unwrap()).collect()
        };
        let all = numbers(&stream.with_alerts(&overview, second, alerts(open)));
        (all, numbers(&limited.with_alerts(&overview, second, alerts(open))))
    };
    assert_eq!(at(0.0, &[]), (vec![0], vec![0]), "a page may be older");
    assert_eq!(at(0.25, &[]), (vec![], vec![]));
    assert_eq!(at(0.5, &["g1", "g2"]), (vec![2], vec![1]));
    assert_eq!(at(0.75, &["g1", "g2", "g2"]), (vec![3], vec![]));
}

#[test]
fn nothing_falls_between_a_page_and_its_stream() {
    let mut overview = overview(2);
    let page = overview.moment();
    set(&mut overview, 2, State::Up, 10);
    let received = Stream::of(LiveView::default(), Some(page)).at(&overview, 0.0);
    assert_eq!(names(&received), ["hello", "state", ""]);
    assert_eq!(received[0].id, Some(page), "a client that is cut off here continues there");
    assert_eq!(received[1].data["id"], 2);
}

#[test]
fn a_moment_of_another_run_or_too_long_ago_is_a_reset() {
    let mut overview = overview(1);
    let (known, other_run) = (overview.moment(), LiveMoment { boot: 6, seq: 1 });
    let events = |overview: &Overview, since| {
        let mut stream = Stream::of(LiveView::default(), Some(since));
        let received = stream.at(overview, 0.0);
        let later = stream.at(overview, 2.0);
        assert_eq!(later, [], "once");
        (names(&received).join(" "), received.last().unwrap().id)
    };
    assert_eq!(events(&overview, other_run), ("hello reset".to_owned(), Some(overview.moment())));
    for nth in 0..=CHANGES as i64 {
        set(&mut overview, 1, State::Up, nth);
    }
    assert_eq!(events(&overview, known), ("hello reset".to_owned(), Some(overview.moment())));
}

#[test]
fn of_many_changes_only_the_number_is_sent() {
    let most = CHANGES_MOST as i64;
    let mut overview = overview(most + 1);
    let mut stream = Stream::of(LiveView::default(), None);
    stream.at(&overview, 0.0);
    for nth in 1..=most {
        set(&mut overview, nth, State::Up, 10);
    }
    let mut same = Stream::of(LiveView::default(), Some(stream.subscriber.known.unwrap()));
    assert_ne!(names(&same.at(&overview, 0.0))[1], "many");
    set(&mut overview, most + 1, State::Up, 10);
    let received = stream.at(&overview, 0.25);
    assert_eq!(names(&received), ["many"]);
    let (data, moment) = (json!({"services": most + 1}), Some(overview.moment()));
    assert_eq!((&received[0].data, received[0].id), (&data, moment));
}

#[test]
fn a_slow_client_gets_the_newest_state_when_it_takes_again() {
    let mut overview = overview(1);
    let mut stream = Stream::of(LiveView::default(), None);
    stream.at(&overview, 0.0);
    let now = |second| stream.start + Duration::from_secs(second);
    let mut subscriber = Subscriber::new(LiveView::default(), None, stream.start);
    subscriber.chunk(&overview, &mut Texts::default(), now(0), 0);
    for second in 1..=29 {
        set(&mut overview, 1, State::Up, second);
        subscriber.blocked(now(second as u64));
        assert!(!subscriber.is_slow(now(second as u64)));
    }
    let chunk = subscriber.chunk(&overview, &mut Texts::default(), now(30), 0).unwrap();
    let received = parse(&chunk);
    assert_eq!(names(&received), ["state", "", "counts"]);
    assert_eq!(received[0].data["since_ms"], 29);
    subscriber.blocked(now(31));
    assert!(!subscriber.is_slow(now(60)), "it took a chunk at 30");
    assert!(subscriber.is_slow(now(61)));
    assert!(!subscriber.is_old(now(3_599)) && subscriber.is_old(now(3_600)));
}

#[test]
fn a_chunk_is_bounded_and_the_rest_follows() {
    let mut overview = overview(CHANGES_MOST as i64);
    let mut stream = Stream::of(LiveView::default(), None);
    stream.at(&overview, 0.0);
    for nth in 1..=CHANGES_MOST as i64 {
        set(&mut overview, nth, State::Down, 10);
    }
    let mut known = Vec::new();
    let mut chunks = 0;
    while known.len() < CHANGES_MOST {
        let now = stream.start + FLUSH_EVERY;
        let chunk = stream.subscriber.chunk(&overview, &mut Texts::default(), now, 0).unwrap();
        assert!(chunk.len() < CHUNK_BYTES + 1_024, "{}", chunk.len());
        let received = parse(&chunk);
        let states = received.iter().filter(|event| event.name == "state");
        known.extend(states.map(|event| event.data["id"].as_i64().unwrap()));
        chunks += 1;
    }
    assert!(chunks > 1);
    assert_eq!(known, Vec::from_iter(1..=CHANGES_MOST as i64));
    assert_eq!(stream.subscriber.known, Some(overview.moment()));
}

#[test]
fn counts_are_sent_once_a_second_with_the_groups_that_changed() {
    let mut overview = overview(4);
    // The view hides every service; counts are of all.
    let view = LiveView { services: Some([id(99)].into()), ..LiveView::default() };
    let mut stream = Stream::of(view, None);
    stream.at(&overview, 0.0);
    set(&mut overview, 1, State::Down, 10);
    assert_eq!(stream.at(&overview, 0.5), []);
    let received = stream.at(&overview, 1.0);
    assert_eq!(names(&received), ["counts"]);
    assert_eq!(received[0].data["counts"]["down"], 1);
    assert_eq!(received[0].data["counts"]["total"], 4);
    let groups = received[0].data["groups"].as_array().unwrap();
    assert_eq!((groups.len(), &groups[0]["name"]), (1, &json!("g1")));
    assert_eq!(groups[0]["counts"]["pending"], 1);
    set(&mut overview, 2, State::Up, 10);
    assert_eq!(stream.at(&overview, 1.9), []);
    assert_eq!(stream.at(&overview, 2.0)[0].data["groups"][0]["name"], "g2");
    assert_eq!(stream.at(&overview, 3.5), []);
}

#[test]
fn results_of_named_services_are_sent_every_five_seconds_the_newest_only() {
    let mut overview = overview(3);
    let view = LiveView { services: Some([id(1), id(2)].into()), ..LiveView::default() };
    let mut named = Stream::of(view, None);
    let mut all = Stream::of(LiveView::default(), None);
    named.at(&overview, 0.0);
    all.at(&overview, 0.0);
    for (nth, at_ms) in [(1, 1), (1, 2), (3, 1)] {
        let result = Some(LastResult { state: State::Up, at_ms, response_time_us: 1_500 });
        let update = ServiceUpdate { event: None, is_flapping: false, result, totals: None };
        overview.update([(id(nth), update)]);
    }
    assert_eq!(named.at(&overview, 4.9), []);
    let received = named.at(&overview, 5.0);
    assert_eq!(names(&received), ["ticks"]);
    assert_eq!(received[0].data, json!([[1, "up", 1.5]]));
    assert_eq!(named.at(&overview, 10.0), [], "no newer result");
    assert_eq!(all.at(&overview, 5.0), [], "it names no services");
}

#[test]
fn a_silent_stream_has_a_comment_every_fifteen_seconds() {
    let overview = overview(1);
    let mut stream = Stream::of(LiveView::default(), None);
    stream.at(&overview, 0.0);
    assert_eq!(stream.at(&overview, 14.9), []);
    assert_eq!(names(&stream.at(&overview, 15.0)), [":"]);
    assert_eq!(stream.at(&overview, 29.9), []);
    assert_eq!(names(&stream.at(&overview, 30.0)), [":"]);
}

/// A page: it applies the events of its stream, and fetches everything after `reset` or `many`.
struct Page {
    view: LiveView,
    states: BTreeMap<i64, Value>,
    last_id: LiveMoment,
}

fn in_view(overview: &Overview, view: &LiveView) -> BTreeMap<i64, Value> {
    let all = (1..=9).filter_map(|nth| overview.service(id(nth)));
    let seen = all.filter(|it| view.contains(it.id, it.group, it.status));
    seen.map(|it| (it.id.get(), json!([it.name, it.status.status.as_str(), it.since_ms]))).collect()
}

impl Page {
    fn fetched(overview: &Overview, view: LiveView) -> Self {
        Self { states: in_view(overview, &view), view, last_id: overview.moment() }
    }

    /// Reads the first `taken` events of a chunk.
    fn read(&mut self, overview: &Overview, chunk: &str, taken: usize) {
        for Received { name, data, id } in parse(chunk).into_iter().take(taken) {
            match name.as_str() {
                "state" => {
                    let shown = json!([data["name"], data["state"], data["since_ms"]]);
                    self.states.insert(data["id"].as_i64().unwrap(), shown);
                }
                "gone" => drop(self.states.remove(&data["id"].as_i64().unwrap())),
                "reset" | "many" => self.states = in_view(overview, &self.view),
                _ => {}
            }
            self.last_id = id.unwrap_or(self.last_id);
        }
    }
}

proptest! {
    /// Whenever a stream is cut, the page equals the API once a stream has been read to its end.
    #[test]
    fn a_page_whose_streams_are_cut_off_is_right_in_the_end(
        group in prop::option::of(prop::sample::select(vec!["g1", "g2"])),
        state in prop::option::of(prop::sample::select(StateFilter::ALL.to_vec())),
        rounds in prop::collection::vec(
            (prop::collection::vec((1i64..=9, 0usize..5), 0..6), prop::option::of(0usize..6)),
            1..12,
        ),
    ) {
        let view = LiveView { group: group.map(str::to_owned), state, ..LiveView::default() };
        let mut overview = overview(9);
        let mut page = Page::fetched(&overview, view.clone());
        let mut stream = Stream::of(view.clone(), Some(page.last_id));
        for (nth, (changes, cut)) in rounds.iter().enumerate() {
            for (service_id, change) in changes {
                match change {
                    0 => overview.define([(id(*service_id), None)], 0),
                    1 => overview.define([(id(*service_id), Some(service(*service_id)))], 0),
                    2 => set(&mut overview, *service_id, State::Up, nth as i64),
                    3 => set(&mut overview, *service_id, State::Down, nth as i64),
                    _ => set(&mut overview, *service_id, State::Unknown, nth as i64),
                }
            }
            let now = stream.start + FLUSH_EVERY * nth as u32;
            let chunk = stream.subscriber.chunk(&overview, &mut Texts::default(), now, 0);
            if let Some(chunk) = chunk {
                page.read(&overview, &chunk, cut.unwrap_or(usize::MAX));
            }
            match cut {
                Some(_) => stream = Stream::of(view.clone(), Some(page.last_id)),
                None => prop_assert_eq!(&page.states, &in_view(&overview, &view)),
            }
        }
        let last = stream.subscriber.chunk(&overview, &mut Texts::default(), stream.start, 0);
        if let Some(chunk) = last {
            page.read(&overview, &chunk, usize::MAX);
        }
        prop_assert_eq!(page.states, in_view(&overview, &view));
    }
}
