//! A place for a store, which outlives the open store.

use std::path::PathBuf;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use tempfile::TempDir;

use super::fixture::{Kind, TestStore};
use super::postgres_cluster::{Cluster, Database};
use crate::storage::{postgres, sqlite};

/// A file in a folder of its own, or a database.
pub enum Place {
    File(TempDir),
    Database(Database),
}

impl Place {
    /// Without a store.
    pub fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => Self::File(tempfile::tempdir().unwrap()),
            Kind::Postgres => Self::Database(Cluster::shared().empty_database()),
        }
    }

    /// Opens the store, creating it when it is missing.
    pub fn open(&self) -> TestStore {
        match self {
            Self::File(_) => sqlite::tests::open_at(&self.file()),
            Self::Database(database) => postgres::tests::open_at(&database.url()),
        }
    }

    /// The instance of a store that was opened here has ended.
    pub fn close(&self) {
        if let Self::Database(database) = self {
            database.query("UPDATE instances SET ended_at_ms = 1, ended_by = id");
        }
    }

    pub fn file(&self) -> PathBuf {
        match self {
            Self::File(folder) => folder.path().join("a.db"),
            Self::Database(_) => panic!("it is a database"),
        }
    }

    /// Runs statements.
    pub fn execute(&self, sql: &str) {
        match self {
            Self::File(_) => self.connect().batch_execute(sql).unwrap(),
            Self::Database(database) => {
                database.query(sql);
            }
        }
    }

    /// The first column of a query, as text; null is the empty text.
    pub fn texts(&self, query: &str) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Line {
            #[diesel(sql_type = Text)]
            line: String,
        }
        match self {
            Self::File(_) => {
                let query = format!(
                    "WITH q(line) AS ({query}) SELECT coalesce(CAST(line AS TEXT), '') AS line \
                     FROM q"
                );
                let lines: Vec<Line> = diesel::sql_query(query).load(&mut self.connect()).unwrap();
                lines.into_iter().map(|line| line.line).collect()
            }
            Self::Database(database) => {
                let rows = database.query(query).into_iter();
                rows.map(|mut row| row.swap_remove(0).unwrap_or_default()).collect()
            }
        }
    }

    fn connect(&self) -> SqliteConnection {
        SqliteConnection::establish(self.file().to_str().unwrap()).unwrap()
    }
}
