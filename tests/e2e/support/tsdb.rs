//! Debian's Prometheus and VictoriaMetrics as receivers of remote write.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{WAIT_LIMIT, loopback_address, wait_until};

/// Time in unix milliseconds and value of the samples, by the labels of their series.
pub type Series = BTreeMap<BTreeMap<String, String>, Vec<(i64, f64)>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TsdbKind {
    Prometheus,
    VictoriaMetrics,
}

/// A time series database, killed on drop.
pub struct Tsdb {
    kind: TsdbKind,
    address: String,
    folder: TempDir,
    child: Option<Child>,
}

impl Tsdb {
    pub fn start(kind: TsdbKind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("prometheus.yml"), "{}").unwrap();
        let address = format!("{}:9090", loopback_address());
        let mut tsdb = Self { kind, address, folder, child: None };
        tsdb.resume();
        tsdb
    }

    /// Stops it in order, so that everything that it accepted is on its disk.
    pub fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        child.wait().unwrap();
    }

    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Starts it again with what it has.
    pub fn resume(&mut self) {
        let address = &self.address;
        let (program, health, arguments) = match self.kind {
            TsdbKind::Prometheus => (
                "prometheus",
                "/-/ready",
                [
                    "--config.file=prometheus.yml".to_owned(),
                    format!("--web.listen-address={address}"),
                    "--storage.tsdb.path=data".to_owned(),
                    "--web.enable-remote-write-receiver".to_owned(),
                ],
            ),
            TsdbKind::VictoriaMetrics => (
                "victoria-metrics",
                "/health",
                [
                    "-storageDataPath=data".to_owned(),
                    format!("-httpListenAddr={address}"),
                    "-dedup.minScrapeInterval=1ms".to_owned(),
                    "-memory.allowedBytes=100000000".to_owned(),
                ],
            ),
        };
        let child = Command::new(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; install Debian's package"));
        self.child = Some(child);
        wait_until("the receiver to be ready", || self.get(health).is_some());
    }

    pub fn write_url(&self) -> String {
        format!("http://{}/api/v1/write", self.address)
    }

    /// Every sample of the last hour.
    pub fn series(&self) -> Series {
        match self.kind {
            TsdbKind::Prometheus => self.prometheus_series(),
            TsdbKind::VictoriaMetrics => self.victoria_series(),
        }
    }

    fn prometheus_series(&self) -> Series {
        let query = "/api/v1/query?query=%7B__name__%3D~%22probe_.%2B%22%7D%5B1h%5D";
        let answer: Value = serde_json::from_str(&self.get(query).unwrap()).unwrap();
        let result = answer["data"]["result"].as_array().unwrap();
        let samples = |series: &Value| {
            let values = series["values"].as_array().unwrap().iter();
            let sample = |value: &Value| {
                let at_ms = (value[0].as_f64().unwrap() * 1e3).round() as i64;
                (at_ms, value[1].as_str().unwrap().parse::<f64>().unwrap())
            };
            values.map(sample).collect::<Vec<_>>()
        };
        result.iter().map(|series| (labels(&series["metric"]), samples(series))).collect()
    }

    fn victoria_series(&self) -> Series {
        // Makes searchable what came just now.
        self.get("/internal/force_flush").unwrap();
        let export = "/api/v1/export?match%5B%5D=%7B__name__%3D~%22probe_.%2B%22%7D";
        let text = self.get(export).unwrap();
        let mut all = Series::new();
        for line in text.lines() {
            let series: Value = serde_json::from_str(line).unwrap();
            let times = series["timestamps"].as_array().unwrap().iter();
            let values = series["values"].as_array().unwrap().iter();
            let samples = times.zip(values);
            let samples =
                samples.map(|(at, value)| (at.as_i64().unwrap(), value.as_f64().unwrap()));
            // A series may be exported in several blocks.
            all.entry(labels(&series["metric"])).or_default().extend(samples);
        }
        all.values_mut().for_each(|samples| samples.sort_by_key(|(at, _)| *at));
        all
    }

    /// The body of an answer with a status of success.
    fn get(&self, path: &str) -> Option<String> {
        let request = ureq::get(format!("http://{}{path}", self.address));
        let request = request.config().timeout_global(Some(WAIT_LIMIT)).build();
        request.call().ok()?.body_mut().with_config().limit(1 << 28).read_to_string().ok()
    }
}

impl Drop for Tsdb {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn labels(metric: &Value) -> BTreeMap<String, String> {
    let labels = metric.as_object().unwrap().iter();
    labels.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}
