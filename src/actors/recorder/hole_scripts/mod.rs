//! Scripted worlds: targets, faults and the process change over simulated time. The table of
//! observations, the buffer, the ledger and a store process what the probes find; the stored
//! timeline is compared with an oracle that knows only the script's facts.
//!
//! `PROPTEST_CASES` sets the number of worlds.

mod oracle;
mod world;

use std::env;

use proptest::prelude::*;

use crate::domain::Reason;
use crate::storage::contract::fixture::Kind;
use world::World;

/// Services of a world.
const SERVICES: usize = 2;

/// Worlds unless `PROPTEST_CASES` is set.
const CASES: u32 = 24;

/// One step of a script; times are seconds.
#[derive(Debug, Clone)]
enum Step {
    /// Time passes under these conditions.
    Run(u32, Conditions),
    Interval {
        nth: usize,
        seconds: u32,
    },
    /// The service is disabled for that long, under the conditions of the last run.
    Pause {
        nth: usize,
        seconds: u32,
    },
    /// The process stands still.
    Stall(u32),
    /// The process does not run. `killed`: what is buffered is lost.
    Restart {
        seconds: u32,
        killed: bool,
    },
    /// All fresh ticks are sealed, which makes their roll-ups.
    Seal,
}

/// What holds while time passes.
#[derive(Debug, Clone, Default)]
struct Conditions {
    is_down: [bool; SERVICES],
    probes: [Probes; SERVICES],
    store_fails: bool,
}

/// What becomes of the probes of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Probes {
    #[default]
    Made,
    /// They end with this local fault.
    Fail(Reason),
    /// None is made: no slot is free, or its prober is dead.
    Missed,
    /// The self-check says that the network is lost.
    NetworkLost,
    /// The self-check holds their results until the step ends.
    Held,
}

fn any_probes() -> impl Strategy<Value = Probes> {
    let local = prop::sample::select(vec![
        Reason::LocalConfig,
        Reason::LocalDescriptors,
        Reason::LocalFault,
        Reason::LocalResolver,
    ]);
    prop_oneof![
        6 => Just(Probes::Made),
        2 => local.prop_map(Probes::Fail),
        1 => Just(Probes::Missed),
        1 => Just(Probes::NetworkLost),
        1 => Just(Probes::Held),
    ]
}

fn any_conditions() -> impl Strategy<Value = Conditions> {
    let probes = prop::array::uniform2(any_probes());
    (any::<[bool; SERVICES]>(), probes, prop::bool::weighted(0.3))
        .prop_map(|(is_down, probes, store_fails)| Conditions { is_down, probes, store_fails })
}

fn any_step() -> impl Strategy<Value = Step> {
    let nth = 0..SERVICES;
    prop_oneof![
        12 => (1u32..70, any_conditions()).prop_map(|(seconds, now)| Step::Run(seconds, now)),
        1 => (nth.clone(), 2u32..20).prop_map(|(nth, seconds)| Step::Interval { nth, seconds }),
        1 => (nth, 1u32..60).prop_map(|(nth, seconds)| Step::Pause { nth, seconds }),
        1 => (11u32..90).prop_map(Step::Stall),
        1 => (1u32..60, any::<bool>())
            .prop_map(|(seconds, killed)| Step::Restart { seconds, killed }),
        1 => Just(Step::Seal),
    ]
}

/// The number of worlds: `PROPTEST_CASES`, or [`CASES`].
fn config() -> ProptestConfig {
    let source_file = Some(file!());
    match env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig { source_file, ..ProptestConfig::default() },
        None => ProptestConfig { source_file, ..ProptestConfig::with_cases(CASES) },
    }
}

#[test]
fn a_timeline_shows_what_was_recorded_and_nothing_else() {
    proptest!(config(), |(
        interval_s in 2u32..12,
        timeout_s in 1u32..20,
        buffer_limit in 1usize..8,
        steps in prop::collection::vec(any_step(), 1..16),
    )| {
        let mut world = World::new(Kind::Sqlite, interval_s, timeout_s, buffer_limit);
        for step in &steps {
            world.take(step);
        }
        world.finish();
    });
}
