//! A connection that the probe opened, in the form that awc uses.
//!
//! The probe retains a clone, which shows what awc hides: the head as the peer sent it, whether the
//! peer closed the connection, and data after a head without a body length.

use std::cell::{RefCell, RefMut};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_rt::net::{ActixStream, Ready as IoReady};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::probe::http::frame_meter::FrameMeter;
use crate::probe::http::framing::BodyEnd;
use crate::probe::http::head::ResponseHead;
use crate::probe::http::head_error::HeadError;
use crate::probe::http::interim::{HeadSearch, SearchError};
use crate::probe::limits::{LimitExceeded, check};
use crate::probe::net::tls_stream::{TlsStream, Transport};

/// Most bytes of the chunked coding beyond one byte for each byte of the body: sizes, extensions,
/// trailers (RFC 9112, section 7.1), and what awc has read ahead.
const CHUNKING_LIMIT: u64 = 64 * 1024;

/// A connection to a target; clones share it.
#[derive(Debug, Clone)]
pub struct Connection(Rc<RefCell<Shared>>);

#[derive(Debug)]
struct Shared {
    stream: Stream,
    /// Whether a read reached the end of the stream.
    peer_closed: bool,
    /// The head of the final response, once it is complete.
    head: Option<ReceivedHead>,
    /// Data not yet passed to awc: the start of a response, until its final head is complete; then
    /// awc's form of the head, and the data after it.
    buffered: Vec<u8>,
    /// Bytes of `buffered` that are head. They are passed to awc in a read of their own, since awc
    /// loses data read together with a head that has no body length.
    head_left: usize,
    phase: Phase,
}

/// The head of a response, and where its body ends.
#[derive(Debug)]
pub struct ReceivedHead {
    pub head: ResponseHead,
    pub end: BodyEnd,
}

/// What the peer sends next, and the counts that limit it.
#[derive(Debug)]
enum Phase {
    /// The head of an HTTP/1 response.
    Head(HeadSearch),
    /// Data of any form: an HTTP/1 body, or frames of a WebSocket.
    Body,
    /// A body in the chunked coding: bytes passed to awc, and bytes of the body in them.
    Chunks { passed: u64, body: u64 },
    /// HTTP/2.
    Frames(Box<FrameMeter>),
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    /// Boxed, since the TLS state is ten times as large.
    Tls(Box<TlsStream>),
}

impl Connection {
    pub fn plain(stream: TcpStream) -> Self {
        Self::new(Stream::Plain(stream))
    }

    pub fn over(transport: Transport) -> Self {
        match transport {
            Transport::Tcp(stream) => Self::plain(stream),
            Transport::Tls(stream) => Self::new(Stream::Tls(stream)),
        }
    }

    pub fn tls(stream: TlsStream) -> Self {
        Self::new(Stream::Tls(Box::new(stream)))
    }

    fn new(stream: Stream) -> Self {
        let shared = Shared {
            stream,
            peer_closed: false,
            head: None,
            buffered: Vec::new(),
            head_left: 0,
            phase: Phase::Head(HeadSearch::default()),
        };
        Self(Rc::new(RefCell::new(shared)))
    }

    /// Whether a read reached the end of the stream.
    pub fn peer_closed(&self) -> bool {
        self.0.borrow().peer_closed
    }

    /// The head of the response, once awc has received it.
    pub fn take_head(&self) -> Option<ReceivedHead> {
        self.shared().head.take()
    }

    /// Expects HTTP/2 from now on.
    pub fn expect_frames(&self) {
        self.shared().phase = Phase::Frames(Box::default());
    }

    /// Expects a body in the chunked coding from now on.
    pub fn expect_chunks(&self) {
        self.shared().phase = Phase::Chunks { passed: 0, body: 0 };
    }

    /// `length` bytes of the body have been decoded.
    pub fn body_decoded(&self, length: usize) {
        if let Phase::Chunks { body, .. } = &mut self.shared().phase {
            *body += length as u64;
        }
    }

