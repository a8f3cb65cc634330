//! The awc client.

use crate::probe::http::connection::SuppliedConnector;

/// Without limits and timeouts: the pool bounds the number of probes, the deadline bounds each.
pub fn new() -> awc::Client {
    let connector = awc::Connector::new().connector(SuppliedConnector).limit(0);
    awc::Client::builder()
        .connector(connector)
        .disable_timeout()
        .disable_redirects()
        .no_default_headers()
        .finish()
}
