//! Numbers of open alerts. Pure.

use std::collections::HashMap;

use crate::domain::access::group_limit::GroupLimit;

/// Open alerts by the group of their service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenAlertCounts {
    /// Those of the monitor itself.
    own: u64,
    /// The empty name stands for services without a group.
    by_group: HashMap<Box<str>, u64>,
}

impl OpenAlertCounts {
    /// Counts alerts: whether each is about a service, and the group of that.
    pub fn of<'a>(alerts: impl Iterator<Item = (bool, Option<&'a str>)>) -> Self {
        let mut counts = Self::default();
        alerts.for_each(|(is_of_service, group)| counts.add(is_of_service, group, 1));
        counts
    }

    /// Adds so many alerts about services of this group, or of the monitor itself.
    pub fn add(&mut self, is_of_service: bool, group: Option<&str>, count: u64) {
        if !is_of_service {
            self.own += count;
            return;
        }
        let group = group.unwrap_or_default();
        match self.by_group.get_mut(group) {
            Some(known) => *known += count,
            None => drop(self.by_group.insert(group.into(), count)),
        }
    }

    /// Those that a caller sees: a limit to groups leaves the alerts of the monitor itself out.
    pub fn visible(&self, groups: &GroupLimit) -> u64 {
        match groups.names() {
            None => self.own + self.by_group.values().sum::<u64>(),
            Some(names) => names.filter_map(|name| self.by_group.get(name)).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_counts_the_alerts_of_its_groups() {
        let alerts = [(true, Some("core")), (true, Some("core")), (true, None), (false, None)];
        let counts = OpenAlertCounts::of(alerts.into_iter());
        let visible = |names: &[&str]| {
            counts.visible(&GroupLimit::to(names.iter().map(|&name| name.to_owned())))
        };
        assert_eq!(counts.visible(&GroupLimit::NONE), 4);
        assert_eq!((visible(&["core"]), visible(&["web"]), visible(&[])), (2, 0, 0));
        assert_eq!(visible(&["", "core"]), 3, "not that of the monitor itself");
    }
}
