//! `service-healthcheck move --to URL-or-FILE`: the store in another one, of either kind.
//!
//! The source is only read, and no service may use it meanwhile. The target can be used once
//! everything in it has been compared with the source. A move that was interrupted, in whatever
//! way, goes on when it is run again.

use std::cell::Cell;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Map;

use super::output::print_line;
use crate::clock::unix_ms;
use crate::config::{Config, ConfigError, StorageConfig};
use crate::domain::audit::{Action, AuditEntry, AuditSource, Differences, Object, ObjectKind};
use crate::error::Error;
use crate::storage::postgres::offline;
use crate::storage::postgres::settings::Settings;
use crate::storage::postgres::store::PostgresStore;
use crate::storage::postgres::target::TargetDatabase;
use crate::storage::sqlite::files::{absolute, sync_folder};
use crate::storage::sqlite::offline::UnusedStore;
use crate::storage::sqlite::target::TargetFile;
use crate::storage::transfer::moving::{self, Begun, MoveError, MoveSource, Moved, Step};
use crate::storage::transfer::{Copied, MoveTarget, TransferSource};
use crate::storage::{OpenError, StorageError};

/// Pause between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// The argument, for errors.
const TO: &str = "--to";

/// Moves the configured store to `to`.
pub(super) fn run(config: &Config, to: &str) -> Result<(), Error> {
    let began = Instant::now();
    let place = Place::parse(to, config.storage.ca_file.as_deref())?;
    let mut source = Source::open(&config.storage)?;
    source.differs_from(&place)?;
    let from = source.describe()?;
    let (mut target, begun) = place.open(&from)?;
    if let Some(line) = first_line(begun) {
        eprintln!("{line}");
    }
    let name = &from.name;
    if begun == Begun::Finished {
        print_line(format_args!("everything was moved to {place} before"));
    } else {
        let moved = move_all(&mut source, &mut *target, begun);
        let moved = moved.and_then(|moved| {
            require_unused(&mut source, &mut *target, &from)?;
            place.sync().map_err(|error| StorageError::Unavailable(error.to_string()))?;
            target.finish(&audited(name, unix_ms()))?;
            Ok(moved)
        });
        let Moved { services, ticks, rollups, events, others } =
            moved.map_err(|error| failure(name, &place, &error))?;
        print_line(format_args!(
            "moved {services} services, {ticks} ticks, {rollups} roll-ups, {events} events and \
             {others} other rows to {place} in {:.1} s; both are equal",
            began.elapsed().as_secs_f64()
        ));
    }
    print_line(Next { place: &place, from: name });
    Ok(())
}

/// Copies and compares everything on one snapshot of the source.
fn move_all(
    source: &mut Source,
    target: &mut dyn MoveTarget,
    begun: Begun,
) -> Result<Moved, MoveError> {
    let services = source.snapshot(|source| source.service_count())?;
    let progress = ProgressLines::new(services);
    source.snapshot(|source| {
        moving::run(source, target, begun.progress(), &mut |step| progress.report(step))
    })
}

/// An error when a service has used the source meanwhile, which only a lock could prevent. The next
/// move then begins anew.
fn require_unused(
    source: &mut Source,
    target: &mut dyn MoveTarget,
    from: &MoveSource,
) -> Result<(), MoveError> {
    if source.describe()?.state == from.state {
        return Ok(());
    }
    target.forget()?;
    Err(MoveError::Used)
}

fn failure(from: &str, place: &Place, error: &MoveError) -> Error {
    Error::Failed(match error {
        MoveError::Storage(why) => {
            format!(
                "the move of {from} to {place} was interrupted: {why}; the same command goes on"
            )
        }
        MoveError::Used => format!(
            "a service has used {from} meanwhile; stop it and run the same command, which begins \
             anew"
        ),
        MoveError::Differs(differences) => format!(
            "{place} differs from {from} and cannot be used; the same command begins anew:\n  {}",
            differences.join("\n  ")
        ),
    })
}

/// Says how a move begins that is not the first one.
fn first_line(begun: Begun) -> Option<&'static str> {
    match begun {
        Begun::New => None,
        Begun::GoesOn(_) => Some("an interrupted move goes on"),
        Begun::Anew => Some(
            "the source was used since an interrupted move, which begins anew: what it has written \
             is deleted",
        ),
        Begun::Finished => None,
    }
}

/// Where the store is moved to.
enum Place {
    File(PathBuf),
    Database(Box<Settings>),
}

impl Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            Self::Database(database) => f.write_str(&database.shown()),
        }
    }
}