    /// Reads until the peer closes the connection or `limit` bytes are read, and appends the data
    /// to `output` unless that is `None`. Returns the number of bytes read.
    pub async fn read_rest(
        &self,
        limit: usize,
        mut output: Option<&mut Vec<u8>>,
    ) -> io::Result<usize> {
        let buffered = std::mem::take(&mut self.shared().buffered);
        let mut read = buffered.len().min(limit);
        if let Some(output) = &mut output {
            output.extend_from_slice(&buffered[..read]);
        }
        let mut buffer = Vec::new();
        while read < limit && !self.peer_closed() {
            // Most bodies end before.
            buffer.resize(8 * 1024, 0);
            let mut received = ReadBuf::new(&mut buffer);
            poll_fn(|context| self.shared().poll_stream(context, &mut received)).await?;
            read += received.filled().len();
            if let Some(output) = &mut output {
                output.extend_from_slice(received.filled());
            }
        }
        Ok(read)
    }

    /// Borrows never overlap: probe and awc poll the connection in one task, one after the other.
    fn shared(&self) -> RefMut<'_, Shared> {
        self.0.borrow_mut()
    }
}

impl Shared {
    /// Reads from the stream and records its end.
    fn poll_stream(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (capacity, filled) = (buffer.remaining(), buffer.filled().len());
        let polled = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => match Pin::new(&mut **stream).poll_read(context, buffer) {
                // Many servers close without close_notify. HTTP decides whether the message is
                // complete.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                polled => polled,
            },
        };
        let is_empty = buffer.filled().len() == filled;
        if matches!(polled, Poll::Ready(Ok(()))) && capacity > 0 && is_empty {
            self.peer_closed = true;
        }
        polled
    }

    /// Reads what the probe's client may see: of HTTP/1, the final response without interim ones.
    fn poll_limited(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        ready!(self.poll_response(context, buffer))?;
        self.phase.pass(&buffer.filled()[filled..])?;
        Poll::Ready(Ok(()))
    }

    fn poll_response(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while let Phase::Head(_) = self.phase {
            let mut chunk = [0; 1_024];
            let mut received = ReadBuf::new(&mut chunk);
            ready!(self.poll_stream(context, &mut received))?;
            self.buffered.extend_from_slice(received.filled());
            let Phase::Head(search) = &mut self.phase else { break };
            match search.advance(&mut self.buffered).map_err(io_error)? {
                Some((head, length)) => self.receive_head(head, length).map_err(invalid)?,
                None if !self.peer_closed => {}
                None if self.buffered.is_empty() => self.phase = Phase::Body,
                None => return Poll::Ready(Err(invalid(HeadError::Incomplete))),
            }
        }
        if self.buffered.is_empty() {
            return self.poll_stream(context, buffer);
        }
        let available = if self.head_left > 0 { self.head_left } else { self.buffered.len() };
        let length = available.min(buffer.remaining());
        buffer.put_slice(&self.buffered[..length]);
        self.buffered.drain(..length);
        self.head_left = self.head_left.saturating_sub(length);
        Poll::Ready(Ok(()))
    }

    /// Puts awc's form of `head` in place of its `length` bytes.
    fn receive_head(&mut self, head: ResponseHead, length: usize) -> Result<(), HeadError> {
        let end = BodyEnd::of(head.version, &head.fields)?;
        let for_awc = head.for_awc(end);
        self.head_left = for_awc.len();
        drop(self.buffered.splice(..length, for_awc));
        self.head = Some(ReceivedHead { head, end });
        self.phase = Phase::Body;
        Ok(())
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.tcp(),
        }
    }
}

fn io_error(error: SearchError) -> io::Error {
    match error {
        SearchError::Limit(exceeded) => exceeded.into(),
        SearchError::Head(error) => invalid(error),
    }
}

/// `failure::of_request` makes it a failure of the protocol.
fn invalid(error: HeadError) -> io::Error {
    io::Error::other(error)
}

impl Phase {
    /// Counts `bytes`, which are passed on.
    fn pass(&mut self, bytes: &[u8]) -> Result<(), LimitExceeded> {
        match self {
            Self::Head(_) | Self::Body => Ok(()),
            Self::Chunks { passed, body } => {
                *passed += bytes.len() as u64;
                let coding = passed.saturating_sub(2 * *body);
                check(coding, CHUNKING_LIMIT, "bytes of chunk sizes, extensions and trailers")
            }
            Self::Frames(meter) => meter.receive(bytes),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.shared().poll_limited(context, buffer)
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
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.shared().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    /// Does nothing: the probe may read on after awc is done. Dropping the connection closes it.
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
