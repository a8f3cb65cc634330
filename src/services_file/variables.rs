//! Variables of an endpoint. Texts that may be secrets stay templates, so that no secret of the
//! environment is stored; all others are filled when the file is read.

use serde_json::{Map, Value};

use crate::domain::invalid::Invalid;
use crate::domain::service::target::{OriginError, fill_origin};
use crate::domain::service::template::{Template, UnsetVariable, Variables};
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::services_file::yaml;
use crate::spec::alert_rules::OVERRIDES_IN_FILE;
use crate::spec::field::{ALERTS, PROXY_URL, TOKEN_URL, URL};
use crate::spec::{FIELDS, Field};

/// The problem of a variable that the environment lacks.
const NOT_SET: &str = "environment variable not set or empty; $$ is a dollar sign";

/// For a text like `${NAME:-default}`.
const WITHOUT_DEFAULT: &str = "a text in which ${NAME} names a variable and $$ is a dollar sign; \
     defaults (:-) are not supported";

/// URLs, of which the part behind the host stays a template.
const URLS: [Field; 3] = [URL, TOKEN_URL, PROXY_URL];

/// Fills the parts of URLs that select the kind of the probe, or the server.
pub fn fill_urls(
    item: &Item,
    object: &mut Map<String, Value>,
    variables: &Variables,
    findings: &mut Findings,
) {
    for field in URLS {
        let mut steps = field.file.split('.');
        let first = steps.next().and_then(|step| object.get_mut(step));
        let value = first.and_then(|first| steps.try_fold(first, |it, step| it.get_mut(step)));
        let Some(Value::String(url)) = value else { continue };
        if !url.contains('$') {
            continue;
        }
        match fill_origin(url, variables) {
            Ok(filled) => *url = filled,
            Err(OriginError::Unset(UnsetVariable(name))) => {
                item.reject(item.line_of(field.file), &name, NOT_SET, findings);
            }
            // Its value may be a secret.
            Err(OriginError::Invalid(_)) => {
                let problem = Invalid::hidden(expected(url)).to_string();
                item.reject(item.line_of(field.file), field.file, &problem, findings);
            }
        }
    }
}

/// Fills all other texts, keys included. Templates and the rest of the URL are only checked, and
/// their variables get braces.
pub fn fill(
    item: &Item,
    object: &mut Map<String, Value>,
    variables: &Variables,
    findings: &mut Findings,
) {
    fill_but(stays, item, object, variables, findings);
}

/// Fills the texts of the block `alerting` that are not keys of a kind: those may be secrets.
pub fn fill_alerting(
    item: &Item,
    object: &mut Map<String, Value>,
    variables: &Variables,
    findings: &mut Findings,
) {
    fill_but(is_template_of_alerting, item, object, variables, findings);
}

/// Fills all texts but those at the paths that are templates.
fn fill_but(
    is_template: fn(&str) -> bool,
    item: &Item,
    object: &mut Map<String, Value>,
    variables: &Variables,
    findings: &mut Findings,
) {
    if !object.iter().any(|(key, value)| key.contains('$') || has_dollar(value)) {
        return;
    }
    let mut unfilled = Unfilled { is_template, unset: Vec::new(), invalid: Vec::new() };
    fill_map(object, "", variables, &mut unfilled);
    unfilled.unset.sort();
    unfilled.unset.dedup();
    for name in unfilled.unset {
        item.reject(yaml::line_of_variable(item.node, &name), &name, NOT_SET, findings);
    }
    for (path, expected) in unfilled.invalid {
        let problem = Invalid::hidden(expected).to_string();
        item.reject(item.line_of(&path), &path, &problem, findings);
    }
}

/// What is expected instead of `text`, of which a brace names no variable.
fn expected(text: &str) -> &'static str {
    let mut braced = text.split("${").skip(1).map(|rest| rest.split('}').next().unwrap_or(rest));
    let has_default = braced.any(|inner| inner.contains(":-"));
    if has_default { WITHOUT_DEFAULT } else { Template::EXPECTED }
}

fn has_dollar(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('$'),
        Value::Array(items) => items.iter().any(has_dollar),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('$') || has_dollar(value)),
        _ => false,
    }
}

