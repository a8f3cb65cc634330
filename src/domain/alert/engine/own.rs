//! Alerts of the monitor's own.

use std::rc::Rc;

use super::open::{OpenAlert, Subject};
use super::{Engine, Env};
use crate::domain::alert::alert_record::{AlertState, EndCause};
use crate::domain::alert::kind::AlertKind;
use crate::domain::alert::notification::NotificationTerms;
use crate::domain::alert::routing::Route;
use crate::domain::alert::signal::Facts;

/// What the monitor reports about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAlert {
    pub kind: AlertKind,
    /// One sentence.
    pub detail: String,
    /// Unix milliseconds.
    pub since_ms: i64,
    /// Channels that are not notified, by id: an alert about a channel goes to the others.
    pub except: Vec<i64>,
}

impl Engine {
    /// Begins an alert of the monitor's own, unless one of its kind is open.
    pub fn raise(&mut self, own: &OwnAlert, env: &Env<'_>) {
        if self.by_subject.contains_key(&(None, own.kind)) {
            return;
        }
        let id = self.next_alert_id;
        self.next_alert_id += 1;
        let alert = OpenAlert {
            id,
            service_id: None,
            kind: own.kind,
            severity: own.kind.severity(),
            state: AlertState::Pending,
            since_ms: own.since_ms,
            fired_ms: None,
            acknowledged: None,
            resolved_ms: None,
            cause: None,
            count: 1,
            ends_at: 0,
            suppressed_by: None,
            subject: Rc::new(Subject::default()),
            notifications: Vec::new(),
            gathering: 0,
        };
        self.outbox.facts.insert(id, Facts { detail: own.detail.clone(), ..Facts::default() });
        self.by_subject.insert((None, own.kind), id);
        self.alerts.insert(id, alert);
        self.touch_alert(id);
        let routes = self.own_routes(own.kind, &own.except);
        self.route(id, &routes, env);
    }

    /// Ends the alert of the monitor's own, if one is open.
    pub fn clear(&mut self, kind: AlertKind, env: &Env<'_>) {
        if let Some(id) = self.by_subject.get(&(None, kind)).copied() {
            self.end(id, EndCause::Recovered, env.now_ms, env.now_ms);
        }
    }

    /// The channels for alerts of the monitor's own: those that are meant for them, or all.
    pub fn own_routes(&self, kind: AlertKind, except: &[i64]) -> Vec<Rc<Route>> {
        let lanes = || self.lanes.values().map(|lane| &lane.settings);
        let has_system = lanes().any(|settings| settings.enabled && settings.system);
        let meant = lanes().filter(|settings| {
            settings.enabled
                && (settings.system || !has_system)
                && !except.contains(&settings.channel_id)
        });
        let route = |channel: &str| Route {
            channel: channel.to_owned(),
            policy_id: None,
            severity: kind.severity(),
            step: 0,
            after_ms: 0,
            group: None,
            group_wait_ms: 0,
            group_interval_ms: 60_000,
            terms: NotificationTerms::default(),
        };
        meant.map(|settings| Rc::new(route(&settings.name))).collect()
    }
}
