//! Statements that diesel's query language cannot express.

/// Defines a statement with a fixed text, which each connection prepares once, as a struct of its
/// parameters. Each `?` of the text is the next parameter. After `->` are the SQL types of a row.
macro_rules! statement {
    (
        $(#[$doc:meta])*
        $name:ident { $($field:ident: $sql:ty = $value:ty),* $(,)? } -> $row:ty, $text:expr
    ) => {
        $(#[$doc])*
        struct $name<'a> {
            $($field: &'a $value,)*
        }

        impl diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;

            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl diesel::query_builder::Query for $name<'_> {
            type SqlType = $row;
        }

        impl diesel::RunQueryDsl<$crate::storage::postgres::connection::StoreConnection>
            for $name<'_>
        {
        }

        impl diesel::query_builder::QueryFragment<diesel::pg::Pg> for $name<'_> {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
            ) -> diesel::QueryResult<()> {
                let mut parts = <str>::split($text, '?');
                $(
                    out.push_sql(parts.next().unwrap_or_default());
                    out.push_bind_param::<$sql, $value>(self.$field)?;
                )*
                out.push_sql(parts.next().unwrap_or_default());
                Ok(())
            }
        }
    };
}
pub(super) use statement;
