//! A long history, written as the service writes it, and then queried.
//!
//! Results of `BENCH_SERVICES` (100) services, one a minute for `BENCH_DAYS` (365) days, go through
//! the ledger in groups of 4,096; sealing and retention run when the upkeep of the service decides.
//! Time is simulated, files and disk are real. `BENCH_FILE` names the file and keeps it; ticks are
//! stored for `BENCH_RETENTION_DAYS` (30) days.

#![expect(clippy::unwrap_used, reason = "a failed benchmark ends")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use service_healthcheck::actors::upkeep::decision::{UpkeepPlan, UpkeepSettings};
use service_healthcheck::domain::PageRequest;
use service_healthcheck::domain::Retention;
use service_healthcheck::domain::Window;
use service_healthcheck::domain::access::GroupLimit;
use service_healthcheck::domain::audit::AuditSource;
use service_healthcheck::domain::{Counting, Failure, Outcome, Phases, Reason, ServiceId};
use service_healthcheck::spec;
use service_healthcheck::spec::Dialect;
use service_healthcheck::storage::history::check::check;
use service_healthcheck::storage::history::retention;
use service_healthcheck::storage::history::retention::Progress;
use service_healthcheck::storage::history::sealing::publish;
use service_healthcheck::storage::history::series::{GetSeries, Grid};
use service_healthcheck::storage::history::slice::Prepare;
use service_healthcheck::storage::history::ticks::ListTicks;
use service_healthcheck::storage::history::uptime::{GetTotals, GetUptime, ListUptime};
use service_healthcheck::storage::ledger::Ledger;
use service_healthcheck::storage::port::Query;
use service_healthcheck::storage::records::{Change, GetUsage};
use service_healthcheck::storage::{Store, StoreRead, StoreWrite};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// 2025-11-23.
const START_MS: i64 = 1_763_856_000_000;
/// Largest group of the recorder's buffer.
const GROUP: usize = 4_096;
const CHUNK_TICKS: u32 = 2_048;

fn main() {
    let number = |name: &str, default: i64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (services, days) = (number("BENCH_SERVICES", 100), number("BENCH_DAYS", 365));
    let stored_days = number("BENCH_RETENTION_DAYS", 30);
    let folder = tempfile::Builder::new().prefix("history").tempdir_in("target").unwrap();
    let kept = std::env::var_os("BENCH_FILE").map(PathBuf::from);
    let file = kept.unwrap_or_else(|| folder.path().join("year.db"));
    let store = Store::open_file(&file).unwrap();
    let mut writing = store.access().writer().unwrap();
    let mut reading = store.access().reader().unwrap();
    let ids: Vec<ServiceId> = (0..services).map(|nth| add(&mut *writing, nth)).collect();

    println!("{services} services, a result a minute each, for {days} days");
    let history = History { ids: &ids, days, stored_days };
    let end_ms = write(&mut *writing, &mut *reading, &history, &file);
    run_queries(&mut *reading, &ids, end_ms);
}

fn add(store: &mut dyn StoreWrite, nth: i64) -> ServiceId {
    let definition =
        serde_json::json!({"name": format!("service-{nth}"), "url": "http://example.org/"});
    let definition = spec::read(definition.as_object().unwrap(), Dialect::Api).unwrap();
    store.define(Change::Create(Box::new(definition)), &AuditSource::COMMAND, START_MS).unwrap().id
}

/// Deterministic noise (xorshift).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About `us` microseconds; one in a hundred is five times as long.
    fn about(&mut self, us: f64) -> Duration {
        let spread = (0..4).map(|_| self.next()).sum::<f64>() / 2.0 - 1.0;
        let tail = if self.next() < 0.01 { 5.0 } else { 1.0 };
        Duration::from_micros((us * (1.0 + 0.3 * spread) * tail) as u64)
    }
}

/// A result with all phases; a service is down for some minutes every few weeks.
fn outcome(id: ServiceId, at_ms: i64, noise: &mut Noise) -> Outcome {
    let phases = Phases {
        resolve: noise.about(400.0),
        connect: noise.about(12_000.0),
        tls: noise.about(25_000.0),
        processing: noise.about(40_000.0),
        transfer: noise.about(150.0),
    };
    let minute = at_ms / MINUTE_MS;
    let is_down = (minute + id.get() * 977) % 30_011 < 7;
    let failure = is_down.then(|| Failure::new(Reason::Status, "503 Service Unavailable"));
    Outcome {
        http_status: Some(if is_down { 503 } else { 200 }),
        phases,
        ..Outcome::without_details(id, at_ms, phases.total(), failure)
    }
}

