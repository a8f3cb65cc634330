//! From the bytes of a body to its text: content codings are undone, then the charset is decoded.

mod charset;
mod coding;
mod inflate;
mod zstd;

use std::io::Read;

use tokio::sync::Semaphore;

use crate::domain::{Failure, Reason};
use crate::probe::http::content::coding::Coding;
use crate::probe::http::fields::Fields;
use crate::probe::http::response::body_too_large;

/// Most content codings of one body.
const CODINGS_LIMIT: usize = 5;

/// Bytes that are unpacked at once; between them, other probes run and the deadline can pass.
const STEP: usize = 64 * 1024;

/// Bytes that packing may add to a body, beyond a sixty-fourth of it: headers and checksums.
const PACKING_OVERHEAD: usize = 1_024;

/// Codings and charset of a body, from the header of the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// In the order in which they are undone.
    codings: Vec<Coding>,
    content_type: String,
}

impl Content {
    /// Codings up to the last unknown one stay: nothing below it can be undone (RFC 9110, section
    /// 8.4).
    pub fn of(fields: &Fields) -> Result<Self, Failure> {
        let names = fields.elements("content-encoding");
        let names = names.iter().rev().filter(|name| !name.eq_ignore_ascii_case("identity"));
        let codings: Vec<Coding> = names.map_while(|name| Coding::from_name(name)).collect();
        if codings.len() > CODINGS_LIMIT {
            let detail = format!("more than {CODINGS_LIMIT} content codings");
            return Err(Failure::new(Reason::Protocol, detail));
        }
        let content_type = fields.all("content-type").next().unwrap_or_default();
        Ok(Self { codings, content_type: String::from_utf8_lossy(content_type).into_owned() })
    }

    /// Longest body to read, so that it can have `limit` bytes when it is unpacked.
    pub fn packed_limit(&self, limit: usize) -> usize {
        if self.codings.is_empty() { limit } else { limit + limit / 64 + PACKING_OVERHEAD }
    }

    /// The text of `body` in UTF-8; of at most `limit` bytes before its charset is decoded.
    ///
    /// `unpacking` bounds how many bodies are unpacked at once: each takes up to 16 MiB for the
    /// window of its coding.
    pub async fn text(
        &self,
        mut body: Vec<u8>,
        limit: usize,
        unpacking: &Semaphore,
    ) -> Result<Vec<u8>, Failure> {
        // A body without a byte is not packed, whatever the header says.
        if !self.codings.is_empty() && !body.is_empty() {
            let _permit = unpacking.acquire().await;
            for coding in &self.codings {
                body = Box::pin(unpack(*coding, &body, limit)).await?;
            }
        }
        Ok(charset::to_utf8(&self.content_type, body))
    }
}

async fn unpack(coding: Coding, packed: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let mut error = None;
    for mut reader in coding.readers(packed) {
        match read_limited(&mut *reader, limit).await {
            Ok(Some(unpacked)) => return Ok(unpacked),
            Ok(None) => return Err(body_too_large(limit)),
            Err(one) => error = error.or(Some(one)),
        }
    }
    let why = error.map(|error| error.to_string()).unwrap_or_default();
    let detail = format!("unpacking the body: invalid {}: {why}", coding.name());
    Err(Failure::new(Reason::Protocol, detail))
}

