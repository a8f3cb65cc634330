//! Connections to servers of a private cluster.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use diesel::connection::{SimpleConnection, TransactionManager};
use diesel::sql_types::{Bool, Text};
use diesel::{Connection as _, RunQueryDsl};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::{ConnectError, Connection, Manager, Mode};
use crate::storage::contract::postgres_cluster::{Cluster, ClusterOptions, Database};
use crate::storage::postgres::settings::Settings;

const PASSWORD: &str = "s3cret/p@ss word";
const ENCODED_PASSWORD: &str = "s3cret%2Fp%40ss%20word";

/// A server that asks for a password over TCP, and whose certificate is for `localhost` alone.
struct Secured {
    cluster: Cluster,
    /// Has the files `ca.pem` and `other.pem`, an authority that did not sign.
    folder: TempDir,
}

fn secured() -> &'static Secured {
    static SECURED: OnceLock<Secured> = OnceLock::new();
    SECURED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let authority = |file: &str| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![]).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, file);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let certificate = params.self_signed(&key).unwrap();
            fs::write(folder.path().join(file), certificate.pem()).unwrap();
            Issuer::new(params, key)
        };
        let issuer = authority("ca.pem");
        authority("other.pem");
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = server.signed_by(&key, &issuer).unwrap();
        let access = folder.path().join("pg_hba.conf");
        fs::write(&access, "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
            .unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let options = ClusterOptions::default()
            .tcp()
            .tls(&certificate.pem(), &key.serialize_pem())
            .setting("hba_file", access.to_str().unwrap());
        let cluster = Cluster::new(&options);
        let database = cluster.empty_database();
        database.query(&format!("CREATE ROLE mon LOGIN PASSWORD '{PASSWORD}'"));
        database.query("CREATE DATABASE up");
        Secured { cluster, folder }
    })
}

impl Secured {
    fn url(&self, host: &str) -> String {
        format!("postgres://mon:{ENCODED_PASSWORD}@{host}:{}/up", self.cluster.port())
    }

    fn settings(&self, host: &str, mode: &str, ca_file: &str) -> Settings {
        let url = format!("{}?sslmode={mode}", self.url(host));
        Settings::parse(&url, Some(&self.folder.path().join(ca_file))).unwrap()
    }
}

fn parse(url: &str) -> Settings {
    Settings::parse(url, None).unwrap()
}

