//! Secrets of services: which values are secret, and how they are masked.

pub mod names;
pub mod redactor;
pub mod url;

pub use redactor::Redactor;
pub use url::{MASK, Requests};
