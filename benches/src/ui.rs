//! Part 10: pages beside the load of 100,000 services, and streams of changes.

mod paint;
mod stream;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use service_healthcheck::clock::unix_ms;

use crate::figures::{Distribution, Turns};
use crate::prepare::{self, Services};
use crate::program::{self, Cpu, Program};
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};
use crate::ticks::{SlotResults, Ticks};
use stream::Streams;

/// Services and their interval: 1,667 results a second.
const SERVICES: usize = 100_000;
const INTERVAL: Duration = Duration::from_secs(60);

/// Requests for each page, one after another.
const REQUESTS: usize = 300;

/// Goal for p99 of a page, and for a filter of the API, in milliseconds.
const PAGE_GOAL_MS: f64 = 20.0;
const FILTER_GOAL_MS: f64 = 5.0;

/// Name and path of each page; the path takes a number below [`SERVICES`].
type Page = (&'static str, fn(usize) -> String);

const PAGES: [Page; 5] = [
    ("`/`", |_| "/".to_owned()),
    ("`/services`, random page", |n| format!("/services?page={}", 1 + n % (SERVICES / 50))),
    ("`/services`, random search", |n| format!("/services?q=service-{n}")),
    ("`/services`, slowest first", |_| "/services?sort=response".to_owned()),
    ("`/services/{id}`, random", |n| format!("/services/{}", 1 + n)),
];

const FILTERS: [Page; 3] = [
    ("`/v1/services?status=down`", |_| "/v1/services?status=down".to_owned()),
    ("`/v1/services?q=`, random", |n| format!("/v1/services?q=service-{n}")),
    ("`/v1/overview`", |_| "/v1/overview".to_owned()),
];

/// Goals for the transferred bytes of a first visit.
const VISIT_GOAL: usize = 40 * 1_024;
const STYLE_GOAL: usize = 6 * 1_024;
const MODULES_GOAL: usize = 5 * 1_024;

/// Streams of operators who look; the default limit is 192.
const LOOKING: usize = 190;

/// Window for the CPU of a probe, and the number of turns without and with streams.
const CPU_WINDOW: Duration = Duration::from_secs(15);
const CPU_TURNS: usize = 4;

/// Goal for the additional CPU of a probe while [`LOOKING`] look.
const CPU_GOAL: f64 = 1.05;

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("10. Pages, 100,000 services at 60 s");
    let target = Target::start(&Behaviour::Prompt);
    let folder = program::folder();
    prepare::database(folder.path(), &[Services::new(SERVICES, target.port, INTERVAL)], true);
    let program = Program::start(&program::own_binary(), folder.path(), &[]);
    for (pages, goal_ms) in [(PAGES.as_slice(), PAGE_GOAL_MS), (&FILTERS, FILTER_GOAL_MS)] {
        for (name, path) in pages {
            let took = responses_ms(&program.api, *path);
            let row = Row::new(*name, took.summary(1, "ms"));
            table.row(row.goal(&format!("p99 ≤ {goal_ms:.0} ms"), took.at(0.99) <= goal_ms));
        }
    }
    report_bytes(table, &program.api);
    paint::report(table, &program.api, &target);
    report_cpu(table, &program, &mut Ticks::of(folder.path()));
    drop(program);
    report_storm(table);
}

/// How long each response took to arrive whole, over new connections.
fn responses_ms(api: &str, path: fn(usize) -> String) -> Distribution {
    Distribution::of((0..REQUESTS).map(|nth| {
        // Far apart, and the same in each run.
        let path = path(nth * 7_919 % SERVICES);
        let started = Instant::now();
        let (status, _) = program::get(api, &path).expect("a response");
        assert_eq!(status, 200, "{path}");
        started.elapsed().as_secs_f64() * 1e3
    }))
}

