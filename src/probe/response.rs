//! What a probe received from its target.

use crate::domain::Failure;
use crate::domain::service::expectations::Check;

/// The facts for conditions, and the result that counts where a service has no conditions.
#[derive(Debug)]
pub struct ProbeResponse {
    /// The status, where the protocol has one.
    pub status: Option<u16>,
    /// Empty when neither a condition nor an expectation needs it.
    pub body: Vec<u8>,
    /// Values that conditions read by a path instead of those of a body in JSON.
    pub json: Option<serde_json::Value>,
    /// The records of the body, each in all forms that conditions may compare it with.
    pub records: Vec<String>,
    /// The mnemonic of a DNS response code, for example `NOERROR`.
    pub rcode: Option<String>,
    /// The results of the service's expectations.
    pub checks: Vec<Check>,
    /// The result of the protocol's plain rule.
    pub plain: Result<(), Failure>,
}

impl ProbeResponse {
    /// A response without a body.
    pub fn with_status(status: u16, plain: Result<(), Failure>) -> Self {
        Self { status: Some(status), plain, ..Self::default() }
    }
}

impl Default for ProbeResponse {
    fn default() -> Self {
        Self {
            status: None,
            body: Vec::new(),
            json: None,
            records: Vec::new(),
            rcode: None,
            checks: Vec::new(),
            plain: Ok(()),
        }
    }
}
