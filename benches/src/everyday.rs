//! Part 13: what the usual load costs, which is small: CPU, bytes on the disk, wake-ups, memory.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::figures::Turns;
use crate::floor;
use crate::prepare::{self, SERVICES_FILE, Services};
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};
use crate::ticks::Ticks;

/// Turns of the bare loop, and of the service.
const TURNS: u32 = 5;

/// Longest wait for a commit at the end of a turn: more than any commit window.
const COMMIT_WITHIN: Duration = Duration::from_secs(12);

/// Services of the case that takes three rounds to fill its caches.
const FLEET: usize = 100_000;

/// Services of one interval and what they are to cost.
#[derive(Debug, Clone, Copy)]
struct Case {
    count: usize,
    interval: Duration,
    /// Rounds of which the next one is measured. In each, the bare loop runs beside the service.
    rounds: &'static [Round],
    goals: &'static [Goal],
}

/// A round with the bare loop, and the measured round behind it.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// Name of the measured round in the table.
    name: &'static str,
    /// Goal for the CPU of a probe, as a ratio to the bare loop.
    cpu_goal: Option<f64>,
}

/// A goal for one figure of the last round.
#[derive(Debug, Clone, Copy)]
enum Goal {
    BytesAProbe(f64),
    BytesAMinute(f64),
    WakeUps(f64),
    ShareOfACore(f64),
}

const fn case(
    count: usize,
    seconds: u64,
    rounds: &'static [Round],
    goals: &'static [Goal],
) -> Case {
    Case { count, interval: Duration::from_secs(seconds), rounds, goals }
}

const fn second_round(cpu_goal: Option<f64>) -> Round {
    Round { name: "", cpu_goal }
}

const CASES: [Case; 5] = [
    case(
        100,
        60,
        &[second_round(None)],
        &[Goal::ShareOfACore(0.15), Goal::BytesAMinute(200_000.0)],
    ),
    case(1_000, 60, &[second_round(Some(2.0))], &[Goal::BytesAProbe(1_000.0), Goal::WakeUps(3.0)]),
    case(10_000, 60, &[second_round(None)], &[]),
    case(1_000, 10, &[second_round(Some(1.4))], &[Goal::BytesAProbe(600.0)]),
    case(
        FLEET,
        60,
        &[
            Round { name: ", second minute", cpu_goal: Some(1.4) },
            Round { name: ", fourth minute", cpu_goal: Some(1.2) },
        ],
        &[],
    ),
];

/// Goals for the memory of the fleet, in MiB: from a file, its peak, and from the database.
const FLEET_RSS_MIB: f64 = 130.0;
const FLEET_PEAK_MIB: f64 = 150.0;
const FLEET_DATABASE_MIB: f64 = 110.0;

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("13. Everyday load, services from a file");
    let mut builds = vec![("this build", program::own_binary())];
    if let Ok(other) = std::env::var("BENCH_OTHER") {
        builds.push(("other build", PathBuf::from(other)));
    }
    let target = Target::start(&Behaviour::Prompt);
    for case in CASES {
        for (build, binary) in &builds {
            measure(table, case, build, binary, &target);
        }
    }
    for (build, binary) in &builds {
        from_the_database(table, build, binary, &target);
    }
}

/// The figures of one measured round: each turn divided by its probes.
#[derive(Default)]
struct Took {
    cpu_us: Turns,
    wake_ups: Turns,
    written_bytes: Turns,
    read_bytes: Turns,
    rate: Turns,
    /// CPU of the bare loop for each request.
    bare_us: Turns,
}

/// Measures one case of one build.
fn measure(table: &mut Table, case: Case, build: &str, binary: &Path, target: &Target) {
    let Case { count, interval, .. } = case;
    let folder = program::folder();
    prepare::services_file(folder.path(), &Services::new(count, target.port, interval));
    let program = Program::start(binary, folder.path(), &[("SERVICES_FILE", SERVICES_FILE)]);
    let name = format!("{count} at {} s, {build}", interval.as_secs());
    table.progress(&format!("  {name}: {} rounds", 2 * case.rounds.len()));
    let mut ticks = Ticks::of(folder.path());
    for (nth, round) in case.rounds.iter().enumerate() {
        let mut took = Took::default();
        let turn = interval / TURNS;
        for _ in 0..TURNS {
            let cost = floor::bare_every(target, interval / count as u32, turn);
            took.bare_us.push(cost.cpu_us);
        }
        watch(&program, &mut ticks, turn, &mut took);
        let is_last = nth + 1 == case.rounds.len();
        report(table, &name, *round, if is_last { case.goals } else { &[] }, &took);
    }
    let (rss, peak) = program.rss_mib();
    let mut row = Row::new(format!("{name}: RSS"), memory(rss, peak));
    if count == FLEET {
        let is_reached = rss <= FLEET_RSS_MIB && peak <= FLEET_PEAK_MIB;
        let wanted = format!("≤ {FLEET_RSS_MIB} MiB, at most {FLEET_PEAK_MIB}");
        row = row.goal(&wanted, is_reached);
    }
    table.row(row);
}

