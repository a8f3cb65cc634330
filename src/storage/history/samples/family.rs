//! The families of series, and their samples.

use crate::domain::history::facts::ProbeFacts;
use crate::domain::metric_names::{
    PHASE, PROBE_DNS_LOOKUP_TIME_SECONDS, PROBE_DURATION_SECONDS, PROBE_HTTP_DURATION_SECONDS,
    PROBE_HTTP_REDIRECTS, PROBE_HTTP_SSL, PROBE_HTTP_STATUS_CODE, PROBE_HTTP_VERSION,
    PROBE_ICMP_DURATION_SECONDS, PROBE_IP_PROTOCOL, PROBE_SSL_EARLIEST_CERT_EXPIRY, PROBE_SUCCESS,
    PROBE_TLS_VERSION_INFO, SERVICE_UP, VERSION,
};
use crate::domain::service::options::{HttpVersion, TlsVersion};
use crate::domain::{Kind, Phases, Stats, StoredTick};

/// A series of each service of some kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// 1 or 0.
    Success,
    Duration,
    HttpStatus,
    DnsLookup,
    /// By its index in [`Phases::named`].
    Phase(usize),
    /// By its index in [`PING_PHASES`].
    PingPhase(usize),
    /// By events, at whole minutes.
    Up,
    Fact(Fact),
}

/// A series of the facts that hold at each tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    CertificateExpiry,
    HttpVersion,
    Redirects,
    Secured,
    IpProtocol,
    /// 1 while this is the version.
    TlsVersion(TlsVersion),
}

impl Fact {
    pub fn all() -> impl Iterator<Item = Self> {
        use Fact::{CertificateExpiry, HttpVersion, IpProtocol, Redirects, Secured};
        [CertificateExpiry, HttpVersion, Redirects, Secured, IpProtocol]
            .into_iter()
            .chain(TlsVersion::ALL.map(Self::TlsVersion))
    }

    fn name(self) -> &'static str {
        match self {
            Self::CertificateExpiry => PROBE_SSL_EARLIEST_CERT_EXPIRY,
            Self::HttpVersion => PROBE_HTTP_VERSION,
            Self::Redirects => PROBE_HTTP_REDIRECTS,
            Self::Secured => PROBE_HTTP_SSL,
            Self::IpProtocol => PROBE_IP_PROTOCOL,
            Self::TlsVersion(_) => PROBE_TLS_VERSION_INFO,
        }
    }

    pub fn value(self, facts: &ProbeFacts) -> Option<f64> {
        let number = |is_so: bool| f64::from(u8::from(is_so));
        match self {
            Self::CertificateExpiry => facts.certificate_expires_at.map(|at| at as f64),
            Self::HttpVersion => facts.http_version.map(HttpVersion::number),
            Self::Redirects => Some(f64::from(facts.redirects)),
            Self::Secured => Some(number(facts.tls_version.is_some())),
            Self::IpProtocol => facts.is_ipv6.map(|is_ipv6| if is_ipv6 { 6.0 } else { 4.0 }),
            Self::TlsVersion(version) => (facts.tls_version == Some(version)).then_some(1.0),
        }
    }
}

/// Phases of a ping, and those of a tick that each adds up.
pub const PING_PHASES: [(&str, &[usize]); 3] =
    [("resolve", &[0]), ("setup", &[1, 2]), ("rtt", &[3, 4])];

/// Name, type and help of each metric.
pub const METRICS: [(&str, &str); 7] = [
    (PROBE_SUCCESS, "Whether the probe succeeded"),
    (PROBE_DURATION_SECONDS, "Duration of the probe"),
    (PROBE_HTTP_STATUS_CODE, "HTTP status of the response, 0 without one"),
    (PROBE_DNS_LOOKUP_TIME_SECONDS, "Duration of the name resolution"),
    (PROBE_HTTP_DURATION_SECONDS, "Duration of each phase of the probe"),
    (PROBE_ICMP_DURATION_SECONDS, "Duration of each phase of a ping"),
    (SERVICE_UP, "Whether the service is up, by its events; absent while unknown or paused"),
];

