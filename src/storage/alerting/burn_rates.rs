//! Queries of burn rates.

use std::time::Duration;

use crate::domain::alert::burn_rate::{BURN_RULES, Burning, LONGEST};
use crate::domain::alert::{Policy, Watched};
use crate::domain::{Definition, ServiceId, Slo, Window};
use crate::storage::history::uptime::totals_with;
use crate::storage::port::{Query, Result, StoreRead, snapshot};

/// Services whose events are read at once.
const READ_AT_ONCE: usize = 1_000;

/// An enabled service with an objective, of whose burn rate a channel is notified.
#[derive(Debug, Clone)]
pub struct Objective {
    pub service_id: ServiceId,
    pub slo: Slo,
    pub definition: Definition,
}

/// Query: the objectives of all services, by id.
#[derive(Debug, Clone)]
pub struct FindObjectives {
    pub policies: Vec<Policy>,
}

impl Query for FindObjectives {
    type Answer = Vec<Objective>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Vec<Objective>> {
        let objective = |(service_id, definition): (ServiceId, Definition)| {
            let slo = definition.options.slo.filter(|_| definition.enabled)?;
            let watched = Watched::new(&definition);
            let has_route =
                BURN_RULES.iter().any(|rule| !watched.routes(rule.kind, &self.policies).is_empty());
            has_route.then_some(Objective { service_id, slo, definition })
        };
        let mut objectives = Vec::new();
        // In parts, since all definitions of a large store take much memory.
        for part in rows.all_service_ids()?.chunks(READ_AT_ONCE) {
            objectives.extend(rows.definitions(part)?.into_iter().filter_map(objective));
        }
        objectives.sort_unstable_by_key(|objective| objective.service_id);
        Ok(objectives)
    }
}

/// Query: what the burn rates at `now_ms` mean, in the order of [`BURN_RULES`].
#[derive(Debug, Clone)]
pub struct ReadBurnRates {
    pub objectives: Vec<Objective>,
    /// Unix milliseconds.
    pub now_ms: i64,
}

impl Query for ReadBurnRates {
    type Answer = Vec<(Objective, [Burning; BURN_RULES.len()])>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Self::Answer> {
        let Self { objectives, now_ms } = self;
        let since = |length: Duration| Window {
            from_ms: now_ms - i64::try_from(length.as_millis()).unwrap_or(i64::MAX),
            to_ms: now_ms,
        };
        snapshot(rows, |rows| {
            let mut judged = Vec::with_capacity(objectives.len());
            for part in objectives.chunks(READ_AT_ONCE) {
                let ids: Vec<ServiceId> = part.iter().map(|one| one.service_id).collect();
                let mut spans = rows.spans(&ids, since(LONGEST))?;
                let mut planned = rows.planned(&ids, since(LONGEST))?;
                for objective in part {
                    let spans = spans.remove(&objective.service_id).unwrap_or_default();
                    let planned = planned.remove(&objective.service_id).unwrap_or_default();
                    let burning = BURN_RULES.map(|rule| {
                        let long = totals_with(&spans, &planned, since(rule.long));
                        let short = totals_with(&spans, &planned, since(rule.short));
                        rule.judge(&objective.slo, &long, &short)
                    });
                    judged.push((objective.clone(), burning));
                }
            }
            Ok(judged)
        })
    }
}
