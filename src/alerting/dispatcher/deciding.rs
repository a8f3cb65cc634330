//! Reads signals, and the services of alerts without notifications, and has the engine decide.

use std::collections::HashMap;
use std::rc::Rc;

use actix::prelude::*;
use slog::warn;

use super::{Dispatcher, Loaded};
use crate::actors::messages::store::Ask;
use crate::clock::unix_ms;
use crate::domain::alert::engine::open::Subject;
use crate::domain::alert::engine::{Env, Routed};
use crate::domain::alert::{AlertKind, Policy, Route, Watched};
use crate::domain::{Definition, Group, Requests, ServiceId};
use crate::storage::alerting::{GetDefinitions, ReadSignals, SignalBatch};

/// Signals, or alerts to route, that are decided at once.
const BATCH: u32 = 1_000;

impl Dispatcher {
    /// Reads the next signals, once those before are settled and every change of a policy is read
    /// that was made before them.
    pub(super) fn read_signals(&mut self, context: &mut Context<Self>) {
        if !self.has_signals || self.is_busy() || self.definitions.is_behind() {
            return;
        }
        self.is_reading = true;
        self.has_signals = false;
        let batch = self.links.readers.ask(Ask(ReadSignals { limit: BATCH })).into_actor(self);
        context.spawn(batch.map(|batch, dispatcher, context| {
            dispatcher.is_reading = false;
            match batch {
                Ok(batch) => {
                    dispatcher.has_signals |= batch.signals.len() >= BATCH as usize;
                    dispatcher.ask_parents(&batch, context);
                    dispatcher.decide(&batch);
                    dispatcher.turn(context);
                }
                Err(error) => {
                    dispatcher.has_signals = true;
                    warn!(dispatcher.log, "signals were not read"; "error" => %error);
                    dispatcher.pause();
                }
            }
        }));
    }

    fn decide(&mut self, batch: &SignalBatch) {
        let Some(loaded) = &mut self.loaded else { return };
        let Loaded { engine, policies, rules, .. } = loaded;
        let env = Env { now_ms: unix_ms(), suppressions: rules };
        for signal in &batch.signals {
            let definition = batch.definitions.get(&signal.service_id);
            let definition = definition.filter(|definition| definition.enabled);
            let Some(definition) = definition else {
                engine.signal(signal, None, &env);
                continue;
            };
            let routes = routes(definition, signal.kind, policies);
            let url = definition.target.shown(Requests::Masked);
            let routed = Routed { subject: subject(definition), url: &url, routes: &routes };
            engine.signal(signal, Some(&routed), &env);
        }
    }

    /// Reads the services of alerts whose notifications are not decided.
    pub(super) fn read_unrouted(&mut self, context: &mut Context<Self>) {
        let Some(loaded) = &mut self.loaded else { return };
        if self.is_reading {
            return;
        }
        let alerts = loaded.engine.to_route(BATCH as usize);
        if alerts.is_empty() {
            return;
        }
        self.is_reading = true;
        let ids: Vec<ServiceId> = alerts.iter().filter_map(|(_, service_id)| *service_id).collect();
        let definitions = self.links.readers.ask(Ask(GetDefinitions(ids))).into_actor(self);
        context.spawn(definitions.map(move |definitions, dispatcher, context| {
            dispatcher.is_reading = false;
            match definitions {
                Ok(definitions) => {
                    for (id, definition) in &definitions {
                        dispatcher.ask_parents_of(*id, definition, context);
                    }
                    dispatcher.route(&alerts, &definitions);
                    dispatcher.turn(context);
                }
                Err(error) => {
                    warn!(dispatcher.log, "services of alerts were not read"; "error" => %error);
                    dispatcher.pause();
                }
            }
        }));
    }

    fn route(
        &mut self,
        alerts: &[(i64, Option<ServiceId>)],
        definitions: &HashMap<ServiceId, Definition>,
    ) {
        let Some(Loaded { engine, policies, rules, .. }) = &mut self.loaded else { return };
        let env = Env { now_ms: unix_ms(), suppressions: rules };
        for (alert_id, service_id) in alerts {
            let Some(kind) = engine.alert(*alert_id).map(|alert| alert.kind) else { continue };
            let definition = service_id.and_then(|id| definitions.get(&id));
            let routes = match (service_id, definition) {
                (None, _) => engine.own_routes(kind, &[]),
                (Some(_), Some(definition)) => routes(definition, kind, policies),
                (Some(_), None) => Vec::new(),
            };
            engine.route(*alert_id, &routes, &env);
        }
    }
}

pub(super) fn routes(
    definition: &Definition,
    kind: AlertKind,
    policies: &[Policy],
) -> Vec<Rc<Route>> {
    Watched::new(definition).routes(kind, policies).into_iter().map(Rc::new).collect()
}

pub(super) fn subject(definition: &Definition) -> Rc<Subject> {
    Rc::new(Subject {
        name: definition.name.as_str().into(),
        group: definition.group.as_ref().map(|group| Group::as_str(group).into()),
    })
}
