//! Test services: as a services file, or in a database with or without history.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use service_healthcheck::clock::unix_ms;
use service_healthcheck::domain::{Outcome, ServiceId};
use service_healthcheck::storage::Store;
use service_healthcheck::storage::ledger::Ledger;
use service_healthcheck::storage::sqlite::connection;

use crate::target::ADDRESSES;

/// Default name of the database in the working directory.
pub const DATABASE: &str = "db.db";

/// Name of the services file in the working directory.
pub const SERVICES_FILE: &str = "services.yaml";

/// Outcomes of one commit, the recorder's maximum.
const GROUP: usize = 4_096;

/// Services of one kind, spread over the addresses of one target.
#[derive(Debug, Clone, Copy)]
pub struct Services {
    pub count: usize,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The port of their target.
    pub port: u16,
    pub interval: Duration,
    pub timeout: Duration,
    /// Whether each has a rule for alerts. In a services file only.
    pub has_alerts: bool,
}

impl Services {
    /// Services over http with a timeout of 15 s.
    pub fn new(count: usize, port: u16, interval: Duration) -> Self {
        let timeout = Duration::from_secs(15);
        Self { count, scheme: "http", port, interval, timeout, has_alerts: false }
    }

    /// The same over https.
    pub fn secured(self) -> Self {
        Self { scheme: "https", ..self }
    }

    /// The same with a rule for alerts each.
    pub fn with_alerts(self) -> Self {
        Self { has_alerts: true, ..self }
    }
}

/// Writes a services file.
pub fn services_file(folder: &Path, services: &Services) {
    let Services { count, scheme, port, interval, timeout, has_alerts } = *services;
    let (interval, timeout) = (interval.as_millis(), timeout.as_millis());
    // Nobody listens there, and nothing is sent.
    let (channel, alerts) = match has_alerts {
        true => {
            ("alerting: {webhook: {url: 'http://127.0.0.1:9/'}}\n", ", alerts: [{type: webhook}]")
        }
        false => ("", ""),
    };
    let entry = |nth: usize| {
        let last = 1 + nth % usize::from(ADDRESSES);
        format!(
            "  - {{name: service-{nth}, url: '{scheme}://127.0.0.{last}:{port}/{nth}', \
             interval: {interval}ms, client: {{timeout: {timeout}ms}}{alerts}}}\n"
        )
    };
    let entries: String = (0..count).map(entry).collect();
    let none = if entries.is_empty() { " []" } else { "" };
    std::fs::write(folder.join(SERVICES_FILE), format!("{channel}endpoints:{none}\n{entries}"))
        .expect("a file");
}

/// Creates a database with these services and returns the ids of each kind. With a history, each
/// was up a minute ago, and is therefore on its grid from the start.
pub fn database(folder: &Path, kinds: &[Services], has_history: bool) -> Vec<Range<i64>> {
    let store = Store::open_file(&folder.join(DATABASE)).expect("a store");
    let mut writing = connection::writer(&store.name()).expect("a connection");
    // Not measured: synced to the disk once, at the end.
    writing
        .batch_execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
        .expect("a quick connection");
    let mut ids = Vec::new();
    let mut next = 1;
    for kind in kinds {
        ids.push(next..next + kind.count as i64);
        add(&mut writing, kind, next);
        next += kind.count as i64;
    }
    if has_history {
        let all: Vec<i64> = (1..next).collect();
        let mut ledger = Ledger::default();
        for group in all.chunks(GROUP) {
            let now_ms = unix_ms();
            let was_up = |id: &i64| {
                let id = ServiceId::new(*id).expect("positive");
                Outcome {
                    http_status: Some(200),
                    ..Outcome::without_details(id, now_ms - 60_000, Duration::from_millis(1), None)
                }
            };
            let outcomes: Vec<Outcome> = group.iter().map(was_up).collect();
            ledger.commit(&mut writing, &outcomes, now_ms).expect("a commit");
        }
    }
    // The last connection to close checkpoints the log into the file.
    drop(writing);
    File::open(store.name()).and_then(|file| file.sync_all()).expect("it is on the disk");
    ids
}

fn add(writing: &mut SqliteConnection, kind: &Services, first: i64) {
    let Services { count, scheme, port, interval, timeout, .. } = kind;
    let (interval, timeout) = (interval.as_secs_f64(), timeout.as_secs_f64());
    diesel::sql_query(format!(
        "INSERT INTO services \
             (id, name, url, interval_seconds, timeout_seconds, created_at, updated_at) \
         WITH RECURSIVE n(i) AS \
             (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {first} + {count}) \
         SELECT i, 'service-' || i, \
             '{scheme}://127.0.0.' || (1 + i % {ADDRESSES}) || ':{port}/' || i, \
             {interval}, {timeout}, ?1, ?1 FROM n"
    ))
    .bind::<BigInt, _>(unix_ms() / 1_000 - 120)
    .execute(writing)
    .expect("services");
}
