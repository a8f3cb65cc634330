//! One probe from the command line, which needs no running service.

use serde_json::Value;

use super::Launch;

/// A probe that is about to be made.
pub struct ProbeCommand<'l> {
    launch: &'l Launch,
    words: Vec<String>,
}

/// What a probe found.
#[derive(Debug)]
pub struct ProbeReport {
    code: Option<i32>,
    /// The outcome as it was told.
    pub outcome: Value,
}

impl Launch {
    /// A probe of `url`.
    pub fn probe_command(&self, url: &str) -> ProbeCommand<'_> {
        ProbeCommand { launch: self, words: ["probe", url, "--json"].map(str::to_owned).to_vec() }
    }
}

impl ProbeCommand<'_> {
    fn with(mut self, option: &str, value: String) -> Self {
        self.words.extend([option.to_owned(), value]);
        self
    }

    /// With these options, under the names of the API.
    pub fn options(self, options: Value) -> Self {
        self.with("--option", options.to_string())
    }

    /// With a condition.
    pub fn condition(self, condition: &str) -> Self {
        self.with("--condition", condition.to_owned())
    }

    /// With a timeout in seconds.
    pub fn timeout(self, seconds: f64) -> Self {
        self.with("--timeout", seconds.to_string())
    }

    /// Runs the probe. A stall of the probing process is a local fault and no verdict, so the probe is then repeated.
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
    /// It must be up.
    #[track_caller]
    pub fn assert_up(&self) {
        assert_eq!(
            (self.code, &self.outcome["success"]),
            (Some(0), &Value::Bool(true)),
            "{self:?}"
        );
    }

    /// It must have failed for `reason`, with a sentence that contains `told`.
    #[track_caller]
    pub fn assert_failed(&self, reason: &str, told: &str) {
        assert_eq!((self.code, self.reason()), (Some(1), reason), "{self:?}");
        assert!(self.detail().contains(told), "{told:?} in {self:?}");
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.outcome["success"] == true
    }

    /// How long it took, in milliseconds.
    pub fn response_time_ms(&self) -> f64 {
        self.outcome["response_time_ms"].as_f64().unwrap()
    }

    /// How long the phase of that name took, in milliseconds.
    pub fn phase_ms(&self, name: &str) -> f64 {
        self.outcome["phases"][format!("{name}_ms")].as_f64().unwrap()
    }

    /// Why it failed; empty when it did not.
    pub fn reason(&self) -> &str {
        self.outcome["failure"]["reason"].as_str().unwrap_or_default()
    }

    /// The sentence about it.
    pub fn detail(&self) -> &str {
        self.outcome["failure"]["detail"].as_str().unwrap_or_default()
    }
}
