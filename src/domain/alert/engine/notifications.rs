//! The life of a notification: opened, revised, resolved, closed.

use super::Engine;
use super::open::OpenNotification;
use crate::domain::alert::notification::{Notification, NotificationState, NotificationTerms};

/// Milliseconds between two updates of a digest.
const DIGEST_UPDATE_MS: i64 = 60_000;

/// What a new notification is made of.
pub(super) struct NewNotification {
    pub channel_id: i64,
    pub recipient: Option<String>,
    pub policy_id: Option<i64>,
    pub scope: String,
    pub step: u16,
    pub state: NotificationState,
    pub terms: NotificationTerms,
    pub members: Vec<i64>,
}

impl Engine {
    /// Opens a notification, which is due at once.
    pub(super) fn open(&mut self, new: NewNotification, now_ms: i64) -> i64 {
        let id = self.next_notification_id;
        self.next_notification_id += 1;
        let row = Notification {
            id,
            channel_id: new.channel_id,
            recipient: new.recipient,
            policy_id: new.policy_id,
            scope: new.scope,
            step: new.step,
            revision: 1,
            delivered: 0,
            state: new.state,
            due_ms: Some(now_ms),
            attempts: 0,
            revised_ms: now_ms,
            reference: None,
            reminder_due_ms: None,
            opened_ms: now_ms,
            closed_ms: None,
            is_dead: false,
            terms: new.terms,
        };
        if let Some(lane) = self.lanes.get_mut(&new.channel_id) {
            lane.due.insert((now_ms, id));
        }
        self.outbox.members.extend(new.members.iter().map(|member| (*member, id)));
        for member in &new.members {
            if let Some(alert) = self.alerts.get_mut(member) {
                alert.notifications.push(id);
            }
        }
        let alive = new.members.iter().filter(|member| self.alerts.contains_key(member));
        let firing = alive.count();
        self.notifications.insert(id, OpenNotification::new(row, new.members, firing));
        self.touch(id);
        id
    }

    /// The channel should know of another state.
    pub(super) fn revise(&mut self, id: i64, state: NotificationState, now_ms: i64) {
        self.revise_at(id, state, now_ms, now_ms);
    }

    /// The digest has other alerts, or fewer that fire: the channel should know after a pause. So
    /// should it after a restart.
    pub(super) fn update_digest(&mut self, id: i64, now_ms: i64) {
        let is_in_flight = self.is_in_flight(id);
        let Some(open) = self.notifications.get(&id) else { return };
        if open.row.delivered < open.row.revision && !is_in_flight {
            return;
        }
        let due_ms = now_ms.max(open.attempted_ms + DIGEST_UPDATE_MS);
        self.revise_at(id, NotificationState::Digest, now_ms, due_ms);
    }

    fn revise_at(&mut self, id: i64, state: NotificationState, now_ms: i64, due_ms: i64) {
        let Some(open) = self.notifications.get_mut(&id) else { return };
        open.row.state = state;
        open.row.revision += 1;
        open.row.attempts = 0;
        open.row.revised_ms = now_ms;
        open.row.is_dead = false;
        self.set_due(id, Some(due_ms));
        self.set_reminder(id, None);
    }

    pub(super) fn set_due(&mut self, id: i64, due_ms: Option<i64>) {
        let Some(open) = self.notifications.get_mut(&id) else { return };
        if let Some(lane) = self.lanes.get_mut(&open.row.channel_id) {
            if let Some(before) = open.row.due_ms {
                lane.due.remove(&(before, id));
            }
            if let Some(due_ms) = due_ms {
                lane.due.insert((due_ms, id));
            }
        }
        open.row.due_ms = due_ms;
        self.touch(id);
    }

    pub(super) fn set_reminder(&mut self, id: i64, due_ms: Option<i64>) {
        let Some(open) = self.notifications.get_mut(&id) else { return };
        if let Some(before) = open.row.reminder_due_ms {
            self.reminders.remove(&(before, id));
        }
        if let Some(due_ms) = due_ms {
            self.reminders.insert((due_ms, id));
        }
        if open.row.reminder_due_ms != due_ms {
            open.row.reminder_due_ms = due_ms;
            self.touch(id);
        }
    }

    /// One of the alerts of the notification has ended.
    pub(super) fn member_ended(&mut self, id: i64, now_ms: i64) {
        let Some(open) = self.notifications.get_mut(&id) else { return };
        open.firing = open.firing.saturating_sub(1);
        if !open.is_digest() {
            self.resolve(id, now_ms);
            self.close_if_done(id, now_ms);
        } else if open.firing == 0 {
            self.resolve_digest(id, now_ms);
        } else if open.row.terms.send_on_resolved {
            self.update_digest(id, now_ms);
        }
    }

    /// The alert of the notification ended, by the terms of the notification.
    pub(super) fn resolve(&mut self, id: i64, now_ms: i64) {
        let Some(open) = self.notifications.get(&id) else { return };
        let row = &open.row;
        if matches!(row.state, NotificationState::Resolved | NotificationState::Missed) {
            return;
        }
        let is_in_flight = self.is_in_flight(id);
        if !open.is_delivered() && !is_in_flight {
            return self.revise(id, NotificationState::Missed, now_ms);
        }
        if row.terms.send_on_resolved || is_in_flight {
            return self.revise(id, NotificationState::Resolved, now_ms);
        }
        self.end_quietly(id);
    }

    /// The end is not delivered.
    pub(super) fn end_quietly(&mut self, id: i64) {
        if let Some(open) = self.notifications.get_mut(&id) {
            open.row.state = NotificationState::Resolved;
            open.row.delivered = open.row.revision;
        }
        self.set_due(id, None);
        self.set_reminder(id, None);
    }

    fn resolve_digest(&mut self, id: i64, now_ms: i64) {
        let is_in_flight = self.is_in_flight(id);
        let Some(open) = self.notifications.get(&id) else { return };
        let is_known = open.is_delivered() || is_in_flight;
        if is_known && !open.row.terms.send_on_resolved && !is_in_flight {
            self.end_quietly(id);
            return self.close(id, now_ms);
        }
        self.revise(id, NotificationState::DigestResolved, now_ms);
    }

    pub(super) fn is_in_flight(&self, id: i64) -> bool {
        let Some(open) = self.notifications.get(&id) else { return false };
        let lane = self.lanes.get(&open.row.channel_id);
        lane.is_some_and(|lane| lane.in_flight == Some(id))
    }

    /// Closes a notification whose alerts have ended and whose channel knows it.
    pub(super) fn close_if_done(&mut self, id: i64, now_ms: i64) {
        let Some(open) = self.notifications.get(&id) else { return };
        let is_over = open.members.iter().all(|member| !self.alerts.contains_key(member));
        let is_known = open.row.delivered == open.row.revision || open.row.is_dead;
        if is_over && is_known && !self.is_in_flight(id) {
            self.close(id, now_ms);
        }
    }

    pub(super) fn close(&mut self, id: i64, now_ms: i64) {
        self.set_due(id, None);
        self.set_reminder(id, None);
        let Some(mut open) = self.notifications.remove(&id) else { return };
        for member in &open.members {
            if let Some(alert) = self.alerts.get_mut(member) {
                alert.notifications.retain(|other| *other != id);
            }
        }
        open.row.closed_ms = Some(now_ms);
        self.outbox.closed.insert(id, open.row);
        self.outbox.notifications.insert(id);
        for lane in self.lanes.values_mut() {
            if lane.storm.is_some_and(|storm| storm.notification_id == id) {
                lane.storm = None;
            }
        }
    }
}
