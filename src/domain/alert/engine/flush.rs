//! From gathered alerts to notifications: one each for a few, a digest for many.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::gathering::GroupKey;
use super::lane::Storm;
use super::notifications::NewNotification;
use super::{Engine, Env};
use crate::domain::alert::notification::{NotificationState, NotificationTerms};
use crate::domain::alert::routing::Route;

/// From so many alerts on, a group is one digest.
const DIGEST_FROM: usize = 5;

/// Milliseconds between two digests of alerts of several groups.
const MERGED_INTERVAL_MS: i64 = 60_000;

/// Longest scope of a notification in bytes.
const SCOPE_BYTES: usize = 255;

impl Engine {
    /// Opens the notifications of the groups that have waited long enough.
    pub(super) fn flush_groups(&mut self, env: &Env<'_>) {
        let due = |due_ms: Option<i64>| due_ms.is_some_and(|due_ms| due_ms <= env.now_ms);
        let mut groups: Vec<(i64, GroupKey)> = Vec::new();
        for (channel_id, lane) in &mut self.lanes {
            // A flushed group is remembered until its interval has passed.
            lane.gatherings
                .retain(|_, group| group.due_ms.is_some() || group.quiet_until_ms > env.now_ms);
            let gatherings = lane.gatherings.iter().filter(|(_, group)| due(group.due_ms));
            groups.extend(gatherings.map(|(key, _)| (*channel_id, key.clone())));
        }
        for (channel_id, key) in groups {
            self.flush(channel_id, &key, env);
        }
        self.merge_what_exceeds_the_buckets(env.now_ms);
    }

    fn flush(&mut self, channel_id: i64, key: &GroupKey, env: &Env<'_>) {
        let Some(lane) = self.lanes.get_mut(&channel_id) else { return };
        let Some(group) = lane.gatherings.get_mut(key) else { return };
        let members = std::mem::take(&mut group.members);
        group.due_ms = None;
        let storm = lane.storm.filter(|storm| storm.until_ms > env.now_ms);
        let mut firing: Vec<(i64, Rc<Route>)> = Vec::with_capacity(members.len());
        for (id, route) in members {
            if self.leaves_group(id, env) {
                firing.push((id, route));
            }
        }
        let Some(interval_ms) = firing.first().map(|(_, route)| route.group_interval_ms) else {
            return;
        };
        if let Some(storm) = storm {
            return self.join(storm.notification_id, channel_id, &Members::of(&firing), env.now_ms);
        }
        // The members of a policy's group wait for its interval; single alerts do not.
        let is_digest = firing.len() >= DIGEST_FROM;
        if is_digest || key.policy_id.is_some() {
            self.hold_group(channel_id, key, env.now_ms + interval_ms);
        }
        if is_digest {
            self.open_digest(channel_id, key, &Members::of(&firing), env.now_ms);
        } else {
            self.open_each(channel_id, &firing, env.now_ms);
        }
    }

    /// Reports the alerts that ended while they waited in a group, before their end is stored: a
    /// restart does not look at alerts that have ended.
    pub(super) fn flush_ended(&mut self, now_ms: i64) {
        let ended = std::mem::take(&mut self.ended_gathering);
        if ended.is_empty() {
            return;
        }
        let mut groups = Vec::new();
        for (channel_id, lane) in &mut self.lanes {
            for (key, group) in &mut lane.gatherings {
                let of_group: Vec<_> =
                    group.members.extract_if(.., |(id, _)| ended.contains(id)).collect();
                if group.members.is_empty() {
                    group.due_ms = None;
                }
                if !of_group.is_empty() {
                    groups.push((*channel_id, key.clone(), of_group));
                }
            }
        }
        for (channel_id, key, members) in groups {
            let storm = self.lanes.get(&channel_id).and_then(|lane| lane.storm);
            if let Some(storm) = storm.filter(|storm| storm.until_ms > now_ms) {
                self.join(storm.notification_id, channel_id, &Members::of(&members), now_ms);
            } else if members.len() >= DIGEST_FROM {
                self.open_digest(channel_id, &key, &Members::of(&members), now_ms);
            } else {
                self.open_each(channel_id, &members, now_ms);
            }
        }
    }

