//! The messages of Prometheus's remote storage (`prometheus.WriteRequest`, `ReadRequest` and their
//! parts, version 1.0), in Protocol Buffers and snappy's block format.

use prost::Message;

/// Media type of the messages.
pub const MEDIA_TYPE: &str = "application/x-protobuf";

/// Content coding of the messages.
pub const CODING: &str = "snappy";

#[derive(Clone, PartialEq, Message)]
pub struct Label {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Sample {
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Unix milliseconds.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    /// Sorted by name.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// Oldest first.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
pub struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ReadRequest {
    #[prost(message, repeated, tag = "1")]
    pub queries: Vec<Query>,
    /// By falling preference; empty for [`ResponseType::Samples`].
    #[prost(enumeration = "ResponseType", repeated, tag = "2")]
    pub accepted_response_types: Vec<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum ResponseType {
    Samples = 0,
    StreamedXorChunks = 1,
}

/// Both ends are part of the window. Hints are not read.
#[derive(Clone, PartialEq, Message)]
pub struct Query {
    #[prost(int64, tag = "1")]
    pub start_timestamp_ms: i64,
    #[prost(int64, tag = "2")]
    pub end_timestamp_ms: i64,
    #[prost(message, repeated, tag = "3")]
    pub matchers: Vec<LabelMatcher>,
}

#[derive(Clone, PartialEq, Message)]
pub struct LabelMatcher {
    #[prost(enumeration = "MatcherKind", tag = "1")]
    pub kind: i32,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(string, tag = "3")]
    pub value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum MatcherKind {
    Equal = 0,
    NotEqual = 1,
    Matches = 2,
    MatchesNot = 3,
}

#[derive(Clone, PartialEq, Message)]
pub struct QueryResult {
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

/// `prometheus.ReadResponse`, whose results are encoded already: on the wire, a message within a
/// message is a field of bytes.
#[derive(Clone, PartialEq, Message)]
pub struct EncodedReadResponse {
    /// A [`QueryResult`] for each query.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub results: Vec<Vec<u8>>,
}

/// Why a text is not the message.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    #[error("{CODING}: {0}")]
    Coding(#[from] snap::Error),
    #[error("at most {0} bytes, unpacked, are allowed")]
    TooLarge(usize),
    #[error("{0}")]
    Message(#[from] prost::DecodeError),
}

/// A message of at most `limit` bytes.
pub fn unpack<M: Message + Default>(packed: &[u8], limit: usize) -> Result<M, Malformed> {
    if snap::raw::decompress_len(packed)? > limit {
        return Err(Malformed::TooLarge(limit));
    }
    let bytes = snap::raw::Decoder::new().decompress_vec(packed)?;
    Ok(M::decode(bytes.as_slice())?)
}

/// Fails beyond 4 GiB.
pub fn pack(message: &impl Message) -> Result<Vec<u8>, Malformed> {
    let bytes = message.encode_to_vec();
    Ok(snap::raw::Encoder::new().compress_vec(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_request_has_the_bytes_of_prometheus() {
        let label = Label { name: "__name__".to_owned(), value: "up".to_owned() };
        let sample = Sample { value: 1.0, timestamp: 1_000 };
        let series = TimeSeries { labels: vec![label], samples: vec![sample] };
        let request = WriteRequest { timeseries: vec![series] };
        // As Go's client of Prometheus writes it.
        let expected = b"\x0a\x1e\x0a\x0e\x0a\x08__name__\x12\x02up\
            \x12\x0c\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x10\xe8\x07";
        assert_eq!(request.encode_to_vec(), expected);
        let packed = pack(&request).unwrap();
        assert_eq!(snap::raw::Decoder::new().decompress_vec(&packed).unwrap(), expected);
        assert_eq!(pack(&WriteRequest::default()).unwrap(), [0]);
    }

    #[test]
    fn a_request_has_the_bytes_of_prometheus() {
        let bytes = b"\x0a\x16\x08\xe8\x07\x10\xd0\x0f\x1a\x0e\x12\x08__name__\x1a\x02up";
        let request = ReadRequest::decode(&bytes[..]).unwrap();
        let matcher = LabelMatcher {
            kind: MatcherKind::Equal.into(),
            name: "__name__".to_owned(),
            value: "up".to_owned(),
        };
        let query =
            Query { start_timestamp_ms: 1_000, end_timestamp_ms: 2_000, matchers: vec![matcher] };
        assert_eq!(request.queries, std::slice::from_ref(&query));
        // Hints are left out, and types are read packed and unpacked.
        let mut hinted = query.encode_to_vec();
        hinted.extend(b"\x22\x03\x08\xe8\x07");
        assert_eq!(Query::decode(hinted.as_slice()).unwrap(), query);
        for types in [&b"\x12\x02\x01\x00"[..], b"\x10\x01\x10\x00"] {
            let request = ReadRequest::decode(types).unwrap();
            assert_eq!(request.accepted_response_types, [1, 0]);
        }
    }

    #[test]
    fn results_are_messages_within_the_response() {
        let series = TimeSeries {
            labels: vec![Label { name: "a".to_owned(), value: "b".to_owned() }],
            samples: vec![Sample { value: 1.0, timestamp: 5 }],
        };
        let one = QueryResult { timeseries: vec![series.clone()] };
        // Encodings one after the other are the encoding of both.
        let both = [one.encode_to_vec(), one.encode_to_vec()].concat();
        let response = EncodedReadResponse { results: vec![both] };
        let packed = pack(&response).unwrap();
        let bytes = snap::raw::Decoder::new().decompress_vec(&packed).unwrap();
        assert_eq!(bytes[0], 0x0a);
        let body = EncodedReadResponse::decode(bytes.as_slice()).unwrap().results.remove(0);
        let expected = QueryResult { timeseries: vec![series.clone(), series] };
        assert_eq!(QueryResult::decode(body.as_slice()).unwrap(), expected);
    }

    #[test]
    fn a_request_is_bounded_before_it_is_unpacked() {
        let query = Query::default();
        let packed = pack(&ReadRequest { queries: vec![query; 1_000], ..Default::default() });
        let packed = packed.unwrap();
        assert_eq!(unpack::<ReadRequest>(&packed, 2_000).unwrap().queries.len(), 1_000);
        let error = unpack::<ReadRequest>(&packed, 1_999).unwrap_err();
        assert_eq!(error.to_string(), "at most 1999 bytes, unpacked, are allowed");
        assert!(matches!(unpack::<ReadRequest>(b"", 10), Err(Malformed::Coding(_))));
        let text = snap::raw::Encoder::new().compress_vec(b"text").unwrap();
        assert!(matches!(unpack::<ReadRequest>(&text, 10), Err(Malformed::Message(_))));
    }
}
