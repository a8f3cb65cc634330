//! The audit: which change was made, by whom, and what it changed. Pure.

pub mod action;
pub mod differences;
pub mod entry;
pub mod source;

pub use action::{Action, ObjectKind};
pub use differences::{Differences, Fields};
pub use entry::{AuditEntry, AuditRecord, Object};
pub use source::{Actor, AuditSource};
