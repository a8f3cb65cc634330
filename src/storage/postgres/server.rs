//! Opening the store in a database: checks, migrations, and the registration of this instance.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use diesel::Connection as _;
use diesel::connection::SimpleConnection;

use super::connection::{Connection, Mode, StoreConnection};
use super::instance::{Instance, Joined};
use super::migrations;
use super::migrations::Version;
use super::registration;
use super::registration::{Member, Registered, Replaces};
use super::settings::Settings;
use super::start_checks;
use super::start_checks::Content;
use super::start_error::StartError;
use super::store::PostgresStore;
use super::takeover::{Found, Takeover, Verdict};
use crate::clock::unix_ms;
use crate::domain::Role;
use crate::storage::coordination::Duty;
use crate::storage::coordination::owned::{Duties, OwnedShards};
use crate::storage::error::{OpenError, StorageError, StoreChange};
use crate::storage::port::{Coordinate, StoreRead, StoreWrite};

/// A start tries this long to reach a database that fails for a reason that may pass: a compose
/// file may start both at once.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Pause between two attempts.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Pause between two looks at an instance that may be alive, or at a migration of another process.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How soon a waiting start notices a signal.
const SIGNAL_EVERY: Duration = Duration::from_millis(50);

/// Tables with many rows take their time.
const NO_STATEMENT_LIMIT: &str = "SET LOCAL statement_timeout = 0";

/// A store that this version of the program has migrated.
const CURRENT: Content = Content::Store(Version::Current);

/// Longest time for each step of the start, except for the migrations.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// The open store in a database. This instance is registered until the last clone is dropped, or
/// until [`leave`](Self::leave).
#[derive(Debug, Clone)]
pub struct Server {
    open: Arc<OpenServer>,
}

struct OpenServer {
    settings: Arc<Settings>,
    instance: Arc<Instance>,
    duties: Duties,
    /// Whether no other instance lived at the start.
    was_alone: bool,
    /// What an operator should know, as sentences.
    warnings: Vec<String>,
    has_left: AtomicBool,
}

/// The instance that starts.
#[derive(Debug, Clone, Copy)]
pub struct Newcomer<'a> {
    /// Takes the place of an instance of this name at once.
    pub name: &'a str,
    /// An instance of another name that writes nothing for this long has ended.
    pub ttl: Duration,
}

/// The instance that joins others.
#[derive(Debug, Clone, Copy)]
pub struct Joiner<'a> {
    /// Takes the place of an instance of this name at once.
    pub name: &'a str,
    pub role: Role,
    /// Those that it may have.
    pub duties: &'a [Duty],
}

/// The surroundings of a start that may have to wait.
pub struct Awaiting<'a> {
    /// Longest time for which a failure that may pass may last.
    pub patience: Duration,
    /// Ends the start.
    pub is_stopping: &'a dyn Fn() -> bool,
    /// Receives why the start waits, each time that the reason changes.
    pub report: &'a dyn Fn(&str),
}

impl fmt::Debug for OpenServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenServer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Server {
    /// Opens the store, creating it in an empty schema, and registers this instance.
    ///
    /// A schema of another program and a store that is in use are refused, and are unchanged.
    pub fn open(
        settings: &Settings,
        newcomer: &Newcomer<'_>,
        awaiting: &Awaiting<'_>,
    ) -> Result<Self, OpenError> {
        let Newcomer { name, ttl } = *newcomer;
        let entry = Entry::Alone { name, takeover: Takeover::new(name, ttl) };
        Self::enter(settings, entry, awaiting)
    }

    /// Opens the store beside the instances that use it, creating it in an empty schema, and
    /// registers this instance.
    pub fn join(
        settings: &Settings,
        joiner: &Joiner<'_>,
        awaiting: &Awaiting<'_>,
    ) -> Result<Self, OpenError> {
        let joined = Joined { name: joiner.name.to_owned(), role: joiner.role };
        let entry = Entry::Joins { joined, duties: joiner.duties };
        Self::enter(settings, entry, awaiting)
    }

