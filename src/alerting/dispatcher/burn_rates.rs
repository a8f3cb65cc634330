//! Looks at the burn rates of objectives once a minute.

use std::rc::Rc;

use actix::prelude::*;
use slog::warn;

use super::deciding::{routes, subject};
use super::{Dispatcher, Loaded};
use crate::actors::messages::store::Ask;
use crate::clock::unix_ms;
use crate::domain::Requests;
use crate::domain::alert::burn_rate::{BURN_RULES, BurnRule, Burning};
use crate::domain::alert::engine::{Env, Routed};
use crate::domain::alert::{AlertRule, Edge, Facts, Signal};
use crate::storage::StorageError;
use crate::storage::alerting::burn_rates::{FindObjectives, Objective, ReadBurnRates};

/// Looks after which the services with an objective are read again, also without a change.
const SEARCH_EVERY: u32 = 10;

impl Dispatcher {
    /// Something that decides routes or objectives has changed.
    pub(super) fn search_objectives_again(&mut self) {
        self.burn_rates.looks = 0;
    }

    pub(super) fn look_at_burn_rates(&mut self, context: &mut Context<Self>) {
        let Some(loaded) = &self.loaded else { return };
        // Without a channel, the services are not searched.
        if loaded.channels.is_empty() && self.burn_rates.objectives.is_empty() {
            return;
        }
        if std::mem::replace(&mut self.burn_rates.is_looking, true) {
            return;
        }
        let search = self.burn_rates.looks.is_multiple_of(SEARCH_EVERY);
        self.burn_rates.looks = self.burn_rates.looks.wrapping_add(1);
        let find = search.then(|| FindObjectives { policies: loaded.policies.clone() });
        let known = Rc::clone(&self.burn_rates.objectives);
        let readers = self.links.readers.clone();
        let look = async move {
            let objectives: Rc<[Objective]> = match find {
                Some(find) => readers.ask(Ask(find)).await?.into(),
                None => known,
            };
            let query = ReadBurnRates { objectives: objectives.to_vec(), now_ms: unix_ms() };
            let judged = readers.ask(Ask(query)).await?;
            Ok::<_, StorageError>((objectives, judged))
        };
        let ended = look.into_actor(self);
        context.spawn(ended.map(|looked, dispatcher, context| {
            dispatcher.burn_rates.is_looking = false;
            match looked {
                Ok((objectives, judged)) => {
                    dispatcher.burn_rates.objectives = objectives;
                    for (objective, judged) in judged {
                        dispatcher.judge(&objective, &judged);
                    }
                    dispatcher.turn(context);
                }
                Err(error) => {
                    warn!(dispatcher.log, "burn rates were not read"; "error" => %error);
                }
            }
        }));
    }

    fn judge(&mut self, objective: &Objective, judged: &[Burning; BURN_RULES.len()]) {
        let Some(Loaded { engine, policies, rules, .. }) = &mut self.loaded else { return };
        let now_ms = unix_ms();
        let env = Env { now_ms, suppressions: rules };
        for (rule, burning) in BURN_RULES.iter().zip(judged) {
            let edge = match burning {
                Burning::Begins => Edge::Begin,
                Burning::Ends => Edge::End,
                Burning::Stays => continue,
            };
            // The state is judged each minute; only its changes are decided.
            if engine.is_open(objective.service_id, rule.kind) == (edge == Edge::Begin) {
                continue;
            }
            let definition = &objective.definition;
            let routes = routes(definition, rule.kind, policies);
            let url = definition.target.shown(Requests::Masked);
            let routed = Routed { subject: subject(definition), url: &url, routes: &routes };
            let signal = Signal {
                id: 0,
                service_id: objective.service_id,
                kind: rule.kind,
                edge,
                count: AlertRule::THRESHOLD_MAX,
                at_ms: now_ms,
                since_ms: now_ms,
                facts: Facts { detail: detail(rule, objective), ..Facts::default() },
            };
            engine.apply(&signal, Some(&routed), &env);
        }
    }
}

fn detail(rule: &BurnRule, objective: &Objective) -> String {
    let slo = &objective.slo;
    format!(
        "the error budget of {} % burns at {:.1} times the allowed rate or faster",
        slo.target_percent,
        rule.rate(slo)
    )
}
