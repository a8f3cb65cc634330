//! Reads of channels, policies and silences.

use diesel::prelude::*;

use super::StoreConnection;
use super::definition_rows::{ChannelRow, PolicyRow, SilenceRow};
use super::schema::{channels, policies, silences};
use crate::domain::alert::{Channel, ChannelId, Policy, Silence};
use crate::storage::port::Result;

/// By name.
pub fn channels(connection: &mut StoreConnection) -> Result<Vec<Channel>> {
    let rows: Vec<ChannelRow> =
        channels::table.order(channels::name).select(ChannelRow::as_select()).load(connection)?;
    rows.into_iter().map(ChannelRow::channel).collect()
}

pub fn channel(connection: &mut StoreConnection, id: ChannelId) -> Result<Channel> {
    let row: ChannelRow =
        channels::table.find(id).select(ChannelRow::as_select()).first(connection)?;
    row.channel()
}

/// In their order.
pub fn policies(connection: &mut StoreConnection) -> Result<Vec<Policy>> {
    let rows: Vec<PolicyRow> = policies::table
        .order((policies::position, policies::id))
        .select(PolicyRow::as_select())
        .load(connection)?;
    rows.into_iter().map(PolicyRow::policy).collect()
}

pub fn policy(connection: &mut StoreConnection, id: i64) -> Result<Policy> {
    let row: PolicyRow =
        policies::table.find(id).select(PolicyRow::as_select()).first(connection)?;
    row.policy()
}

/// By id.
pub fn silences(connection: &mut StoreConnection) -> Result<Vec<Silence>> {
    let rows: Vec<SilenceRow> =
        silences::table.order(silences::id).select(SilenceRow::as_select()).load(connection)?;
    rows.into_iter().map(SilenceRow::silence).collect()
}

pub fn silence(connection: &mut StoreConnection, id: i64) -> Result<Silence> {
    let row: SilenceRow =
        silences::table.find(id).select(SilenceRow::as_select()).first(connection)?;
    row.silence()
}
