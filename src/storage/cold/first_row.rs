//! A query for one row.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

use super::{Backend, StoreConnection};

/// The first row of a query, to be loaded by `get_result`.
///
/// diesel's `first` makes the limit a parameter, and SQLite plans a statement with such a limit
/// anew for each execution, which takes longer than reading the row. Where a key selects one row,
/// `get_result` alone suffices.
#[derive(Debug, Clone, Copy, QueryId)]
pub struct FirstRow<Q>(pub Q);

impl<Q: Query> Query for FirstRow<Q> {
    type SqlType = Q::SqlType;
}

impl<Q> RunQueryDsl<StoreConnection> for FirstRow<Q> {}

impl<Q: QueryFragment<Backend>> QueryFragment<Backend> for FirstRow<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" LIMIT 1");
        Ok(())
    }
}
