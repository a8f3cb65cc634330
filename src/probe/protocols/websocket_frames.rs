//! Messages over a WebSocket after its handshake (RFC 6455, section 5).
//!
//! Not by awc's codec: that buffers a frame of any announced length before it checks the limit.

use actix_http::ws::{CloseCode, OpCode, Parser, ProtocolError};
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::limits::{CONTROL_FRAMES_LIMIT, LimitExceeded, Pieces, check};

/// Longest frame header, in bytes (RFC 6455, section 5.2).
const FRAME_HEADER: usize = 14;

/// Longest payload of a control frame, in bytes (RFC 6455, section 5.5).
const CONTROL_PAYLOAD: usize = 125;

/// Bytes reserved for each read.
const CHUNK: usize = 1_024;

/// A WebSocket after its handshake.
pub struct WebSocket<S> {
    stream: S,
    /// Received data that is not parsed yet; at most about `limit` bytes.
    received: BytesMut,
    /// Longest message, in bytes.
    limit: usize,
    control_frames: u64,
    data_frames: Pieces,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// `received` is data already read from `stream`. Messages may have up to `limit` bytes.
    pub fn new(stream: S, received: BytesMut, limit: usize) -> Self {
        Self { stream, received, limit, control_frames: 0, data_frames: Pieces::default() }
    }

    pub async fn send_text(&mut self, text: &str) -> Result<(), Failure> {
        self.send(OpCode::Text, text.as_bytes()).await
    }

    /// Sends a close frame, without waiting for the peer's.
    pub async fn send_close(&mut self) -> Result<(), Failure> {
        self.send(OpCode::Close, &u16::from(CloseCode::Normal).to_be_bytes()).await
    }

    /// The next message, joined from its frames; `None` after a close frame.
    pub async fn read_message(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let (mut message, mut has_begun) = (Vec::new(), false);
        loop {
            let (is_last, code, payload) = self.read_frame().await?;
            self.count(code, payload.len()).map_err(|exceeded| invalid(&exceeded.to_string()))?;
            match (code, has_begun) {
                (OpCode::Ping, _) => self.send(OpCode::Pong, &payload).await?,
                (OpCode::Pong, _) => {}
                (OpCode::Close, _) => return Ok(None),
                (OpCode::Text | OpCode::Binary, false) | (OpCode::Continue, true) => {
                    has_begun = true;
                    if message.len() + payload.len() > self.limit {
                        return Err(self.too_large());
                    }
                    message.extend_from_slice(&payload);
                    if is_last {
                        return Ok(Some(message));
                    }
                }
                _ => return Err(invalid("the frames of two messages are interleaved")),
            }
        }
    }

    fn count(&mut self, code: OpCode, length: usize) -> Result<(), LimitExceeded> {
        match code {
            OpCode::Ping | OpCode::Pong => {
                self.control_frames += 1;
                check(self.control_frames, CONTROL_FRAMES_LIMIT, "control frames")
            }
            _ => self.data_frames.add(length, "frames of few bytes"),
        }
    }

    async fn send(&mut self, code: OpCode, payload: &[u8]) -> Result<(), Failure> {
        let mut frame = BytesMut::new();
        let (is_last, is_masked) = (true, true);
        Parser::write_message(&mut frame, payload, code, is_last, is_masked);
        let mut result = self.stream.write_all(&frame).await;
        if result.is_ok() {
            result = self.stream.flush().await;
        }
        result.map_err(|error| failure::of_io("sending over the WebSocket", &error))
    }

    /// The next frame: whether it ends its message, its code and its payload.
    async fn read_frame(&mut self) -> Result<(bool, OpCode, BytesMut), Failure> {
        let limit = self.limit.max(CONTROL_PAYLOAD);
        loop {
            match Parser::parse(&mut self.received, false, limit) {
                Ok(Some((is_last, code, payload))) => {
                    return Ok((is_last, code, payload.unwrap_or_default()));
                }
                Ok(None) if self.received.len() <= limit + FRAME_HEADER => {}
                Ok(None) | Err(ProtocolError::Overflow) => return Err(self.too_large()),
                Err(error) => return Err(invalid(&error.to_string())),
            }
            self.received.reserve(CHUNK);
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) => return Err(invalid("the connection ended without a close frame")),
                Ok(_) => {}
                Err(error) => return Err(failure::of_io("reading the WebSocket", &error)),
            }
        }
    }

    fn too_large(&self) -> Failure {
        let detail = format!("a message of more than {} bytes", self.limit);
        Failure::new(Reason::TooLarge, detail)
    }
}

