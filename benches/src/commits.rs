//! Part 6: results through the recorder and the writer in this process, against an insert loop.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use procfs::process::Process;
use service_healthcheck::actors::access_registry::AccessRegistry;
use service_healthcheck::actors::current_windows::CurrentWindows;
use service_healthcheck::actors::last_results::LastResults;
use service_healthcheck::actors::messages::probing::{EndedProbe, Lease, ProbeEnd};
use service_healthcheck::actors::messages::recording::{Flush, ProbesEnded};
use service_healthcheck::actors::open_alerts::OpenAlerts;
use service_healthcheck::actors::push_keys::PushKeys;
use service_healthcheck::actors::recorder::{Recorder, RecorderDeps, RecorderSettings};
use service_healthcheck::actors::revision::Revision;
use service_healthcheck::actors::runtime::Runtime;
use service_healthcheck::actors::self_check::decision::SelfCheckSettings;
use service_healthcheck::actors::service_changes::ServiceChanges;
use service_healthcheck::actors::store::StoreActors;
use service_healthcheck::actors::store::marks::MarksSource;
use service_healthcheck::actors::store::readers::Readers;
use service_healthcheck::clock::unix_ms;
use service_healthcheck::config::Config;
use service_healthcheck::domain::alert::AlertMarks;
use service_healthcheck::domain::maintenance::windows::Windows;
use service_healthcheck::domain::{Outcome, Phases, ServiceId};
use service_healthcheck::live::live_state::LiveState;
use service_healthcheck::metrics::Telemetry;
use service_healthcheck::storage::Store;

use crate::figures::Turns;
use crate::floor;
use crate::prepare::{self, DATABASE, Services};
use crate::program::{self, Cpu, Metrics};
use crate::table::{Row, Table};

/// Services that the results belong to.
const SERVICES: i64 = 1_000;

/// Concurrent senders, each waits for its reply: the default number of probers.
const SENDERS: i64 = 1_024;

/// Outcomes in the recorder's buffer beyond which the senders wait: less than its limit.
const BUFFERED: i64 = 60_000;

/// Duration and number of the turns.
const LASTS: Duration = Duration::from_millis(2_500);
const TURNS: usize = 3;

/// One turn of the recorder.
struct Recorded {
    cpu_us: f64,
    rate: f64,
    bytes: f64,
    commits: f64,
}

/// All turns.
#[derive(Default)]
pub struct Took {
    pub floor_us: Turns,
    floor_rate: Turns,
    pub cpu_us: Turns,
    pub rate: Turns,
    bytes: Turns,
    commits: Turns,
}

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("6. Commit, through the recorder and its writer");
    report(table, &measure());
}

/// Measures floor and recorder in turns.
pub fn measure() -> Took {
    let mut took = Took::default();
    for _ in 0..TURNS {
        let floor = floor::inserts(Duration::from_secs(1));
        took.floor_us.push(floor.cpu_us);
        took.floor_rate.push(floor.rate);
        let recorded = record();
        took.cpu_us.push(recorded.cpu_us);
        took.rate.push(recorded.rate);
        took.bytes.push(recorded.bytes);
        took.commits.push(recorded.commits);
    }
    took
}

/// Adds the rows.
pub fn report(table: &mut Table, took: &Took) {
    let floor =
        format!("{:.1} µs, {:.0} a second", took.floor_us.median(), took.floor_rate.median());
    table.row(Row::new("insert loop, for each result", floor).spread(took.floor_us.spread(1)));
    let ratio = took.cpu_us.median() / took.floor_us.median();
    table.row(
        Row::new("CPU a result", format!("{:.1} µs", took.cpu_us.median()))
            .ratio(format!("{ratio:.2} × the insert loop"))
            .spread(took.cpu_us.spread(1)),
    );
    let ratio = took.rate.median() / took.floor_rate.median();
    table.row(
        Row::new("results a second", format!("{:.0}", took.rate.median()))
            .ratio(format!("{ratio:.2} × the insert loop"))
            .spread(took.rate.spread(0)),
    );
    table.row(
        Row::new("bytes written a result", format!("{:.0}", took.bytes.median()))
            .spread(took.bytes.spread(0)),
    );
    table.row(
        Row::new("commits a second, an fsync each", format!("{:.0}", took.commits.median()))
            .spread(took.commits.spread(0)),
    );
}

