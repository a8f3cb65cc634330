//! Channels and messages of the tests.

use crate::alerting::table;
use crate::domain::alert::message::Digest;
use crate::domain::alert::{
    AlertKind, Channel, ChannelOptions, Facts, Message, MessageState, Severity,
};
use crate::domain::service::definition::Origin;

/// 2026-11-29 02:14:00 UTC.
const NOW: i64 = 1_795_918_440_000;
const MINUTE: i64 = 60_000;

/// The channel of `tests/golden/channels.yaml` whose kind is `kind`.
pub(super) fn channel(kind: &str) -> Option<Channel> {
    let text = include_str!("../../tests/golden/channels.yaml");
    let channels = table::parse_yaml(text).unwrap();
    let keys = channels.get(kind)?.as_object()?.clone();
    Some(Channel {
        id: 1,
        name: kind.to_owned(),
        kind: kind.to_owned(),
        origin: Origin::Api,
        enabled: true,
        options: ChannelOptions { keys, ..ChannelOptions::default() },
        failing_since_ms: None,
    })
}

/// A service is down.
pub(super) fn firing() -> Message {
    Message {
        state: MessageState::Firing,
        kind: AlertKind::Down,
        severity: Severity::Critical,
        key: "shc-k7qw2mzx-17".to_owned(),
        revision: 1,
        monitor: "Example monitor".to_owned(),
        description: "Runbook: https://wiki.example.com/checkout".to_owned(),
        facts: Facts {
            name: "checkout".to_owned(),
            group: Some("shop".to_owned()),
            url: "https://shop.example.com/health".to_owned(),
            reason: "status".to_owned(),
            detail: "HTTP status 503".to_owned(),
            conditions: vec![
                ("[STATUS] == 200".to_owned(), false),
                ("[RESPONSE_TIME] < 800".to_owned(), true),
            ],
            http_status: Some(503),
            response_time_ms: Some(312),
        },
        since_ms: NOW - 2 * MINUTE,
        ended_ms: None,
        now_ms: NOW,
        end_cause: None,
        failure_threshold: 3,
        success_threshold: 2,
        dependents: 0,
        link: Some("https://status.example.com/services/7".to_owned()),
        recipient: None,
        reference: None,
        digest: None,
    }
}

/// One message of each form that a receiver gets.
pub(super) fn messages() -> Vec<(&'static str, Message)> {
    let firing = firing();
    let later = Message { now_ms: NOW + 60 * MINUTE, revision: 2, ..firing.clone() };
    let still = Message {
        state: MessageState::Still,
        dependents: 4,
        reference: Some("77".to_owned()),
        ..later.clone()
    };
    let ended = Message { ended_ms: Some(NOW + 59 * MINUTE), ..later.clone() };
    let resolved = Message {
        state: MessageState::Resolved,
        revision: 3,
        reference: Some("77".to_owned()),
        ..ended.clone()
    };
    let missed = Message { state: MessageState::Missed, ..ended };
    let names = (1..=20).map(|n| format!("shop-{n}"));
    let digest = Digest {
        total: 63,
        firing: 40,
        reasons: vec![("timeout".to_owned(), 50), ("dns-timeout".to_owned(), 13)],
        names: names.collect(),
    };
    let digest = Message {
        state: MessageState::Digest,
        key: "shc-k7qw2mzx-n9".to_owned(),
        description: String::new(),
        facts: Facts::default(),
        digest: Some(digest),
        ..later
    };
    let escaped = Message {
        description: "run *this* <now> & \"then\" [that](http://x)".to_owned(),
        facts: Facts {
            name: "a_b*<&\"\u{202e}".to_owned(),
            group: Some("`g`|#1 @all".to_owned()),
            detail: "got <b>500</b> & \"_no_\" {{ key.token }} [x](javascript:1)\r\n@everyone \\"
                .to_owned(),
            ..firing.facts.clone()
        },
        ..firing.clone()
    };
    let detail = "Größe <ä> & 😀 falsch. ".repeat(310);
    let long = Message { facts: Facts { detail, ..firing.facts.clone() }, ..firing.clone() };
    vec![
        ("firing", firing),
        ("still", still),
        ("resolved", resolved),
        ("missed", missed),
        ("digest", digest),
        ("escaped", escaped),
        ("long", long),
    ]
}
