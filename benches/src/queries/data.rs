//! The history that the queries read, written directly into the tables of a new store.
//!
//! Every service has roll-ups of 91 days, which is what a query over months reads; ticks are there
//! only where the queries read some: around the beginning of the month and for the last 35 hours,
//! of which the last one is not sealed. Older ticks are marked as deleted.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use service_healthcheck::domain::history::stats::Stats;
use service_healthcheck::domain::{State, StoredTick, Totals};
use service_healthcheck::storage::history::codec;
use service_healthcheck::storage::history::rows::{
    Bucket, DAY_S, HOUR_S, Marks, NewChunk, PackedStats, Rollup,
};
use service_healthcheck::storage::sqlite::target::TargetFile;
use service_healthcheck::storage::transfer::rows::{Event, Metric, PlainRow, Service};
use service_healthcheck::storage::transfer::tables::NUMBERED;
use service_healthcheck::storage::transfer::{
    AlertingCopy, Row, StoreCopy, TickCopy, TransferTarget,
};

use crate::prepare::DATABASE;
use crate::target::ADDRESSES;

pub const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Services with a history, which are not probed. Their ids are 1 to this.
pub const SERVICES: usize = 1_000;
/// Services that are probed, with the ids after those.
pub const PROBED: usize = 500;
pub const PROBED_INTERVAL: Duration = Duration::from_secs(5);

/// The first services, of which Prometheus has a month, too.
pub const WITH_MONTH: usize = 99;
pub const NAMES_WITH_MONTH: &str = "service-[0-9]{1,2}";

const DAYS: i64 = 91;
const MONTH: i64 = 30;
/// Ticks of a full chunk.
const CHUNK: i64 = 2_048;
/// Minutes of fresh ticks.
const FRESH: i64 = 60;

/// One commit of the copy.
const PORTION: usize = 64;

/// A service is down for so many minutes of each period.
const DOWN: (i64, i64) = (7, 3_011);

/// A history of [`DAYS`].
pub struct History {
    /// A whole minute, after the newest tick.
    pub end_ms: i64,
}

impl History {
    /// Ends some minutes before `now_ms`.
    pub fn ending(now_ms: i64) -> Self {
        Self { end_ms: (now_ms / MINUTE_MS - 5) * MINUTE_MS }
    }

    /// The minutes of a window before the end, as numbers since 1970.
    fn minutes(&self, before_end: i64, count: i64) -> std::ops::Range<i64> {
        let first = self.end_ms / MINUTE_MS - before_end;
        first..first + count
    }

    /// Start of the first whole day.
    fn first_day_ms(&self) -> i64 {
        (self.end_ms / DAY_MS - DAYS) * DAY_MS
    }

    /// Writes the store; returns the size of its file.
    pub fn write(&self, folder: &Path, port: u16) -> u64 {
        let file = folder.join(DATABASE);
        let mut store = TargetFile::create(&file).expect("a new store");
        let shapes: Vec<[PackedStats; 2]> = (0..16).map(shape).collect();
        let ids: Vec<i64> = (1..=(SERVICES + PROBED) as i64).collect();
        for portion in ids.chunks(PORTION) {
            store.begin().expect("a transaction");
            for id in portion {
                let rows = if *id <= SERVICES as i64 {
                    self.rows(*id, &shapes[*id as usize % shapes.len()])
                } else {
                    self.rows_of_probed(*id, port)
                };
                rows.into_iter().for_each(|row| store.add(row).expect("a row"));
            }
            store.commit().expect("a commit");
        }
        // The chunk around the beginning of the month is the oldest that is there.
        let expired_to_ms = self.minutes((MONTH + 1) * 1_440, 1).start * MINUTE_MS;
        let kept = 2 * CHUNK + FRESH;
        let marks = Marks {
            expired_ticks: (self.recorded() - kept).unsigned_abs() * SERVICES as u64,
            ticks_expired_to_ms: expired_to_ms - 1,
            rollups_expired_to_ms: 0,
        };
        let copy = StoreCopy {
            liveness_ms: Some(self.end_ms),
            sealed_at_ms: self.end_ms,
            sealed_event_id: ids.len() as i64,
            marks,
            last_ids: NUMBERED.map(|table| match table {
                "services" | "service_events" => ids.len() as i64,
                _ => 0,
            }),
            alerting: AlertingCopy {
                instance_key: "benchmark".to_owned(),
                next_alert_id: 1,
                next_notification_id: 1,
            },
        };
        store.begin().expect("a transaction");
        store.set_store(&copy).expect("the end of the copy");
        store.commit().expect("a commit");
        drop(store);
        file.metadata().expect("its size").len()
    }

    /// Ticks that a service has had.
    fn recorded(&self) -> i64 {
        (self.end_ms - self.first_day_ms()) / MINUTE_MS
    }