/// One round of the service in turns, each from a commit to a commit.
fn watch(program: &Program, ticks: &mut Ticks, turn: Duration, took: &mut Took) {
    let read = |ticks: &mut Ticks| {
        let count = ticks.just_committed_within(COMMIT_WITHIN);
        (count, program.usage(), Instant::now())
    };
    let mut before = read(ticks);
    let started = Instant::now();
    for nth in 1..=TURNS {
        std::thread::sleep((turn * nth).saturating_sub(started.elapsed()));
        let now = read(ticks);
        let probes = (now.0 - before.0) as f64;
        let spent = now.1.since(&before.1);
        took.cpu_us.push(spent.cpu_us / probes);
        took.wake_ups.push(spent.wake_ups / probes);
        took.written_bytes.push(spent.written_bytes / probes);
        took.read_bytes.push(spent.read_bytes / probes);
        took.rate.push(probes / (now.2 - before.2).as_secs_f64());
        before = now;
    }
}

fn report(table: &mut Table, name: &str, round: Round, goals: &[Goal], took: &Took) {
    let name = format!("{name}{}", round.name);
    let (cpu, bare, rate) = (took.cpu_us.median(), took.bare_us.median(), took.rate.median());
    table.row(
        Row::new(format!("{name}: bare loop paced alike"), format!("{bare:.1} µs"))
            .spread(took.bare_us.spread(1)),
    );
    let share = cpu * rate / 1e4;
    let ratio = cpu / bare;
    let measured = format!("{cpu:.1} µs, {rate:.1} a second, {share:.2} % of a core");
    let mut row = Row::new(format!("{name}: **CPU a probe**"), measured)
        .ratio(format!("{ratio:.2} × bare"))
        .spread(took.cpu_us.spread(1));
    if let Some(goal) = round.cpu_goal {
        row = row.goal(&format!("≤ {goal} × bare"), ratio <= goal);
    }
    for goal in goals {
        if let Goal::ShareOfACore(most) = *goal {
            row = row.goal(&format!("≤ {most} % of a core"), share <= most);
        }
    }
    table.row(row);
    let (bytes, wake_ups) = (took.written_bytes.median(), took.wake_ups.median());
    let a_minute = bytes * rate * 60.0;
    let measured = format!("{bytes:.0}, {:.0} KB a minute", a_minute / 1e3);
    let mut row = Row::new(format!("{name}: bytes written a probe"), measured);
    for goal in goals {
        row = match *goal {
            Goal::BytesAProbe(most) => row.goal(&format!("≤ {most}"), bytes <= most),
            Goal::BytesAMinute(most) => {
                row.goal(&format!("≤ {:.0} KB a minute", most / 1e3), a_minute <= most)
            }
            Goal::WakeUps(_) | Goal::ShareOfACore(_) => row,
        };
    }
    table.row(row.spread(took.written_bytes.spread(0)));
    let mut row = Row::new(format!("{name}: wake-ups a probe"), format!("{wake_ups:.1}"));
    for goal in goals {
        if let Goal::WakeUps(most) = *goal {
            row = row.goal(&format!("≤ {most}"), wake_ups <= most);
        }
    }
    table.row(row.spread(took.wake_ups.spread(1)));
    let read = format!("{:.0}", took.read_bytes.median());
    table.row(
        Row::new(format!("{name}: bytes read from the disk a probe"), read)
            .spread(took.read_bytes.spread(0)),
    );
}

/// The memory of the fleet when its services come from the database, after a whole round.
fn from_the_database(table: &mut Table, build: &str, binary: &Path, target: &Target) {
    let folder = program::folder();
    let interval = Duration::from_secs(60);
    prepare::database(folder.path(), &[Services::new(FLEET, target.port, interval)], true);
    let program = Program::start(binary, folder.path(), &[]);
    let ready = program.ready_after.as_secs_f64();
    std::thread::sleep(interval);
    let (rss, peak) = program.rss_mib();
    let measured = format!("{}, ready after {ready:.2} s", memory(rss, peak));
    table.row(
        Row::new(format!("{FLEET} at 60 s from the database, {build}: RSS"), measured)
            .goal(&format!("≤ {FLEET_DATABASE_MIB} MiB"), rss <= FLEET_DATABASE_MIB),
    );
}

fn memory(rss: f64, peak: f64) -> String {
    format!("{rss:.1} MiB, at most {peak:.1} MiB")
}
