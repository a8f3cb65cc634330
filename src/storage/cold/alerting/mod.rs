//! Alerting: channels, policies and silences; signals, alerts, notifications and deliveries.

pub mod alert_rows;
mod audited;
pub mod changes;
pub mod clock_step;
pub mod definition_rows;
pub mod definitions;
pub mod expiry;
pub mod file;
pub mod gone;
pub mod lists;
pub mod notification_rows;
pub mod settle;
pub mod state;
pub mod values;

use super::audit::{self, Audit};
use super::{Backend, StoreConnection, keys, schema};