    fn enter(
        settings: &Settings,
        entry: Entry<'_>,
        awaiting: &Awaiting<'_>,
    ) -> Result<Self, OpenError> {
        let mut start = Start { settings, entry, connection: None, warnings: Vec::new() };
        let entered = start.run(awaiting);
        let entered = entered.map_err(|why| match why {
            None => OpenError::Interrupted,
            Some(why) => OpenError::Database { database: settings.shown(), why },
        })?;
        let (instance, duties, was_alone) = match entered {
            Entered::Alone(Registered { id, store_id }) => {
                (Instance::new(id).in_store(store_id), Duties::default(), true)
            }
            Entered::Joined(joined, Member { id, store_id, shards, duties, is_alone }) => {
                let owned = OwnedShards::new(&shards);
                let instance = Instance::new(id).in_store(store_id).of_several(joined, owned);
                (instance, Duties::new(&duties), is_alone)
            }
        };
        let open = OpenServer {
            settings: Arc::new(settings.clone()),
            instance: Arc::new(instance),
            duties,
            was_alone,
            warnings: start.warnings,
            has_left: AtomicBool::new(false),
        };
        Ok(Self { open: Arc::new(open) })
    }

    /// The shards that this instance may write to.
    pub fn owned(&self) -> &OwnedShards {
        &self.open.instance.owned
    }

    pub fn duties(&self) -> &Duties {
        &self.open.duties
    }

    /// Whether no other instance lived when this one started.
    pub fn was_alone(&self) -> bool {
        self.open.was_alone
    }

    /// Whether this instance made the change of definitions with this revision; see
    /// [`Instance::made`].
    pub fn made(&self, revision: i64) -> bool {
        self.open.instance.made(revision)
    }

    /// A connection beside those of the writer and the readers.
    pub fn coordinator(&self) -> Result<Box<dyn Coordinate>, StorageError> {
        let OpenServer { settings, instance, .. } = &*self.open;
        let (settings, instance) = (Arc::clone(settings), Arc::clone(instance));
        Ok(Box::new(PostgresStore::coordinator(settings, instance)?))
    }

    /// The URL of the database without its password.
    pub fn shown(&self) -> String {
        self.open.settings.shown()
    }

    pub fn warnings(&self) -> &[String] {
        &self.open.warnings
    }

    /// A store that may be read only.
    pub fn reader(&self) -> Result<Box<dyn StoreRead>, StorageError> {
        let OpenServer { settings, instance, .. } = &*self.open;
        let instance = Some(Arc::clone(instance));
        Ok(Box::new(PostgresStore::reader(Arc::clone(settings), instance)?))
    }

    /// The store for writes. There is one at a time.
    pub fn writer(&self) -> Result<Box<dyn StoreWrite>, StorageError> {
        let OpenServer { settings, instance, .. } = &*self.open;
        Ok(Box::new(PostgresStore::writer(Arc::clone(settings), Arc::clone(instance))?))
    }

    /// Error after a change of the store.
    pub fn check(&self) -> Result<(), StorageError> {
        let detail = self.change().map(|change| change.detail);
        let detail = detail.or_else(|| self.open.instance.fenced());
        detail.map_or(Ok(()), |detail| Err(StorageError::Unavailable(detail)))
    }

    /// Why this instance may not use the store any more. It stays.
    pub fn change(&self) -> Option<StoreChange> {
        let detail = self.open.instance.end()?;
        Some(StoreChange { summary: "this instance may not write to the store any more", detail })
    }

    /// Ends this instance, so that the next one need not wait whether it is alive. Best effort. For
    /// the end, when the last write is done.
    pub fn leave(&self) {
        self.open.leave();
    }
}

impl OpenServer {
    fn leave(&self) {
        let has_ended = self.instance.end().is_some() || self.instance.fenced().is_some();
        if self.has_left.swap(true, Ordering::Relaxed) || has_ended {
            return;
        }
        let (settings, id) = (&self.settings, self.instance.id());
        // On a thread of its own, since the caller may be in an asynchronous runtime.
        thread::scope(|scope| {
            scope.spawn(|| {
                if let Ok(mut connection) = Connection::open(settings, Mode::Write) {
                    connection.limit(Some(STEP_TIMEOUT));
                    let _ = registration::leave(&mut connection, id, unix_ms());
                }
            });
        });
    }
}

impl Drop for OpenServer {
    /// A start that fails, or that a signal ends, leaves no instance behind.
    fn drop(&mut self) {
        self.leave();
    }
}

/// A start under way.
struct Start<'a> {
    settings: &'a Settings,
    entry: Entry<'a>,
    connection: Option<Connection>,
    warnings: Vec<String>,
}

