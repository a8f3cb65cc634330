//! Debian's Prometheus Alertmanager.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{WAIT_LIMIT, loopback_address};

const BINARY: &str = "/usr/bin/prometheus-alertmanager";

/// A running Alertmanager without receivers, killed on drop.
pub struct Alertmanager {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Alertmanager {
    /// Starts an Alertmanager and waits until it listens.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = "{route: {receiver: none}, receivers: [{name: none}]}";
        std::fs::write(folder.path().join("alertmanager.yml"), configuration).unwrap();
        let address = format!("{}:9093", loopback_address());
        Self { child: spawn(&folder, &address), address, folder }
    }

    /// Kills the process (SIGKILL), which loses all alerts.
    pub fn kill(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again at its address, after [`kill`](Self::kill).
    pub fn run(&mut self) {
        self.child = spawn(&self.folder, &self.address);
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The alerts that fire.
    pub fn alerts(&self) -> Vec<Value> {
        let request = ureq::get(format!("{}/api/v2/alerts", self.url()));
        let request = request.config().timeout_global(Some(WAIT_LIMIT)).build();
        let alerts: Value = request.call().unwrap().body_mut().read_json().unwrap();
        alerts.as_array().unwrap().clone()
    }

    /// The values of a label of the alerts that fire, sorted.
    pub fn firing(&self, label: &str) -> Vec<String> {
        let alerts = self.alerts();
        let values = alerts.iter().map(|alert| alert["labels"][label].as_str().unwrap_or_default());
        let mut values: Vec<String> = values.map(str::to_owned).collect();
        values.sort();
        values
    }
}

fn spawn(folder: &TempDir, address: &str) -> Child {
    let started = Command::new(BINARY)
        .arg(format!("--web.listen-address={address}"))
        .args(["--cluster.listen-address=", "--storage.path=data"])
        .arg("--config.file=alertmanager.yml")
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.unwrap_or_else(|error| {
        panic!("{BINARY}: {error}; install Debian's package prometheus-alertmanager")
    });
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut output = String::new();
    let listens = lines.by_ref().any(|line| {
        output.push_str(&line);
        output.push('\n');
        line.contains("msg=\"Listening on\"")
    });
    assert!(listens, "Alertmanager ended:\n{output}");
    // Drains the pipe, which would block Alertmanager when full.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.kill();
    }
}
