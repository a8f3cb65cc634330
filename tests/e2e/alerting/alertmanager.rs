//! Channels of kind `alertmanager`, with Debian's Alertmanager.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use service_healthcheck::alerting::alertmanager::{Alert, Settings, body};
use service_healthcheck::alerting::mirror::{Identity, Mirror};
use service_healthcheck::domain::alert::{Facts, Message, MessageState};

use super::message;
use crate::support::alertmanager::Alertmanager;
use crate::support::{App, Behaviour, Launch, Target, wait_until};

/// Sends everything that is due at `now_ms`; the messages are by the id of their alert.
fn push(
    mirror: &mut Mirror,
    settings: &Settings,
    messages: &BTreeMap<i64, Message>,
    now_ms: i64,
) -> Vec<bool> {
    let mut results = Vec::new();
    while let Some(push) = mirror.next_push(now_ms) {
        let messages: Vec<Message> = push
            .alerts
            .iter()
            .map(|alert| Message { ended_ms: alert.ended_ms, ..messages[&alert.alert_id].clone() })
            .collect();
        let alerts: Vec<Alert> = messages
            .iter()
            .map(|message| Alert { message, title: "DOWN", text: "It does not answer." })
            .collect();
        let watchdog = push.watchdog.then_some("monitor");
        let body = body(settings, &alerts, watchdog, now_ms);
        let sent = ureq::post(settings.endpoints[push.url].as_str()).send_json(&body);
        results.push(sent.is_ok());
        mirror.pushed(&push, sent.is_ok(), now_ms);
    }
    results
}

fn now_ms() -> i64 {
    service_healthcheck::clock::unix_ms()
}

fn of_service(name: &str) -> Message {
    let facts = Facts { name: name.to_owned(), group: Some("core".to_owned()), ..Facts::default() };
    Message { facts, since_ms: now_ms() - 60_000, ..message(MessageState::Firing, 1) }
}

fn identity(message: &Message) -> Identity {
    let Facts { name, group, .. } = &message.facts;
    Identity::new(name, group.as_deref(), message.kind)
}

#[test]
fn alerts_survive_a_kill_of_alertmanager_and_end() {
    let mut server = Alertmanager::start();
    let keys = json!({"urls": [server.url()], "labels": {"team": "core"}, "watchdog": true});
    let settings = Settings::read(keys.as_object().unwrap()).unwrap();
    let messages: BTreeMap<i64, Message> =
        (1..=300).map(|id| (id, of_service(&format!("service {id:03}")))).collect();
    let mut mirror = Mirror::new(1, true);
    for (id, message) in &messages {
        mirror.began(identity(message), *id, *id == 300);
    }
    let start = now_ms();
    assert!(push(&mut mirror, &settings, &messages, start).iter().all(|sent| *sent));
    let firing = server.firing("service");
    assert_eq!(firing.len(), 300, "299 alerts and the watchdog");
    assert!(!firing.contains(&"service 300".to_owned()), "it is suppressed");
    let alerts = server.alerts();
    let of = |service: &str| -> Value {
        alerts.iter().find(|alert| alert["labels"]["service"] == service).unwrap().clone()
    };
    let first = of("service 001");
    let labels = json!({"alertname": "ServiceDown", "service": "service 001", "group": "core",
        "kind": "down", "severity": "critical", "monitor": "monitor", "team": "core"});
    assert_eq!(first["labels"], labels);
    assert_eq!(first["annotations"]["description"], "It does not answer.");

    server.kill();
    mirror.ended(identity(&messages[&1]), start);
    assert_eq!(push(&mut mirror, &settings, &messages, start + 1_000), [false]);
    server.run();
    assert_eq!(server.firing("service").len(), 0, "it has forgotten everything");
    assert!(push(&mut mirror, &settings, &messages, start + 2_000).iter().all(|sent| *sent));
    let firing = server.firing("service");
    assert_eq!(firing.len(), 299, "without the one that ended");
    assert!(!firing.contains(&"service 001".to_owned()));
    for (id, message) in &messages {
        if *id != 1 {
            mirror.ended(identity(message), start);
        }
    }
    push(&mut mirror, &settings, &messages, start + 3_000);
    assert_eq!(server.firing("alertname"), ["Watchdog"]);
}

