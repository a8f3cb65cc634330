//! The table of providers, embedded in the program.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::alerting::key::{Key, ValueType};
use crate::alerting::row::{
    Body, Class, Code, Limits, Markup, RequestForm, Requests, RetryPointer, Row, Shape, Signer,
    Success, Tree,
};
use crate::alerting::template::{Templates, single_expression};

const PROVIDERS: &str = include_str!("providers.yaml");

/// The key of every row that replaces its `base`.
pub const BASE_URL: &str = "base-url";

/// The rows by the name of their kind. The unit test of this module fails when the table has a
/// fault, so it is never empty in a release.
pub fn rows() -> &'static BTreeMap<String, Row> {
    static ROWS: LazyLock<BTreeMap<String, Row>> =
        LazyLock::new(|| parse(PROVIDERS).unwrap_or_default());
    &ROWS
}

/// A row as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    is: Class,
    code: Option<Code>,
    #[serde(default)]
    keys: BTreeMap<String, Key>,
    base: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    get: Option<String>,
    post: Option<String>,
    put: Option<String>,
    patch: Option<String>,
    delete: Option<String>,
    json: Option<Tree>,
    form: Option<BTreeMap<String, Value>>,
    text: Option<String>,
    #[serde(default)]
    markup: Markup,
    plain: Option<Tree>,
    resolve: Option<Resolve>,
    update: Option<WrittenRequest>,
    each: Option<String>,
    remember: Option<String>,
    success: Option<Success>,
    #[serde(default)]
    accept: Vec<u16>,
    retry_after: Option<RetryPointer>,
    #[serde(default)]
    limits: Limits,
    sign: Option<SignerName>,
    service: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Resolve {
    Word(String),
    Request(Box<Value>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenRequest {
    #[serde(default)]
    headers: BTreeMap<String, String>,
    get: Option<String>,
    post: Option<String>,
    put: Option<String>,
    patch: Option<String>,
    delete: Option<String>,
    json: Option<Tree>,
    form: Option<BTreeMap<String, Value>>,
    text: Option<String>,
    #[serde(default)]
    gone_is_success: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SignerName {
    Sigv4,
}

/// The first document of `text` as JSON.
pub(super) fn parse_yaml(text: &str) -> Result<Value, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    Ok(documents.first().map(json).transpose()?.unwrap_or_default())
}

/// Reads the table. The error is a sentence that begins with the name of the row.
fn parse(text: &str) -> Result<BTreeMap<String, Row>, String> {
    let Value::Object(rows) = parse_yaml(text)? else {
        return Err("the table is not a mapping of rows".to_owned());
    };
    let rows = rows.into_iter().map(|(name, row)| {
        let row = read(row).map_err(|why| format!("{name}: {why}"))?;
        Ok((name, row))
    });
    rows.collect()
}

fn read(row: Value) -> Result<Row, String> {
    let mut written: Written = serde_json::from_value(row).map_err(|error| error.to_string())?;
    let base_url = Key { value_type: ValueType::Url, ..Key::default() };
    if written.code.is_none() {
        written.keys.entry(BASE_URL.to_owned()).or_insert(base_url);
    }
    for (name, key) in &written.keys {
        if let Some(default) = &key.default {
            key.typed(default).map_err(|why| why.of(format!("keys.{name}.default")))?;
        }
        if key.required && key.default.is_some() {
            return Err(format!("keys.{name}: a required key has no default"));
        }
    }
    if let Some(each) = &written.each {
        let is_list = written.keys.get(each).is_some_and(|key| key.value_type == ValueType::List);
        if !is_list {
            return Err(format!("each: invalid value {each}, expected a key of the type list"));
        }
    }
    let row = Row {
        class: written.is,
        limits: written.limits.clone(),
        each: written.each.clone(),
        keys: std::mem::take(&mut written.keys),
        shape: match written.code {
            Some(code) => Shape::Code(code),
            None => Shape::Requests(Box::new(requests(written)?)),
        },
    };
    check_templates(&row)?;
    Ok(row)
}

fn requests(written: Written) -> Result<Requests, String> {
    let begin = WrittenRequest {
        headers: BTreeMap::new(),
        get: written.get,
        post: written.post,
        put: written.put,
        patch: written.patch,
        delete: written.delete,
        json: written.json,
        form: written.form,
        text: written.text,
        gone_is_success: false,
    };
    let resolve = match written.resolve {
        None => None,
        Some(Resolve::Word(word)) if word == "same" => None,
        Some(Resolve::Word(word)) => {
            return Err(format!("resolve: invalid value {word}, expected same or a request"));
        }
        Some(Resolve::Request(value)) => {
            let request: WrittenRequest =
                serde_json::from_value(*value).map_err(|error| format!("resolve: {error}"))?;
            Some(form(request).map_err(|why| format!("resolve: {why}"))?)
        }
    };
    let update = written.update.map(form).transpose().map_err(|why| format!("update: {why}"))?;
    let sign = match (written.sign, written.service) {
        (None, None) => None,
        (Some(SignerName::Sigv4), Some(service)) => Some(Signer::Sigv4(service)),
        _ => return Err("sign and service belong together".to_owned()),
    };
    Ok(Requests {
        base: written.base.ok_or("base: missing")?,
        headers: written.headers,
        begin: form(begin)?,
        resolve,
        update,
        markup: written.markup,
        plain: written.plain,
        remember: written.remember,
        success: written.success,
        accept: written.accept,
        retry_after: written.retry_after,
        sign,
    })
}

fn form(written: WrittenRequest) -> Result<RequestForm, String> {
    let paths = [
        (http::Method::GET, written.get),
        (http::Method::POST, written.post),
        (http::Method::PUT, written.put),
        (http::Method::PATCH, written.patch),
        (http::Method::DELETE, written.delete),
    ];
    let mut paths = paths.into_iter().filter_map(|(method, path)| Some((method, path?)));
    let (Some((method, path)), None) = (paths.next(), paths.next()) else {
        return Err("expected one of get, post, put, patch, delete".to_owned());
    };
    let body = match (written.json, written.form, written.text) {
        (None, None, None) => Body::None,
        (Some(tree), None, None) => Body::Json(tree),
        (None, Some(pairs), None) => Body::Form(pairs),
        (None, None, Some(text)) => Body::Text(text),
        _ => return Err("expected one of json, form, text".to_owned()),
    };
    let headers = written.headers;
    Ok(RequestForm { method, path, headers, body, gone_is_success: written.gone_is_success })
}

/// Checks that the templates compile and name only keys of the row.
fn check_templates(row: &Row) -> Result<(), String> {
    let templates = Templates::new();
    for (field, template) in row.templates() {
        let expression =
            if field.ends_with(".if") { Some(template) } else { single_expression(template) };
        let checked = match expression {
            Some(expression) => templates.check_expression(expression),
            None => templates.check(template),
        };
        checked.map_err(|why| format!("{field}: {why} in {template:?}"))?;
        for name in keys_named(template) {
            if !row.keys.contains_key(name) {
                return Err(format!("{field}: unknown key {name} in {template:?}"));
            }
        }
    }
    Ok(())
}

/// The names in `key.NAME` and `key['NAME']`.
fn keys_named(template: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for (at, _) in template.match_indices("key") {
        let (before, after) = (&template[..at], &template[at + "key".len()..]);
        if before.ends_with(|c: char| is_name(c) || c == '.') {
            continue;
        }
        if let Some(rest) = after.strip_prefix('.') {
            names.push(&rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())]);
        } else if let Some((name, _)) =
            after.strip_prefix("['").and_then(|rest| rest.split_once("']"))
        {
            names.push(name);
        }
    }
    names
}

