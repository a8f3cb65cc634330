//! A connection of our own, in the form that awc speaks over.
//!
//! awc asks its connector for a connection inside the future of the request. [`HandOver`] is a connector that gives it
//! the one which this probe has made, handed over by a task-local. The probe keeps a hold of it, so that it can see what
//! awc does not tell: whether the peer has ended the connection, and what comes after a head that announces no body.

use std::cell::{RefCell, RefMut};
use std::future::{Future, Ready, poll_fn, ready};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_rt::net::{ActixStream, Ready as IoReady};
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection as Connected};
use awc::http::Uri;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::probe::http::interim;

/// A connection to a target; clones are the same connection.
#[derive(Debug, Clone)]
pub struct Connection(Rc<RefCell<Shared>>);

#[derive(Debug)]
struct Shared {
    stream: Stream,
    /// Whether a read has met the end that the peer has set.
    ended: bool,
    /// What was received and not yet passed on: the start of the answer, until it is known not to be interim and its head is
    /// there; and then what came behind the head.
    held: Vec<u8>,
    /// How much of `held` is head, which is passed on by itself: awc loses what it has read behind the head of an answer
    /// that does not tell its end.
    head: usize,
    /// Whether the answer itself has begun.
    answering: bool,
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
        Self::new(Stream::Plain(stream))
    }

    /// A connection as https uses it.
    pub fn secured(stream: TlsStream<TcpStream>) -> Self {
        Self::new(Stream::Secured(Box::new(stream)))
    }

    fn new(stream: Stream) -> Self {
        let shared = Shared { stream, ended: false, held: Vec::new(), head: 0, answering: false };
        Self(Rc::new(RefCell::new(shared)))
    }

    /// Whether a read has met the end that the peer has set to the connection.
    pub fn ended(&self) -> bool {
        self.0.borrow().ended
    }

    /// Reads what still comes, until the peer ends the connection or `limit` bytes have come, and appends it to `kept`, if
    /// it is to be kept. Gives the number of bytes that came.
    pub async fn drain(&self, limit: usize, mut kept: Option<&mut Vec<u8>>) -> io::Result<usize> {
        let mut drained = self.shared().held.len().min(limit);
        let rest = std::mem::take(&mut self.shared().held);
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(&rest[..drained]);
        }
        let mut room = vec![0; 8 * 1024];
        while drained < limit && !self.ended() {
            let mut received = ReadBuf::new(&mut room);
            poll_fn(|context| self.shared().poll_stream(context, &mut received)).await?;
            drained += received.filled().len();
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(received.filled());
            }
        }
        Ok(drained)
    }

    /// Polls never overlap: probe and awc run in one task, one after the other.
    fn shared(&self) -> RefMut<'_, Shared> {
        self.0.borrow_mut()
    }
}

impl Shared {
    /// Reads from the stream itself, and notes its end.
    fn poll_stream(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (room, filled) = (buffer.remaining(), buffer.filled().len());
        let polled = match &mut self.stream {
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
            self.ended = true;
        }
        polled
    }

    /// Reads the answer, interim answers passed over.
    fn poll_answer(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.answering {
            let mut room = [0; 1_024];
            let mut received = ReadBuf::new(&mut room);
            ready!(self.poll_stream(context, &mut received))?;
            self.held.extend_from_slice(received.filled());
            if self.ended || interim::pass_over(&mut self.held) {
                self.head = interim::head_length(&self.held).unwrap_or(self.held.len());
                self.answering = self.ended || !interim::may_be_head(&self.held);
            }
        }
        if self.held.is_empty() {
            return self.poll_stream(context, buffer);
        }
        let next = if self.head > 0 { self.head } else { self.held.len() };
        let passed_on = next.min(buffer.remaining());
        buffer.put_slice(&self.held[..passed_on]);
        self.held.drain(..passed_on);
        self.head = self.head.saturating_sub(passed_on);
        Poll::Ready(Ok(()))
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Secured(stream) => stream.get_ref().0,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.shared().poll_answer(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.shared().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Secured(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.shared().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Secured(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    /// Nothing: awc is done with the connection before the probe is. It ends when the probe drops it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl ActixStream for Connection {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<IoReady>> {
        ActixStream::poll_read_ready(self.0.borrow().tcp(), context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<IoReady>> {
        ActixStream::poll_write_ready(self.0.borrow().tcp(), context)
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
