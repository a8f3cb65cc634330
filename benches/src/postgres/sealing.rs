//! Sealing: a full chunk of each service, and the vacuum after it. Time is simulated.

use std::time::{Duration, Instant};

use service_healthcheck::domain::{Outcome, Phases, ServiceId};
use service_healthcheck::storage::history::sealing::publish;
use service_healthcheck::storage::history::slice::Prepare;
use service_healthcheck::storage::ledger::Ledger;
use service_healthcheck::storage::port::Query;
use service_healthcheck::storage::records::GetUsage;

use super::server::Postgres;
use crate::prepare::Services;
use crate::table::{Row, Table};

const SERVICES: i64 = 400;

/// Ticks of each service, a minute apart: one chunk of the default length.
const TICKS: i64 = 2_048;
const MINUTE_MS: i64 = 60_000;

/// 2025-11-23.
const START_MS: i64 = 1_763_856_000_000;

/// Results of a commit, about.
const GROUP: usize = 4_000;

/// Goals: bytes of log a tick with vacuum, and bytes a sealed tick.
const LOG_GOAL: f64 = 130.0;
const BYTES_GOAL: f64 = 8.5;

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    let mut server = Postgres::start();
    let store = server.store();
    server.add(&Services::new(SERVICES as usize, 9, Duration::from_secs(60)), false);
    // The vacuum is measured on its own.
    server.execute("ALTER TABLE service_ticks SET (autovacuum_enabled = off)");
    let mut writer = store.access().writer().expect("a writer");
    let mut reader = store.access().reader().expect("a reader");
    let (mut ledger, mut noise) = (Ledger::default(), Noise(88_172_645_463_325_252));
    let mut group = Vec::with_capacity(GROUP + SERVICES as usize);
    for minute in 0..TICKS {
        let minute_ms = START_MS + minute * MINUTE_MS;
        group.extend((1..=SERVICES).map(|id| outcome(id, minute_ms, &mut noise)));
        if group.len() >= GROUP || minute + 1 == TICKS {
            ledger.commit(&mut *writer, &group, minute_ms + MINUTE_MS).expect("a commit");
            group.clear();
        }
    }
    let now_ms = START_MS + TICKS * MINUTE_MS;
    // So that full pages after a checkpoint are not counted twice.
    server.execute("CHECKPOINT");
    let (before, started) = (server.used(), Instant::now());
    assert!(writer.begin_sealing().expect("a sealing"), "there are fresh ticks");
    let prepare = Prepare { chunk_ticks: TICKS as usize };
    let mut longest = Duration::ZERO;
    while let Some(mut slice) = prepare.run(&mut *reader).expect("a slice") {
        while !slice.is_published() {
            let since = Instant::now();
            publish(&mut *writer, &mut slice, now_ms).expect("a portion");
            longest = longest.max(since.elapsed());
        }
    }
    writer.finish_sealing(now_ms).expect("the end of the sealing");
    let (took, sealed) = (started.elapsed(), server.used());
    server.execute("VACUUM service_ticks");
    let vacuumed = server.used();
    let ticks = (SERVICES * TICKS) as f64;
    let usage = GetUsage.run(&mut *reader).expect("the counts");
    assert_eq!(usage.sealed_ticks as f64, ticks, "all are sealed");
    let log = |to: f64| (to - before.log_bytes) / ticks;
    table.row(Row::new(
        "sealing: a tick",
        format!(
            "{:.2} µs of the server, {:.2} µs with vacuum; longest transaction {:.0} ms; {:.1} s \
             for {ticks:.0} ticks",
            (sealed.cpu_us - before.cpu_us) / ticks,
            (vacuumed.cpu_us - before.cpu_us) / ticks,
            longest.as_secs_f64() * 1e3,
            took.as_secs_f64(),
        ),
    ));
    let all = log(vacuumed.log_bytes);
    table.row(
        Row::new(
            "log of a sealing and its vacuum, a tick",
            format!("{:.0} bytes, {all:.0} with vacuum", log(sealed.log_bytes)),
        )
        .goal("≤ 130 bytes", all <= LOG_GOAL),
    );
    let bytes = usage.sealed_bytes as f64 / ticks;
    table.row(
        Row::new("a sealed tick", format!("{bytes:.2} bytes"))
            .goal("≤ 8.5 bytes", bytes <= BYTES_GOAL),
    );
}

/// Deterministic noise (xorshift).
struct Noise(u64);

impl Noise {
    /// About `us` microseconds.
    fn about(&mut self, us: f64) -> Duration {
        let spread = (0..4).map(|_| self.next()).sum::<f64>() / 2.0 - 1.0;
        Duration::from_micros((us * (1.0 + 0.3 * spread)) as u64)
    }

    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A result with all phases.
fn outcome(id: i64, minute_ms: i64, noise: &mut Noise) -> Outcome {
    let phases = Phases {
        resolve: noise.about(400.0),
        connect: noise.about(12_000.0),
        tls: noise.about(25_000.0),
        processing: noise.about(40_000.0),
        transfer: noise.about(150.0),
    };
    // Each service has its own phase in the minute, and is a few milliseconds late.
    let at_ms = minute_ms + id * 577 % MINUTE_MS + (noise.next() * 4.0) as i64;
    let id = ServiceId::new(id).expect("positive");
    Outcome {
        http_status: Some(200),
        phases,
        ..Outcome::without_details(id, at_ms, phases.total(), None)
    }
}
