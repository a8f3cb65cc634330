//! Which notification is sent next, and what follows from its attempt.

use super::lane::Lane;
use super::{Engine, Env};
use crate::domain::alert::notification::{Attempt, Delivery, DeliveryOutcome, NotificationState};

/// Most requests under way.
pub const SENDERS: usize = 32;

/// Most requests under way to channels whose last attempt failed.
const FAILING_SENDERS: usize = SENDERS / 2;

/// Milliseconds after which a request is preempted while every sender is busy and another channel
/// waits. Its next attempt has its full timeout, among those to failing channels.
const PREEMPTED_AFTER_MS: i64 = 2_000;

/// Milliseconds after which a revision is given up.
const GIVEN_UP_AFTER_MS: i64 = 24 * 3_600_000;

/// Longest error of a delivery in bytes.
const ERROR_BYTES: usize = 256;

/// A request to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Send {
    pub notification_id: i64,
    pub channel_id: i64,
    pub revision: u32,
    pub state: NotificationState,
}

impl Engine {
    /// The next request, if one is due and there is room: of the channels in turn, and of each the
    /// notification that is due for the longest time. Only what is settled is sent.
    pub fn next_send(&mut self, env: &Env<'_>) -> Option<Send> {
        let (all, failing) = self.under_way();
        if all >= SENDERS {
            return None;
        }
        let may_send = |lane: &Lane| {
            let has_room = lane.failing.is_none() || failing < FAILING_SENDERS;
            has_room && lane.next_attempt_ms().is_some_and(|at_ms| at_ms <= env.now_ms)
        };
        let in_turn = self.lanes.range(self.next_lane..).chain(self.lanes.range(..self.next_lane));
        let (channel_id, notification_id) =
            in_turn.filter(|(_, lane)| may_send(lane)).find_map(|(channel_id, lane)| {
                let due = lane.due.iter().take_while(|(due_ms, _)| *due_ms <= env.now_ms);
                let mut settled = due.map(|(_, id)| *id).filter(|id| self.is_settled(*id));
                settled.next().map(|id| (*channel_id, id))
            })?;
        self.next_lane = channel_id + 1;
        let open = self.notifications.get_mut(&notification_id)?;
        open.attempted_ms = env.now_ms;
        let send = Send {
            notification_id,
            channel_id,
            revision: open.row.revision,
            state: open.row.state,
        };
        let lane = self.lanes.get_mut(&channel_id)?;
        lane.in_flight = Some(notification_id);
        (lane.began_ms, lane.is_preempted) = (env.now_ms, false);
        lane.bucket.take(env.now_ms);
        Some(send)
    }

    /// Requests under way, and those of them to failing channels.
    fn under_way(&self) -> (usize, usize) {
        let under_way = self.lanes.values().filter(|lane| lane.in_flight.is_some());
        under_way.fold((0, 0), |(all, failing), lane| {
            (all + 1, failing + usize::from(lane.failing.is_some()))
        })
    }

    /// The channel whose request is to be cancelled, so that receivers that hang do not delay the
    /// others until they count as failing. The cancelled request is a failed attempt.
    pub fn preempt(&mut self, now_ms: i64) -> Option<i64> {
        let is_waiting = |lane: &Lane| {
            lane.failing.is_none() && lane.next_attempt_ms().is_some_and(|at_ms| at_ms <= now_ms)
        };
        let waiting = self.lanes.values().filter(|lane| is_waiting(lane)).count();
        let preempted = self.lanes.values().filter(|lane| lane.is_preempted).count();
        if self.under_way().0 < SENDERS || waiting <= preempted {
            return None;
        }
        let hangs = |lane: &&mut Lane| {
            lane.in_flight.is_some()
                && !lane.is_preempted
                && lane.failing.is_none()
                && now_ms - lane.began_ms >= PREEMPTED_AFTER_MS
        };
        let oldest = self.lanes.values_mut().filter(hangs).min_by_key(|lane| lane.began_ms)?;
        oldest.is_preempted = true;
        Some(oldest.settings.channel_id)
    }

