//! Statements of the hot commit that are prepared once.
//!
//! diesel prepares each `UPDATE` and upsert again, since the columns that it sets may vary; parsing
//! them took three quarters of a commit. The text of a [`Prepared`] is fixed, so diesel caches it.
//! An `INSERT` of diesel is cached too, but its columns are walked four times for each row.

use std::marker::PhantomData;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{self, BigInt, Nullable};
use diesel::sqlite::{Sqlite, SqliteConnection};

/// The text of a statement with `N` values, each of which follows its part.
pub trait Text<const N: usize> {
    const PARTS: [&'static str; N];
    /// What follows the last value.
    const END: &'static str = "";
}

/// A statement and its values.
pub struct Prepared<'v, T, const N: usize> {
    values: [Value<'v>; N],
    text: PhantomData<T>,
}

/// A boolean is the number 0 or 1.
#[derive(Debug, Clone, Copy)]
pub enum Value<'v> {
    Integer(Option<i64>),
    Text(Option<&'v str>),
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Integer(number)
    }
}

impl<'v, T, const N: usize> Prepared<'v, T, N> {
    pub fn new(_: T, values: [impl Into<Value<'v>>; N]) -> Self {
        Self { values: values.map(Into::into), text: PhantomData }
    }
}

impl<T: 'static, const N: usize> QueryId for Prepared<'_, T, N> {
    type QueryId = Prepared<'static, T, N>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<T, const N: usize> RunQueryDsl<SqliteConnection> for Prepared<'_, T, N> {}

impl<T: Text<N>, const N: usize> QueryFragment<Sqlite> for Prepared<'_, T, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        for (part, value) in T::PARTS.into_iter().zip(&self.values) {
            out.push_sql(part);
            match value {
                Value::Integer(number) => out.push_bind_param::<Nullable<BigInt>, _>(number)?,
                Value::Text(word) => out.push_bind_param::<Nullable<sql_types::Text>, _>(word)?,
            }
        }
        out.push_sql(T::END);
        Ok(())
    }
}
