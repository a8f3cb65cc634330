//! DEFLATE with zlib's header (RFC 1950) or without (RFC 1951). The readers of flate2 take the end
//! of their input for the end of the data.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

pub struct Inflate<'a> {
    decompress: Decompress,
    packed: &'a [u8],
    is_complete: bool,
}

impl<'a> Inflate<'a> {
    pub fn zlib(packed: &'a [u8]) -> Self {
        Self { decompress: Decompress::new(true), packed, is_complete: false }
    }

    pub fn raw(packed: &'a [u8]) -> Self {
        Self { decompress: Decompress::new(false), packed, is_complete: false }
    }
}

impl Read for Inflate<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.is_complete {
            let (read, written) = (self.decompress.total_in(), self.decompress.total_out());
            let status = self.decompress.decompress(self.packed, buffer, FlushDecompress::None)?;
            let read = (self.decompress.total_in() - read) as usize;
            let written = (self.decompress.total_out() - written) as usize;
            self.packed = &self.packed[read..];
            self.is_complete = status == Status::StreamEnd;
            if written > 0 {
                return Ok(written);
            }
            if read == 0 && !self.is_complete {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}
