//! The messages of Prometheus's remote storage, version 1.0, in Protocol Buffers and snappy's block
//! format.
//!
//! Source: `prompb/remote.proto` and `prompb/types.proto` of Prometheus.

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

/// Fails beyond 4 GiB.
pub fn pack(message: &impl Message) -> Result<Vec<u8>, snap::Error> {
    snap::raw::Encoder::new().compress_vec(&message.encode_to_vec())
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
}
