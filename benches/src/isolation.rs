//! Part 3: what targets that never answer do to those that do.

use std::ops::Range;
use std::time::Duration;

use service_healthcheck::clock::unix_ms;

use crate::figures::Distribution;
use crate::prepare::{self, Services};
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{Manners, Target};
use crate::ticks::{Kept, Ticks};

/// How often the healthy services are probed.
const HEALTHY_INTERVAL: Duration = Duration::from_secs(5);

/// How often the others are, and how long a probe of them takes.
const HUNG_INTERVAL: Duration = Duration::from_secs(15);

/// For the last probes to end, and for their commit.
const REST: Duration = Duration::from_secs(1);

/// Lateness that 99 of 100 healthy probes keep, in milliseconds.
const LATENESS_REACH_MS: f64 = 50.0;

/// Who stands beside whom.
#[derive(Debug, Clone, Copy)]
pub struct Neighbours {
    pub hung: usize,
    pub healthy: usize,
    /// `RUNNER_POOL_SIZE`.
    pub pool_size: &'static str,
    /// Lengths of the times that are told one by one, from the moment on in which the service is ready; each is some
    /// whole rounds of the healthy.
    pub spans: &'static [Duration],
}

const HALF_A_MINUTE: Duration = Duration::from_secs(30);

/// The pool that is there by default; one with room for all would be no test.
const POOL: &str = "1024";

/// Measures and tells.
pub fn run(table: &mut Table) {
    table.part("3. Isolation, 500 healthy services at 5 s beside 10,000 hung ones at 15 s");
    let spans = &[HALF_A_MINUTE, HALF_A_MINUTE];
    let beside = Neighbours { hung: 10_000, healthy: 500, pool_size: POOL, spans };
    table.progress(&format!("  a pool of {POOL}"));
    for (told, span) in ["first 30 s", "next 30 s"].iter().zip(measure(&beside)) {
        tell(table, &format!("pool of {POOL}, {told}"), &span);
    }
}

/// What was seen of the healthy in one span.
pub struct Span {
    pub kept: Kept,
    /// For how long their target held each request, in milliseconds.
    pub held_ms: Distribution,
}

/// Starts all of them at once, and looks at the healthy.
pub fn measure(beside: &Neighbours) -> Vec<Span> {
    let (hung, healthy) = (Target::start(&Manners::Silent), Target::start(&Manners::Holding(0)));
    let folder = program::folder();
    let kinds = [
        Services::new(beside.healthy, healthy.port, HEALTHY_INTERVAL),
        Services::new(beside.hung, hung.port, HUNG_INTERVAL),
    ];
    let ids = prepare::database(folder.path(), &kinds, true).remove(0);
    // Most services fail together here, and our own network is not gone: there is one canary that says so.
    let canary = format!("tcp://{}", healthy.address(0));
    let settings = [("RUNNER_POOL_SIZE", beside.pool_size), ("SELF_CHECK_TARGETS", &*canary)];
    let _program = Program::start(&program::own_binary(), folder.path(), &settings);
    let mut from = unix_ms();
    let mut seen = Vec::new();
    for span in beside.spans {
        let slots: Range<i64> = from..from + span.as_millis() as i64;
        from = slots.end;
        let end = slots.end + REST.as_millis() as i64;
        std::thread::sleep(Duration::from_millis((end - unix_ms()).max(0).unsigned_abs()));
        let kept = Kept::of(&mut Ticks::of(folder.path()), &ids, HEALTHY_INTERVAL, &slots);
        seen.push(Span { kept, held_ms: Distribution::of(healthy.held_ms()) });
    }
    seen
}

/// Tells of one span.
pub fn tell(table: &mut Table, when: &str, span: &Span) {
    let Span { kept, held_ms } = span;
    let is_reached = kept.lateness_ms.at(0.99) <= LATENESS_REACH_MS;
    table.row(
        Row::new(format!("{when}: lateness of the healthy"), kept.told())
            .reach("p99 ≤ 50 ms", is_reached && kept.missed == 0),
    );
    let error = |q: f64| kept.told_ms.at(q) - held_ms.at(q);
    let most = kept.told_ms.at(1.0);
    table.row(Row::new(
        format!("{when}: response time told, less what the target took"),
        format!("p50 {:+.2}, p99 {:+.2} ms; told at most {most:.2} ms", error(0.5), error(0.99)),
    ));
    table.row(
        Row::new(format!("{when}: healthy told as not up"), kept.not_up.to_string())
            .reach("0", kept.not_up == 0),
    );
}
