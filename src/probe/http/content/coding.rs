//! The content codings that are undone (RFC 9110, section 8.4.1).

use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use flate2::bufread::GzDecoder;

use crate::probe::http::content::inflate::Inflate;
use crate::probe::http::content::zstd::Frames;

/// Most members without data in one gzip file: reading them does not yield.
const EMPTY_MEMBERS_LIMIT: usize = 1_000;

/// How each member of a gzip file begins (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Size of the input buffer of the brotli decoder.
const BROTLI_INPUT: usize = 4 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// Each coding with its names, the registered one first.
    const NAMES: [(Self, &'static [&'static str]); 4] = [
        (Self::Gzip, &["gzip", "x-gzip"]),
        (Self::Deflate, &["deflate"]),
        (Self::Brotli, &["br"]),
        (Self::Zstd, &["zstd"]),
    ];

    /// Names are compared case-insensitively.
    pub fn from_name(name: &str) -> Option<Self> {
        let has_name = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        Self::NAMES.into_iter().find(|(_, names)| has_name(names)).map(|(coding, _)| coding)
    }

    pub fn name(self) -> &'static str {
        // A test holds the order of the table.
        Self::NAMES[self as usize].1[0]
    }

    /// Readers that unpack `packed`, to be tried in order. `deflate` means the format of zlib, but
    /// some servers send it without zlib's header.
    pub fn readers<'a>(self, packed: &'a [u8]) -> Vec<Box<dyn Read + 'a>> {
        match self {
            Self::Gzip => vec![Box::new(Members {
                member: GzDecoder::new(packed),
                has_data: false,
                empty: 0,
            })],
            Self::Deflate => {
                vec![Box::new(Inflate::zlib(packed)), Box::new(Inflate::raw(packed))]
            }
            Self::Brotli => vec![Box::new(Decompressor::new(packed, BROTLI_INPUT))],
            Self::Zstd => vec![Box::new(Frames::new(packed))],
        }
    }
}

/// The members of a gzip file; anything behind the last one is ignored.
struct Members<'a> {
    member: GzDecoder<&'a [u8]>,
    /// Whether the member has had data.
    has_data: bool,
    /// Members without data. Bound: [`EMPTY_MEMBERS_LIMIT`].
    empty: usize,
}

impl Read for Members<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.member.read(buffer)?;
            let rest: &[u8] = self.member.get_ref();
            if length > 0 || !rest.starts_with(&GZIP_MAGIC) {
                self.has_data = length > 0;
                return Ok(length);
            }
            self.empty += usize::from(!std::mem::take(&mut self.has_data));
            if self.empty > EMPTY_MEMBERS_LIMIT {
                return Err(io::Error::other("too many members"));
            }
            self.member = GzDecoder::new(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_members_without_data_is_limited() {
        // Of RFC 1952: the head, an empty block, and a checksum and a length of 0.
        let empty = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut text = Vec::new();
        let members = empty.repeat(EMPTY_MEMBERS_LIMIT);
        let mut read = |packed: &[u8]| {
            let member = GzDecoder::new(packed);
            Members { member, has_data: false, empty: 0 }.read_to_end(&mut text)
        };
        assert_eq!(read(&members).unwrap(), 0);
        let error = read(&[members, empty.to_vec(), empty.to_vec()].concat()).unwrap_err();
        assert_eq!(error.to_string(), "too many members");
    }

    #[test]
    fn the_names_are_in_the_order_of_the_variants() {
        for (coding, names) in Coding::NAMES {
            assert_eq!(coding.name(), names[0]);
            assert_eq!(Coding::from_name(&names[0].to_uppercase()), Some(coding));
        }
    }
}
