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
        for (is_of_service, group) in alerts {
            if !is_of_service {
                counts.own += 1;
                continue;
            }
            let group = group.unwrap_or_default();
            match counts.by_group.get_mut(group) {
                Some(count) => *count += 1,
                None => drop(counts.by_group.insert(group.into(), 1)),
            }
        }
        counts
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
