//! Settings of the store and the history.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::reader::Reader;
use crate::config::variable::{Section, Variable};
use crate::domain::history::retention::Retention;

const FILE: Variable =
    Variable::new("DB_FILE", "db.db", "a file name", "the SQLite file, created when missing");
const BUFFER_LIMIT: Variable = Variable::new(
    "RECORDER_BUFFER_LIMIT",
    "65536",
    "a number from 1 to 10000000",
    "most outcomes that wait for the store",
);
const TICK_RETENTION: Variable = Variable::new(
    "TICK_RETENTION_DAYS",
    "30",
    "a number of days from 0.0000116 (a second) to 36500",
    "how long single results are stored",
);
const ROLLUP_RETENTION: Variable = Variable::new(
    "ROLLUP_RETENTION_DAYS",
    "1830",
    "a number of days from 0.0000116 (a second) to 36500",
    "how long events and the hourly and daily roll-ups are stored",
);
const CHUNK_TICKS: Variable = Variable::new(
    "TICKS_PER_CHUNK",
    "2048",
    "a number from 2 to 65536",
    "results of a service in one chunk; larger chunks take less space, smaller chunks are sealed \
     sooner",
);

pub const SECTION: Section = Section {
    title: "Storage and history",
    variables: &[FILE, BUFFER_LIMIT, TICK_RETENTION, ROLLUP_RETENTION, CHUNK_TICKS],
};

/// Settings of the store and the history.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// The SQLite file.
    pub file: PathBuf,
    /// Most outcomes that wait for the store.
    pub buffer_limit: usize,
    pub retention: Retention,
    /// Ticks of a full chunk.
    pub chunk_ticks: u32,
}

impl StorageConfig {
    pub fn read(reader: &mut Reader) -> Self {
        Self {
            file: reader.value(&FILE, |text| Some(PathBuf::from(text))),
            buffer_limit: reader.number(&BUFFER_LIMIT, 1, 10_000_000),
            retention: Retention {
                ticks: reader.value(&TICK_RETENTION, days),
                rollups: reader.value(&ROLLUP_RETENTION, days),
            },
            chunk_ticks: reader.number(&CHUNK_TICKS, 2, 65_536),
        }
    }
}

/// A number of days, at least one second.
fn days(text: &str) -> Option<Duration> {
    let days: f64 = text.parse().ok()?;
    (1.0 / 86_400.0..=36_500.0).contains(&days).then(|| Duration::from_secs_f64(days * 86_400.0))
}
