//! Debian's Prometheus, an independent reference for the answers of queries.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{WAIT_LIMIT, loopback_address};

const BINARY: &str = "/usr/bin/prometheus";
const TOOL: &str = "/usr/bin/promtool";

/// A running Prometheus, killed on drop.
pub struct Prometheus {
    child: Child,
    address: String,
    _folder: TempDir,
}

/// A kind of error and its message, as Prometheus answers them.
pub type QueryError = (String, String);

impl Prometheus {
    /// Starts a Prometheus over these samples, in the text format of OpenMetrics.
    pub fn start(samples: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("samples.txt");
        let mut writer = std::fs::File::create(&file).unwrap();
        writer.write_all(samples.as_bytes()).unwrap();
        writer.write_all(b"# EOF\n").unwrap();
        let made = Command::new(TOOL)
            .args(["tsdb", "create-blocks-from", "openmetrics", "samples.txt", "data"])
            .current_dir(folder.path())
            .output()
            .unwrap_or_else(|error| panic!("{TOOL}: {error}; install Debian's prometheus"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self::start_in(folder, "{}")
    }

    /// Starts a Prometheus with this configuration and no samples.
    pub fn scraping(config: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config)
    }

    /// Starts a Prometheus that has no samples but those of the server at `address`.
    pub fn reading_from(server: &str) -> Self {
        Self::scraping(&format!(
            "remote_read: [{{url: 'http://{server}/api/v1/read', read_recent: true}}]"
        ))
    }

    fn start_in(folder: TempDir, config: &str) -> Self {
        std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        let address = format!("{}:9090", loopback_address());
        let mut child = Command::new(BINARY)
            .arg(format!("--web.listen-address={address}"))
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg("--storage.tsdb.retention.time=100y")
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut output = String::new();
        let is_ready = lines.by_ref().any(|line| {
            output.push_str(&line);
            output.push('\n');
            line.contains("Server is ready to receive web requests")
        });
        assert!(is_ready, "Prometheus ended:\n{output}");
        // Drains the pipe, which would block Prometheus when full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _folder: folder }
    }

    /// `data` of an answer.
    pub fn query<V: AsRef<str>>(
        &self,
        path: &str,
        form: &[(&str, V)],
    ) -> Result<Value, QueryError> {
        query(&format!("http://{}", self.address), path, form)
    }
}

/// Prometheus's linter must find nothing in the answer to a scrape.
pub fn check_metrics(text: &str) {
    let mut promtool = Command::new(TOOL)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{TOOL}: {error}; install Debian's prometheus"));
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let done = promtool.wait_with_output().unwrap();
    let found = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && found.is_empty(), "{found}\n{text}");
}

/// Asks a server with the API of Prometheus.
pub fn query<V: AsRef<str>>(
    server: &str,
    path: &str,
    form: &[(&str, V)],
) -> Result<Value, QueryError> {
    let request = ureq::post(format!("{server}/api/v1/{path}"));
    let config = request.config().timeout_global(Some(WAIT_LIMIT)).http_status_as_error(false);
    let mut response =
        config.build().send_form(form.iter().map(|(name, value)| (*name, value.as_ref()))).unwrap();
    let body = response.body_mut().with_config().limit(1 << 28);
    let mut answer: Value = body.read_json().unwrap();
    if answer["status"] == "success" {
        return Ok(answer["data"].take());
    }
    let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
    Err((text("errorType"), text("error")))
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
