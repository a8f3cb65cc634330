//! The HTTP API: routes, handlers, JSON bodies and error responses. No SQL.
//!
//! A handler validates the request ([`input`]), sends a message to an actor, and responds with a
//! JSON body from [`views`]. Every failure is an [`error::ApiError`], so all error responses have
//! the same shape. `GET /openapi.json` is generated from the handlers and the views.

pub(crate) mod access;
pub(crate) mod alerting;
mod alerting_bodies;
mod audit;
mod budget;
mod caller;
mod certificate;
mod coding;
mod cors;
pub mod error;
mod error_responses;
mod guard;
mod heartbeats;
mod history;
pub(crate) mod input;
mod internal;
mod live;
mod maintenance_bodies;
mod middleware;
mod module_probes;
mod openapi;
mod parameter_schemas;
pub(crate) mod probes;
pub(crate) mod prometheus;
mod query_parameters;
mod representation;
mod request_bodies;
mod response_cache;
pub(crate) mod routes;
mod scrapes;
mod server;
mod service_texts;
pub(crate) mod services;
mod state;
mod text;
mod transport;
pub mod views;
pub(crate) mod visibility;
pub(crate) mod visible_plans;

pub use access::sessions::{begin as begin_session, end as end_session};
pub use access::{UseWriter, token_json};
pub use budget::ResponseBudget;
pub use certificate::{ApiCertificate, CurrentCertificate};
pub use guard::{Guard, WriteAccess};
pub use module_probes::{CurrentModules, ModuleProbes};
pub use prometheus::remote_read::windows as remote_read_windows;
pub use response_cache::ResponseCache;
pub use scrapes::Scrapes;
pub use server::{ServerSettings, serve};
pub use service_texts::ServiceTexts;
pub use state::{Api, Dispatcher, Pages};
pub use transport::Connections;
