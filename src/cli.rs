//! The command line (contract, "Command line").

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands::export::Format;
use crate::domain::time::timestamp;

/// An uptime monitor: probes your services day and night and says whether they answer, since when not, why, and how fast.
///
/// It is configured by environment variables or a .env file; see .env.example. Exit codes: 0 done, 1 failed, 2 wrong use
/// or configuration.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service: the prober and its HTTP API.
    Run,
    /// Probe one URL now and tell what was seen; the exit code is 0 when it is up.
    Probe {
        /// What to ask; its scheme says how, as for a service.
        url: String,
        /// Longest time it may take, in seconds; RUNNER_HTTP_TIMEOUT_SECONDS when not given.
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<f64>,
        /// What the answer must fulfil, as in the services file; may be given more than once.
        #[arg(long, value_name = "CONDITION")]
        condition: Vec<String>,
        /// What else is to be said of it: a JSON object with fields of the API, such as '{"insecure": true}'.
        #[arg(long, value_name = "JSON")]
        option: Option<String>,
        /// Tell it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tell what a services file would add, change and remove, and change nothing.
    CheckFile {
        /// The file, or a folder of files.
        file: PathBuf,
    },
    /// Take over the data of another tool.
    #[command(subcommand)]
    Import(Import),
    /// Write the ticks of services to standard output, oldest first.
    Export {
        /// How they are written.
        #[arg(long, value_enum, default_value_t = Format::Csv)]
        format: Format,
        /// Only those of this service; may be given more than once.
        #[arg(long = "service", value_name = "ID-OR-NAME")]
        services: Vec<String>,
        /// Only those from this moment on: unix seconds, or RFC 3339.
        #[arg(long, value_name = "MOMENT", value_parser = moment)]
        from: Option<i64>,
        /// Only those before this moment.
        #[arg(long, value_name = "MOMENT", value_parser = moment)]
        to: Option<i64>,
    },
    /// Write a consistent copy of DB_FILE, while the service runs or not.
    Backup {
        /// The copy; it must not exist.
        file: PathBuf,
    },
    /// Put a copy in the place of DB_FILE, which is kept beside it under another name; no service may use it meanwhile.
    Restore {
        /// The copy; it is only read.
        file: PathBuf,
    },
    /// Tell whether a database is whole, and change nothing.
    CheckDb {
        /// The database; DB_FILE when not given.
        file: Option<PathBuf>,
    },
    /// Ask the service that runs here whether it serves; for a container's health check.
    Health,
}

/// What can be taken over.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// A database of go-service-healthcheck, into DB_FILE; it is only read.
    GoDb {
        /// The database.
        file: PathBuf,
    },
}

/// A moment, in unix milliseconds.
fn moment(text: &str) -> Result<i64, &'static str> {
    timestamp::parse(text)
        .ok_or("expected unix seconds (1795430803) or RFC 3339 (2026-11-23T10:46:43Z)")
}
