//! Signals, and the begins and ends of alerts that they make.

use std::rc::Rc;

use super::gathering::GroupKey;
use super::open::OpenAlert;
use super::{Engine, Env, Mirrored, Routed};
use crate::domain::alert::alert_record::{AlertState, EndCause, Suppression};
use crate::domain::alert::kind::AlertKind;
use crate::domain::alert::notification::NotificationState;
use crate::domain::alert::routing::Route;
use crate::domain::alert::signal::{Edge, Facts, Signal};

/// Milliseconds between two looks at whether a service still flaps.
const RECHECK_MS: i64 = 1_000;

impl Engine {
    /// Decides what a signal means. `service` is `None` when the service was paused or removed
    /// meanwhile, or has no routes for the signal's kind.
    pub fn signal(&mut self, signal: &Signal, service: Option<&Routed<'_>>, env: &Env<'_>) {
        self.outbox.signals.push(signal.id);
        self.apply(signal, service, env);
    }

    /// Decides what a change of a service means that is not stored as a signal.
    pub fn apply(&mut self, signal: &Signal, service: Option<&Routed<'_>>, env: &Env<'_>) {
        let open = self.by_subject.get(&(Some(signal.service_id), signal.kind)).copied();
        match (signal.edge, open, service) {
            (Edge::Begin, None, Some(service)) => self.begin(signal, service, env),
            (Edge::Begin, Some(id), Some(service)) => self.worsen(id, signal, service, env),
            (Edge::Begin, _, None) | (Edge::End, None, _) => {}
            (Edge::End, Some(id), service) => {
                // After a restart, the end may be read before the routes of the begin are.
                if let Some(service) = service.filter(|_| self.unrouted.contains(&id)) {
                    self.route(id, service.routes, env);
                }
                self.improve(id, signal, env);
            }
            (Edge::Gone, _, _) => self.end_all_of(signal, env),
        }
    }

    fn begin(&mut self, signal: &Signal, service: &Routed<'_>, env: &Env<'_>) {
        let reached = |route: &&Rc<Route>| route.terms.failure_threshold <= signal.count;
        if !service.routes.iter().any(|route| reached(&route)) {
            return;
        }
        let id = self.next_alert_id;
        self.next_alert_id += 1;
        let severities = service.routes.iter().filter(reached).map(|route| route.severity);
        let alert = OpenAlert {
            id,
            service_id: Some(signal.service_id),
            kind: signal.kind,
            severity: severities.max().unwrap_or(signal.kind.severity()),
            state: AlertState::Pending,
            since_ms: signal.since_ms,
            fired_ms: None,
            acknowledged: None,
            resolved_ms: None,
            cause: None,
            count: signal.count,
            ends_at: 0,
            suppressed_by: None,
            subject: Rc::clone(&service.subject),
            notifications: Vec::new(),
            gathering: 0,
        };
        let facts = Facts {
            name: service.subject.name.to_string(),
            group: service.subject.group.as_deref().map(str::to_owned),
            url: service.url.to_owned(),
            ..signal.facts.clone()
        };
        self.outbox.facts.insert(id, facts);
        self.by_subject.insert((alert.service_id, alert.kind), id);
        self.alerts.insert(id, alert);
        self.touch_alert(id);
        self.route(id, service.routes, env);
    }

    /// A run of failures reached another mark while the alert is open.
    fn worsen(&mut self, id: i64, signal: &Signal, service: &Routed<'_>, env: &Env<'_>) {
        let Some(alert) = self.alerts.get_mut(&id) else { return };
        let before = alert.count;
        if signal.count > before {
            alert.count = signal.count;
            self.touch_alert(id);
        }
        self.fire_again(id, signal.count, env.now_ms);
        let Some(alert) = self.alerts.get(&id) else { return };
        let is_acknowledged = alert.state == AlertState::Acknowledged;
        if alert.suppressed_by.is_some() || is_acknowledged || self.unrouted.contains(&id) {
            return;
        }
        let is_new = |route: &&Rc<Route>| {
            before < route.terms.failure_threshold && route.terms.failure_threshold <= signal.count
        };
        for route in service.routes.iter().filter(is_new) {
            self.gather(id, route, env);
        }
    }

