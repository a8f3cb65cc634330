//! Sending of alerts: kinds of channels, requests to them, and what their answers mean.
//!
//! A [`Kind`] is a row of `providers.yaml`. Its requests are data: the engine fills templates with
//! the facts of a message and sends what comes of it.
//!
//! | question | file |
//! |---|---|
//! | How does a provider's request look? | `providers.yaml`, read by `table.rs` into `row.rs` |
//! | Which values of a channel are masked, and kept by a mask? | `shown.rs`, `kept_secrets.rs` |
//! | Which keys may a channel set? | `key.rs`; all of a channel: `kind.rs`, `client_options.rs` |
//! | How is mail sent? | `smtp/`; over a connection of `dialer.rs` |
//! | Which alerts is an Alertmanager sent, and when? | `mirror.rs`; as what: `alertmanager.rs` |

pub mod alertmanager;
mod client_options;
pub mod dialer;
pub mod dispatcher;
#[cfg(test)]
mod gatus_kinds;
pub mod kept_secrets;
mod key;
mod kind;
pub mod mirror;
mod row;
pub mod sender;
mod shown;
pub mod smtp;
mod table;

pub use client_options::ClientOptions;
pub use key::{Key, ValueType};
pub use kind::Kind;
pub use row::{Class, Limits, Row};
pub use shown::shown;