/// What is written.
struct History<'a> {
    ids: &'a [ServiceId],
    days: i64,
    /// Ticks are deleted after so many days.
    stored_days: i64,
}

/// Writes the history, prints the figures, and returns the end of the history.
fn write(
    writing: &mut dyn StoreWrite,
    reading: &mut dyn StoreRead,
    history: &History<'_>,
    file: &Path,
) -> i64 {
    let History { ids, days, stored_days } = *history;
    let day = Duration::from_secs(86_400);
    let ticks = u32::try_from(stored_days).unwrap() * day;
    let retention = Retention { ticks, rollups: 1_830 * day, deliveries: 30 * day };
    let rules = UpkeepSettings { chunk_ticks: CHUNK_TICKS, retention };
    let mut upkeep = UpkeepPlan::new(rules, Instant::now());
    let (mut ledger, mut noise) = (Ledger::default(), Noise(88_172_645_463_325_252));
    let mut group = Vec::with_capacity(GROUP + ids.len());
    let mut spent = Spent::default();
    let written_before = written_bytes();
    let started = Instant::now();
    let mut sizes = Vec::new();

    for minute in 0..days * 1_440 {
        let minute_ms = START_MS + minute * MINUTE_MS;
        for id in ids {
            // Each service has its own phase in the minute, and is a few milliseconds late.
            let at_ms = minute_ms + id.get() * 577 % MINUTE_MS + (noise.next() * 4.0) as i64;
            group.push(outcome(*id, at_ms, &mut noise));
        }
        let now_ms = minute_ms + MINUTE_MS;
        if group.len() >= GROUP || minute + 1 == days * 1_440 {
            spent.commit(|| ledger.commit(writing, &group, now_ms).unwrap());
            spent.ticks += group.len() as u64;
            group.clear();
            let now = Instant::now();
            upkeep.note(ledger.fresh(), now);
            if upkeep.wants_seal(ids.len(), now) {
                let prepare = Prepare { chunk_ticks: CHUNK_TICKS as usize };
                ledger.sealing(spent.publish(|| writing.begin_sealing().unwrap()));
                while let Some(mut slice) = spent.prepare(|| prepare.run(reading).unwrap()) {
                    while !slice.is_published() {
                        let publish = || publish(writing, &mut slice, now_ms).unwrap();
                        ledger.sealed(spent.publish(publish).ticks);
                    }
                }
                spent.publish(|| writing.finish_sealing(now_ms).unwrap());
                ledger.sealing(false);
            }
        }
        if minute % 1_440 == 1_439 {
            let mut progress = Progress::default();
            while progress != Progress::Done {
                progress =
                    spent.retain(|| retention::step(writing, retention, progress, now_ms).unwrap());
            }
            if (minute / 1_440) % 30 == 29 {
                sizes.push(GetUsage.run(reading).unwrap().file_bytes as f64 / 1e6);
            }
        }
    }
    let elapsed = started.elapsed();
    let written = written_bytes() - written_before;
    let usage = GetUsage.run(reading).unwrap();
    let ticks = spent.ticks as f64;
    println!(
        "  {} ticks in {:.0} s: {:.0} a second",
        spent.ticks,
        elapsed.as_secs_f64(),
        ticks / elapsed.as_secs_f64()
    );
    println!(
        "  {:.1} bytes written a tick in all ({} of them to the log and the file)",
        written as f64 / ticks,
        file.display()
    );
    println!(
        "  {:.2} bytes a sealed tick, phases included",
        usage.sealed_bytes as f64 / usage.sealed_ticks as f64
    );
    println!("  file after each 30 days, MB: {sizes:.0?}");
    println!(
        "  now: {:.1} MB, {:.1} MB of it free; {} chunks, {} sealed ticks, {} fresh, \
         {} roll-ups, {} events",
        usage.file_bytes as f64 / 1e6,
        usage.free_bytes.unwrap_or(0) as f64 / 1e6,
        usage.chunks,
        usage.sealed_ticks,
        usage.fresh_ticks,
        usage.rollups,
        usage.events
    );
    spent.print();
    let checked = check(reading).unwrap();
    println!(
        "  checked: {} ticks, {} roll-ups, problems: {:?}",
        checked.ticks, checked.rollups, checked.problems
    );
    assert!(checked.problems.is_empty());
    START_MS + days * DAY_MS
}

/// Durations by kind of work.
#[derive(Default)]
struct Spent {
    ticks: u64,
    commits: Vec<Duration>,
    prepares: Vec<Duration>,
    publishes: Vec<Duration>,
    steps: Vec<Duration>,
}

