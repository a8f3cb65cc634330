//! The channels of a services file and of the store, and what delivers to them.

use std::path::Path;
use std::sync::Arc;

use crate::alerting::dispatcher::MessageSource;
use crate::alerting::{Kind, SenderRules};
use crate::app::services_file::read;
use crate::app::startup;
use crate::cli::TestState;
use crate::clock::unix_ms;
use crate::commands::stored::Stored;
use crate::config::{Config, ConfigError};
use crate::domain::alert::{Channel, Message};
use crate::domain::maintenance::zone::Zone;
use crate::domain::{Invalid, Origin};
use crate::error::Error;

/// Part of the keys of messages in place of that of a store.
const INSTANCE: &str = "command";

/// The channel of a services file, and the time zone of its messages.
pub fn of_file(config: &Config, file: &Path, name: &str) -> Result<(Channel, Zone), Error> {
    let content = read(config, file).map_err(|problems| ConfigError { problems })?;
    let channels = content.channels.into_iter().map(|channel| Channel {
        id: 1,
        name: channel.name,
        kind: channel.kind,
        origin: Origin::File,
        enabled: channel.enabled,
        options: channel.options,
        failing_since_ms: None,
    });
    Ok((named(channels.collect(), name)?, content.alerting.timezone.unwrap_or_else(Zone::utc)))
}

/// The channel of the configured store; reading leaves the store as it is.
pub fn stored(config: &Config, name: &str) -> Result<Channel, Error> {
    let mut stored = Stored::open(&config.storage)?;
    let channels = stored.rows().channels().map_err(|error| stored.failed(&error))?;
    named(channels, name)
}

/// What messages are sent with, as by the running service.
pub fn rules(config: &Config, zone: Zone) -> Result<SenderRules, Error> {
    let rules = startup::rules(config)?;
    Ok(SenderRules {
        trust: rules.trust.clone(),
        policy: config.alerting.policy.clone(),
        resolver_health: Arc::clone(&rules.resolver_health),
        variables: config.variables.clone(),
        zone,
    })
}

/// A test message; of a kind with one request a recipient, one for each.
pub fn messages(config: &Config, channel: &Channel, state: TestState) -> Vec<Message> {
    let source = MessageSource {
        monitor: config.process.service_name.clone(),
        instance_key: INSTANCE.to_owned(),
        public_url: config.alerting.public_url.clone(),
    };
    let now_ms = unix_ms();
    let message = source.test_message(state.message_state(), now_ms.unsigned_abs(), now_ms);
    let kind = Kind::find(&channel.kind);
    let recipients = kind.map_or(Vec::new(), |kind| kind.recipients(&channel.options));
    let to = |recipient| Message { recipient: Some(recipient), ..message.clone() };
    let messages: Vec<Message> = recipients.into_iter().map(to).collect();
    if messages.is_empty() { vec![message] } else { messages }
}

fn named(channels: Vec<Channel>, name: &str) -> Result<Channel, Error> {
    let names: Vec<String> = channels.iter().map(|channel| channel.name.clone()).collect();
    let named = channels.into_iter().find(|channel| channel.name == name);
    named.ok_or_else(|| unknown(name, names.iter().map(String::as_str)))
}

/// The error for a name that is none of `known`.
pub fn unknown<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Error {
    let known: Vec<&str> = known.collect();
    let expected = match known.as_slice() {
        [] => "a channel, and there is none".to_owned(),
        names => format!("one of {}", names.join(", ")),
    };
    let problems = vec![Invalid::quoted(name, expected).of("CHANNEL")];
    ConfigError { problems }.into()
}