/// Alertmanager refuses a request with a label that it does not accept, but takes the others of the
/// request; so such labels are refused when a channel is defined.
#[test]
fn alertmanager_takes_equal_labels_for_one_alert() {
    let server = Alertmanager::start();
    let keys = json!({"urls": [server.url()]});
    let settings = Settings::read(keys.as_object().unwrap()).unwrap();
    let mut messages = BTreeMap::from([(1, of_service("api"))]);
    let mut mirror = Mirror::new(1, false);
    let now = now_ms();
    let api = identity(&messages[&1]);
    mirror.began(api, 1, false);
    push(&mut mirror, &settings, &messages, now);
    mirror.ended(api, now);
    push(&mut mirror, &settings, &messages, now + 1);
    assert_eq!(server.firing("service"), [""; 0]);
    messages.insert(2, Message { since_ms: now, ..of_service("api") });
    mirror.began(api, 2, false);
    for round in 0..3 {
        push(&mut mirror, &settings, &messages, now + 2 + round * 60_000);
        assert_eq!(server.firing("service"), ["api"], "the old end would resolve it");
    }
}

/// The program with two Alertmanagers, one of which is killed, and then killed itself.
#[test]
fn alertmanagers_show_what_fires_after_they_or_the_program_were_killed() {
    let mut first = Alertmanager::start();
    let second = Alertmanager::start();
    let targets = [Target::start(Behaviour::Status(503)), Target::start(Behaviour::Status(503))];
    let launch = Launch::new().with("PUBLIC_URL", "https://mon.example.org");
    let app = launch.start();
    let channel = json!({"name": "am", "kind": "alertmanager", "keys": {
        "urls": [first.url(), second.url()], "labels": {"team": "core"}, "watchdog": true}});
    let created = app.send("POST", "/v1/channels", &channel);
    assert_eq!(created.status, 201, "{}", created.text);
    let add = |app: &App, name: &str, target: &Target| {
        app.add_with(&json!({"name": name, "group": "shop", "url": target.url(), "alerts": [
            {"channel": "am", "failure_threshold": 1, "success_threshold": 1}]}))
    };
    let id = add(&app, "api", &targets[0]);
    let shows = |server: &Alertmanager, expected: &[&str]| {
        wait_until(&format!("{} to have {expected:?}", server.url()), || {
            server.firing("service") == expected
        });
    };
    // The watchdog has no service.
    shows(&first, &["", "api"]);
    shows(&second, &["", "api"]);
    let alerts = first.alerts();
    let api = alerts.iter().find(|alert| alert["labels"]["service"] == "api").unwrap();
    assert_eq!(api["labels"]["alertname"], "ServiceDown");
    assert_eq!((&api["labels"]["group"], &api["labels"]["team"]), (&json!("shop"), &json!("core")));
    let link = format!("https://mon.example.org/v1/services/{id}");
    assert_eq!(api["generatorURL"], link.as_str());
    assert!(api["annotations"]["summary"].as_str().is_some_and(|it| it.contains("api")), "{api}");

    first.kill();
    let other = add(&app, "web", &targets[1]);
    shows(&second, &["", "api", "web"]);
    first.run();
    shows(&first, &["", "api", "web"]);

    app.kill();
    first.kill();
    first.run();
    let app = launch.start();
    shows(&first, &["", "api", "web"]);

    targets[0].set_behaviour(Behaviour::Status(200));
    shows(&first, &["", "web"]);
    shows(&second, &["", "web"]);
    // A removed service has no alert.
    assert_eq!(app.delete(&format!("/v1/services/{other}")).status, 204);
    shows(&first, &[""]);
    shows(&second, &[""]);
}
