//! The stores that the program is tested with.

use std::sync::Arc;

use super::{Cluster, Database, Launch};

/// A store of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Sqlite,
    Postgres,
}

/// Makes one test a store of each function, which takes a [`Store`].
macro_rules! stores {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(
                #[test]
                fn $test() {
                    super::$test($crate::support::Store::Sqlite);
                }
            )*
        }

        mod on_postgres {
            $(
                #[test]
                fn $test() {
                    super::$test($crate::support::Store::Postgres);
                }
            )*
        }
    };
}
pub(crate) use stores;

/// A migrated database in the shared cluster.
pub fn new_database() -> Arc<Database> {
    new_database_of(Cluster::shared())
}

/// A database that the program has migrated once for this cluster, and not used since.
pub fn new_database_of(cluster: &Cluster) -> Arc<Database> {
    Arc::new(cluster.new_database(|template| {
        Launch::new().with("DATABASE_URL", template.url()).start().stop();
        // Its liveness mark would be the start of unobserved time.
        template.query("DELETE FROM instances; UPDATE shards SET watched_to_ms = NULL");
    }))
}
