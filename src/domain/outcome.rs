//! The outcome of one probe.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::plugin::PluginResult;
use crate::domain::service::options::{HttpVersion, TlsVersion};
use crate::domain::service::service_id::ServiceId;

/// Why a probe failed. A closed set: stored with the tick, a filter of the API, and a label of
/// metrics.
///
/// The variants are in the order in which a probe can meet them. Those from `LocalDescriptors` on
/// are faults of the monitor or its machine: such a probe is neither up nor down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The name does not exist, or has no address.
    DnsNoSuchName,
    /// A name server answered with an error, or with an invalid DNS message.
    DnsServer,
    /// No name server answered in time.
    DnsTimeout,
    /// The address must not be probed: link-local, cloud metadata, or a denied network.
    AddressBlocked,
    Refused,
    /// A router or the kernel reports that the host cannot be reached.
    Unreachable,
    ConnectTimeout,
    /// The peer reset a connection in use.
    Reset,
    TlsExpired,
    TlsNotYetValid,
    /// The certificate is for another name.
    TlsHostname,
    /// No trusted authority signed the certificate chain.
    TlsUntrusted,
    /// Any other failure of the TLS handshake.
    TlsHandshake,
    TlsTimeout,
    /// The deadline passed in phase processing or transfer.
    Timeout,
    /// The service's HTTP proxy refused the connection to the target, or answered no HTTP.
    Proxy,
    /// The token endpoint of OAuth 2.0 refused the login, or its response has no usable token.
    Token,
    /// The response violates its protocol, or is incomplete.
    Protocol,
    /// The body exceeds the service's limit, and a condition needs it.
    TooLarge,
    /// More redirects than the service allows.
    RedirectLoop,
    /// A redirect to a URL that is invalid or not http or https.
    RedirectBlocked,
    /// A status that means failure: 400 or above for HTTP, the equivalent in other protocols.
    Status,
    /// The response does not fulfil a condition or expectation of the service.
    Condition,
    /// The watched job did not send its heartbeat in time.
    HeartbeatLate,
    /// No free file descriptor, memory or process.
    LocalDescriptors,
    /// No free local port or address.
    LocalPorts,
    /// The local network is down or has no route, or a local firewall refused.
    LocalNetwork,
    /// The system's name servers answer nothing, or cannot be reached.
    LocalResolver,
    /// A setting is unusable: a variable is not set, a certificate file is missing.
    LocalConfig,
    /// A plugin could not make its check, or broke its contract.
    LocalPlugin,
    /// No registry said when the domain of the target expires, and a condition needs it.
    LocalRegistry,
    /// The monitor's process stalled while the deadline passed.
    LocalStandstill,
    /// A panic or another bug of the monitor.
    LocalFault,
    /// Results were made and lost: the store took no writes, and the buffer was full. Of events
    /// only.
    Dropped,
    /// No probe was made in time. Of events only.
    Missed,
}

impl Reason {
    /// Each reason with its word in the store, API, metrics and logs; ordered as the variants.
    const WORDS: [(Self, &'static str); 35] = [
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
        (Self::Proxy, "proxy"),
        (Self::Token, "token"),
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
        (Self::LocalPlugin, "local_plugin"),
        (Self::LocalRegistry, "local_registry"),
        (Self::LocalStandstill, "local_standstill"),
        (Self::LocalFault, "local_fault"),
        (Self::Dropped, "dropped"),
        (Self::Missed, "missed"),
    ];

    pub fn all() -> impl Iterator<Item = Self> {
        Self::WORDS.into_iter().map(|(reason, _)| reason)
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(_, known)| *known == word).map(|(reason, _)| reason)
    }

