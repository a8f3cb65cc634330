//! The history as series of samples: ticks, events, and windows that roll-ups answer.

use std::sync::Arc;
use std::time::Duration;

use super::fixture::{Fixture, Kind, START_MS, for_each_store, outcomes, plain};
use super::retention::{HOUR_MS, MINUTE_MS};
use crate::domain::access::GroupLimit;
use crate::domain::audit::AuditSource;
use crate::domain::outcome::ProbeDetails;
use crate::domain::service::options::{HttpVersion, TlsVersion};
use crate::domain::{
    Definition, Group, Requests, Retention, ServiceId, State, StoredTick, Window, sample,
};
use crate::promql::{
    Answer, EvalError, Meter, Options, Results, SamplePool, Selected, Selection, Series, Source,
    Steps, instant, parse, range,
};
use crate::storage::history::check::check;
use crate::storage::history::samples::{Board, BoardSample, Catalog, CatalogSettings, StoreSource};
use crate::storage::ledger::Ledger;
use crate::storage::port::Query;
use crate::storage::records::{Change, GetFacts};

for_each_store!(
    a_folded_window_has_the_value_of_its_ticks,
    an_old_window_is_widened_and_an_old_sample_is_never_invented,
    series_follow_ticks_events_and_last_results,
    facts_are_samples_of_each_tick_as_long_as_they_hold,
    a_catalog_follows_the_changed_services_and_is_limited_to_groups,
    a_fold_counts_what_it_reads_and_keeps_its_points,
);

/// Hides that windows may be answered from roll-ups.
struct OnlySamples<'a>(&'a StoreSource<'a>);

impl Source for OnlySamples<'_> {
    fn select(&self, selection: &Selection<'_>, meter: &Meter<'_>) -> Result<Selected, EvalError> {
        self.0.select(selection, meter)
    }
}

#[derive(Clone, Copy)]
enum Times {
    At(i64),
    Over(Steps),
}

fn settings() -> CatalogSettings {
    CatalogSettings {
        job: "jobs".to_owned(),
        requests: Requests::Masked,
        default_interval: Duration::from_secs(60),
    }
}

/// The board of a program without results.
fn no_results(_: ServiceId) -> Vec<BoardSample> {
    Vec::new()
}

fn ask(store: &mut Fixture, board: &Board<'_>, query: &str, times: Times, folds: bool) -> Answer {
    let rows = &mut *store.reader;
    let catalog = Catalog::read(rows, &settings()).unwrap();
    let source = StoreSource::new(rows, &catalog, board, START_MS + 100 * HOUR_MS);
    let plain = OnlySamples(&source);
    let source: &dyn Source = if folds { &source } else { &plain };
    let pool = SamplePool::new(1_000_000);
    let meter = Meter::new(&pool, &|| None);
    let (query, options) = (parse(query).unwrap(), Options { lookback_ms: 300_000 });
    let answer = match times {
        Times::At(at_ms) => instant(&query, at_ms, options, source, &meter),
        Times::Over(steps) => range(&query, steps, options, source, &meter),
    };
    answer.unwrap()
}

fn series(answer: &Answer) -> &[Series] {
    match &answer.results {
        Results::Vector(series) | Results::Matrix(series) => series,
        other => panic!("{other:?}"),
    }
}

/// A tick each seven minutes for 60 hours, now and then down or unknown.
fn sixty_hours() -> Vec<StoredTick> {
    let states = |nth: i64| match nth % 11 {
        3 | 4 => State::Down,
        7 if nth % 5 == 0 => State::Unknown,
        _ => State::Up,
    };
    (0..514).map(|nth| plain(states(nth), START_MS + nth * 7 * MINUTE_MS)).collect()
}

/// Two services; the last ticks are not sealed.
fn stored(kind: Kind, ticks: &[StoredTick]) -> Fixture {
    let mut store = Fixture::new(kind.open(), 2);
    let mut now_ms = START_MS;
    for (nth, part) in ticks.chunks(150).enumerate() {
        now_ms = part.last().unwrap().at_ms;
        for id in store.ids.clone() {
            store.commit(&outcomes(id, part), now_ms);
        }
        if nth < 3 {
            store.seal(40, now_ms);
        }
    }
    assert!(now_ms > START_MS + 50 * HOUR_MS);
    store
}

fn assert_close(one: &Answer, other: &Answer, within: f64, query: &str) {
    let (one, other) = (series(one), series(other));
    assert_eq!(one.len(), other.len(), "{query}");
    for (one, other) in one.iter().zip(other) {
        assert_eq!(one.labels, other.labels, "{query}");
        assert_eq!(one.points.len(), other.points.len(), "{query}");
        for (one, other) in one.points.iter().zip(&other.points) {
            let difference = (one.value - other.value).abs();
            let is_close = difference <= within * one.value.abs().max(other.value.abs());
            assert!(is_close && one.at_ms == other.at_ms, "{query}: {one:?} {other:?}");
        }
    }
}

