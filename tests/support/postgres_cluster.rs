//! Private PostgreSQL clusters and their databases, for unit tests and end-to-end tests alike;
//! `tests/postgres.sh` runs the server. The crate that includes this file needs tokio and
//! tokio-postgres.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use tokio_postgres::{NoTls, SimpleQueryMessage};

const SCRIPT: &str = include_str!("../postgres.sh");

/// The port of a cluster without TCP; it names the socket.
const SOCKET_PORT: u16 = 5432;

/// What a cluster has beside a socket and the settings of `tests/postgres.sh`.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    settings: Vec<String>,
    /// The folder for its folder; `None` for that of temporary files.
    parent: Option<PathBuf>,
    port: Option<u16>,
    /// Certificate and key in PEM.
    tls: Option<[String; 2]>,
}

impl ClusterOptions {
    /// A setting of `postgresql.conf`.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push(format!("{name}={value}"));
        self
    }

    /// Has its folder in `parent`, which the server's user must be able to enter.
    pub fn inside(self, parent: &Path) -> Self {
        Self { parent: Some(parent.to_owned()), ..self }
    }

    /// Commits are on the disk when they are acknowledged.
    pub fn fsync(self) -> Self {
        self.setting("fsync", "on")
    }

    /// Listens on a free port of 127.0.0.1 too.
    pub fn tcp(mut self) -> Self {
        // Another process may take the port before the server does; then the start fails.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        self.port = Some(port);
        self.setting("listen_addresses", "127.0.0.1").setting("port", &port.to_string())
    }

    /// Accepts TLS with this certificate and key.
    pub fn tls(mut self, certificate_pem: &str, key_pem: &str) -> Self {
        self.tls = Some([certificate_pem.to_owned(), key_pem.to_owned()]);
        self.setting("ssl", "on")
    }
}

/// A running server. It ends, and its folder is removed, when it is dropped or its owner ends in
/// any other way.
#[derive(Clone)]
pub struct Cluster(Arc<Server>);

struct Server {
    /// Has the socket and the data.
    folder: PathBuf,
    port: u16,
    script: Mutex<Script>,
    /// Name of the migrated database.
    template: OnceLock<String>,
    databases: AtomicU64,
    is_shared: bool,
}

struct Script {
    child: Child,
    /// Closed to end the server.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    /// The cluster of this process, without syncs, which tests share. It must not be stopped.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::launch(&ClusterOptions::default(), true))
    }

    /// A cluster that is not shared.
    pub fn new(options: &ClusterOptions) -> Self {
        Self::launch(options, false)
    }

    fn launch(options: &ClusterOptions, is_shared: bool) -> Self {
        let mut child = Command::new("bash")
            .args(["-c", SCRIPT, "postgres.sh"])
            .args(&options.settings)
            .envs(options.parent.as_ref().map(|parent| ("TMPDIR", parent)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A signal to the group of the tests must not end the script before it has cleaned up.
            .process_group(0)
            .spawn()
            .unwrap();
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut script = Script { child, commands, answers };
        let folder = script.answer();
        assert!(folder.starts_with('/'), "{folder}");
        let server = Server {
            folder: folder.into(),
            port: options.port.unwrap_or(SOCKET_PORT),
            script: Mutex::new(script),
            template: OnceLock::new(),
            databases: AtomicU64::new(0),
            is_shared,
        };
        if let Some([certificate, key]) = &options.tls {
            server.write_data("server.crt", certificate);
            server.write_data("server.key", key);
        }
        let cluster = Self(Arc::new(server));
        cluster.start();
        cluster
    }

    /// Returns when the server accepts connections.
    pub fn start(&self) {
        self.0.command("start");
    }

    /// Ends the server and its connections at once, as a crash does.
    pub fn stop(&self) {
        assert!(!self.0.is_shared);
        self.0.command("stop");
    }

    /// Stops and starts.
    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    /// Stops the processes of the server by SIGSTOP: it answers nothing, and its sockets stay open.
    pub fn pause(&self) {
        assert!(!self.0.is_shared);
        self.0.command("pause");
    }

    pub fn resume(&self) {
        self.0.command("resume");
    }

    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The folder with the socket.
    pub fn folder(&self) -> &PathBuf {
        &self.0.folder
    }

    /// An empty database.
    pub fn empty_database(&self) -> Database {
        self.create("template0")
    }

    /// A copy of a database that `migrate` made once for this cluster; it takes an empty database,
    /// and must close its connections.
    pub fn new_database(&self, migrate: impl FnOnce(&Database)) -> Database {
        let template = self.0.template.get_or_init(|| {
            let mut template = self.empty_database();
            template.is_dropped = false;
            migrate(&template);
            template.name.clone()
        });
        self.create(template)
    }

    fn create(&self, template: &str) -> Database {
        let name = format!("test_{}", self.0.databases.fetch_add(1, Ordering::Relaxed));
        self.0.query("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Database { server: Arc::clone(&self.0), name, is_dropped: self.0.is_shared }
    }
}

impl Server {
    fn command(&self, command: &str) {
        let mut script = self.script.lock().unwrap();
        writeln!(script.commands.as_ref().unwrap(), "{command}").unwrap();
        let answer = script.answer();
        assert_eq!(answer, "ok", "{command}");
    }

    fn url(&self, database: &str) -> String {
        let (folder, port) = (self.folder.display(), self.port);
        format!("postgres:///{database}?host={folder}&port={port}&user=postgres")
    }

    /// Runs statements; returns the rows of all, as text.
    fn query(&self, database: &str, sql: &str) -> Vec<Vec<Option<String>>> {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.folder).port(self.port).user("postgres").dbname(database);
        let query = async {
            let (client, connection) = config.connect(NoTls).await?;
            let driver = tokio::spawn(connection);
            let messages = client.simple_query(sql).await;
            drop(client);
            driver.await.unwrap()?;
            messages
        };
        // The calling thread may have a runtime, in which another one cannot run.
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(query)
        };
        let messages = thread::scope(|scope| scope.spawn(run).join().unwrap());
        let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.map(|row| (0..row.len()).map(|nth| row.get(nth).map(str::to_owned)).collect())
            .collect()
    }

    /// Writes a file that only the server's user can read.
    fn write_data(&self, name: &str, text: &str) {
        let data = self.folder.join("data");
        let (file, owner) = (data.join(name), fs::metadata(&data).unwrap());
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
}

impl Script {
    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.child.wait();
    }
}

/// A database; a shared cluster drops it with this.
pub struct Database {
    server: Arc<Server>,
    name: String,
    /// Whether it goes before its cluster.
    is_dropped: bool,
}

impl Database {
    /// A value of `DATABASE_URL`.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements on a new connection; returns the rows of all, as text.
    pub fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.server.query(&self.name, sql)
    }

    /// Ends all connections to this database, and refuses new ones until [`open`](Self::open).
    pub fn close(&self) {
        self.alter("ALLOW_CONNECTIONS false");
        let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname =";
        self.server.query("postgres", &format!("{all} '{}'", self.name));
    }

    pub fn open(&self) {
        self.alter("ALLOW_CONNECTIONS true");
    }

    fn alter(&self, change: &str) {
        self.server.query("postgres", &format!("ALTER DATABASE {} {change}", self.name));
    }

    /// The cluster of this database.
    pub fn cluster(&self) -> Cluster {
        Cluster(Arc::clone(&self.server))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.is_dropped {
            // In the background: dropping writes a checkpoint.
            let (server, name) = (Arc::clone(&self.server), self.name.clone());
            thread::spawn(move || {
                server.query("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
            });
        }
    }
}