    fn rows(&self, id: i64, shape: &[PackedStats; 2]) -> Vec<Row> {
        let url = format!("http://127.0.0.1:9/{id}");
        let mut rows = vec![
            service(id, url, "history", false, None, self.first_day_ms()),
            event(id, self.first_day_ms()),
        ];
        let recorded = self.recorded();
        rows.extend(fresh(id, recorded - FRESH + 1, ticks(id, self.minutes(FRESH, FRESH))));
        let up = self.minutes(recorded, recorded).filter(|minute| !is_down(id, *minute)).count();
        rows.push(metric(id, recorded, up as i64, self.first_day_ms()));
        let mut start_ms = self.first_day_ms();
        while start_ms < self.end_ms {
            for (step_s, stats) in [(HOUR_S, &shape[0]), (DAY_S, &shape[1])] {
                let step_ms = i64::from(step_s) * 1_000;
                // The hour that is not over has its sealed ticks; the day that is not over has no
                // roll-up.
                let sealed_to_ms = self.end_ms - FRESH * MINUTE_MS;
                let end_ms = match step_s {
                    HOUR_S => (start_ms + step_ms).min(sealed_to_ms),
                    _ => start_ms + step_ms,
                };
                let is_there = start_ms % step_ms == 0 && start_ms < end_ms;
                if is_there && end_ms <= sealed_to_ms {
                    rows.push(rollup(id, step_s, start_ms, end_ms, stats));
                }
            }
            start_ms += HOUR_MS;
        }
        // Chunks end on the boundaries that sealing would have made; their numbers count all ticks.
        let month = self.minutes(MONTH * 1_440 + CHUNK / 2, CHUNK);
        let newest = self.minutes(CHUNK + FRESH, CHUNK);
        for minutes in [month, newest] {
            rows.push(chunk(id, minutes, self.end_ms / MINUTE_MS - recorded));
        }
        rows
    }

    /// A service that was up some minutes ago.
    fn rows_of_probed(&self, id: i64, port: u16) -> Vec<Row> {
        let address = 1 + id % i64::from(ADDRESSES);
        let url = format!("http://127.0.0.{address}:{port}/{id}");
        let interval = PROBED_INTERVAL.as_secs_f64();
        let mut rows = vec![
            service(id, url, "probed", true, Some(interval), self.end_ms),
            event(id, self.end_ms - MINUTE_MS),
        ];
        rows.extend(fresh(id, 1, ticks(id, self.minutes(1, 1))));
        rows.push(metric(id, 1, 1, self.end_ms));
        rows
    }

    /// The uptimes of all services, added up. By ticks, in the window that the program uses.
    pub fn uptime_sum(&self, days: i64) -> f64 {
        // A window that begins before the ticks is widened to the hour.
        let mut from_ms = self.end_ms - days * DAY_MS;
        if days > MONTH {
            from_ms = from_ms / HOUR_MS * HOUR_MS;
        }
        let ids = 1..=SERVICES as i64;
        let share = |id: i64| {
            let window = from_ms + 1..=self.end_ms;
            let minutes = from_ms / MINUTE_MS..self.end_ms / MINUTE_MS;
            let inside = minutes.filter(|minute| window.contains(&at_ms(id, *minute)));
            let (mut up, mut all) = (0_u32, 0_u32);
            for minute in inside {
                all += 1;
                up += u32::from(!is_down(id, minute));
            }
            f64::from(up) / f64::from(all)
        };
        ids.map(share).sum()
    }

    /// `probe_success` in the text format of OpenMetrics: a month of the first services, and a day
    /// of the others. Returns the number of samples.
    pub fn write_samples(&self, file: &mut dyn Write) -> u64 {
        let mut samples = 0;
        for id in 1..=SERVICES as i64 {
            let count = if id <= WITH_MONTH as i64 { MONTH * 1_440 + 10 } else { 1_450 };
            for minute in self.minutes(count, count) {
                let at_ms = at_ms(id, minute);
                let value = u8::from(!is_down(id, minute));
                writeln!(
                    file,
                    "probe_success{{group=\"history\",instance=\"http://127.0.0.1:9/{id}\",\
                     job=\"service-healthcheck\",name=\"service-{id}\",service_id=\"{id}\"}} \
                     {value} {}.{:03}",
                    at_ms / 1_000,
                    at_ms % 1_000
                )
                .expect("a line");
                samples += 1;
            }
        }
        samples
    }
}

/// Each service has its own phase in the minute, never at the whole minute.
fn at_ms(id: i64, minute: i64) -> i64 {
    minute * MINUTE_MS + 1 + id * 577 % (MINUTE_MS - 1)
}

fn is_down(id: i64, minute: i64) -> bool {
    (minute + id * 977) % DOWN.1 < DOWN.0
}

/// Numbers that look random, below 1,024.
fn noise(nth: i64) -> u64 {
    nth.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54
}

