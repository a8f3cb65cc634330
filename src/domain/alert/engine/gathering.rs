//! Alerts of one group that wait for each other, before a channel is notified of them.

use std::rc::Rc;

use crate::domain::alert::routing::Route;

/// A group of alerts on a channel. The rules of services are one group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// `None` for the rules of services.
    pub policy_id: Option<i64>,
    /// Values of the policy's `group-by`; empty for rules.
    pub values: String,
    /// Step of the escalation.
    pub step: u16,
}

impl GroupKey {
    pub fn of(route: &Route) -> Self {
        Self {
            policy_id: route.policy_id,
            values: route.group.clone().unwrap_or_default(),
            step: route.step,
        }
    }
}

/// The waiting alerts. Without members it remembers when the group was last flushed.
#[derive(Debug, Default)]
pub struct Gathering {
    /// Alerts with their routes; the route is shared by alerts with the same one.
    pub members: Vec<(i64, Rc<Route>)>,
    /// Unix milliseconds; `None` without members.
    pub due_ms: Option<i64>,
    /// Unix milliseconds; until then, members wait for the group's interval.
    pub quiet_until_ms: i64,
}