    /// Takes over the result of a request. `jitter` is from 0.5 to 1.
    pub fn attempted(
        &mut self,
        send: Send,
        attempt: Attempt,
        took_ms: u32,
        jitter: f64,
        now_ms: i64,
    ) {
        let Send { notification_id, channel_id, revision, .. } = send;
        let Some(lane) = self.lanes.get_mut(&channel_id) else { return };
        if lane.in_flight == Some(notification_id) {
            lane.in_flight = None;
            lane.is_preempted = false;
        }
        let mut delivery = Delivery {
            id: 0,
            notification_id,
            revision,
            at_ms: now_ms - i64::from(took_ms),
            took_ms,
            outcome: DeliveryOutcome::Delivered,
            http_status: None,
            error: None,
        };
        match attempt {
            Attempt::Delivered { http_status, reference } => {
                if lane.failing.take().is_some() {
                    self.outbox.failing.insert(channel_id, None);
                }
                delivery.http_status = http_status;
                self.delivered(send, reference, now_ms);
            }
            Attempt::ChannelFailed { http_status, error, retry_after } => {
                lane.bucket.give_back();
                let retry_after =
                    retry_after.map(|wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
                let retry_at_ms = lane.failed(now_ms, retry_after, jitter);
                let since_ms = lane.failing.map(|failing| failing.since_ms);
                self.outbox.failing.insert(channel_id, since_ms);
                delivery.http_status = http_status;
                delivery.error = Some(cut(error));
                let is_dead = self.failed(send, retry_at_ms, now_ms);
                delivery.outcome =
                    if is_dead { DeliveryOutcome::Dead } else { DeliveryOutcome::ChannelFailed };
            }
            Attempt::MessageRefused { http_status, error } => {
                delivery.http_status = http_status;
                delivery.error = Some(cut(error));
                delivery.outcome = DeliveryOutcome::MessageRefused;
                self.give_up(notification_id, revision, now_ms);
            }
        }
        self.outbox.deliveries.push(delivery);
    }

    fn delivered(&mut self, send: Send, reference: Option<String>, now_ms: i64) {
        let id = send.notification_id;
        let Some(open) = self.notifications.get_mut(&id) else { return };
        let row = &mut open.row;
        row.delivered = row.delivered.max(send.revision);
        row.attempts = 0;
        row.reference = reference.or(row.reference.take());
        let (terms, is_newest) = (row.terms.clone(), row.revision == send.revision);
        let ends_unsent = row.state == NotificationState::Resolved && !terms.send_on_resolved;
        self.touch(id);
        if is_newest {
            self.set_due(id, None);
            let is_firing = self.notifications.get(&id).is_some_and(|open| {
                open.firing > 0 && open.row.state != NotificationState::Resolved
            });
            if let Some(reminder_ms) = terms.reminder_ms.filter(|_| is_firing) {
                self.set_reminder(id, Some(now_ms + reminder_ms));
            }
        } else if ends_unsent {
            self.end_quietly(id);
        }
        self.close_if_done(id, now_ms);
    }

    /// The channel failed. Whether the revision is given up.
    fn failed(&mut self, send: Send, retry_at_ms: i64, now_ms: i64) -> bool {
        let id = send.notification_id;
        let Some(open) = self.notifications.get_mut(&id) else { return false };
        let row = &mut open.row;
        row.attempts += 1;
        let is_missed = row.delivered == 0
            && row.revision > send.revision
            && row.state == NotificationState::Resolved;
        if is_missed {
            row.state = NotificationState::Missed;
        }
        if now_ms - row.revised_ms >= GIVEN_UP_AFTER_MS {
            self.give_up(id, send.revision, now_ms);
            return true;
        }
        self.set_due(id, Some(retry_at_ms));
        false
    }

    /// The revision is not tried any more, unless the notification has changed meanwhile.
    fn give_up(&mut self, id: i64, revision: u32, now_ms: i64) {
        let Some(open) = self.notifications.get_mut(&id) else { return };
        if open.row.revision != revision {
            return self.touch(id);
        }
        open.row.is_dead = true;
        self.set_due(id, None);
        self.close_if_done(id, now_ms);
    }

    /// Tries a dead notification once more. Whether there is one.
    pub fn retry(&mut self, id: i64, now_ms: i64) -> bool {
        let Some(open) = self.notifications.get_mut(&id) else { return false };
        if !open.row.is_dead {
            return false;
        }
        open.row.is_dead = false;
        open.row.revised_ms = now_ms;
        self.set_due(id, Some(now_ms));
        true
    }
}

fn cut(mut error: String) -> String {
    error.truncate(error.floor_char_boundary(ERROR_BYTES));
    error
}
