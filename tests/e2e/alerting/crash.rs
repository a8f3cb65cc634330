//! `kill -9` at any moment loses no alert, and repeats only requests that were under way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{
    Behaviour, Launch, Received, Receiver, Store, Target, kills, stores, wait_until,
};

stores!(after_kill_9_every_alert_is_known_to_every_channel);

const KILLS: u32 = 100;
const SERVICES: usize = 50;
const CHANNELS: usize = 3;

/// Notifications whose newest revision is not delivered, and alerts without a notification on each
/// channel.
const UNDELIVERED: &str = "\
    SELECT count(*) FROM notifications WHERE delivered < revision AND closed_ms IS NULL";
const UNTOLD: &str = "\
    SELECT count(*) FROM alerts a WHERE (SELECT count(DISTINCT n.channel_id) \
        FROM notification_alerts m JOIN notifications n ON n.id = m.notification_id \
        WHERE m.alert_id = a.id) <> 3";
const OPEN: &str = "SELECT count(*) FROM alerts WHERE state <> 'resolved'";

fn after_kill_9_every_alert_is_known_to_every_channel(store: Store) {
    let kills = kills(KILLS);
    let launch = Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.5");
    let mut app = launch.start();
    let receivers: Vec<Receiver> = (0..CHANNELS).map(|_| Receiver::start()).collect();
    for (nth, receiver) in receivers.iter().enumerate() {
        receiver.create_channel(&app, &format!("hook-{nth}"));
    }
    let targets: Vec<Target> =
        (0..SERVICES).map(|_| Target::start(Behaviour::Alternating(200, 503))).collect();
    let rules: Vec<_> = (0..CHANNELS)
        .map(|nth| {
            json!({
                "channel": format!("hook-{nth}"), "failure_threshold": 1, "success_threshold": 1,
                "send_on_resolved": true,
            })
        })
        .collect();
    for (nth, target) in targets.iter().enumerate() {
        let name = format!("service-{nth}");
        app.add_with(&json!({"name": name, "url": target.url(), "alerts": rules}));
    }
    for kill in 0..kills {
        // Different moments of the program's life, from its start on.
        std::thread::sleep(Duration::from_millis(u64::from(kill * 97 % 701)));
        app.signal(Signal::KILL);
        app.exit_code();
        app = launch.start();
    }
    for target in &targets {
        target.set_behaviour(Behaviour::Status(200));
    }
    let db = app.db();
    wait_until("every alert to end", || db.number(OPEN) == 0);
    wait_until("every notification to be delivered", || db.number(UNDELIVERED) == 0);
    app.stop();
    assert!(db.number("SELECT count(*) FROM alerts") > 0);
    assert_eq!(db.number(UNTOLD), 0, "alerts that a channel does not know");
    for (nth, receiver) in receivers.iter().enumerate() {
        assert_in_order(&receiver.received(), kills);
        assert_complete(receiver, &db.texts(&revisions(nth + 1)));
    }
}

/// Key without the instance, and newest revision, of the notifications of a channel.
fn revisions(channel: usize) -> String {
    format!(
        "SELECT CASE WHEN n.state LIKE 'digest%' THEN 'n' || n.id ELSE '' || \
            (SELECT min(m.alert_id) FROM notification_alerts m WHERE m.notification_id = n.id) \
            END || ' ' || n.delivered FROM notifications n \
        WHERE n.channel_id = {channel} AND n.delivered > 0 ORDER BY n.id"
    )
}

/// The newest revision of each notification was received.
fn assert_complete(receiver: &Receiver, revisions: &[String]) {
    let received: BTreeSet<String> = receiver
        .received()
        .iter()
        .map(|message| {
            format!("{} {}", message.key.splitn(3, '-').nth(2).unwrap(), message.revision)
        })
        .collect();
    let lost: Vec<&String> = revisions.iter().filter(|it| !received.contains(*it)).collect();
    assert!(lost.is_empty(), "{lost:?} of {} are lost", revisions.len());
    assert!(!revisions.is_empty());
}

/// A revision is repeated at most once a kill, and never after a newer one.
fn assert_in_order(received: &[Received], kills: u32) {
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    let mut repeated = 0;
    for message in received {
        let before = newest.insert(&message.key, message.revision);
        assert!(before.is_none_or(|before| before <= message.revision), "{message:?}");
        repeated += u32::from(before == Some(message.revision));
    }
    assert!(repeated <= kills, "{repeated} repeated by {kills} kills");
}