    /// Notifications that ended while the alert stayed open fire again.
    fn fire_again(&mut self, id: i64, count: u32, now_ms: i64) {
        let Some(alert) = self.alerts.get(&id) else { return };
        for notification_id in alert.notifications.clone() {
            let Some(open) = self.notifications.get(&notification_id) else { continue };
            let is_ended =
                matches!(open.row.state, NotificationState::Resolved | NotificationState::Missed);
            if is_ended && open.row.terms.failure_threshold <= count {
                self.revise(notification_id, NotificationState::Firing, now_ms);
            }
        }
    }

    /// A run of good results reached a mark.
    fn improve(&mut self, id: i64, signal: &Signal, env: &Env<'_>) {
        let Some(alert) = self.alerts.get(&id) else { return };
        let ends = signal.count >= alert.ends_at;
        if ends {
            return self.end(id, EndCause::Recovered, signal.since_ms.min(env.now_ms), env.now_ms);
        }
        for notification_id in alert.notifications.clone() {
            let Some(open) = self.notifications.get(&notification_id) else { continue };
            if !open.is_digest() && open.row.terms.success_threshold <= signal.count {
                self.resolve(notification_id, env.now_ms);
            }
        }
    }

    fn end_all_of(&mut self, signal: &Signal, env: &Env<'_>) {
        let cause = match signal.facts.reason.as_str() {
            "paused" => EndCause::Paused,
            _ => EndCause::Removed,
        };
        let of_service = self.by_subject.iter();
        let ids: Vec<i64> = of_service
            .filter(|((service_id, _), _)| *service_id == Some(signal.service_id))
            .map(|(_, id)| *id)
            .collect();
        for id in ids {
            self.end(id, cause, signal.at_ms, env.now_ms);
        }
    }

    /// Ends an alert, and resolves its notifications.
    pub(super) fn end(&mut self, id: i64, cause: EndCause, at_ms: i64, now_ms: i64) {
        let Some(mut alert) = self.alerts.remove(&id) else { return };
        alert.state = AlertState::Resolved;
        alert.resolved_ms = Some(at_ms.max(alert.since_ms));
        alert.cause = Some(cause);
        alert.suppressed_by = None;
        self.by_subject.remove(&(alert.service_id, alert.kind));
        self.unrouted.remove(&id);
        for notification_id in &alert.notifications {
            self.member_ended(*notification_id, now_ms);
        }
        if alert.gathering > 0 {
            self.ended_gathering.insert(id);
        }
        self.mirrored.push(Mirrored::Ends { alert_id: id, at_ms });
        self.outbox.ended.insert(id, alert);
        self.touch_alert(id);
    }

    /// Decides the notifications of an alert that has none yet: at its begin, after a restart
    /// before that was decided, and at the end of what suppressed it.
    pub fn route(&mut self, id: i64, routes: &[Rc<Route>], env: &Env<'_>) {
        self.unrouted.remove(&id);
        let Some(alert) = self.alerts.get_mut(&id) else { return };
        let reached = routes.iter().filter(|route| route.terms.failure_threshold <= alert.count);
        let reached: Vec<&Rc<Route>> = reached.collect();
        alert.ends_at = routes
            .iter()
            .map(|route| route.terms.success_threshold)
            .max()
            .unwrap_or_default()
            .max(alert.ends_at);
        self.mirror_again(id, &reached);
        if self.suppress(id, env) {
            return;
        }
        let is_pending = self.alerts.get(&id).is_some_and(OpenAlert::is_pending);
        for route in reached {
            if route.after_ms > 0 {
                self.escalate_later(id, route, env.now_ms);
            } else if is_pending {
                self.gather(id, route, env);
            }
        }
        self.fires_unless_gathering(id, env.now_ms);
    }

    /// An alert that fires has been shown on mirrors, and stays there until it ends.
    fn mirror_again(&mut self, id: i64, routes: &[&Rc<Route>]) {
        if self.alerts.get(&id).is_none_or(OpenAlert::is_pending) {
            return;
        }
        for route in routes.iter().filter(|route| route.after_ms == 0) {
            let channel_id = self.names.get(&route.channel).copied();
            let lane = channel_id.and_then(|id| self.lanes.get(&id));
            if let Some(lane) = lane.filter(|lane| lane.settings.is_mirror) {
                let channel_id = lane.settings.channel_id;
                self.mirrored.push(Mirrored::Begins { channel_id, alert_id: id });
            }
        }
    }

