//! Functions of this program that SQL can call.

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;

use crate::domain::secret::url::{Requests, mask};

define_sql_function! {
    /// The URL with its secrets masked, so that a search finds only what every response shows.
    fn masked_url(url: Text) -> Text;
}

/// Defines the functions on `connection`.
pub fn define(connection: &mut SqliteConnection) -> QueryResult<()> {
    masked_url_utils::register_impl(connection, |url: String| mask(&url, Requests::Masked))
}