    /// Takes an alert out of a group. Whether it fires: it may be suppressed since.
    fn leaves_group(&mut self, id: i64, env: &Env<'_>) -> bool {
        let Some(alert) = self.alerts.get_mut(&id) else { return false };
        alert.gathering = alert.gathering.saturating_sub(1);
        if self.suppress(id, env) {
            return false;
        }
        self.fires_unless_gathering(id, env.now_ms);
        true
    }

    fn hold_group(&mut self, channel_id: i64, key: &GroupKey, until_ms: i64) {
        let lane = self.lanes.get_mut(&channel_id);
        if let Some(group) = lane.and_then(|lane| lane.gatherings.get_mut(key)) {
            group.quiet_until_ms = until_ms;
        }
    }

    fn open_each(&mut self, channel_id: i64, members: &[(i64, Rc<Route>)], now_ms: i64) {
        for (alert_id, route) in members {
            for recipient in self.recipients(channel_id) {
                let new = NewNotification {
                    channel_id,
                    recipient,
                    policy_id: route.policy_id,
                    scope: String::new(),
                    step: route.step,
                    state: match self.alerts.contains_key(alert_id) {
                        true => NotificationState::Firing,
                        false => NotificationState::Missed,
                    },
                    terms: route.terms.clone(),
                    members: vec![*alert_id],
                };
                self.open(new, now_ms);
            }
        }
    }

    /// One notification for each recipient of the channel, or one for all.
    fn recipients(&self, channel_id: i64) -> Vec<Option<String>> {
        let settings = self.lanes.get(&channel_id).map(|lane| &lane.settings);
        match settings {
            Some(settings) if !settings.recipients.is_empty() => {
                settings.recipients.iter().cloned().map(Some).collect()
            }
            _ => vec![None],
        }
    }

    fn open_digest(&mut self, channel_id: i64, key: &GroupKey, members: &Members, now_ms: i64) {
        let firing = members.ids.iter().filter(|id| self.alerts.contains_key(id)).count();
        let state = match firing {
            0 => NotificationState::DigestResolved,
            _ => NotificationState::Digest,
        };
        let mut scope = key.values.clone();
        scope.truncate(scope.floor_char_boundary(SCOPE_BYTES));
        for recipient in self.recipients(channel_id) {
            let new = NewNotification {
                channel_id,
                recipient,
                policy_id: key.policy_id,
                scope: scope.clone(),
                step: key.step,
                state,
                terms: members.terms.clone(),
                members: members.ids.iter().copied().collect(),
            };
            let notification_id = self.open(new, now_ms);
            let until_ms = now_ms + members.interval_ms;
            if key.policy_id.is_none()
                && let Some(lane) = self.lanes.get_mut(&channel_id)
            {
                lane.storm = Some(Storm { notification_id, until_ms });
            }
        }
    }

    /// Adds alerts to an open digest, which is sent again after its interval.
    fn join(&mut self, digest_id: i64, channel_id: i64, members: &Members, now_ms: i64) {
        let Some(digest) = self.notifications.get(&digest_id) else { return };
        // Every recipient of the channel has such a digest.
        let (scope, opened_ms) = (digest.row.scope.clone(), digest.row.opened_ms);
        let same = self.notifications.values().filter(|open| {
            let row = &open.row;
            (row.channel_id, row.opened_ms) == (channel_id, opened_ms)
                && row.scope == scope
                && open.is_digest()
        });
        let same: Vec<i64> = same.map(|open| open.row.id).collect();
        for id in same {
            self.add_members(id, members, now_ms);
        }
        if let Some(lane) = self.lanes.get_mut(&channel_id) {
            let until_ms = now_ms + members.interval_ms;
            lane.storm = Some(Storm { notification_id: digest_id, until_ms });
        }
    }

