//! The configured store, opened for writing unless a service uses it.

use std::time::Duration;

use crate::clock::unix_ms;
use crate::config::StorageConfig;
use crate::error::Error;
use crate::storage::postgres::server::{Awaiting, Newcomer};
use crate::storage::postgres::start_error::StartError;
use crate::storage::postgres::takeover::Found;
use crate::storage::{OpenError, Store};

pub(super) enum Opened {
    Unused(Store),
    /// A service has it; says which one.
    InUse(String),
}

/// Creates the store when it is missing. `command` is a part of the name of this instance.
pub(super) fn open(storage: &StorageConfig, command: &str) -> Result<Opened, Error> {
    let Some(database) = &storage.database else {
        return match Store::open_file(&storage.file) {
            Ok(store) => Ok(Opened::Unused(store)),
            Err(error @ OpenError::InUse { .. }) => Ok(Opened::InUse(error.to_string())),
            Err(error) => Err(Error::Open(error)),
        };
    };
    // A name that no instance has: a newcomer ends a living instance of its own name.
    let name = format!("{command} {}", unix_ms());
    let newcomer = Newcomer { name: &name, ttl: storage.instance_ttl };
    let awaiting = Awaiting {
        patience: Duration::ZERO,
        is_stopping: &|| false,
        report: &|why| eprintln!("{why}"),
    };
    match Store::open_server(database, &newcomer, &awaiting) {
        Ok(store) => Ok(Opened::Unused(store)),
        Err(OpenError::Database { database, why: StartError::InUse(Found { id, name, .. }) }) => {
            Ok(Opened::InUse(format!("{database}: a service uses it ({name:?}, instance {id})")))
        }
        Err(error) => Err(Error::Open(error)),
    }
}