/// Everything from `reader`; `None` when that is more than `limit` bytes.
async fn read_limited(reader: &mut dyn Read, limit: usize) -> std::io::Result<Option<Vec<u8>>> {
    let (mut output, mut step) = (Vec::new(), vec![0; STEP]);
    loop {
        match reader.read(&mut step)? {
            0 => return Ok(Some(output)),
            length if output.len() + length > limit => return Ok(None),
            length => output.extend_from_slice(&step[..length]),
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(data: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    /// An uncompressed metablock (RFC 7932, section 9.2) of up to 65,536 bytes.
    fn brotli(data: &[u8]) -> Vec<u8> {
        // Window of 16 bits (0); not last (0), four nibbles (00), length - 1, uncompressed (1).
        let length = u32::try_from(data.len() - 1).unwrap();
        let header = (length << 4) | (1 << 20);
        // Then an empty last metablock (11).
        [&header.to_le_bytes()[..3], data, &[3]].concat()
    }

    /// Raw blocks (RFC 8878, section 3.1.1) of one segment.
    fn zstd(data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap();
        let block = (length << 3) | 1;
        [
            &[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..],
            &length.to_le_bytes(),
            &block.to_le_bytes()[..3],
            data,
        ]
        .concat()
    }

    fn content(coding: &str) -> Result<Content, Failure> {
        let field = |value: &str| ("content-encoding".to_owned(), value.as_bytes().to_vec());
        Content::of(&Fields::new(coding.split('|').map(field).collect()))
    }

    fn unpacked(coding: &str, packed: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
        let content = content(coding)?;
        let unpacking = Semaphore::new(1);
        let text = content.text(packed.to_vec(), limit, &unpacking);
        actix_rt::System::new().block_on(text)
    }

    const TEXT: &[u8] = b"hello, hello, hello";

    #[test]
    fn each_coding_is_undone() {
        for (coding, packed) in [
            ("gzip", gzip(TEXT)),
            ("X-GZip", gzip(TEXT)),
            ("deflate", zlib(TEXT)),
            ("deflate", deflate(TEXT)),
            ("br", brotli(TEXT)),
            ("zstd", zstd(TEXT)),
            ("deflate, gzip", gzip(&zlib(TEXT))),
            ("deflate|gzip, identity", gzip(&zlib(TEXT))),
            ("identity", TEXT.to_vec()),
            ("", TEXT.to_vec()),
            ("compress", TEXT.to_vec()),
            ("bogus, gzip", gzip(TEXT)),
        ] {
            assert_eq!(unpacked(coding, &packed, 100), Ok(TEXT.to_vec()), "{coding}");
        }
        assert_eq!(unpacked("gzip, bogus", &gzip(TEXT), 100), Ok(gzip(TEXT)));
        assert_eq!(content("gzip,gzip,gzip,gzip,gzip,gzip").unwrap_err().reason, Reason::Protocol);
        for coding in ["gzip", "deflate", "br", "zstd"] {
            assert_eq!(unpacked(coding, b"", 100), Ok(Vec::new()), "{coding}");
        }
    }

    #[test]
    fn members_and_frames_are_joined() {
        let halves = |pack: fn(&[u8]) -> Vec<u8>| [pack(b"hel"), pack(b"lo")].concat();
        assert_eq!(unpacked("gzip", &halves(gzip), 5), Ok(b"hello".to_vec()));
        // Browsers ignore what follows the last member.
        let padded = [&gzip(b"hello")[..], &[0; 9]].concat();
        assert_eq!(unpacked("gzip", &padded, 5), Ok(b"hello".to_vec()));
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let frames = [&skippable[..], &halves(zstd), &skippable].concat();
        assert_eq!(unpacked("zstd", &frames, 5), Ok(b"hello".to_vec()));
    }

    #[test]
    fn truncated_and_corrupt_bodies_are_a_failure() {
        for (coding, packed) in [
            ("gzip", gzip(TEXT)),
            ("deflate", zlib(TEXT)),
            ("deflate", deflate(TEXT)),
            ("br", brotli(TEXT)),
            ("zstd", zstd(TEXT)),
        ] {
            for length in 1..packed.len() {
                let failure = unpacked(coding, &packed[..length], 100).unwrap_err();
                let expected = format!("unpacking the body: invalid {coding}: ");
                assert_eq!(failure.reason, Reason::Protocol, "{coding} {length}");
                assert!(failure.detail.starts_with(&expected), "{failure:?}");
            }
            let plain = unpacked(coding, b"\xffplain text", 100).unwrap_err();
            assert_eq!(plain.reason, Reason::Protocol, "{coding}");
        }
        let mut wrong = gzip(TEXT);
        let checksum = wrong.len() - 8;
        wrong[checksum] ^= 1;
        assert_eq!(unpacked("gzip", &wrong, 100).unwrap_err().reason, Reason::Protocol);
    }

    #[test]
    fn the_limit_counts_unpacked_bytes() {
        let large = vec![b'x'; 50_000];
        for (coding, packed) in [
            ("gzip", gzip(&large)),
            ("deflate", zlib(&large)),
            ("br", brotli(&large)),
            ("zstd", zstd(&large)),
            ("gzip, gzip", gzip(&gzip(&large))),
        ] {
            assert_eq!(unpacked(coding, &packed, large.len()).map(|it| it.len()), Ok(large.len()));
            let failure = unpacked(coding, &packed, large.len() - 1).unwrap_err();
            let expected =
                Failure::new(Reason::TooLarge, "reading the body: more than 49999 bytes");
            assert_eq!(failure, expected, "{coding}");
        }
        // A window of 16 MiB.
        let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x70, 0x01, 0, 0];
        let failure = unpacked("zstd", &window, 100).unwrap_err();
        assert!(failure.detail.contains("window"), "{failure:?}");
    }

    #[test]
    fn a_packed_body_may_be_longer_than_its_limit() {
        assert_eq!(content("").unwrap().packed_limit(100), 100);
        assert_eq!(content("gzip").unwrap().packed_limit(640), 640 + 10 + 1_024);
    }

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_or_refused(packed: Vec<u8>, start in 0_usize..5) {
            let starts = [gzip(TEXT), zlib(TEXT), brotli(TEXT), zstd(TEXT), Vec::new()];
            for coding in ["gzip", "deflate", "br", "zstd"] {
                let packed = [&starts[start][..], &packed].concat();
                let _ = unpacked(coding, &packed, 1_000);
            }
        }
    }
}
