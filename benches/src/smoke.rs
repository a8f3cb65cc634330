//! The small form for CI: parts 1, 3 and 6. Limits are generous: the noise of a shared machine
//! passes, and a tenfold loss does not. The usual figures are those of an unoptimized build.

use std::time::Duration;

use crate::floor::Pace;
use crate::isolation::{self, Scenario};
use crate::probes;
use crate::program;
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};
use crate::{commits, isolation::Span};

/// CPU of a recorded probe ÷ (awc alone + insert loop). Usual: 7 saturated, 2.3 paced.
const PROBE_LIMIT: f64 = 20.0;

/// Recorded probes a second ÷ requests of awc alone, saturated. Usual: 0.2.
const RATE_LIMIT: f64 = 0.05;

/// CPU of a result through the recorder ÷ insert loop. Usual: 4.
const RESULT_LIMIT: f64 = 16.0;

/// p99 of the lateness of healthy probes beside hung targets, in milliseconds.
const LATENESS_LIMIT_MS: f64 = 400.0;

/// Share of missed slots of healthy services.
const MISSED_LIMIT: f64 = 0.02;

const BESIDE: Scenario =
    Scenario { hung: 1_000, healthy: 100, pool_size: "256", spans: &[Duration::from_secs(15)] };

/// Turns of floor and service.
const TURNS: usize = 2;

/// All rows, and the failed checks.
struct Checks {
    table: Table,
    failed: Vec<String>,
}

impl Checks {
    fn at_most(&mut self, what: &str, value: f64, limit: f64) {
        self.check(what, value, "at most", limit, value <= limit);
    }

    fn at_least(&mut self, what: &str, value: f64, limit: f64) {
        self.check(what, value, "at least", limit, value >= limit);
    }

    fn check(&mut self, what: &str, value: f64, relation: &str, limit: f64, holds: bool) {
        let wanted = format!("{relation} {limit}");
        self.table.row(Row::new(what, format!("{value:.2}")).goal(&wanted, holds));
        if !holds {
            self.failed.push(format!("{what}: {value:.2}, expected {wanted}"));
        }
    }
}

/// Measures, prints the rows, and returns whether every check passed.
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
    let target = Target::start(&Behaviour::Prompt);
    let builds = [("this build", program::own_binary())];
    for case in probes::SMOKE {
        let took = probes::measure(&builds, &target, None, case, TURNS);
        let pace = if case.pace == Pace::Saturated { "saturated" } else { "at 1,000/s" };
        let served = &took.services[0];
        let floor = took.awc.cpu_us.median() + took.inserts.cpu_us.median();
        let ratio = served.cost.cpu_us.median() / floor;
        checks.at_most(&format!("CPU a probe {pace} ÷ (awc + insert)"), ratio, PROBE_LIMIT);
        if case.pace == Pace::Saturated {
            let ratio = served.cost.rate.median() / took.awc.rate.median();
            checks.at_least("recorded probes a second ÷ awc alone, saturated", ratio, RATE_LIMIT);
        }
        checks.at_most(&format!("outcomes dropped {pace}"), served.dropped, 0.0);
        checks.at_most(&format!("outcomes lost {pace}"), served.lost.max(0.0), 0.0);
    }
}

fn check_isolation(checks: &mut Checks, spans: &[Span]) {
    for Span { results, .. } in spans {
        let slots = results.lateness_ms.len() as f64 + results.missed as f64;
        checks.at_most(
            "lateness p99 of the healthy, ms",
            results.lateness_ms.at(0.99),
            LATENESS_LIMIT_MS,
        );
        checks.at_most("share of their slots missed", results.missed as f64 / slots, MISSED_LIMIT);
        checks.at_most("healthy reported as not up", results.not_up as f64, 0.0);
    }
}
