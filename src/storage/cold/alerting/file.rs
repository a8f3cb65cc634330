//! Channels and policies of the services file.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::audited::{Audited, record};
use super::definition_rows::{ChannelRow, NewChannelRow, NewPolicyRow, PolicyRow};
use super::schema::{channels, policies};
use super::{Audit, StoreConnection, definitions};
use crate::domain::Origin;
use crate::domain::audit::Action;
use crate::storage::alerting::{NewChannel, NewPolicy};
use crate::storage::error::StorageError;
use crate::storage::port::Result;

/// Makes these the channels and policies of the file. One whose name stays keeps its id. Whether
/// anything changed. Part of the caller's transaction.
pub fn apply(
    connection: &mut StoreConnection,
    channels: &[NewChannel],
    policies: &[NewPolicy],
    audit: Audit<'_>,
) -> Result<bool> {
    let channels_changed = apply_channels(connection, channels, audit)?;
    Ok(apply_policies(connection, policies, audit)? || channels_changed)
}

fn apply_channels(
    connection: &mut StoreConnection,
    wanted: &[NewChannel],
    audit: Audit<'_>,
) -> Result<bool> {
    let before = definitions::channels(connection)?;
    let stored: Vec<ChannelRow> =
        channels::table.select(ChannelRow::as_select()).load(connection)?;
    let stored = stored.into_iter().map(|row| {
        let file = NewChannelRow {
            name: row.name,
            kind: row.kind,
            origin: origin(&row.origin),
            enabled: row.enabled,
            options: row.options,
        };
        (file.name.clone(), (row.id, file))
    });
    let mut stored: HashMap<_, _> = stored.collect();
    require_free("channel", wanted.iter().map(|channel| channel.name.as_str()), |name| {
        stored.get(name).filter(|(_, row)| row.origin != FILE).map(|(id, _)| *id)
    })?;
    let mut is_changed = false;
    for channel in wanted {
        let row = NewChannelRow::new(channel, Origin::File);
        match stored.remove(&row.name) {
            Some((_, same)) if same == row => continue,
            Some((id, _)) => {
                diesel::update(channels::table.find(id)).set(row).execute(connection)?;
            }
            None => {
                diesel::insert_into(channels::table).values(row).execute(connection)?;
            }
        }
        is_changed = true;
    }
    for (id, _) in stored.into_values().filter(|(_, row)| row.origin == FILE) {
        diesel::delete(channels::table.find(id)).execute(connection)?;
        is_changed = true;
    }
    if is_changed {
        let after = definitions::channels(connection)?;
        record_all(connection, audit, &before, &after, |channel| channel.id)?;
    }
    Ok(is_changed)
}

fn apply_policies(
    connection: &mut StoreConnection,
    wanted: &[NewPolicy],
    audit: Audit<'_>,
) -> Result<bool> {
    let before = definitions::policies(connection)?;
    let stored: Vec<PolicyRow> = policies::table.select(PolicyRow::as_select()).load(connection)?;
    let stored = stored.into_iter().map(|row| {
        let file = NewPolicyRow {
            name: row.name,
            origin: origin(&row.origin),
            position: row.position,
            matcher: row.matcher,
            options: row.options,
        };
        (file.name.clone(), (row.id, file))
    });
    let mut stored: HashMap<_, _> = stored.collect();
    require_free("policy", wanted.iter().map(|policy| policy.name.as_str()), |name| {
        stored.get(name).filter(|(_, row)| row.origin != FILE).map(|(id, _)| *id)
    })?;
    let mut is_changed = false;
    for policy in wanted {
        let row = NewPolicyRow::new(policy, Origin::File);
        match stored.remove(&row.name) {
            Some((_, same)) if same == row => continue,
            Some((id, _)) => {
                diesel::update(policies::table.find(id)).set(row).execute(connection)?;
            }
            None => {
                diesel::insert_into(policies::table).values(row).execute(connection)?;
            }
        }
        is_changed = true;
    }
    for (id, _) in stored.into_values().filter(|(_, row)| row.origin == FILE) {
        diesel::delete(policies::table.find(id)).execute(connection)?;
        is_changed = true;
    }
    if is_changed {
        let after = definitions::policies(connection)?;
        record_all(connection, audit, &before, &after, |policy| policy.id)?;
    }
    Ok(is_changed)
}

/// Writes a row of the audit for each record that differs.
fn record_all<T: Audited + PartialEq>(
    connection: &mut StoreConnection,
    audit: Audit<'_>,
    before: &[T],
    after: &[T],
    id: impl Fn(&T) -> i64,
) -> Result<()> {
    let mut old: HashMap<i64, &T> = before.iter().map(|record| (id(record), record)).collect();
    for new in after {
        let was = old.remove(&id(new));
        if was != Some(new) {
            record(connection, audit, Action::FileApply, was, Some(new))?;
        }
    }
    for gone in before.iter().filter(|record| old.contains_key(&id(record))) {
        record(connection, audit, Action::FileApply, Some(gone), None)?;
    }
    Ok(())
}

const FILE: &str = Origin::File.as_str();

fn origin(word: &str) -> &'static str {
    if word == FILE { FILE } else { Origin::Api.as_str() }
}

/// Error for a name that the API has given, whose id `of_api` returns, and for one that the file
/// has twice.
fn require_free<'a>(
    what: &str,
    names: impl Iterator<Item = &'a str>,
    of_api: impl Fn(&str) -> Option<i64>,
) -> Result<()> {
    let (mut seen, mut problems) = (HashSet::new(), Vec::new());
    for name in names {
        if let Some(id) = of_api(name) {
            problems.push(format!(
                "the {what} {name:?} of the services file has the name of the {what} {id} of the \
                 API; rename one of them"
            ));
        }
        if !seen.insert(name) {
            problems.push(format!("the services file has two of the {what} {name:?}"));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(StorageError::Invalid(problems)) }
}