fn open(url: &str) -> Connection {
    Connection::open(&parse(url), Mode::Write).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn failure(settings: &Settings) -> ConnectError {
    let error =
        Connection::open(settings, Mode::Write).map(|_| panic!("{settings:?}")).unwrap_err();
    for secret in [PASSWORD, ENCODED_PASSWORD] {
        assert!(!format!("{error} {error:?} {settings:?}").contains(secret), "{error}");
    }
    error
}

fn text(connection: &mut Connection, query: &str) -> String {
    diesel::select(diesel::dsl::sql::<Text>(query)).get_result(&mut **connection).unwrap()
}

fn uses_tls(connection: &mut Connection) -> bool {
    let query = "(SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())";
    diesel::select(diesel::dsl::sql::<Bool>(query)).get_result(&mut **connection).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_password_of_the_url_is_used() {
    let secured = secured();
    let mut connection = open(&secured.url("127.0.0.1"));
    assert_eq!(text(&mut connection, "current_user::text"), "mon");
    assert_eq!(text(&mut connection, "current_setting('application_name')"), "service-healthcheck");
    let wrong = format!("postgres://mon:wr0ng@127.0.0.1:{}/up", secured.cluster.port());
    let error = failure(&parse(&wrong));
    let expected = format!(
        "cannot connect to 127.0.0.1:{}: password authentication failed for user \"mon\" (28P01)",
        secured.cluster.port()
    );
    assert_eq!((error.to_string(), error.is_temporary()), (expected, false));
    let none = format!("postgres://mon@127.0.0.1:{}/up", secured.cluster.port());
    let error = failure(&parse(&none));
    assert!(error.to_string().ends_with("asks for a password, and DATABASE_URL has none"));
    assert!(!error.is_temporary());
}

#[test]
fn a_missing_database_and_a_missing_role_are_named() {
    let cluster = Cluster::shared();
    let (folder, port) = (cluster.folder().display(), cluster.port());
    let url = |user, database| format!("postgres://{user}@/{database}?host={folder}&port={port}");
    let error = failure(&parse(&url("postgres", "nowhere")));
    assert!(error.to_string().ends_with("database \"nowhere\" does not exist (3D000)"), "{error}");
    assert!(!error.is_temporary());
    let error = failure(&parse(&url("nobody", "postgres")));
    assert!(error.to_string().contains("role \"nobody\" does not exist"), "{error}");
    assert!(!error.is_temporary());
}

#[test]
fn servers_that_cannot_be_reached_are_temporary_failures() {
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    for (host, reason) in [
        (format!("127.0.0.1:{port}"), format!("127.0.0.1:{port}: Connection refused")),
        (format!("localhost:{port}"), format!("localhost:{port}: Connection refused")),
        ("nowhere.invalid".to_owned(), "the name cannot be resolved: ".to_owned()),
        (
            folder.path().to_str().unwrap().replace('/', "%2F"),
            format!("{}/.s.PGSQL.5432: No such file", folder.path().display()),
        ),
    ] {
        let settings = parse(&format!("postgres://u:{ENCODED_PASSWORD}@{host}/u?sslmode=disable"));
        let error = failure(&settings);
        assert!(error.to_string().contains(&reason), "{error}");
        assert!(error.is_temporary(), "{error}");
    }
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    // The system accepts the connection, and nothing reads from it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for mode in ["disable", "require"] {
        let mut settings = parse(&format!("postgres://u:p@127.0.0.1:{port}/u?sslmode={mode}"));
        settings.connect_timeout = Duration::from_millis(200);
        let error = failure(&settings);
        assert!(error.to_string().ends_with("no answer within 0.2 s"), "{error}");
        assert!(error.is_temporary());
    }
}

#[test]
fn tls_verifies_the_authority_and_the_name() {
    let secured = secured();
    for mode in ["require", "verify-full"] {
        let settings = secured.settings("localhost", mode, "ca.pem");
        for mode in [Mode::Read, Mode::Write] {
            assert!(uses_tls(&mut Connection::open(&settings, mode).unwrap()));
        }
        let error = failure(&secured.settings("127.0.0.1", mode, "ca.pem"));
        assert!(error.to_string().contains("not valid for name \"127.0.0.1\""), "{error}");
        assert!(!error.is_temporary());
        let error = failure(&secured.settings("localhost", mode, "other.pem"));
        assert!(error.to_string().contains("no trusted authority has signed"), "{error}");
        assert!(error.to_string().contains("DATABASE_CA_FILE"), "{error}");
        assert!(!error.is_temporary());
    }
    let bound = format!("{}?sslmode=require&channel_binding=require", secured.url("localhost"));
    let authority = secured.folder.path().join("ca.pem");
    Connection::open(&Settings::parse(&bound, Some(&authority)).unwrap(), Mode::Write).unwrap();
}

#[test]
fn without_sslmode_a_loopback_address_has_no_tls() {
    let secured = secured();
    assert!(!uses_tls(&mut open(&secured.url("127.0.0.1"))));
    assert!(!uses_tls(&mut open(&format!("{}?sslmode=disable", secured.url("localhost")))));
}

#[test]
fn a_server_without_tls_is_not_used_without_consent() {
    let cluster = Cluster::new(&ClusterOptions::default().tcp());
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", cluster.port());
    assert!(!uses_tls(&mut open(&url)));
    let error = failure(&parse(&format!("{url}?sslmode=require")));
    assert!(error.to_string().contains("the server has no TLS; sslmode=disable"), "{error}");
    assert!(!error.is_temporary());
}

#[test]
fn the_first_server_that_takes_writes_is_used() {
    let replica = Cluster::new(
        &ClusterOptions::default().tcp().setting("default_transaction_read_only", "on"),
    );
    let secured = secured();
    let (dead, read_only, primary) = (free_port(), replica.port(), secured.cluster.port());
    let url = |ports: &[u16]| {
        let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("postgres://mon:{ENCODED_PASSWORD}@{}/up", hosts.join(","))
    };
    for ports in [&[dead, primary][..], &[primary, dead], &[read_only, dead, primary]] {
        let mut connection = open(&url(ports));
        let port: String = text(&mut connection, "inet_server_port()::text");
        assert_eq!(port, primary.to_string());
    }
    let read_only_url =
        format!("postgres://postgres@127.0.0.1:{read_only},127.0.0.1:{dead}/postgres");
    let error = failure(&parse(&read_only_url));
    let expected = format!(
        "cannot connect to 127.0.0.1:{read_only}: the server is read only, as a replica is; \
         127.0.0.1:{dead}: Connection refused"
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(error.is_temporary());
}

#[test]
fn a_unix_socket_needs_no_tls() {
    let database = Cluster::shared().empty_database();
    let mut connection = open(&format!("{}&sslmode=require", database.url()));
    assert_eq!(text(&mut connection, "current_database()::text"), database.name());
    let socket = database.cluster().folder().display().to_string().replace('/', "%2F");
    let mut connection = open(&format!("postgres://postgres@{socket}/{}", database.name()));
    assert_eq!(text(&mut connection, "current_user::text"), "postgres");
}

#[test]
fn a_reader_sees_snapshots_and_writes_nothing() {
    let database = Cluster::shared().empty_database();
    database.query("CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
    let settings = parse(&database.url());
    let mut reader = Connection::open(&settings, Mode::Read).unwrap();
    let count = "(SELECT count(*)::text FROM t)";
    reader.begin().unwrap();
    assert_eq!(text(&mut reader, count), "1");
    database.query("INSERT INTO t VALUES (2)");
    assert_eq!(text(&mut reader, count), "1");
    let error = reader.batch_execute("INSERT INTO t VALUES (3)").unwrap_err();
    assert!(error.to_string().contains("read-only transaction"), "{error}");
    Manager::rollback_transaction(&mut *reader).unwrap();
    assert_eq!(text(&mut reader, count), "2");
    assert!(!reader.is_closed());
    // What diesel begins is a snapshot as well.
    let counts = reader.transaction(|reader| {
        let before: String = diesel::select(diesel::dsl::sql::<Text>(count)).get_result(reader)?;
        database.query("INSERT INTO t VALUES (3)");
        let after: String = diesel::select(diesel::dsl::sql::<Text>(count)).get_result(reader)?;
        diesel::QueryResult::Ok((before, after))
    });
    assert_eq!(counts.unwrap(), ("2".to_owned(), "2".to_owned()));

    let mut writer = Connection::open(&settings, Mode::Write).unwrap();
    writer.begin().unwrap();
    writer.batch_execute("INSERT INTO t VALUES (4)").unwrap();
    assert_eq!(text(&mut writer, count), "4");
    database.query("INSERT INTO t VALUES (5)");
    assert_eq!(text(&mut writer, count), "5");
    // Inside of a transaction, a savepoint.
    writer.begin().unwrap();
    writer.batch_execute("INSERT INTO t VALUES (6)").unwrap();
    Manager::rollback_transaction(&mut *writer).unwrap();
    assert_eq!(text(&mut writer, count), "5");
    Manager::rollback_transaction(&mut *writer).unwrap();
    assert_eq!(text(&mut writer, count), "4");
    for (connection, mode) in [(&mut reader, Mode::Read), (&mut writer, Mode::Write)] {
        assert_eq!(text(connection, "current_setting('statement_timeout')"), "9s");
        assert_eq!(text(connection, "current_setting('TimeZone')"), "UTC", "{mode:?}");
    }
}

#[test]
fn only_transactions_within_a_deadline_are_bounded_by_the_server() {
    let database = Cluster::shared().empty_database();
    let settings = parse(&database.url());
    let statement = "current_setting('statement_timeout')";
    let idle = "current_setting('idle_in_transaction_session_timeout')";
    for (mode, idle_within_deadline) in [(Mode::Read, "0"), (Mode::Write, "9s")] {
        let mut connection = Connection::open(&settings, mode).unwrap();
        for (limit, expected) in
            [(Some(Duration::from_secs(600)), ("9s", idle_within_deadline)), (None, ("0", "0"))]
        {
            connection.limit(limit);
            connection.begin().unwrap();
            let bounds = (text(&mut connection, statement), text(&mut connection, idle));
            assert_eq!((bounds.0.as_str(), bounds.1.as_str()), expected, "{mode:?} {limit:?}");
            Manager::commit_transaction(&mut *connection).unwrap();
            assert_eq!(text(&mut connection, statement), "9s");
        }
    }
}

/// pgBouncer may hand a session of a reader to the writer, with the settings of the reader.
#[test]
fn the_settings_of_a_readers_session_do_not_keep_a_writer_from_writing() {
    let database = Cluster::shared().empty_database();
    let settings = parse(&database.url());
    let own = "(SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings \
               WHERE source = 'session' AND name <> 'default_transaction_isolation')";
    let [reader, writer] = [Mode::Read, Mode::Write]
        .map(|mode| text(&mut Connection::open(&settings, mode).unwrap(), own));
    assert_eq!(reader, writer);
    assert!(writer.contains("default_transaction_read_only=off"), "{writer}");
}

/// Sessions of `database` beside the one that counts them.
fn sessions(database: &Database) -> String {
    let query = "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.query(query)[0][0].clone().unwrap()
}

fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_dropped_connection_ends_its_session() {
    let database = Cluster::shared().empty_database();
    let mut idle = open(&database.url());
    idle.batch_execute("SELECT 1").unwrap();
    let mut in_transaction = open(&database.url());
    in_transaction.batch_execute("BEGIN").unwrap();
    assert_eq!(sessions(&database), "2");
    drop(in_transaction);
    drop(idle);
    wait_until("the sessions end", || sessions(&database) == "0");
}

#[test]
fn dropping_a_connection_inside_of_a_runtime_does_not_panic() {
    let database = Cluster::shared().empty_database();
    let connection = open(&database.url());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { drop(connection) });
    // The next wait of this thread closes its socket.
    open(&database.url());
    wait_until("the sessions end", || sessions(&database) == "0");
}

#[test]
fn a_server_that_stops_answering_is_given_up_at_the_deadline() {
    let cluster = Cluster::new(&ClusterOptions::default());
    let database = cluster.empty_database();
    let mut settings = parse(&database.url());
    let mut connection = Connection::open(&settings, Mode::Write).unwrap();
    connection.batch_execute("SELECT 1").unwrap();
    cluster.pause();
    assert!(!connection.is_closed());
    connection.limit(Some(Duration::from_millis(300)));
    let error = connection.batch_execute("SELECT 1").unwrap_err();
    assert!(error.to_string().contains("connection closed"), "{error}");
    assert_eq!(connection.end().as_deref(), Some("no answer in time"));
    assert!(connection.is_closed());
    connection.limit(None);
    connection.batch_execute("SELECT 1").unwrap_err();
    drop(connection);
    // A new connection meets the same server, whose system still accepts connections.
    settings.connect_timeout = Duration::from_millis(200);
    let error = failure(&settings);
    assert!(error.to_string().ends_with("no answer within 0.2 s") && error.is_temporary());
    cluster.resume();
    open(&database.url()).batch_execute("SELECT 1").unwrap();
}

#[test]
fn a_deadline_is_that_of_one_call() {
    let database = Cluster::shared().empty_database();
    let mut connection = open(&database.url());
    connection.limit(Some(Duration::from_millis(1)));
    std::thread::sleep(Duration::from_millis(5));
    connection.limit(None);
    connection.batch_execute("SELECT pg_sleep(0.05)").unwrap();
    connection.limit(Some(Duration::from_secs(600)));
    connection.batch_execute("SELECT pg_sleep(0.05)").unwrap();
    // A later deadline replaces an earlier one, and an earlier one a later one.
    connection.limit(Some(Duration::from_millis(20)));
    connection.batch_execute("SELECT pg_sleep(60)").unwrap_err();
    assert!(connection.is_closed());
}

#[test]
fn statements_of_one_call_share_its_deadline() {
    let database = Cluster::shared().empty_database();
    let mut connection = open(&database.url());
    connection.limit(Some(Duration::from_millis(300)));
    let (began, mut statements) = (Instant::now(), 0);
    while connection.batch_execute("SELECT pg_sleep(0.01)").is_ok() {
        statements += 1;
        assert!(statements < 100 || began.elapsed() < Duration::from_secs(60));
    }
    assert!(statements <= 30, "{statements} statements of 10 ms");
    assert_eq!(connection.end().as_deref(), Some("no answer in time"));
}

#[test]
fn the_restart_of_the_server_is_noticed_by_an_idle_connection() {
    let cluster = Cluster::new(&ClusterOptions::default().tcp());
    let database = cluster.empty_database();
    let over_tcp = format!("postgres://postgres@127.0.0.1:{}/{}", cluster.port(), database.name());
    for url in [database.url(), over_tcp] {
        let mut connection = open(&url);
        connection.batch_execute("SELECT 1").unwrap();
        assert!(!connection.is_closed() && connection.end().is_none());
        cluster.stop();
        assert!(connection.is_closed());
        assert!(connection.end().is_some());
        let error = failure(&parse(&url));
        assert!(error.is_temporary(), "{error}");
        cluster.start();
        open(&url).batch_execute("SELECT 1").unwrap();
    }
}

#[test]
fn an_ended_session_says_why() {
    let database = Cluster::shared().empty_database();
    let mut connection = open(&database.url());
    let own = "AND pid <> pg_backend_pid()";
    database.query(&format!(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
         WHERE datname = current_database() {own}"
    ));
    assert!(connection.is_closed());
    let expected = "terminating connection due to administrator command (57P01)";
    assert_eq!(connection.end().as_deref(), Some(expected));
}

#[test]
fn connections_of_a_thread_share_its_runtime() {
    let database = Cluster::shared().empty_database();
    let (mut first, mut second) = (open(&database.url()), open(&database.url()));
    for _ in 0..3 {
        first.batch_execute("SELECT 1").unwrap();
        second.batch_execute("SELECT 1").unwrap();
    }
    // Another thread may use it, too.
    std::thread::spawn(move || first.batch_execute("SELECT 1").unwrap()).join().unwrap();
    assert!(!second.is_closed());
}
