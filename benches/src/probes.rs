//! Part 1: what a recorded probe costs, and how many a second there can be.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::figures::Turns;
use crate::floor::{self, Cost, Pace};
use crate::prepare::{self, SERVICES_FILE, Services};
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{self, Manners, Target};
use crate::ticks::Ticks;

/// Probers: enough for every pace, and few enough that flat out they are all at work.
const POOL_SIZE: &str = "64";

/// What all services do once before they are measured: begin their first event, make their heads, fill caches.
const WARM_UP: Duration = Duration::from_millis(1_300);

/// For how long the insert loop is measured in each turn.
const INSERTS_LAST: Duration = Duration::from_millis(400);

/// One pace, and for how long it is measured.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub pace: Pace,
    /// Of the floors and of the service in each turn.
    floor_lasts: Duration,
    service_lasts: Duration,
    /// What is to be reached over http, in proportion to awc alone and the insert loop.
    reach: Option<f64>,
}

const fn case(pace: Pace, floor_ms: u64, service_ms: u64, reach: Option<f64>) -> Case {
    Case {
        pace,
        floor_lasts: Duration::from_millis(floor_ms),
        service_lasts: Duration::from_millis(service_ms),
        reach,
    }
}

/// Over http.
const HTTP: [Case; 5] = [
    case(Pace::Paced(100), 1_500, 2_500, None),
    case(Pace::Paced(200), 1_500, 2_500, Some(1.5)),
    case(Pace::Paced(1_000), 1_500, 2_500, Some(1.3)),
    case(Pace::Paced(5_000), 1_000, 2_000, None),
    case(Pace::FlatOut, 1_000, 3_000, Some(1.4)),
];

/// Over https, where the handshake outweighs the rest.
const HTTPS: [Case; 4] = [
    case(Pace::Paced(100), 1_500, 2_500, None),
    case(Pace::Paced(1_000), 1_500, 2_000, None),
    case(Pace::Paced(5_000), 1_000, 2_000, None),
    case(Pace::FlatOut, 1_000, 2_000, None),
];

const HTTP_TURNS: usize = 3;
const HTTPS_TURNS: usize = 2;

/// Probes a second that are to be reached, with nothing lost.
const RATE_REACH: f64 = 10_000.0;

/// The cases of the smoke test, over http.
pub const SMOKE: [Case; 2] =
    [case(Pace::FlatOut, 1_000, 3_000, None), case(Pace::Paced(1_000), 1_500, 3_000, None)];

/// Measures and tells.
pub fn run(table: &mut Table) {
    table.part("1. CPU a recorded probe, a new connection each");
    let mut builds = vec![("this build", program::own_binary())];
    if let Ok(other) = std::env::var("BENCH_OTHER") {
        builds.push(("other build", PathBuf::from(other)));
    }
    let plain = Target::start(&Manners::Prompt);
    for case in HTTP {
        let took = measure(&builds, &plain, None, case, HTTP_TURNS);
        tell(table, &builds, "http", case, &took);
    }
    let identity = tempfile::tempdir().expect("a folder");
    let certificate = target::write_identity(identity.path());
    let secured = Target::start(&Manners::Secured(identity.path().to_owned()));
    for case in HTTPS {
        let took = measure(&builds, &secured, Some(&certificate), case, HTTPS_TURNS);
        tell(table, &builds, "https", case, &took);
    }
}

/// What the turns of one case gave.
#[derive(Default)]
pub struct Took {
    /// A bare loop, its TLS handshake included.
    pub bare: CostTurns,
    /// awc alone, over http only.
    pub awc: CostTurns,
    /// The insert loop.
    pub inserts: CostTurns,
    /// The service, each build.
    pub services: Vec<Served>,
}

/// CPU each and rate of the turns.
#[derive(Default)]
pub struct CostTurns {
    pub cpu_us: Turns,
    pub rate: Turns,
}

impl CostTurns {
    fn push(&mut self, cost: Cost) {
        self.cpu_us.push(cost.cpu_us);
        self.rate.push(cost.rate);
    }
}

/// What one build of the service gave.
#[derive(Default)]
pub struct Served {
    pub cost: CostTurns,
    /// Outcomes that were dropped in all turns.
    pub dropped: f64,
    /// The most outcomes of which nothing was known at the end of a turn, beside those that waited and those under way.
    pub lost: f64,
}

/// Floors and services in turn.
pub fn measure(
    builds: &[(&str, PathBuf)],
    target: &Target,
    certificate: Option<&Path>,
    case: Case,
    turns: usize,
) -> Took {
    let mut took = Took::default();
    took.services.resize_with(builds.len(), Served::default);
    for _ in 0..turns {
        match certificate {
            None => {
                took.bare.push(floor::bare(target, case.pace, case.floor_lasts));
                took.awc.push(floor::awc(target, case.pace, case.floor_lasts));
            }
            Some(file) => {
                took.bare.push(floor::secured(target, file, case.pace, case.floor_lasts));
            }
        }
        took.inserts.push(floor::inserts(INSERTS_LAST));
        for ((_, binary), served) in builds.iter().zip(&mut took.services) {
            serve(binary, target, certificate, case, served);
        }
    }
    took
}

