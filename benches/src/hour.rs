//! Part 16: memory over an hour, with sealing, retention and reads of the API; each part named.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use procfs::process::MMapPath;

use crate::prepare::{self, SERVICES_FILE, Services};
use crate::program::{self, Program, get};
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};

const SERVICES: usize = 1_500;
const INTERVAL: Duration = Duration::from_secs(5);

/// Fewer than by default, so that every service has several chunks within the hour.
const TICKS_PER_CHUNK: &str = "128";

/// Minutes of the table. The memory is to be flat from the second one on.
const MINUTES: [u32; 6] = [1, 10, 20, 30, 45, 60];

/// Goals, in MiB: at most so much, and at most so much more in the last minute than in the second
/// one of the table.
const RSS_MIB: f64 = 40.0;
const GROWTH_MIB: f64 = 1.0;

/// From one read to the next.
const READ_EVERY: Duration = Duration::from_millis(200);

/// The `nth` path that is read.
fn path(nth: usize) -> String {
    let id = 1 + nth * 37 % SERVICES;
    match nth % 8 {
        0 => format!("/v1/services?limit=100&page={}", 1 + nth % 15),
        1 => format!("/v1/services/{id}/ticks?limit=100"),
        2 => format!("/v1/services/{id}/series"),
        3 => format!("/v1/services/{id}/events"),
        4 => format!("/v1/services/{id}/uptime"),
        5 => "/metrics".to_owned(),
        6 => "/v1/overview".to_owned(),
        _ => format!("/services/{id}"),
    }
}

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("16. Memory over an hour, 1,500 services at 5 s with reads of the API");
    let target = Target::start(&Behaviour::Prompt);
    let folder = program::folder();
    prepare::services_file(folder.path(), &Services::new(SERVICES, target.port, INTERVAL));
    let settings = [
        ("SERVICES_FILE", SERVICES_FILE),
        ("TICKS_PER_CHUNK", TICKS_PER_CHUNK),
        ("TICK_RETENTION_DAYS", "1"),
    ];
    let program = Program::start(&program::own_binary(), folder.path(), &settings);
    let (started, mut reads) = (Instant::now(), 0);
    let mut measured = Vec::new();
    for minute in MINUTES {
        while started.elapsed() < Duration::from_secs(60) * minute {
            let (status, _) = get(&program.api, &path(reads)).expect("an answer");
            assert_eq!(status, 200, "{}", path(reads));
            reads += 1;
            std::thread::sleep(READ_EVERY);
        }
        let (rss, peak) = program.rss_mib();
        table.progress(&format!("  minute {minute}: {rss:.1} MiB"));
        measured.push(rss);
        let row = Row::new(format!("minute {minute}: RSS"), parts(&program))
            .ratio(format!("{rss:.1} MiB, at most {peak:.1}"));
        let growth = rss - measured[1.min(measured.len() - 1)];
        let is_last = minute == MINUTES[MINUTES.len() - 1];
        table.row(if is_last {
            let wanted = format!("≤ {RSS_MIB} MiB, + ≤ {GROWTH_MIB} since minute {}", MINUTES[1]);
            row.goal(&wanted, rss <= RSS_MIB && growth <= GROWTH_MIB)
        } else {
            row
        });
    }
    let sealed = program.metrics().sum("service_healthcheck_ticks_sealed_total");
    table.row(Row::new("reads; sealed ticks".to_owned(), format!("{reads}; {sealed}")));
}

/// The resident memory by what it is of.
fn parts(program: &Program) -> String {
    let mut parts: BTreeMap<&str, u64> = BTreeMap::new();
    for map in &program.smaps() {
        let part = match &map.pathname {
            MMapPath::Heap => "heap",
            MMapPath::Anonymous => "anonymous",
            MMapPath::Stack | MMapPath::TStack(_) => "stack",
            MMapPath::Path(file) => match file.extension().and_then(|it| it.to_str()) {
                Some("db-shm") => "index of the WAL",
                _ if file.ends_with("service-healthcheck") => "program",
                _ => "libraries",
            },
            _ => "kernel",
        };
        *parts.entry(part).or_default() +=
            map.extension.map.get("Rss").copied().unwrap_or_default();
    }
    let mib = |(part, bytes): (&&str, &u64)| format!("{part} {:.1}", *bytes as f64 / 1_048_576.0);
    format!("{} MiB", parts.iter().map(mib).collect::<Vec<_>>().join(", "))
}
