//! Changes of channels, policies and silences through the API.

use diesel::prelude::*;

use super::audited::record;
use super::definition_rows::{NewChannelRow, NewPolicyRow, NewSilenceRow};
use super::schema::{channels, policies, silences};
use super::{Audit, StoreConnection, definitions};
use crate::domain::Origin;
use crate::domain::alert::{Channel, ChannelId, Policy};
use crate::domain::audit::{Action, AuditSource};
use crate::storage::alerting::{AlertingApplied, AlertingChange, NewChannel, NewPolicy};
use crate::storage::error::StorageError;
use crate::storage::port::Result;

/// Part of the caller's transaction.
pub fn change(
    connection: &mut StoreConnection,
    change: AlertingChange,
    source: &AuditSource,
    now_ms: i64,
) -> Result<AlertingApplied> {
    let audit = Audit { source, now_ms };
    match change {
        AlertingChange::CreateChannel(channel) => {
            let id = save_channel(connection, None, &channel)?;
            let after = definitions::channel(connection, id)?;
            record(connection, audit, Action::ChannelCreate, None, Some(&after))?;
            Ok(AlertingApplied::Channel(after))
        }
        AlertingChange::UpdateChannel(id, channel) => {
            let before = writable_channel(connection, id)?;
            if before.name != channel.name {
                require_unused(connection, &before.name)?;
            }
            save_channel(connection, Some(id), &channel)?;
            let after = definitions::channel(connection, id)?;
            record(connection, audit, Action::ChannelUpdate, Some(&before), Some(&after))?;
            Ok(AlertingApplied::Channel(after))
        }
        AlertingChange::DeleteChannel(id) => {
            let channel = writable_channel(connection, id)?;
            require_unused(connection, &channel.name)?;
            diesel::delete(channels::table.find(id)).execute(connection)?;
            record(connection, audit, Action::ChannelDelete, Some(&channel), None)?;
            Ok(AlertingApplied::Deleted(id))
        }
        AlertingChange::CreatePolicy(policy) => {
            let id = save_policy(connection, None, &policy)?;
            let after = definitions::policy(connection, id)?;
            record(connection, audit, Action::PolicyCreate, None, Some(&after))?;
            Ok(AlertingApplied::Policy(after))
        }
        AlertingChange::UpdatePolicy(id, policy) => {
            let before = writable_policy(connection, id)?;
            save_policy(connection, Some(id), &policy)?;
            let after = definitions::policy(connection, id)?;
            record(connection, audit, Action::PolicyUpdate, Some(&before), Some(&after))?;
            Ok(AlertingApplied::Policy(after))
        }
        AlertingChange::DeletePolicy(id) => {
            let before = writable_policy(connection, id)?;
            diesel::delete(policies::table.find(id)).execute(connection)?;
            record(connection, audit, Action::PolicyDelete, Some(&before), None)?;
            Ok(AlertingApplied::Deleted(id))
        }
        AlertingChange::CreateSilence(silence) => {
            let id: i64 = diesel::insert_into(silences::table)
                .values(NewSilenceRow::new(&silence))
                .returning(silences::id)
                .get_result(connection)?;
            let after = definitions::silence(connection, id)?;
            record(connection, audit, Action::SilenceCreate, None, Some(&after))?;
            Ok(AlertingApplied::Silence(after))
        }
        AlertingChange::UpdateSilence(id, silence) => {
            let before = definitions::silence(connection, id)?;
            diesel::update(silences::table.find(id))
                .set(NewSilenceRow::new(&silence))
                .execute(connection)?;
            let after = definitions::silence(connection, id)?;
            record(connection, audit, Action::SilenceUpdate, Some(&before), Some(&after))?;
            Ok(AlertingApplied::Silence(after))
        }
        AlertingChange::DeleteSilence(id) => {
            let before = definitions::silence(connection, id)?;
            diesel::delete(silences::table.find(id)).execute(connection)?;
            record(connection, audit, Action::SilenceDelete, Some(&before), None)?;
            Ok(AlertingApplied::Deleted(id))
        }
    }
}

/// Adds a channel, or replaces the one with this id.
fn save_channel(
    connection: &mut StoreConnection,
    id: Option<ChannelId>,
    channel: &NewChannel,
) -> Result<ChannelId> {
    let row = NewChannelRow::new(channel, Origin::Api);
    let taken: Option<i64> = channels::table
        .filter(channels::name.eq(&row.name))
        .select(channels::id)
        .first(connection)
        .optional()?;
    if taken.is_some_and(|taken| Some(taken) != id) {
        return Err(name_taken(&row.name));
    }
    let Some(id) = id else {
        let insert = diesel::insert_into(channels::table).values(row);
        return Ok(insert.returning(channels::id).get_result(connection)?);
    };
    diesel::update(channels::table.find(id)).set(row).execute(connection)?;
    Ok(id)
}

/// Adds a policy, or replaces the one with this id.
fn save_policy(
    connection: &mut StoreConnection,
    id: Option<i64>,
    policy: &NewPolicy,
) -> Result<i64> {
    let row = NewPolicyRow::new(policy, Origin::Api);
    let taken: Option<i64> = policies::table
        .filter(policies::name.eq(&row.name))
        .select(policies::id)
        .first(connection)
        .optional()?;
    if taken.is_some_and(|taken| Some(taken) != id) {
        return Err(name_taken(&row.name));
    }
    let known: Vec<String> = channels::table.select(channels::name).load(connection)?;
    let unknown = policy.options.steps.iter().flat_map(|(_, names)| names);
    let unknown = unknown.filter(|name| !known.contains(name));
    let unknown: Vec<String> =
        unknown.map(|name| format!("channels: unknown channel {name:?}")).collect();
    if !unknown.is_empty() {
        return Err(StorageError::Invalid(unknown));
    }
    let Some(id) = id else {
        let insert = diesel::insert_into(policies::table).values(row);
        return Ok(insert.returning(policies::id).get_result(connection)?);
    };
    diesel::update(policies::table.find(id)).set(row).execute(connection)?;
    Ok(id)
}

fn name_taken(name: &str) -> StorageError {
    StorageError::Conflict(format!("name: {name:?} is already taken"))
}

fn writable_channel(connection: &mut StoreConnection, id: ChannelId) -> Result<Channel> {
    let channel = definitions::channel(connection, id)?;
    require_api(channel.origin, "channel", id, &channel.name)?;
    Ok(channel)
}

fn writable_policy(connection: &mut StoreConnection, id: i64) -> Result<Policy> {
    let policy = definitions::policy(connection, id)?;
    require_api(policy.origin, "policy", id, &policy.name)?;
    Ok(policy)
}

fn require_api(origin: Origin, what: &str, id: i64, name: &str) -> Result<()> {
    if origin == Origin::Api {
        return Ok(());
    }
    Err(StorageError::Conflict(format!(
        "id: {what} {id} ({name}) belongs to the services file and is read-only here; change it \
         there"
    )))
}

/// Error when a policy names the channel.
fn require_unused(connection: &mut StoreConnection, channel: &str) -> Result<()> {
    let names = |policy: &Policy| {
        policy.options.steps.iter().any(|(_, names)| names.iter().any(|name| name == channel))
    };
    let policies = definitions::policies(connection)?;
    let Some(policy) = policies.iter().find(|policy| names(policy)) else { return Ok(()) };
    Err(StorageError::Conflict(format!(
        "id: the policy {:?} names the channel {channel:?}; change the policy first",
        policy.name
    )))
}
