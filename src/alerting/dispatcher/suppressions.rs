//! What suppresses alerts now: maintenance, silences, and quiet hours.

use std::collections::HashMap;

use serde_json::Value;

use crate::alerting::dispatcher::parents::Parents;
use crate::domain::ServiceId;
use crate::domain::alert::engine::Suppressions;
use crate::domain::alert::engine::open::Subject;
use crate::domain::alert::{AlertKind, Channel, Policy, Route, Severity, Silence, Suppression};
use crate::domain::maintenance::schedule::{Schedule, is_quiet};
use crate::domain::maintenance::windows::Windows;
use crate::domain::maintenance::written;

/// Milliseconds after which a suppressed alert is looked at again at the latest, since silences and
/// maintenance change.
const RECHECK_MS: i64 = 60_000;

/// The definitions by which alerts are suppressed.
#[derive(Debug, Default)]
pub struct SuppressionRules {
    silences: Vec<Silence>,
    windows: Windows,
    /// By name of the channel.
    channels: HashMap<String, QuietHours>,
    /// By id of the policy.
    policies: HashMap<i64, QuietHours>,
    /// Whether services are not reported since a parent is down.
    pub parents: Parents,
}

#[derive(Debug)]
struct QuietHours {
    schedules: Vec<Schedule>,
    passes: Vec<Severity>,
}

impl QuietHours {
    /// `None` without quiet hours. Schedules were checked where they are written.
    fn new(written: &[Value], passes: Vec<Severity>) -> Option<Self> {
        let maps = written.iter().filter_map(Value::as_object);
        let schedules = maps.filter_map(|map| Some(written::read(map).ok()?.schedule));
        let schedules: Vec<Schedule> = schedules.collect();
        (!schedules.is_empty()).then_some(Self { schedules, passes })
    }

    fn until(&self, severity: Severity, now_ms: i64) -> Option<i64> {
        if self.passes.contains(&severity) { None } else { is_quiet(&self.schedules, now_ms) }
    }
}

impl SuppressionRules {
    pub fn new(
        silences: Vec<Silence>,
        windows: Windows,
        channels: &[Channel],
        policies: &[Policy],
    ) -> Self {
        let of_channel = |channel: &Channel| {
            let words = channel.options.quiet_passes.iter();
            let passes = words.filter_map(|word| Severity::from_word(word)).collect();
            let quiet = QuietHours::new(&channel.options.quiet, passes)?;
            Some((channel.name.clone(), quiet))
        };
        let of_policy = |policy: &Policy| {
            let options = &policy.options;
            Some((policy.id, QuietHours::new(&options.quiet, options.quiet_passes.clone())?))
        };
        Self {
            silences,
            windows,
            channels: channels.iter().filter_map(of_channel).collect(),
            policies: policies.iter().filter_map(of_policy).collect(),
            parents: Parents::default(),
        }
    }

    fn silenced_until(
        &self,
        subject: &Subject,
        kind: AlertKind,
        severity: Severity,
        now_ms: i64,
    ) -> Option<i64> {
        let active = self.silences.iter().filter(|silence| {
            let group = subject.group.as_deref();
            (silence.from_ms..silence.to_ms).contains(&now_ms)
                && silence.matcher.matches(&subject.name, group, kind, severity)
        });
        active.map(|silence| silence.to_ms).max()
    }
}

impl Suppressions for SuppressionRules {
    fn of(
        &self,
        service_id: Option<ServiceId>,
        subject: &Subject,
        kind: AlertKind,
        severity: Severity,
        now_ms: i64,
    ) -> Option<(Suppression, i64)> {
        let latest_ms = now_ms + RECHECK_MS;
        let group = subject.group.as_deref();
        let planned =
            service_id.and_then(|id| self.windows.active(id, &subject.name, group, now_ms));
        if let Some(active) = planned {
            return Some((Suppression::Maintenance, active.until_ms.min(latest_ms)));
        }
        let is_down = kind == AlertKind::Down;
        let child = service_id.filter(|_| is_down);
        if let Some(again_ms) = child.and_then(|id| self.parents.blocked_until(id, now_ms)) {
            return Some((Suppression::Dependency, again_ms));
        }
        let until_ms = self.silenced_until(subject, kind, severity, now_ms)?;
        Some((Suppression::Silence, until_ms.min(latest_ms)))
    }

    fn quiet_until(&self, route: &Route, now_ms: i64) -> Option<i64> {
        let channel = self.channels.get(&route.channel);
        let policy = route.policy_id.and_then(|id| self.policies.get(&id));
        let quiet = channel.into_iter().chain(policy);
        quiet.filter_map(|quiet| quiet.until(route.severity, now_ms)).max()
    }
}
