//! Part 14: queries over the history of 1,000 services, with Debian's Prometheus as the floor.

mod data;
mod prometheus;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use service_healthcheck::clock::unix_ms;

use crate::figures::Turns;
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};
use crate::ticks::{SlotResults, Ticks};
use data::{History, MINUTE_MS, PROBED, PROBED_INTERVAL, SERVICES};
use prometheus::Prometheus;

const TURNS: usize = 7;

/// Clients that query without a pause.
const CLIENTS: usize = 4;

/// Window for the lateness of probes; a whole number of rounds.
const WINDOW: Duration = Duration::from_secs(30);

/// Time for the last probes to end and to be committed, a quarter of their interval later.
const REST: Duration = Duration::from_secs(3);

/// Goals.
const MONTH_GOAL_MS: f64 = 100.0;
const QUARTER_GOAL_MS: f64 = 200.0;
const DAY_GOAL: f64 = 5.0;
const LATER_GOAL_MS: f64 = 5.0;

/// `QUERY_MAX_SAMPLES` of the second program, and the goal for its memory: samples, twice while
/// vectors grow, and pieces of text.
const FEW_SAMPLES: usize = 1_000_000;
const FEW_GOAL_MIB: f64 = 2.0 * 16.0 * FEW_SAMPLES as f64 / 1_048_576.0 + 32.0;

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("14. Queries, 1,000 services with a tick a minute");
    let target = Target::start(&Behaviour::Holding(0));
    let folder = program::folder();
    let history = History::ending(unix_ms());
    let written = history.write(folder.path(), target.port);
    table.progress(&format!("  {:.0} MiB", written as f64 / 1_048_576.0));
    let prometheus = Prometheus::over(|file| history.write_samples(file));
    table.progress(&format!("  blocks of Prometheus, {} samples", prometheus.samples));
    let program = Program::start(&program::own_binary(), folder.path(), &[]);

    report_folded(table, &program, &prometheus, &history);
    report_day(table, &program, &prometheus, &history);
    report_lateness(table, &program, &history, &mut Ticks::of(folder.path()));
    drop(program);
    report_memory(table, folder.path(), &history);
}

/// A query: its path, and the number of series and of points in its answer.
struct Query {
    path: String,
    series: usize,
    points: usize,
}

impl Query {
    fn instant(query: &str, at_ms: i64, series: usize) -> Self {
        let path = format!("/api/v1/query?query={}&time={}", escaped(query), seconds(at_ms));
        Self { path, series, points: series }
    }

    fn range(query: &str, from_ms: i64, to_ms: i64, step_s: i64, series: usize) -> Self {
        let (from, to) = (seconds(from_ms), seconds(to_ms));
        let query = escaped(query);
        let path = format!("/api/v1/query_range?query={query}&start={from}&end={to}&step={step_s}");
        let steps = (to_ms - from_ms) / (step_s * 1_000) + 1;
        Self { path, series, points: series * steps as usize }
    }

    /// Sums the values, after checking that series and points are there.
    fn checked_sum(&self, address: &str) -> f64 {
        let (status, body) = program::get(address, &self.path).expect("an answer");
        assert_eq!(status, 200, "{}: {body:.300}", self.path);
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let series = body["data"]["result"].as_array().expect("series");
        let values = |one: &Value| -> Vec<f64> {
            let value = |pair: &Value| pair[1].as_str().and_then(|text| text.parse().ok());
            match one.get("values") {
                Some(values) => values.as_array().into_iter().flatten().filter_map(value).collect(),
                None => value(&one["value"]).into_iter().collect(),
            }
        };
        let all: Vec<f64> = series.iter().flat_map(values).collect();
        assert_eq!((series.len(), all.len()), (self.series, self.points), "{}", self.path);
        all.iter().sum()
    }

    /// Milliseconds until the answer was there as a whole.
    fn took_ms(&self, address: &str) -> f64 {
        let started = Instant::now();
        let (status, _) = program::get(address, &self.path).expect("an answer");
        assert_eq!(status, 200, "{}", self.path);
        started.elapsed().as_secs_f64() * 1e3
    }
}

