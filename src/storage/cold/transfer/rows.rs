//! The rows of the plain tables: read, and written many at once.

use std::mem::take;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;

use super::super::StoreConnection;
use super::super::keys::rows_of;
use super::super::schema::{
    alert_signals, alerts, api_sessions, api_tokens, audit, channels, deliveries,
    maintenance_spans, maintenances, notification_alerts, notifications, policies, service_events,
    service_facts, service_metrics, services, silences,
};
use crate::storage::port::Result;
use crate::storage::transfer::rows::{self, PLAIN, PlainRow};
use crate::storage::transfer::tables::{HISTORY, plain_tables};
use crate::storage::transfer::value::Value;
use crate::storage::transfer::{EachRow, Row};

/// Rows that are written at once. PostgreSQL takes 65,535 parameters, SQLite 32,766, and a row has
/// at most 20.
const ROWS: usize = 1_000;

/// The services from one id to another.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    pub first: i64,
    pub last: i64,
}

macro_rules! define_tables {
    (
        services {
            $($Of:ident $of:ident [$id:ident] by ($($of_key:ident),+)
                { $($of_column:ident: $of_type:ty,)+ })+
        }
        others {
            $($In:ident $in:ident by ($($key:ident),+) { $($column:ident: $type:ty,)+ })+
        }
    ) => {
        /// Passes the plain rows of these services.
        pub fn of_services(
            connection: &mut StoreConnection,
            range: Range,
            each: &mut EachRow<'_>,
        ) -> Result<()> {
            $({
                let rows = rows_of!($of)
                    .filter($of::$id.between(range.first, range.last))
                    .order(($($of::$of_key,)+))
                    .select(($($of::$of_column,)+))
                    .load_iter::<($($of_type,)+), DefaultLoadingMode>(connection)?;
                for row in rows {
                    let ($($of_column,)+) = row?;
                    let row = rows::$Of { $($of_column: $of_column.plain(),)+ };
                    each(Row::Plain(Box::new(PlainRow::$Of(row))))?;
                }
            })+
            Ok(())
        }

        /// Passes the rows of the other plain tables.
        pub fn of_others(connection: &mut StoreConnection, each: &mut EachRow<'_>) -> Result<()> {
            $({
                let rows = $in::table
                    .order(($($in::$key,)+))
                    .select(($($in::$column,)+))
                    .load_iter::<($($type,)+), DefaultLoadingMode>(connection)?;
                for row in rows {
                    let ($($column,)+) = row?;
                    let row = rows::$In { $($column: $column.plain(),)+ };
                    each(Row::Plain(Box::new(PlainRow::$In(row))))?;
                }
            })+
            Ok(())
        }

        /// Rows that are not written yet.
        #[derive(Debug, Default)]
        pub struct Buffer {
            rows: usize,
            $($of: Vec<rows::$Of>,)+
            $($in: Vec<rows::$In>,)+
        }

        impl Buffer {
            pub fn add(&mut self, connection: &mut StoreConnection, row: PlainRow) -> Result<()> {
                match row {
                    $(PlainRow::$Of(row) => self.$of.push(row),)+
                    $(PlainRow::$In(row) => self.$in.push(row),)+
                }
                self.rows += 1;
                if self.rows < ROWS { Ok(()) } else { self.flush(connection) }
            }

            /// Writes all rows: those of a service before the rows that refer to it.
            pub fn flush(&mut self, connection: &mut StoreConnection) -> Result<()> {
                self.rows = 0;
                $({
                    let rows = take(&mut self.$of);
                    let values = rows.iter().map(|row| {
                        ($($of::$of_column.eq(&row.$of_column),)+)
                    });
                    if !rows.is_empty() {
                        diesel::insert_into($of::table)
                            .values(values.collect::<Vec<_>>())
                            .execute(connection)?;
                    }
                })+
                $({
                    let rows = take(&mut self.$in);
                    let values = rows.iter().map(|row| ($($in::$column.eq(&row.$column),)+));
                    if !rows.is_empty() {
                        diesel::insert_into($in::table)
                            .values(values.collect::<Vec<_>>())
                            .execute(connection)?;
                    }
                })+
                Ok(())
            }
        }
    };
}
plain_tables!(define_tables);

/// Deletes every row that a copy writes, those before the rows that they refer to. Part of the
/// caller's transaction.
pub fn clear(connection: &mut StoreConnection) -> Result<()> {
    for (table, _) in HISTORY.iter().chain(PLAIN.iter().rev()) {
        diesel::sql_query(format!("DELETE FROM {table}")).execute(connection)?;
    }
    Ok(())
}
