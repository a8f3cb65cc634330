//! `kill -9` at any moment loses and doubles nothing.

use std::time::Duration;

use service_healthcheck::clock::unix_ms;

use crate::support::{Behaviour, Db, Launch, Store, Target, kills, stores, wait_until};

stores!(
    kill_9_during_sealing_and_retention_neither_loses_nor_duplicates_ticks,
    after_kill_9_counts_means_and_events_agree_with_the_ticks,
);

const CYCLES: u32 = 200;

/// From this cycle on, retention deletes ticks after seconds; before, all ticks are kept, so that
/// roll-ups can be recounted from them.
const RETENTION_FROM: u32 = 80;

const STEADY: u32 = 32;
const SHAKY: u32 = 8;

/// Counts of ticks by place, in one snapshot.
#[derive(Debug, Clone, Copy)]
struct Ledger {
    /// Ticks counted by the metrics of all services.
    counted: i64,
    fresh: i64,
    sealed: i64,
    expired: i64,
    /// 1 while ticks are being sealed.
    sealing: i64,
    /// Services whose roll-ups and fresh ticks together differ from their metrics.
    miscounted: i64,
}

/// Every tick that was ever sealed is in the roll-up of one hour, whether retention deleted it or
/// not.
const COUNTS: &str = "\
    SELECT (SELECT coalesce(sum(tick_count + unknown_count), 0) FROM service_metrics) || ' ' || \
        (SELECT count(*) FROM fresh_ticks) || ' ' || \
        (SELECT coalesce(sum(tick_count), 0) FROM service_tick_chunks) || ' ' || \
        expired_tick_count || ' ' || \
        CASE WHEN sealing_tick_id IS NULL THEN 0 ELSE 1 END || ' ' || \
        (SELECT count(*) FROM service_metrics m LEFT JOIN (SELECT service_id, sum(up) AS up, \
            sum(down) AS down, sum(unknown) AS unknown, sum(us) AS us FROM (SELECT service_id, \
                up_count AS up, down_count AS down, unknown_count AS unknown, \
                response_sum_us AS us FROM service_rollups WHERE step_s = 3600 \
            UNION ALL SELECT service_id, \
                CASE WHEN is_up AND NOT is_unknown THEN 1 ELSE 0 END, \
                CASE WHEN is_up OR is_unknown THEN 0 ELSE 1 END, \
                CASE WHEN is_unknown THEN 1 ELSE 0 END, \
                CASE WHEN is_unknown THEN 0 ELSE response_time_us END \
                FROM fresh_ticks) a GROUP BY service_id) t USING (service_id) \
            WHERE m.up_count IS DISTINCT FROM t.up OR m.down_count IS DISTINCT FROM t.down \
            OR m.unknown_count IS DISTINCT FROM t.unknown \
            OR m.response_time_sum_ns IS DISTINCT FROM t.us * 1000) \
    FROM history";

/// Ticks that were ever sealed.
const SEALED: &str = "SELECT (SELECT coalesce(sum(tick_count), 0) FROM service_tick_chunks) + \
                      (SELECT expired_tick_count FROM history)";

/// Ticks that retention deleted.
const EXPIRED: &str = "SELECT expired_tick_count FROM history";

impl Ledger {
    fn of(db: &Db) -> Self {
        let counts = db.text(COUNTS);
        let counts: Vec<i64> = counts.split(' ').map(|count| count.parse().unwrap()).collect();
        let [counted, fresh, sealed, expired, sealing, miscounted] = counts[..] else {
            panic!("{counts:?}")
        };
        Self { counted, fresh, sealed, expired, sealing, miscounted }
    }

    /// No tick is lost or duplicated, and none of `before` is missing.
    fn assert_follows(&self, before: &Self, when: &str) {
        let Self { counted, fresh, sealed, expired, miscounted, .. } = *self;
        assert_eq!(counted, fresh + sealed + expired, "{when}: {self:?} after {before:?}");
        assert_eq!(miscounted, 0, "{when}: {self:?} after {before:?}");
        let goes_on = counted >= before.counted
            && expired >= before.expired
            && sealed + expired >= before.sealed + before.expired;
        assert!(goes_on, "{when}: {self:?} after {before:?}");
    }
}

/// Pseudo-random durations (xorshift64).
struct Durations {
    seed: u64,
    state: u64,
}

impl Durations {
    fn new() -> Self {
        let seed = unix_ms().cast_unsigned() | 1;
        Self { seed, state: seed }
    }

    /// From 50 to 350 ms.
    fn next(&mut self) -> Duration {
        for shift in [13_i32, -7, 17] {
            let moved = if shift > 0 { self.state << shift } else { self.state >> -shift };
            self.state ^= moved;
        }
        Duration::from_millis(50 + self.state % 300)
    }
}

