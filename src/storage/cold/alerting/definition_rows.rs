//! Rows of channels, policies and silences.

use diesel::prelude::*;

use super::Backend;
use super::schema::{channels, policies, silences};
use super::values::{Source, json, origin, plain, plain_of, unreadable};
use crate::domain::Origin;
use crate::domain::alert::{Channel, Policy, Silence};
use crate::storage::alerting::{NewChannel, NewPolicy, NewSilence, policy_json};
use crate::storage::port::Result;

/// The columns of `channels` that a definition sets.
#[derive(Debug, Clone, PartialEq, Insertable, AsChangeset)]
#[diesel(table_name = channels)]
pub struct NewChannelRow {
    pub name: String,
    pub kind: String,
    pub origin: &'static str,
    pub enabled: bool,
    pub options: String,
}

impl NewChannelRow {
    pub fn new(channel: &NewChannel, origin: Origin) -> Self {
        Self {
            name: plain(&channel.name),
            kind: plain(&channel.kind),
            origin: origin.as_str(),
            enabled: channel.enabled,
            options: json(&channel.options),
        }
    }
}

/// A row of `channels`.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = channels, check_for_backend(Backend))]
pub struct ChannelRow {
    pub id: i64,
    pub name: String,
    pub kind: String,
    pub origin: String,
    pub enabled: bool,
    pub options: String,
    pub failing_since_ms: Option<i64>,
}

impl ChannelRow {
    pub fn channel(self) -> Result<Channel> {
        let source = Source("channels", self.id);
        Ok(Channel {
            id: self.id,
            origin: origin(&self.origin),
            options: source.json("options", &self.options)?,
            name: self.name,
            kind: self.kind,
            enabled: self.enabled,
            failing_since_ms: self.failing_since_ms,
        })
    }
}

/// The columns of `policies` but for the id.
#[derive(Debug, Clone, PartialEq, Insertable, AsChangeset)]
#[diesel(table_name = policies)]
pub struct NewPolicyRow {
    pub name: String,
    pub origin: &'static str,
    pub position: i64,
    pub matcher: String,
    pub options: String,
}

impl NewPolicyRow {
    pub fn new(policy: &NewPolicy, origin: Origin) -> Self {
        Self {
            name: plain(&policy.name),
            origin: origin.as_str(),
            position: policy.position.into(),
            matcher: json(&policy.matcher),
            options: policy_json::to_json(&policy.options),
        }
    }
}

/// A row of `policies`.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = policies, check_for_backend(Backend))]
pub struct PolicyRow {
    pub id: i64,
    pub name: String,
    pub origin: String,
    pub position: i64,
    pub matcher: String,
    pub options: String,
}

impl PolicyRow {
    pub fn policy(self) -> Result<Policy> {
        let source = Source("policies", self.id);
        Ok(Policy {
            id: self.id,
            origin: origin(&self.origin),
            position: source.number("position", self.position)?,
            matcher: source.json("matcher", &self.matcher)?,
            options: policy_json::from_json(&self.options)
                .map_err(|error| unreadable("policies", self.id, "options", error))?,
            name: self.name,
        })
    }
}

/// The columns of `silences` but for the id.
#[derive(Debug, Insertable, AsChangeset)]
#[diesel(table_name = silences, treat_none_as_null = true)]
pub struct NewSilenceRow {
    pub matcher: String,
    pub from_ms: i64,
    pub to_ms: i64,
    pub author: Option<String>,
    pub note: Option<String>,
}

impl NewSilenceRow {
    pub fn new(silence: &NewSilence) -> Self {
        Self {
            matcher: json(&silence.matcher),
            from_ms: silence.from_ms,
            to_ms: silence.to_ms,
            author: plain_of(silence.by.as_ref()),
            note: plain_of(silence.note.as_ref()),
        }
    }
}

/// A row of `silences`.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = silences, check_for_backend(Backend))]
pub struct SilenceRow {
    pub id: i64,
    pub matcher: String,
    pub from_ms: i64,
    pub to_ms: i64,
    pub author: Option<String>,
    pub note: Option<String>,
}

impl SilenceRow {
    pub fn silence(self) -> Result<Silence> {
        Ok(Silence {
            id: self.id,
            matcher: Source("silences", self.id).json("matcher", &self.matcher)?,
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            by: self.author,
            note: self.note,
        })
    }
}
