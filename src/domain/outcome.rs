//! What one probe found out.

use std::net::SocketAddr;
use std::time::Duration;

use crate::domain::service::options::{HttpVersion, TlsVersion};
use crate::domain::service::service_id::ServiceId;

/// Why a probe failed. A closed set: stored with the tick, filtered by, and counted on `/metrics`.
///
/// The variants stand in the order in which a probe can meet them; those that begin with `Local` are faults of our own
/// machine, and so neither up nor down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The name does not exist, or has no address.
    DnsNoSuchName,
    /// A name server answered with an error, or not as DNS says.
    DnsServer,
    /// No name server answered in time.
    DnsTimeout,
    /// The address may not be probed, by rule: link-local, a cloud's metadata, or a denied network.
    AddressBlocked,
    /// The target's host refused the connection.
    Refused,
    /// No way to the target's host: a router or the kernel said so.
    Unreachable,
    /// The connection was not made in time.
    ConnectTimeout,
    /// The connection was cut while it was in use.
    Reset,
    /// A certificate has expired.
    TlsExpired,
    /// A certificate is not valid yet.
    TlsNotYetValid,
    /// The certificate is for another name.
    TlsHostname,
    /// The certificate leads to no authority that is trusted.
    TlsUntrusted,
    /// The handshake failed in another way.
    TlsHandshake,
    /// The handshake was not done in time.
    TlsTimeout,
    /// The deadline passed while waiting for the answer or reading it.
    Timeout,
    /// The answer is not what its protocol asks for, or ended before it was complete.
    Protocol,
    /// The body is larger than the service's limit, and a condition needs it.
    TooLarge,
    /// More redirects than are followed.
    RedirectLoop,
    /// A redirect to what is not http or https.
    RedirectBlocked,
    /// A status that says failure: 400 or above over HTTP, its like in other protocols.
    Status,
    /// An answer that does not fulfil a condition or expectation of the service.
    Condition,
    /// The watched job has not sent its heartbeat in time.
    HeartbeatLate,
    /// No file descriptor or memory was left.
    LocalDescriptors,
    /// No local port or address was left.
    LocalPorts,
    /// A network of ours is down, has no route, or our own firewall refused.
    LocalNetwork,
    /// Our own name server cannot be reached, or there is none.
    LocalResolver,
    /// A setting of ours cannot be used: a variable that is not set, a certificate file that is gone.
    LocalConfig,
    /// Our own process stood still while the deadline passed.
    LocalStandstill,
    /// A panic or another fault of the program.
    LocalFault,
}

impl Reason {
    /// Every reason with its word in the store, in the API, on `/metrics` and in logs.
    const WORDS: [(Self, &'static str); 29] = [
        (Self::DnsNoSuchName, "dns_no_such_name"),
        (Self::DnsServer, "dns_server"),
        (Self::DnsTimeout, "dns_timeout"),
        (Self::AddressBlocked, "address_blocked"),
        (Self::Refused, "refused"),
        (Self::Unreachable, "unreachable"),
        (Self::ConnectTimeout, "connect_timeout"),
        (Self::Reset, "reset"),
        (Self::TlsExpired, "tls_expired"),
        (Self::TlsNotYetValid, "tls_not_yet_valid"),
        (Self::TlsHostname, "tls_hostname"),
        (Self::TlsUntrusted, "tls_untrusted"),
        (Self::TlsHandshake, "tls_handshake"),
        (Self::TlsTimeout, "tls_timeout"),
        (Self::Timeout, "timeout"),
        (Self::Protocol, "protocol"),
        (Self::TooLarge, "too_large"),
        (Self::RedirectLoop, "redirect_loop"),
        (Self::RedirectBlocked, "redirect_blocked"),
        (Self::Status, "status"),
        (Self::Condition, "condition"),
        (Self::HeartbeatLate, "heartbeat_late"),
        (Self::LocalDescriptors, "local_descriptors"),
        (Self::LocalPorts, "local_ports"),
        (Self::LocalNetwork, "local_network"),
        (Self::LocalResolver, "local_resolver"),
        (Self::LocalConfig, "local_config"),
        (Self::LocalStandstill, "local_standstill"),
        (Self::LocalFault, "local_fault"),
    ];

    /// Every reason.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::WORDS.into_iter().map(|(reason, _)| reason)
    }

    /// The reason of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(_, known)| *known == word).map(|(reason, _)| reason)
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        // The table stands in the order of the variants; a test says so.
        Self::WORDS[self as usize].1
    }

    /// Whether the fault is our own machine's.
    pub fn is_local(self) -> bool {
        self as usize >= Self::LocalDescriptors as usize
    }

    /// Whether nothing came in time: the deadline of the probe struck, or the kernel's own.
    pub fn is_timeout(self) -> bool {
        matches!(self, Self::DnsTimeout | Self::ConnectTimeout | Self::TlsTimeout | Self::Timeout)
    }

    /// Whether an outage of our own network would look like this too.
    pub fn may_be_local_network(self) -> bool {
        matches!(
            self,
            Self::DnsServer
                | Self::DnsTimeout
                | Self::Unreachable
                | Self::ConnectTimeout
                | Self::TlsTimeout
                | Self::Timeout
                | Self::HeartbeatLate
                | Self::LocalNetwork
                | Self::LocalResolver
        )
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
        Self { reason, detail: detail_of(detail.into()) }
    }
}

