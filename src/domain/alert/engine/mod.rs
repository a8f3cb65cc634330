//! The decisions of alerting: which alerts begin and end, which channels are notified, and when.
//!
//! Time and randomness are parameters. The caller reads signals and services, writes each
//! [`Settlement`], and sends only what is settled: so a crash loses nothing, and repeats at most
//! the requests that were under way.

mod attempts;
mod flush;
pub mod gathering;
pub mod lane;
mod notifications;
pub mod open;
mod own;
mod signals;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use crate::domain::alert::alert_record::{Alert, Suppression};
use crate::domain::alert::kind::{AlertKind, Severity};
use crate::domain::alert::notification::{Delivery, Notification, Settlement};
use crate::domain::alert::routing::Route;
use crate::domain::alert::signal::Facts;
use crate::domain::audit::AuditEntry;
use crate::domain::service::service_id::ServiceId;
use lane::{Lane, LaneSettings};
use open::{OpenAlert, OpenNotification, Subject};

pub use attempts::{SENDERS, Send};
pub use own::OwnAlert;

/// Most alerts and notifications of one settlement, so that it takes the writer a few
/// milliseconds.
pub const SETTLED_AT_ONCE: usize = 1_000;

/// What suppresses an alert, as known now.
pub trait Suppressions {
    /// Why the begin of the alert is not delivered, and when to look again, in unix milliseconds.
    fn of(
        &self,
        service_id: Option<ServiceId>,
        subject: &Subject,
        kind: AlertKind,
        severity: Severity,
        now_ms: i64,
    ) -> Option<(Suppression, i64)>;

    /// The end of the quiet hours that hold the route back, in unix milliseconds.
    fn quiet_until(&self, route: &Route, now_ms: i64) -> Option<i64>;
}

/// What a decision goes by.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// Unix milliseconds.
    pub now_ms: i64,
    pub suppressions: &'a dyn Suppressions,
}

/// The service of a signal, as it is defined now.
#[derive(Debug, Clone)]
pub struct Routed<'a> {
    pub subject: Rc<Subject>,
    /// With secrets masked.
    pub url: &'a str,
    /// The routes of the signal's kind.
    pub routes: &'a [Rc<Route>],
}

/// The state of a store at the start.
#[derive(Debug, Default)]
pub struct Restored {
    pub next_alert_id: i64,
    pub next_notification_id: i64,
    /// Those that are open.
    pub alerts: Vec<Alert>,
    /// Those that are not closed, with the ids of their alerts.
    pub notifications: Vec<(Notification, Vec<i64>)>,
    /// With the time in unix milliseconds since when the channel fails.
    pub channels: Vec<(LaneSettings, Option<i64>)>,
}

/// All open alerts and notifications, and what is to be written and sent.
///
/// Bounds: an entry of about 200 bytes for each open alert; notifications of up to four alerts
/// each or of many; the rest is proportional to the channels.
#[derive(Debug, Default)]
pub struct Engine {
    next_alert_id: i64,
    next_notification_id: i64,
    alerts: HashMap<i64, OpenAlert>,
    /// The open alert of a service, or of the monitor, and kind.
    by_subject: HashMap<(Option<ServiceId>, AlertKind), i64>,
    notifications: HashMap<i64, OpenNotification>,
    lanes: BTreeMap<i64, Lane>,
    /// Ids of the channels by name.
    names: HashMap<String, i64>,
    /// When to look again whether an alert is suppressed, in unix milliseconds, with its id.
    rechecks: BTreeSet<(i64, i64)>,
    /// When acknowledgements end, in unix milliseconds, with their alerts.
    acknowledged_until: BTreeSet<(i64, i64)>,
    /// Alerts whose routes are to be read again from their services.
    unrouted: BTreeSet<i64>,
    /// Alerts that ended while they waited in a group, until the next tick.
    ended_gathering: HashSet<i64>,
    /// Later steps of escalations: time, alert, and route.
    escalations: BTreeMap<(i64, i64, u32), Rc<Route>>,
    next_escalation: u32,
    /// Time and id of the reminders.
    reminders: BTreeSet<(i64, i64)>,
    /// Begins and ends of alerts since the last [`take_mirrored`](Self::take_mirrored).
    mirrored: Vec<Mirrored>,
    outbox: Outbox,
    /// The lane from which the next request is taken.
    next_lane: i64,
}

/// What waits to be delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Notifications with something to send.
    pub due: usize,
    /// Age of the oldest of their revisions.
    pub oldest: Duration,
    /// Notifications that were given up.
    pub dead: usize,
}

/// A change of an alert, for the channels that mirror alerts.
#[derive(Debug, Clone, PartialEq)]
pub enum Mirrored {
    /// The alert is to be shown on this channel.
    Begins {
        channel_id: i64,
        alert_id: i64,
    },
    Ends {
        alert_id: i64,
        at_ms: i64,
    },
}

