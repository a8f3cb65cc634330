//! Lists of ids as one parameter: a statement has the same text for every number of them, so that
//! it is prepared once.

use diesel::expression::is_aggregate::Never;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Nullable, Text};
use diesel::sqlite::Sqlite;

use crate::domain::ServiceId;

/// The ids as a JSON array, for `json_each`.
pub fn json_of(ids: &[ServiceId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("[{}]", ids.join(","))
}

/// Whether a column has one of the ids.
pub struct IsListed {
    column: &'static str,
    ids: String,
}

impl IsListed {
    pub fn new(column: &'static str, ids: &[ServiceId]) -> Self {
        Self { column, ids: json_of(ids) }
    }
}

impl Expression for IsListed {
    type SqlType = Nullable<Bool>;
}

impl<T> SelectableExpression<T> for IsListed {}

impl<T> AppearsOnTable<T> for IsListed {}

impl<G> ValidGrouping<G> for IsListed {
    type IsAggregate = Never;
}

impl QueryId for IsListed {
    type QueryId = ();

    // The text, which has the column, is the key of the prepared statement.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Sqlite> for IsListed {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(self.column);
        out.push_sql(" IN (SELECT value FROM json_each(");
        out.push_bind_param::<Text, _>(&self.ids)?;
        out.push_sql("))");
        Ok(())
    }
}
