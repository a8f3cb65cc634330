//! The connection under lettre's SMTP client.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::probe::net::tls_stream::Transport;

/// Most bytes that a server may send. lettre reads a line of any length before it checks it.
const RECEIVED_LIMIT: u64 = 256 * 1024;

/// A greeting that lettre reads before its EHLO. After STARTTLS a server sends none (RFC 3207,
/// section 4.2).
const GREETING: &[u8] = b"220 TLS\r\n";

/// A connection that can be taken out of lettre's client again, for the handshake after STARTTLS.
#[derive(Debug, Clone)]
pub struct SmtpStream(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// `None` after it was taken.
    transport: Option<Transport>,
    /// Read before the transport.
    greeting: &'static [u8],
    received: u64,
}

impl SmtpStream {
    pub fn new(transport: Transport) -> Self {
        Self::with_greeting(transport, b"")
    }

    /// A connection after STARTTLS and its handshake.
    pub fn after_starttls(transport: Transport) -> Self {
        Self::with_greeting(transport, GREETING)
    }

    fn with_greeting(transport: Transport, greeting: &'static [u8]) -> Self {
        let inner = Inner { transport: Some(transport), greeting, received: 0 };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// The connection. What was read from it and not used is dropped: an attacker who injects data
    /// before the handshake would have it taken for data sent over TLS (RFC 3207, section 6).
    pub fn take(&self) -> Option<Transport> {
        self.inner().transport.take()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn transport(&mut self) -> io::Result<Pin<&mut Transport>> {
        self.transport.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncTokioStream for SmtpStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner().transport()?.tcp().peer_addr()
    }
}

impl AsyncRead for SmtpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.inner();
        if !inner.greeting.is_empty() {
            let (now, later) =
                inner.greeting.split_at(inner.greeting.len().min(buffer.remaining()));
            buffer.put_slice(now);
            inner.greeting = later;
            return Poll::Ready(Ok(()));
        }
        let filled = buffer.filled().len();
        ready!(inner.transport()?.poll_read(context, buffer))?;
        inner.received += (buffer.filled().len() - filled) as u64;
        if inner.received > RECEIVED_LIMIT {
            let why = format!("more than {RECEIVED_LIMIT} bytes of replies");
            return Poll::Ready(Err(io::Error::other(why)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SmtpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner().transport()?.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().transport()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().transport()?.poll_shutdown(context)
    }
}
