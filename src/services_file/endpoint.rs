//! From an item to an entry, with the line of each problem.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::services_file::alerting::rules;
use crate::services_file::alerting::rules::Context;
use crate::services_file::defaults::Defaults;
use crate::services_file::empty_values;
use crate::services_file::entry::Entry;
use crate::services_file::expiring_domains;
use crate::services_file::findings::Findings;
use crate::services_file::framing_headers;
use crate::services_file::item::Item;
use crate::services_file::joined_conditions;
use crate::services_file::maintenance;
use crate::services_file::similar::unknown_key_at;
use crate::services_file::unsupported;
use crate::services_file::unused_fields;
use crate::services_file::variables;
use crate::services_file::yaml;
use crate::spec;
use crate::spec::field::URL;
use crate::spec::{Dialect, Problem, Rejection};

/// Reads an endpoint. `None` after a problem, and for one of a kind that only Gatus has.
pub fn entry(
    item: &Item,
    defaults: &Defaults,
    context: Context<'_>,
    findings: &mut Findings,
) -> Option<Entry> {
    let variables = context.variables;
    let mut object = item.object(findings)?;
    let windows = maintenance::take_windows(item, &mut object, variables, findings);
    unsupported::pause_without_connection(&mut object);
    unused_fields::remove_unused(item, &mut object, variables, findings);
    let known_before = findings.problems.len();
    variables::fill_urls(item, &mut object, variables, findings);
    if findings.problems.len() > known_before {
        object.remove(URL.file);
        variables::fill(item, &mut object, variables, findings);
        return None;
    }
    if unsupported::is_left_out(item, &mut object, findings) {
        return None;
    }
    empty_values::remove(&mut object, variables);
    unused_fields::remove_unsupported(item, &mut object, findings);
    let kind = spec::kind(&object, Dialect::File);
    defaults.apply(&mut object, kind);
    let entry = entry_of(item, object, context, findings)?;
    Some(Entry { windows, ..entry })
}

/// Fills and reads the fields in `object`. `None` after a problem.
pub fn entry_of(
    item: &Item,
    mut object: Map<String, Value>,
    context: Context<'_>,
    findings: &mut Findings,
) -> Option<Entry> {
    let variables = context.variables;
    let known_before = findings.problems.len();
    variables::fill(item, &mut object, variables, findings);
    if findings.problems.len() > known_before {
        return None;
    }
    rules::complete(item, &mut object, context, findings);
    framing_headers::leave_out(item, &mut object, findings);
    joined_conditions::split(item, &mut object, findings);
    let definition = match spec::read(&object, Dialect::File) {
        Ok(definition) => definition,
        Err(rejected) => {
            reject(item, rejected, findings);
            return None;
        }
    };
    match definition.target.url(variables) {
        Ok(url) => expiring_domains::check(item, &definition, &url, findings),
        Err(error) => item.reject(item.line_of(URL.file), URL.file, &error.to_string(), findings),
    }
    let filled = variables::filled(&object, variables);
    if let Some(Err(rejected)) = filled.map(|filled| spec::read(&filled, Dialect::File)) {
        reject(item, rejected, findings);
    }
    (findings.problems.len() == known_before).then(|| Entry {
        file: Arc::clone(item.file),
        line: yaml::line(item.node),
        definition,
        windows: Vec::new(),
    })
}

fn reject(item: &Item, rejected: Vec<Problem>, findings: &mut Findings) {
    for Problem { path, rejection } in rejected {
        let problem = match rejection {
            Rejection::UnknownKey(_) => unknown_key_at(&path),
            rejection => rejection.to_string(),
        };
        item.reject(item.line_of(&path), &path, &problem, findings);
    }
}
