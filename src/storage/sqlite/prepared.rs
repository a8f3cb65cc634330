//! Statements of the hot commit that are prepared once.
//!
//! diesel prepares each `UPDATE` and upsert again, since the columns that it sets may vary; parsing
//! them took three quarters of a commit. The text of a [`Prepared`] is fixed, so diesel caches it.

use std::marker::PhantomData;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable};
use diesel::sqlite::{Sqlite, SqliteConnection};

/// The text of a statement with `N` numbers, each of which follows its part.
pub trait Text<const N: usize> {
    const PARTS: [&'static str; N];
}

/// A statement and its numbers; a boolean is 0 or 1.
pub struct Prepared<T, const N: usize> {
    numbers: [Option<i64>; N],
    text: PhantomData<T>,
}

impl<T, const N: usize> Prepared<T, N> {
    pub fn new(_: T, numbers: [Option<i64>; N]) -> Self {
        Self { numbers, text: PhantomData }
    }
}

impl<T: 'static, const N: usize> QueryId for Prepared<T, N> {
    type QueryId = Self;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<T, const N: usize> RunQueryDsl<SqliteConnection> for Prepared<T, N> {}

impl<T: Text<N>, const N: usize> QueryFragment<Sqlite> for Prepared<T, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        for (part, number) in T::PARTS.into_iter().zip(&self.numbers) {
            out.push_sql(part);
            out.push_bind_param::<Nullable<BigInt>, _>(number)?;
        }
        Ok(())
    }
}
