//! Maintenance over the API and in the services file, and the time that was planned.

use std::time::Duration;

use serde_json::{Value, json};
use service_healthcheck::clock::unix_ms;

use crate::support::{App, Behaviour, Launch, Store, Target, stores, wait_for};

use super::{seconds, to_seconds};

stores!(
    time_down_under_maintenance_is_planned_and_stays_so,
    a_maintenance_that_took_place_while_the_program_was_stopped_is_planned,
    maintenance_of_the_services_file_is_as_in_gatus_and_read_only,
    maintenance_is_listed_changed_and_refused,
);

fn now() -> i64 {
    unix_ms().div_euclid(1_000)
}

fn plan(app: &App, body: &Value) -> Value {
    let reply = app.send("POST", "/v1/maintenance", body);
    assert_eq!(reply.status, 201, "{}", reply.text);
    let maintenance = reply.body["data"]["maintenance"]["data"].clone();
    assert_eq!(reply.header("location"), format!("/v1/maintenance/{}", maintenance["id"]));
    maintenance
}

fn uptime(app: &App, id: i64, query: &str) -> Value {
    app.data("uptime", &format!("/v1/services/{id}/uptime?{query}"))
}

/// The seconds of all categories add up to the window, to the millisecond.
fn assert_adds_up(answer: &Value) {
    let all = ["up", "down", "unknown", "paused", "planned"];
    let sum: f64 = all.map(|state| seconds(answer, state)).iter().sum();
    let window_ms = answer["to_ms"].as_i64().unwrap() - answer["from_ms"].as_i64().unwrap();
    assert!((sum * 1e3 - window_ms as f64).abs() < 0.1, "{answer}");
}

fn time_down_under_maintenance_is_planned_and_stays_so(store: Store) {
    let app = Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1").start();
    let target = Target::healthy();
    let slo = json!({"target": 99.0, "window": "1h"});
    let id =
        app.add_with(&json!({"name": "api", "group": "core", "url": target.url(), "slo": slo}));
    let other = app.add("other", &target.url());
    app.wait_for_state(id, "up");
    let form = json!({"from": now(), "to": now() + 3_600, "match": {"group": ["co*"]},
        "note": "Upgrade"});
    let made = plan(&app, &form);
    assert_eq!((&made["active"], &made["origin"]), (&json!(true), &json!("api")));
    let planned = json!({"until": made["to"], "note": "Upgrade", "maintenance_id": made["id"]});
    assert_eq!(app.service(id)["planned"], planned);
    assert!(app.service(other).get("planned").is_none());
    let listed = app.get("/v1/services");
    assert_eq!(listed.list("services")[0]["planned"], planned);

    target.set_behaviour(Behaviour::Status(500));
    app.wait_for_state(id, "down");
    app.wait_for_state(other, "down");
    let answer = wait_for("planned time", || {
        Some(uptime(&app, id, "")).filter(|answer| seconds(answer, "planned") > 0.3)
    });
    assert_adds_up(&answer);
    assert_eq!((seconds(&answer, "down"), &answer["outages"]["count"]), (0.0, &json!(0)));
    assert_eq!((&answer["planned"], &answer["uptime_percent"]), (&json!("exclude"), &json!(100.0)));
    let unplanned = uptime(&app, other, "");
    assert_adds_up(&unplanned);
    assert!(seconds(&unplanned, "down") > 0.0 && seconds(&unplanned, "planned") == 0.0);

    // Ends it: the time so far stays, and the downtime counts from then on.
    let path = format!("/v1/maintenance/{}", made["id"]);
    assert_eq!(app.delete(&path).status, 204);
    assert!(app.service(id).get("planned").is_none());
    let since = format!("from={}", to_seconds(answer["from_ms"].as_i64().unwrap()));
    let answer = wait_for("time down", || {
        Some(uptime(&app, id, &since)).filter(|answer| seconds(answer, "down") > 0.2)
    });
    assert_adds_up(&answer);
    let until = format!("{since}&to={}", to_seconds(answer["to_ms"].as_i64().unwrap()));
    let (up, down, plan) =
        (seconds(&answer, "up"), seconds(&answer, "down"), seconds(&answer, "planned"));
    assert!(plan > 0.3, "{answer}");
    for (planned, up, down) in
        [("exclude", up, down), ("down", up, down + plan), ("up", up + plan, down)]
    {
        let answer = uptime(&app, id, &format!("{until}&planned={planned}"));
        assert_adds_up(&answer);
        assert_eq!((seconds(&answer, "planned"), &answer["planned"]), (plan, &json!(planned)));
        let percent = answer["uptime_percent"].as_f64().unwrap();
        assert!((percent - 100.0 * up / (up + down)).abs() < 1e-6, "{answer}");
    }
    // The series of the same time, and the objective.
    let series =
        app.data("series", &format!("/v1/services/{id}/series?window=10m&step=1h&of=uptime"));
    assert_eq!(series["planned"], json!("exclude"));
    let buckets = series["buckets"].as_array().unwrap();
    let sum: f64 = buckets.iter().map(|bucket| seconds(bucket, "planned")).sum();
    assert!((sum - plan).abs() < 1e-9, "{series}");
    let spent = |query: &str| {
        let slo = app.data("slo", &format!("/v1/services/{id}/slo{query}"));
        slo["error_budget"]["spent_seconds"].as_f64().unwrap()
    };
    let (excluded, counted) = (spent(""), spent("?planned=down"));
    assert!(excluded >= down && counted >= excluded + plan - 1e-6, "{excluded}, {counted}");
    assert_adds_up(&app.get("/v1/uptime").list("uptime")[0]);
    app.assert_bad_request(&format!("/v1/services/{id}/uptime?planned=maybe"), "exclude, down, up");
    app.assert_bad_request(&format!("/v1/services/{id}/series?planned=up"), "of=uptime only");
    app.db().assert_consistent();
}