    pub fn as_str(self) -> &'static str {
        // A test holds the order of the table.
        Self::WORDS[self as usize].1
    }

    /// Whether the cause is the monitor or its machine.
    pub fn is_local(self) -> bool {
        self as usize >= Self::LocalDescriptors as usize
    }

    /// Whether results are absent without a failed probe.
    pub fn is_absence(self) -> bool {
        matches!(self, Self::Dropped | Self::Missed)
    }

    /// Whether the deadline of the probe, or one of the kernel, passed without a response.
    pub fn is_timeout(self) -> bool {
        matches!(self, Self::DnsTimeout | Self::ConnectTimeout | Self::TlsTimeout | Self::Timeout)
    }

    /// Whether a name server that does not work could cause this failure of a look-up.
    pub fn may_be_name_server(self) -> bool {
        matches!(self, Self::DnsServer | Self::DnsTimeout | Self::LocalResolver)
    }

    /// Whether lost connectivity of the monitor could also cause this failure.
    pub fn may_be_local_network(self) -> bool {
        matches!(
            self,
            Self::DnsServer
                | Self::DnsTimeout
                | Self::Unreachable
                | Self::ConnectTimeout
                | Self::TlsTimeout
                | Self::Timeout
                // A proxy on this machine or in its network loses its connectivity too.
                | Self::Proxy
                | Self::HeartbeatLate
                | Self::LocalNetwork
                | Self::LocalResolver
        )
    }
}

/// Longest detail of a failure, in characters.
pub const DETAIL_MAX_CHARS: usize = 300;

/// A failed probe: a result, not an error of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub reason: Reason,
    /// What the probe observed, as one line of at most 300 characters.
    pub detail: String,
}

impl Failure {
    /// Sanitizes `detail`, since a target controls parts of it.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: sanitize_detail(detail.into()) }
    }
}

/// Escapes control characters and truncates to 300 characters.
pub fn sanitize_detail(text: String) -> String {
    let mut detail = escape_control(text);
    if let Some((end, _)) = detail.char_indices().nth(DETAIL_MAX_CHARS) {
        detail.truncate(end);
    }
    detail
}

/// Escapes control characters, so that a target cannot add lines to the log.
pub fn escape_control(text: String) -> String {
    if text.contains(char::is_control) { text.chars().flat_map(escaped).collect() } else { text }
}

fn escaped(character: char) -> impl Iterator<Item = char> {
    let escape = character.is_control().then(|| character.escape_default());
    let unchanged = escape.is_none().then_some(character);
    escape.into_iter().flatten().chain(unchanged)
}

/// The state of a service by one outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The response came in time and meets the plain rule or the conditions.
    Up,
    /// The probe failed because of the target.
    Down,
    /// The monitor had no connectivity: recorded, and counted neither as up nor as down.
    Unknown,
    /// A local fault: never recorded as a tick.
    Local,
}

/// Time per phase, summed over redirects; the phases add up to the response time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// DNS.
    pub resolve: Duration,
    /// TCP.
    pub connect: Duration,
    pub tls: Duration,
    /// From the request to the head of the response.
    pub processing: Duration,
    /// Reading the body.
    pub transfer: Duration,
}

impl Phases {
    /// Each phase with its name in blackbox_exporter.
    pub fn named(&self) -> [(&'static str, Duration); 5] {
        [
            ("resolve", self.resolve),
            ("connect", self.connect),
            ("tls", self.tls),
            ("processing", self.processing),
            ("transfer", self.transfer),
        ]
    }

    pub fn total(&self) -> Duration {
        self.named().iter().map(|(_, duration)| *duration).sum()
    }
}

/// Details of a probe; after redirects, of the last hop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeDetails {
    pub address: Option<SocketAddr>,
    /// The address is that of a proxy.
    pub via_proxy: bool,
    /// Number of redirects followed.
    pub redirects: u32,
    pub http_version: Option<HttpVersion>,
    pub tls_version: Option<TlsVersion>,
    /// Earliest expiry of all certificates that the target sent, in unix seconds.
    pub certificate_expires_at: Option<i64>,
    /// Expiry of the target's own certificate, in unix seconds.
    pub own_certificate_expires_at: Option<i64>,
    /// Earliest expiry of the chain that was verified, in unix seconds; `None` when none was.
    pub verified_chain_expires_at: Option<i64>,
    /// The result of an external check.
    pub plugin: Option<Arc<PluginResult>>,
    /// The expiry of the domain's registration, in unix seconds; known only when a condition needs
    /// it.
    pub domain_expires_at: Option<i64>,
}

impl ProbeDetails {
    /// The dialled address, as [`address_text`] writes it.
    pub fn address_text(&self) -> Option<String> {
        self.address.map(address_text)
    }
}

