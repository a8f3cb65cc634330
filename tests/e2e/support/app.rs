//! The program under test.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http::HeaderMap;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Database, Db, Store, WAIT_LIMIT, stores, wait_for, wait_until};

/// The binary that cargo built for the tests, with fault injection.
const BINARY: &str = env!("CARGO_BIN_EXE_service-healthcheck");

/// Environment, directory and wrapper to start the program with.
#[derive(Clone)]
pub struct Launch {
    folder: Arc<TempDir>,
    /// The database, if it is none in the folder.
    database: Option<Arc<Database>>,
    variables: Vec<(String, String)>,
    prefix: Vec<String>,
}

impl Launch {
    /// A new directory, a free port, a short interval and a timeout that no healthy target exceeds.
    pub fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let launch = Self { folder, database: None, variables: Vec::new(), prefix: Vec::new() };
        launch
            .with("API_PORT", "0")
            .with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.2")
            .with("RUNNER_HTTP_TIMEOUT_SECONDS", "30")
            .with("RUNNER_POOL_SIZE", "16")
    }

    /// As [`new`](Self::new), with an empty store of this kind.
    pub fn on(store: Store) -> Self {
        match store {
            Store::Sqlite => Self::new(),
            Store::Postgres => Self::new().with_database(stores::new_database()),
        }
    }

    /// Sets `DATABASE_URL`, and keeps the database.
    pub fn with_database(self, database: Arc<Database>) -> Self {
        let launch = self.with("DATABASE_URL", database.url());
        Self { database: Some(database), ..launch }
    }

    /// Sets an environment variable.
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    /// The value of an environment variable, empty when unset.
    pub fn variable(&self, name: &str) -> &str {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Runs the program through another one, such as `prlimit --nofile=64`.
    pub fn wrapped_in(mut self, words: &[&str]) -> Self {
        self.prefix = words.iter().map(ToString::to_string).collect();
        self
    }

    /// Sets `SERVICES_FILE` to a new file with this text.
    pub fn with_services_file(self, text: &str) -> Self {
        self.write_file("services.yaml", text);
        self.with("SERVICES_FILE", "services.yaml")
    }

    /// Writes a file in the program's directory by a rename, so that the program never reads half
    /// of it.
    pub fn write_file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder().join(name);
        let new = file.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &file).unwrap();
        file
    }

    /// The working directory of the program; on SQLite, with `db.db` in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn db(&self) -> Db {
        match &self.database {
            None => Db::in_folder(&self.folder),
            Some(database) => Db::Postgres(Arc::clone(database)),
        }
    }

    /// The command with its environment; `words` are the arguments.
    pub fn command(&self, words: &[&str]) -> Command {
        let line: Vec<&str> = self
            .prefix
            .iter()
            .map(String::as_str)
            .chain([BINARY])
            .chain(words.iter().copied())
            .collect();
        let mut command = Command::new(line[0]);
        command
            .args(&line[1..])
            .stdin(Stdio::null())
            .current_dir(self.folder())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(self.variables.iter().cloned());
        command
    }

    /// Starts the service and waits until it listens.
    pub fn start(&self) -> App {
        let mut child =
            self.command(&["run"]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap());
        let writer = Arc::clone(&log);
        let log_reader = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut log = writer.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let folder = Arc::clone(&self.folder);
        let address = String::new();
        let mut app = App { child, log, log_reader, address, db: self.db(), _folder: folder };
        app.address = wait_for("the program to listen", || {
            if let Some(status) = app.child.try_wait().unwrap() {
                panic!("it ended with {status}:\n{}", app.log());
            }
            let log = app.log();
            let (_, rest) = log.split_once("listening, address: ")?;
            Some(rest.split_whitespace().next()?.to_owned())
        });
        app
    }

    /// Runs the service, which must exit by itself; returns exit code and output.
    pub fn run_to_end(&self) -> (Option<i32>, String) {
        self.run(&["run"])
    }

    /// Runs a command until it exits; returns exit code and the output on both streams.
    pub fn run(&self, words: &[&str]) -> (Option<i32>, String) {
        let mut child =
            self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let status = wait_for_exit(&mut child);
        let mut output = String::new();
        child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut output).unwrap();
        (status.code(), output)
    }
}