fn a_folded_window_has_the_value_of_its_ticks(kind: Kind) {
    let mut store = stored(kind, &sixty_hours());
    let end_ms = START_MS + 59 * HOUR_MS;
    let steps = Steps { start_ms: end_ms - 30 * HOUR_MS, end_ms, step_ms: 5 * HOUR_MS + 7_777 };
    for (functions, metrics) in [
        (
            &["avg", "count", "max", "min", "present", "sum"][..],
            &["probe_success", "probe_duration_seconds"][..],
        ),
        (
            &["avg", "count", "present", "sum"],
            &["probe_http_duration_seconds", "probe_dns_lookup_time_seconds"],
        ),
    ] {
        for (function, metric) in
            functions.iter().flat_map(|one| metrics.iter().map(move |metric| (one, metric)))
        {
            for window in ["6h", "9h30m", "2d"] {
                for at_ms in [end_ms, end_ms + 1_234_567, START_MS + 24 * HOUR_MS] {
                    let query = format!("{function}_over_time({metric}[{window}])");
                    for times in [Times::At(at_ms), Times::Over(steps)] {
                        let board = no_results;
                        let folded = ask(&mut store, &board, &query, times, true);
                        let exact = ask(&mut store, &board, &query, times, false);
                        assert!(series(&folded).len() >= 2, "{query}");
                        assert_close(&folded, &exact, 1e-9, &query);
                    }
                }
            }
        }
    }
    for q in ["0.03", "0.5", "0.97"] {
        let query = format!("quantile_over_time({q}, probe_success[1d])");
        let folded = ask(&mut store, &no_results, &query, Times::At(end_ms), true);
        let exact = ask(&mut store, &no_results, &query, Times::At(end_ms), false);
        assert_close(&folded, &exact, 1e-9, &query);
        assert!(folded.infos.is_empty());
        let query = format!("quantile_over_time({q}, probe_duration_seconds[1d])");
        let folded = ask(&mut store, &no_results, &query, Times::At(end_ms), true);
        assert!(folded.infos[0].contains("estimate"), "{:?}", folded.infos);
    }
}

fn an_old_window_is_widened_and_an_old_sample_is_never_invented(kind: Kind) {
    let ticks = sixty_hours();
    let mut store = stored(kind, &ticks);
    let now_ms = START_MS + 60 * HOUR_MS;
    let (kept, all) = (Duration::from_secs(20 * 3_600), Duration::from_secs(900 * 3_600));
    store.retain(Retention { ticks: kept, rollups: all, deliveries: all }, now_ms);
    let at_ms = START_MS + 30 * HOUR_MS + 90_000;
    let query = "count_over_time(probe_success[10h])";
    let answer = ask(&mut store, &no_results, query, Times::At(at_ms), true);
    let hours = |from: i64, to: i64| {
        let window = START_MS + from * HOUR_MS..START_MS + to * HOUR_MS;
        let known =
            |tick: &&StoredTick| window.contains(&tick.at_ms) && tick.state != State::Unknown;
        ticks.iter().filter(known).count() as f64
    };
    let counts: Vec<f64> = series(&answer).iter().map(|one| one.points[0].value).collect();
    assert_eq!(counts, [hours(20, 31); 2], "whole hours");
    assert!(answer.warnings[0].contains("widened to whole hours"), "{:?}", answer.warnings);
    // A plain selector, and a short window, where no tick is left.
    let answer = ask(&mut store, &no_results, "probe_success", Times::At(at_ms), true);
    assert!(series(&answer).is_empty());
    assert!(answer.warnings[0].contains("ticks are kept since"), "{:?}", answer.warnings);
    let query = "count_over_time(probe_success[30m])";
    let answer = ask(&mut store, &no_results, query, Times::At(at_ms), true);
    assert_eq!(series(&answer)[0].points[0].value, hours(29, 31));
    let query = "changes(probe_success[10h])";
    let answer = ask(&mut store, &no_results, query, Times::At(at_ms), true);
    assert!(series(&answer).is_empty() && !answer.warnings.is_empty());
}