/// What is not stored yet.
#[derive(Debug, Default)]
struct Outbox {
    /// Those that were decided.
    signals: Vec<i64>,
    alerts: BTreeSet<i64>,
    /// Of new alerts; dropped once stored.
    facts: HashMap<i64, Facts>,
    notifications: BTreeSet<i64>,
    members: Vec<(i64, i64)>,
    deliveries: Vec<Delivery>,
    failing: BTreeMap<i64, Option<i64>>,
    /// Changes by people.
    audit: Vec<AuditEntry>,
    /// Notifications and their revisions in the settlement under way.
    settling: Vec<(i64, u32)>,
    is_settling: bool,
    /// Ended alerts and closed notifications, until they are stored.
    ended: HashMap<i64, OpenAlert>,
    closed: HashMap<i64, Notification>,
}

impl Engine {
    /// The state as stored. Alerts without a decision about their notifications are routed again;
    /// with `escalates`, those that fire are as well, for the later steps of their policies and
    /// for mirrors.
    pub fn restore(state: Restored, escalates: bool) -> Self {
        let Restored { next_alert_id, next_notification_id, alerts, channels, .. } = state;
        let open = state.notifications;
        let mut engine = Self { next_alert_id, next_notification_id, ..Self::default() };
        for (settings, failing_since_ms) in channels {
            engine.names.insert(settings.name.clone(), settings.channel_id);
            engine.lanes.insert(settings.channel_id, Lane::new(settings, failing_since_ms));
        }
        for alert in alerts {
            engine.restore_alert(&alert, escalates);
        }
        for (notification, members) in open {
            engine.restore_notification(notification, members);
        }
        engine
    }

    fn restore_alert(&mut self, alert: &Alert, escalates: bool) {
        let open = OpenAlert::of(alert);
        let is_suppressed = alert.suppressed_by.is_some();
        if is_suppressed {
            self.rechecks.insert((0, alert.id));
        }
        let is_decided = is_suppressed || !open.is_pending();
        if !is_decided || (escalates && !open.is_pending() && open.service_id.is_some()) {
            self.unrouted.insert(alert.id);
        }
        let until_ms = alert.acknowledged.as_ref().and_then(|acknowledged| acknowledged.until_ms);
        self.acknowledged_until.extend(until_ms.map(|until_ms| (until_ms, alert.id)));
        self.by_subject.insert((open.service_id, open.kind), alert.id);
        self.alerts.insert(alert.id, open);
    }

    fn restore_notification(&mut self, row: Notification, members: Vec<i64>) {
        let id = row.id;
        let firing = members.iter().filter(|member| self.alerts.contains_key(member)).count();
        for member in &members {
            if let Some(alert) = self.alerts.get_mut(member) {
                alert.notifications.push(id);
                alert.ends_at = alert.ends_at.max(row.terms.success_threshold);
            }
        }
        if let Some(due_ms) = row.due_ms
            && let Some(lane) = self.lanes.get_mut(&row.channel_id)
        {
            lane.due.insert((due_ms, id));
        }
        if let Some(due_ms) = row.reminder_due_ms {
            self.reminders.insert((due_ms, id));
        }
        let settled = row.revision;
        let open = OpenNotification { settled, ..OpenNotification::new(row, members, firing) };
        self.notifications.insert(id, open);
    }

    /// Takes over the channels as they are defined now. Notifications of a channel that is gone
    /// are closed; a changed channel is tried again at once.
    pub fn set_channels(&mut self, channels: Vec<LaneSettings>, now_ms: i64) {
        let mut lanes = std::mem::take(&mut self.lanes);
        self.names.clear();
        for settings in channels {
            self.names.insert(settings.name.clone(), settings.channel_id);
            let lane = match lanes.remove(&settings.channel_id) {
                Some(mut lane) => {
                    if let Some(failing) = &mut lane.failing {
                        failing.retry_at_ms = now_ms;
                    }
                    if lane.settings.refill_ms != settings.refill_ms {
                        lane.bucket = lane::Bucket::new(settings.refill_ms);
                    }
                    lane.settings = settings;
                    lane
                }
                None => Lane::new(settings, None),
            };
            self.lanes.insert(lane.settings.channel_id, lane);
        }
        for channel_id in lanes.into_keys() {
            let of_channel = self.notifications.values();
            let gone: Vec<i64> = of_channel
                .filter(|open| open.row.channel_id == channel_id)
                .map(|open| open.row.id)
                .collect();
            for id in gone {
                self.close(id, now_ms);
            }
        }
    }

    /// Whether no alert and no notification is open.
    pub fn is_idle(&self) -> bool {
        self.alerts.is_empty() && self.notifications.is_empty() && self.ended_gathering.is_empty()
    }

    pub fn open_alerts(&self) -> impl Iterator<Item = &OpenAlert> {
        self.alerts.values()
    }

    pub fn alert(&self, id: i64) -> Option<&OpenAlert> {
        self.alerts.get(&id)
    }

    /// Writes the row of the audit for a change of an alert together with the alert.
    pub fn record_audit(&mut self, entry: AuditEntry) {
        self.outbox.audit.push(entry);
    }

