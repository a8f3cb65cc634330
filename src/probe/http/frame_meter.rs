//! Counts the HTTP/2 frames that a peer sends (RFC 9113, section 4.1). The crate h2 answers or
//! ignores most kinds of frames without a limit.

use crate::probe::http::interim::INTERIM_LIMIT;
use crate::probe::limits::{CONTROL_FRAMES_LIMIT, LimitExceeded, Pieces, check};

/// Most bytes of all frames other than DATA, with their headers.
const CONTROL_BYTES_LIMIT: u64 = 256 * 1024;

/// Most CONTINUATION frames of one head; h2 accepts no more of them either.
const CONTINUATIONS_LIMIT: u64 = 5;

/// Most DATA frames without data; h2 accepts no more of them either.
const EMPTY_LIMIT: u64 = 100;

const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// Flag of a frame with padding: its payload begins with the number of bytes that end it.
const PADDED: u8 = 0x08;

/// Counts of one connection. Control frames are all but DATA.
#[derive(Debug, Default)]
pub struct FrameMeter {
    /// The start of the header of a frame.
    header: [u8; HEADER],
    header_length: usize,
    /// Bytes of the current frame's payload still to come.
    payload_left: usize,
    /// The payload begins with the length of its padding, which is not read yet.
    is_padded: bool,
    control_frames: u64,
    control_bytes: u64,
    heads: u64,
    continuations: u64,
    empty: u64,
    data: Pieces,
}

impl FrameMeter {
    /// Counts the frames that begin in `received`, the next bytes of the connection.
    pub fn receive(&mut self, mut received: &[u8]) -> Result<(), LimitExceeded> {
        loop {
            if let (true, [padding, ..]) = (self.is_padded, received) {
                self.is_padded = false;
                self.add_data(self.payload_left.saturating_sub(1 + usize::from(*padding)))?;
            }
            let skipped = self.payload_left.min(received.len());
            self.payload_left -= skipped;
            received = &received[skipped..];
            if received.is_empty() {
                return Ok(());
            }
            let length = (HEADER - self.header_length).min(received.len());
            let (start, rest) = received.split_at(length);
            self.header[self.header_length..][..length].copy_from_slice(start);
            self.header_length += length;
            received = rest;
            if self.header_length == HEADER {
                self.header_length = 0;
                self.begin_frame()?;
            }
        }
    }

    fn begin_frame(&mut self) -> Result<(), LimitExceeded> {
        let [a, b, c, kind, flags, ..] = self.header;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        self.payload_left = length;
        if kind == DATA {
            self.is_padded = flags & PADDED != 0 && length > 0;
            return if self.is_padded { Ok(()) } else { self.add_data(length) };
        }
        self.control_frames += 1;
        check(self.control_frames, CONTROL_FRAMES_LIMIT, "HTTP/2 control frames")?;
        self.control_bytes += (HEADER + length) as u64;
        check(self.control_bytes, CONTROL_BYTES_LIMIT, "bytes of HTTP/2 control frames")?;
        match kind {
            // Two more: the final head and the trailers.
            HEADERS => {
                self.heads += 1;
                self.continuations = 0;
                check(self.heads, INTERIM_LIMIT + 2, "HTTP/2 HEADERS frames")
            }
            CONTINUATION => {
                self.continuations += 1;
                check(self.continuations, CONTINUATIONS_LIMIT, "HTTP/2 CONTINUATION frames")
            }
            _ => Ok(()),
        }
    }

    fn add_data(&mut self, length: usize) -> Result<(), LimitExceeded> {
        self.empty += u64::from(length == 0);
        check(self.empty, EMPTY_LIMIT, "empty HTTP/2 DATA frames")?;
        self.data.add(length, "HTTP/2 DATA frames of few bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(length).unwrap().to_be_bytes();
        let mut frame = vec![a, b, c, kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER + length, 0xff);
        frame
    }

    /// How many such frames are accepted, of at most 20,000, and the error.
    fn accepted(frame: &[u8]) -> (usize, String) {
        let mut meter = FrameMeter::default();
        for nth in 0..20_000 {
            if let Err(exceeded) = meter.receive(frame) {
                return (nth, exceeded.to_string());
            }
        }
        (20_000, String::new())
    }

    #[test]
    fn every_kind_of_frame_is_limited() {
        // PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, an unknown kind.
        for (kind, length) in [(2, 5), (3, 4), (4, 0), (6, 8), (7, 8), (8, 4), (77, 0)] {
            let expected = (1_000, "more than 1000 HTTP/2 control frames".to_owned());
            assert_eq!(accepted(&frame(kind, 0, length)), expected, "kind {kind}");
        }
        assert_eq!(accepted(&frame(77, 0, 16_384)).0, 15);
        assert_eq!(accepted(&frame(HEADERS, 4, 10)).0, 102);
        assert_eq!(accepted(&frame(CONTINUATION, 0, 0)).0, 5);
        assert_eq!(accepted(&frame(DATA, 0, 0)).0, 100);
        assert!((10_000..11_500).contains(&accepted(&frame(DATA, 0, 1)).0));
        // Padding of 255 bytes.
        assert_eq!(accepted(&frame(DATA, PADDED, 256)).0, 100);
        assert_eq!(accepted(&frame(DATA, PADDED, 356)).0, 20_000);
        assert_eq!(accepted(&frame(DATA, 0, 100)).0, 20_000);
    }

    #[test]
    fn frames_are_found_wherever_the_reads_divide_them() {
        let stream = [frame(DATA, 0, 40), frame(6, 0, 8)].concat().repeat(1_001);
        for size in [1, 7, 9, 64, 8_192] {
            let mut meter = FrameMeter::default();
            let result = stream.chunks(size).try_for_each(|read| meter.receive(read));
            assert!(result.is_err(), "reads of {size}");
            assert_eq!(meter.control_frames, 1_001);
        }
    }
}