fn series_follow_ticks_events_and_last_results(kind: Kind) {
    let mut store = Fixture::new(kind.open(), 1);
    let minute = |nth: i64| START_MS + nth * MINUTE_MS;
    let ticks = [
        plain(State::Up, minute(0)),
        plain(State::Down, minute(2) + 500),
        plain(State::Up, minute(4)),
        plain(State::Unknown, minute(6)),
        plain(State::Up, minute(8)),
    ];
    let id = store.ids[0];
    store.commit(&outcomes(id, &ticks), minute(8));
    let exit_code =
        BoardSample { name: "probe_plugin_exit_code", label: None, at_ms: minute(8), value: 2.0 };
    let board = |of: ServiceId| if of == id { vec![exit_code] } else { Vec::new() };
    let steps = Steps { start_ms: minute(0), end_ms: minute(9), step_ms: MINUTE_MS };
    let mut points = |query: &str| -> Vec<(i64, f64)> {
        let answer = ask(&mut store, &board, query, Times::Over(steps), true);
        let all = series(&answer).iter().flat_map(|one| &one.points);
        all.map(|point| ((point.at_ms - START_MS) / MINUTE_MS, point.value)).collect()
    };
    let success = [(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.0), (4, 1.0), (5, 1.0), (8, 1.0), (9, 1.0)];
    assert_eq!(points("probe_success"), success);
    let up = [(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.0), (4, 1.0), (5, 1.0), (8, 1.0), (9, 1.0)];
    assert_eq!(points("service_up"), up);
    assert_eq!(
        points("probe_http_status_code"),
        [
            (0, 200.0),
            (1, 200.0),
            (2, 200.0),
            (3, 0.0),
            (4, 200.0),
            (5, 200.0),
            (8, 200.0),
            (9, 200.0)
        ]
    );
    assert_eq!(points("probe_plugin_exit_code"), [(8, 2.0), (9, 2.0)]);
    let query = "label_replace(probe_success, \"x\", \"$1\", \"instance\", \"(.*)\")";
    let answer = ask(&mut store, &board, query, Times::At(minute(4)), true);
    let labels = &series(&answer)[0].labels;
    assert_eq!((labels.get("job"), labels.get("name")), ("jobs", "service-0"));
    assert_eq!(labels.get("service_id"), id.to_string());
    assert!(labels.get("instance").starts_with("http") && labels.get("group").is_empty());
}

fn facts_are_samples_of_each_tick_as_long_as_they_hold(kind: Kind) {
    let mut store = Fixture::new(kind.open(), 2);
    let minute = |nth: i64| START_MS + nth * MINUTE_MS;
    let [id, other] = store.ids[..] else { panic!("two services") };
    let (first_expiry, second_expiry) = (1_800_000_000, 1_900_000_000);
    let https = |expires_at, tls_version| ProbeDetails {
        address: Some("[::1]:443".parse().unwrap()),
        redirects: 1,
        http_version: Some(HttpVersion::Http2),
        tls_version: Some(tls_version),
        certificate_expires_at: Some(expires_at),
        ..ProbeDetails::default()
    };
    let old = || https(first_expiry, TlsVersion::Tls12);
    let new = || https(second_expiry, TlsVersion::Tls13);
    let none = ProbeDetails::default;
    // Minutes 4 and 5 have no connection, and 6 no network. Half a minute after 7 is too soon.
    let details = [
        (0, old()),
        (60, old()),
        (120, new()),
        (180, new()),
        (240, none()),
        (300, none()),
        (360, none()),
        (420, new()),
        (450, old()),
        (480, new()),
    ];
    for (second, details) in details {
        let at_ms = START_MS + second * 1_000;
        let state = match second {
            240 | 300 => State::Down,
            360 => State::Unknown,
            _ => State::Up,
        };
        let mut group = outcomes(id, &[plain(state, at_ms)]);
        group[0].details = details;
        group.extend(outcomes(other, &[plain(state, at_ms)]));
        store.commit(&group, at_ms);
        // The newest facts are read from the rows again.
        if second == 180 {
            store.ledger = Ledger::default();
        }
    }
    let window = Window { from_ms: START_MS, to_ms: minute(10) };
    let rows = store.reader.facts(&[id, other], window).unwrap();
    let times = |id| -> Vec<i64> {
        rows[&id].iter().map(|one| (one.at_ms - START_MS) / MINUTE_MS).collect()
    };
    assert_eq!((times(id), times(other)), (vec![0, 2, 4, 7], vec![0]));
    let mut newest = |id| GetFacts(id).run(&mut *store.reader).unwrap().unwrap();
    let expiries = [newest(id), newest(other)].map(|facts| facts.certificate_expires_at);
    assert_eq!(expiries, [Some(second_expiry), None]);
    assert!(check(&mut *store.reader).unwrap().problems.is_empty());

    let steps = Steps { start_ms: minute(0), end_ms: minute(8), step_ms: MINUTE_MS };
    let mut points = |query: &str| -> Vec<(i64, f64)> {
        let query = format!("{query}{{service_id=\"{id}\"}}");
        let answer = ask(&mut store, &no_results, &query, Times::Over(steps), true);
        let all = series(&answer).iter().flat_map(|one| &one.points);
        all.map(|point| ((point.at_ms - START_MS) / MINUTE_MS, point.value)).collect()
    };
    let at = |minutes: &[i64], value: f64| -> Vec<(i64, f64)> {
        minutes.iter().map(|minute| (*minute, value)).collect()
    };
    let (before, after) = (first_expiry as f64, second_expiry as f64);
    let expiries = [at(&[0, 1], before), at(&[2, 3, 7, 8], after)].concat();
    assert_eq!(points("probe_ssl_earliest_cert_expiry"), expiries);
    assert_eq!(points("probe_http_version"), at(&[0, 1, 2, 3, 7, 8], 2.0));
    assert_eq!(points("probe_ip_protocol"), at(&[0, 1, 2, 3, 7, 8], 6.0));
    let counted = |value| [at(&[0, 1, 2, 3], value), at(&[4, 5], 0.0), at(&[7, 8], value)].concat();
    assert_eq!(points("probe_http_redirects"), counted(1.0));
    assert_eq!(points("probe_http_ssl"), counted(1.0));
    let versions = [at(&[0, 1], 1.0), at(&[2, 3, 7, 8], 1.0)].concat();
    assert_eq!(points("probe_tls_version_info"), versions);
    let query = "probe_tls_version_info{version=\"TLS 1.3\"}";
    let answer = ask(&mut store, &no_results, query, Times::At(minute(3)), true);
    assert_eq!(series(&answer).len(), 1);
    let answer = ask(&mut store, &no_results, query, Times::At(minute(1)), true);
    assert!(series(&answer).is_empty());

    // What holds at the cutoff stays.
    let (day, kept) = (Duration::from_secs(86_400), Duration::from_secs(180));
    let retention = Retention { ticks: day, rollups: kept, deliveries: day };
    store.retain(retention, minute(8));
    let rows = store.reader.facts(&[id, other], window).unwrap();
    let count = |id| rows[&id].len();
    assert_eq!((count(id), count(other)), (2, 1), "of minutes 4 and 7; and the only one");
}

