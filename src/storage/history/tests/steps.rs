//! What can happen to a history, in any order.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// Something that happens to a history.
#[derive(Debug, Clone)]
pub enum Step {
    /// Outcomes of one commit, and the time before each.
    Commit(Vec<(Index, StoredTick)>, i64),
    /// The clock goes on, or is set back.
    Wait(i64),
    Enable(Index, bool),
    /// The program stands still for so long.
    Restart(i64),
    Begin,
    /// A slice of chunks of so many ticks is prepared, within bounds.
    Prepare(usize, Bounds),
    /// So many services of the oldest slice are published.
    Publish(usize),
    Finish,
    /// All of it at once.
    Seal(usize),
    Retain {
        ticks_ms: u64,
        rollups_ms: u64,
    },
}

fn any_tick() -> impl Strategy<Value = StoredTick> {
    let states =
        prop_oneof![5 => Just(State::Up), 4 => Just(State::Down), 1 => Just(State::Unknown)];
    let rest_us = prop_oneof![0u64..200, 0u64..5_000_000];
    let phases_us = prop::array::uniform5(0u64..100_000);
    let reason = prop::sample::select(&REASONS[..]);
    let status = prop::option::of(100u16..600);
    (states, rest_us, phases_us, reason, status).prop_map(
        |(state, rest_us, phases_us, reason, http_status)| StoredTick {
            at_ms: 0,
            state,
            // What is less than the rounding of the phases is taken for that.
            response_time_us: if rest_us < 5 { 0 } else { rest_us } + phases_us.iter().sum::<u64>(),
            phases_us: Some(phases_us),
            http_status,
            reason: (state != State::Up).then_some(reason),
        },
    )
}

fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![1i64..5_000, 1i64..1_200_000, 1i64..30_000_000]
}

fn any_bounds() -> impl Strategy<Value = Bounds> {
    (1usize..5, 1usize..30).prop_map(|(services, ticks)| Bounds { services, ticks })
}

pub fn any_step() -> impl Strategy<Value = Step> {
    let said = prop::collection::vec((any::<Index>(), any_tick()), 0..12);
    let kept_ms = || any_time().prop_map(i64::cast_unsigned);
    prop_oneof![
        12 => (said, any_time()).prop_map(|(said, every_ms)| Step::Commit(said, every_ms / 4)),
        2 => any_time().prop_map(Step::Wait),
        1 => any_time().prop_map(|back_ms| Step::Wait(-back_ms)),
        3 => any::<(Index, bool)>().prop_map(|(nth, is_enabled)| Step::Enable(nth, is_enabled)),
        1 => any_time().prop_map(Step::Restart),
        3 => Just(Step::Begin),
        5 => (2usize..12, any_bounds()).prop_map(|(ticks, bounds)| Step::Prepare(ticks, bounds)),
        6 => (1usize..4).prop_map(Step::Publish),
        3 => Just(Step::Finish),
        1 => (2usize..12).prop_map(Step::Seal),
        1 => (kept_ms(), kept_ms()).prop_map(|(ticks_ms, rollups_ms)| Step::Retain { ticks_ms, rollups_ms }),
    ]
}
