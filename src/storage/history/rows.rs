//! Rows of the history as values: chunks of sealed ticks, roll-ups, and the state of a sealing.

use std::collections::VecDeque;

use crate::domain::{PHASES, ServiceId, Sketch, State, Stats, StoredTick, Totals, Window};

/// Length of an hour's bucket, in seconds.
pub const HOUR_S: i32 = 3_600;
/// Length of a day's bucket (UTC), in seconds.
pub const DAY_S: i32 = 86_400;

/// [`Sealing::done_through`] when every service is sealed.
pub const EVERY_SERVICE: i64 = i64::MAX;

/// A chunk without its ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkInfo {
    pub service_id: ServiceId,
    /// Number of its first tick, counted from the first tick of the service.
    pub first_seq: i64,
    pub tick_count: i64,
    pub up_count: i64,
    pub down_count: i64,
}

impl ChunkInfo {
    /// Whether it contains a tick of that state.
    pub fn has(&self, state: State) -> bool {
        match state {
            State::Up => self.up_count > 0,
            State::Down => self.down_count > 0,
            State::Unknown => self.tick_count > self.up_count + self.down_count,
            State::Paused => false,
        }
    }
}

/// A chunk to be stored.
#[derive(Debug)]
pub struct NewChunk {
    pub first_seq: i64,
    /// Time of its oldest tick, in unix milliseconds.
    pub from_ms: i64,
    /// Time of its newest tick, in unix milliseconds.
    pub to_ms: i64,
    pub tick_count: i64,
    pub up_count: i64,
    pub down_count: i64,
    pub data: Vec<u8>,
}

/// Identifies a roll-up of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// Length in seconds: [`HOUR_S`] or [`DAY_S`].
    pub step_s: i32,
    /// First second, a multiple of the length.
    pub start_s: i64,
}

impl Bucket {
    /// The hour that contains `at_ms`.
    pub fn hour(at_ms: i64) -> Self {
        Self::containing(at_ms.div_euclid(1_000), HOUR_S)
    }

    /// The day that contains the start of this bucket.
    pub fn day(self) -> Self {
        Self::containing(self.start_s, DAY_S)
    }

    fn containing(at_s: i64, step_s: i32) -> Self {
        Self { step_s, start_s: at_s.div_euclid(step_s.into()) * i64::from(step_s) }
    }

    /// The second after its last.
    pub fn end_s(self) -> i64 {
        self.start_s + i64::from(self.step_s)
    }

    /// Its time, up to `now_ms`.
    pub fn window(self, now_ms: i64) -> Window {
        let from_ms = self.start_s * 1_000;
        // A clock that was set back may leave ticks in the future.
        Window { from_ms, to_ms: (self.end_s() * 1_000).min(now_ms).max(from_ms) }
    }
}

/// A roll-up: the sum of the sealed ticks of a bucket, and the states of that time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollup {
    pub bucket: Bucket,
    pub stats: PackedStats,
    /// Computed from the events when the roll-up was stored.
    pub totals: Totals,
}

/// [`Stats`] with the sketch encoded, as it is stored: a slice holds one for each service and hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedStats {
    pub up: u64,
    pub down: u64,
    pub unknown: u64,
    pub sum_us: u64,
    pub min_us: Option<u64>,
    pub max_us: Option<u64>,
    pub phased: u64,
    pub phases_us: [u64; PHASES],
    pub sketch: Vec<u8>,
}

impl PackedStats {
    pub fn pack(stats: &Stats) -> Self {
        let Stats { up, down, unknown, sum_us, min_us, max_us, phased, phases_us, sketch } = stats;
        Self {
            up: *up,
            down: *down,
            unknown: *unknown,
            sum_us: *sum_us,
            min_us: *min_us,
            max_us: *max_us,
            phased: *phased,
            phases_us: *phases_us,
            sketch: sketch.encode(),
        }
    }

    /// `None` when the sketch cannot be decoded.
    pub fn unpack(&self) -> Option<Stats> {
        Some(Stats {
            up: self.up,
            down: self.down,
            unknown: self.unknown,
            sum_us: self.sum_us,
            min_us: self.min_us,
            max_us: self.max_us,
            phased: self.phased,
            phases_us: self.phases_us,
            sketch: Sketch::decode(&self.sketch)?,
        })
    }
}

/// A sealing that has begun and is not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealing {
    /// Tells it from every other one.
    pub id: i64,
    /// Every service up to this one is sealed.
    pub done_through: i64,
}

impl Sealing {
    /// Whether every service is sealed, so that the sealing can be finished.
    pub fn is_done(&self) -> bool {
        self.done_through == EVERY_SERVICE
    }
}

/// Work that is left of a sealing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    pub services: u64,
    pub ticks: u64,
}

/// A service that a sealing has not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsealedService {
    pub id: ServiceId,
    /// Number of its newest tick, fresh or sealed.
    pub newest_seq: u64,
    /// Start of its first event that no sealing has processed, in unix milliseconds.
    pub begun_ms: Option<i64>,
}

/// A fresh tick of a service that a sealing has not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsealedTick {
    pub service_id: ServiceId,
    /// Whether it was recorded after the sealing began, and so is not part of it.
    pub is_later: bool,
    pub tick: StoredTick,
}

/// What a sealing writes for the next services.
///
/// Bound: that of [`SLICE`](super::slice::SLICE), packed to some ten bytes a tick, and a roll-up
/// for each service and hour of them. A service is never divided: one that has more ticks makes a
/// slice of its own.
#[derive(Debug)]
pub struct Slice {
    /// [`Sealing::id`].
    pub sealing_id: i64,
    /// Every service up to this one is sealed.
    pub after: i64,
    /// After the slice, every service up to this one is sealed.
    pub through: i64,
    /// What is not written yet, by id.
    pub services: VecDeque<Packed>,
}

impl Slice {
    /// Whether all of it is in the store.
    pub fn is_published(&self) -> bool {
        self.after == self.through
    }

    /// Up to which service everything is sealed once the first `count` services are written.
    pub fn done_through(&self, count: usize) -> i64 {
        let next = self.services.get(count);
        next.map_or(self.through, |next| next.id.get() - 1)
    }
}

/// What a sealing writes for one service.
#[derive(Debug)]
pub struct Packed {
    pub id: ServiceId,
    /// Number of fresh ticks that it seals.
    pub ticks: u64,
    pub chunks: Vec<NewChunk>,
    /// The short chunk whose ticks are repeated in the first of `chunks`.
    pub replaced: Option<ChunkInfo>,
    /// By start.
    pub hours: Vec<Rollup>,
    /// See [`UnsealedService::begun_ms`].
    pub begun_ms: Option<i64>,
}

/// What one transaction has sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Portion {
    /// Number of services, the first ones of the slice.
    pub services: usize,
    /// Ticks of these services.
    pub ticks: u64,
}

/// A living service that has ticks which are not relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unrelayed {
    pub service_id: ServiceId,
    /// Number of the newest tick that is relayed.
    pub relayed_seq: u64,
    /// Number of its newest tick.
    pub newest_seq: u64,
}

/// How far sealing and retention have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// Ticks that retention has deleted.
    pub expired_ticks: u64,
    /// Newest tick that retention has deleted, in unix milliseconds.
    pub ticks_expired_to_ms: i64,
    /// Newest cutoff of roll-ups and events, in unix milliseconds.
    pub rollups_expired_to_ms: i64,
}
