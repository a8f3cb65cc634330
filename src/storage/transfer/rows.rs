//! The rows of the plain tables.

use std::hash::Hasher;

use crate::storage::transfer::tables::plain_tables;
use crate::storage::transfer::value::Value;

macro_rules! define_rows {
    (
        services {
            $($Of:ident $of:ident [$id:ident] by ($($of_key:ident),+)
                { $($of_column:ident: $of_type:ty,)+ })+
        }
        others {
            $($In:ident $in:ident by ($($key:ident),+) { $($column:ident: $type:ty,)+ })+
        }
    ) => {
        $(
            #[doc = concat!("A row of `", stringify!($of), "`.")]
            #[derive(Debug, Clone, PartialEq)]
            pub struct $Of { $(pub $of_column: $of_type,)+ }
        )+
        $(
            #[doc = concat!("A row of `", stringify!($in), "`.")]
            #[derive(Debug, Clone, PartialEq)]
            pub struct $In { $(pub $column: $type,)+ }
        )+

        /// A row of a plain table.
        #[derive(Debug, Clone, PartialEq)]
        pub enum PlainRow {
            $($Of($Of),)+
            $($In($In),)+
        }

        impl PlainRow {
            /// The service that it belongs to; `None` for a row of the other tables.
            pub fn service_id(&self) -> Option<i64> {
                match self {
                    $(Self::$Of(row) => Some(row.$id),)+
                    $(Self::$In(_) => None,)+
                }
            }

            pub fn table(&self) -> &'static str {
                match self {
                    $(Self::$Of(_) => stringify!($of),)+
                    $(Self::$In(_) => stringify!($in),)+
                }
            }

            /// Adds its values to a checksum.
            pub fn digest(&self, sum: &mut impl Hasher) {
                match self {
                    $(Self::$Of(row) => { $(row.$of_column.digest(sum);)+ })+
                    $(Self::$In(row) => { $(row.$column.digest(sum);)+ })+
                }
            }
        }

        /// The plain tables and their columns.
        pub const PLAIN: &[(&str, &[&str])] = &[
            $((stringify!($of), &[$(stringify!($of_column),)+]),)+
            $((stringify!($in), &[$(stringify!($column),)+]),)+
        ];
    };
}
plain_tables!(define_rows);
