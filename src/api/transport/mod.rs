//! The connections of the API below HTTP: how many there are, which ones are closed when there are
//! too many, how long a client may take, and how a response is sent.
//!
//! - [`Connections`] decides which connections are open. Health and readiness need no place.
//! - [`ClientStream`] is the socket of a connection, with or without TLS, with deadlines.
//! - [`Body`](body::Body) sends a response in slices.

mod body;
mod client_stream;
mod connections;
mod places;
mod socket;
mod track;

pub use body::SLICE;
pub use client_stream::ClientStream;
pub use connections::{Connection, Connections};
pub use track::track;
