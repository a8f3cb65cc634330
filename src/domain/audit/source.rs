//! Who makes a change.

use std::fmt;
use std::net::IpAddr;

/// Who makes a change, as the audit names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A token of the API, or a session that one has begun.
    Token { id: i64, name: String },
    /// `API_TOKEN`.
    ApiToken,
    /// A client on this machine, while the API asks for no token.
    ThisMachine,
    /// The services file.
    File,
    /// A command of this program.
    Command,
    /// The monitor itself. Its writes have no row in the audit.
    Monitor,
}

impl Actor {
    pub fn token_id(&self) -> Option<i64> {
        match self {
            Self::Token { id, .. } => Some(*id),
            _ => None,
        }
    }
}

/// The text in the store and in the API.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token { name, .. } => return write!(f, "token {name}"),
            Self::ApiToken => "API_TOKEN",
            Self::ThisMachine => "this machine",
            Self::File => "file",
            Self::Command => "command",
            Self::Monitor => "monitor",
        })
    }
}

/// Where a change comes from. Each message that changes the store has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSource {
    pub actor: Actor,
    /// Address of the client; `None` for changes that no request makes.
    pub address: Option<IpAddr>,
}

impl AuditSource {
    pub const FILE: Self = Self { actor: Actor::File, address: None };
    pub const COMMAND: Self = Self { actor: Actor::Command, address: None };
    pub const MONITOR: Self = Self { actor: Actor::Monitor, address: None };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_named_as_the_documents_name_it() {
        let token = Actor::Token { id: 7, name: "deploy".to_owned() };
        assert_eq!((token.to_string().as_str(), token.token_id()), ("token deploy", Some(7)));
        let names = [Actor::ApiToken, Actor::ThisMachine, Actor::File, Actor::Command]
            .map(|actor| actor.to_string());
        assert_eq!(names, ["API_TOKEN", "this machine", "file", "command"]);
    }
}