fn ticks(id: i64, minutes: std::ops::Range<i64>) -> impl Iterator<Item = StoredTick> {
    minutes.map(move |minute| tick(id, minute))
}

/// Ticks that are not sealed; the first of them has the number `first_seq`.
fn fresh(
    service_id: i64,
    first_seq: i64,
    ticks: impl Iterator<Item = StoredTick>,
) -> impl Iterator<Item = Row> {
    let numbered = (first_seq.cast_unsigned()..).zip(ticks);
    numbered.map(move |(seq, tick)| Row::Tick(TickCopy { service_id, seq, tick }))
}

fn tick(id: i64, minute: i64) -> StoredTick {
    let is_down = is_down(id, minute);
    let part = |nth: i64, least: u64| least + least * noise(minute * 7 + nth) / 1_024;
    let phases = [part(0, 400), part(1, 12_000), part(2, 25_000), part(3, 40_000), part(4, 150)];
    StoredTick {
        at_ms: at_ms(id, minute),
        state: if is_down { State::Down } else { State::Up },
        response_time_us: phases.iter().sum(),
        phases_us: Some(phases),
        http_status: Some(if is_down { 503 } else { 200 }),
        reason: None,
    }
}

/// Sums of an hour and of a day, for the columns besides the counts of states.
fn shape(nth: i64) -> [PackedStats; 2] {
    [60, 1_440].map(|minutes| {
        let mut stats = Stats::default();
        ticks(0, nth * 1_440..nth * 1_440 + minutes).for_each(|tick| stats.add(&tick));
        PackedStats::pack(&stats)
    })
}

fn rollup(id: i64, step_s: i32, start_ms: i64, end_ms: i64, shape: &PackedStats) -> Row {
    let minutes = start_ms / MINUTE_MS..end_ms / MINUTE_MS;
    let all = (minutes.end - minutes.start).unsigned_abs();
    let down = minutes.filter(|minute| is_down(id, *minute)).count() as u64;
    let stats = PackedStats { up: all - down, down, unknown: 0, ..shape.clone() };
    let totals = Totals { up_ms: all * MINUTE_MS.unsigned_abs(), ..Totals::default() };
    let bucket = Bucket { step_s, start_s: start_ms / 1_000 };
    Row::Rollup(id, Box::new(Rollup { bucket, stats, totals }))
}

/// `first` is the minute of the first tick of the service.
fn chunk(id: i64, minutes: std::ops::Range<i64>, first: i64) -> Row {
    let first_seq = minutes.start - first + 1;
    let run: Vec<StoredTick> = ticks(id, minutes).collect();
    let count = |state: State| run.iter().filter(|tick| tick.state == state).count() as i64;
    let chunk = NewChunk {
        first_seq,
        from_ms: run.first().map_or(0, |tick| tick.at_ms),
        to_ms: run.last().map_or(0, |tick| tick.at_ms),
        tick_count: run.len() as i64,
        up_count: count(State::Up),
        down_count: count(State::Down),
        data: codec::encode(&run).expect("a chunk"),
    };
    Row::Chunk(id, chunk)
}

fn service(
    id: i64,
    url: String,
    group: &str,
    enabled: bool,
    interval_seconds: Option<f64>,
    created_ms: i64,
) -> Row {
    Row::Plain(Box::new(PlainRow::Service(Service {
        id,
        name: format!("service-{id}"),
        url,
        group_name: Some(group.to_owned()),
        enabled,
        interval_seconds,
        timeout_seconds: None,
        origin: "api".to_owned(),
        created_at: created_ms / 1_000,
        updated_at: created_ms / 1_000,
        deleted_at: None,
        conditions: None,
        options: None,
    })))
}

/// The service is up since then.
fn event(id: i64, since_ms: i64) -> Row {
    Row::Plain(Box::new(PlainRow::Event(Event {
        id,
        service_id: id,
        event: State::Up.event().to_owned(),
        failure: None,
        failure_detail: None,
        date_started_ms: since_ms,
        date_ended_ms: None,
        created_at: since_ms / 1_000,
        updated_at: since_ms / 1_000,
    })))
}

fn metric(id: i64, ticks: i64, up: i64, created_ms: i64) -> Row {
    Row::Plain(Box::new(PlainRow::Metric(Metric {
        service_id: id,
        tick_count: ticks,
        up_count: up,
        unknown_count: 0,
        response_time_sum_ns: ticks * 80_000_000,
        latest_event_id: Some(id),
        known_is_up: Some(true),
        streak_is_up: None,
        streak_count: None,
        streak_since_ms: None,
        recent_states: 3,
        is_flapping: false,
        unwatched_from_ms: None,
        result_run: 0,
        slow_run: 0,
        certificate_step: None,
        certificate_fine_since_ms: None,
        relayed_seq: 0,
        created_at: created_ms / 1_000,
        updated_at: created_ms / 1_000,
    })))
}
