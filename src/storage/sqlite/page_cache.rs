//! The page cache of the connection that writes, sized by the number of services.
//!
//! A commit writes metrics all over their table, so all of it should fit in: otherwise pages are
//! read again and again, and a large commit is written in parts. What is not needed fills up with
//! ticks that are never read again, and is memory of the process.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::schema::service_count;

/// A row of `service_metrics` and its share of half-filled pages, in bytes.
const BYTES_A_SERVICE: i64 = 80;

/// Everything else that a commit, a sealing or a change touches.
const BASE_KIB: i64 = 1_024;

/// For many changes at once, whose index entries lie all over the table.
const BULK_KIB: i64 = 8_192;

/// The pages of the largest commit, if each of its results is on a page of its own. As a rule, so
/// many services have neighbours that are due together (`actors/scheduler/spread.rs`), so a page of
/// metrics is read once for many of its rows.
const MOST_KIB: i64 = 16_384;

/// As [`MOST_KIB`], while many services change.
const BULK_MOST_KIB: i64 = 131_072;

/// Fits the cache to the number of living services. Smaller than before, it gives memory back.
pub fn fit(connection: &mut SqliteConnection) -> QueryResult<()> {
    let services = service_count::table.select(service_count::living).first(connection)?;
    set(connection, kibibytes(services))
}

/// Until the next [`fit`], room for a change of many services.
pub fn widen(connection: &mut SqliteConnection) -> QueryResult<()> {
    let services = service_count::table.select(service_count::living).first(connection)?;
    set(connection, bulk_kibibytes(services))
}

fn kibibytes(services: i64) -> i64 {
    metrics_kibibytes(services).min(MOST_KIB)
}

fn bulk_kibibytes(services: i64) -> i64 {
    metrics_kibibytes(services).clamp(BULK_KIB, BULK_MOST_KIB)
}

/// Room for the metrics of all services.
fn metrics_kibibytes(services: i64) -> i64 {
    BASE_KIB.saturating_add(services.max(0).saturating_mul(BYTES_A_SERVICE) / 1_024)
}

fn set(connection: &mut SqliteConnection, kibibytes: i64) -> QueryResult<()> {
    connection.batch_execute(&format!("PRAGMA cache_size = -{kibibytes}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::AuditSource;
    use crate::domain::sample;
    use crate::storage::port::StoreWrite;
    use crate::storage::records::Change;
    use crate::storage::sqlite::store::Store;

    #[test]
    fn the_cache_holds_the_metrics_of_all_services_within_bounds() {
        assert_eq!(kibibytes(0), 1_024);
        assert_eq!(kibibytes(1_000), 1_102);
        assert!((8_192..=10_240).contains(&kibibytes(100_000)));
        assert_eq!(kibibytes(1_000_000), MOST_KIB);
        assert_eq!(kibibytes(i64::MAX), MOST_KIB);
        assert_eq!(bulk_kibibytes(0), BULK_KIB);
        assert!(bulk_kibibytes(1_000_000) > 64 * 1_024);
        assert_eq!(bulk_kibibytes(i64::MAX), BULK_MOST_KIB);
    }

    #[derive(QueryableByName)]
    struct Size {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        cache_size: i64,
    }

    fn size(connection: &mut SqliteConnection) -> i64 {
        let size = diesel::sql_query("SELECT cache_size FROM pragma_cache_size");
        size.get_result::<Size>(connection).unwrap().cache_size
    }

    #[test]
    fn the_cache_of_a_writer_follows_the_number_of_services() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("db.db")).unwrap();
        let open = || crate::storage::sqlite::connection::writer(store.path()).unwrap();
        let mut writer = open();
        assert_eq!(size(&mut writer), -kibibytes(0));
        for nth in 0..20 {
            let definition = sample::definition(&format!("a{nth}"));
            let change = Change::Create(Box::new(definition));
            writer.define(change, &AuditSource::COMMAND, 0).unwrap();
        }
        assert!(kibibytes(20) > kibibytes(0));
        assert_eq!(size(&mut writer), -kibibytes(20));
        assert_eq!(size(&mut open()), -kibibytes(20), "after a restart");
        widen(&mut writer).unwrap();
        assert_eq!(size(&mut writer), -BULK_KIB);
    }
}
