//! Searches in names and URLs.

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};

use super::cold::services::{Condition, like_pattern};
use super::connection::StoreConnection;
use super::schema::services;
use crate::domain::secret::pieces::SECRET_SIGNS;
use crate::domain::secret::url::{Requests, mask};
use crate::storage::port::Result;

/// The services with a text in their name, or in the shown part of their URL. ASCII letters match
/// in either case: `COLLATE "C"` folds no others.
pub struct Found {
    pattern: String,
    /// Of URLs that may have secrets, those that show the text.
    ids: Vec<i64>,
}

impl Found {
    /// Within the transaction of the search, so that the URLs are the same.
    pub fn of(connection: &mut StoreConnection, part: &str) -> Result<Self> {
        let part = part.to_ascii_lowercase();
        let pattern = like_pattern(&part);
        let contains = sql::<Bool>("lower(url COLLATE \"C\") LIKE ")
            .bind::<Text, _>(&pattern)
            .sql(" AND url ~ ")
            .bind::<Text, _>(has_sign());
        let rows = services::table
            .filter(services::deleted_at.is_null())
            .filter(contains)
            .select((services::id, services::url))
            .load_iter::<(i64, String), DefaultLoadingMode>(connection)?;
        let mut ids = Vec::new();
        for row in rows {
            let (id, url) = row?;
            if mask(&url, Requests::Masked).to_ascii_lowercase().contains(&part) {
                ids.push(id);
            }
        }
        Ok(Self { pattern, ids })
    }

    pub fn condition(&self) -> Condition {
        let Self { pattern, ids } = self;
        Box::new(
            sql::<Nullable<Bool>>("(lower(services.name COLLATE \"C\") LIKE ")
                .bind::<Text, _>(pattern.clone())
                .sql(" OR (lower(services.url COLLATE \"C\") LIKE ")
                .bind::<Text, _>(pattern.clone())
                .sql(" AND services.url !~ ")
                .bind::<Text, _>(has_sign())
                // Hashed, unlike an array.
                .sql(") OR services.id IN (SELECT unnest(")
                .bind::<Array<BigInt>, _>(ids.clone())
                .sql(")))"),
        )
    }
}

/// The pattern of URLs that may have secrets.
fn has_sign() -> String {
    format!("[{}]", String::from_iter(SECRET_SIGNS))
}
