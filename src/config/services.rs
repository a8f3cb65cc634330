//! Settings of the services file, and defaults of services.

use std::path::PathBuf;

use crate::config::reader::Reader;
use crate::config::variable::{Section, Variable};
use crate::domain::service::definition::Defaults;
use crate::domain::service::interval::{Interval, Timeout};

const FILE: Variable = Variable::optional(
    "SERVICES_FILE",
    "the name of a file or folder",
    "list of services in the form of Gatus, or a folder of such files; applied at the start, on \
     SIGHUP and after a change",
);
const INTERVAL: Variable = Variable::new(
    "RUNNER_SCRAPE_INTERVAL_SECONDS",
    "15",
    "a number of seconds from 0.1 to 2592000",
    "interval of services that set none",
);
const TIMEOUT: Variable = Variable::new(
    "RUNNER_HTTP_TIMEOUT_SECONDS",
    "15",
    "a number of seconds from 0.001 to 3600",
    "timeout of services that set none",
);

pub const SECTION: Section = Section { title: "Services", variables: &[FILE, INTERVAL, TIMEOUT] };

/// Settings of the services file, and defaults of services.
#[derive(Debug, Clone)]
pub struct ServicesConfig {
    /// File or folder.
    pub file: Option<PathBuf>,
    pub defaults: Defaults,
}

impl ServicesConfig {
    pub fn read(reader: &mut Reader) -> Self {
        Self {
            file: reader.optional(&FILE, |text| Some(PathBuf::from(text))),
            defaults: Defaults {
                interval: reader
                    .value(&INTERVAL, |text| Interval::from_seconds(text.parse().ok()?).ok()),
                timeout: reader
                    .value(&TIMEOUT, |text| Timeout::from_seconds(text.parse().ok()?).ok()),
            },
        }
    }
}