fn assert_whole(launch: &Launch, when: &str) {
    let (code, output) = launch.run(&["check-db"]);
    assert!(code == Some(0) && output.starts_with("whole: "), "{when}: {output}");
}

/// A database deletes a chunk in several round trips, so it gets fewer of them.
fn ticks_per_chunk(store: Store) -> u32 {
    match store {
        Store::Sqlite => 2,
        Store::Postgres => 4,
    }
}

fn kill_9_during_sealing_and_retention_neither_loses_nor_duplicates_ticks(store: Store) {
    let cycles = kills(CYCLES);
    let mut durations = Durations::new();
    let (steady, shaky) = (Target::healthy(), Target::start(Behaviour::Alternating(200, 503)));
    // A small buffer is committed whenever it is full, so that writes happen all the time.
    let mut launch = Launch::on(store)
        .with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1")
        .with("RECORDER_BUFFER_LIMIT", 10)
        .with("TICKS_PER_CHUNK", ticks_per_chunk(store));
    let app = launch.start();
    for nth in 0..STEADY {
        app.add(&format!("steady-{nth}"), &steady.url());
    }
    for nth in 0..SHAKY {
        app.add(&format!("shaky-{nth}"), &shaky.url());
    }
    app.kill();

    let db = launch.db();
    let mut last = Ledger::of(&db);
    let (mut sealings, mut interrupted, mut deletions) = (0, 0, 0);
    for cycle in 0..cycles {
        if cycle == RETENTION_FROM {
            assert_eq!(last.expired, 0, "retention deletes nothing yet");
            launch = launch.with("TICK_RETENTION_DAYS", "0.00003");
        }
        let app = launch.start();
        let wait = durations.next();
        let when = format!("cycle {cycle}, {wait:?}, seed {}", durations.seed);
        // By now the program, or the read below in the last cycle, has recovered the database.
        let started = Ledger::of(&db);
        started.assert_follows(&last, &when);
        // On a busy machine, a random time alone may be too short for any of this.
        if cycle % 2 == 1 {
            wait_until("ticks to be sealed", || db.number(SEALED) > last.sealed + last.expired);
        }
        if cycle > RETENTION_FROM && cycle % 4 == 0 {
            wait_until("ticks to be deleted", || db.number(EXPIRED) > last.expired);
        }
        std::thread::sleep(wait);
        let current = Ledger::of(&db);
        app.kill();
        if cycle % 2 == 0 {
            let left = Ledger::of(&db);
            left.assert_follows(&current, &when);
        }
        if cycle % 10 == 9 {
            assert_whole(&launch, &when);
        }
        sealings += u32::from(current.sealed + current.expired > last.sealed + last.expired);
        interrupted += u32::from(current.sealing > 0);
        deletions += u32::from(current.expired > last.expired);
        last = current;
    }
    assert_whole(&launch, &format!("at the end, seed {}", durations.seed));
    assert!(sealings >= cycles / 2, "ticks were sealed in {sealings} of {cycles} cycles only");
    assert!(interrupted >= cycles / 20, "{interrupted} sealings were interrupted only");
    let least = (cycles - RETENTION_FROM) / 4 - 1;
    assert!(deletions >= least, "ticks were deleted in {deletions} cycles only");
}

fn after_kill_9_counts_means_and_events_agree_with_the_ticks(store: Store) {
    let launch = Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1");
    let (steady, flapping) = (Target::healthy(), Target::healthy());
    let mut app = launch.start();
    for name in 0..20 {
        app.add(&format!("steady-{name}"), &steady.url());
        app.add(&format!("flapping-{name}"), &flapping.url());
    }
    let mut ticks = 0;
    for cycle in 0..8u32 {
        let behaviour = if cycle % 2 == 0 { 503 } else { 200 };
        flapping.set_behaviour(Behaviour::Status(behaviour));
        let recorded = "service_healthcheck_outcomes_total{result=\"recorded\"}";
        // What this process recorded before the count below is not new.
        let least = app.metric(recorded).unwrap_or(0.0) + 40.0 + 13.0 * f64::from(cycle);
        app.wait_for_metric(recorded, least);
        // Not a multiple of the commit interval, so that each cycle kills at another point of a
        // commit.
        std::thread::sleep(Duration::from_millis(u64::from(37 * cycle % 190)));
        let db = app.db();
        app.kill();
        app = launch.start();
        db.assert_consistent();
        let now = db.number("SELECT count(*) FROM service_ticks");
        assert!(now > ticks, "committed ticks stay: {now} after {ticks}");
        ticks = now;
    }
    app.stop();
}
