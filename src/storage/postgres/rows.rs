//! Rows of fresh ticks.

use diesel::prelude::*;

use super::columns::state_of;
use super::schema::service_ticks;
use crate::domain::{Reason, StoredTick};

/// A row of `service_ticks`, but for its number.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = service_ticks, check_for_backend(diesel::pg::Pg))]
pub struct TickRow {
    pub service_id: i64,
    at_ms: i64,
    unphased_us: Option<i64>,
    dns_us: Option<i32>,
    connect_us: Option<i32>,
    tls_us: Option<i32>,
    first_byte_us: Option<i32>,
    transfer_us: Option<i32>,
    state: i16,
    http_status: Option<i16>,
    failure: Option<String>,
}

impl TickRow {
    /// Without a status or a reason that this program does not know.
    pub fn tick(&self) -> StoredTick {
        let micros = |us: Option<i32>| u64::try_from(us.unwrap_or_default()).unwrap_or_default();
        let phases =
            [self.dns_us, self.connect_us, self.tls_us, self.first_byte_us, self.transfer_us]
                .map(micros);
        StoredTick {
            at_ms: self.at_ms,
            state: state_of(self.state),
            response_time_us: phases
                .iter()
                .sum::<u64>()
                .saturating_add_signed(self.unphased_us.unwrap_or_default()),
            phases_us: self.dns_us.map(|_| phases),
            http_status: self.http_status.and_then(|status| u16::try_from(status).ok()),
            reason: self.failure.as_deref().and_then(Reason::from_word),
        }
    }
}
