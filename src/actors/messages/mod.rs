//! Every message that actors exchange, and the values in them. A leaf: it imports no actor, and
//! actors hold `Recipient`s of messages instead of each other's types.

pub mod alerting;
pub mod instances;
pub mod live;
pub mod probing;
pub mod querying;
pub mod recording;
pub mod relaying;
pub mod store;
