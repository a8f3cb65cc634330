//! What becomes due with time: groups, reminders, escalations, and looking again at what is
//! suppressed.

use super::{Engine, Env};
use crate::domain::alert::alert_record::{Acknowledgement, AlertState};
use crate::domain::alert::notification::NotificationState;
use crate::domain::service::service_id::ServiceId;

impl Engine {
    /// Decides everything that is due. Call it at least each second while alerts are open.
    pub fn tick(&mut self, env: &Env<'_>) {
        self.end_acknowledgements(env.now_ms);
        self.escalate(env);
        self.flush_ended(env.now_ms);
        self.flush_groups(env);
        self.remind(env);
        self.recheck(env);
    }

    /// Alerts whose routes are to be read, with their services; at most `limit`.
    pub fn to_route(&self, limit: usize) -> Vec<(i64, Option<ServiceId>)> {
        let ids = self.unrouted.iter().take(limit);
        ids.filter_map(|id| Some((*id, self.alerts.get(id)?.service_id))).collect()
    }

    /// The service of an alert has no routes any more.
    pub fn route_nowhere(&mut self, id: i64, now_ms: i64) {
        self.unrouted.remove(&id);
        self.fires(id, now_ms);
    }

    /// Marks an alert as taken care of. Whether it is open.
    pub fn acknowledge(&mut self, id: i64, acknowledgement: Acknowledgement) -> bool {
        let Some(alert) = self.alerts.get_mut(&id) else { return false };
        alert.state = AlertState::Acknowledged;
        self.acknowledged_until.extend(acknowledgement.until_ms.map(|until_ms| (until_ms, id)));
        alert.acknowledged = Some(Box::new(acknowledgement));
        self.touch_alert(id);
        true
    }

    /// Whether the alert is open and was acknowledged.
    pub fn unacknowledge(&mut self, id: i64, now_ms: i64) -> bool {
        let Some(alert) = self.alerts.get_mut(&id) else { return false };
        if alert.acknowledged.take().is_none() {
            return false;
        }
        alert.state = AlertState::Firing;
        alert.fired_ms = alert.fired_ms.or(Some(now_ms));
        self.touch_alert(id);
        true
    }

    fn end_acknowledgements(&mut self, now_ms: i64) {
        while let Some((until_ms, id)) = self.acknowledged_until.first().copied()
            && until_ms <= now_ms
        {
            self.acknowledged_until.pop_first();
            let alert = self.alerts.get(&id);
            let current = alert.and_then(|alert| alert.acknowledged.as_ref()?.until_ms);
            if current == Some(until_ms) {
                self.unacknowledge(id, now_ms);
            }
        }
    }

    fn is_acknowledged(&self, alert_id: i64) -> bool {
        let alert = self.alerts.get(&alert_id);
        alert.is_some_and(|alert| alert.state == AlertState::Acknowledged)
    }

    fn escalate(&mut self, env: &Env<'_>) {
        while let Some(entry) = self.escalations.first_entry()
            && entry.key().0 <= env.now_ms
        {
            let ((_, alert_id, _), route) = entry.remove_entry();
            let Some(alert) = self.alerts.get(&alert_id) else { continue };
            if alert.suppressed_by.is_none() && !self.is_acknowledged(alert_id) {
                self.gather(alert_id, &route, env);
            }
        }
    }

    fn remind(&mut self, env: &Env<'_>) {
        while let Some((due_ms, id)) = self.reminders.first().copied()
            && due_ms <= env.now_ms
        {
            self.set_reminder(id, None);
            let Some(open) = self.notifications.get(&id) else { continue };
            let Some(reminder_ms) = open.row.terms.reminder_ms else { continue };
            let is_digest = open.is_digest();
            let firing = open.members.iter().filter_map(|member| self.alerts.get(member));
            let mut firing = firing.filter(|alert| alert.state != AlertState::Acknowledged);
            if firing.any(|alert| self.suppression(alert, env).is_none()) {
                let state = match is_digest {
                    true => NotificationState::Digest,
                    false => NotificationState::Still,
                };
                self.revise(id, state, env.now_ms);
            } else {
                self.set_reminder(id, Some(env.now_ms + reminder_ms));
            }
        }
    }

    /// Alerts that may not be suppressed any more are routed again.
    fn recheck(&mut self, env: &Env<'_>) {
        while let Some((at_ms, id)) = self.rechecks.first().copied()
            && at_ms <= env.now_ms
        {
            self.rechecks.pop_first();
            if !self.suppress(id, env) && self.alerts.contains_key(&id) {
                self.unrouted.insert(id);
            }
        }
    }

    /// Looks again at all suppressed alerts with the next [`tick`](Self::tick): a silence or a
    /// window of maintenance has changed.
    pub fn recheck_all(&mut self) {
        let held = self.alerts.values().filter(|alert| alert.suppressed_by.is_some());
        self.rechecks = held.map(|alert| (0, alert.id)).collect();
    }
}
