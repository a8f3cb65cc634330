//! The groups of services that a token is limited to.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The groups that a caller sees: all, or some. The empty name stands for the services without a
/// group. Clones share the names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct GroupLimit(Option<Arc<BTreeSet<String>>>);

impl GroupLimit {
    /// Every group.
    pub const NONE: Self = Self(None);

    /// These groups only.
    pub fn to(groups: impl IntoIterator<Item = String>) -> Self {
        Self(Some(Arc::new(groups.into_iter().collect())))
    }

    pub fn is_limited(&self) -> bool {
        self.0.is_some()
    }

    /// Whether services of `group` are visible; `None` for services without a group.
    pub fn contains(&self, group: Option<&str>) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(group.unwrap_or_default()))
    }

    /// The names of groups, and whether services without a group are visible too; `None` without a
    /// limit.
    pub fn split(&self) -> Option<(Vec<String>, bool)> {
        let names = self.names()?.filter(|name| !name.is_empty()).map(str::to_owned);
        Some((names.collect(), self.contains(None)))
    }

    /// The names in order; `None` without a limit.
    pub fn names(&self) -> Option<impl Iterator<Item = &str>> {
        self.0.as_ref().map(|names| names.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_names_groups_and_the_empty_name_is_no_group() {
        let all = GroupLimit::NONE;
        assert!(!all.is_limited() && all.contains(None) && all.contains(Some("core")));
        let core = GroupLimit::to(["web", "core"].map(str::to_owned));
        assert!(core.is_limited() && core.contains(Some("core")) && core.contains(Some("web")));
        assert!(!core.contains(Some("Core")) && !core.contains(None) && !core.contains(Some("")));
        assert_eq!(core.names().unwrap().collect::<Vec<_>>(), ["core", "web"]);
        let ungrouped = GroupLimit::to([String::new()]);
        assert!(ungrouped.contains(None) && !ungrouped.contains(Some("core")));
        assert!(!GroupLimit::to([]).contains(None), "no group at all");
        let both = GroupLimit::to([String::new(), "core".to_owned()]);
        assert_eq!(both.split(), Some((vec!["core".to_owned()], true)));
        assert_eq!((core.split().unwrap().1, all.split()), (false, None));
    }
}
