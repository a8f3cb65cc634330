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
//! | What does a message say? | `text.rs`, `phrases.rs`; times: `local_time.rs` |
//! | How does a message become a request? | `request.rs`, `row_request.rs`; its body: `tree.rs` |
//! | What may a template do? | `template.rs` |
//! | Which variables has a template? | `context.rs`; keys of the channel: `channel_keys.rs` |
//! | How are values escaped? | `markup.rs` |
//! | What does an answer mean? | `judge.rs` |
//! | How is a webhook signed? | `sign.rs`, `webhook.rs`; a request to AWS: `sigv4.rs` |
//! | How is mail sent? | `smtp/`; over a connection of `dialer.rs` |
//! | Which alerts is an Alertmanager sent, and when? | `mirror.rs`; as what: `alertmanager.rs` |

pub mod alertmanager;
mod channel_keys;
mod client_options;
mod context;
mod custom;
pub mod dialer;
pub mod dispatcher;
#[cfg(test)]
mod document;
#[cfg(test)]
mod gatus_kinds;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_messages;
pub mod http;
mod judge;
pub mod kept_secrets;
mod key;
mod kind;
mod local_time;
mod markup;
pub mod mirror;
mod parts;
mod phrases;
mod placeholders;
#[cfg(test)]
mod random;
mod request;
mod row;
mod row_request;
#[cfg(test)]
mod sample;
pub mod sender;
mod shown;
mod sign;
mod sigv4;
pub mod smtp;
mod table;
mod template;
mod text;
mod tree;
mod webhook;

pub use client_options::ClientOptions;
pub use judge::{Answer, describe, safe_error};
pub use key::{Key, ValueType};
pub use kind::Kind;
pub use request::{Job, Renderer, ShownRequest};
pub use row::{Class, Limits, Row};
pub use sender::{Sender, SenderRules};
pub use shown::shown;