/// The body of `GET path`, compressed as a browser accepts it.
fn packed(api: &str, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(api)?;
    let request = format!("GET {path} HTTP/1.0\r\nhost: {api}\r\naccept-encoding: gzip\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    let end = response.windows(4).position(|four| four == b"\r\n\r\n");
    Ok(response.split_off(end.ok_or(io::ErrorKind::InvalidData)? + 4))
}

/// What a first visit of the list with 50 rows transfers.
fn report_bytes(table: &mut Table, api: &str) {
    let (_, html) = program::get(api, "/services").expect("the page");
    let page = packed(api, "/services").expect("the page").len();
    let mut assets: Vec<&str> = ["href=\"", "src=\""]
        .iter()
        .flat_map(|attribute| html.split(attribute).skip(1))
        .filter_map(|rest| rest.split(['"', '#']).next())
        .filter(|path| path.starts_with("/assets/"))
        .collect();
    assets.sort_unstable();
    assets.dedup();
    let bytes = |end: &str| -> usize {
        let ours = assets.iter().filter(|path| path.ends_with(end));
        ours.map(|path| packed(api, path).expect("an asset").len()).sum()
    };
    let (styles, modules, all) = (bytes(".css"), bytes(".js"), page + bytes(""));
    for (what, measured, goal) in [
        ("first visit, 50 rows, everything, gzip", all, VISIT_GOAL),
        ("stylesheet, gzip", styles, STYLE_GOAL),
        ("modules, gzip", modules, MODULES_GOAL),
    ] {
        let row = Row::new(what, format!("{:.1} KiB", measured as f64 / 1_024.0));
        table.row(row.goal(&format!("≤ {} KiB", goal / 1_024), measured <= goal && measured > 0));
    }
}

/// CPU of a recorded probe without and with streams, in turns: a program becomes cheaper with age.
fn report_cpu(table: &mut Table, program: &Program, ticks: &mut Ticks) {
    let path = stream::of_page(&program.api, "/services");
    let (mut alone, mut looking, mut ratio) =
        (Turns::default(), Turns::default(), Turns::default());
    for _ in 0..CPU_TURNS {
        let nobody_looks = cpu_us(program, ticks);
        let streams = Streams::open(&program.api, &path, LOOKING);
        let many_look = cpu_us(program, ticks);
        drop(streams);
        alone.push(nobody_looks);
        looking.push(many_look);
        ratio.push(many_look / nobody_looks);
    }
    let row = Row::new(
        format!("CPU a probe, nobody looks and {LOOKING} look"),
        format!("{:.1} µs, {:.1} µs", alone.median(), looking.median()),
    );
    table.row(
        row.ratio(format!("{:.3} of the first", ratio.median()))
            .goal("≤ 1.05 of the first", ratio.median() <= CPU_GOAL),
    );
}

fn cpu_us(program: &Program, ticks: &mut Ticks) -> f64 {
    let (before, cpu) = (ticks.just_committed(), program.cpu());
    std::thread::sleep(CPU_WINDOW);
    let committed = ticks.just_committed() - before;
    Cpu::us_since(&program.cpu(), &cpu) / committed.max(1) as f64
}

/// Services that go down within their interval, and healthy ones beside them.
const FAILING: usize = 50_000;
const FAILING_INTERVAL: Duration = Duration::from_secs(10);
const HEALTHY: usize = 500;
const HEALTHY_INTERVAL: Duration = Duration::from_secs(5);

/// From the failure of the target until everything about it was sent.
const STORM: Duration = Duration::from_secs(20);

/// Goals of the storm: bytes of a stream, growth of the memory, and time until a change arrives.
const STREAM_GOAL: u64 = 64 * 1_024;
const GROWTH_GOAL_MIB: f64 = 8.0;
const SEEN_GOAL_MS: f64 = 1_000.0;

/// 50,000 services go down in 10 s, without and with streams.
fn report_storm(table: &mut Table) {
    table.part("10. 50,000 services go down in 10 s");
    let (alone, _) = storm(0);
    let (beside, streams) = storm(LOOKING);
    let streams = streams.expect("streams");
    let most = streams.most_bytes();
    table.row(
        Row::new(format!("{LOOKING} streams: most bytes of one"), format!("{most}"))
            .goal("≤ 64 KiB", most <= STREAM_GOAL && most > 0),
    );
    let growth = beside.rss_mib - alone.rss_mib;
    table.row(
        Row::new("memory, beyond that without streams", format!("{growth:.1} MiB"))
            .goal("≤ 8 MiB", growth <= GROWTH_GOAL_MIB),
    );
    table.row(
        Row::new(
            "missed slots of 500 healthy services, without and with streams",
            format!("{}, {}", alone.missed, beside.missed),
        )
        .goal("no more than without", beside.missed <= alone.missed),
    );
    let seen = streams.seen_ms();
    table.row(
        Row::new(
            format!("start of a failed probe → its change at the reader, {} changes", seen.len()),
            seen.summary(0, "ms"),
        )
        .goal("p99 ≤ 1 s", seen.at(0.99) <= SEEN_GOAL_MS),
    );
}

struct Storm {
    /// At most during the storm.
    rss_mib: f64,
    missed: i64,
}

fn storm(looking: usize) -> (Storm, Option<Streams>) {
    let (failing, healthy) = (Target::start(&Behaviour::Prompt), Target::start(&Behaviour::Prompt));
    let folder = program::folder();
    let kinds = [
        Services::new(FAILING, failing.port, FAILING_INTERVAL),
        Services::new(HEALTHY, healthy.port, HEALTHY_INTERVAL),
    ];
    let ids = prepare::database(folder.path(), &kinds, true);
    // No failure is held for the self-check, whose canary responds.
    let canary = format!("tcp://{}", healthy.address(0));
    let settings = [("SELF_CHECK_TARGETS", canary.as_str()), ("SELF_CHECK_WINDOW_SECONDS", "0")];
    let program = Program::start(&program::own_binary(), folder.path(), &settings);
    // A whole round.
    std::thread::sleep(FAILING_INTERVAL + Duration::from_secs(2));
    let streams = (looking > 0).then(|| {
        let url = stream::of_page(&program.api, "/services?sort=name");
        Streams::open(&program.api, &url, looking)
    });
    let from_ms = unix_ms();
    drop(failing);
    std::thread::sleep(STORM);
    let rounds = STORM.as_millis() as i64;
    let slots = from_ms..from_ms + rounds - rounds % HEALTHY_INTERVAL.as_millis() as i64;
    std::thread::sleep(Duration::from_secs(2));
    let results = SlotResults::of(&mut Ticks::of(folder.path()), &ids[1], HEALTHY_INTERVAL, &slots);
    (Storm { rss_mib: program.rss_mib().1, missed: results.missed }, streams)
}
