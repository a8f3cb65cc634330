//! A connection to the database for one thread.

use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use diesel::QueryResult;
use diesel::connection::TransactionManager;
use diesel_async::async_connection_wrapper::{AsyncConnectionWrapper, BlockOn};
use diesel_async::{AnsiTransactionManager, AsyncPgConnection, SimpleAsyncConnection};
use tokio::net::lookup_host;
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, NoTls, Socket};
use url::Host;

use crate::storage::postgres::database_url::{Place, Server};
use crate::storage::postgres::driver::Driver;
use crate::storage::postgres::settings::Settings;

pub use crate::storage::postgres::connect_error::ConnectError;
use crate::storage::postgres::connect_error::Failure;
pub use crate::storage::postgres::runtime::ThreadRuntime;

/// A connection that diesel uses as a synchronous one. Each wait turns the runtime of its thread.
pub type StoreConnection = AsyncConnectionWrapper<AsyncPgConnection, ThreadRuntime>;

type Manager = <StoreConnection as diesel::Connection>::TransactionManager;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Each transaction is read only and sees one snapshot.
    Read,
    /// Each statement of a transaction sees what is committed.
    Write,
}

impl Mode {
    /// Set after the log-in, since pgBouncer refuses them among the startup parameters. The server
    /// ends a statement before the deadline of a call (10 s) has passed.
    ///
    /// A pgBouncer that pools transactions lets a session's settings reach other sessions. So none
    /// of them keeps another session from its work, and [`begin`](Self::begin) says what matters.
    fn session_settings(self) -> &'static str {
        match self {
            Self::Read => {
                "SET statement_timeout = '9s'; SET default_transaction_read_only = off; \
                 SET default_transaction_isolation = 'repeatable read'"
            }
            Self::Write => {
                "SET statement_timeout = '9s'; SET default_transaction_read_only = off; \
                 SET default_transaction_isolation = 'read committed'"
            }
        }
    }

    /// Begins a transaction. Within a deadline, the server ends the transaction of a process that
    /// was stopped, so that its locks do not outlive it for long; without one, a statement may take
    /// any time.
    fn begin(self, has_deadline: bool) -> &'static str {
        match (self, has_deadline) {
            (Self::Read, true) => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            (Self::Read, false) => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = 0"
            }
            (Self::Write, true) => {
                "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE; \
                 SET LOCAL idle_in_transaction_session_timeout = '9s'"
            }
            (Self::Write, false) => {
                "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE; SET LOCAL statement_timeout = 0"
            }
        }
    }
}

/// An open connection. It belongs to the thread that opened it: another one may use it, and then
/// waits for that thread's runtime. Dropping it closes the socket at once.
pub struct Connection {
    // Dropped before the driver, which then closes the socket.
    store: StoreConnection,
    driver: Driver,
    mode: Mode,
}

impl Connection {
    /// Tries the servers in their order, and each of their addresses. Must not be called inside of
    /// an asynchronous runtime.
    pub fn open(settings: &Settings, mode: Mode) -> Result<Self, ConnectError> {
        let runtime = ThreadRuntime::of_this_thread().map_err(|error| {
            ConnectError::new(vec![Failure::new("the database", error.to_string(), true)])
        })?;
        let mut failures = Vec::new();
        for server in settings.servers() {
            let addresses = match runtime.block_on(addresses(settings, server)) {
                Ok(addresses) => addresses,
                Err(failure) => {
                    failures.push(failure);
                    continue;
                }
            };
            for address in addresses {
                match connect(&runtime, settings, server, &address, mode) {
                    Ok(connection) => return Ok(connection),
                    Err(failure) => failures.push(failure),
                }
            }
        }
        Err(ConnectError::new(failures))
    }

    /// Starts the deadline of the call under way, or ends it with `None`. When it passes, the
    /// pending statement and all later ones fail.
    pub fn limit(&mut self, limit: Option<Duration>) {
        self.driver.limit(limit);
    }

