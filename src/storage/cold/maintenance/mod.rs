//! Maintenance: definitions, and the times that were planned.

pub mod changes;
pub mod definitions;
pub mod due;
pub mod file;
pub mod spans;

use super::alerting::values;
use super::audit::Audit;
use super::{Backend, StoreConnection, schema};