fn a_maintenance_that_took_place_while_the_program_was_stopped_is_planned(store: Store) {
    let launch = Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1");
    let target = Target::healthy();
    let app = launch.start();
    let id = app.add("a", &target.url());
    app.wait_for_state(id, "up");
    app.stop();
    let from = loop {
        let app = launch.start();
        let from = now() + 3;
        plan(&app, &json!({"from": from, "to": from + 1, "service_ids": [id]}));
        app.kill();
        // Otherwise the machine was too slow to stop before.
        if now() < from {
            break from;
        }
    };
    while now() <= from + 1 {
        std::thread::sleep(Duration::from_millis(50));
    }
    let app = launch.start();
    app.wait_for_state(id, "up");
    let query = format!("from={}&to={}", from, from + 1);
    let answer = wait_for("planned time", || {
        Some(uptime(&app, id, &query)).filter(|answer| seconds(answer, "planned") > 0.0)
    });
    assert_adds_up(&answer);
    assert_eq!(seconds(&answer, "planned"), 1.0, "{answer}");

    // Of a time in the past, that is new.
    let body = json!({"from": from - 100, "to": from - 90, "note": "moved"});
    let refused = app.rejected("POST", "/v1/maintenance", &body);
    assert!(refused.contains("(in the past), expected a time from now on"), "{refused}");
    let mut body = body;
    body["retroactive"] = json!(true);
    plan(&app, &body);
    let query = format!("from={}&to={}", from - 100, from - 80);
    let answer = wait_for("planned time", || {
        Some(uptime(&app, id, &query)).filter(|answer| seconds(answer, "planned") > 0.0)
    });
    assert_eq!((seconds(&answer, "planned"), seconds(&answer, "unknown")), (10.0, 10.0));
}

