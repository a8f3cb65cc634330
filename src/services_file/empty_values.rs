//! Values that mean the default in Gatus: empty texts and durations of zero.

use serde_json::{Map, Value};

use crate::domain::service::template::{Template, Variables};
use crate::domain::time::duration;
use crate::services_file::paths::{take, value};
use crate::spec::Field;
use crate::spec::field::{
    CERTIFICATE, INTERVAL, IP_FAMILY, METHOD, PRIVATE_KEY, PROXY_URL, RESOLVER, TIMEOUT,
};

/// Fields that an empty text sets to their default.
const TEXTS: [Field; 6] = [METHOD, IP_FAMILY, RESOLVER, CERTIFICATE, PRIVATE_KEY, PROXY_URL];

/// Fields that a duration of zero sets to their default.
const DURATIONS: [Field; 2] = [INTERVAL, TIMEOUT];

/// Removes the values that mean the default.
pub fn remove(object: &mut Map<String, Value>, variables: &Variables) {
    let is_empty = |field: &&Field| {
        value(object, field.file).and_then(Value::as_str).is_some_and(|text| text.is_empty())
    };
    let is_none = |field: &&Field| {
        value(object, field.file).is_some_and(|duration| is_zero(duration, variables))
    };
    let texts = TEXTS.iter().filter(is_empty);
    let found: Vec<&Field> = texts.chain(DURATIONS.iter().filter(is_none)).collect();
    for field in found {
        take(object, field.file);
    }
}

/// Whether the duration is zero, as Gatus writes that there is none.
pub fn is_zero(duration: &Value, variables: &Variables) -> bool {
    let template = duration.as_str().map(Template::with_braces);
    let template = template.and_then(|text| Template::parse(&text).ok());
    let filled = template.and_then(|template| template.fill(variables).ok());
    filled.as_deref().and_then(duration::parse_seconds) == Some(0.0)
}
