//! Which silences and maintenance a token that is limited to groups sees and changes. Pure.

use super::group_limit::GroupLimit;
use crate::domain::alert::silence::{self, Matcher};

impl GroupLimit {
    /// Whether the matcher selects services of these groups alone, also of those to come: it names
    /// groups of the limit, and has no `*` among them.
    pub fn encloses(&self, matcher: &Matcher) -> bool {
        let is_own = |group: &String| !group.contains('*') && self.contains(Some(group));
        !self.is_limited() || !matcher.group.is_empty() && matcher.group.iter().all(is_own)
    }

    /// As [`encloses`](Self::encloses), for alerts: those of the monitor itself have no group.
    pub fn encloses_alerts(&self, matcher: &Matcher) -> bool {
        self.encloses(matcher) && !(self.is_limited() && matcher.may_match_own())
    }

    /// The matcher without patterns of other groups; `None` when it selects no service of these
    /// groups, whatever its name.
    pub fn part_of(&self, mut matcher: Matcher) -> Option<Matcher> {
        let Some(names) = self.names() else { return Some(matcher) };
        let names: Vec<&str> = names.collect();
        if matcher.group.is_empty() {
            return (!names.is_empty()).then_some(matcher);
        }
        matcher.group.retain(|pattern| names.iter().any(|name| silence::matches(pattern, name)));
        (!matcher.group.is_empty()).then_some(matcher)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(names: &[&str]) -> GroupLimit {
        GroupLimit::to(names.iter().map(|&name| name.to_owned()))
    }

    fn matcher(groups: &[&str], names: &[&str]) -> Matcher {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Matcher { group: owned(groups), name: owned(names), ..Matcher::default() }
    }

    #[test]
    fn a_matcher_lies_within_groups_that_it_names() {
        let core = limit(&["core", "web"]);
        for (groups, encloses) in [
            (&["core"][..], true),
            (&["core", "web"], true),
            (&[], false),
            (&["core", "mail"], false),
            (&["co*"], false),
            (&[""], false),
        ] {
            assert_eq!(core.encloses(&matcher(groups, &["a*"])), encloses, "{groups:?}");
            assert!(GroupLimit::NONE.encloses(&matcher(groups, &[])));
        }
    }

    #[test]
    fn a_silence_of_services_without_a_group_leaves_the_monitor_itself_out() {
        let ungrouped = limit(&[""]);
        let all = matcher(&[""], &["*"]);
        assert!(ungrouped.encloses(&all) && !ungrouped.encloses_alerts(&all));
        assert!(!ungrouped.encloses_alerts(&matcher(&[""], &[])));
        assert!(ungrouped.encloses_alerts(&matcher(&[""], &["db-*"])));
        let down = Matcher { kind: vec!["down".to_owned()], ..all.clone() };
        assert!(ungrouped.encloses_alerts(&down));
        assert!(GroupLimit::NONE.encloses_alerts(&all));
        assert!(limit(&["core"]).encloses_alerts(&matcher(&["core"], &[])));
    }

    #[test]
    fn the_patterns_of_other_groups_are_left_out() {
        let core = limit(&["core"]);
        let shown = core.part_of(matcher(&["mail", "c*", "core"], &["a"])).unwrap();
        assert_eq!(shown, matcher(&["c*", "core"], &["a"]));
        assert_eq!(core.part_of(matcher(&["mail"], &[])), None);
        assert_eq!(core.part_of(matcher(&[], &["a"])), Some(matcher(&[], &["a"])));
        assert_eq!(limit(&[]).part_of(matcher(&[], &[])), None, "no group at all");
        let both = matcher(&["mail"], &[]);
        assert_eq!(GroupLimit::NONE.part_of(both.clone()), Some(both));
    }

    proptest! {
        #[test]
        fn whatever_is_enclosed_matches_no_other_group(
            patterns in prop::collection::vec("[ab*]{0,3}", 0..4),
            names in prop::collection::btree_set("[ab*]{0,2}", 0..4),
            group in "[ab*]{0,3}",
        ) {
            let limit = GroupLimit::to(names);
            let matcher = Matcher { group: patterns, ..Matcher::default() };
            let is_matched = matcher.may_match("x", Some(&group));
            if limit.encloses(&matcher) && is_matched {
                prop_assert!(limit.contains(Some(&group)));
            }
            if limit.contains(Some(&group)) && is_matched {
                let part = limit.part_of(matcher).unwrap();
                prop_assert!(part.may_match("x", Some(&group)));
            }
        }
    }
}
