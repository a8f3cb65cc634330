//! The state of a service.

/// State of a service. A tick has one of the first three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Up,
    Down,
    /// The local network was gone, or this program did not run.
    Unknown,
    /// The service was disabled.
    Paused,
}

impl State {
    pub const ALL: [Self; 4] = [Self::Up, Self::Down, Self::Unknown, Self::Paused];

    /// Name of the state of a tick or a service.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Paused => "paused",
        }
    }

    /// Name of an event with this state (contract, "Event").
    pub fn event(self) -> &'static str {
        match self {
            Self::Up => "uptime",
            Self::Down => "downtime",
            Self::Unknown => "unknown",
            Self::Paused => "paused",
        }
    }

    /// Inverse of [`event`](Self::event).
    pub fn from_event(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.event() == word)
    }
}
