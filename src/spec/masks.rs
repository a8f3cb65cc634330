//! Masks in the input of the API. In a change, a mask stands for the stored secret of its field.

use std::fmt;

use serde_json::{Map, Value};

use crate::domain::invalid::Invalid;
use crate::domain::secret::names::is_secret_header;
use crate::domain::secret::pieces::MASK;
use crate::domain::secret::url::{has_mask, unmask};
use crate::spec::field::*;
use crate::spec::problem::Problem;

const EXPECTED: &str = "the value itself, since *** stands for a stored secret and there is none";

/// Fields beside headers and URL that responses mask.
const MASKED: [Field; 8] = [SENT, USERNAME, PASSWORD, BEARER, EXPECT, PRIVATE_KEY, ARGS, TOKEN];

/// A field that a change gives as its mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mask {
    Field(Field),
    Header(String),
}

impl Mask {
    /// The problem of a mask without a stored secret.
    pub fn problem(&self) -> Problem {
        problem(self.to_string())
    }

    /// Whether `map`, a definition in the dialect of the API, has a value for the field.
    pub fn is_stored(&self, map: &Map<String, Value>) -> bool {
        match self {
            Self::Field(field) => value(map, *field).is_some(),
            Self::Header(name) => header(map, name).is_some(),
        }
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => f.write_str(field.api),
            Self::Header(name) => write!(f, "{}.{name}", HEADERS.api),
        }
    }
}

fn problem(path: String) -> Problem {
    Problem { path, rejection: Invalid::hidden(EXPECTED).into() }
}

/// The value of `field`; `None` also for null.
pub fn value(map: &Map<String, Value>, field: Field) -> Option<&Value> {
    let mut steps = field.api.split('.');
    let first = map.get(steps.next()?)?;
    let value = steps.try_fold(first, |value, step| value.get(step))?;
    (!value.is_null()).then_some(value)
}

/// The value of the header `name`, in any case; `None` also for null.
pub fn header<'m>(map: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    let mut headers = map.get(HEADERS.api)?.as_object()?.iter();
    let (_, value) = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    (!value.is_null()).then_some(value)
}

/// Removes from `change` the fields that are given as masks, except for the URL.
pub fn take(change: &mut Map<String, Value>) -> Vec<Mask> {
    let mut masks = Vec::new();
    for field in MASKED {
        let (outer, inner) = match field.api.split_once('.') {
            Some((outer, inner)) => (change.get_mut(outer).and_then(Value::as_object_mut), inner),
            None => (Some(&mut *change), field.api),
        };
        if let Some(map) = outer.filter(|map| map.get(inner).is_some_and(is_mask)) {
            map.remove(inner);
            masks.push(Mask::Field(field));
        }
    }
    if let Some(headers) = change.get_mut(HEADERS.api).and_then(Value::as_object_mut) {
        let is_masked = |name: &str, value: &Value| is_secret_header(name) && is_mask(value);
        let given = headers.iter().filter(|(name, value)| is_masked(name, value));
        let names: Vec<String> = given.map(|(name, _)| name.clone()).collect();
        for name in names {
            headers.remove(&name);
            masks.push(Mask::Header(name));
        }
    }
    masks
}

/// A list is masked as a whole.
fn is_mask(value: &Value) -> bool {
    match value {
        Value::Array(items) => matches!(items.as_slice(), [only] if only.as_str() == Some(MASK)),
        other => other.as_str() == Some(MASK),
    }
}

/// Whether the URL that `change` gives has a mask.
pub fn has_masked_url(change: &Map<String, Value>) -> bool {
    value(change, URL).and_then(Value::as_str).is_some_and(has_mask)
}

/// Puts the secrets of the URL `stored` in place of the masks in the URL of `change`.
pub fn unmask_url(change: &mut Map<String, Value>, stored: &str) -> Result<(), Problem> {
    let Some(Value::String(url)) = change.get_mut(URL.api) else { return Ok(()) };
    *url = unmask(url, stored).map_err(|_mask| problem(URL.api.to_owned()))?;
    Ok(())
}

/// The problems of a new definition, which has no stored secrets.
pub fn problems(definition: &Map<String, Value>) -> Vec<Problem> {
    let masks = take(&mut definition.clone());
    let of_url = has_masked_url(definition).then(|| problem(URL.api.to_owned()));
    masks.iter().map(Mask::problem).chain(of_url).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_new_definition_must_not_have_masks() {
        let body = json!({
            "url": "http://u:***@a/?token=***", "headers": {"X-Api-Key": "***", "X-Plain": "***"},
            "basic_auth": {"username": "u", "password": "***"}, "body": "***"
        });
        let problems = problems(body.as_object().unwrap());
        let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["body", "basic_auth.password", "headers.X-Api-Key", "url"]);
        assert_eq!(
            problems[3].to_string(),
            "url: invalid value, expected the value itself, since *** stands for a stored secret \
             and there is none"
        );
    }
}
