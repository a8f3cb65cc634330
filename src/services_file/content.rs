//! What a services file, or all files of a folder, define.

use crate::services_file::connectivity::Canary;
use crate::services_file::entry::Entry;
use crate::services_file::notices::Notices;

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
    /// Targets of connectivity checkers.
    pub canaries: Vec<Canary>,
    pub notices: Notices,
    pub defaults_key: DefaultsKey,
}
