//! Asks the parents of services that begin to fail.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use super::{Dispatcher, Loaded};
use crate::actors::messages::probing::ProbeNow;
use crate::actors::messages::store::Ask;
use crate::clock::unix_ms;
use crate::domain::alert::{AlertKind, Edge};
use crate::domain::{Defaults, Definition, FullName, Group, Name, Service, ServiceId, Verdict};
use crate::storage::alerting::{FindDown, FindServices, SignalBatch};

impl Dispatcher {
    /// Probes the parents of the services that begin to fail, before their alerts are decided.
    pub(super) fn ask_parents(&mut self, batch: &SignalBatch, context: &mut Context<Self>) {
        let begins = batch
            .signals
            .iter()
            .filter(|signal| signal.kind == AlertKind::Down && signal.edge == Edge::Begin);
        for signal in begins {
            if let Some(definition) = batch.definitions.get(&signal.service_id) {
                self.ask_parents_of(signal.service_id, definition, context);
            }
        }
    }

    pub(super) fn ask_parents_of(
        &mut self,
        child: ServiceId,
        definition: &Definition,
        context: &mut Context<Self>,
    ) {
        let names = parents(definition);
        let defaults = self.settings.defaults;
        let Some(Loaded { rules, .. }) = &mut self.loaded else { return };
        if names.is_empty() {
            return;
        }
        let settles_within = settles_within(definition, &defaults);
        if !rules.parents.failed(child, settles_within, unix_ms()) {
            return;
        }
        let found = self.links.readers.ask(Ask(FindServices(names))).into_actor(self);
        context.spawn(found.map(move |found, dispatcher, context| {
            // Without an answer the child is reported after a while.
            let Ok(found) = found else { return };
            let enabled = found.into_iter().filter(|(_, parent)| parent.enabled);
            let parents: Vec<Service> =
                enabled.map(|(id, parent)| Service::new(id, parent, &defaults)).collect();
            dispatcher.probe_parents(child, parents, context);
        }));
    }

    /// Reads the states of parents that other instances probe.
    pub(super) fn read_parents(&mut self, now_ms: i64, context: &mut Context<Self>) {
        let Some(Loaded { rules, .. }) = &mut self.loaded else { return };
        let Some(ids) = rules.parents.take_unread(&self.links.last_results, now_ms) else { return };
        let read = self.links.readers.ask(Ask(FindDown(ids))).into_actor(self);
        context.spawn(read.map(|down, dispatcher, _| {
            // After an error, they stay as they were until the next read.
            if let (Ok(down), Some(Loaded { rules, .. })) = (down, &mut dispatcher.loaded) {
                rules.parents.were_read(down);
            }
        }));
    }

    fn probe_parents(
        &mut self,
        child: ServiceId,
        parents: Vec<Service>,
        context: &mut Context<Self>,
    ) {
        let Some(Loaded { rules, .. }) = &mut self.loaded else { return };
        let ids = parents.iter().map(|parent| (parent.id, parent.timeout.get()));
        rules.parents.probing(child, ids.collect(), unix_ms());
        for parent in parents {
            let probe = ProbeNow { service: Arc::new(parent), records: true, policy: None };
            let probed = self.links.probe.send(probe).into_actor(self);
            context.spawn(probed.map(move |outcome, dispatcher, context| {
                // A parent that is being probed already has its result a moment later.
                let is_down =
                    matches!(&outcome, Ok(Ok(outcome)) if outcome.verdict() == Verdict::Down);
                if let Some(Loaded { rules, .. }) = &mut dispatcher.loaded {
                    rules.parents.probed(child, is_down, unix_ms());
                }
                dispatcher.turn(context);
            }));
        }
    }
}

/// The names of the parents. One with a slash may be a group with a name, or a name alone.
fn parents(definition: &Definition) -> Vec<FullName> {
    let full_name = |group: Option<&str>, name: &str| {
        let group = group.map(Group::parse).transpose().ok()?.flatten();
        Some(FullName { group, name: Name::parse(name).ok()? })
    };
    let names = definition.options.depends_on.iter();
    let candidates = names.flat_map(|name| {
        let in_group = name.split_once('/').and_then(|(group, name)| full_name(Some(group), name));
        [full_name(None, name), in_group]
    });
    candidates.flatten().collect()
}

/// Time after the end of a parent's downtime within which a probe of the child can succeed.
fn settles_within(definition: &Definition, defaults: &Defaults) -> Duration {
    let interval = definition.interval.unwrap_or(defaults.interval).get();
    interval + definition.timeout.unwrap_or(defaults.timeout).get()
}
