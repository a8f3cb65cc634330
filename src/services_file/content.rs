//! What a services file, or all files of a folder, define.

use crate::domain::alert::settings::AlertingSettings;
use crate::domain::maintenance::MaintenanceDefinition;
use crate::services_file::connectivity::Canary;
use crate::services_file::entry::Entry;
use crate::services_file::notices::Notices;
use crate::storage::alerting::{NewChannel, NewPolicy};

/// Whether the files have a block that sets defaults, or may get one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DefaultsKey {
    /// Neither: JSON, or a block of the user's own has its name.
    #[default]
    Unusable,
    Absent,
    Present,
}

/// The entries of a services file, and the keys that are not used.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    pub entries: Vec<Entry>,
    /// `maintenance` of the files, for all services.
    pub maintenance: Vec<MaintenanceDefinition>,
    /// Targets of connectivity checkers.
    pub canaries: Vec<Canary>,
    pub channels: Vec<NewChannel>,
    pub policies: Vec<NewPolicy>,
    pub alerting: AlertingSettings,
    pub notices: Notices,
    /// What never alerts anybody.
    pub unalerted: Notices,
    pub defaults_key: DefaultsKey,
}
