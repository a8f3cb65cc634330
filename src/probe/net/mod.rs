//! From a host name to a connection: name resolution, address policy, dialling, TLS.

pub mod dial;
mod edns;
mod embedded_v4;
mod lookup;
mod name_server;
pub mod own_addresses;
pub mod policy;
pub mod proxy;
mod resolv_conf;
pub mod resolve;
pub mod resolver_health;
mod server_order;
mod system_resolver;
pub mod targets;
pub mod tls;
pub mod tls_stream;
