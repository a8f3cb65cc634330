//! A change to a definition, as a client of the API writes it.

use std::fmt;

use serde_json::{Map, Value};

use super::{Dialect, Form, Problem};
use crate::domain::Definition;

/// A change to a definition in the API's form (RFC 7396); each field by itself is valid.
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
        super::check_part(&change)?;
        Ok(Self(change))
    }

    /// The definition after the change. The error names fields that no longer fit together.
    pub fn apply(&self, before: &Definition) -> Result<Definition, Vec<Problem>> {
        let mut map = super::write(before, Form::Literal);
        super::merge(&mut map, &self.0);
        super::read(&map, Dialect::Api)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{Group, Interval, sample};

    #[test]
    fn a_patch_leaves_out_what_it_does_not_name() {
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
        assert_eq!(problems[0].path, "heartbeat.token", "what does not fit together is told");
    }
}
