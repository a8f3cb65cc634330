//! Alerts, and the channels that deliver them.

mod alertmanager;
pub mod alerts;
mod channel_tests;
mod channels;
mod commands;
mod crash;
mod delivery;
mod mail;
mod maintenance;
mod policies;
mod recovery;
mod silences;

use service_healthcheck::domain::alert::{AlertKind, Facts, Message, MessageState, Severity};

/// What a channel is sent about a service named `api`.
fn message(state: MessageState, revision: u32) -> Message {
    Message {
        state,
        kind: AlertKind::Down,
        severity: Severity::Critical,
        key: "shc-abcdefgh-7".to_owned(),
        revision,
        monitor: "monitor".to_owned(),
        description: String::new(),
        facts: Facts { name: "api".to_owned(), ..Facts::default() },
        since_ms: 1_795_915_000_000,
        ended_ms: None,
        now_ms: 1_795_915_117_000,
        end_cause: None,
        failure_threshold: 3,
        success_threshold: 2,
        dependents: 0,
        link: None,
        recipient: None,
        reference: None,
        digest: None,
    }
}
