//! Settings of the process: shutdown, log and names.

use std::time::Duration;

use crate::config::reader::{Reader, one_line};
use crate::config::variable::{Section, Variable};
use crate::domain::Requests;

const SHUTDOWN_GRACE: Variable = Variable::new(
    "SHUTDOWN_GRACE_SECONDS",
    "10",
    "a number of seconds from 0 to 3600",
    "how long running probes may continue after SIGTERM or SIGINT",
);
const DEBUG: Variable =
    Variable::new("DEBUG", "false", "true or false", "log every request and every probe");
const SHOW_REQUESTS: Variable = Variable::new(
    "SHOW_REQUESTS",
    "false",
    "true or false",
    "show redirect targets, query parameters with the name of a secret, a lone user name of a URL, \
     request bodies and `expect` in responses, events and logs",
);
const ENVIRONMENT: Variable = Variable::new(
    "ENV",
    "production",
    "any text",
    "name of the environment, for the first log line",
);
const SERVICE_NAME: Variable = Variable::new(
    "SERVICE_NAME",
    "service-healthcheck",
    "any text",
    "name of this monitor in messages, at Alertmanager and in the first log line",
);

pub const SECTION: Section = Section {
    title: "Process",
    variables: &[SHUTDOWN_GRACE, DEBUG, SHOW_REQUESTS, ENVIRONMENT, SERVICE_NAME],
};

/// Settings of the process.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    /// How long running probes may continue after a signal.
    pub shutdown_grace: Duration,
    /// Log every request and every probe.
    pub debug: bool,
    /// Whether responses, events and logs show requests.
    pub requests: Requests,
    /// Name of the environment.
    pub environment: String,
    /// Name of this instance.
    pub service_name: String,
}

impl ProcessConfig {
    pub fn read(reader: &mut Reader) -> Self {
        Self {
            shutdown_grace: reader.seconds(&SHUTDOWN_GRACE, 3_600.0),
            debug: reader.value(&DEBUG, boolean),
            requests: reader.value(&SHOW_REQUESTS, requests),
            environment: reader.value(&ENVIRONMENT, one_line),
            service_name: reader.value(&SERVICE_NAME, one_line),
        }
    }
}

fn requests(text: &str) -> Option<Requests> {
    boolean(text).map(|shows| if shows { Requests::Shown } else { Requests::Masked })
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}
