//! Why a store cannot receive a move.

/// Why a store cannot receive a move. It is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("it has a store already; move to an empty one")]
    NotEmpty,
    #[error("it is the configured store itself, or a copy of it; move to an empty one")]
    Itself,
    /// The name of the other source.
    #[error(
        "it holds an unfinished move of another store, {0}; finish that move, or move to an empty \
         store"
    )]
    OtherMove(String),
    /// The name of the source.
    #[error(
        "the move of {0} to it was finished, and a service has used it since; move to an empty one"
    )]
    Used(String),
    /// It cannot be read.
    #[error("{0}")]
    Failed(String),
}

/// Why nobody uses a store: a move has not filled it yet. `how` empties it.
pub fn unfinished_move(source: &str, how: &str) -> String {
    format!(
        "it holds an unfinished move of {source}; run the same `service-healthcheck move` again to \
         finish it, or {how} to begin with an empty store"
    )
}
