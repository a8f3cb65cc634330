//! The small form for CI: parts 1, 3 and 6, with ratios checked so generously that the noise of a shared machine passes and a
//! tenfold loss does not.

use std::time::Duration;

use crate::floor::Pace;
use crate::isolation::{self, Neighbours};
use crate::probes;
use crate::program;
use crate::table::{Row, Table};
use crate::target::{Manners, Target};
use crate::{commits, isolation::Span};

/// CPU a recorded probe, in proportion to awc alone and the insert loop. 1.1 flat out and 1.3 paced are usual.
const PROBE_LIMIT: f64 = 5.0;

/// Recorded probes a second in proportion to the requests that awc alone makes, flat out. 1.1 is usual.
const RATE_LIMIT: f64 = 0.15;

/// CPU a result through the recorder, in proportion to the insert loop. 3 is usual.
const RESULT_LIMIT: f64 = 16.0;

/// Lateness that 99 of 100 healthy probes keep beside hung targets, in milliseconds.
const LATENESS_LIMIT_MS: f64 = 400.0;

/// Share of the healthy slots that may be missed.
const MISSED_LIMIT: f64 = 0.02;

const BESIDE: Neighbours =
    Neighbours { hung: 1_000, healthy: 100, pool_size: "256", spans: &[Duration::from_secs(15)] };

/// Turns of floor and service.
const TURNS: usize = 2;

/// What was checked, and what of it failed.
struct Checks {
    table: Table,
    failed: Vec<String>,
}

impl Checks {
    /// `value` must be `limit` at most.
    fn at_most(&mut self, what: &str, value: f64, limit: f64) {
        self.check(what, value, "at most", limit, value <= limit);
    }

    /// `value` must be `limit` at least.
    fn at_least(&mut self, what: &str, value: f64, limit: f64) {
        self.check(what, value, "at least", limit, value >= limit);
    }

    fn check(&mut self, what: &str, value: f64, how: &str, limit: f64, holds: bool) {
        let wanted = format!("{how} {limit}");
        self.table.row(Row::new(what, format!("{value:.2}")).reach(&wanted, holds));
        if !holds {
            self.failed.push(format!("{what}: {value:.2}, {wanted} is wanted"));
        }
    }
}

/// Measures, tells, and gives whether all is well.
pub fn run() -> bool {
    let mut checks = Checks { table: Table::new(), failed: Vec::new() };
    checks.table.part("Smoke: a recorded probe");
    check_probes(&mut checks);
    checks.table.part("Smoke: commit");
    let took = commits::measure();
    let ratio = took.cpu_us.median() / took.floor_us.median();
    checks.at_most("CPU a result ÷ insert loop", ratio, RESULT_LIMIT);
    checks.table.part("Smoke: 100 healthy services beside 1,000 hung ones");
    check_isolation(&mut checks, &isolation::measure(&BESIDE));
    println!("{}", checks.table.markdown());
    for failed in &checks.failed {
        println!("bench-smoke FAILED: {failed}");
    }
    checks.failed.is_empty()
}

fn check_probes(checks: &mut Checks) {
    let target = Target::start(&Manners::Prompt);
    let builds = [("this build", program::own_binary())];
    for case in probes::SMOKE {
        let took = probes::measure(&builds, &target, None, case, TURNS);
        let pace = if case.pace == Pace::FlatOut { "flat out" } else { "at 1,000/s" };
        let served = &took.services[0];
        let floor = took.awc.cpu_us.median() + took.inserts.cpu_us.median();
        let ratio = served.cost.cpu_us.median() / floor;
        checks.at_most(&format!("CPU a probe {pace} ÷ (awc + insert)"), ratio, PROBE_LIMIT);
        if case.pace == Pace::FlatOut {
            let ratio = served.cost.rate.median() / took.awc.rate.median();
            checks.at_least("recorded probes a second ÷ awc alone, flat out", ratio, RATE_LIMIT);
        }
        checks.at_most(&format!("outcomes dropped {pace}"), served.dropped, 0.0);
        checks.at_most(&format!("outcomes lost {pace}"), served.lost.max(0.0), 0.0);
    }
}

fn check_isolation(checks: &mut Checks, spans: &[Span]) {
    for Span { kept, .. } in spans {
        let slots = kept.lateness_ms.len() as f64 + kept.missed as f64;
        checks.at_most(
            "lateness p99 of the healthy, ms",
            kept.lateness_ms.at(0.99),
            LATENESS_LIMIT_MS,
        );
        checks.at_most("share of their slots missed", kept.missed as f64 / slots, MISSED_LIMIT);
        checks.at_most("healthy told as not up", kept.not_up as f64, 0.0);
    }
}
