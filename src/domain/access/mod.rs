//! Access: tokens with scopes and groups, sessions, and the callers of the API.

pub mod caller;
pub mod group_limit;
mod reach;
pub mod registry;
pub mod scope;
pub mod session;
pub mod token;
pub mod token_text;

pub use caller::{Caller, Proof, Who};
pub use group_limit::GroupLimit;
pub use registry::{Found, Registry};
pub use scope::{Scope, Scopes};
pub use session::{Session, SessionKey, SessionOwner};
pub use token::{NewToken, Token, TokenId, TokenState};
pub use token_text::{TokenHash, TokenText};
