//! Alerts, silences, channels and maintenance in the browser.

use serde_json::{Value, json};

use crate::support::browser::browse;
use crate::support::{App, Behaviour, Launch, Receiver, Target, wait_for, wait_until};

/// A program that reports to `receiver`, through the channel `ops`.
fn alerting(receiver: &Receiver) -> App {
    let app = Launch::new().start();
    receiver.create_channel(&app, "ops");
    let policy = json!({
        "name": "all", "channels": ["ops"], "failure_threshold": 1, "success_threshold": 1,
        "group_wait_seconds": 0,
    });
    assert_eq!(app.send("POST", "/v1/policies", &policy).status, 201);
    app
}

fn open_alert(app: &App) -> Value {
    wait_for("an alert", || app.get("/v1/alerts").list("alerts").first().cloned())
}

#[test]
fn an_alert_is_acknowledged_and_taken_back() {
    let (receiver, target) = (Receiver::start(), Target::start(Behaviour::Status(503)));
    let app = alerting(&receiver);
    app.add("pay", &target.url());
    open_alert(&app);
    browse(&app, |browser| {
        browser.dashboard();
        wait_until("the number of open alerts", || browser.text("#open b") == "1");
        browser.click_on("nav a[href='/alerts']");
        browser.wait_for_text("503");
        assert!(browser.text("#rows tbody").contains("firing"));
        browser.check();
        browser.click("Acknowledge");
        browser.fill("Your name", "ann");
        browser.fill("Note", "on it");
        browser.check();
        browser.click("Acknowledge pay");
        browser.wait_for_text("acknowledged");
        assert!(browser.text("#rows tbody").contains("ann"));
        let acknowledged = &open_alert(&app)["acknowledged"];
        assert_eq!((&acknowledged["by"], &acknowledged["note"]), (&json!("ann"), &json!("on it")));

        browser.click("Take back");
        wait_until("the alert to be taken back", || {
            !browser.text("#rows tbody").contains("acknowledged")
        });
        assert_eq!(open_alert(&app)["acknowledged"], Value::Null);

        target.set_behaviour(Behaviour::Status(200));
        browser.wait_for_text("No open alert");
        wait_until("no number", || !browser.has("#open b"));
        browser.reload();
        browser.click("all");
        wait_until("the ended alert", || browser.text("#rows tbody").contains("resolved"));
    });
}

#[test]
fn a_silence_keeps_an_alert_from_being_delivered() {
    let (receiver, target) = (Receiver::start(), Target::healthy());
    let app = alerting(&receiver);
    let id = app.add("pay", &target.url());
    app.wait_for_state(id, "up");
    browse(&app, |browser| {
        browser.visit("/alerts");
        browser.click("Add a silence");
        browser.fill("Services", "pa*");
        browser.choose("For", "4 hours");
        browser.fill("Note", "new disks");
        browser.click("Add the silence");
        wait_until("the silence", || browser.text("#silence tbody").contains("new disks"));
        let reply = app.get("/v1/silences");
        let [silence] = reply.list("silences") else { panic!("{}", reply.text) };
        assert_eq!(silence["match"]["name"], json!(["pa*"]));
        let seconds = silence["to"].as_i64().unwrap() - silence["from"].as_i64().unwrap();
        assert_eq!(seconds, 4 * 3_600);

        target.set_behaviour(Behaviour::Status(503));
        browser.reload_until_text("not delivered: silence");
        assert_eq!(receiver.states_of("pay"), [""; 0]);
        browser.check();
        browser.click("End");
        wait_until("no silence", || !browser.has("#silence tbody tr"));
        assert_eq!(app.get("/v1/silences").list("silences"), [] as [Value; 0]);
    });
}

#[test]
fn maintenance_is_planned_changed_and_ended() {
    let target = Target::healthy();
    let app = Launch::new().start();
    let id = app.add("pay", &target.url());
    app.wait_for_state(id, "up");
    browse(&app, |browser| {
        browser.expect_in_console("status of 422");
        browser.visit("/maintenance");
        browser.wait_for_text("No maintenance is planned");
        browser.click("Plan it");
        wait_until("errors", || browser.has(".error, .note.bad"));
        browser.check();
        browser.visit("/maintenance");
        browser.fill("Note", "Upgrade");
        browser.fill("Services", "pa*");
        browser.click("Or repeated");
        browser.fill("Start", "00:00");
        browser.fill("Duration", "24h");
        browser.click("Plan it");
        wait_until("the row", || browser.text("tbody").contains("Upgrade"));
        wait_until("the maintenance of the service", || {
            app.service(id)["planned"]["note"] == "Upgrade"
        });
        browser.services("/services").row("pay").wait_for_state("up");
        assert!(browser.text("tr[data-id]").contains("maintenance"), "beside the state");
        browser.dashboard();
        assert!(browser.text("#planned").contains("Upgrade"), "{}", browser.text("#planned"));
        browser.visit("/maintenance");
        browser.click("Edit Upgrade");
        browser.wait_for_text("Edit Upgrade");
        browser.check();
        browser.fill("Start", "25:00");
        browser.click("Save");
        wait_until("the refusal", || browser.text("#h-start .error").contains("start: "));
        browser.check();
        browser.fill("Start", "01:30");
        browser.fill("Note", "Disks");
        browser.click_on("#f-enabled");
        browser.click("Save");
        browser.wait_for_text("The change is saved");
        wait_until("the new note", || browser.text("tbody").contains("Disks"));
        assert!(
            browser.text("tbody").contains("01:30") && browser.text("tbody").contains("disabled")
        );
        wait_until("no maintenance of the service", || app.service(id)["planned"].is_null());
        browser.click("End and delete");
        browser.wait_for_text("No maintenance is planned");
    });
}

#[test]
fn a_channel_is_added_tested_changed_and_deleted() {
    let receiver = Receiver::start();
    let app = Launch::new().start();
    browse(&app, |browser| {
        browser.expect_in_console("status of 422");
        browser.visit("/channels");
        browser.wait_for_text("No channel yet");
        browser.check();
        browser.click("Add a channel");
        browser.choose("Kind", "webhook");
        browser.click("Choose");
        browser.check();
        browser.fill("Name", "ops");
        browser.fill("url", &receiver.target.url());
        browser.click("Add the channel");
        wait_until("the channel", || browser.text("tbody").contains("ops"));
        browser.click("Send a test");
        wait_until("a message", || receiver.target.request_count() == 1);
        browser.wait_for_text("delivered");
        browser.check();
        receiver.target.set_behaviour(Behaviour::Status(500));
        browser.click("Send a test");
        browser.wait_for_text("500");
        browser.click("Edit ops");
        browser.wait_for_text("Edit ops");
        browser.check();
        browser.fill("url", "ftp://receiver.example/");
        browser.click("Save");
        wait_until("the refusal", || {
            browser.text("[id='h-keys.url'] .error").contains("keys.url: invalid value")
        });
        browser.check();
        browser.fill("Name", "ops-2");
        browser.fill("url", &receiver.target.at("/other"));
        browser.click_on("#f-enabled");
        browser.click("Save");
        browser.wait_for_text("The change is saved");
        browser.wait_for_text("disabled");
        let changed = app.get("/v1/channels").list("channels")[0].clone();
        assert_eq!((&changed["name"], &changed["enabled"]), (&json!("ops-2"), &json!(false)));
        browser.click("Delete");
        browser.click("Delete ops-2");
        browser.wait_for_text("No channel yet");
        assert_eq!(app.get("/v1/channels").list("channels"), [] as [Value; 0]);
    });
}
