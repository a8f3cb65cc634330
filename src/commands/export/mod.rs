//! `service-healthcheck export`: the ticks of the living services as a text that other tools read.
//!
//! Service by service, oldest first, one chunk in memory at a time. It ends with the ticks that were the newest when it began.

mod openmetrics;
mod rows;

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use clap::ValueEnum;
use diesel::sqlite::SqliteConnection;

use crate::app::startup::Failed;
use crate::config::ConfigError;
use crate::domain::time::timestamp;
use crate::domain::{Invalid, ServiceId, StoredTick, Window};
use crate::storage::StorageError;
use crate::storage::exchange;
use crate::storage::history::walk::{Walk, Walked, living};
use crate::storage::migrations;
use crate::storage::migrations::Standing;

/// The texts that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated values with a header, a tick a line
    Csv,
    /// A JSON object a line, a tick each
    Jsonl,
    /// For promtool and other stores of time series, with the times of the ticks
    Openmetrics,
}

/// What the command line says.
#[derive(Debug)]
pub struct Asked {
    /// The text to make.
    pub format: Format,
    /// Ids or names of services; all when empty.
    pub services: Vec<String>,
    /// Only ticks in it; see [`window`].
    pub window: Window,
}

/// What was left out, for a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Ticks whose time is not after that of a tick before them, which a time series cannot hold.
    pub skipped: u64,
}

/// The window of `--from` and `--to`, in unix milliseconds.
pub fn window(from: Option<i64>, to: Option<i64>) -> Result<Window, ConfigError> {
    let window = Window { from_ms: from.unwrap_or(i64::MIN), to_ms: to.unwrap_or(i64::MAX) };
    if window.from_ms >= window.to_ms {
        let invalid = Invalid::new(timestamp::to_rfc3339(window.from_ms), "a time before --to");
        return Err(ConfigError { problems: vec![invalid.of("--from")] });
    }
    Ok(window)
}

/// Writes what is asked for to `out`. A reader of it that has gone ends this without an error: it had enough, as `head` has, and
/// one that failed says so itself.
pub fn run(db_file: &Path, asked: &Asked, mut out: impl Write) -> Result<Exported, Failed> {
    let told = |why: String| Failed::System(format!("DB_FILE {}: {why}", db_file.display()));
    let mut connection = exchange::open(db_file)?;
    if migrations::standing(&mut connection).map_err(told)? != Standing::Current {
        let why = "it was written by another version; start this version on it once";
        return Err(told(why.to_owned()));
    }
    let services = chosen(living(&mut connection)?, &asked.services).map_err(Failed::System)?;
    let mut source = Source { connection, window: asked.window };
    let written = match asked.format {
        Format::Csv => rows::csv(&mut source, &services, &mut out),
        Format::Jsonl => rows::jsonl(&mut source, &services, &mut out),
        Format::Openmetrics => openmetrics::write(&mut source, &services, &mut out),
    };
    match written.and_then(|exported| Ok(out.flush().map(|()| exported)?)) {
        Ok(exported) => Ok(exported),
        Err(Broken::Store(id, error)) => Err(told(format!("service {id}: {error}"))),
        Err(Broken::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
            Ok(Exported::default())
        }
        Err(Broken::Output(error)) => Err(Failed::System(format!("standard output: {error}"))),
    }
}

/// Those of `services` that are wanted, in their order; all when none is named. The error names what none of them is.
fn chosen(services: Vec<Walked>, wanted: &[String]) -> Result<Vec<Walked>, String> {
    if wanted.is_empty() {
        return Ok(services);
    }
    let mut chosen = vec![false; services.len()];
    let mut unknown = Vec::new();
    for text in wanted {
        let by_id = services.iter().position(|service| service.id.to_string() == *text);
        match by_id.or_else(|| services.iter().position(|service| service.name == *text)) {
            Some(nth) => chosen[nth] = true,
            None => {
                let expected = "the id or name of a service that is not deleted";
                unknown.push(Invalid::quoted(text, expected).of("--service"));
            }
        }
    }
    if !unknown.is_empty() {
        return Err(unknown.join("\n"));
    }
    Ok(services.into_iter().zip(chosen).filter(|(_, is)| *is).map(|(it, _)| it).collect())
}

/// Why an export broke off.
#[derive(Debug)]
enum Broken {
    /// The ticks of this service cannot be read.
    Store(ServiceId, StorageError),
    /// The text cannot be written.
    Output(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Where the ticks come from.
struct Source {
    connection: SqliteConnection,
    window: Window,
}

impl Source {
    /// Shows every tick of `service`, oldest first.
    fn each(
        &mut self,
        service: &Walked,
        mut show: impl FnMut(&StoredTick) -> io::Result<()>,
    ) -> Result<(), Broken> {
        let mut walk = Walk::new(service, self.window);
        let broken = |error| Broken::Store(service.id, error);
        while let Some(ticks) = walk.step(&mut self.connection).map_err(broken)? {
            for tick in &ticks {
                show(tick)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_chosen_by_id_or_name_and_each_once() {
        let service = |id, name: &str| Walked {
            id: ServiceId::new(id).unwrap(),
            name: name.to_owned(),
            group: None,
            newest_seq: 0,
        };
        let all = || vec![service(1, "a"), service(2, "b"), service(3, "2")];
        let ids = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            let found = chosen(all(), &wanted)?;
            Ok(found.iter().map(|service| service.id.get()).collect::<Vec<_>>())
        };
        assert_eq!(ids(&[]), Ok(vec![1, 2, 3]));
        assert_eq!(ids(&["b", "a", "2"]), Ok(vec![1, 2]), "an id comes before a name");
        let told: Result<_, String> = ids(&["a", "c", "4"]);
        let told = told.unwrap_err();
        assert!(told.contains("\"c\"") && told.contains("\"4\""), "{told}");
    }

    #[test]
    fn a_window_must_have_a_length() {
        assert_eq!(window(None, None).unwrap(), Window::ALL);
        assert_eq!(window(Some(1), Some(2)).unwrap(), Window { from_ms: 1, to_ms: 2 });
        assert!(window(Some(2), Some(2)).unwrap_err().to_string().contains("--from"));
    }
}
