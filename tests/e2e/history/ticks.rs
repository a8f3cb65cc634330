//! The list of ticks, fresh and sealed.

use serde_json::{Value, json};

use crate::support::{App, Behaviour, Launch, Store, Target, stores, wait_until};

use super::{date_ms, launch, ticks, to_seconds, with_ticks};

stores!(
    every_tick_is_listed_once_during_inserts_and_sealing,
    sealing_does_not_change_a_tick,
    ticks_are_found_by_state_reason_and_time,
);

/// All pages of a list of ticks; calls `before` before each page but the first.
fn all_pages(app: &App, id: i64, query: &str, mut before: impl FnMut()) -> Vec<Value> {
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let reply = app.get(&format!("/v1/services/{id}/ticks?{query}{cursor}"));
        listed.extend_from_slice(reply.list("ticks"));
        let Some(next) = reply.body["data"]["ticks"]["pagination"]["next_cursor"].as_str() else {
            return listed;
        };
        cursor = format!("&cursor={next}");
        before();
    }
}

fn seqs(ticks: &[Value]) -> Vec<u64> {
    ticks.iter().map(|tick| tick["seq"].as_u64().unwrap()).collect()
}

fn every_tick_is_listed_once_during_inserts_and_sealing(store: Store) {
    let app = launch(store, 2).start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    let (db, mut count) = (app.db(), 12);
    app.wait_for_ticks(id, count);
    let sealed = || db.number("SELECT coalesce(sum(tick_count), 0) FROM service_tick_chunks");
    let listed = all_pages(&app, id, "limit=3", || {
        let before = sealed();
        count += 2;
        app.wait_for_ticks(id, count);
        wait_until("more ticks to be sealed", || sealed() > before);
    });
    let newest = listed[0]["seq"].as_u64().unwrap();
    let later = app.service(id)["metric"]["data"]["tick_count"].as_u64().unwrap();
    assert!(newest >= 12 && newest < later, "{newest} of {later}");
    assert_eq!(seqs(&listed), (1..=newest).rev().collect::<Vec<_>>());
    assert!(listed.iter().map(date_ms).rev().is_sorted(), "newest first: {listed:?}");
    assert!(listed.iter().all(|tick| date_ms(tick) / 1_000 == tick["date"]));
}

fn sealing_does_not_change_a_tick(store: Store) {
    let app = launch(store, 40).start();
    let target = Target::start(Behaviour::Alternating(200, 503));
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 6);
    app.pause(id);
    let fresh = ticks(&app, id, "to=9999999999");
    let db = app.db();
    let sealed_to = || {
        db.number("SELECT coalesce(max(first_seq + tick_count - 1), 0) FROM service_tick_chunks")
    };
    assert_eq!(sealed_to(), 0, "no tick is sealed yet");
    app.change(id, &json!({"enabled": true}));
    let newest = fresh[0]["seq"].as_i64().unwrap();
    wait_until("the ticks to be sealed", || sealed_to() >= newest);
    let sealed = ticks(&app, id, &format!("cursor={}", newest + 1));
    assert!(fresh.len() >= 6 && fresh[0]["phases"]["transfer_ms"].is_number(), "{fresh:?}");
    assert_eq!(sealed, fresh);
}

fn ticks_are_found_by_state_reason_and_time(store: Store) {
    let app = launch(store, 3).start();
    let (id, all) = with_ticks(&app, 12);
    let up: Vec<Value> = all.iter().filter(|tick| tick["state"] == "up").cloned().collect();
    let down: Vec<Value> = all.iter().filter(|tick| tick["state"] == "down").cloned().collect();
    assert_eq!(up.len() + down.len(), all.len());
    assert!(down.iter().all(|tick| tick["reason"] == "status" && tick["http_status"] == 503));
    assert!(up.iter().all(|tick| tick["reason"].is_null() && tick["http_status"] == 200));

    let (from, to) = (date_ms(&all[all.len() - 3]), date_ms(&all[2]));
    let within: Vec<Value> =
        all.iter().filter(|tick| (from..to).contains(&date_ms(tick))).cloned().collect();
    assert!(!within.is_empty() && within.len() < all.len());
    let within_query = format!("from={}&to={}", to_seconds(from), to_seconds(to));
    for (query, expected) in [
        ("state=up".to_owned(), &up[..]),
        ("state=down".to_owned(), &down),
        ("reason=status".to_owned(), &down),
        ("state=down&reason=status".to_owned(), &down),
        ("state=up&reason=status".to_owned(), &[]),
        ("reason=timeout".to_owned(), &[]),
        ("state=unknown".to_owned(), &[]),
        (within_query, &within),
        ("from=2001-01-01T00:00:00Z".to_owned(), &all),
        ("to=2001-01-01T00:00:00Z".to_owned(), &[]),
        ("limit=2".to_owned(), &all[..2]),
        ("limit=2&state=down".to_owned(), &down[..2]),
    ] {
        assert_eq!(ticks(&app, id, &query), expected, "{query}");
    }
    assert_eq!(all_pages(&app, id, "state=down&limit=1", || {}), down);
    assert_eq!(all_pages(&app, id, &format!("limit={}", all.len()), || {}), all);
}

#[test]
fn an_invalid_tick_query_is_rejected_by_field() {
    let app = Launch::new().start();
    let id = app.add_with(&json!({"name": "a", "url": "http://127.0.0.1:1/", "enabled": false}));
    for (query, why) in [
        ("cursor=abc", "cursor: invalid value \"abc\""),
        ("cursor=-1", "cursor: invalid value \"-1\""),
        ("limit=0", "limit: invalid value \"0\""),
        ("limit=1001", "limit: invalid value \"1001\""),
        ("state=ill", "state: invalid value \"ill\""),
        ("state=paused", "state: invalid value \"paused\""),
        ("reason=bad_luck", "reason: invalid value \"bad_luck\""),
        ("page=2", "\"page\": unknown parameter"),
    ] {
        app.assert_bad_request(&format!("/v1/services/{id}/ticks?{query}"), why);
    }
    assert_eq!(ticks(&app, id, ""), [] as [Value; 0]);
    assert_eq!(app.get("/v1/services/9/ticks").status, 404);
    assert_eq!(app.get("/v1/services/9/series").status, 404);
}
