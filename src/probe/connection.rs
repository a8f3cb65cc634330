//! A connection of our own, in the form that awc speaks over.
//!
//! awc asks its connector for a connection inside the future of the request. [`HandOver`] is a connector that gives it
//! the one which this probe has made, handed over by a task-local.

use std::cell::RefCell;
use std::future::{Future, Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_rt::net::{ActixStream, Ready as IoReady};
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection as Connected};
use awc::http::Uri;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A connection to a target.
#[derive(Debug)]
pub enum Connection {
    /// As http uses it.
    Plain(TcpStream),
    /// As https uses it. Boxed, since the TLS state is ten times as large.
    Secured(Box<TlsStream<TcpStream>>),
}

tokio::task_local! {
    static HANDED_OVER: RefCell<Option<Connection>>;
}

/// Runs `request`, which must make one awc request at most, over `connection`.
pub async fn over<F: Future>(connection: Connection, request: F) -> F::Output {
    HANDED_OVER.scope(RefCell::new(Some(connection)), request).await
}

/// The connector that hands the probe's own connection to awc.
#[derive(Debug, Clone)]
pub struct HandOver;

impl Service<ConnectInfo<Uri>> for HandOver {
    type Response = Connected<Uri, Connection>;
    type Error = ConnectError;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, request: ConnectInfo<Uri>) -> Self::Future {
        let connection = HANDED_OVER.with(|handed_over| handed_over.borrow_mut().take());
        let connected =
            connection.map(|connection| Connected::new(request.request().clone(), connection));
        ready(connected.ok_or(ConnectError::Unresolved))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Secured(stream) => match Pin::new(&mut **stream).poll_read(context, buffer) {
                // Many servers close without TLS's goodbye. Whether the message was complete is for HTTP to say.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                polled => polled,
            },
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Secured(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Secured(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Secured(stream) => Pin::new(&mut **stream).poll_shutdown(context),
        }
    }
}

impl Connection {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Secured(stream) => stream.get_ref().0,
        }
    }
}

impl ActixStream for Connection {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<IoReady>> {
        ActixStream::poll_read_ready(self.tcp(), context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<IoReady>> {
        ActixStream::poll_write_ready(self.tcp(), context)
    }
}
