//! Part 1: CPU of a recorded probe, and the maximum rate.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::figures::Turns;
use crate::floor::{self, Cost, Pace};
use crate::prepare::{self, SERVICES_FILE, Services};
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{self, Behaviour, Target};
use crate::ticks::Ticks;

/// Enough probers for every pace, and few enough that all are busy when saturated.
const POOL_SIZE: &str = "64";

/// Time for what all services do once: begin the first event, build request heads, fill caches.
const WARM_UP: Duration = Duration::from_millis(1_300);

/// Duration of the insert loop in each turn.
const INSERTS_LAST: Duration = Duration::from_millis(400);

/// One pace with its durations.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub pace: Pace,
    /// Duration of the floors and of the service in each turn.
    floor_lasts: Duration,
    service_lasts: Duration,
    /// Goal over http, as a ratio to awc alone plus the insert loop.
    goal: Option<f64>,
}

const fn case(pace: Pace, floor_ms: u64, service_ms: u64, goal: Option<f64>) -> Case {
    Case {
        pace,
        floor_lasts: Duration::from_millis(floor_ms),
        service_lasts: Duration::from_millis(service_ms),
        goal,
    }
}

/// Cases over http.
const HTTP: [Case; 5] = [
    case(Pace::Paced(100), 1_500, 2_500, None),
    case(Pace::Paced(200), 1_500, 2_500, Some(1.5)),
    case(Pace::Paced(1_000), 1_500, 2_500, Some(1.3)),
    case(Pace::Paced(5_000), 1_000, 2_000, None),
    case(Pace::Saturated, 1_000, 3_000, Some(1.4)),
];

/// Cases over https, where the handshake dominates.
const HTTPS: [Case; 4] = [
    case(Pace::Paced(100), 1_500, 2_500, None),
    case(Pace::Paced(1_000), 1_500, 2_000, None),
    case(Pace::Paced(5_000), 1_000, 2_000, None),
    case(Pace::Saturated, 1_000, 2_000, None),
];

const HTTP_TURNS: usize = 3;
const HTTPS_TURNS: usize = 2;

/// Cases with a rule for alerts on every service.
const WITH_ALERTS: [Case; 2] =
    [case(Pace::Paced(1_000), 0, 4_000, None), case(Pace::Saturated, 0, 3_000, None)];

const ALERTS_TURNS: usize = 5;

/// Goal for a probe with a rule for alerts, as a ratio to one without.
const ALERTS_GOAL: f64 = 1.05;

/// Goal for probes a second, with nothing lost.
const RATE_GOAL: f64 = 10_000.0;

/// The cases of the smoke test, over http.
pub const SMOKE: [Case; 2] =
    [case(Pace::Saturated, 1_000, 3_000, None), case(Pace::Paced(1_000), 1_500, 3_000, None)];

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("1. CPU a recorded probe, a new connection each");
    let mut builds = vec![("this build", program::own_binary())];
    if let Ok(other) = std::env::var("BENCH_OTHER") {
        builds.push(("other build", PathBuf::from(other)));
    }
    let plain = Target::start(&Behaviour::Prompt);
    for case in HTTP {
        let took = measure(&builds, &plain, None, case, HTTP_TURNS);
        report(table, &builds, "http", case, &took);
    }
    let identity = tempfile::tempdir().expect("a folder");
    let certificate = target::write_identity(identity.path());
    let secured = Target::start(&Behaviour::Secured(identity.path().to_owned()));
    for case in HTTPS {
        let took = measure(&builds, &secured, Some(&certificate), case, HTTPS_TURNS);
        report(table, &builds, "https", case, &took);
    }
}

/// Measures what alerts on every service cost while none fires, and adds the rows.
pub fn alerts(table: &mut Table) {
    table.part("18. CPU a recorded probe over http, alerts on every service, none firing");
    let (binary, target) = (program::own_binary(), Target::start(&Behaviour::Prompt));
    for case in WITH_ALERTS {
        let plain = services(&target, case);
        let kinds = [plain, plain.with_alerts()];
        let mut served: [Served; 2] = Default::default();
        for _ in 0..ALERTS_TURNS {
            for (kind, served) in kinds.iter().zip(&mut served) {
                serve(&binary, kind, None, case, served);
            }
        }
        let [without, with] = served.map(|served| served.cost.cpu_us);
        let ratio = with.median() / without.median();
        let what = format!("{}: without, with", pace_name(case.pace));
        let measured = format!("{:.1}, {:.1} µs", without.median(), with.median());
        table.row(
            Row::new(what, measured)
                .ratio(format!("{ratio:.3} ×"))
                .goal(&format!("≤ {ALERTS_GOAL} ×"), ratio <= ALERTS_GOAL)
                .spread(with.spread(1)),
        );
    }
}