    fn add_members(&mut self, digest_id: i64, members: &Members, now_ms: i64) {
        let Some(open) = self.notifications.get_mut(&digest_id) else { return };
        open.row.terms.send_on_resolved |= members.terms.send_on_resolved;
        let mut has_joined = false;
        // Alerts that have ended do not know their notifications any more.
        let has_ended = members.ids.iter().any(|alert_id| !self.alerts.contains_key(alert_id));
        let known: BTreeSet<i64> =
            if has_ended { open.members.iter().copied().collect() } else { BTreeSet::new() };
        for alert_id in &members.ids {
            match self.alerts.get_mut(alert_id) {
                Some(alert) if alert.notifications.contains(&digest_id) => continue,
                Some(alert) => {
                    alert.notifications.push(digest_id);
                    open.firing += 1;
                }
                None if known.contains(alert_id) => continue,
                None => {}
            }
            open.members.push(*alert_id);
            self.outbox.members.push((*alert_id, digest_id));
            has_joined = true;
        }
        let (state, firing) = (open.row.state, open.firing);
        match state {
            _ if !has_joined => {}
            NotificationState::Digest => self.update_digest(digest_id, now_ms),
            _ if firing > 0 => self.revise(digest_id, NotificationState::Digest, now_ms),
            _ => self.revise(digest_id, NotificationState::DigestResolved, now_ms),
        }
        self.touch(digest_id);
    }

    /// When more is due on a channel than it may send, what it does not know becomes one digest.
    fn merge_what_exceeds_the_buckets(&mut self, now_ms: i64) {
        let channels: Vec<i64> = self.lanes.keys().copied().collect();
        for channel_id in channels {
            let Some(lane) = self.lanes.get(&channel_id) else { continue };
            let tokens = usize::try_from(lane.bucket.tokens(now_ms)).unwrap_or_default();
            if lane.due.len() <= tokens.max(DIGEST_FROM - 1) {
                continue;
            }
            let due = lane.due.iter().filter(|(due_ms, _)| *due_ms <= now_ms);
            let unknown: Vec<i64> = due
                .map(|(_, id)| *id)
                .filter(|id| lane.in_flight != Some(*id))
                .filter(|id| self.notifications.get(id).is_some_and(|open| open.row.delivered == 0))
                .collect();
            if unknown.len() > tokens.max(1) {
                self.merge(channel_id, &unknown, now_ms);
            }
        }
    }

    /// One digest instead of notifications of which the channel knows nothing yet.
    fn merge(&mut self, channel_id: i64, notifications: &[i64], now_ms: i64) {
        let mut members = Members { interval_ms: MERGED_INTERVAL_MS, ..Members::default() };
        for id in notifications {
            let Some(open) = self.notifications.get(id) else { continue };
            members.ids.extend(&open.members);
            members.add_terms(&open.row.terms);
        }
        for id in notifications {
            self.close(*id, now_ms);
        }
        let key = GroupKey { policy_id: None, values: String::new(), step: 0 };
        self.open_digest(channel_id, &key, &members, now_ms);
    }
}

/// The alerts of a digest.
struct Members {
    ids: BTreeSet<i64>,
    /// Joined from those of the alerts.
    terms: NotificationTerms,
    /// Milliseconds between two messages.
    interval_ms: i64,
}

impl Default for Members {
    fn default() -> Self {
        let terms = NotificationTerms { send_on_resolved: false, ..NotificationTerms::default() };
        Self { ids: BTreeSet::new(), terms, interval_ms: 0 }
    }
}

impl Members {
    fn of(alerts: &[(i64, Rc<Route>)]) -> Self {
        let mut members = Self::default();
        for (id, route) in alerts {
            members.ids.insert(*id);
            members.add_terms(&route.terms);
            members.interval_ms = members.interval_ms.max(route.group_interval_ms);
        }
        members
    }

    fn add_terms(&mut self, terms: &NotificationTerms) {
        self.terms.send_on_resolved |= terms.send_on_resolved;
        self.terms.reminder_ms = self.terms.reminder_ms.into_iter().chain(terms.reminder_ms).min();
    }
}
