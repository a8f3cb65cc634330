//! Prometheus's blackbox_exporter, an independent reference for the results of probes.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::WAIT_LIMIT;

const BINARY: &str = "/usr/bin/prometheus-blackbox-exporter";

/// A running exporter, killed on drop.
pub struct Blackbox {
    child: Child,
    address: String,
    /// Holds the configuration.
    _folder: TempDir,
}

/// The series of one probe; labels are part of the name.
#[derive(Debug)]
pub struct Exported(HashMap<String, f64>);

impl Blackbox {
    /// Starts an exporter with these modules and waits until it listens.
    pub fn start(modules: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("blackbox.yml");
        // All JSON is YAML.
        std::fs::write(&file, json!({"modules": modules}).to_string()).unwrap();
        let started = Command::new(BINARY)
            .args(["--web.listen-address=127.0.0.1:0", "--config.file"])
            .arg(&file)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = started.unwrap_or_else(|error| {
            panic!("{BINARY}: {error}; install Debian's package prometheus-blackbox-exporter")
        });
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut output = String::new();
        let address = lines.by_ref().find_map(|line| {
            output.push_str(&line);
            output.push('\n');
            Some(line.split_once("msg=\"Listening on\" address=")?.1.to_owned())
        });
        let address = address.unwrap_or_else(|| panic!("the exporter ended:\n{output}"));
        // Drains the pipe, which would block the exporter when full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _folder: folder }
    }

    /// Probes `target` with a module.
    pub fn probe(&self, module: &str, target: &str) -> Exported {
        let text = self.probe_text(module, target);
        let series = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        });
        Exported(series.collect())
    }

    /// The answer to a probe of `target` with a module.
    pub fn probe_text(&self, module: &str, target: &str) -> String {
        let request = ureq::get(format!("http://{}/probe", self.address))
            .query("module", module)
            .query("target", target);
        let mut response =
            request.config().timeout_global(Some(WAIT_LIMIT)).build().call().unwrap();
        response.body_mut().read_to_string().unwrap()
    }
}

impl Drop for Blackbox {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Exported {
    /// The value of a series, if exposed.
    pub fn value(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    pub fn is_up(&self) -> bool {
        self.value("probe_success") == Some(1.0)
    }

    pub fn response_time_ms(&self) -> f64 {
        self.value("probe_duration_seconds").unwrap() * 1e3
    }

    pub fn phase_ms(&self, name: &str) -> f64 {
        let series = format!("probe_http_duration_seconds{{phase=\"{name}\"}}");
        self.value(&series).unwrap() * 1e3
    }

    /// The TLS version, from a label.
    pub fn tls_version(&self) -> Option<&str> {
        self.0.keys().find_map(|series| {
            series.strip_prefix("probe_tls_version_info{version=\"")?.strip_suffix("\"}")
        })
    }
}
