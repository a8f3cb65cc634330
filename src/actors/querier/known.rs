//! What a query knows besides the rows of the history.

use super::program::ProgramMetrics;
use crate::storage::history::samples::{Board, Catalog};

pub struct Known<'a> {
    pub catalog: &'a Catalog,
    pub board: &'a Board<'a>,
    pub program: &'a ProgramMetrics<'a>,
}
