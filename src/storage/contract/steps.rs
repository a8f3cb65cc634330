//! Steps of a history, in any order.

use proptest::prelude::*;
use proptest::sample::Index;

use super::windows::REASONS;
use crate::domain::{State, StoredTick};
use crate::storage::history::slice::Bounds;

#[derive(Debug, Clone)]
pub enum Step {
    /// Outcomes of one commit, and the milliseconds before each.
    Commit(Vec<(Index, StoredTick)>, i64),
    /// Milliseconds; negative when the clock is set back, of which the ledger is notified.
    Wait(i64),
    Enable(Index, bool),
    /// Milliseconds until the program runs again; negative when the clock is set back meanwhile.
    Restart(i64),
    Begin,
    /// Prepares a slice with chunks of that many ticks.
    Prepare(usize, Bounds),
    /// Publishes that many services of the oldest slice.
    Publish(usize),
    Finish,
    /// Seals everything, in chunks of that many ticks.
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
            // A smaller rest counts as rounding of the phases.
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
    let results = prop::collection::vec((any::<Index>(), any_tick()), 0..12);
    let age_ms = || any_time().prop_map(i64::cast_unsigned);
    prop_oneof![
        12 => (results, any_time()).prop_map(|(all, every_ms)| Step::Commit(all, every_ms / 4)),
        2 => any_time().prop_map(Step::Wait),
        1 => any_time().prop_map(|back_ms| Step::Wait(-back_ms)),
        3 => any::<(Index, bool)>().prop_map(|(nth, is_enabled)| Step::Enable(nth, is_enabled)),
        1 => any_time().prop_map(Step::Restart),
        1 => any_time().prop_map(|back_ms| Step::Restart(-back_ms)),
        3 => Just(Step::Begin),
        5 => (2usize..12, any_bounds()).prop_map(|(ticks, bounds)| Step::Prepare(ticks, bounds)),
        6 => (1usize..4).prop_map(Step::Publish),
        3 => Just(Step::Finish),
        1 => (2usize..12).prop_map(Step::Seal),
        1 => (age_ms(), age_ms())
            .prop_map(|(ticks_ms, rollups_ms)| Step::Retain { ticks_ms, rollups_ms }),
    ]
}
