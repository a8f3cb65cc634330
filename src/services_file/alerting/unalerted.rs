//! What the file defines and never alerts anybody.

use std::collections::HashSet;

use crate::domain::alert::channel::Policy;
use crate::domain::alert::routing::Watched;
use crate::domain::service::definition::Origin;
use crate::services_file::alerting::set_up::Alerting;
use crate::services_file::entry::Entry;
use crate::services_file::notices::Notices;
use crate::storage::alerting::NewPolicy;

const WITHOUT: &str = "nobody is alerted of the service: it has no alerts, and no policy matches";
const SWITCHED_OFF: &str = "alerts nobody: enabled is false";
const CHANNEL_OFF: &str = "alerts nobody: its channel has enabled: false";
const UNUSED: &str = "not used: neither an alert nor a policy names this channel";

/// Services without alerts that no policy matches, alerts that are switched off, and channels that
/// nothing uses.
pub fn notices(entries: &[Entry], alerting: &Alerting) -> Notices {
    let mut notices = Notices::default();
    let mut used: HashSet<&str> = HashSet::new();
    for (policy, _) in &alerting.policies {
        let channels = policy.options.steps.iter().flat_map(|(_, channels)| channels);
        used.extend(channels.map(String::as_str));
    }
    let policies: Vec<Policy> =
        alerting.policies.iter().map(|(policy, _)| stored(policy)).collect();
    for entry in entries {
        let definition = &entry.definition;
        let mut add = |key: &str, advice| notices.add(&entry.file, entry.line, key, advice);
        let Some(rules) = &definition.options.alerts else {
            if Watched::new(definition).marks(&policies).is_none() {
                add("endpoints", WITHOUT);
            }
            continue;
        };
        for rule in rules.iter() {
            used.insert(&rule.channel);
            let channel = alerting.channel(&rule.channel);
            if !rule.enabled {
                add("endpoints: alerts", SWITCHED_OFF);
            } else if channel.is_some_and(|channel| !channel.channel.enabled) {
                add("endpoints: alerts", CHANNEL_OFF);
            }
        }
    }
    for known in &alerting.channels {
        let channel = &known.channel;
        if !used.contains(channel.name.as_str()) && !channel.options.system {
            let key = format!("alerting: {}", channel.name);
            notices.add(&known.place.file, known.place.line, &key, UNUSED);
        }
    }
    notices
}

/// The policy as the store will have it.
fn stored(policy: &NewPolicy) -> Policy {
    let NewPolicy { name, position, matcher, options } = policy.clone();
    Policy { id: 0, name, origin: Origin::File, position, matcher, options }
}