impl Family {
    /// Those of a service of that kind.
    pub fn of(kind: Kind) -> impl Iterator<Item = Self> {
        let has_status = matches!(kind, Kind::Http | Kind::WebSocket);
        let pings = if kind == Kind::Icmp { PING_PHASES.len() } else { 0 };
        [Self::Success, Self::Duration, Self::DnsLookup, Self::Up]
            .into_iter()
            .chain(has_status.then_some(Self::HttpStatus))
            .chain((0..Phases::default().named().len()).map(Self::Phase))
            .chain((0..pings).map(Self::PingPhase))
            .chain(Fact::all().map(Self::Fact))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Success => PROBE_SUCCESS,
            Self::Duration => PROBE_DURATION_SECONDS,
            Self::HttpStatus => PROBE_HTTP_STATUS_CODE,
            Self::DnsLookup => PROBE_DNS_LOOKUP_TIME_SECONDS,
            Self::Phase(_) => PROBE_HTTP_DURATION_SECONDS,
            Self::PingPhase(_) => PROBE_ICMP_DURATION_SECONDS,
            Self::Up => SERVICE_UP,
            Self::Fact(fact) => fact.name(),
        }
    }

    /// Name and value of the label that the other series of the service lack.
    pub fn label(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Phase(index) => Some((PHASE, Phases::default().named()[index].0)),
            Self::PingPhase(index) => Some((PHASE, PING_PHASES[index].0)),
            Self::Fact(Fact::TlsVersion(version)) => Some((VERSION, version.as_str())),
            _ => None,
        }
    }

    /// The value of a tick that is up or down, if it has one.
    pub fn value(self, tick: &StoredTick, is_up: bool) -> Option<f64> {
        let seconds = |micros: u64| micros as f64 / 1e6;
        let phase = |indexes: &[usize]| {
            let phases = tick.phases_us?;
            Some(seconds(indexes.iter().map(|index| phases[*index]).sum()))
        };
        match self {
            Self::Success => Some(if is_up { 1.0 } else { 0.0 }),
            Self::Duration => Some(seconds(tick.response_time_us)),
            Self::HttpStatus => Some(tick.http_status.map_or(0.0, f64::from)),
            Self::DnsLookup => phase(&[0]),
            Self::Phase(index) => phase(&[index]),
            Self::PingPhase(index) => phase(PING_PHASES[index].1),
            Self::Up | Self::Fact(_) => None,
        }
    }

    /// Whether its samples, or functions over them, need more of a tick than its state.
    pub fn has_durations(self) -> bool {
        matches!(self, Self::Duration | Self::DnsLookup | Self::Phase(_) | Self::PingPhase(_))
    }

    /// The value of a function over the ticks that `stats` add up; outer `None` when they do not
    /// tell it, inner when there is no tick.
    pub fn folded(self, function: FoldedFunction, stats: &Stats) -> Option<Option<f64>> {
        let (count, sum) = match self {
            Self::Success => (stats.known(), stats.up as f64),
            Self::Duration => (stats.known(), stats.sum_us as f64 / 1e6),
            Self::DnsLookup => (stats.phased, stats.phases_us[0] as f64 / 1e6),
            Self::Phase(index) => (stats.phased, stats.phases_us[index] as f64 / 1e6),
            Self::PingPhase(index) => {
                let parts = PING_PHASES[index].1.iter().map(|index| stats.phases_us[*index]);
                (stats.phased, parts.sum::<u64>() as f64 / 1e6)
            }
            Self::HttpStatus | Self::Up | Self::Fact(_) => return None,
        };
        let value = match function {
            FoldedFunction::Count => count as f64,
            FoldedFunction::Sum => sum,
            FoldedFunction::Avg => sum / count as f64,
            FoldedFunction::Present => 1.0,
            FoldedFunction::Min | FoldedFunction::Max | FoldedFunction::Quantile(_) => {
                return self.folded_order(function, stats);
            }
        };
        Some((count > 0).then_some(value))
    }

    /// Functions that depend on the order of the values.
    fn folded_order(self, function: FoldedFunction, stats: &Stats) -> Option<Option<f64>> {
        let seconds = |micros: u64| micros as f64 / 1e6;
        let value = match (self, function) {
            (Self::Success, FoldedFunction::Min) => Some(if stats.down > 0 { 0.0 } else { 1.0 }),
            (Self::Success, FoldedFunction::Max) => Some(if stats.up > 0 { 1.0 } else { 0.0 }),
            (Self::Success, FoldedFunction::Quantile(q)) => {
                Some(quantile_of_truths(q, stats.down, stats.up))
            }
            (Self::Duration, FoldedFunction::Min) => stats.min_us.map(seconds),
            (Self::Duration, FoldedFunction::Max) => stats.max_us.map(seconds),
            (Self::Duration, FoldedFunction::Quantile(q)) if q.is_nan() => Some(f64::NAN),
            (Self::Duration, FoldedFunction::Quantile(q)) if q < 0.0 => Some(f64::NEG_INFINITY),
            (Self::Duration, FoldedFunction::Quantile(q)) if q > 1.0 => Some(f64::INFINITY),
            (Self::Duration, FoldedFunction::Quantile(q)) => stats.quantile_us(q).map(seconds),
            _ => return None,
        };
        Some(value.filter(|_| stats.known() > 0))
    }
}

/// A function over windows that roll-ups may answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FoldedFunction {
    Avg,
    Count,
    Max,
    Min,
    Present,
    Quantile(f64),
    Sum,
}

impl FoldedFunction {
    pub fn new(name: &str, parameter: f64) -> Option<Self> {
        Some(match name {
            "avg_over_time" => Self::Avg,
            "count_over_time" => Self::Count,
            "max_over_time" => Self::Max,
            "min_over_time" => Self::Min,
            "present_over_time" => Self::Present,
            "quantile_over_time" => Self::Quantile(parameter),
            "sum_over_time" => Self::Sum,
            _ => return None,
        })
    }
}

/// The quantile of so many zeros and ones.
fn quantile_of_truths(q: f64, zeros: u64, ones: u64) -> f64 {
    if q.is_nan() || zeros + ones == 0 {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let rank = q * (zeros + ones - 1) as f64;
    let value = |index: u64| if index < zeros { 0.0 } else { 1.0 };
    let lower = rank.floor() as u64;
    let weight = rank - rank.floor();
    value(lower) * (1.0 - weight) + value((lower + 1).min(zeros + ones - 1)) * weight
}
