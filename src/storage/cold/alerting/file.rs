//! Channels and policies of the services file.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::StoreConnection;
use super::definition_rows::{ChannelRow, NewChannelRow, NewPolicyRow, PolicyRow};
use super::schema::{channels, policies};
use crate::domain::Origin;
use crate::storage::alerting::{NewChannel, NewPolicy};
use crate::storage::error::StorageError;
use crate::storage::port::Result;

/// Makes these the channels and policies of the file. One whose name stays keeps its id. Whether
/// anything changed. Part of the caller's transaction.
pub fn apply(
    connection: &mut StoreConnection,
    channels: &[NewChannel],
    policies: &[NewPolicy],
) -> Result<bool> {
    let channels_changed = apply_channels(connection, channels)?;
    Ok(apply_policies(connection, policies)? || channels_changed)
}

fn apply_channels(connection: &mut StoreConnection, wanted: &[NewChannel]) -> Result<bool> {
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
    Ok(is_changed)
}

fn apply_policies(connection: &mut StoreConnection, wanted: &[NewPolicy]) -> Result<bool> {
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
    Ok(is_changed)
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