/// A node of YAML as JSON.
fn json(node: &Yaml<'_>) -> Result<Value, String> {
    match node {
        Yaml::Value(Scalar::Null) => Ok(Value::Null),
        Yaml::Value(Scalar::Boolean(value)) => Ok((*value).into()),
        Yaml::Value(Scalar::Integer(value)) => Ok((*value).into()),
        Yaml::Value(Scalar::FloatingPoint(value)) => Ok(value.into_inner().into()),
        Yaml::Value(Scalar::String(text)) => Ok(text.as_ref().into()),
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Mapping(fields) => {
            let mut object = Map::new();
            for (name, value) in fields {
                let Yaml::Value(Scalar::String(name)) = name else {
                    return Err(format!("a name is not a text: {name:?}"));
                };
                object.insert(name.to_string(), json(value)?);
            }
            Ok(Value::Object(object))
        }
        other => Err(format!("invalid value {other:?}, expected a scalar, a list or a mapping")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "x: {is: chat, base: 'http://h', post: /a, json: {t: '{{ title }}'}}";

    #[test]
    fn every_row_loads() {
        let rows = parse(PROVIDERS).unwrap();
        assert!(rows.len() >= 10, "{:?}", rows.keys());
        assert_eq!(&rows, super::rows());
    }

    #[test]
    fn a_fault_of_a_row_is_a_clear_sentence() {
        assert!(parse(GOOD).is_ok());
        for (from, to, expected) in [
            ("base:", "bases:", "x: unknown field `bases`, expected one of `is`, `code`, `keys`"),
            ("is: chat", "is: talk", "x: unknown variant `talk`, expected one of `chat`"),
            ("base: 'http://h', ", "", "x: base: missing"),
            ("post: /a", "post: /a, put: /b", "x: expected one of get, post, put, patch, delete"),
            ("post: /a, ", "", "x: expected one of get, post, put, patch, delete"),
            ("post: /a", "post: /a, text: a", "x: expected one of json, form, text"),
            ("{{ title }}", "{{ key.color }}", "x: json.t: unknown key color in"),
            ("{{ title }}", "{{ title", "x: json.t: syntax error"),
            ("{{ title }}", "{{ title|no(1) }}", "x: json.t: unknown filter"),
            ("/a", "'/{{ key[''a-b''] }}'", "x: post: unknown key a-b in"),
            ("post: /a", "post: /a, resolve: other", "x: resolve: invalid value other, expected"),
            ("post: /a", "post: /a, resolve: {put: /b, jsn: 1}", "x: resolve: unknown field `jsn`"),
            ("post: /a", "post: /a, each: to", "x: each: invalid value to, expected a key of the"),
            (
                "post: /a",
                "post: /a, keys: {n: {type: integer, range: [1, 5], default: 9}}",
                "x: keys.n.default: invalid value 9, expected 1 to 5",
            ),
        ] {
            let error = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn keys_are_found_in_both_notations() {
        let template = "{{ key.a ~ key['b-c'] if monkey.d else alert.key }}{{ key.e_f|x }}";
        assert_eq!(keys_named(template), ["a", "b-c", "e_f"]);
    }
}