/// Beside which instances a start may run.
enum Entry<'a> {
    Alone { name: &'a str, takeover: Takeover },
    Joins { joined: Joined, duties: &'a [Duty] },
}

/// What a start has registered.
enum Entered {
    Alone(Registered),
    Joined(Joined, Member),
}

/// What a step of the start leads to.
enum Step {
    Entered(Entered),
    /// The next look may find something else. The reason is a sentence.
    Waits(String),
}

impl Start<'_> {
    /// Error `None` when a signal ended the start.
    fn run(&mut self, awaiting: &Awaiting<'_>) -> Result<Entered, Option<StartError>> {
        let mut failing_since = None;
        let mut reported = String::new();
        loop {
            if (awaiting.is_stopping)() {
                return Err(None);
            }
            let began = Instant::now();
            let (pause, why) = match self.step() {
                Ok(Step::Entered(entered)) => return Ok(entered),
                Ok(Step::Waits(why)) => {
                    failing_since = None;
                    (LOOK_EVERY, why)
                }
                Err(error) => {
                    self.connection = None;
                    if let Entry::Alone { takeover, .. } = &mut self.entry {
                        takeover.interrupted();
                    }
                    let since = *failing_since.get_or_insert(began);
                    if !error.is_temporary() || since.elapsed() >= awaiting.patience {
                        return Err(Some(error));
                    }
                    (RETRY_EVERY, error.to_string())
                }
            };
            if reported != why {
                (awaiting.report)(&why);
                reported = why;
            }
            let until = Instant::now() + pause;
            while Instant::now() < until && !(awaiting.is_stopping)() {
                thread::sleep(SIGNAL_EVERY);
            }
        }
    }

    fn step(&mut self) -> Result<Step, StartError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(self.settings, Mode::Write)?),
        };
        connection.limit(Some(STEP_TIMEOUT));
        let step = look(connection, &mut self.entry, &mut self.warnings);
        step.map_err(|error| match connection.end() {
            Some(why) => StartError::Interrupted(why),
            None => error,
        })
    }
}

fn look(
    connection: &mut Connection,
    entry: &mut Entry<'_>,
    warnings: &mut Vec<String>,
) -> Result<Step, StartError> {
    *warnings = start_checks::check_server(connection)?;
    if start_checks::inspect(connection)? != CURRENT {
        connection.limit(None);
        if !migrate(connection)? {
            return Ok(Step::Waits("another process migrates its tables".to_owned()));
        }
        connection.limit(Some(STEP_TIMEOUT));
    }
    start_checks::check_program(connection)?;
    // Such as a deadlock, or a lock of an instance that is being suspended.
    let interrupted = |error: &dyn ToString| StartError::Interrupted(error.to_string());
    let (name, takeover) = match entry {
        Entry::Alone { name, takeover } => (name, takeover),
        Entry::Joins { joined, duties } => {
            registration::follow_clock(connection).map_err(|error| interrupted(&error))?;
            let member = registration::join(connection, joined, Replaces::All, duties, unix_ms());
            let member = member.map_err(|error| interrupted(&error))?;
            return Ok(Step::Entered(Entered::Joined(joined.clone(), member)));
        }
    };
    let found = registration::living(connection).map_err(|error| interrupted(&error))?;
    match takeover.look(found, Instant::now()) {
        Verdict::InUse(other) => Err(StartError::InUse(other)),
        Verdict::Undecided(Found { id, name, .. }) => Ok(Step::Waits(format!(
            "it was used by another service-healthcheck ({name:?}, instance {id}), which may still \
             be alive"
        ))),
        Verdict::Free(others) => {
            let registered = registration::register(connection, name, &others, unix_ms());
            Ok(match registered.map_err(|error| interrupted(&error))? {
                Some(registered) => Step::Entered(Entered::Alone(registered)),
                None => Step::Waits("another service-healthcheck starts too".to_owned()),
            })
        }
    }
}

/// Migrates an empty schema or an older store, in one transaction. `false` while another process
/// does.
fn migrate(connection: &mut StoreConnection) -> Result<bool, StartError> {
    connection.transaction(|connection| {
        connection.batch_execute(NO_STATEMENT_LIMIT)?;
        if !registration::lock_migrations(connection)? {
            return Ok(false);
        }
        if start_checks::inspect(connection)? != CURRENT {
            migrations::run(connection)?;
        }
        Ok(true)
    })
}
