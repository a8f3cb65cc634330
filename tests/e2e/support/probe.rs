//! A probe from the command line, without a running service.

use serde_json::Value;

use super::Launch;

/// A `probe` command that has not run yet.
pub struct ProbeCommand<'l> {
    launch: &'l Launch,
    words: Vec<String>,
}

/// The result of a probe.
#[derive(Debug)]
pub struct ProbeReport {
    code: Option<i32>,
    /// The outcome in JSON.
    pub outcome: Value,
}

impl Launch {
    /// A `probe` command for `url`.
    pub fn probe_command(&self, url: &str) -> ProbeCommand<'_> {
        ProbeCommand { launch: self, words: ["probe", url, "--json"].map(str::to_owned).to_vec() }
    }
}

impl ProbeCommand<'_> {
    fn with(mut self, option: &str, value: String) -> Self {
        self.words.extend([option.to_owned(), value]);
        self
    }

    /// Adds options, with the names of the API.
    pub fn options(self, options: Value) -> Self {
        self.with("--option", options.to_string())
    }

    /// Adds a condition.
    pub fn condition(self, condition: &str) -> Self {
        self.with("--condition", condition.to_owned())
    }

    /// Sets the timeout in seconds.
    pub fn timeout(self, seconds: f64) -> Self {
        self.with("--timeout", seconds.to_string())
    }

    /// Runs the probe. A stall of the probing process is a local fault and no verdict, so the probe
    /// is then repeated.
    pub fn run(self) -> ProbeReport {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        for _ in 0..10 {
            let (code, output) = self.launch.run(&words);
            let outcome =
                serde_json::from_str(&output).unwrap_or_else(|_| panic!("{words:?}: {output}"));
            let report = ProbeReport { code, outcome };
            if report.reason() != "local_standstill" {
                return report;
            }
        }
        panic!("the process stalled during every attempt of {words:?}");
    }
}

impl ProbeReport {
    #[track_caller]
    pub fn assert_up(&self) {
        assert_eq!(
            (self.code, &self.outcome["success"]),
            (Some(0), &Value::Bool(true)),
            "{self:?}"
        );
    }

    /// The probe must have failed with `reason` and a detail that contains `detail`.
    #[track_caller]
    pub fn assert_failed(&self, reason: &str, detail: &str) {
        assert_eq!((self.code, self.reason()), (Some(1), reason), "{self:?}");
        assert!(self.detail().contains(detail), "{detail:?} in {self:?}");
    }

    pub fn is_up(&self) -> bool {
        self.outcome["success"] == true
    }

    pub fn response_time_ms(&self) -> f64 {
        self.outcome["response_time_ms"].as_f64().unwrap()
    }

    pub fn phase_ms(&self, name: &str) -> f64 {
        self.outcome["phases"][format!("{name}_ms")].as_f64().unwrap()
    }

    /// The reason of the failure, empty on success.
    pub fn reason(&self) -> &str {
        self.outcome["failure"]["reason"].as_str().unwrap_or_default()
    }

    /// The detail of the failure, empty on success.
    pub fn detail(&self) -> &str {
        self.outcome["failure"]["detail"].as_str().unwrap_or_default()
    }
}