impl Place {
    fn parse(to: &str, ca_file: Option<&Path>) -> Result<Self, ConfigError> {
        let problem = |problem: String| ConfigError { problems: vec![problem] };
        if to.is_empty() {
            return Err(problem(format!(
                "{TO}: invalid value \"\", expected postgres://USER:PASSWORD@HOST:PORT/DATABASE or \
                 the name of a file"
            )));
        }
        // A file may have any name, but one that looks like a URL is a mistake.
        if !to.contains("://") {
            return Ok(Self::File(to.into()));
        }
        let database = Settings::parse_argument(TO, to, ca_file);
        database.map(Box::new).map(Self::Database).map_err(|invalid| problem(invalid.to_string()))
    }

    fn open(&self, from: &MoveSource) -> Result<(Box<dyn MoveTarget>, Begun), OpenError> {
        Ok(match self {
            Self::File(file) => {
                let (target, begun) = TargetFile::open(file, from)?;
                (Box::new(target), begun)
            }
            Self::Database(database) => {
                let (target, begun) = TargetDatabase::open(database, from)?;
                (Box::new(target), begun)
            }
        })
    }

    /// The name of a new file survives a power failure.
    fn sync(&self) -> std::io::Result<()> {
        match self {
            Self::File(file) => sync_folder(file),
            Self::Database(_) => Ok(()),
        }
    }
}

/// The store that is moved.
enum Source {
    File(UnusedStore),
    Database(Box<PostgresStore>, String),
}

impl Source {
    fn open(storage: &StorageConfig) -> Result<Self, OpenError> {
        Ok(match &storage.database {
            None => Self::File(UnusedStore::open(&storage.file)?),
            Some(database) => {
                let report = |why: &str| eprintln!("{}: {why}", database.shown());
                let store = offline::open_unused(database, storage.instance_ttl, &report)?;
                Self::Database(Box::new(store), database.shown())
            }
        })
    }

    /// Error for the same file, whose lock is taken.
    fn differs_from(&self, place: &Place) -> Result<(), Error> {
        match (self, place) {
            (Self::File(source), Place::File(file))
                if absolute(file).is_ok_and(|path| path == source.path()) =>
            {
                Err(Error::Failed(format!("{} is DB_FILE itself", file.display())))
            }
            _ => Ok(()),
        }
    }

    fn describe(&mut self) -> Result<MoveSource, StorageError> {
        let state = self.snapshot(|source| source.state())?;
        let name = match self {
            Self::File(file) => format!("DB_FILE {}", file.path().display()),
            Self::Database(_, shown) => format!("DATABASE_URL {shown}"),
        };
        Ok(MoveSource { state, name })
    }

    /// Runs `work` on one snapshot.
    fn snapshot<T, E: From<StorageError>>(
        &mut self,
        work: impl FnOnce(&mut dyn TransferSource) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            Self::File(file) => file.snapshot(work),
            Self::Database(database, _) => database.snapshot(work),
        }
    }
}

/// Prints now and then how far a move is.
struct ProgressLines {
    services: u64,
    printed: Cell<Instant>,
}

impl ProgressLines {
    fn new(services: u64) -> Self {
        Self { services, printed: Cell::new(Instant::now()) }
    }

    fn report(&self, step: Step) {
        if self.printed.get().elapsed() < PROGRESS_EVERY {
            return;
        }
        self.printed.set(Instant::now());
        let of = self.services;
        match step {
            Step::Copied(Copied { services, ticks }) => {
                eprintln!("moved {services} of {of} services, {ticks} ticks");
            }
            Step::Compared(services) => eprintln!("compared {services} of {of} services"),
        }
    }
}

/// The row of the audit.
fn audited(from: &str, now_ms: i64) -> AuditEntry {
    let after = Map::from_iter([("from".to_owned(), from.into())]);
    AuditEntry {
        at_ms: now_ms,
        source: AuditSource::COMMAND,
        action: Action::Move,
        object: Object { kind: ObjectKind::Store, id: None, name: None },
        differences: Differences { before: None, after: Some(after) },
    }
}

/// What to do after a move.
struct Next<'a> {
    place: &'a Place,
    from: &'a str,
}

impl Display for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, from } = self;
        match place {
            Place::File(file) => {
                write!(f, "next: set DB_FILE={} without DATABASE_URL", file.display())?;
            }
            Place::Database(_) => write!(f, "next: set DATABASE_URL to this database")?,
        }
        write!(
            f,
            " and start the service; the time since its stop becomes an event `unknown`. {from} is \
             unchanged"
        )
    }
}
