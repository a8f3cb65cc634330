//! A message and a channel for tests.

use serde_json::Value;

use crate::domain::Origin;
use crate::domain::alert::{
    AlertKind, Channel, ChannelOptions, Facts, Message, MessageState, Severity,
};

/// 2026-11-29 12:03 UTC.
pub const SINCE_MS: i64 = 1_795_953_780_000;

/// 37 minutes after the begin.
pub fn message(state: MessageState) -> Message {
    Message {
        state,
        kind: AlertKind::Down,
        severity: Severity::Critical,
        key: "shc-abcdefgh-12".to_owned(),
        revision: 3,
        monitor: "uptime-1".to_owned(),
        description: "call Ann".to_owned(),
        facts: Facts {
            name: "api".to_owned(),
            group: Some("core".to_owned()),
            url: "https://api.example/health".to_owned(),
            reason: "timeout".to_owned(),
            detail: "no answer within 10 s".to_owned(),
            conditions: vec![
                ("[STATUS] == 200".to_owned(), false),
                ("[CONNECTED] == true".to_owned(), true),
            ],
            http_status: None,
            response_time_ms: Some(10_000),
        },
        since_ms: SINCE_MS,
        ended_ms: Some(SINCE_MS + 2_220_000),
        now_ms: SINCE_MS + 2_220_000,
        end_cause: None,
        failure_threshold: 3,
        success_threshold: 2,
        dependents: 29,
        link: Some("https://mon.example/services/7".to_owned()),
        recipient: None,
        reference: None,
        digest: None,
    }
}

/// A channel of the services file.
pub fn channel(kind: &str, keys: &Value) -> Channel {
    Channel {
        id: 1,
        name: kind.to_owned(),
        kind: kind.to_owned(),
        origin: Origin::File,
        enabled: true,
        options: ChannelOptions {
            keys: keys.as_object().cloned().unwrap_or_default(),
            ..ChannelOptions::default()
        },
        failing_since_ms: None,
    }
}