    /// Begins a transaction of its mode; inside of one, a savepoint.
    pub fn begin(&mut self) -> QueryResult<()> {
        let status = Manager::transaction_manager_status_mut(&mut self.store);
        if status.transaction_depth()?.is_some() {
            return Manager::begin_transaction(&mut self.store);
        }
        let begin = self.mode.begin(self.driver.has_limit());
        let begun = AnsiTransactionManager::begin_transaction_sql(&mut *self.store, begin);
        self.driver.block_on(begun)
    }

    /// Whether the connection has ended, as by a restart of the server. Reads what the server has
    /// sent meanwhile; does not wait for it.
    pub fn is_closed(&mut self) -> bool {
        self.driver.is_closed()
    }

    /// Why the connection has ended; `None` while it is open.
    pub fn end(&self) -> Option<String> {
        self.driver.end()
    }
}

impl Deref for Connection {
    type Target = StoreConnection;

    fn deref(&self) -> &StoreConnection {
        &self.store
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut StoreConnection {
        &mut self.store
    }
}

/// Where one attempt goes.
enum Address<'s> {
    Tcp(IpAddr),
    /// The folder of the socket.
    Unix(&'s Path),
}

async fn addresses<'s>(
    settings: &Settings,
    server: &'s Server,
) -> Result<Vec<Address<'s>>, Failure> {
    let name = match &server.place {
        Place::Unix(folder) => return Ok(vec![Address::Unix(folder)]),
        Place::Tcp(Host::Ipv4(address)) => return Ok(vec![Address::Tcp((*address).into())]),
        Place::Tcp(Host::Ipv6(address)) => return Ok(vec![Address::Tcp((*address).into())]),
        Place::Tcp(Host::Domain(name)) => name.as_str(),
    };
    match timeout(settings.connect_timeout, lookup_host((name, server.port))).await {
        Ok(Ok(found)) => Ok(found.map(|address| Address::Tcp(address.ip())).collect()),
        Ok(Err(error)) => Err(Failure::resolving(server, &error)),
        Err(_) => Err(Failure::timed_out(server, settings.connect_timeout)),
    }
}

/// One attempt, within the time for it.
fn connect(
    runtime: &ThreadRuntime,
    settings: &Settings,
    server: &Server,
    address: &Address<'_>,
    mode: Mode,
) -> Result<Connection, Failure> {
    let mut config = settings.client_config();
    config.port(server.port);
    match (address, &server.place) {
        (Address::Unix(folder), _) => drop(config.host_path(folder)),
        (Address::Tcp(address), place) => {
            // The name is what the certificate must be for.
            let name = match place {
                Place::Tcp(Host::Domain(name)) => name.clone(),
                _ => address.to_string(),
            };
            config.host(name).hostaddr(*address);
        }
    }
    let attempt = async {
        match settings.tls_of(server) {
            Some(tls) => {
                config.ssl_mode(tokio_postgres::config::SslMode::Require);
                log_in(runtime, server, &config, tls, mode).await
            }
            None => {
                config.ssl_mode(tokio_postgres::config::SslMode::Disable);
                log_in(runtime, server, &config, NoTls, mode).await
            }
        }
    };
    let done = runtime.block_on(async { timeout(settings.connect_timeout, attempt).await });
    let done = done.unwrap_or_else(|_| Err(Failure::timed_out(server, settings.connect_timeout)));
    if done.is_err() {
        // The driver of a failed attempt was aborted, and now drops its socket.
        runtime.block_on(yield_now());
    }
    done
}

async fn log_in<T>(
    runtime: &ThreadRuntime,
    server: &Server,
    config: &Config,
    tls: T,
    mode: Mode,
) -> Result<Connection, Failure>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let connected = config.connect(tls).await;
    let (client, connection) = connected.map_err(|error| Failure::of_client(server, &error))?;
    let driver = Driver::spawn(runtime.clone(), connection);
    let store = AsyncPgConnection::try_from(client).await;
    let mut store = store.map_err(|error| Failure::of_session(server, &error))?;
    let set = store.batch_execute(mode.session_settings()).await;
    set.map_err(|error| Failure::of_session(server, &error))?;
    Ok(Connection { store: store.into(), driver, mode })
}

#[cfg(test)]
mod tests;
