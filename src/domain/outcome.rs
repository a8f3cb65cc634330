//! What one probe found out.

use std::net::SocketAddr;
use std::time::Duration;

use super::service::ServiceId;

/// Why a probe did not get an answer below 400. A closed set: stored with the tick and counted on `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The name could not be turned into an address.
    Dns,
    /// The target's host refused the connection.
    Refused,
    /// No way to the target's host: a router or the kernel said so.
    Unreachable,
    /// The connection was cut while it was in use.
    Reset,
    /// The TLS handshake failed, certificates included.
    Tls,
    /// The deadline of the whole probe passed.
    Timeout,
    /// The address may not be probed, by rule: link-local, a cloud's metadata, or a denied network.
    AddressBlocked,
    /// More than ten redirects, or one that leads to something that is not http or https.
    Redirect,
    /// An answer of 400 or above.
    Status,
    /// An answer that does not fulfil a condition of the service.
    Condition,
    /// The answer is not HTTP, or ended before it was complete.
    Protocol,
    /// A fault of our own machine (no descriptors, no local ports, a panic): neither up nor down.
    Local,
}

impl Reason {
    /// Every reason, in the order in which a probe can meet them.
    pub const ALL: [Self; 12] = [
        Self::Dns,
        Self::AddressBlocked,
        Self::Refused,
        Self::Unreachable,
        Self::Reset,
        Self::Tls,
        Self::Timeout,
        Self::Redirect,
        Self::Status,
        Self::Condition,
        Self::Protocol,
        Self::Local,
    ];

    /// The word for it in the store, on `/metrics` and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::AddressBlocked => "address_blocked",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Redirect => "redirect",
            Self::Status => "status",
            Self::Condition => "condition",
            Self::Protocol => "protocol",
            Self::Local => "local",
        }
    }
}

/// Longest detail that is kept, in characters.
const DETAIL_MAX_CHARS: usize = 300;

/// A probe that did not succeed: a result, not an error of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class it belongs to.
    pub reason: Reason,
    /// What was seen, as one sentence for a person.
    pub detail: String,
}

impl Failure {
    /// A failure of class `reason`, told in `detail`, of which at most 300 characters are kept: a target can make it as
    /// long as it likes.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(DETAIL_MAX_CHARS) {
            detail.truncate(end);
        }
        Self { reason, detail }
    }
}

/// What an outcome says of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It answered below 400 within its timeout.
    Up,
    /// It did not, and the cause lies with it.
    Down,
    /// We could not tell, and the cause lies with us: never recorded as a tick.
    Ours,
}

/// Where the time of a probe went, summed over redirects. They add up to its response time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// Looking up names.
    pub dns: Duration,
    /// Making connections.
    pub connect: Duration,
    /// TLS handshakes.
    pub tls: Duration,
    /// From the request to the head of the answer.
    pub first_byte: Duration,
    /// Reading the body.
    pub transfer: Duration,
}

impl Phases {
    /// Each phase under the name that blackbox_exporter gives it.
    pub fn named(&self) -> [(&'static str, Duration); 5] {
        [
            ("resolve", self.dns),
            ("connect", self.connect),
            ("tls", self.tls),
            ("processing", self.first_byte),
            ("transfer", self.transfer),
        ]
    }

    /// All of them together.
    pub fn total(&self) -> Duration {
        self.named().iter().map(|(_, spent)| *spent).sum()
    }
}

/// What else a probe saw, of the last hop when there were several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The address that was dialled.
    pub address: Option<SocketAddr>,
    /// How many redirects were followed.
    pub redirects: u32,
    /// The version of HTTP that was spoken, `1.1` for example.
    pub http_version: Option<&'static str>,
    /// The version of TLS that was spoken, `TLS 1.3` for example.
    pub tls_version: Option<&'static str>,
    /// When the first certificate of the chain expires, in unix seconds.
    pub certificate_expires_at: Option<i64>,
}

/// The result of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The service that was probed.
    pub service_id: ServiceId,
    /// Wall-clock start of the probe, in unix milliseconds.
    pub started_at_ms: i64,
    /// From the start of the probe to its end, without any wait of our own.
    pub response_time: Duration,
    /// The status of the last answer, if there was one.
    pub http_status: Option<u16>,
    /// Why it failed, or `None` when it succeeded.
    pub failure: Option<Failure>,
    /// Where the time went.
    pub phases: Phases,
    /// What else was seen.
    pub seen: Seen,
}

impl Outcome {
    /// Whether the service is up, down, or cannot be judged by this outcome.
    pub fn verdict(&self) -> Verdict {
        match &self.failure {
            None => Verdict::Up,
            Some(Failure { reason: Reason::Local, .. }) => Verdict::Ours,
            Some(_) => Verdict::Down,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sample;

    #[test]
    fn only_a_fault_of_ours_is_neither_up_nor_down() {
        for reason in Reason::ALL {
            let outcome =
                Outcome { failure: Some(Failure::new(reason, "")), ..sample::outcome(1, 0) };
            let expected = if reason == Reason::Local { Verdict::Ours } else { Verdict::Down };
            assert_eq!(outcome.verdict(), expected, "{reason:?}");
        }
    }
}