/// Answers of `query` by both, in turns: the milliseconds of each.
fn in_turns(query: &Query, ours: &str, theirs: &str) -> (Turns, Turns) {
    let (sum, expected) = (query.checked_sum(ours), query.checked_sum(theirs));
    let is_equal = (sum - expected).abs() <= 1e-9 * expected.abs();
    assert!(is_equal, "{}: {sum}, Prometheus {expected}", query.path);
    let (mut our_ms, mut their_ms) = (Turns::default(), Turns::default());
    for _ in 0..TURNS {
        our_ms.push(query.took_ms(ours));
        their_ms.push(query.took_ms(theirs));
    }
    (our_ms, their_ms)
}

fn report_folded(table: &mut Table, program: &Program, prometheus: &Prometheus, history: &History) {
    for (days, goal_ms) in [(30, MONTH_GOAL_MS), (90, QUARTER_GOAL_MS)] {
        let text = format!("avg_over_time(probe_success{{group=\"history\"}}[{days}d])");
        let query = Query::instant(&text, history.end_ms, SERVICES);
        let sum = query.checked_sum(&program.api);
        let expected = history.uptime_sum(days);
        assert!((sum - expected).abs() < 0.01, "{days} d: {sum}, expected {expected}");
        let mut took = Turns::default();
        (0..TURNS).for_each(|_| took.push(query.took_ms(&program.api)));
        let row = Row::new(
            format!("`avg_over_time(probe_success[{days}d])`, 1,000 services"),
            format!("{:.1} ms", took.median()),
        );
        let is_reached = took.median() <= goal_ms;
        table.row(row.spread(took.spread(1)).goal(&format!("≤ {goal_ms:.0} ms"), is_reached));
    }
    // Prometheus has a month of these services only.
    let few = data::WITH_MONTH;
    let text = format!("avg_over_time(probe_success{{name=~\"{}\"}}[30d])", data::NAMES_WITH_MONTH);
    let query = Query::instant(&text, history.end_ms, few);
    let (ours, theirs) = in_turns(&query, &program.api, &prometheus.address);
    let ratio = ours.median() / theirs.median();
    table.row(
        Row::new(
            format!("`avg_over_time(probe_success[30d])`, {few} services"),
            format!("{:.1} ms", ours.median()),
        )
        .spread(ours.spread(1))
        .ratio(format!("{ratio:.2} × Prometheus ({:.1} ms)", theirs.median()))
        .goal("≤ 1 ×", ratio <= 1.0),
    );
}

/// The query of a day at a minute.
fn day(history: &History) -> Query {
    let (from_ms, to_ms) = (history.end_ms - 1_440 * MINUTE_MS, history.end_ms);
    Query::range("probe_success{group=\"history\"}", from_ms, to_ms, 60, SERVICES)
}

fn report_day(table: &mut Table, program: &Program, prometheus: &Prometheus, history: &History) {
    let (ours, theirs) = in_turns(&day(history), &program.api, &prometheus.address);
    let ratio = ours.median() / theirs.median();
    table.row(
        Row::new(
            "`probe_success`, 24 h at a minute, 1,000 services",
            format!("{:.0} ms", ours.median()),
        )
        .spread(ours.spread(0))
        .ratio(format!("{ratio:.2} × Prometheus ({:.0} ms)", theirs.median()))
        .goal("≤ 5 ×", ratio <= DAY_GOAL),
    );
}

