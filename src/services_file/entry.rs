//! One service of a services file.

use std::path::Path;
use std::sync::Arc;

use crate::domain::maintenance::MaintenanceDefinition;
use crate::domain::service::definition::Definition;

/// One service of a services file.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub file: Arc<Path>,
    /// First line of the entry, from 1.
    pub line: usize,
    pub definition: Definition,
    /// Its `maintenance-windows`.
    pub windows: Vec<MaintenanceDefinition>,
}