fn a_fold_counts_what_it_reads_and_keeps_its_points(kind: Kind) {
    let mut store = stored(kind, &sixty_hours());
    let rows = &mut *store.reader;
    let catalog = Catalog::read(rows, &settings()).unwrap();
    let source = StoreSource::new(rows, &catalog, &no_results, START_MS + 100 * HOUR_MS);
    let query = parse("avg_over_time(probe_success[9h30m])").unwrap();
    let end_ms = START_MS + 59 * HOUR_MS;
    let steps = Steps { start_ms: end_ms - 39 * HOUR_MS, end_ms, step_ms: 23 * MINUTE_MS };
    let options = Options { lookback_ms: 300_000 };
    let ask = |max_samples: usize| {
        let pool = SamplePool::new(max_samples);
        let meter = Meter::new(&pool, &|| None);
        let answer = range(&query, steps, options, &source, &meter)?;
        let points: usize = series(&answer).iter().map(|one| one.points.len()).sum();
        Ok((meter.held(), points, meter.peak()))
    };
    let (held, points, peak) = ask(1_000_000).unwrap();
    assert_eq!((held, points), (204, 204));
    assert!((1_000..20_000).contains(&peak), "windows, hours and ticks: {peak}");
    assert_eq!(ask(peak).unwrap().0, 204);
    assert_eq!(ask(peak - 1), Err(EvalError::TooManySamples(peak - 1)));
}

fn a_catalog_follows_the_changed_services_and_is_limited_to_groups(kind: Kind) {
    let mut store = Fixture::new(kind.open(), 3);
    let [first, second, third] = store.ids[..] else { panic!("three services") };
    let mut catalog = Catalog::read(&mut *store.reader, &settings()).unwrap();
    let ids = |catalog: &Catalog| catalog.services.iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(ids(&catalog), [first, second, third]);
    let mut define = |change| store.writer.define(change, &AuditSource::COMMAND, 0).unwrap().id;
    let group = Group::parse("core").unwrap();
    let added = Definition { group, ..sample::definition("added") };
    let added = define(Change::Create(Box::new(added)));
    define(Change::Delete(second));
    catalog.update(&mut *store.reader, &[added, second, first], &settings()).unwrap();
    assert_eq!(ids(&catalog), [first, third, added]);
    let named = |name: &str| catalog.services[2].series("probe_success", None).value(name);
    assert_eq!((named("name"), named("group"), named("job")), ("added", "core", "jobs"));

    let catalog = Arc::new(catalog);
    let seen = |groups: &[&str]| {
        ids(&catalog.seen_by(&GroupLimit::to(groups.iter().map(|it| (*it).to_owned()))))
    };
    assert_eq!(ids(&catalog.seen_by(&GroupLimit::NONE)), [first, third, added]);
    assert_eq!(seen(&["core"]), [added]);
    assert_eq!(seen(&["", "other"]), [first, third]);
    assert!(seen(&[]).is_empty());
}
