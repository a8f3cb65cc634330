//! Settings of the modules of blackbox_exporter.

use std::path::PathBuf;

use crate::config::reader::Reader;
use crate::config::variable::{Section, Variable};
use crate::probe::net::targets::Targets;

pub const FILE: Variable = Variable::optional(
    "MODULES_FILE",
    "a file name",
    "modules of blackbox_exporter (blackbox.yml) for `GET /probe`, which is 404 without it; \
     applied at the start, on SIGHUP and after a change",
);
const TARGETS: Variable = Variable::optional(
    "MODULES_TARGETS",
    "networks, addresses and host names such as 10.0.0.0/8 or *.example.org, separated by commas",
    "the only targets of `/probe`, on every hop; all by default, except for this machine \
     (PROBE_ALLOW_NETWORKS)",
);

pub const SECTION: Section =
    Section { title: "Modules of blackbox_exporter", variables: &[FILE, TARGETS] };

/// Settings of the modules.
#[derive(Debug, Clone)]
pub struct ModulesConfig {
    pub file: Option<PathBuf>,
    /// `None` for all.
    pub targets: Option<Targets>,
}

impl ModulesConfig {
    pub fn read(reader: &mut Reader) -> Self {
        Self {
            file: reader.optional(&FILE, |text| Some(PathBuf::from(text))),
            targets: reader.optional(&TARGETS, Targets::parse),
        }
    }
}
