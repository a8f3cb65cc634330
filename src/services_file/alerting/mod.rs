//! The key `alerting`: channels with what fills the alerts that use them, and policies.

mod block;
mod channel;
mod options;
mod policy;
mod read;
pub mod rules;
pub mod set_up;
mod settings;
pub mod unalerted;