/// Clients that query until they are dropped.
struct Load {
    is_over: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    clients: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn start(address: &str, queries: &[Query]) -> Self {
        let (is_over, answers): (Arc<AtomicBool>, Arc<AtomicU64>) = Default::default();
        let clients = (0..CLIENTS).map(|nth| {
            let paths: Vec<String> = queries.iter().map(|query| query.path.clone()).collect();
            let address = address.to_owned();
            let (is_over, answers) = (Arc::clone(&is_over), Arc::clone(&answers));
            thread::spawn(move || {
                for path in paths.iter().cycle().skip(nth) {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    // Refused queries are part of the load.
                    if program::get(&address, path).is_ok() {
                        answers.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        });
        let clients = clients.collect();
        Self { is_over, answers, clients }
    }

    /// Returns the number of answers.
    fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("a client");
        }
        self.answers.load(Ordering::Relaxed)
    }
}

fn flat_out(history: &History) -> Vec<Query> {
    let month = "avg_over_time(probe_success{group=\"history\"}[30d])";
    vec![day(history), Query::instant(month, history.end_ms, SERVICES)]
}

fn report_lateness(table: &mut Table, program: &Program, history: &History, ticks: &mut Ticks) {
    let ids = SERVICES as i64 + 1..(SERVICES + PROBED) as i64 + 1;
    let mut lateness = |from_ms: i64| {
        let slots = from_ms..from_ms + WINDOW.as_millis() as i64;
        let end_ms = slots.end + REST.as_millis() as i64;
        thread::sleep(Duration::from_millis((end_ms - unix_ms()).max(0).unsigned_abs()));
        SlotResults::of(ticks, &ids, PROBED_INTERVAL, &slots)
    };
    let (idle_mib, _) = program.rss_mib();
    let quiet = lateness(unix_ms());
    let load = Load::start(&program.api, &flat_out(history));
    let beside = lateness(unix_ms());
    let answers = load.stop();
    let (_, most_mib) = program.rss_mib();
    let p99 = |results: &SlotResults| results.lateness_ms.at(0.99);
    let later_ms = p99(&beside) - p99(&quiet);
    table.row(Row::new(format!("lateness of {PROBED} services at 5 s, quiet"), quiet.summary()));
    table.row(
        Row::new(format!("… beside {CLIENTS} clients, {answers} answers"), beside.summary())
            .ratio(format!("p99 {later_ms:+.0} ms"))
            .goal("p99 ± 5 ms", later_ms.abs() <= LATER_GOAL_MS && beside.missed <= quiet.missed),
    );
    table.row(Row::new(
        "memory before that load, and at most",
        format!("{idle_mib:.0}, {most_mib:.0} MiB"),
    ));
}

/// A program whose queries may hold fewer samples than the queries need.
fn report_memory(table: &mut Table, folder: &std::path::Path, history: &History) {
    let samples = FEW_SAMPLES.to_string();
    let settings = [("QUERY_MAX_SAMPLES", samples.as_str()), ("QUERY_CONCURRENCY", "4")];
    let program = Program::start(&program::own_binary(), folder, &settings);
    // The readers of the store have read something, and metrics have been written.
    program::get(&program.api, "/api/v1/query?query=count(probe_success)").expect("an answer");
    let (idle_mib, _) = program.rss_mib();
    let load = Load::start(&program.api, &flat_out(history));
    thread::sleep(WINDOW / 3);
    let answers = load.stop();
    let refused =
        program.metrics().sum("service_healthcheck_queries_total{result=\"too_many_samples\"}");
    let (_, most_mib) = program.rss_mib();
    let growth = most_mib - idle_mib;
    table.row(
        Row::new(
            format!(
                "memory beyond idle, `QUERY_MAX_SAMPLES` 1,000,000, {CLIENTS} clients: {answers} \
                 answers, {refused} queries refused"
            ),
            format!("{growth:.0} MiB"),
        )
        .goal(&format!("≤ {FEW_GOAL_MIB:.0} MiB"), growth <= FEW_GOAL_MIB && refused > 0.0),
    );
}

/// Unix seconds of a moment.
fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// A query in a URL.
fn escaped(query: &str) -> String {
    let mut text = Vec::new();
    for byte in query.bytes() {
        if byte.is_ascii_alphanumeric() {
            text.push(byte);
        } else {
            // Writing to memory cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
