//! Content codings of responses.

use std::io::Write;

use actix_web::http::header::{AcceptEncoding, Encoding, Preference, Quality};
use flate2::Compression;
use flate2::write::GzEncoder;

/// As quick as the fastest level of gzip, and a quarter shorter.
const ZSTD_LEVEL: i32 = 1;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Zstd,
}

impl Coding {
    /// By rising preference.
    pub const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The coding that a client with this `Accept-Encoding` likes best; `None` when it takes none.
    pub fn negotiate(accepted: &AcceptEncoding) -> Option<Self> {
        let quality = |coding: Self| {
            let preference = |wanted: &Preference<Encoding>| {
                accepted.iter().find(|item| item.item == *wanted).map(|item| item.quality)
            };
            let own = match coding {
                Self::Gzip => Encoding::gzip(),
                Self::Zstd => Encoding::zstd(),
            };
            let quality = preference(&Preference::Specific(own));
            quality.or_else(|| preference(&Preference::Any)).unwrap_or(Quality::ZERO)
        };
        let accepted = Self::ALL.into_iter().filter(|coding| quality(*coding) > Quality::ZERO);
        accepted.max_by_key(|coding| quality(*coding))
    }

    /// `text` in this coding; `None` when that takes more than `limit` bytes.
    pub fn pack(self, text: &[u8], limit: usize) -> Option<Vec<u8>> {
        let packed = match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                // Writes to memory cannot fail.
                encoder.write_all(text).and_then(|()| encoder.finish()).ok()?
            }
            Self::Zstd => zstd::bulk::compress(text, ZSTD_LEVEL).ok()?,
        };
        (packed.len() <= limit).then_some(packed)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use actix_web::http::header::{ACCEPT_ENCODING, Header};
    use actix_web::test::TestRequest;

    use super::*;

    fn negotiated(header: &str) -> Option<Coding> {
        let request = TestRequest::get().insert_header((ACCEPT_ENCODING, header)).to_http_request();
        Coding::negotiate(&AcceptEncoding::parse(&request).unwrap())
    }

    #[test]
    fn the_client_says_which_codings_it_takes() {
        for (header, expected) in [
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip, deflate", Some(Coding::Gzip)),
            ("gzip;q=1, zstd;q=0.5", Some(Coding::Gzip)),
            ("zstd;q=0, *", Some(Coding::Gzip)),
            ("*", Some(Coding::Zstd)),
            ("gzip;q=0, zstd;q=0", None),
            ("identity", None),
            ("br", None),
        ] {
            assert_eq!(negotiated(header), expected, "{header}");
        }
    }

    #[test]
    fn a_packed_text_is_the_text() {
        let text = "service-healthcheck ".repeat(1_000);
        let gzip = Coding::Gzip.pack(text.as_bytes(), text.len()).unwrap();
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&*gzip).read_to_string(&mut unpacked).unwrap();
        assert!(unpacked == text);
        let zstd = Coding::Zstd.pack(text.as_bytes(), text.len()).unwrap();
        let mut unpacked = String::new();
        let mut decoder = ruzstd::decoding::StreamingDecoder::new(&*zstd).unwrap();
        decoder.read_to_string(&mut unpacked).unwrap();
        assert!(unpacked == text);
        assert!(gzip.len() < text.len() / 10 && zstd.len() < text.len() / 10);
        assert_eq!(Coding::Gzip.pack(text.as_bytes(), 10), None);
    }
}
