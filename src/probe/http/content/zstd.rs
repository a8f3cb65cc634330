//! Zstandard frames (RFC 8878).

use std::io::{self, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

/// Largest window, in bytes; as a content coding, zstd must not use a larger one (RFC 9659).
const WINDOW_LIMIT: u64 = 8 * 1024 * 1024;

/// Most frames without data in one body: reading them does not yield.
const EMPTY_FRAMES_LIMIT: usize = 1_000;

/// Length of the header of a skippable frame: its magic number and its size.
const SKIPPABLE_HEADER: usize = 8;

/// All frames of a body; skippable ones are skipped.
pub struct Frames<'a> {
    /// Data behind the current frame.
    packed: &'a [u8],
    frame: Option<StreamingDecoder<&'a [u8], FrameDecoder>>,
    /// Whether the current frame has had data.
    has_data: bool,
    /// Frames without data. Bound: [`EMPTY_FRAMES_LIMIT`].
    empty: usize,
}

impl<'a> Frames<'a> {
    pub fn new(packed: &'a [u8]) -> Self {
        Self { packed, frame: None, has_data: false, empty: 0 }
    }

    fn count_empty(&mut self) -> io::Result<()> {
        self.empty += 1;
        if self.empty > EMPTY_FRAMES_LIMIT {
            return Err(io::Error::other("too many frames"));
        }
        Ok(())
    }

    /// Begins the next frame with data.
    fn begin_frame(&mut self) -> io::Result<()> {
        while !self.packed.is_empty() {
            match StreamingDecoder::new_with_max_window_size(self.packed, WINDOW_LIMIT) {
                Ok(frame) => {
                    self.frame = Some(frame);
                    return Ok(());
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let rest = self.packed.get(SKIPPABLE_HEADER + length as usize..);
                    self.packed = rest.ok_or(io::ErrorKind::UnexpectedEof)?;
                    self.count_empty()?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(())
    }
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.frame.is_none() {
                self.begin_frame()?;
            }
            let Some(frame) = &mut self.frame else { return Ok(0) };
            let length = frame.read(buffer)?;
            if length > 0 {
                self.has_data = true;
                return Ok(length);
            }
            let decoder = &frame.decoder;
            if let Some(expected) = decoder.get_checksum_from_data()
                && decoder.get_calculated_checksum() != Some(expected)
            {
                return Err(io::Error::other("wrong checksum"));
            }
            self.packed = *frame.get_ref();
            self.frame = None;
            if !std::mem::take(&mut self.has_data) {
                self.count_empty()?;
            }
        }
    }
}
