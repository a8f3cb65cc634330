//! Masks in the input of the API. In a change, a mask stands for the stored secret of its field.

use std::fmt;

use serde_json::{Map, Value};

use crate::domain::invalid::Invalid;
use crate::domain::secret::names::is_secret_header;
use crate::domain::secret::pieces::MASK;
use crate::domain::secret::url::{has_mask, unmask};
use crate::spec::field::*;
use crate::spec::problem::Problem;

pub const EXPECTED: &str =
    "the value itself, since *** stands for a stored secret and there is none";

/// Fields beside headers and URLs that responses mask.
const MASKED: [Field; 9] =
    [SENT, USERNAME, PASSWORD, BEARER, CLIENT_SECRET, EXPECT, PRIVATE_KEY, ARGS, TOKEN];

/// URLs whose secrets responses mask.
const URLS: [Field; 3] = [URL, TOKEN_URL, PROXY_URL];

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

/// Removes from `change` the fields that are given as masks, except for URLs.
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

/// Puts the secrets of the URLs in `stored`, a definition in the dialect of the API, in place of
/// the masks in the URLs of `change`. The result has a problem for each mask without a secret.
pub fn unmask_urls(change: &mut Map<String, Value>, stored: &Map<String, Value>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for field in URLS {
        let Some(url) = value_mut(change, field) else { continue };
        let Some(given) = url.as_str() else { continue };
        let known = value(stored, field).and_then(Value::as_str).unwrap_or_default();
        match unmask(given, known) {
            Ok(unmasked) => *url = Value::String(unmasked),
            Err(_mask) => problems.push(problem(field.api.to_owned())),
        }
    }
    problems
}

fn value_mut(map: &mut Map<String, Value>, field: Field) -> Option<&mut Value> {
    let mut steps = field.api.split('.');
    let first = map.get_mut(steps.next()?)?;
    steps.try_fold(first, |value, step| value.get_mut(step))
}

/// The problems of a new definition, which has no stored secrets.
pub fn problems(definition: &Map<String, Value>) -> Vec<Problem> {
    let masks = take(&mut definition.clone());
    let is_masked =
        |field: &Field| value(definition, *field).and_then(Value::as_str).is_some_and(has_mask);
    let of_urls = URLS.into_iter().filter(is_masked).map(|field| problem(field.api.to_owned()));
    masks.iter().map(Mask::problem).chain(of_urls).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_new_definition_must_not_have_masks() {
        let body = json!({
            "url": "http://u:***@a/?token=***", "headers": {"X-Api-Key": "***", "X-Plain": "***"},
            "basic_auth": {"username": "u", "password": "***"}, "body": "***",
            "oauth2": {"token_url": "https://t/?token=***", "client_secret": "***"},
            "proxy_url": "http://u:***@p/"
        });
        let problems = problems(body.as_object().unwrap());
        let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        let fields = ["body", "basic_auth.password", "oauth2.client_secret", "headers.X-Api-Key"];
        assert_eq!(paths[..4], fields);
        assert_eq!(paths[4..], ["url", "oauth2.token_url", "proxy_url"]);
        assert_eq!(
            problems[4].to_string(),
            "url: invalid value, expected the value itself, since *** stands for a stored secret \
             and there is none"
        );
    }
}