/// `text` as a detail: escaped and cut.
pub fn detail_of(text: String) -> String {
    let mut detail = in_one_line(text);
    if let Some((end, _)) = detail.char_indices().nth(DETAIL_MAX_CHARS) {
        detail.truncate(end);
    }
    detail
}

/// `text` with its control characters escaped: a target must not write lines of its own into our log.
pub fn in_one_line(text: String) -> String {
    if text.contains(char::is_control) { text.chars().flat_map(escaped).collect() } else { text }
}

/// A character as it is, or escaped if it is a control character.
fn escaped(character: char) -> impl Iterator<Item = char> {
    let escape = character.is_control().then(|| character.escape_default());
    let itself = escape.is_none().then_some(character);
    escape.into_iter().flatten().chain(itself)
}

/// What an outcome says of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It answered below 400 within its timeout.
    Up,
    /// It did not, and the cause lies with it.
    Down,
    /// Our own network was gone, so nothing is known: recorded, and kept apart from both.
    Unknown,
    /// We could not tell, and the cause lies with us: never recorded as a tick.
    Local,
}

/// Where the time of a probe went, summed over redirects. They add up to its response time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// Looking up names.
    pub resolve: Duration,
    /// Making connections.
    pub connect: Duration,
    /// TLS handshakes.
    pub tls: Duration,
    /// From the request to the head of the answer.
    pub processing: Duration,
    /// Reading the body.
    pub transfer: Duration,
}

impl Phases {
    /// Each phase under the name that blackbox_exporter gives it.
    pub fn named(&self) -> [(&'static str, Duration); 5] {
        [
            ("resolve", self.resolve),
            ("connect", self.connect),
            ("tls", self.tls),
            ("processing", self.processing),
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
pub struct ProbeDetails {
    /// The address that was dialled.
    pub address: Option<SocketAddr>,
    /// How many redirects were followed.
    pub redirects: u32,
    pub http_version: Option<HttpVersion>,
    pub tls_version: Option<TlsVersion>,
    /// When the first certificate of the chain expires, in unix seconds.
    pub certificate_expires_at: Option<i64>,
}

impl ProbeDetails {
    /// The address that was dialled, with its port where the protocol has one.
    pub fn address_text(&self) -> Option<String> {
        self.address.map(address_text)
    }
}

/// `address` for a person; without its port when that is 0, as with protocols that have none.
pub fn address_text(address: SocketAddr) -> String {
    if address.port() == 0 { address.ip().to_string() } else { address.to_string() }
}

/// What somebody who looks at one probe wants to know besides; recorded probes have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeReport {
    /// The chain that the target has shown, its own certificate first.
    pub certificates: Vec<Certificate>,
    /// Each condition as it was judged: fulfilled, or not with the values it met.
    pub conditions: Vec<ConditionResult>,
}

/// A certificate of the target. Times are unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is.
    pub subject: String,
    /// Who says so.
    pub issuer: String,
    /// When it began to be valid.
    pub not_before: i64,
    /// When it expires.
    pub not_after: i64,
}

/// A condition that was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionResult {
    /// The condition, with the values it met where it is not fulfilled.
    pub text: String,
    /// Whether it is fulfilled.
    pub fulfilled: bool,
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
    pub details: ProbeDetails,
    /// Whether our own network was found to be gone, so that a failure says nothing of the target.
    pub network_down: bool,
    /// More, if somebody asked for it.
    pub report: Option<Box<ProbeReport>>,
}

impl Outcome {
    /// An outcome that says nothing but whether, and why not.
    pub fn without_details(
        service_id: ServiceId,
        started_at_ms: i64,
        response_time: Duration,
        failure: Option<Failure>,
    ) -> Self {
        Self {
            service_id,
            started_at_ms,
            response_time,
            http_status: None,
            failure,
            phases: Phases::default(),
            details: ProbeDetails::default(),
            network_down: false,
            report: None,
        }
    }

    /// Whether the service is up, down, or cannot be judged by this outcome.
    pub fn verdict(&self) -> Verdict {
        match &self.failure {
            None => Verdict::Up,
            Some(_) if self.network_down => Verdict::Unknown,
            Some(failure) if failure.reason.is_local() => Verdict::Local,
            Some(_) => Verdict::Down,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sample;

    #[test]
    fn the_words_stand_in_the_order_of_the_reasons() {
        for (nth, (reason, word)) in Reason::WORDS.into_iter().enumerate() {
            assert_eq!(reason as usize, nth, "{word}");
            assert_eq!((reason.as_str(), Reason::from_word(word)), (word, Some(reason)));
            assert_eq!(reason.is_local(), word.starts_with("local_"), "{word}");
        }
    }

    #[test]
    fn a_detail_stays_in_its_line() {
        let failure = Failure::new(Reason::Protocol, "a\nb\u{1b}[31mü");
        assert_eq!(failure.detail, "a\\nb\\u{1b}[31mü");
    }

    #[test]
    fn only_a_fault_of_ours_is_neither_up_nor_down() {
        for reason in Reason::all() {
            let outcome =
                Outcome { failure: Some(Failure::new(reason, "")), ..sample::outcome(1, 0) };
            let expected = if reason.is_local() { Verdict::Local } else { Verdict::Down };
            assert_eq!(outcome.verdict(), expected, "{reason:?}");
        }
    }
}