    pub fn notification(&self, id: i64) -> Option<&OpenNotification> {
        self.notifications.get(&id)
    }

    /// Whether the newest attempt of the channel failed.
    pub fn is_failing(&self, channel_id: i64) -> bool {
        self.lanes.get(&channel_id).is_some_and(|lane| lane.failing.is_some())
    }

    /// The channels that have failed since `before_ms` or longer.
    pub fn failing_channels(&self, before_ms: i64) -> Vec<i64> {
        let failing = self
            .lanes
            .iter()
            .filter(|(_, lane)| lane.failing.is_some_and(|failing| failing.since_ms <= before_ms));
        failing.map(|(channel_id, _)| *channel_id).collect()
    }

    /// Whether the service has an open alert of this kind.
    pub fn is_open(&self, service_id: ServiceId, kind: AlertKind) -> bool {
        self.by_subject.contains_key(&(Some(service_id), kind))
    }

    /// Whether a request is under way.
    pub fn is_sending(&self) -> bool {
        self.lanes.values().any(|lane| lane.in_flight.is_some())
    }

    /// Notifications that are due at `now_ms`.
    pub fn backlog(&self, now_ms: i64) -> Backlog {
        let mut backlog = Backlog::default();
        for open in self.notifications.values() {
            backlog.dead += usize::from(open.row.is_dead);
            if open.row.due_ms.is_some_and(|due_ms| due_ms <= now_ms) {
                backlog.due += 1;
                let age_ms = u64::try_from(now_ms - open.row.revised_ms).unwrap_or_default();
                backlog.oldest = backlog.oldest.max(Duration::from_millis(age_ms));
            }
        }
        backlog
    }

    /// Routes the alerts of services that fire again: a mirror is new, or was emptied.
    pub fn mirror_all(&mut self) {
        let firing = self.alerts.values();
        let firing = firing.filter(|alert| alert.service_id.is_some() && !alert.is_pending());
        self.unrouted.extend(firing.map(|alert| alert.id));
    }

    /// Begins and ends of alerts for the mirrors.
    pub fn take_mirrored(&mut self) -> Vec<Mirrored> {
        std::mem::take(&mut self.mirrored)
    }

    /// What is to be written next, after a [`tick`](Self::tick); `None` while a settlement is under
    /// way, and without changes.
    pub fn take_settlement(&mut self) -> Option<Settlement> {
        if self.outbox.is_settling {
            return None;
        }
        let outbox = &mut self.outbox;
        let mut settlement = Settlement::default();
        // Alerts first: members refer to them. All alerts up to the signals are in one settlement.
        for id in std::mem::take(&mut outbox.alerts) {
            let ended = outbox.ended.remove(&id);
            let Some(open) = ended.as_ref().or_else(|| self.alerts.get(&id)) else { continue };
            let facts = outbox.facts.remove(&id).unwrap_or_default();
            settlement.alerts.push(open.row(facts));
        }
        for id in std::mem::take(&mut outbox.notifications) {
            if let Some(row) = outbox.closed.remove(&id) {
                settlement.notifications.push(row);
            } else if let Some(open) = self.notifications.get(&id) {
                settlement.notifications.push(open.row.clone());
                outbox.settling.push((id, open.row.revision));
            }
        }
        settlement.members = std::mem::take(&mut outbox.members);
        settlement.deliveries = std::mem::take(&mut outbox.deliveries);
        settlement.failing = std::mem::take(&mut outbox.failing).into_iter().collect();
        settlement.audit = std::mem::take(&mut outbox.audit);
        settlement.signals = std::mem::take(&mut outbox.signals);
        if settlement.is_empty() {
            return None;
        }
        outbox.is_settling = true;
        Some(settlement)
    }

    /// The settlement under way is stored.
    pub fn settled(&mut self) {
        self.outbox.is_settling = false;
        for (id, revision) in std::mem::take(&mut self.outbox.settling) {
            if let Some(open) = self.notifications.get_mut(&id) {
                open.settled = open.settled.max(revision);
            }
        }
    }

    fn is_settled(&self, notification_id: i64) -> bool {
        let open = self.notifications.get(&notification_id);
        open.is_some_and(|open| open.settled == open.row.revision)
    }

    /// Tries all channels at once, as if none had failed: connectivity is back.
    pub fn forget_failures(&mut self) {
        for (channel_id, lane) in &mut self.lanes {
            if lane.failing.take().is_some() {
                self.outbox.failing.insert(*channel_id, None);
            }
            let due = std::mem::take(&mut lane.due);
            lane.due = due.into_iter().map(|(_, id)| (0, id)).collect();
        }
        for open in self.notifications.values_mut() {
            open.row.due_ms = open.row.due_ms.map(|_| 0);
        }
    }

    fn touch_alert(&mut self, id: i64) {
        self.outbox.alerts.insert(id);
    }

    fn touch(&mut self, notification_id: i64) {
        self.outbox.notifications.insert(notification_id);
    }
}
