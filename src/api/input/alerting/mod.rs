//! Requests of alerting.

mod channel;
mod matcher;
mod policy;
mod query;
mod quiet;
mod silence;

pub use channel::{changed_channel, channel};
pub use policy::policy;
pub use query::{TEST_STATES, list_alerts, list_deliveries, page, test_state};
pub use silence::{acknowledgement, silence};