fn pace_name(pace: Pace) -> String {
    match pace {
        Pace::Saturated => "saturated".to_owned(),
        Pace::Paced(rate) => format!("{rate}/s"),
    }
}

/// All turns of one case.
#[derive(Default)]
pub struct Took {
    /// A bare loop, its TLS handshake included.
    pub bare: CostTurns,
    /// awc alone, over http only.
    pub awc: CostTurns,
    /// The insert loop.
    pub inserts: CostTurns,
    /// The service, for each build.
    pub services: Vec<Served>,
}

/// CPU and rate of the turns.
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

/// Results of one build of the service.
#[derive(Default)]
pub struct Served {
    pub cost: CostTurns,
    /// Outcomes that were dropped in all turns.
    pub dropped: f64,
    /// Most outcomes at the end of a turn that were neither counted, buffered nor running.
    pub lost: f64,
}

/// Measures floors and services in turns.
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
        let services = services(target, case);
        let services = if certificate.is_some() { services.secured() } else { services };
        for ((_, binary), served) in builds.iter().zip(&mut took.services) {
            serve(binary, &services, certificate, case, served);
        }
    }
    took
}

fn services(target: &Target, case: Case) -> Services {
    let (count, interval) = match case.pace {
        // Far more than possible.
        Pace::Saturated => (4_000, Duration::from_millis(100)),
        Pace::Paced(rate) => (rate as usize, Duration::from_secs(1)),
    };
    Services::new(count, target.port, interval)
}

/// One turn of the service.
fn serve(
    binary: &Path,
    services: &Services,
    certificate: Option<&Path>,
    case: Case,
    served: &mut Served,
) {
    let folder = program::folder();
    prepare::services_file(folder.path(), services);
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
    // The counters of one exposition are read while they grow, so the minimum of three counts.
    let lost = (0..3).map(|_| {
        let metrics = program.metrics();
        metrics.unaccounted() - metrics.buffered() - metrics.busy()
    });
    served.lost = served.lost.max(lost.fold(f64::INFINITY, f64::min));
}

fn report(table: &mut Table, builds: &[(&str, PathBuf)], scheme: &str, case: Case, took: &Took) {
    let pace = pace_name(case.pace);
    let inserts = took.inserts.cpu_us.median();
    let bare = took.bare.cpu_us.median();
    let awc = took.awc.cpu_us.median();
    let floor = |cost: &CostTurns| match case.pace {
        Pace::Saturated => {
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
    if case.pace == Pace::Saturated {
        let row = Row::new("insert loop, for each result", floor(&took.inserts));
        table.row(row.spread(took.inserts.cpu_us.spread(1)));
    }
    for ((name, _), served) in builds.iter().zip(&took.services) {
        let cpu_us = served.cost.cpu_us.median();
        let ratio = cpu_us / (awc + inserts);
        let mut ratios = format!("{:.2} × (bare + insert)", cpu_us / (bare + inserts));
        if scheme == "http" {
            ratios = format!("{ratio:.2} × (awc + insert), {ratios}");
        }
        let measured = format!("{cpu_us:.1} µs, {:.0} a second", served.cost.rate.median());
        let mut row = Row::new(format!("{scheme}, {pace}: **{name}**"), measured).ratio(ratios);
        if let Some(goal) = case.goal {
            row = row.goal(&format!("≤ {goal} × (awc + insert)"), ratio <= goal);
        }
        table.row(row.spread(served.cost.cpu_us.spread(1)));
        if case.pace == Pace::Saturated && scheme == "http" {
            let rate = &served.cost.rate;
            let lost = format!(
                "{:.0} a second, {:.0} dropped, {:.0} lost",
                rate.median(),
                served.dropped,
                served.lost.max(0.0)
            );
            let is_reached =
                rate.median() >= RATE_GOAL && served.dropped == 0.0 && served.lost <= 0.0;
            table.row(
                Row::new(format!("recorded over http, {name}"), lost)
                    .goal("≥ 10,000, nothing lost", is_reached)
                    .spread(rate.spread(0)),
            );
        }
    }
}
