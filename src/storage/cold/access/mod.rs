//! Tokens of the API, and sessions.

pub mod changes;
pub mod rows;

use super::alerting::values;
use super::audit::Audit;
use super::{Backend, StoreConnection, schema};