impl Spent {
    fn commit<T>(&mut self, work: impl FnOnce() -> T) -> T {
        timed(&mut self.commits, work)
    }

    fn prepare<T>(&mut self, work: impl FnOnce() -> T) -> T {
        timed(&mut self.prepares, work)
    }

    fn publish<T>(&mut self, work: impl FnOnce() -> T) -> T {
        timed(&mut self.publishes, work)
    }

    fn retain<T>(&mut self, work: impl FnOnce() -> T) -> T {
        timed(&mut self.steps, work)
    }

    fn print(&mut self) {
        for (what, took) in [
            ("a commit of 4,096", &mut self.commits),
            ("preparing a slice (beside the writer)", &mut self.prepares),
            ("sealing it, a transaction (holds the writer)", &mut self.publishes),
            ("a step of retention (holds the writer)", &mut self.steps),
        ] {
            print(what, took);
        }
    }
}

fn timed<T>(took: &mut Vec<Duration>, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    took.push(started.elapsed());
    done
}

fn print(what: &str, took: &mut [Duration]) {
    took.sort();
    let at =
        |q: f64| took.get(((took.len() as f64 * q) as usize).min(took.len().saturating_sub(1)));
    let ms = |q: f64| at(q).map_or(0.0, |took| took.as_secs_f64() * 1e3);
    println!(
        "  {what}: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms ({} times)",
        ms(0.5),
        ms(0.99),
        ms(1.0),
        took.len()
    );
}

/// Bytes that this process has caused to be written to disk (proc(5), `write_bytes`).
fn written_bytes() -> u64 {
    procfs::process::Process::myself().unwrap().io().unwrap().write_bytes
}

/// Runs each query 200 times, for one service after the other.
fn run_queries(reading: &mut dyn StoreRead, ids: &[ServiceId], end_ms: i64) {
    let back = |days: i64| Window { from_ms: end_ms - days * DAY_MS, to_ms: end_ms };
    let mut query = |what: &str, run: &mut dyn FnMut(&mut dyn StoreRead, ServiceId)| {
        let mut took = Vec::new();
        for nth in 0..200 {
            timed(&mut took, || run(reading, ids[nth * 7 % ids.len()]));
        }
        print(what, &mut took);
    };
    let series = |grid: Grid| {
        move |reading: &mut dyn StoreRead, service_id: ServiceId| {
            let buckets = GetSeries { service_id, grid }.run(reading).unwrap();
            assert!(buckets.iter().any(|bucket| !bucket.is_empty()));
        }
    };
    query("series, 24 h in steps of 5 m", &mut series(Grid::over(back(1), 300_000)));
    query("series, 7 d in steps of 30 m", &mut series(Grid::over(back(7), 1_800_000)));
    query("series, 30 d in steps of 2 h", &mut series(Grid::over(back(30), 7_200_000)));
    query("series, 1 y in steps of 1 d", &mut series(Grid::over(back(365), DAY_MS)));
    query("series, 1 y in steps of 6 h", &mut series(Grid::over(back(365), DAY_MS / 4)));
    query("uptime, 90 d", &mut |reading, service_id| {
        let query = GetUptime { service_id, window: back(90), counting: Counting::default() };
        query.run(reading).unwrap();
    });
    query("uptime series, 1 y in steps of 1 d", &mut |reading, service_id| {
        let days = Grid::over(back(365), DAY_MS).starts();
        let windows = days.map(|from_ms| Window { from_ms, to_ms: from_ms + DAY_MS }).collect();
        GetTotals { service_id, windows }.run(reading).unwrap();
    });
    let list = |window: Window, reason: Option<Reason>| {
        move |reading: &mut dyn StoreRead, service_id: ServiceId| {
            let query =
                ListTicks { service_id, window, state: None, reason, before: None, limit: 100 };
            query.run(reading).unwrap();
        }
    };
    query("ticks, the newest 100", &mut list(Window::ALL, None));
    query(
        "ticks, 100 from 20 d ago",
        &mut list(Window { to_ms: end_ms - 20 * DAY_MS, ..Window::ALL }, None),
    );
    query("ticks, the newest 100 with a failure", &mut list(Window::ALL, Some(Reason::Status)));
    query("uptime of 100 services, 30 d", &mut |reading, _| {
        let page = PageRequest { page: 1, limit: 100 };
        ListUptime {
            window: back(30),
            counting: Counting::default(),
            groups: GroupLimit::NONE,
            page,
        }
        .run(reading)
        .unwrap();
    });
}
