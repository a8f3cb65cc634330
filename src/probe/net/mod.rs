//! From a host name to a connection: look-ups, the address policy, the race of connections, TLS.

pub mod connection;
pub mod dial;
pub mod policy;
pub mod resolve;
pub mod tls;
