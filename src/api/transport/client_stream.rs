//! The socket of a client, with deadlines.

use std::io;
use std::net::TcpListener;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_web::rt::net::TcpStream;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;

use crate::api::transport::connections::Connection;
use crate::api::transport::places::Wait;
use crate::api::transport::socket::Socket;

/// Longest time from the end of a response to the head of the next request. actix-http limits the
/// first head only, and a connection without a request for a shorter time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of heads that are read before the requests in them begin. actix-http reads and parses as
/// many as the client sends, and each parsed head takes a few kilobytes.
const HEAD_BYTES: usize = 1024;

/// Send buffer of a connection, in bytes; the kernel doubles it. With its default, a client that
/// reads nothing makes the kernel hold megabytes.
const SEND_BUFFER: usize = 32 * 1024;

/// Largest segment of TCP, in bytes. A client acknowledges at once what is more than a segment, and
/// less than that after up to 40 ms. On loopback a segment has 64 KiB, which is more than the send
/// buffer holds, so that each buffer would wait for that long.
const SEGMENT: u32 = 8 * 1024;

/// The socket of a client. It fails when the client takes no byte of a response for too long, sends
/// no head, or has to make room for another connection.
///
/// While a response is computed or the client takes no bytes, nothing is read but the body of the
/// request: pipelined requests stay in the client.
#[derive(Debug)]
pub struct ClientStream {
    stream: Socket,
    connection: Arc<Connection>,
    /// The client takes no bytes, while there are bytes to take.
    is_blocked: bool,
    /// Bytes of heads since the task last had the opportunity to begin a request.
    head_bytes: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl ClientStream {
    /// Sets what the connections of a listener have from their first segment on.
    pub fn prepare(listener: &TcpListener) -> io::Result<()> {
        SockRef::from(listener).set_tcp_mss(SEGMENT)
    }

    /// With `acceptor`, completes the handshake of TLS first; an error when the client takes longer
    /// than `handshake_timeout`, has to make room for another connection, or the server is
    /// `stopped`.
    pub async fn open(
        stream: TcpStream,
        connection: Connection,
        acceptor: Option<&TlsAcceptor>,
        handshake_timeout: Duration,
        stopped: impl Future<Output = ()>,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        socket.set_send_buffer_size(SEND_BUFFER)?;
        // Also limits how long the kernel keeps unsent bytes after the socket was closed.
        socket.set_tcp_user_timeout(Some(connection.client_timeout()))?;
        let stream = match acceptor {
            None => Socket::plain(stream),
            Some(acceptor) => {
                let handshake = Socket::accept(stream, acceptor);
                tokio::select! {
                    accepted = tokio::time::timeout(handshake_timeout, handshake) => accepted??,
                    () = connection.closed() => {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                    () = stopped => return Err(io::ErrorKind::ConnectionAborted.into()),
                }
            }
        };
        Ok(Self {
            stream,
            connection: Arc::new(connection),
            is_blocked: false,
            head_bytes: 0,
            timer: None,
        })
    }

    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Discards the bytes that the client did not take.
    fn reset(&self, kind: io::ErrorKind) -> io::Error {
        // An error means that the connection is closed already.
        let _ = self.stream.tcp().set_zero_linger();
        kind.into()
    }

    /// Reads a part of a head; the task continues before it reads the next part.
    fn poll_read_head(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.head_bytes >= HEAD_BYTES {
            self.head_bytes = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut part = [0; HEAD_BYTES];
        let room = buffer.remaining().min(HEAD_BYTES - self.head_bytes);
        let mut part = ReadBuf::new(&mut part[..room]);
        let read = Pin::new(&mut self.stream).poll_read(context, &mut part);
        self.head_bytes = if read.is_pending() { 0 } else { self.head_bytes + part.filled().len() };
        buffer.put_slice(part.filled());
        read
    }

    /// Judges a write, before which the client had taken `sent` bytes: an error when it has taken
    /// none for too long, while there are some to take.
    fn judge_write<T>(
        &mut self,
        context: &mut Context<'_>,
        sent: u64,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let is_waiting = written.is_pending() || self.stream.has_unsent();
        if (self.stream.sent() != sent || !is_waiting) && std::mem::take(&mut self.is_blocked) {
            self.connection.unblocked();
            self.timer = None;
        }
        if is_waiting {
            let since = self.connection.blocked(Instant::now());
            self.is_blocked = true;
            let deadline = since + self.connection.client_timeout();
            self.poll_deadline(deadline, context)?;
        }
        written
    }

    /// An error when the client has closed the connection, which need not be found while it sends
    /// bytes, since they are not read.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (tcp, mut byte) = (self.stream.tcp(), [0]);
        let ended = match ready!(tcp.poll_peek(context, &mut ReadBuf::new(&mut byte))) {
            Ok(0) => io::ErrorKind::ConnectionReset.into(),
            // Such as the end of TLS.
            Ok(_) => match pin!(tcp.ready(Interest::READABLE)).poll(context) {
                Poll::Ready(Ok(ready)) if ready.is_read_closed() => {
                    io::ErrorKind::ConnectionReset.into()
                }
                _ => return Poll::Pending,
            },
            Err(error) => error,
        };
        Poll::Ready(Err(ended))
    }

    /// An error when `deadline` has passed; otherwise `context` is woken by then.
    fn poll_deadline(&mut self, deadline: Instant, context: &mut Context<'_>) -> io::Result<()> {
        let deadline = deadline.into();
        let timer = match &mut self.timer {
            Some(timer) => {
                if timer.deadline() != deadline {
                    timer.as_mut().reset(deadline);
                }
                timer
            }
            None => self.timer.insert(Box::pin(tokio::time::sleep_until(deadline))),
        };
        match timer.as_mut().poll(context) {
            Poll::Ready(()) => Err(self.reset(io::ErrorKind::TimedOut)),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.connection.register(context);
        let is_closed = self.connection.is_closed();
        let progress = self.connection.progress();
        let wait = progress.wait();
        if matches!(wait, Wait::Reader(_) | Wait::Server) && !is_closed {
            if progress.is_watched {
                return self.poll_end(context);
            }
            // The end of a request, the reading of a body and progress of a write wake the task.
            return Poll::Pending;
        }
        if is_closed {
            self.head_bytes = 0;
        }
        let read = if matches!(wait, Wait::Head(_)) {
            self.poll_read_head(context, buffer)
        } else {
            Pin::new(&mut self.stream).poll_read(context, buffer)
        };
        if is_closed {
            // This thread may have been too busy to read what the client has sent long ago.
            if matches!(wait, Wait::Reader(_) | Wait::Server) || buffer.filled().is_empty() {
                return Poll::Ready(Err(self.reset(io::ErrorKind::ConnectionAborted)));
            }
            self.connection.keep_open();
        }
        if let (Poll::Pending, Wait::Head(since)) = (&read, wait) {
            self.poll_deadline(since + HEAD_TIMEOUT, context)?;
        }
        read
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection.register(context);
        if self.connection.is_closed() {
            return Poll::Ready(Err(self.reset(io::ErrorKind::ConnectionAborted)));
        }
        let sent = self.stream.sent();
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge_write(context, sent, written)
    }

    /// Sends what is encrypted; without TLS there is nothing to do.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Socket::Plain(plain) = &mut self.stream {
            return Pin::new(plain).poll_flush(context);
        }
        if self.connection.is_closed() && self.stream.has_unsent() {
            return Poll::Ready(Err(self.reset(io::ErrorKind::ConnectionAborted)));
        }
        let sent = self.stream.sent();
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.judge_write(context, sent, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use actix_web::rt::net::TcpListener;
    use rustls::ServerConfig;
    use rustls::crypto::ring::default_provider;
    use rustls::server::ResolvesServerCertUsingSni;

    use super::*;
    use crate::api::transport::Connections;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[actix_web::test]
    async fn a_stop_ends_a_handshake_at_once() {
        let config = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connections = Connections::new(2, HOUR);
        let accept = async || {
            // It sends nothing.
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            (client, listener.accept().await.unwrap().0, connections.admit(Instant::now()))
        };
        let (_client, stream, connection) = accept().await;
        let opening = ClientStream::open(stream, connection, Some(&acceptor), HOUR, ready(()));
        assert_eq!(opening.await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        let (_client, stream, connection) = accept().await;
        let opening = ClientStream::open(stream, connection, Some(&acceptor), HOUR, pending());
        let waited = tokio::time::timeout(Duration::from_millis(10), opening).await;
        assert!(waited.is_err(), "it goes on while the server runs");
    }
}
