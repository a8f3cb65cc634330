//! Searches in names and URLs.

use diesel::prelude::*;

use super::cold::services::{Condition, like_pattern};
use super::functions::masked_url;
use super::schema::services;
use crate::storage::port::Result;

/// The services with a text in their name, or in the shown part of their URL.
pub struct Found {
    pattern: String,
}

impl Found {
    pub fn of(_: &mut SqliteConnection, part: &str) -> Result<Self> {
        Ok(Self { pattern: like_pattern(part) })
    }

    pub fn condition(&self) -> Condition {
        let like = || self.pattern.clone();
        let in_url = services::url
            .like(like())
            .escape('\\')
            .and(masked_url(services::url).like(like()).escape('\\'));
        Box::new(services::name.like(like()).escape('\\').or(in_url).nullable())
    }
}