fn maintenance_of_the_services_file_is_as_in_gatus_and_read_only(store: Store) {
    let target = Target::start(Behaviour::Status(500));
    let file = |windows: &str| {
        format!(
            "maintenance: {{start: '00:00', duration: 24h, enabled: false}}\nendpoints:\n  \
             - name: a\n    url: {0}\n    interval: 1s\n{windows}  - name: b\n    url: {0}\n    \
             interval: 1s\n",
            target.url()
        )
    };
    // Every day and the whole day, so it is under maintenance whenever the test runs.
    let daily = "    maintenance-windows:\n      - {start: '05:00', duration: 24h, note: \
                 Daily}\n";
    let launch = Launch::on(store).with_services_file(&file(daily));
    let app = launch.start();
    assert!(!app.log().contains("maintenance"), "{}", app.log());
    app.wait_for_state(1, "down");
    assert_eq!(app.service(1)["planned"]["note"], "Daily");
    assert!(app.service(2).get("planned").is_none());
    let listed = app.get("/v1/maintenance");
    let [maintenance] = listed.list("maintenance") else { panic!("{}", listed.text) };
    assert_eq!(maintenance["origin"], "file");
    assert_eq!((&maintenance["service_ids"], &maintenance["active"]), (&json!([1]), &json!(true)));
    let path = format!("/v1/maintenance/{}", maintenance["id"]);
    for reply in [app.send("PATCH", &path, &json!({"note": "x"})), app.delete(&path)] {
        assert_eq!(reply.status, 409, "{}", reply.text);
        assert!(reply.errors().contains("belongs to the services file"), "{}", reply.text);
    }
    wait_for("planned time", || {
        Some(uptime(&app, 1, "")).filter(|answer| seconds(answer, "planned") > 0.0)
    });
    // Without the window, from the reload on.
    launch.write_file("services.yaml", &file(""));
    wait_for("the window to go", || {
        app.get("/v1/maintenance").list("maintenance").is_empty().then_some(())
    });
    assert!(app.service(1).get("planned").is_none());
    let planned = seconds(&uptime(&app, 1, ""), "planned");
    let answer = wait_for("time down", || {
        Some(uptime(&app, 1, "")).filter(|answer| seconds(answer, "down") > 0.0)
    });
    assert_eq!(seconds(&answer, "planned"), planned);
    assert_adds_up(&answer);
}

fn maintenance_is_listed_changed_and_refused(store: Store) {
    let app = Launch::on(store).start();
    let weekly = plan(&app, &json!({"start": "23:00", "duration": "1h", "every": ["Monday"]}));
    assert_eq!((&weekly["timezone"], &weekly["every"]), (&json!("UTC"), &json!(["Monday"])));
    assert_eq!(weekly["match"], json!({"group": [], "name": []}));
    let cron =
        plan(&app, &json!({"cron": "0 3 * * sun", "duration": "2h", "timezone": "Asia/Tokyo"}));
    let next = cron["next_start"].as_i64().unwrap();
    // Sunday, 03:00 in Tokyo is Saturday, 18:00 UTC. 1970 began on a Thursday.
    assert_eq!((next % 86_400, (next / 86_400 + 4) % 7), (18 * 3_600, 6));
    let page = app.get("/v1/maintenance?page=2&limit=1");
    assert_eq!(page.list("maintenance"), std::slice::from_ref(&cron));
    assert_eq!(page.body["data"]["maintenance"]["pagination"]["total"], 2);
    let path = format!("/v1/maintenance/{}", weekly["id"]);
    assert_eq!(app.data("maintenance", &path), weekly);
    let patch = json!({"duration": "90m", "every": null, "note": "longer"});
    let changed = app.send("PATCH", &path, &patch).body["data"]["maintenance"]["data"].clone();
    assert_eq!((&changed["duration"], &changed["note"]), (&json!("90m"), &json!("longer")));
    assert!(changed.get("every").is_none(), "{changed}");

    for (body, expected) in [
        (json!({}), "start: required\nduration: required"),
        (json!({"cron": "0 0 31 2 *", "duration": "1h"}), "(no month has that day)"),
        (json!({"start": "23:00", "duration": "0s"}), "duration: invalid value \"0s\""),
        (json!({"from": 4_000_000_000_u32, "to": 3_999_999_999_u32}), "to: invalid value"),
        (json!({"start": "23:00", "duration": "1h", "service_ids": [99]}), "no service 99"),
        (json!({"start": "23:00", "duration": "1h", "retroactive": 1}), "retroactive: invalid"),
        (json!({"start": "23:00", "duration": "1h", "colour": 1}), "colour: unknown key"),
    ] {
        let errors = app.rejected("POST", "/v1/maintenance", &body);
        assert!(errors.contains(expected), "{errors}");
    }
    assert_eq!(app.get("/v1/maintenance/99").status, 404);
    assert_eq!(app.send("PATCH", "/v1/maintenance/99", &json!({})).status, 404);
    assert_eq!(app.delete("/v1/maintenance/99").status, 404);
    assert_eq!(app.get("/v1/maintenance/x").status, 400);
    assert_eq!(app.request("PUT", "/v1/maintenance", &[], "").header("allow"), "GET, HEAD, POST");
}