fn wait_for_exit(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + WAIT_LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the program did not end within {WAIT_LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A running service, killed on drop.
pub struct App {
    child: Child,
    log: Arc<Mutex<String>>,
    /// Ends with the last process that has the standard error of the program.
    log_reader: JoinHandle<()>,
    address: String,
    db: Db,
    _folder: Arc<TempDir>,
}

/// A response of the API.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// The body, null when it is not JSON.
    pub body: Value,
    /// The body as text.
    pub text: String,
    pub headers: HeaderMap,
}

impl Reply {
    /// The header `name`, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// All `errors`, one per line.
    pub fn errors(&self) -> String {
        let errors = self.body["errors"].as_array().unwrap_or_else(|| panic!("{}", self.text));
        errors.iter().map(|error| error.as_str().unwrap()).collect::<Vec<_>>().join("\n")
    }

    /// `data.service.data`.
    pub fn service(&self) -> &Value {
        &self.body["data"]["service"]["data"]
    }

    /// `data.services.data` or `data.events.data`.
    pub fn list(&self, key: &str) -> &[Value] {
        self.body["data"][key]["data"].as_array().unwrap_or_else(|| panic!("{}", self.text))
    }
}

impl App {
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(WAIT_LIMIT))
            .build()
            .into();
        let mut request =
            http::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = agent.run(request.body(body.to_owned()).unwrap()).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        Reply {
            status: response.status().as_u16(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            headers: response.headers().clone(),
            text,
        }
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], "")
    }

    pub fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.request(method, path, &[("content-type", "application/json")], &body.to_string())
    }

    /// `DELETE path`.
    pub fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path, &[], "")
    }

    /// Sends a request that must be rejected with 422; returns the errors, one per line.
    pub fn rejected(&self, method: &str, path: &str, body: &Value) -> String {
        let reply = self.send(method, path, body);
        assert_eq!(reply.status, 422, "{body}: {}", reply.text);
        reply.errors()
    }

    /// The names of the services, in the order of their ids.
    pub fn names(&self) -> Vec<String> {
        let list = self.get("/v1/services");
        let names = list.list("services").iter().map(|service| service["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    }

    /// Adds a service and returns its id.
    pub fn add(&self, name: &str, url: &str) -> i64 {
        self.add_with(&json!({"name": name, "url": url}))
    }

    /// Adds a service and returns its id.
    pub fn add_with(&self, body: &Value) -> i64 {
        let reply = self.send("POST", "/v1/services", body);
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.service()["id"].as_i64().unwrap()
    }

    /// Adds a service for a target that fails; returns reason and detail of its downtime.
    pub fn failure_of(&self, url: &str) -> (String, String) {
        let id = self.add_with(&json!({"name": url, "url": url}));
        let service = self.wait_for_state(id, "down");
        let failure = &service["current_status"]["failure"];
        let text = |key: &str| failure[key].as_str().unwrap().to_owned();
        (text("reason"), text("detail"))
    }

    pub fn service(&self, id: i64) -> Value {
        let reply = self.get(&format!("/v1/services/{id}"));
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.service().clone()
    }

    /// `data.{key}.data` of `GET path`, which must succeed.
    pub fn data(&self, key: &str, path: &str) -> Value {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.body["data"][key]["data"].clone()
    }

    /// `GET path` must be rejected with 400 and an error that contains `why`.
    pub fn assert_bad_request(&self, path: &str, why: &str) {
        let reply = self.get(path);
        assert_eq!(reply.status, 400, "{path}: {}", reply.text);
        assert!(reply.errors().contains(why), "{path}: {why:?} is not in {}", reply.text);
    }

    /// Changes the service `id` and returns the changed service.
    pub fn change(&self, id: i64, change: &Value) -> Value {
        let reply = self.send("PATCH", &format!("/v1/services/{id}"), change);
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.service().clone()
    }

    /// Pauses the service `id`; no result is recorded after this returns.
    pub fn pause(&self, id: i64) {
        self.change(id, &json!({"enabled": false}));
    }

    /// Waits until the service `id` is in `state` and returns the service.
    pub fn wait_for_state(&self, id: i64, state: &str) -> Value {
        wait_for(&format!("service {id} to be {state}"), || {
            Some(self.service(id)).filter(|service| service["state"] == state)
        })
    }

    /// Waits until the service `id` has at least `count` ticks and returns the service.
    pub fn wait_for_ticks(&self, id: i64, count: u64) -> Value {
        wait_for(&format!("{count} ticks of service {id}"), || {
            let service = self.service(id);
            let ticks = service["metric"]["data"]["tick_count"].as_u64().unwrap_or(0);
            (ticks >= count).then_some(service)
        })
    }

    /// Waits until the readiness endpoint answers 200. A busy machine can make the scheduler late
    /// for a while.
    pub fn wait_until_ready(&self) {
        wait_until("the service to be ready", || self.get("/v1/_internal/ready").status == 200);
    }

    /// The value of the first line of `/metrics` that begins with `start`.
    pub fn metric(&self, start: &str) -> Option<f64> {
        let text = self.get("/metrics").text;
        let line = text.lines().find(|line| line.starts_with(start))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Waits until the metric that begins with `start` is at least `least` and returns the value.
    pub fn wait_for_metric(&self, start: &str, least: f64) -> f64 {
        wait_for(&format!("{start} to reach {least}"), || {
            self.metric(start).filter(|value| *value >= least)
        })
    }

    /// Resident memory of the process.
    pub fn resident_bytes(&self) -> u64 {
        let pid = self.pid().as_raw_pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kibibytes = resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
        kibibytes * 1024
    }

    /// Number of sockets that the process has open.
    pub fn open_sockets(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.pid().as_raw_pid());
        let files = std::fs::read_dir(folder).unwrap();
        let targets = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log contains `text`.
    pub fn wait_for_log(&self, text: &str) {
        let found = || self.log().contains(text).then_some(());
        wait_for(&format!("{text:?} in the log"), found);
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Host and port of the API.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn db(&self) -> Db {
        self.db.clone()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits until the process exits and its log is complete; `None` when a signal killed it.
    pub fn exit_code(&mut self) -> Option<i32> {
        let code = wait_for_exit(&mut self.child).code();
        wait_until("the end of the log", || self.log_reader.is_finished());
        code
    }

    /// Stops the service by SIGTERM, which must exit with 0; returns the log.
    pub fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let code = self.exit_code();
        assert_eq!(code, Some(0), "{}", self.log());
        self.log()
    }

    /// Kills the service by SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the program ---\n{}", self.log());
        }
    }
}
