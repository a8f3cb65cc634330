//! The current state of a service, as the API and the pages show it.

use crate::domain::rollup::state::State;

/// Current state of a service, as the API shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Up,
    Down,
    /// The newest event is unknown: the local network failed, or the service is not observed yet
    /// after a gap.
    Unknown,
    /// Enabled, without a result so far.
    Pending,
    /// Not enabled.
    Paused,
}

impl Status {
    pub const ALL: [Self; 5] = [Self::Up, Self::Down, Self::Unknown, Self::Pending, Self::Paused];

    /// By the state of the newest event.
    pub fn new(is_enabled: bool, newest: Option<State>) -> Self {
        if !is_enabled {
            return Self::Paused;
        }
        match newest {
            // A pause lasts until the first result after it.
            None | Some(State::Paused) => Self::Pending,
            Some(State::Up) => Self::Up,
            Some(State::Down) => Self::Down,
            Some(State::Unknown) => Self::Unknown,
        }
    }

    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Paused => "paused",
        }
    }
}