/// The failure of a peer that violates RFC 6455.
pub fn invalid(why: &str) -> Failure {
    Failure::new(Reason::Protocol, format!("invalid WebSocket: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An unmasked frame, as servers send them.
    fn frame(code: OpCode, is_last: bool, payload: &str) -> BytesMut {
        let mut frame = BytesMut::new();
        Parser::write_message(&mut frame, payload, code, is_last, false);
        frame
    }

    /// The first message of a peer that sends `frames` and closes, and the data that it receives.
    fn exchange(frames: &[BytesMut], limit: usize) -> (Result<Option<Vec<u8>>, Failure>, Vec<u8>) {
        let (local, mut peer) = tokio::io::duplex(64 * 1024);
        let exchange = async move {
            for frame in frames {
                peer.write_all(frame).await.unwrap();
            }
            peer.shutdown().await.unwrap();
            let mut socket = WebSocket::new(local, BytesMut::new(), limit);
            let message = socket.read_message().await;
            drop(socket);
            let mut sent = Vec::new();
            peer.read_to_end(&mut sent).await.unwrap();
            (message, sent)
        };
        actix_rt::System::new().block_on(exchange)
    }

    fn failure_reason(frames: &[BytesMut], limit: usize) -> Reason {
        exchange(frames, limit).0.unwrap_err().reason
    }

    #[test]
    fn a_message_is_joined_and_pings_between_its_frames_are_answered() {
        let frames = [
            frame(OpCode::Text, false, "hel"),
            frame(OpCode::Ping, true, "?"),
            frame(OpCode::Pong, true, ""),
            frame(OpCode::Continue, true, "lo"),
        ];
        let (message, sent) = exchange(&frames, 5);
        assert_eq!(message, Ok(Some(b"hello".to_vec())));
        assert_eq!((sent.len(), sent[0]), (7, 0x8a), "one masked pong");
    }

    #[test]
    fn a_close_frame_is_not_a_message() {
        assert_eq!(exchange(&[frame(OpCode::Close, true, "")], 5).0, Ok(None));
    }

    #[test]
    fn control_frames_and_tiny_frames_are_limited() {
        let failure = |frame: BytesMut| {
            exchange(&[BytesMut::from(&frame.repeat(10_010)[..])], 100_000).0.unwrap_err()
        };
        let limited =
            |what: &str| Failure::new(Reason::Protocol, format!("invalid WebSocket: {what}"));
        assert_eq!(
            failure(frame(OpCode::Ping, true, "")),
            limited("more than 1000 control frames")
        );
        assert_eq!(
            failure(frame(OpCode::Pong, true, "x")),
            limited("more than 1000 control frames")
        );
        let begun = frame(OpCode::Text, false, "");
        let more = frame(OpCode::Continue, false, "").repeat(10_010);
        let (result, _) = exchange(&[begun, BytesMut::from(&more[..])], 100);
        assert_eq!(result.unwrap_err(), limited("more than 10000 frames of few bytes"));
    }

    #[test]
    fn large_messages_and_invalid_frames_are_refused() {
        let huge = BytesMut::from(&[0x82, 127, 0, 0, 0, 9, 0, 0, 0, 0][..]);
        let announced = [huge, BytesMut::from(&[0; 200][..])];
        assert_eq!(failure_reason(&announced, 5), Reason::TooLarge);
        let pieces = [frame(OpCode::Text, false, "hel"), frame(OpCode::Continue, true, "lo")];
        assert_eq!(failure_reason(&pieces, 4), Reason::TooLarge);
        assert_eq!(failure_reason(&[frame(OpCode::Continue, true, "x")], 5), Reason::Protocol);
        let mixed = [frame(OpCode::Text, false, "x"), frame(OpCode::Text, true, "x")];
        assert_eq!(failure_reason(&mixed, 5), Reason::Protocol);
        assert_eq!(failure_reason(&[BytesMut::from(&[0xff, 0xff][..])], 5), Reason::Protocol);
        assert_eq!(failure_reason(&[], 5), Reason::Protocol);
    }
}
