//! What a store can write about shards.

use crate::domain::{Outcome, ServiceId, ShardSet};
use crate::storage::coordination::Claimed;
use crate::storage::coordination::command::AlertCommand;
use crate::storage::error::StorageError;

type Result<T> = std::result::Result<T, StorageError>;

/// The writes of an instance about its shards. Each is one transaction.
pub trait ShardWrite {
    /// Takes shards that have no owner: at most as many as `wanted` says, and none of its set.
    /// Closes the gap since they were watched, and makes up for changes of definitions that no
    /// owner has seen.
    fn claim(
        &mut self,
        wanted: (usize, &ShardSet),
        now_ms: i64,
        default_interval_ms: i64,
    ) -> Result<Claimed>;
    /// Gives shards back, which were watched until `watched_to_ms`. They are not owned any more,
    /// whatever the result is; after an error it is to be repeated.
    fn give_back(&mut self, shards: &ShardSet, watched_to_ms: i64) -> Result<()>;
    /// Writes what changes of definitions mean for the events of those of these services that are
    /// owned: a pause, the end of one, or a deletion.
    fn settle_definitions(&mut self, ids: &[ServiceId]) -> Result<()>;
    /// Puts outcomes of services of other instances into the inbox.
    fn post(&mut self, outcomes: &[Outcome]) -> Result<()>;
    /// Puts a command about alerts into the inbox.
    fn post_command(&mut self, command: &AlertCommand) -> Result<()>;
    /// The number of services that the grid of slots is computed from; the same for all instances.
    /// An instance that runs alone sets it to `services`.
    fn agree_spread(&mut self, services: usize, is_alone: bool) -> Result<usize>;
}
