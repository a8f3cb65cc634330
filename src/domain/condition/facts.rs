//! The values of a response that placeholders refer to.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

/// UTF-8 byte order mark (U+FEFF), which some programs write before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The values of a response that placeholders refer to.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Whether the target answered.
    pub connected: bool,
    /// HTTP status, or the equivalent of the protocol.
    pub status: Option<u16>,
    /// Time until the response was complete.
    pub response_time: Duration,
    /// The address that was dialled.
    pub ip: Option<IpAddr>,
    /// Time until the target's own certificate expires.
    pub certificate_expires_in: Option<Duration>,
    /// Time until the registration of the domain expires; `None` also for a domain that its
    /// registry does not have.
    pub domain_expires_in: Option<Duration>,
    /// Response code of a name server, such as `NOERROR`.
    pub dns_rcode: Option<String>,
    /// Empty when no condition needs the body.
    pub body: Body,
}

impl Facts {
    /// A response without any value.
    pub fn connected() -> Self {
        Self { connected: true, ..Self::default() }
    }

    /// No response: the status is 0, as in Gatus.
    pub fn no_connection() -> Self {
        Self { status: Some(0), ..Self::default() }
    }
}

/// A body as text, and as JSON if it is JSON.
#[derive(Debug, Clone, Default)]
pub struct Body {
    text: String,
    json: Option<Value>,
    /// The parts of the text that `==` compares with too, such as the records of a DNS response.
    records: Vec<String>,
}

impl Body {
    /// Decodes `bytes` as UTF-8, and parses JSON if `reads_json`.
    pub fn new(bytes: Vec<u8>, reads_json: bool) -> Self {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).map(<[u8]>::to_vec).unwrap_or(bytes);
        let json = if reads_json { serde_json::from_slice(&bytes).ok() } else { None };
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Self { text, json, records: Vec::new() }
    }

    pub fn with_records(self, records: Vec<String>) -> Self {
        Self { records, ..self }
    }

    /// A text, and beside it values that are not a part of the text.
    pub fn with_json(text: Vec<u8>, json: Value) -> Self {
        Self { json: Some(json), ..Self::new(text, false) }
    }

    /// Without space at either end.
    pub fn text(&self) -> &str {
        self.text.trim()
    }

    /// Whether no byte other than spaces arrived.
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    pub fn records(&self) -> &[String] {
        &self.records
    }

    pub fn json(&self) -> Option<&Value> {
        self.json.as_ref()
    }
}