/// `address` as text, without the port when that is 0 (protocols without ports).
pub fn address_text(address: SocketAddr) -> String {
    if address.port() == 0 { address.ip().to_string() } else { address.to_string() }
}

/// More details, collected for on-demand probes only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeReport {
    /// The chain that the target presented, its own certificate first.
    pub certificates: Vec<Certificate>,
    pub conditions: Vec<ConditionResult>,
}

/// A certificate that the target presented. Times are unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub subject: String,
    pub issuer: String,
    pub not_before: i64,
    pub not_after: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionResult {
    /// The condition; with the actual values when it is not fulfilled.
    pub text: String,
    pub fulfilled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub service_id: ServiceId,
    /// Start of the probe by the wall clock, in unix milliseconds.
    pub started_at_ms: i64,
    /// From the start of the probe to its end, without time in a queue.
    pub response_time: Duration,
    /// The status of the last response.
    pub http_status: Option<u16>,
    /// `None` when the probe succeeded.
    pub failure: Option<Failure>,
    /// The failure that the conditions expect, such as a refused connection; the probe succeeded.
    pub expected_failure: Option<Failure>,
    pub phases: Phases,
    pub details: ProbeDetails,
    /// Whether the self-check found the local network down, so that a failure does not count
    /// against the target.
    pub network_down: bool,
    /// Of the probed definition; `None` for a report, which is never outdated.
    pub revision: Option<u64>,
    /// Whether the definition changed before the commit: nothing is stored.
    pub is_outdated: bool,
    /// The interval of the schedule that made the probe; `None` for a probe on demand and for a
    /// report, whose sender waits.
    pub scheduled_every: Option<Duration>,
    /// Its row in the inbox, if another instance has received or made it.
    pub inbox_id: Option<i64>,
    pub report: Option<Box<ProbeReport>>,
}

impl Outcome {
    /// An outcome without status, phases, details and report.
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
            expected_failure: None,
            phases: Phases::default(),
            details: ProbeDetails::default(),
            network_down: false,
            revision: None,
            is_outdated: false,
            scheduled_every: None,
            inbox_id: None,
            report: None,
        }
    }

    /// The failure of the probe, whether or not the conditions expect it.
    pub fn any_failure(&self) -> Option<&Failure> {
        self.failure.as_ref().or(self.expected_failure.as_ref())
    }

    /// Marks an outcome that says nothing about its target, since the local network was down. An
    /// expected failure proves nothing then.
    pub fn mark_network_down(&mut self) {
        self.network_down = true;
        self.failure = self.failure.take().or(self.expected_failure.take());
    }

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
    fn reason_words_are_in_the_order_of_the_variants() {
        for (index, (reason, word)) in Reason::WORDS.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{word}");
            assert_eq!((reason.as_str(), Reason::from_word(word)), (word, Some(reason)));
            let is_local = word.starts_with("local_") || reason.is_absence();
            assert_eq!(reason.is_local(), is_local, "{word}");
        }
    }

    #[test]
    fn control_characters_in_a_detail_are_escaped() {
        let failure = Failure::new(Reason::Protocol, "a\nb\u{1b}[31mü");
        assert_eq!(failure.detail, "a\\nb\\u{1b}[31mü");
    }

    #[test]
    fn an_expected_failure_proves_nothing_while_the_network_is_down() {
        let expected = Failure::new(Reason::ConnectTimeout, "no answer");
        let up = Outcome { expected_failure: Some(expected.clone()), ..sample::outcome(1, 0) };
        assert_eq!((up.verdict(), up.any_failure()), (Verdict::Up, Some(&expected)));
        let mut unknown = up;
        unknown.mark_network_down();
        assert_eq!((unknown.verdict(), unknown.failure), (Verdict::Unknown, Some(expected)));
    }

    #[test]
    fn only_local_faults_are_neither_up_nor_down() {
        for reason in Reason::all() {
            let outcome =
                Outcome { failure: Some(Failure::new(reason, "")), ..sample::outcome(1, 0) };
            let expected = if reason.is_local() { Verdict::Local } else { Verdict::Down };
            assert_eq!(outcome.verdict(), expected, "{reason:?}");
        }
    }
}
