//! Messages over a WebSocket behind its handshake (RFC 6455, section 5).
//!
//! The frames are collected here, since awc's codec keeps a frame of any announced length until it is complete, and
//! only then finds it too long.

use actix_http::ws::{CloseCode, OpCode, Parser, ProtocolError};
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::domain::{Failure, Reason};
use crate::probe::failure;

/// Longest head of a frame, in bytes (RFC 6455, section 5.2).
const FRAME_HEAD: usize = 14;

/// Longest payload of a ping, a pong or a close, in bytes (RFC 6455, section 5.5).
const CONTROL_PAYLOAD: usize = 125;

/// Most that is read at once when no frame asks for more, in bytes.
const CHUNK: usize = 1_024;

/// A WebSocket behind its handshake.
pub struct Socket<S> {
    stream: S,
    /// What has come and is not yet taken; in the order of `limit` at most.
    received: BytesMut,
    /// Longest message that is read, in bytes.
    limit: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// A WebSocket over `stream`, of which `received` is already read. It reads messages of up to `limit` bytes.
    pub fn new(stream: S, received: BytesMut, limit: usize) -> Self {
        Self { stream, received, limit }
    }

    /// Sends `text` as one message.
    pub async fn send_text(&mut self, text: &str) -> Result<(), Failure> {
        self.send(OpCode::Text, text.as_bytes()).await
    }

    /// Tells the peer that this is the end, and does not wait for its answer.
    pub async fn say_goodbye(&mut self) -> Result<(), Failure> {
        self.send(OpCode::Close, &u16::from(CloseCode::Normal).to_be_bytes()).await
    }

    /// The next message, put together from its frames; `None` when the peer has closed the WebSocket.
    pub async fn message(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let (mut message, mut begun) = (Vec::new(), false);
        loop {
            let (complete, code, payload) = self.frame().await?;
            match (code, begun) {
                (OpCode::Ping, _) => self.send(OpCode::Pong, &payload).await?,
                (OpCode::Pong, _) => {}
                (OpCode::Close, _) => return Ok(None),
                (OpCode::Text | OpCode::Binary, false) | (OpCode::Continue, true) => {
                    begun = true;
                    if message.len() + payload.len() > self.limit {
                        return Err(self.too_large());
                    }
                    message.extend_from_slice(&payload);
                    if complete {
                        return Ok(Some(message));
                    }
                }
                _ => return Err(wrong("the frames of two messages are mixed")),
            }
        }
    }

    async fn send(&mut self, code: OpCode, payload: &[u8]) -> Result<(), Failure> {
        let mut frame = BytesMut::new();
        // Complete, and masked as a client's frames have to be.
        Parser::write_message(&mut frame, payload, code, true, true);
        let mut sent = self.stream.write_all(&frame).await;
        if sent.is_ok() {
            sent = self.stream.flush().await;
        }
        sent.map_err(|error| failure::of_io("sending over the WebSocket", &error))
    }

    /// The next frame: whether it ends its message, what it is, and its payload.
    async fn frame(&mut self) -> Result<(bool, OpCode, BytesMut), Failure> {
        let limit = self.limit.max(CONTROL_PAYLOAD);
        loop {
            match Parser::parse(&mut self.received, false, limit) {
                Ok(Some((complete, code, payload))) => {
                    return Ok((complete, code, payload.unwrap_or_default()));
                }
                Ok(None) if self.received.len() <= limit + FRAME_HEAD => {}
                Ok(None) | Err(ProtocolError::Overflow) => return Err(self.too_large()),
                Err(error) => return Err(wrong(&error.to_string())),
            }
            self.received.reserve(CHUNK);
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) => return Err(wrong("the connection ended without a goodbye")),
                Ok(_) => {}
                Err(error) => return Err(failure::of_io("reading the WebSocket", &error)),
            }
        }
    }

    fn too_large(&self) -> Failure {
        let told = format!("a message of more than {} bytes", self.limit);
        Failure::new(Reason::TooLarge, told)
    }
}

/// The peer does not keep to RFC 6455.
pub fn wrong(what: &str) -> Failure {
    Failure::new(Reason::Protocol, format!("not as a WebSocket should be: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as a server sends it.
    fn frame(code: OpCode, complete: bool, payload: &str) -> BytesMut {
        let mut frame = BytesMut::new();
        Parser::write_message(&mut frame, payload, code, complete, false);
        frame
    }

    /// The first message of a peer that sends `frames` and ends, and what it was sent.
    fn heard(frames: &[BytesMut], limit: usize) -> (Result<Option<Vec<u8>>, Failure>, Vec<u8>) {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let heard = async move {
            for frame in frames {
                theirs.write_all(frame).await.unwrap();
            }
            theirs.shutdown().await.unwrap();
            let mut socket = Socket::new(ours, BytesMut::new(), limit);
            let message = socket.message().await;
            drop(socket);
            let mut answered = Vec::new();
            theirs.read_to_end(&mut answered).await.unwrap();
            (message, answered)
        };
        actix_rt::System::new().block_on(heard)
    }

    fn failed(frames: &[BytesMut], limit: usize) -> Reason {
        heard(frames, limit).0.unwrap_err().reason
    }

    #[test]
    fn a_message_is_put_together_and_pings_between_its_frames_are_answered() {
        let frames = [
            frame(OpCode::Text, false, "hel"),
            frame(OpCode::Ping, true, "?"),
            frame(OpCode::Pong, true, ""),
            frame(OpCode::Continue, true, "lo"),
        ];
        let (message, answered) = heard(&frames, 5);
        assert_eq!(message, Ok(Some(b"hello".to_vec())));
        assert_eq!((answered.len(), answered[0]), (7, 0x8a), "one masked pong");
    }

    #[test]
    fn a_goodbye_is_no_message() {
        assert_eq!(heard(&[frame(OpCode::Close, true, "")], 5).0, Ok(None));
    }

    #[test]
    fn what_is_too_large_or_not_as_it_should_be_is_refused() {
        let huge = BytesMut::from(&[0x82, 127, 0, 0, 0, 9, 0, 0, 0, 0][..]);
        let begun = [huge, BytesMut::from(&[0; 200][..])];
        assert_eq!(failed(&begun, 5), Reason::TooLarge);
        let pieces = [frame(OpCode::Text, false, "hel"), frame(OpCode::Continue, true, "lo")];
        assert_eq!(failed(&pieces, 4), Reason::TooLarge);
        assert_eq!(failed(&[frame(OpCode::Continue, true, "x")], 5), Reason::Protocol);
        let mixed = [frame(OpCode::Text, false, "x"), frame(OpCode::Text, true, "x")];
        assert_eq!(failed(&mixed, 5), Reason::Protocol);
        assert_eq!(failed(&[BytesMut::from(&[0xff, 0xff][..])], 5), Reason::Protocol);
        assert_eq!(failed(&[], 5), Reason::Protocol);
    }
}
