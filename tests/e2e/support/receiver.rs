//! A receiver of alerts: what each channel was sent, from webhooks.

use serde_json::{Value, json};

use super::{App, Behaviour, Target, wait_for};

/// A server that writes down what it is sent.
pub struct Receiver {
    pub target: Target,
}

/// One message of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub key: String,
    pub revision: u64,
    pub state: String,
    /// The service; empty for a digest.
    pub name: String,
}

impl Receiver {
    pub fn start() -> Self {
        Self { target: Target::start(Behaviour::Status(200)) }
    }

    /// Creates a channel that delivers here, with five messages at once and one more each second.
    pub fn create_channel(&self, app: &App, name: &str) -> i64 {
        let body = json!({
            "name": name, "kind": "webhook", "keys": {"url": self.target.url()},
            "refill_seconds": 1,
        });
        let reply = app.send("POST", "/v1/channels", &body);
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.body["data"]["channel"]["data"]["id"].as_i64().unwrap()
    }

    /// All messages so far, in their order.
    pub fn received(&self) -> Vec<Received> {
        let bodies = self.target.bodies();
        let parsed = bodies.iter().filter_map(|body| serde_json::from_str::<Value>(body).ok());
        let message = |body: Value| {
            let data = &body["data"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            Some(Received {
                key: text(&data["key"]),
                revision: data["revision"].as_u64()?,
                state: text(&data["state"]),
                name: text(&data["service"]["name"]),
            })
        };
        parsed.filter_map(message).collect()
    }

    /// The states of the messages about this service, in their order. A request that took too long
    /// is repeated with the same revision, and counts once.
    pub fn states_of(&self, name: &str) -> Vec<String> {
        let mut received = self.received();
        received.retain(|message| message.name == name);
        received
            .dedup_by(|next, before| (&next.key, next.revision) == (&before.key, before.revision));
        received.into_iter().map(|message| message.state).collect()
    }

    /// Waits until the states of the messages about this service are these.
    pub fn wait_for_states(&self, name: &str, states: &[&str]) {
        wait_for(&format!("{states:?} about {name}"), || {
            let found = self.states_of(name);
            assert!(found.len() <= states.len(), "{found:?} instead of {states:?}");
            (found == states).then_some(())
        });
    }
}
