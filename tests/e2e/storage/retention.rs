//! Storage use and retention.

use serde_json::{Value, json};

use crate::support::{App, Db, Launch, Store, Target, stores, wait_for, wait_until};

stores!(
    storage_use_is_reported_exactly,
    retention_deletes_old_ticks_keeps_roll_ups_and_bounds_the_file,
);

/// Counts for each table of `/v1/_internal/storage`.
const ROWS: [(&str, &str); 6] = [
    ("services", "SELECT count(*) FROM services"),
    ("events", "SELECT count(*) FROM service_events"),
    ("fresh_ticks", "SELECT count(*) FROM fresh_ticks"),
    ("sealed_ticks", "SELECT sum(tick_count) FROM service_tick_chunks"),
    ("chunks", "SELECT count(*) FROM service_tick_chunks"),
    ("rollups", "SELECT count(*) FROM service_rollups"),
];

fn storage(app: &App) -> Value {
    app.data("storage", "/v1/_internal/storage")
}

fn rows(db: &Db) -> Value {
    ROWS.into_iter()
        .map(|(table, query)| (table, db.number(query)))
        .collect::<Vec<_>>()
        .into_iter()
        .map(|(table, count)| (table.to_owned(), json!(count)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn storage_use_is_reported_exactly(store: Store) {
    let launch =
        Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1").with("TICKS_PER_CHUNK", 5);
    let target = Target::healthy();
    let app = launch.start();
    let nothing = storage(&app);
    assert_eq!(nothing["rows"]["chunks"], 0);
    for key in ["bytes_per_sealed_tick", "ticks_since", "sealed_at"] {
        assert!(nothing[key].is_null(), "{nothing}");
    }
    let ids = [app.add("a", &target.url()), app.add("b", &target.url())];
    let db = app.db();
    wait_until("several chunks", || db.number("SELECT count(*) FROM service_tick_chunks") >= 4);
    wait_until("a fresh tick", || db.number(ROWS[2].1) > 0);
    for id in ids {
        app.pause(id);
    }
    // Without a running service, one chunk of fresh ticks is enough to be sealed.
    let is_at_rest =
        "SELECT sealing_tick_id IS NULL AND (SELECT count(*) FROM fresh_ticks) < 5 FROM history";
    let (counted, reported) = wait_for("the counts to be stable", || {
        let is_at_rest = db.number(is_at_rest) == 1;
        let (counted, reported) = (rows(&db), storage(&app));
        (is_at_rest && rows(&db) == counted).then_some((counted, reported))
    });
    assert_eq!(reported["rows"], counted);
    assert!(counted["sealed_ticks"].as_i64().unwrap() >= 20, "{counted}");
    assert_eq!(
        (&counted["services"], &counted["rollups"]),
        (&json!(2), &json!(db.number(ROWS[5].1)))
    );
    let number = |query: &str| json!(db.number(query));
    let bytes = &reported["bytes"];
    assert_eq!(bytes["sealed_ticks"], number("SELECT sum(length(data)) FROM service_tick_chunks"));
    match store {
        Store::Sqlite => {
            let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
            assert_eq!(bytes["file"], number(size));
        }
        // A vacuum may have changed it meanwhile.
        Store::Postgres => {
            let size = db.number("SELECT pg_database_size(current_database())");
            assert!((1..=size).contains(&bytes["file"].as_i64().unwrap()), "{bytes}, {size}");
        }
    }
    assert_eq!(
        reported["ticks_since"],
        number("SELECT from_ms / 1000 FROM service_tick_chunks ORDER BY to_ms, from_ms LIMIT 1")
    );
    assert_eq!(reported["sealed_at"], number("SELECT sealed_at_ms / 1000 FROM history"));
    let a_tick =
        bytes["sealed_ticks"].as_f64().unwrap() / counted["sealed_ticks"].as_f64().unwrap();
    // The JSON parser of this test may be wrong in the last bit.
    let reported_tick = reported["bytes_per_sealed_tick"].as_f64().unwrap();
    assert!((reported_tick - a_tick).abs() < 1e-9, "{reported_tick} {a_tick}");
    let sealed = app.metric("service_healthcheck_ticks_sealed_total").unwrap();
    assert_eq!(json!(sealed as i64), counted["sealed_ticks"], "each tick was sealed once");
    app.stop();

    // Counted at the start, and every minute.
    let counted = rows(&db);
    let app = launch.start();
    for (table, query) in ROWS {
        let count = db.number(query) as f64;
        assert_eq!(counted[table].as_f64(), Some(count), "nothing is probed");
        app.wait_for_metric(
            &format!("service_healthcheck_storage_rows{{table=\"{table}\"}}"),
            count,
        );
    }
    let file = storage(&app)["bytes"]["file"].as_f64().unwrap();
    app.wait_for_metric("service_healthcheck_storage_bytes{part=\"file\"}", file);
}

fn retention_deletes_old_ticks_keeps_roll_ups_and_bounds_the_file(store: Store) {
    const KEPT_S: f64 = 2.16;
    let launch = Launch::on(store)
        .with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1")
        .with("TICKS_PER_CHUNK", 2)
        .with("TICK_RETENTION_DAYS", KEPT_S / 86_400.0);
    let target = Target::healthy();
    let app = launch.start();
    let ids = [0, 1, 2, 3].map(|nth| app.add(&nth.to_string(), &target.url()));
    let db = app.db();
    let expired = || db.number("SELECT expired_tick_count FROM history");
    wait_until("old ticks to be deleted", || expired() > 40);
    // Sealing and retention run in turns: for a moment, every sealed tick may be deleted.
    let mut before = storage(&app);
    wait_until("ticks that are sealed and not deleted", || {
        before = storage(&app);
        before["rows"]["sealed_ticks"].as_i64().unwrap() > 20
    });
    let deleted = expired();
    assert!(before["bytes"]["file"].as_f64().unwrap() > 0.0, "{before}");
    let newest = ids.map(|id| {
        app.data("ticks", &format!("/v1/services/{id}/ticks?limit=1"))[0]["seq"].as_u64().unwrap()
    });
    // Four times as many as there were; without retention, all tables would be five times as large.
    let rows = |table: &str| before["rows"][table].as_i64().unwrap();
    let more = 4 * (rows("sealed_ticks") + rows("fresh_ticks"));
    wait_until("more ticks to be deleted", || expired() > deleted + more);
    // PostgreSQL reuses space once a minute (autovacuum).
    let mut parts = vec!["/rows/sealed_ticks", "/rows/chunks", "/bytes/sealed_ticks"];
    if store == Store::Sqlite {
        parts.push("/bytes/file");
    }
    // On a busy machine, a pass of retention may be late; without one, nothing becomes smaller.
    wait_until("tables that have not grown", || {
        let after = storage(&app);
        let value = |at: &Value, part: &str| at.pointer(part).unwrap().as_f64().unwrap();
        parts.iter().all(|part| value(&after, part) < 2.5 * value(&before, part))
    });
    for (id, newest) in ids.into_iter().zip(newest) {
        let reply = app.get(&format!("/v1/services/{id}/ticks?limit=1000"));
        let oldest = reply.list("ticks").last().unwrap().clone();
        assert!(oldest["seq"].as_u64().unwrap() > newest, "{oldest}, newest before {newest}");
        assert!(reply.body["data"]["ticks"]["pagination"]["next_cursor"].is_null());
        app.pause(id);
        let series = app.data("series", &format!("/v1/services/{id}/series?step=1h"));
        let buckets = series["buckets"].as_array().unwrap();
        let count: u64 = buckets.iter().map(|bucket| bucket["count"].as_u64().unwrap()).sum();
        assert_eq!(app.service(id)["metric"]["data"]["tick_count"], count, "roll-ups stay");
    }
    app.stop();
    let (code, output) = launch.run(&["check-db"]);
    assert!(code == Some(0) && output.starts_with("whole: 4 services, "), "{output}");
}
