//! From a host name to a connection: name resolution, address policy, dialling, TLS.

pub mod dial;
pub mod policy;
pub mod resolve;
pub mod tls;
pub mod tls_stream;
