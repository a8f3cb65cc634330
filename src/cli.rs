//! Arguments of the command line (contract, "Command line").

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::domain::Role;
use crate::domain::access::Scope;
use crate::domain::alert::MessageState;
use crate::domain::time::{duration, timestamp};

/// An uptime monitor: probes services, stores every result, and reports uptime, downtime with its
/// reason, and response times.
///
/// Environment variables or a .env file configure it; see .env.example. Exit codes: 0 done,
/// 1 failed, 2 wrong use or configuration.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the monitor: the probers and the HTTP API.
    Run(RunArgs),
    /// Probe one URL now and print the result; the exit code is 0 when the target is up.
    Probe(ProbeArgs),
    /// Print what a services file would add, change and remove; change nothing.
    CheckFile {
        /// A services file, or a folder of services files.
        file: PathBuf,
    },
    /// Import the data of another tool.
    #[command(subcommand)]
    Import(Import),
    /// Write the ticks of services to standard output, oldest first.
    Export(ExportArgs),
    /// Write a consistent copy of the store as an SQLite file, whether the service runs or not.
    Backup {
        /// The copy; the file must not exist.
        file: PathBuf,
    },
    /// Replace DB_FILE by a backup and keep the old file beside it; the service must not run, and
    /// the store must not be a PostgreSQL database.
    Restore {
        /// The backup; the command only reads it.
        file: PathBuf,
    },
    /// Move the configured store to another, empty one, and compare both; no service may use them.
    /// An interrupted move goes on when it is run again.
    Move {
        /// A PostgreSQL database (postgres://USER:PASSWORD@HOST:PORT/DATABASE) or an SQLite file.
        #[arg(long, value_name = "URL-or-FILE")]
        to: String,
    },
    /// Check the integrity of a store; change nothing.
    CheckDb {
        /// An SQLite file; by default the configured store.
        file: Option<PathBuf>,
    },
    /// Check that the service on this machine is healthy; for a container's health check.
    Health,
    /// Test channels; show, acknowledge and silence alerts of the running service.
    #[command(subcommand)]
    Alert(AlertCommand),
    /// Create, list and revoke tokens of the API, whether the service runs or not.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Become a plugin; the monitor starts this for external checks.
    #[command(hide = true)]
    ExecPlugin(PluginArgs),
}

