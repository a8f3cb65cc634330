//! Gives awc the connection of the probe.
//!
//! awc requests a connection from its connector inside the future of a request.
//! [`SuppliedConnector`] returns the probe's connection, passed in a task-local.

use std::cell::RefCell;
use std::future::{Future, Ready, poll_fn, ready};
use std::pin::pin;
use std::task::{Context, Poll};

use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection as Connected};
use awc::http::Uri;
use tokio::task::LocalSet;

use crate::probe::http::connection::Connection;

tokio::task_local! {
    static SUPPLIED: RefCell<Option<Connection>>;
}

/// Runs `request`, which must be at most one awc request, over `connection`.
pub async fn with_connection<F: Future>(connection: Connection, request: F) -> F::Output {
    let request = without_spawned_tasks(request);
    SUPPLIED.scope(RefCell::new(Some(connection)), request).await
}

/// Runs `request`. Tasks that it spawns are never polled, and are cancelled when it ends.
///
/// awc's codec spawns one for each connection, which renews the date of the header `date` each half
/// second; its timer would wake the thread. The header is written from the date that the codec
/// began with. No request over HTTP/1 waits for a task of awc.
async fn without_spawned_tasks<F: Future>(request: F) -> F::Output {
    let tasks = LocalSet::new();
    let mut request = pin!(request);
    poll_fn(|context| {
        let _entered = tasks.enter();
        request.as_mut().poll(context)
    })
    .await
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[actix::test]
    async fn a_request_ends_without_the_tasks_that_it_spawned() {
        let has_run = Rc::new(Cell::new(false));
        let (in_task, in_request) = (Rc::clone(&has_run), Rc::clone(&has_run));
        let request = async move {
            let task = actix_rt::spawn(async move { in_task.set(true) });
            tokio::task::yield_now().await;
            (task, in_request.get())
        };
        let (task, had_run) = without_spawned_tasks(request).await;
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(!had_run && !has_run.get());
    }
}
