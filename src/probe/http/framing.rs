//! Where the body of an HTTP/1 response ends (RFC 9112, section 6.3).

use crate::domain::service::options::HttpVersion;
use crate::probe::http::fields::Fields;
use crate::probe::http::head_error::HeadError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// With the last chunk.
    Chunked,
    /// After this number of bytes.
    Length(usize),
    /// With the end of the connection.
    Connection,
}

impl BodyEnd {
    /// The transfer coding decides, if there is one. HTTP/1.0 has none: then the length is in doubt
    /// and does not count.
    pub fn of(version: HttpVersion, fields: &Fields) -> Result<Self, HeadError> {
        let codings: Vec<String> = fields.elements("transfer-encoding");
        let is_coding = |coding: &&String| !coding.eq_ignore_ascii_case("identity");
        let applied: Vec<&String> = codings.iter().filter(is_coding).collect();
        if version == HttpVersion::Http11 {
            match applied.as_slice() {
                [] => {}
                [coding] if coding.eq_ignore_ascii_case("chunked") => return Ok(Self::Chunked),
                _ => return Err(HeadError::Coding(codings.join(", "))),
            }
        }
        if version != HttpVersion::Http11 && !codings.is_empty() {
            return Ok(Self::Connection);
        }
        Ok(content_length(fields)?.map_or(Self::Connection, Self::Length))
    }
}

/// The length, which may be repeated in several fields or as a list (RFC 9110, section 8.6).
fn content_length(fields: &Fields) -> Result<Option<usize>, HeadError> {
    let texts: Vec<_> = fields.all("content-length").map(String::from_utf8_lossy).collect();
    let mut length = None;
    for text in texts.iter().flat_map(|text| text.split(',')).map(str::trim) {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if is_number { text.parse().ok() } else { None };
        let number: usize = number.ok_or_else(|| HeadError::Length(text.to_owned()))?;
        if length.is_some_and(|length| length != number) {
            return Err(HeadError::Lengths(texts.join(", ")));
        }
        length = Some(number);
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(version: HttpVersion, fields: &[(&str, &str)]) -> Result<BodyEnd, String> {
        let field = |(name, value): &(&str, &str)| (name.to_string(), value.as_bytes().to_vec());
        let fields = Fields::new(fields.iter().map(field).collect());
        BodyEnd::of(version, &fields).map_err(|error| error.to_string())
    }

    #[test]
    fn a_repeated_length_counts_once_and_another_one_is_an_error() {
        let of = |lengths: &[&str]| {
            let fields: Vec<_> = lengths.iter().map(|value| ("content-length", *value)).collect();
            end(HttpVersion::Http11, &fields)
        };
        for same in [&["2"][..], &["2", "2"], &["2, 2"], &["2,2", "02"]] {
            assert_eq!(of(same), Ok(BodyEnd::Length(2)), "{same:?}");
        }
        let differ = |shown: &str| Err(format!("the values of content-length differ: \"{shown}\""));
        assert_eq!(of(&["2", "3"]), differ("2, 3"));
        assert_eq!(of(&["2, 3"]), differ("2, 3"));
        for invalid in ["", "+2", "-2", "2x", "0x2", "2;", "99999999999999999999999"] {
            let error = Err(format!("invalid content-length \"{invalid}\""));
            assert_eq!(of(&[invalid]), error, "{invalid}");
        }
        assert_eq!(of(&[]), Ok(BodyEnd::Connection));
    }

    #[test]
    fn the_transfer_coding_decides() {
        let of = |version, codings: &[&str]| {
            let mut fields = vec![("content-length", "2"), ("content-length", "9")];
            fields.extend(codings.iter().map(|value| ("transfer-encoding", *value)));
            end(version, &fields)
        };
        assert_eq!(of(HttpVersion::Http11, &["Chunked"]), Ok(BodyEnd::Chunked));
        assert_eq!(of(HttpVersion::Http11, &["identity, chunked"]), Ok(BodyEnd::Chunked));
        let differ = Err("the values of content-length differ: \"2, 9\"".to_owned());
        assert_eq!(of(HttpVersion::Http11, &["identity"]), differ, "no coding is applied");
        let with_length = [("transfer-encoding", "identity"), ("content-length", "3")];
        assert_eq!(end(HttpVersion::Http11, &with_length), Ok(BodyEnd::Length(3)));
        assert_eq!(of(HttpVersion::Http10, &["chunked"]), Ok(BodyEnd::Connection));
        for refused in [&["chunked", "chunked"][..], &["gzip, chunked"], &["bogus"]] {
            let shown = refused.join(", ");
            let error = Err(format!("unsupported transfer-encoding \"{shown}\""));
            assert_eq!(of(HttpVersion::Http11, refused), error);
        }
    }
}
