//! One probe under one deadline → an [`Outcome`].
//!
//! The probe makes its connection itself ([`dial`], [`tls`]) and lets awc speak HTTP over it ([`http`]), so that each
//! wait has a name and each error its class ([`failure`]). Nothing is kept from one probe to the next: every probe
//! connects and secures anew and asks for the name (probes that ask for one name at the same moment share the answer), and
//! so a dead DNS, TCP or TLS is seen by the very next probe.

mod connection;
mod dial;
mod failure;
mod http;
mod interim;
mod pulse;
mod resolve;
pub mod tls;

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use connection::Connection;
use tls::Trust;

use crate::domain::{Failure, Outcome, Reason, Service};

/// Redirects that are followed (contract, "Up or down").
const MAX_REDIRECTS: usize = 10;

/// What the probe is doing, so that a timeout can say where the time went.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Resolving,
    Connecting,
    Securing,
    Waiting,
    Reading,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Resolving => "looking up the name",
            Self::Connecting => "connecting",
            Self::Securing => "in the TLS handshake",
            Self::Waiting => "waiting for the answer",
            Self::Reading => "reading the body",
        }
    }
}

/// Everything the probes of one arbiter share. Not `Send`: it is built inside its arbiter.
pub struct Engine {
    resolver: resolve::Resolver,
    trust: Trust,
    client: awc::Client,
    pulse: pulse::Pulse,
}

impl Engine {
    /// An engine that trusts `trust`.
    pub fn new(trust: Trust) -> Self {
        Self {
            resolver: resolve::Resolver::from_system(),
            trust,
            client: http::client(),
            pulse: pulse::Pulse::start(),
        }
    }

    /// Probes `service` once. Takes at most its timeout; a fault of the target is a result and not an error.
    pub async fn probe(&self, service: &Service) -> Outcome {
        let started_at_ms = unix_ms();
        let started = Instant::now();
        let phase = Cell::new(Phase::Resolving);
        let mut http_status = None;
        let walk = self.follow(service, &phase, &mut http_status);
        let result = match tokio::time::timeout(service.timeout.get(), walk).await {
            Ok(result) => result,
            Err(_elapsed) if self.pulse.stood_still_since(started) => {
                Err(Failure::new(Reason::Local, "our own process stood still during the probe"))
            }
            Err(_elapsed) => Err(timed_out(phase.get(), service.timeout.get())),
        };
        let response_time = started.elapsed();
        Outcome {
            service_id: service.id,
            started_at_ms,
            response_time,
            http_status,
            failure: result.err(),
        }
    }

    /// Asks the target, and whatever it redirects to, until there is an answer or a failure.
    async fn follow(
        &self,
        service: &Service,
        phase: &Cell<Phase>,
        http_status: &mut Option<u16>,
    ) -> Result<(), Failure> {
        let mut url = service.target.url().clone();
        for _hop in 0..=MAX_REDIRECTS {
            let connection = self.connect(&url, phase).await?;
            phase.set(Phase::Waiting);
            let answer = http::ask(&self.client, connection, &url).await?;
            *http_status = Some(answer.status());
            match answer.redirect(&url)? {
                Some(next) => url = next,
                None => {
                    phase.set(Phase::Reading);
                    return answer.judge().await;
                }
            }
        }
        Err(Failure::new(Reason::Redirect, format!("more than {MAX_REDIRECTS} redirects")))
    }

    async fn connect(&self, url: &url::Url, phase: &Cell<Phase>) -> Result<Connection, Failure> {
        phase.set(Phase::Resolving);
        let addresses = dial::resolve(&self.resolver, url).await?;
        phase.set(Phase::Connecting);
        let stream = dial::connect(&addresses).await?;
        if url.scheme() == "http" {
            return Ok(Connection::plain(stream));
        }
        phase.set(Phase::Securing);
        let stream = tls::secure(&self.trust, url, stream).await?;
        Ok(Connection::secured(stream))
    }
}

fn timed_out(phase: Phase, timeout: Duration) -> Failure {
    let detail = format!("no complete answer within {timeout:?}: still {}", phase.as_str());
    Failure::new(Reason::Timeout, detail)
}

/// The wall clock, in unix milliseconds; 0 before 1970.
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
