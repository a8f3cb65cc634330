//! Secrets of services: which values are secret, and how they are masked.

pub mod arguments;
pub mod names;
pub mod pieces;
pub mod redactor;
pub mod url;

pub use pieces::MASK;
pub use redactor::Redactor;
pub use url::Requests;
