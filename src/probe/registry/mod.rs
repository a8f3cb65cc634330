//! When domains expire, by the registries themselves: RDAP, or WHOIS where a registry has no RDAP
//! server.
//!
//! [`DomainRegistry`] is shared by all probes of the process. The first probe that needs a domain
//! starts its look-up, on its own arbiter; others of the same domain wait for the same look-up, or
//! use what an earlier one found ([`cache`]). A look-up is never a part of a probe: it has its own
//! time, its own connections, and its failure says nothing about a target.

mod bootstrap;
mod cache;
mod client;
mod date;
mod lookup;
mod mutex;
mod news;
mod rdap;
mod registration;
mod shared;
mod source;
mod whois;

pub use client::Client;
pub use lookup::Settings;
pub use registration::Registration;
pub use shared::DomainRegistry;
pub use source::BootstrapSource;
pub use whois::parse_server;
