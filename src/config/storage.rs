//! Settings of the store and the history.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::alerting::DELIVERY_RETENTION;
use crate::config::error::ConfigError;
use crate::config::instance_name;
use crate::config::reader::Reader;
use crate::config::variable::{Section, Variable};
use crate::domain::history::retention::Retention;
use crate::domain::{Invalid, Role};
use crate::storage::postgres::settings::Settings;

const FILE: Variable =
    Variable::new("DB_FILE", "db.db", "a file name", "the SQLite file, created when missing");
pub const DATABASE_URL: Variable = Variable::optional(
    "DATABASE_URL",
    "postgres://USER:PASSWORD@HOST:PORT/DATABASE, with further hosts behind commas; sslmode is \
     disable, require or verify-full, and target_session_attrs is read-write",
    "a database of PostgreSQL 14 or newer, used instead of DB_FILE. Without sslmode, connections \
     that leave this machine use TLS; TLS always verifies certificate and name",
)
.secret();
const DATABASE_CA_FILE: Variable = Variable::optional(
    "DATABASE_CA_FILE",
    "a file name",
    "PEM file of authorities that connections to the database trust in addition to those of the \
     system",
);
const INSTANCE_NAME: Variable = Variable::optional(
    "INSTANCE_NAME",
    "a text of 1 to 100 characters",
    "name of this instance in the database; a start with the name of another instance ends that \
     one. By default the host name, a number of the machine and API_PORT",
);
const INSTANCE_TTL: Variable = Variable::new(
    "INSTANCE_TTL_SECONDS",
    "10",
    "a number from 3 to 300",
    "an instance of another name that has written nothing for this long has ended",
);
pub const ROLE: Variable = Variable::new(
    "ROLE",
    "all",
    "all, runner or api; runner and api need DATABASE_URL",
    "part of this instance: runner probes, and serves metrics and its health; api serves pages and \
     the API, and probes on demand only; all does both. `run --role` takes precedence",
);
const BUFFER_LIMIT: Variable = Variable::new(
    "RECORDER_BUFFER_LIMIT",
    "65536",
    "a number from 1 to 10000000",
    "most outcomes that wait for the store",
);
const COMMIT_WINDOW: Variable = Variable::new(
    "COMMIT_WINDOW_MS",
    "7000",
    "a number of milliseconds from 0 to 30000",
    "longest time that a result which changes no state waits, to be written together with others; \
     at most a quarter of its interval. A crash loses the results that wait",
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
    variables: &[
        FILE,
        DATABASE_URL,
        DATABASE_CA_FILE,
        INSTANCE_NAME,
        INSTANCE_TTL,
        ROLE,
        BUFFER_LIMIT,
        COMMIT_WINDOW,
        TICK_RETENTION,
        ROLLUP_RETENTION,
        CHUNK_TICKS,
    ],
};

/// Settings of the store and the history.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// The SQLite file.
    pub file: PathBuf,
    /// `None` for the SQLite file.
    pub database: Option<Settings>,
    /// Authorities that connections to a database trust besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Name of this instance in the database.
    pub instance_name: String,
    /// An instance that has written nothing for this long has ended.
    pub instance_ttl: Duration,
    pub role: Role,
    /// Most outcomes that wait for the store.
    pub buffer_limit: usize,
    /// Longest wait of a result that changes no state for others to share its commit.
    pub commit_window: Duration,
    pub retention: Retention,
    /// Ticks of a full chunk.
    pub chunk_ticks: u32,
}

impl StorageConfig {
    /// `port` is that of the API.
    pub fn read(reader: &mut Reader, port: u16) -> Self {
        let instance_name = reader.optional(&INSTANCE_NAME, instance_name::parse);
        let ca_file = reader.text(&DATABASE_CA_FILE).map(PathBuf::from);
        let database = database(reader, ca_file.as_deref());
        let role = reader.value(&ROLE, Role::from_word);
        if let Err(problem) = check_role(role, database.is_some()) {
            reader.problems.push(problem);
        }
        Self {
            file: reader.value(&FILE, |text| Some(PathBuf::from(text))),
            database,
            ca_file,
            instance_name: instance_name.unwrap_or_else(|| instance_name::of_this_machine(port)),
            instance_ttl: Duration::from_secs(reader.number(&INSTANCE_TTL, 3, 300)),
            role,
            buffer_limit: reader.number(&BUFFER_LIMIT, 1, 10_000_000),
            commit_window: Duration::from_millis(reader.number(&COMMIT_WINDOW, 0, 30_000)),
            retention: Retention {
                ticks: reader.days(&TICK_RETENTION),
                rollups: reader.days(&ROLLUP_RETENTION),
                deliveries: reader.days(&DELIVERY_RETENTION),
            },
            chunk_ticks: reader.number(&CHUNK_TICKS, 2, 65_536),
        }
    }
}

/// Error for a role that a store in a file cannot have.
fn check_role(role: Role, has_database: bool) -> Result<(), String> {
    if role == Role::All || has_database {
        return Ok(());
    }
    let expected = "all while the store is a file, which one process uses; set DATABASE_URL to run \
                    several instances on a PostgreSQL database";
    Err(Invalid::new(role.as_str(), expected).of(ROLE.name))
}

impl StorageConfig {
    /// The same settings with the role of the command line, if it has one.
    pub fn with_role(self, role: Option<Role>) -> Result<Self, ConfigError> {
        let role = role.unwrap_or(self.role);
        let checked = check_role(role, self.database.is_some());
        checked.map_err(|problem| ConfigError { problems: vec![problem] })?;
        Ok(Self { role, ..self })
    }
}

fn database(reader: &mut Reader, ca_file: Option<&Path>) -> Option<Settings> {
    let url = reader.text(&DATABASE_URL)?;
    match Settings::parse(&url, ca_file) {
        Ok(settings) => Some(settings),
        Err(invalid) => {
            reader.problems.push(invalid.to_string());
            None
        }
    }
}
