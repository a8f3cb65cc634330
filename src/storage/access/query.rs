//! Queries of access.

use crate::domain::access::Token;
use crate::storage::access::ListTokens;
use crate::storage::port::{Query, Result, StoreRead};

impl Query for ListTokens {
    type Answer = Vec<Token>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Vec<Token>> {
        rows.tokens()
    }
}