/// One turn of the recorder.
fn record() -> Recorded {
    let folder = program::folder();
    prepare::database(folder.path(), &[Services::new(SERVICES as usize, 9, LASTS)], false);
    let store = Store::open_file(&folder.path().join(DATABASE)).expect("a store");
    System::new().block_on(async {
        let log = slog::Logger::root(slog::Discard, slog::o!());
        // The receiver stays open to the end: each lifeline sends to it, at an orderly stop too.
        let (runtime, _deaths) = Runtime::new(Telemetry::new(), log);
        let telemetry = runtime.telemetry.clone();
        let recorder = start_recorder(&store, &runtime);
        let sending = Rc::new(Cell::new(true));
        for sender in 0..SENDERS {
            actix_rt::spawn(send(recorder.clone(), telemetry.clone(), sender, Rc::clone(&sending)));
        }
        actix_rt::time::sleep(Duration::from_millis(300)).await;
        let (before, started) = (counted(&telemetry), Instant::now());
        actix_rt::time::sleep(LASTS).await;
        let (after, elapsed) = (counted(&telemetry), started.elapsed().as_secs_f64());
        sending.set(false);
        let flushed = recorder.send(Flush).await.expect("the recorder lives");
        flushed.expect("everything is in the store");
        let results = after.recorded - before.recorded;
        Recorded {
            cpu_us: after.cpu.us_since(&before.cpu) / results,
            rate: results / elapsed,
            bytes: (after.written_bytes - before.written_bytes) as f64 / results,
            commits: (after.commits - before.commits) / elapsed,
        }
    })
}

/// Sends one result after the other, with a message and a reply each, while the buffer has room.
/// Probers send batches, which costs less.
async fn send(
    recorder: Addr<Recorder>,
    telemetry: Telemetry,
    sender: i64,
    sending: Rc<Cell<bool>>,
) {
    let mut nth = sender;
    while sending.get() {
        nth += SENDERS;
        let id = ServiceId::new(1 + nth % SERVICES).expect("positive");
        let phases = Phases {
            connect: Duration::from_micros(90 + nth.unsigned_abs() % 100),
            processing: Duration::from_micros(800 + nth.unsigned_abs() % 100),
            transfer: Duration::from_micros(10),
            ..Phases::default()
        };
        let outcome = Outcome {
            http_status: Some(200),
            phases,
            ..Outcome::without_details(id, unix_ms(), phases.total(), None)
        };
        let lease = Lease { slot: sender as usize, generation: nth.unsigned_abs() };
        let probe = EndedProbe { lease, end: ProbeEnd::Prompt, confirmation: None, answer: None };
        let ended = ProbesEnded(vec![(probe, Some(outcome))]);
        recorder.send(ended).await.expect("the recorder lives");
        while telemetry.buffered.get() > BUFFERED {
            actix_rt::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Counters at one instant.
struct Counted {
    recorded: f64,
    commits: f64,
    written_bytes: u64,
    cpu: Cpu,
}

fn counted(telemetry: &Telemetry) -> Counted {
    let metrics = Metrics::of(telemetry);
    let own = Process::myself().expect("this process");
    Counted {
        recorded: metrics.recorded(),
        commits: metrics.sum("service_healthcheck_commit_duration_seconds_count"),
        written_bytes: own.io().expect("its input and output").write_bytes,
        cpu: Cpu::own(),
    }
}

/// A recorder with its store actors, with the default settings.
fn start_recorder(store: &Store, runtime: &Runtime) -> Addr<Recorder> {
    let config = Config::from_lookup(|_| None).expect("the defaults are valid");
    let marks = (MarksSource::default(), AlertMarks::default());
    let stores = StoreActors::start(
        &store.access(),
        marks,
        None,
        config.services.defaults.interval.get(),
        runtime,
    );
    let settings = RecorderSettings {
        stopped_at_ms: None,
        liveness_interval: store.liveness_interval(config.storage.commit_window),
        buffer_limit: config.storage.buffer_limit,
        commit_window: config.storage.commit_window,
        defaults: config.services.defaults,
        self_check: SelfCheckSettings {
            window: config.self_check.window,
            share: config.self_check.share,
            limit: config.storage.buffer_limit,
        },
    };
    let (windows, access) = (CurrentWindows::new(Windows::default()), AccessRegistry::default());
    let live = Arbiter::new().handle();
    let shared = (windows.clone(), access.clone(), OpenAlerts::default());
    let live = LiveState::spawn(&live, Vec::new(), shared, 0, runtime);
    let deps = RecorderDeps {
        revision: Revision::default(),
        last_results: LastResults::default(),
        subscribers: Vec::new(),
        live: LiveState::recipients(&live),
        owned: store.access().owned(),
        written: stores.written.clone(),
        push_keys: PushKeys::default(),
        service_changes: ServiceChanges::default(),
        windows,
        access,
        writer: stores.writer_recipients(),
        readers: Readers::new(stores.readers.clone(), store.read_deadline()),
    };
    Recorder::new(settings, &[], deps, runtime).start()
}