struct Unfilled {
    /// Whether the text at a path stays a template.
    is_template: fn(&str) -> bool,
    /// Names.
    unset: Vec<String>,
    /// Paths of texts with a brace that names no variable, and what is expected.
    invalid: Vec<(String, &'static str)>,
}

impl Unfilled {
    /// The template of `text`, if every variable is set.
    fn check(&mut self, text: &str, path: &str, variables: &Variables) -> Option<Template> {
        let Ok(template) = Template::parse(text) else {
            self.invalid.push((path.to_owned(), expected(text)));
            return None;
        };
        let unset = template.variables().filter(|name| variables.get(name).is_none());
        let unset: Vec<String> = unset.map(str::to_owned).collect();
        let is_set = unset.is_empty();
        self.unset.extend(unset);
        is_set.then_some(template)
    }
}

fn fill_map(
    map: &mut Map<String, Value>,
    prefix: &str,
    variables: &Variables,
    unfilled: &mut Unfilled,
) {
    let keys: Vec<String> = map.keys().filter(|key| key.contains('$')).cloned().collect();
    for key in keys {
        let mut filled = key.clone();
        fill_text(&mut filled, &format!("{prefix}{key}"), variables, unfilled);
        if let Some(value) = map.remove(&key) {
            map.insert(filled, value);
        }
    }
    for (key, value) in map {
        fill_value(value, &format!("{prefix}{key}"), variables, unfilled);
    }
}

fn fill_value(value: &mut Value, path: &str, variables: &Variables, unfilled: &mut Unfilled) {
    match value {
        Value::String(text) if !text.contains('$') => {}
        Value::String(text) if (unfilled.is_template)(path) => {
            *text = Template::with_braces(text);
            unfilled.check(text, path, variables);
        }
        Value::String(text) => fill_text(text, path, variables, unfilled),
        Value::Array(items) => {
            items.iter_mut().for_each(|item| fill_value(item, path, variables, unfilled));
        }
        Value::Object(map) => fill_map(map, &format!("{path}."), variables, unfilled),
        _ => {}
    }
}

fn fill_text(text: &mut String, path: &str, variables: &Variables, unfilled: &mut Unfilled) {
    if let Some(template) = unfilled.check(&Template::with_braces(text), path, variables) {
        *text = template.fill(variables).unwrap_or_default();
    }
}

/// Whether a text of an endpoint is filled for each probe.
fn stays(path: &str) -> bool {
    path == URL.file || is_template(path)
}

/// Entries of a list have the path of the list.
fn is_template_of_alerting(path: &str) -> bool {
    const FILLED: [&str; 9] = [
        "default-alert",
        "enabled",
        "name",
        "overrides.group",
        "quiet",
        "quiet-passes",
        "refill",
        "system",
        "type",
    ];
    let Some((block, key)) = path.split_once('.') else { return false };
    match block {
        "policies" => false,
        "watchdog" => key == "url",
        _ => !FILLED.iter().any(|filled| {
            key.strip_prefix(filled).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        }),
    }
}

/// Entries of a list have the path of the list.
fn is_template(path: &str) -> bool {
    let of = |path: &str, whole: &str| {
        path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let of_alert = path.strip_prefix(ALERTS.file).and_then(|rest| rest.strip_prefix('.'));
    let mut templates = FIELDS.iter().filter(|field| field.is_template);
    of_alert.is_some_and(|key| of(key, OVERRIDES_IN_FILE))
        || templates.any(|field| of(path, field.file))
}

/// The object with its templates filled, so that the values are judged too; `None` when it has no
/// variables. The URL stays as it is.
pub fn filled(object: &Map<String, Value>, variables: &Variables) -> Option<Map<String, Value>> {
    if !object.values().any(has_dollar) {
        return None;
    }
    let mut filled = object.clone();
    fill_templates(&mut filled, "", variables).then_some(filled)
}

/// Whether a text was filled.
fn fill_templates(map: &mut Map<String, Value>, prefix: &str, variables: &Variables) -> bool {
    let fill = |(key, value): (&String, &mut Value)| {
        fill_template(value, &format!("{prefix}{key}"), variables)
    };
    map.iter_mut().map(fill).fold(false, |is_filled, is_next| is_filled | is_next)
}

fn fill_template(value: &mut Value, path: &str, variables: &Variables) -> bool {
    match value {
        Value::String(text) if text.contains('$') && is_template(path) => {
            let template = Template::parse(text).ok();
            let Some(Ok(filled)) = template.map(|template| template.fill(variables)) else {
                return false;
            };
            *text = Template::literal(&filled).as_written().to_owned();
            true
        }
        Value::Array(items) => {
            let fill = |item: &mut Value| fill_template(item, path, variables);
            items.iter_mut().map(fill).fold(false, |is_filled, is_next| is_filled | is_next)
        }
        Value::Object(inner) => fill_templates(inner, &format!("{path}."), variables),
        _ => false,
    }
}
