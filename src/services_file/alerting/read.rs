//! Reads the key `alerting` of each file.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::domain::invalid::Invalid;
use crate::domain::service::template::Variables;
use crate::services_file::alerting::block::Block;
use crate::services_file::alerting::set_up::{Alerting, FileChannel, Place};
use crate::services_file::alerting::settings::{TIMEZONE, WATCHDOG};
use crate::services_file::alerting::{channel, policy, settings};
use crate::services_file::channel_kinds::ChannelKinds;
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::services_file::similar::unknown_key;
use crate::services_file::variables;
use crate::storage::alerting::NewChannel;

const CHANNELS: &str = "channels";
const POLICIES: &str = "policies";

/// The keys beside those of the kinds.
const OWN: [&str; 4] = [CHANNELS, POLICIES, TIMEZONE, WATCHDOG];

impl Alerting {
    /// Adds the block of one file. What two files set is a problem.
    pub fn add(
        &mut self,
        item: &Item,
        variables: &Variables,
        kinds: &dyn ChannelKinds,
        findings: &mut Findings,
    ) {
        let Some(mut object) = item.object(findings) else { return };
        let known_before = findings.problems.len();
        variables::fill_alerting(item, &mut object, variables, findings);
        if findings.problems.len() > known_before {
            let list = object.get(CHANNELS).and_then(Value::as_array).into_iter().flatten();
            let names = list.filter_map(|channel| channel.get("name")?.as_str());
            self.rejected.extend(names.map(str::to_owned).chain(object.keys().cloned()));
            return;
        }
        let set = object.into_iter().filter(|(_, value)| !value.is_null());
        let mut set: Vec<(String, Value)> = set.collect();
        // Channels named after their kind come first.
        set.sort_by_key(|(key, _)| OWN.contains(&key.as_str()));
        for (key, value) in set {
            match key.as_str() {
                CHANNELS => self.add_channels(item, value, variables, kinds, findings),
                POLICIES => self.add_policies(item, value, findings),
                TIMEZONE | WATCHDOG => self.add_setting(item, &key, &value, variables, findings),
                kind if kinds.names().contains(&kind) => {
                    let block = Block::of(item, key.clone(), value, findings);
                    let channel =
                        block.and_then(|block| channel::of_kind(block, &key, variables, kinds));
                    self.add_channel(item, &key, Some(&key), channel, findings);
                }
                _ if key.starts_with("x-") => {}
                _ => {
                    let problem = unknown_key(&key, kinds.names().into_iter().chain(OWN));
                    item.reject(item.line_of(&key), &key, &problem, findings);
                    self.rejected.insert(key);
                }
            }
        }
    }

    fn add_channels(
        &mut self,
        item: &Item,
        list: Value,
        variables: &Variables,
        kinds: &dyn ChannelKinds,
        findings: &mut Findings,
    ) {
        for (path, value) in entries(item, CHANNELS, list, findings) {
            let name = value.get("name").and_then(Value::as_str).map(str::to_owned);
            let block = Block::of(item, path.clone(), value, findings);
            let channel = block.and_then(|block| channel::named(block, variables, kinds));
            self.add_channel(item, &path, name.as_deref(), channel, findings);
        }
    }

    fn add_channel(
        &mut self,
        item: &Item,
        path: &str,
        name: Option<&str>,
        channel: Option<(NewChannel, Map<String, Value>)>,
        findings: &mut Findings,
    ) {
        let Some((channel, default_alert)) = channel else {
            self.rejected.extend(name.map(str::to_owned));
            return;
        };
        let place = place(item, path);
        match self.channel(&channel.name) {
            Some(known) => {
                let name = &channel.name;
                let problem = format!("the channel {name} is already defined at {}", known.place);
                item.reject(place.line, path, &problem, findings);
            }
            None => self.channels.push(FileChannel { channel, default_alert, place }),
        }
    }

    fn add_policies(&mut self, item: &Item, list: Value, findings: &mut Findings) {
        for (path, value) in entries(item, POLICIES, list, findings) {
            let position = self.policies.len() as u32;
            let block = Block::of(item, path.clone(), value, findings);
            let Some(policy) = block.and_then(|block| policy::read(block, position)) else {
                continue;
            };
            let place = place(item, &path);
            let same = self.policies.iter().find(|(known, _)| known.name == policy.name);
            if let Some((_, known)) = same {
                let problem = format!("the policy {} is already defined at {known}", policy.name);
                item.reject(place.line, &path, &problem, findings);
            } else {
                self.policies.push((policy, place));
            }
        }
    }

    fn add_setting(
        &mut self,
        item: &Item,
        key: &str,
        value: &Value,
        variables: &Variables,
        findings: &mut Findings,
    ) {
        let key = if key == TIMEZONE { TIMEZONE } else { WATCHDOG };
        let place = place(item, key);
        if let Some((_, known)) = self.places.iter().find(|(known, _)| *known == key) {
            item.reject(place.line, key, &format!("already set at {known}"), findings);
            return;
        }
        self.places.push((key, place));
        match key {
            TIMEZONE => self.settings.timezone = settings::timezone(item, value, findings),
            _ => self.settings.watchdog = settings::watchdog(item, value, variables, findings),
        }
    }
}

fn place(item: &Item, path: &str) -> Place {
    Place { file: Arc::clone(item.file), line: item.line_of(path) }
}

/// The entries of a list, with their paths, counted from 1.
fn entries(
    item: &Item,
    key: &'static str,
    list: Value,
    findings: &mut Findings,
) -> Vec<(String, Value)> {
    match list {
        Value::Array(entries) => {
            let numbered = entries.into_iter().enumerate();
            numbered.map(|(nth, entry)| (format!("{key}.{}", nth + 1), entry)).collect()
        }
        _ => {
            let problem = Invalid::hidden("a list").to_string();
            item.reject(item.line_of(key), key, &problem, findings);
            Vec::new()
        }
    }
}
