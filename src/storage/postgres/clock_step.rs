//! Moves what was stored before the wall clock was set back.

use super::connection::StoreConnection;
use crate::domain::time::step_back::StepBack;
use crate::storage::port::Result;

pub fn apply(connection: &mut StoreConnection, step: &StepBack) -> Result<usize> {
    todo!()
}
