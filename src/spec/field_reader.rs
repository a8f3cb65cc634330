//! Access to the fields of a mapping. Problems are collected, and reading continues.

use serde_json::{Map, Value};

use crate::domain::invalid::Invalid;
use crate::spec::field::{Dialect, ENABLED, FIELDS, Field, NAME, URL};
use crate::spec::problem::{Problem, Rejection};
use crate::spec::ssh;

/// Fields without a default, which null cannot restore.
const NEVER_NULL: [Field; 3] = [NAME, URL, ENABLED];

/// A mapping in one dialect, and the problems found so far.
pub struct FieldReader<'v> {
    map: &'v Map<String, Value>,
    pub dialect: Dialect,
    /// The mapping is a change: a required field that is missing may be set already.
    pub is_part: bool,
    /// Conditions are stored, or were checked as a part of a change.
    pub keeps_conditions: bool,
    pub problems: Vec<Problem>,
}

impl<'v> FieldReader<'v> {
    pub fn new(map: &'v Map<String, Value>, dialect: Dialect) -> Self {
        let mut reader = Self::unchecked(map, dialect);
        reader.reject_unknown(map, "");
        if dialect == Dialect::Api {
            for field in NEVER_NULL {
                if map.get(field.api).is_some_and(Value::is_null) {
                    let expected = "a value, since the field has no default";
                    reader.reject(field, Invalid::new("null", expected));
                }
            }
        }
        reader
    }

    /// Does not look for unknown keys.
    pub fn unchecked(map: &'v Map<String, Value>, dialect: Dialect) -> Self {
        Self { map, dialect, is_part: false, keeps_conditions: false, problems: Vec::new() }
    }

    /// `None` also for null.
    pub fn value(&self, field: Field) -> Option<&'v Value> {
        let mut steps = field.path(self.dialect).split('.');
        let first = self.map.get(steps.next()?)?;
        let value = steps.try_fold(first, |value, step| value.get(step))?;
        (!value.is_null()).then_some(value)
    }

    pub fn reject(&mut self, field: Field, rejection: impl Into<Rejection>) {
        self.reject_path(field.path(self.dialect).to_owned(), rejection);
    }

    pub fn reject_path(&mut self, path: String, rejection: impl Into<Rejection>) {
        self.problems.push(Problem { path, rejection: rejection.into() });
    }

    /// Parses the value of `field`; `None` when it is missing or invalid.
    pub fn take<T>(
        &mut self,
        field: Field,
        parse: impl FnOnce(&'v Value, Dialect) -> Result<T, Invalid>,
    ) -> Option<T> {
        match parse(self.value(field)?, self.dialect) {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.reject(field, invalid);
                None
            }
        }
    }

    /// Rejects unknown keys, and values that must be mappings and are not.
    fn reject_unknown(&mut self, map: &Map<String, Value>, prefix: &str) {
        for (key, value) in map {
            let path = format!("{prefix}{key}");
            let inner = format!("{path}.");
            let paths = || FIELDS.iter().map(|field| field.path(self.dialect));
            let is_key = !key.contains('.');
            if is_key && paths().any(|known| known == path) {
                continue;
            }
            if self.dialect == Dialect::File && path == ssh::KEY {
                self.problems.extend(ssh::problems(value));
                continue;
            }
            if is_key && paths().any(|known| known.starts_with(&inner)) {
                match value {
                    Value::Object(nested) => self.reject_unknown(nested, &inner),
                    Value::Null => {}
                    _ => {
                        // The value may be a credential.
                        self.reject_path(path, Invalid::hidden("a mapping"));
                    }
                }
                continue;
            }
            let mut known: Vec<&str> =
                paths().filter_map(|known| known.strip_prefix(prefix)?.split('.').next()).collect();
            known.dedup();
            let known = known.join(", ");
            let rejection = match self.dialect {
                Dialect::File => Rejection::UnknownKey(known),
                Dialect::Api | Dialect::Store => Rejection::UnknownField(known),
            };
            self.reject_path(path, rejection);
        }
    }

    /// Rejects a required field that is missing. The result is always `None`.
    pub fn reject_missing<T>(&mut self, field: Field, reason: &'static str) -> Option<T> {
        let path = field.path(self.dialect);
        let is_reported = || self.problems.iter().any(|problem| problem.path == path);
        // A value that was rejected is not missing.
        if self.value(field).is_none() && !self.is_part && !is_reported() {
            self.reject(field, Rejection::RequiredWith(reason));
        }
        None
    }
}
