//! A change to a definition by a client of the API.

use std::fmt;

use serde_json::{Map, Value};

use crate::domain::service::definition::Definition;
use crate::spec::field::Dialect;
use crate::spec::problem::Problem;
use crate::spec::reader::{check_part, read};
use crate::spec::writer::{Form, merge, write};

/// A change in the dialect of the API (RFC 7396). Each field is valid by itself.
#[derive(Clone, PartialEq)]
pub struct Patch(Map<String, Value>);

impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values may be secrets.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Patch {
    /// Validates each field of `change`; null resets a field to its default.
    pub fn new(change: Map<String, Value>) -> Result<Self, Vec<Problem>> {
        check_part(&change)?;
        Ok(Self(change))
    }

    /// The definition after the change. The error names fields that contradict each other.
    pub fn apply(&self, before: &Definition) -> Result<Definition, Vec<Problem>> {
        let mut map = write(before, Form::Literal);
        merge(&mut map, &self.0);
        read(&map, Dialect::Api)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{Group, Interval, sample};

    #[test]
    fn a_patch_changes_only_the_fields_that_it_names() {
        let before = Definition {
            group: Group::parse("core").unwrap(),
            interval: Some(Interval::from_seconds(1.0).unwrap()),
            ..sample::definition("a")
        };
        let patch = |change: Value| Patch::new(change.as_object().unwrap().clone());
        let after = patch(json!({"enabled": false, "group": null})).unwrap().apply(&before);
        assert_eq!(after.unwrap(), Definition { enabled: false, group: None, ..before.clone() });
        assert!(patch(json!({"enabled": null})).is_err());
        let push = patch(json!({"url": "push://job"})).unwrap();
        let problems = push.apply(&before).unwrap_err();
        assert_eq!(problems[0].path, "heartbeat.token", "a push target requires a token");
    }
}
