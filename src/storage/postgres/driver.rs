//! The task that moves the bytes of a connection, and ends it at a deadline.

use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel_async::async_connection_wrapper::BlockOn;
use futures_util::future::{Either, select};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep_until, timeout};

use crate::storage::postgres::connect_error::reason;
use crate::storage::postgres::runtime::ThreadRuntime;

/// Longest time to say goodbye to the server. A server that reads nothing more does not hold up the
/// end of a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);

/// Turns of the runtime after which the driver has read what the socket has.
const TURNS: usize = 4;

/// Drives a connection while its thread waits for it. When this is dropped, the socket is closed;
/// the client must be dropped before.
pub struct Driver {
    runtime: ThreadRuntime,
    task: JoinHandle<()>,
    deadline: watch::Sender<Option<Instant>>,
    /// Why the connection ended.
    end: Arc<Mutex<Option<String>>>,
}

impl Driver {
    pub fn spawn<S, T>(runtime: ThreadRuntime, connection: tokio_postgres::Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (deadline, changes) = watch::channel(None);
        let end = Arc::new(Mutex::new(None));
        let ended = Arc::clone(&end);
        let task = runtime.spawn(async move {
            let why = drive(connection, changes).await;
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        });
        Self { runtime, task, deadline, end }
    }

    /// The connection ends when `limit` has passed; `None` takes the limit away.
    pub fn limit(&self, limit: Option<Duration>) {
        self.deadline.send_replace(limit.map(|limit| Instant::now() + limit));
    }

    /// Whether a call with a deadline is under way.
    pub fn has_limit(&self) -> bool {
        self.deadline.borrow().is_some()
    }

    /// Waits for a future of the client.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Reads what the socket has, and says whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        if !self.task.is_finished() {
            self.runtime.block_on(async {
                for _ in 0..TURNS {
                    yield_now().await;
                }
            });
        }
        self.task.is_finished()
    }

    /// Why the connection has ended; `None` while it is open.
    pub fn end(&self) -> Option<String> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if Handle::try_current().is_ok() {
            // Inside of another runtime, this one cannot be turned: it closes the socket when it is
            // turned next or dropped.
            self.task.abort();
            return;
        }
        let task = &mut self.task;
        self.runtime.block_on(async {
            if timeout(CLOSE_TIMEOUT, &mut *task).await.is_err() {
                task.abort();
                // Now its result says that it was aborted.
                let _aborted = task.await;
            }
        });
    }
}

/// Drives `connection` until it ends or its deadline has passed. Returns why.
async fn drive<S, T>(
    connection: tokio_postgres::Connection<S, T>,
    mut deadline: watch::Receiver<Option<Instant>>,
) -> String
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut connection = pin!(connection);
    loop {
        let at = *deadline.borrow_and_update();
        let passed = pin!(async {
            match at {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        });
        let changed = pin!(deadline.changed());
        match select(connection.as_mut(), select(passed, changed)).await {
            Either::Left((Ok(()), _)) => return "closed by this process".to_owned(),
            Either::Left((Err(error), _)) => return reason(&error),
            Either::Right((Either::Left(_), _)) => return "no answer in time".to_owned(),
            Either::Right((Either::Right((Ok(()), _)), _)) => {}
            // The connection is being dropped.
            Either::Right((Either::Right((Err(_), _)), _)) => {
                return match connection.await {
                    Ok(()) => "closed by this process".to_owned(),
                    Err(error) => reason(&error),
                };
            }
        }
    }
}
