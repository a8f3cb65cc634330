//! Handlers of access: tokens and sessions; and the store's record of their uses.

pub mod bodies;
pub mod sessions;
pub mod tokens;
mod uses;
pub mod views;

pub use uses::UseWriter;
pub use views::token_json;
