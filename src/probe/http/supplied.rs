//! Gives awc the connection of the probe.
//!
//! awc requests a connection from its connector inside the future of a request.
//! [`SuppliedConnector`] returns the probe's connection, passed in a task-local.

use std::cell::RefCell;
use std::future::{Future, Ready, ready};
use std::task::{Context, Poll};

use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection as Connected};
use awc::http::Uri;

use crate::probe::http::connection::Connection;

tokio::task_local! {
    static SUPPLIED: RefCell<Option<Connection>>;
}

/// Runs `request`, which must be at most one awc request, over `connection`.
pub async fn with_connection<F: Future>(connection: Connection, request: F) -> F::Output {
    SUPPLIED.scope(RefCell::new(Some(connection)), request).await
}

/// Gives awc the connection of [`with_connection`].
#[derive(Debug, Clone)]
pub struct SuppliedConnector;

impl Service<ConnectInfo<Uri>> for SuppliedConnector {
    type Response = Connected<Uri, Connection>;
    type Error = ConnectError;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, request: ConnectInfo<Uri>) -> Self::Future {
        let connection = SUPPLIED.with(|supplied| supplied.borrow_mut().take());
        let connected =
            connection.map(|connection| Connected::new(request.request().clone(), connection));
        ready(connected.ok_or(ConnectError::Unresolved))
    }
}