    /// Whether the alert is suppressed now; if so, it is looked at again later.
    pub(super) fn suppress(&mut self, id: i64, env: &Env<'_>) -> bool {
        let Some(alert) = self.alerts.get(&id) else { return true };
        let found = self.suppression(alert, env);
        let suppressed_by = found.map(|(cause, _)| cause);
        if let Some(alert) = self.alerts.get_mut(&id)
            && alert.suppressed_by != suppressed_by
        {
            alert.suppressed_by = suppressed_by;
            self.touch_alert(id);
        }
        if let Some((_, again_ms)) = found {
            self.rechecks.insert((again_ms.max(env.now_ms + 1), id));
        }
        found.is_some()
    }

    /// Why the begin of the alert is not delivered, and when to look again, in unix milliseconds.
    pub(super) fn suppression(
        &self,
        alert: &OpenAlert,
        env: &Env<'_>,
    ) -> Option<(Suppression, i64)> {
        let of = env.suppressions;
        let found = of.of(alert.service_id, &alert.subject, alert.kind, alert.severity, env.now_ms);
        let flapping = (alert.service_id, AlertKind::Flapping);
        let flaps = alert.kind == AlertKind::Down && self.by_subject.contains_key(&flapping);
        let by_flapping = flaps.then_some((Suppression::Flapping, env.now_ms + RECHECK_MS));
        found.into_iter().chain(by_flapping).min_by_key(|(cause, _)| *cause)
    }

    fn escalate_later(&mut self, id: i64, route: &Rc<Route>, now_ms: i64) {
        let fired_ms = self.alerts.get(&id).and_then(|alert| alert.fired_ms);
        let at_ms = fired_ms.unwrap_or(now_ms).saturating_add(route.after_ms);
        self.next_escalation = self.next_escalation.wrapping_add(1);
        self.escalations.insert((at_ms, id, self.next_escalation), Rc::clone(route));
    }

    /// Adds the alert to the group of its route on the channel, unless the channel is notified of
    /// it already.
    pub(super) fn gather(&mut self, id: i64, route: &Rc<Route>, env: &Env<'_>) {
        let Some(channel_id) = self.names.get(&route.channel).copied() else { return };
        if self.is_notified(id, channel_id, route) {
            return;
        }
        let Some(lane) = self.lanes.get_mut(&channel_id) else { return };
        if lane.settings.is_mirror {
            self.mirrored.push(Mirrored::Begins { channel_id, alert_id: id });
            return;
        }
        let gathering = lane.gatherings.entry(GroupKey::of(route)).or_default();
        gathering.members.push((id, Rc::clone(route)));
        let wait_ms = (env.now_ms + route.group_wait_ms).max(gathering.quiet_until_ms);
        let quiet_ms = env.suppressions.quiet_until(route, env.now_ms).unwrap_or(i64::MIN);
        let due_ms = gathering.due_ms.get_or_insert(wait_ms);
        *due_ms = (*due_ms).max(quiet_ms);
        if let Some(alert) = self.alerts.get_mut(&id) {
            alert.gathering += 1;
            if alert.state == AlertState::Firing {
                alert.state = AlertState::Pending;
                self.touch_alert(id);
            }
        }
    }

    fn is_notified(&self, id: i64, channel_id: i64, route: &Route) -> bool {
        let Some(alert) = self.alerts.get(&id) else { return true };
        let mut known = alert.notifications.iter().filter_map(|id| self.notifications.get(id));
        known.any(|open| {
            let row = &open.row;
            let is_same = (row.policy_id, row.step, row.terms.rule)
                == (route.policy_id, route.step, route.terms.rule);
            row.channel_id == channel_id && (is_same || open.is_digest())
        })
    }

    /// An alert that waits in no group fires, so that a restart does not route it again.
    pub(super) fn fires_unless_gathering(&mut self, id: i64, now_ms: i64) {
        if self.alerts.get(&id).is_some_and(|alert| alert.gathering == 0) {
            self.fires(id, now_ms);
        }
    }

    pub(super) fn fires(&mut self, id: i64, now_ms: i64) {
        if let Some(alert) = self.alerts.get_mut(&id)
            && alert.is_pending()
        {
            alert.state = AlertState::Firing;
            alert.fired_ms = alert.fired_ms.or(Some(now_ms));
            self.touch_alert(id);
        }
    }
}
