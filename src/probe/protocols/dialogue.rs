//! A dialogue of lines over TCP or TLS, as modules of blackbox_exporter describe it.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::domain::service::bytes_regex::BytesRegex;
use crate::domain::service::options::DialogueStep;
use crate::domain::{Failure, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::failure;
use crate::probe::protocols::tcp::{missing, send};
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// Longest line in bytes, as in blackbox_exporter.
const MAX_LINE: usize = 64 * 1024;

/// Most bytes read at once.
const CHUNK: usize = 8 * 1024;

/// Does the steps one after the other; an upgrade is left to the caller.
pub async fn talk<S>(
    context: &ProbeContext<'_>,
    stream: &mut S,
    steps: &[DialogueStep],
) -> Result<ProbeResponse, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    context.enter(Phase::Processing);
    let mut lines = Lines::default();
    for step in steps {
        let template = step.send.as_deref().unwrap_or_default();
        let text = match &step.expect {
            Some(regex) => expect(context, stream, &mut lines, regex, template).await?,
            None => template.as_bytes().to_vec(),
        };
        if step.send.is_some() {
            let line = [&text[..], b"\n"].concat();
            let sent = send(stream, &line).await;
            sent.map_err(|error| failure::of_io("sending the text", &error))?;
        }
    }
    Ok(ProbeResponse::default())
}

/// Reads lines until one matches. Returns `template`, filled in with the groups of the match.
async fn expect<S: AsyncRead + Unpin>(
    context: &ProbeContext<'_>,
    stream: &mut S,
    lines: &mut Lines,
    regex: &BytesRegex,
    template: &str,
) -> Result<Vec<u8>, Failure> {
    let limit = context.options().body_limit;
    let (first, mut buffer) = (lines.from, vec![0; CHUNK]);
    loop {
        while let Some(line) = lines.next() {
            if let Some(text) = regex.expand(line, template) {
                return Ok(text);
            }
        }
        let read = match stream.read(&mut buffer).await {
            Ok(read) => read,
            // Many servers close without close_notify.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(failure::of_io("waiting for the response", &error)),
        };
        if read == 0 {
            let text = lines.rest().and_then(|line| regex.expand(line, template));
            let missing = || missing(&context.expected_match(regex), &lines.received[first..]);
            return text.ok_or_else(missing);
        }
        if lines.received.is_empty() {
            context.enter(Phase::Transfer);
        }
        lines.received.extend_from_slice(&buffer[..read]);
        let too_large = |what: &str, limit: usize| {
            let detail = format!("reading the response: {what} of more than {limit} bytes");
            Err(Failure::new(Reason::TooLarge, detail))
        };
        if lines.received.len() > limit {
            return too_large("a dialogue", limit);
        }
        if lines.open() > MAX_LINE {
            return too_large("a line", MAX_LINE);
        }
    }
}

/// What was received, line by line. Bound: the limit of the body, and [`CHUNK`].
#[derive(Debug, Default)]
struct Lines {
    received: Vec<u8>,
    /// Begin of the first line that was not returned.
    from: usize,
    /// Bytes that have no line end from `from` on.
    searched: usize,
}

impl Lines {
    /// The next complete line, without its end.
    fn next(&mut self) -> Option<&[u8]> {
        let rest = &self.received[self.searched.max(self.from)..];
        let Some(length) = memchr::memchr(b'\n', rest) else {
            self.searched = self.received.len();
            return None;
        };
        let end = self.searched.max(self.from) + length;
        let line = self.from..end;
        self.from = end + 1;
        Some(without_return(&self.received[line]))
    }

    /// Bytes at the end that have no line end.
    fn open(&self) -> usize {
        let rest = &self.received[self.from..];
        memchr::memrchr(b'\n', rest).map_or(rest.len(), |end| rest.len() - end - 1)
    }

    /// The last line, which has no end.
    fn rest(&self) -> Option<&[u8]> {
        let line = &self.received[self.from..];
        (!line.is_empty()).then(|| without_return(line))
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_arrive(text in "[ab\r\n]{0,12}", step in 1usize..5) {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for part in text.as_bytes().chunks(step) {
                lines.received.extend_from_slice(part);
                while let Some(line) = lines.next() {
                    found.push(line.to_vec());
                }
            }
            found.extend(lines.rest().map(<[u8]>::to_vec));
            let mut expected: Vec<&[u8]> = text.as_bytes().split(|byte| *byte == b'\n').collect();
            if expected.last().is_some_and(|last| last.is_empty()) {
                expected.pop();
            }
            let expected: Vec<Vec<u8>> =
                expected.into_iter().map(|line| without_return(line).to_vec()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
