//! An HTTP/1.1 response, and reading its body.

use futures_util::StreamExt;
use http::{Method, StatusCode};

use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::http::connection::{Connection, ReceivedHead};
use crate::probe::http::fields::Fields;
use crate::probe::http::framing::BodyEnd;
use crate::probe::http::head::ResponseHead;
use crate::probe::limits::Pieces;

const WHEN: &str = "reading the body";

/// A response whose head was received.
pub struct Http1Response {
    response: awc::ClientResponse,
    head: ResponseHead,
    end: BodyEnd,
    connection: Connection,
    /// Whether the request was HEAD.
    head_only: bool,
}

/// How to read a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyMode {
    /// Read to the end, or `limit` bytes, and discard.
    Discard { limit: usize },
    /// Return the body; one of more than `limit` bytes is a failure.
    Keep { limit: usize },
}

impl Http1Response {
    /// `response` came over `connection`, to a request of `method`.
    pub fn new(
        response: awc::ClientResponse,
        connection: Connection,
        method: &Method,
    ) -> Result<Self, Failure> {
        let received = connection.take_head();
        let ReceivedHead { head, end } =
            received.ok_or_else(|| failure::of_invalid_response(&"no head was received"))?;
        Ok(Self { response, head, end, connection, head_only: method == Method::HEAD })
    }

    pub fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// Moves the fields out of the head, which has none from then on.
    pub fn take_fields(&mut self) -> Fields {
        std::mem::take(&mut self.head.fields)
    }

    /// See [`redirect_location`].
    pub fn location(&self) -> Option<String> {
        redirect_location(self.head.status, &self.head.fields)
    }

    /// Appends the begin of the body to `body`, up to `limit` bytes: as much as comes without an
    /// error. Returns whether it is the whole body.
    pub async fn read_begin(mut self, limit: usize, body: &mut Vec<u8>) -> bool {
        let no_body = matches!(self.head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if self.head_only || no_body {
            return true;
        }
        if self.end == BodyEnd::Chunked {
            self.connection.expect_chunks();
        }
        let mut pieces = Pieces::default();
        while body.len() < limit && self.end != BodyEnd::Length(body.len()) {
            let chunk = match self.response.next().await {
                Some(Ok(chunk)) => chunk,
                Some(Err(_)) => return false,
                None => break,
            };
            if self.end == BodyEnd::Chunked {
                self.connection.body_decoded(chunk.len());
                if pieces.add(chunk.len(), "chunks of few bytes").is_err() {
                    return false;
                }
            }
            body.extend_from_slice(&chunk[..chunk.len().min(limit - body.len())]);
        }
        match self.end {
            BodyEnd::Length(length) => body.len() == length,
            BodyEnd::Chunked => body.len() < limit && !self.connection.peer_closed(),
            // awc does not read a body that only the end of the connection ends.
            BodyEnd::Connection => {
                let rest = limit.saturating_sub(body.len());
                let read = self.connection.read_rest(rest, Some(body)).await;
                read.is_ok() && self.connection.peer_closed()
            }
        }
    }

    /// Reads the body; empty with [`BodyMode::Discard`].
    pub async fn read_body(mut self, mode: BodyMode) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        if self.head_only
            || matches!(self.head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        {
            // No body, whatever the content-length (RFC 9110, sections 8.6 and 15.4.5).
            return Ok(body);
        }
        let end = self.end;
        let (mut read, mut pieces) = (0, Pieces::default());
        if end == BodyEnd::Chunked {
            self.connection.expect_chunks();
        }
        // awc reads past the end of an HTTP/1.0 body, and nothing of a body after an upgrade.
        while end != BodyEnd::Length(read) {
            let Some(chunk) = self.response.next().await else { break };
            let chunk = chunk.map_err(|error| failure::of_body(&error))?;
            read += chunk.len();
            if end == BodyEnd::Chunked {
                self.connection.body_decoded(chunk.len());
                let added = pieces.add(chunk.len(), "chunks of few bytes");
                added.map_err(|exceeded| exceeded.failure(WHEN))?;
            }
            match mode {
                BodyMode::Keep { limit } if read > limit => return Err(body_too_large(limit)),
                BodyMode::Keep { .. } => body.extend_from_slice(&chunk),
                BodyMode::Discard { limit } if read >= limit => return Ok(body),
                BodyMode::Discard { .. } => {}
            }
        }
        // awc accepts the end of the connection as the end of any body, and does not read a body
        // that only the end of the connection ends (RFC 9112, section 6.3).
        let remaining = match end {
            BodyEnd::Chunked if self.connection.peer_closed() => {
                return Err(failure::of_short_body());
            }
            BodyEnd::Chunked => return Ok(body),
            BodyEnd::Length(length) => length.saturating_sub(read),
            BodyEnd::Connection => usize::MAX,
        };
        let (keeps, limit) = match mode {
            BodyMode::Keep { limit } => (true, limit),
            BodyMode::Discard { limit } => (false, limit),
        };
        // One byte beyond the limit, to detect a body that is too large.
        let max = (limit - read).saturating_add(1).min(remaining);
        let output = keeps.then_some(&mut body);
        let rest = self.connection.read_rest(max, output).await;
        let rest = rest.map_err(|error| failure::of_io(WHEN, &error))?;
        if keeps && read + rest > limit {
            return Err(body_too_large(limit));
        }
        let is_short = matches!(end, BodyEnd::Length(length) if read + rest < length);
        if is_short && rest < max { Err(failure::of_short_body()) } else { Ok(body) }
    }
}

/// The status code with its standard phrase.
pub fn status_text(status: StatusCode) -> String {
    let phrase = status.canonical_reason().unwrap_or("unknown status");
    format!("{} {phrase}", status.as_u16())
}

/// The target of a redirect; `None` for another status and for a redirect without a location.
///
/// Bytes beyond ASCII are percent-encoded one by one, whatever their charset is.
pub fn redirect_location(status: StatusCode, fields: &Fields) -> Option<String> {
    let is_redirect = matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = fields.all("location").find(|location| !location.is_empty());
    location.filter(|_| is_redirect).map(percent_encode_high)
}

fn percent_encode_high(bytes: &[u8]) -> String {
    let pieces = bytes.iter().map(|byte| match byte {
        0..0x80 => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    pieces.collect()
}

/// The failure of a body beyond `limit` bytes.
pub fn body_too_large(limit: usize) -> Failure {
    Failure::new(Reason::TooLarge, format!("{WHEN}: more than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_bytes_of_a_location_are_percent_encoded_one_by_one() {
        let location = |status, values: &[&[u8]]| {
            let field = |value: &&[u8]| ("location".to_owned(), value.to_vec());
            redirect_location(status, &Fields::new(values.iter().map(field).collect()))
        };
        for (raw, encoded) in [
            (&b"/caf\xe9"[..], "/caf%E9"),
            (b"/caf\xc3\xa9?q=\xff#\x80", "/caf%C3%A9?q=%FF#%80"),
            (b"/a%e9 b\x01", "/a%e9 b\u{1}"),
        ] {
            assert_eq!(location(StatusCode::FOUND, &[raw]), Some(encoded.to_owned()));
        }
        assert_eq!(location(StatusCode::FOUND, &[b"", b"/a", b"/b"]), Some("/a".to_owned()));
        assert_eq!(location(StatusCode::FOUND, &[b""]), None);
        assert_eq!(location(StatusCode::NOT_MODIFIED, &[b"/a"]), None);
    }
}
