//! A connection of our own, in the form that awc speaks over.
//!
//! awc asks its connector for a connection inside the future of the request. [`HandOver`] is a connector that gives it
//! the one which this probe has made, handed over by a task-local.

use std::cell::{Cell, RefCell};
use std::future::{Future, Ready, ready};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
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
pub struct Connection {
    stream: Stream,
    /// Whether the peer has ended it; awc keeps that to itself.
    ended: Rc<Cell<bool>>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    /// Boxed, since the TLS state is ten times as large.
    Secured(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// A connection as http uses it.
    pub fn plain(stream: TcpStream) -> Self {
        Self { stream: Stream::Plain(stream), ended: Rc::default() }
    }

    /// A connection as https uses it.
    pub fn secured(stream: TlsStream<TcpStream>) -> Self {
        Self { stream: Stream::Secured(Box::new(stream)), ended: Rc::default() }
    }

    /// Turns true when a read has met the end that the peer has set to the connection.
    pub fn ended(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.ended)
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Secured(stream) => stream.get_ref().0,
        }
    }
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
        let this = self.get_mut();
        let (room, filled) = (buffer.remaining(), buffer.filled().len());
        let polled = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Secured(stream) => match Pin::new(&mut **stream).poll_read(context, buffer) {
                // Many servers close without TLS's goodbye. Whether the message was complete is for HTTP to say.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                polled => polled,
            },
        };
        if matches!(polled, Poll::Ready(Ok(()))) && room > 0 && buffer.filled().len() == filled {
            this.ended.set(true);
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Secured(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Secured(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Secured(stream) => Pin::new(&mut **stream).poll_shutdown(context),
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
