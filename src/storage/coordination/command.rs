//! Commands about alerts, for the instance that decides about them, as JSON.

use serde_json::{Value, json};

use crate::domain::alert::Acknowledgement;
use crate::domain::audit::{Actor, AuditSource};

/// A command that another instance has received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertCommand {
    /// `None` takes the acknowledgement back.
    Acknowledge {
        alert_id: i64,
        acknowledgement: Option<Acknowledgement>,
        source: AuditSource,
    },
    Retry {
        delivery_id: i64,
        notification_id: i64,
        source: AuditSource,
    },
}

impl AlertCommand {
    pub fn to_json(&self) -> Value {
        match self {
            Self::Acknowledge { alert_id, acknowledgement, source } => json!({
                "alert_id": alert_id,
                "acknowledgement": acknowledgement.as_ref().map(|it| json!({
                    "at_ms": it.at_ms, "by": it.by, "note": it.note, "until_ms": it.until_ms,
                })),
                "source": write_source(source),
            }),
            Self::Retry { delivery_id, notification_id, source } => json!({
                "delivery_id": delivery_id,
                "notification_id": notification_id,
                "source": write_source(source),
            }),
        }
    }

    /// `None` for what [`to_json`](Self::to_json) has not made.
    pub fn from_json(value: &Value) -> Option<Self> {
        let source = read_source(&value["source"])?;
        if let Some(delivery_id) = value["delivery_id"].as_i64() {
            let notification_id = value["notification_id"].as_i64()?;
            return Some(Self::Retry { delivery_id, notification_id, source });
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let acknowledgement = match &value["acknowledgement"] {
            Value::Null => None,
            it => Some(Acknowledgement {
                at_ms: it["at_ms"].as_i64()?,
                by: text(&it["by"]),
                note: text(&it["note"]),
                until_ms: it["until_ms"].as_i64(),
            }),
        };
        Some(Self::Acknowledge { alert_id: value["alert_id"].as_i64()?, acknowledgement, source })
    }
}

fn write_source(source: &AuditSource) -> Value {
    let actor = match &source.actor {
        Actor::Token { id, name } => json!({"token": {"id": id, "name": name}}),
        other => json!(other.to_string()),
    };
    json!({"actor": actor, "address": source.address.map(|address| address.to_string())})
}

fn read_source(value: &Value) -> Option<AuditSource> {
    let others = [Actor::ApiToken, Actor::ThisMachine, Actor::File, Actor::Command, Actor::Monitor];
    let actor = match &value["actor"] {
        Value::String(word) => others.into_iter().find(|actor| actor.to_string() == *word)?,
        token => Actor::Token {
            id: token["token"]["id"].as_i64()?,
            name: token["token"]["name"].as_str()?.to_owned(),
        },
    };
    let address = value["address"].as_str().map(str::parse).transpose().ok()?;
    Some(AuditSource { actor, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_survives() {
        let token = Actor::Token { id: 7, name: "on call".to_owned() };
        let source = AuditSource { actor: token, address: Some([10, 0, 0, 1].into()) };
        let acknowledgement =
            Acknowledgement { at_ms: 5, by: Some("Ann".to_owned()), note: None, until_ms: Some(9) };
        for acknowledgement in [Some(acknowledgement), None] {
            let source = source.clone();
            let command = AlertCommand::Acknowledge { alert_id: 3, acknowledgement, source };
            assert_eq!(AlertCommand::from_json(&command.to_json()), Some(command));
        }
        let source = AuditSource { actor: Actor::ThisMachine, address: None };
        let command = AlertCommand::Retry { delivery_id: 1, notification_id: 2, source };
        assert_eq!(AlertCommand::from_json(&command.to_json()), Some(command));
        assert_eq!(AlertCommand::from_json(&json!({})), None);
    }
}