/// One turn of the service.
fn serve(
    binary: &Path,
    target: &Target,
    certificate: Option<&Path>,
    case: Case,
    served: &mut Served,
) {
    let folder = program::folder();
    let (count, interval) = match case.pace {
        // Far more than can be done.
        Pace::FlatOut => (4_000, Duration::from_millis(100)),
        Pace::Paced(rate) => (rate as usize, Duration::from_secs(1)),
    };
    let services = Services::new(count, target.port, interval);
    let services = if certificate.is_some() { services.secured() } else { services };
    prepare::services_file(folder.path(), &services);
    let certificate = certificate.map(|file| file.to_string_lossy()).unwrap_or_default();
    let settings = [
        ("SERVICES_FILE", SERVICES_FILE),
        ("RUNNER_POOL_SIZE", POOL_SIZE),
        ("PROBE_CA_FILE", &*certificate),
    ];
    let program = Program::start(binary, folder.path(), &settings);
    std::thread::sleep(WARM_UP);
    let mut ticks = Ticks::of(folder.path());
    let (count, cpu, started) = (ticks.just_committed(), program.cpu(), Instant::now());
    std::thread::sleep(case.service_lasts);
    let count = ticks.just_committed() - count;
    let cpu_us = program.cpu().us_since(&cpu);
    served.cost.push(Cost {
        cpu_us: cpu_us / count as f64,
        rate: count as f64 / started.elapsed().as_secs_f64(),
    });
    served.dropped += program.metrics().dropped();
    // The numbers of one text are read one after the other while they grow, so the least of some is what counts.
    let lost = (0..3).map(|_| {
        let metrics = program.metrics();
        metrics.unaccounted() - metrics.buffered() - metrics.busy()
    });
    served.lost = served.lost.max(lost.fold(f64::INFINITY, f64::min));
}

fn tell(table: &mut Table, builds: &[(&str, PathBuf)], scheme: &str, case: Case, took: &Took) {
    let pace = match case.pace {
        Pace::FlatOut => "flat out".to_owned(),
        Pace::Paced(rate) => format!("{rate}/s"),
    };
    let inserts = took.inserts.cpu_us.median();
    let bare = took.bare.cpu_us.median();
    let awc = took.awc.cpu_us.median();
    let floor = |cost: &CostTurns| match case.pace {
        Pace::FlatOut => {
            format!("{:.1} µs, {:.0} a second", cost.cpu_us.median(), cost.rate.median())
        }
        Pace::Paced(_) => format!("{:.1} µs", cost.cpu_us.median()),
    };
    let loop_name = if scheme == "http" { "bare loop" } else { "bare loop with TLS" };
    let row = Row::new(format!("{scheme}, {pace}: {loop_name}"), floor(&took.bare));
    table.row(row.spread(took.bare.cpu_us.spread(1)));
    if scheme == "http" {
        let row = Row::new(format!("{scheme}, {pace}: awc alone"), floor(&took.awc));
        table.row(row.spread(took.awc.cpu_us.spread(1)));
    }
    if case.pace == Pace::FlatOut {
        let row = Row::new("insert loop, for each result", floor(&took.inserts));
        table.row(row.spread(took.inserts.cpu_us.spread(1)));
    }
    for ((name, _), served) in builds.iter().zip(&took.services) {
        let cpu_us = served.cost.cpu_us.median();
        let ratio = cpu_us / (awc + inserts);
        let mut told = format!("{:.2} × (bare + insert)", cpu_us / (bare + inserts));
        if scheme == "http" {
            told = format!("{ratio:.2} × (awc + insert), {told}");
        }
        let measured = format!("{cpu_us:.1} µs, {:.0} a second", served.cost.rate.median());
        let mut row = Row::new(format!("{scheme}, {pace}: **{name}**"), measured).ratio(told);
        if let Some(reach) = case.reach {
            row = row.reach(&format!("≤ {reach} × (awc + insert)"), ratio <= reach);
        }
        table.row(row.spread(served.cost.cpu_us.spread(1)));
        if case.pace == Pace::FlatOut && scheme == "http" {
            let rate = &served.cost.rate;
            let lost = format!(
                "{:.0} a second, {:.0} dropped, {:.0} lost",
                rate.median(),
                served.dropped,
                served.lost.max(0.0)
            );
            let is_reached =
                rate.median() >= RATE_REACH && served.dropped == 0.0 && served.lost <= 0.0;
            table.row(
                Row::new(format!("recorded over http, {name}"), lost)
                    .reach("≥ 10,000, nothing lost", is_reached)
                    .spread(rate.spread(0)),
            );
        }
    }
}
