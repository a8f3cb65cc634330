//! One probe under one deadline → an [`Outcome`].
//!
//! The probe makes its connection itself ([`dial`], [`tls`]) and lets awc speak HTTP over it ([`http`]), so that each
//! wait has a name and each error its class ([`failure`]). Nothing is kept from one probe to the next: every probe
//! asks the resolver, connects and secures anew, and so a dead DNS, TCP or TLS is seen by the very next probe.

mod connection;
mod dial;
mod failure;
mod http;
pub mod tls;

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio_rustls::TlsConnector;

use connection::Connection;

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
    dialer: dial::Dialer,
    tls: TlsConnector,
    client: awc::Client,
}

impl Engine {
    /// An engine that secures connections with `tls` (see [`tls::connector`]).
    pub fn new(tls: TlsConnector) -> Self {
        Self { dialer: dial::Dialer::from_system(), tls, client: http::client() }
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
        let addresses = self.dialer.resolve(url).await?;
        phase.set(Phase::Connecting);
        let stream = dial::connect(&addresses).await?;
        if url.scheme() == "http" {
            return Ok(Connection::plain(stream));
        }
        phase.set(Phase::Securing);
        let stream = tls::secure(&self.tls, url, stream).await?;
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
