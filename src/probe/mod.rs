//! One probe under one deadline → an [`Outcome`](crate::domain::Outcome).
//!
//! # The path of one probe
//!
//! 1. [`Engine::probe`] starts the timeout of the service and fills the variables into its URL.
//! 2. [`context`] resolves the host ([`net::resolve`]), drops addresses that must not be dialled
//!    ([`net::policy`]), connects ([`net::dial`]) and does the TLS handshake ([`net::tls`]).
//! 3. [`http`] sends the request over HTTP/1.1 or HTTP/2 and follows redirects; other schemes are
//!    in [`protocols`], and [`exec`] runs plugins. Each returns a [`response`].
//! 4. [`engine`] evaluates the service's [`conditions`] on the response, or the plain rule of its
//!    protocol when there are none. Conditions that expect no connection are in [`no_connection`].
//!
//! [`timings`] assigns every moment to one of the phases resolve, connect, tls, processing and
//! transfer, and collects details, so both are known when the timeout ends the probe. [`failure`]
//! and [`tls_failure`] map every library error to a reason. [`stall`] excuses a probe whose
//! deadline passed while this process stalled. [`limits`] bounds what a target may send beside its
//! data.
//!
//! A condition on the expiry of the target's domain is judged by what its registry says
//! ([`registry`]), outside of the response time ([`domain_expiry`]).
//!
//! Probes share configurations ([`resources`]), and simultaneous look-ups of a name share a query.
//! No connection, TLS session or DNS answer is reused: every probe resolves, connects and does a
//! handshake, so the next probe detects a failure of DNS, TCP or TLS.

mod conditions;
mod context;
mod domain_expiry;
mod engine;
pub mod exchange;
pub mod exec;
mod failure;
mod http;
mod limits;
pub mod net;
mod no_connection;
mod protocols;
pub mod registry;
mod resources;
mod response;
mod stall;
mod timings;
mod tls_failure;
pub mod tokens;

pub use engine::Engine;
pub use resources::Rules;
