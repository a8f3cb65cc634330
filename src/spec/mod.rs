//! The written forms of a service: API, services file and store.
//!
//! One table ([`Field`]) and one reader ([`read`]) serve all three, and the store holds what
//! [`write_options`] writes.

pub mod alert_rules;
mod destination;
mod expectations;
pub mod field;
mod field_reader;
pub mod form;
pub mod masks;
pub mod override_masks;
pub mod patch;
mod plugins;
pub mod problem;
pub mod reader;
pub mod ssh;
pub mod values;
pub mod writer;

pub use field::{Dialect, FIELDS, Field};
pub use form::Form;
pub use patch::Patch;
pub use plugins::check_plugins;
pub use problem::{Problem, Rejection};
pub use reader::{check_part, kind, read, read_options};
pub use values::{is_framing_header, truth};
pub use writer::{merge, write, write_options};
