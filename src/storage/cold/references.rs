//! What a service of the API refers to by name: channels must exist, and parents (`depends_on`)
//! must not lead back to the service. A parent may be missing; it has no effect then.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::StoreConnection;
use super::schema::{channels, services};
use crate::domain::alert::AlertRule;
use crate::domain::{Definition, Invalid, Options};
use crate::spec;
use crate::storage::error::StorageError;

/// Most names that an error lists.
const LISTED: usize = 20;

/// Checks what a change brings in; `before` is `None` for a new service. Part of the caller's
/// transaction.
pub fn check(
    connection: &mut StoreConnection,
    before: Option<&Definition>,
    after: &Definition,
) -> Result<(), StorageError> {
    let of = |definition: &Definition| definition.options.alerts.clone();
    let (old, new) = (before.and_then(of), of(after));
    let mut problems = match new {
        Some(rules) if old.as_ref() != Some(&rules) => unknown_channels(connection, &rules)?,
        _ => Vec::new(),
    };
    let place =
        |definition: &Definition| (definition.full_name(), definition.options.depends_on.clone());
    if !after.options.depends_on.is_empty() && before.map(place) != Some(place(after)) {
        problems.extend(cycle(connection, before, after)?);
    }
    if problems.is_empty() { Ok(()) } else { Err(StorageError::Invalid(problems)) }
}

fn unknown_channels(
    connection: &mut StoreConnection,
    rules: &[AlertRule],
) -> Result<Vec<String>, StorageError> {
    let known: Vec<String> =
        channels::table.order(channels::name).select(channels::name).load(connection)?;
    let listed = known.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let listed = if known.is_empty() { "there is none".to_owned() } else { listed };
    let unknown = rules.iter().enumerate().filter(|(_, rule)| !known.contains(&rule.channel));
    let problem = |(nth, rule): (usize, &AlertRule)| {
        let expected = format!("the name of a channel: {listed}");
        Invalid::quoted(&rule.channel, expected).of(format_args!("alerts.{nth}.channel"))
    };
    Ok(unknown.map(problem).collect())
}

/// The problem of parents that lead back to the service.
fn cycle(
    connection: &mut StoreConnection,
    before: Option<&Definition>,
    after: &Definition,
) -> Result<Option<String>, StorageError> {
    type Row = (String, Option<String>, Option<String>);
    let rows: Vec<Row> = services::table
        .filter(services::deleted_at.is_null().and(services::options.like("%\"depends_on\"%")))
        .select((services::name, services::group_name, services::options))
        .load(connection)?;
    let parents = rows.into_iter().map(|(name, group, options)| {
        let full_name = match group {
            Some(group) => format!("{group}/{name}"),
            None => name,
        };
        (full_name, depends_on(options.as_deref()))
    });
    let mut parents: HashMap<String, Vec<String>> = parents.collect();
    if let Some(before) = before {
        parents.remove(&before.full_name().to_string());
    }
    let name = after.full_name().to_string();
    parents.insert(name.clone(), after.options.depends_on.clone());
    Ok(path_back(&name, &parents).map(|path| {
        let path: Vec<&str> = path.iter().take(LISTED).map(String::as_str).collect();
        format!("depends_on: a cycle of parents: {}", path.join(" → "))
    }))
}

/// None when the options cannot be read.
fn depends_on(options: Option<&str>) -> Vec<String> {
    let map = options.and_then(|text| serde_json::from_str(text).ok());
    let options = map.and_then(|map| spec::read_options(&map).ok());
    options.map(|options| Options::clone(&options).depends_on).unwrap_or_default()
}

/// The names from `start` back to it, both included.
fn path_back(start: &str, parents: &HashMap<String, Vec<String>>) -> Option<Vec<String>> {
    let mut paths = vec![vec![start.to_owned()]];
    let mut visited: HashSet<&str> = HashSet::new();
    while let Some(path) = paths.pop() {
        let last = path.last()?;
        for parent in parents.get(last).into_iter().flatten() {
            let mut longer = path.clone();
            longer.push(parent.clone());
            if parent == start {
                return Some(longer);
            }
            if visited.insert(parent) {
                paths.push(longer);
            }
        }
    }
    None
}