#[derive(Debug, Default, Args)]
pub struct RunArgs {
    /// Part of this instance, if several run on a PostgreSQL database; by default ROLE.
    #[arg(long, value_enum)]
    pub role: Option<InstanceRole>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InstanceRole {
    /// Probe, and serve everything
    All,
    /// Probe, and serve metrics and health only
    Runner,
    /// Serve pages and the API, and probe on demand only
    Api,
}

impl From<InstanceRole> for Role {
    fn from(role: InstanceRole) -> Self {
        match role {
            InstanceRole::All => Self::All,
            InstanceRole::Runner => Self::Runner,
            InstanceRole::Api => Self::Api,
        }
    }
}

#[derive(Debug, Default, Args)]
pub struct ProbeArgs {
    /// The target; its scheme selects the protocol, as for a service.
    pub url: String,
    /// Timeout in seconds; by default RUNNER_HTTP_TIMEOUT_SECONDS.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// A condition for the response, as in the services file; may be repeated.
    #[arg(long, value_name = "CONDITION")]
    pub condition: Vec<String>,
    /// More fields of the API, as a JSON object such as '{"insecure": true}'.
    #[arg(long, value_name = "JSON")]
    pub option: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The words of `probe::exec::launcher::command`.
#[derive(Debug, Args)]
pub struct PluginArgs {
    #[arg(long)]
    pub folder: PathBuf,
    #[arg(long)]
    pub memory_limit: u64,
    /// Process id of the monitor.
    #[arg(long)]
    pub parent: u32,
    /// A file in the folder.
    pub name: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Format of the output.
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub format: ExportFormat,
    /// Export only this service, by its id, name or GROUP/NAME; may be repeated.
    #[arg(long = "service", value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Export only ticks at or after this time: unix seconds or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = unix_ms)]
    pub from: Option<i64>,
    /// Export only ticks before this time.
    #[arg(long, value_name = "TIME", value_parser = unix_ms)]
    pub to: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Comma-separated values with a header, one tick per line
    Csv,
    /// One JSON object per line, one tick each
    Jsonl,
    /// OpenMetrics with timestamps, for promtool and other time series databases
    Openmetrics,
}

#[derive(Debug, Subcommand)]
pub enum Import {
    /// Import a database of go-service-healthcheck into the store, which no service may use.
    GoDb {
        /// The database; the command only reads it.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token and print it, once.
    Create(TokenArgs),
    /// Print the tokens without their texts, one per line.
    List,
    /// Revoke a token and end its sessions.
    Revoke {
        /// Name of the token.
        name: String,
    },
}

#[derive(Debug, Args)]
pub struct TokenArgs {
    /// Name of the token, unique among those that are not revoked.
    #[arg(long)]
    pub name: String,
    /// What the token permits: metrics, read, write, probe, heartbeat or admin; may be repeated.
    #[arg(long, required = true, value_parser = scope)]
    pub scope: Vec<Scope>,
    /// Show only services of this group; may be repeated.
    #[arg(long)]
    pub group: Vec<String>,
    /// Time until the token ends, such as 12h or 90d; by default never.
    #[arg(long, value_name = "DURATION", value_parser = span)]
    pub expires: Option<Duration>,
}

#[derive(Debug, Subcommand)]
pub enum AlertCommand {
    /// Deliver a test message to a channel; the exit code is 0 when it arrived.
    Test(ChannelArgs),
    /// Print the request of a test message, with masked secrets; send nothing.
    Render(ChannelArgs),
    /// Print the open alerts, one per line, newest first.
    List {
        /// Print the alerts that have ended too.
        #[arg(long)]
        all: bool,
    },
    /// Acknowledge an alert: no reminders and no escalation until it ends.
    Ack(AckArgs),
    /// Suppress the messages about some alerts for a time.
    #[command(subcommand)]
    Silence(SilenceCommand),
}

#[derive(Debug, Args)]
pub struct ChannelArgs {
    /// Name of the channel.
    pub channel: String,
    /// What the message reports.
    #[arg(long, value_enum, default_value_t = TestState::Firing)]
    pub state: TestState,
    /// Take the channel from this services file, without a running service.
    #[arg(long)]
    pub file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TestState {
    /// An alert begins
    Firing,
    /// A reminder: the alert still fires
    Still,
    /// The alert ends
    Resolved,
    /// Several alerts in one message
    Digest,
}

impl TestState {
    pub fn message_state(self) -> MessageState {
        match self {
            Self::Firing => MessageState::Firing,
            Self::Still => MessageState::Still,
            Self::Resolved => MessageState::Resolved,
            Self::Digest => MessageState::Digest,
        }
    }
}

#[derive(Debug, Args)]
pub struct AckArgs {
    /// Id of the alert.
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub id: u64,
    /// Who acknowledges it.
    #[arg(long)]
    pub by: Option<String>,
    #[arg(long)]
    pub note: Option<String>,
    /// Acknowledge it until this time only: unix seconds or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = unix_ms)]
    pub until: Option<i64>,
    /// Take the acknowledgement back.
    #[arg(long, conflicts_with_all = ["by", "note", "until"])]
    pub undo: bool,
}

#[derive(Debug, Subcommand)]
pub enum SilenceCommand {
    /// Add a silence that begins now.
    Add(SilenceArgs),
    /// Print the silences that have not ended.
    List,
    /// Delete a silence.
    End {
        /// Id of the silence.
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        id: u64,
    },
}

/// Every option of the match may be repeated; `*` stands for any characters.
#[derive(Debug, Default, Args)]
#[command(group = ArgGroup::new("matched").required(true).multiple(true)
    .args(["name", "group", "kind", "severity"]))]
#[command(group = ArgGroup::new("end").required(true).args(["length", "until"]))]
pub struct SilenceArgs {
    /// Name of a service.
    #[arg(long)]
    pub name: Vec<String>,
    /// Group of services.
    #[arg(long)]
    pub group: Vec<String>,
    /// Kind of alerts, such as down or certificate.
    #[arg(long)]
    pub kind: Vec<String>,
    /// Severity of alerts: info, warning or critical.
    #[arg(long)]
    pub severity: Vec<String>,
    /// How long, such as 90m, 8h or 2d.
    #[arg(long = "for", value_name = "DURATION", value_parser = span)]
    pub length: Option<Duration>,
    /// Until when: unix seconds or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = unix_ms)]
    pub until: Option<i64>,
    /// Who suppresses them.
    #[arg(long)]
    pub by: Option<String>,
    /// Why.
    #[arg(long)]
    pub note: Option<String>,
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).map_err(|invalid| invalid.to_string())
}

fn span(text: &str) -> Result<Duration, &'static str> {
    duration::parse_span(text).ok_or("expected a duration such as 90m, 8h or 2d")
}

fn unix_ms(text: &str) -> Result<i64, &'static str> {
    timestamp::parse(text)
        .ok_or("expected unix seconds (1795430803) or RFC 3339 (2026-11-23T10:46:43Z)")
}
