//! Part 3: effect of targets that never respond on the probes of healthy ones.

use std::ops::Range;
use std::time::Duration;

use service_healthcheck::clock::unix_ms;

use crate::figures::Distribution;
use crate::prepare::{self, Services};
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};
use crate::ticks::{SlotResults, Ticks};

/// Interval of the healthy services.
const HEALTHY_INTERVAL: Duration = Duration::from_secs(5);

/// Interval and timeout of the hung services.
const HUNG_INTERVAL: Duration = Duration::from_secs(15);

/// Time for the last probes to end and to be committed, a quarter of their interval later.
const REST: Duration = Duration::from_secs(3);

/// Goal for p99 of the lateness of healthy probes, in milliseconds.
const LATENESS_GOAL_MS: f64 = 50.0;

/// Hung and healthy services of one run.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub hung: usize,
    pub healthy: usize,
    /// `RUNNER_POOL_SIZE`.
    pub pool_size: &'static str,
    /// Consecutive periods to report, from the moment when the service is ready; each is a whole
    /// number of rounds of the healthy services.
    pub spans: &'static [Duration],
}

const HALF_A_MINUTE: Duration = Duration::from_secs(30);

/// The default size; a pool with room for all probes would be no test.
const POOL: &str = "1024";

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("3. Isolation, 500 healthy services at 5 s beside 10,000 hung ones at 15 s");
    let spans = &[HALF_A_MINUTE, HALF_A_MINUTE];
    let scenario = Scenario { hung: 10_000, healthy: 500, pool_size: POOL, spans };
    table.progress(&format!("  a pool of {POOL}"));
    for (period, span) in ["first 30 s", "next 30 s"].iter().zip(measure(&scenario)) {
        report(table, &format!("pool of {POOL}, {period}"), &span);
    }
}

/// Results of the healthy services in one period.
pub struct Span {
    pub results: SlotResults,
    /// Time for which the target held each request, in milliseconds.
    pub held_ms: Distribution,
}

/// Starts all services at once and reads the results of the healthy ones.
pub fn measure(scenario: &Scenario) -> Vec<Span> {
    let (hung, healthy) =
        (Target::start(&Behaviour::Silent), Target::start(&Behaviour::Holding(0)));
    let folder = program::folder();
    let kinds = [
        Services::new(scenario.healthy, healthy.port, HEALTHY_INTERVAL),
        Services::new(scenario.hung, hung.port, HUNG_INTERVAL),
    ];
    let ids = prepare::database(folder.path(), &kinds, true).remove(0);
    // Most services fail together although the network is up: one healthy canary proves it.
    let canary = format!("tcp://{}", healthy.address(0));
    let settings = [("RUNNER_POOL_SIZE", scenario.pool_size), ("SELF_CHECK_TARGETS", &*canary)];
    let _program = Program::start(&program::own_binary(), folder.path(), &settings);
    let mut from = unix_ms();
    let mut spans = Vec::new();
    for span in scenario.spans {
        let slots: Range<i64> = from..from + span.as_millis() as i64;
        from = slots.end;
        let end = slots.end + REST.as_millis() as i64;
        std::thread::sleep(Duration::from_millis((end - unix_ms()).max(0).unsigned_abs()));
        let results =
            SlotResults::of(&mut Ticks::of(folder.path()), &ids, HEALTHY_INTERVAL, &slots);
        spans.push(Span { results, held_ms: Distribution::of(healthy.held_ms()) });
    }
    spans
}

/// Adds the rows of one period.
pub fn report(table: &mut Table, when: &str, span: &Span) {
    let Span { results, held_ms } = span;
    let is_reached = results.lateness_ms.at(0.99) <= LATENESS_GOAL_MS;
    table.row(
        Row::new(format!("{when}: lateness of the healthy"), results.summary())
            .goal("p99 ≤ 50 ms", is_reached && results.missed == 0),
    );
    let error = |q: f64| results.reported_ms.at(q) - held_ms.at(q);
    let most = results.reported_ms.at(1.0);
    table.row(Row::new(
        format!("{when}: reported response time less held"),
        format!("p50 {:+.2}, p99 {:+.2} ms; at most {most:.2} ms", error(0.5), error(0.99)),
    ));
    table.row(
        Row::new(format!("{when}: healthy reported as not up"), results.not_up.to_string())
            .goal("0", results.not_up == 0),
    );
}
