//! How states are shown to readers: one table of words, icons and colours.

/// A state of a service as pages show it. [`Flapping`](Self::Flapping) and
/// [`Maintenance`](Self::Maintenance) stand beside one of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShownState {
    Up,
    Down,
    Unknown,
    Pending,
    Paused,
    Flapping,
    Maintenance,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    word: &'static str,
    icon: &'static str,
    colour: &'static str,
    explanation: &'static str,
}

const fn row(
    word: &'static str,
    icon: &'static str,
    colour: &'static str,
    explanation: &'static str,
) -> Row {
    Row { word, icon, colour, explanation }
}

impl ShownState {
    pub const ALL: [Self; 7] = [
        Self::Up,
        Self::Down,
        Self::Unknown,
        Self::Pending,
        Self::Paused,
        Self::Flapping,
        Self::Maintenance,
    ];

    const fn row(self) -> Row {
        match self {
            Self::Up => row("up", "up", "up", "the newest results are good"),
            Self::Down => row("down", "down", "down", "the newest results are failures"),
            Self::Unknown => row(
                "unknown",
                "unknown",
                "none",
                "not observed: the local network failed, or the monitor did not run",
            ),
            Self::Pending => row("pending", "pending", "none", "no result yet"),
            Self::Paused => row("paused", "paused", "none", "not probed"),
            Self::Flapping => {
                row("flapping", "flapping", "degraded", "the state changes too often")
            }
            Self::Maintenance => {
                row("maintenance", "maintenance", "planned", "planned work is under way")
            }
        }
    }

    /// The word in the API.
    pub const fn word(self) -> &'static str {
        self.row().word
    }

    /// Inverse of [`word`](Self::word).
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Id of the symbol in `icons.svg`; each has an outline of its own.
    pub const fn icon(self) -> &'static str {
        self.row().icon
    }

    /// Colour token of the stylesheet.
    pub const fn colour(self) -> &'static str {
        self.row().colour
    }

    /// One clause for readers who do not know the word.
    pub const fn explanation(self) -> &'static str {
        self.row().explanation
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn states_differ_in_word_and_icon() {
        let words: HashSet<_> = ShownState::ALL.map(ShownState::word).into();
        let icons: HashSet<_> = ShownState::ALL.map(ShownState::icon).into();
        assert_eq!((words.len(), icons.len()), (ShownState::ALL.len(), ShownState::ALL.len()));
        for state in ShownState::ALL {
            assert_eq!(ShownState::from_word(state.word()), Some(state));
            assert!(!state.explanation().is_empty() && !state.colour().is_empty());
        }
        assert_eq!(ShownState::from_word("Up"), None);
    }
}
