//! What every kind of probe works with: the way to its target, and the notes on it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncBufReadExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use url::Url;

use super::{Engine, failure};
use crate::domain::service::options::TlsOptions;
use crate::domain::{
    Body, Condition, Facts, Failure, Options, ProbeDetails, Reason, Service, Template,
};
use crate::probe::net::connection::Connection;
use crate::probe::net::tls::Alpn;
use crate::probe::net::{dial, tls};
use crate::probe::timings::{Phase, Timings};

/// One probe under way.
pub struct ProbeContext<'a> {
    /// What the probes of this arbiter share.
    pub engine: &'a Engine,
    /// What is probed.
    pub service: &'a Service,
    /// Where it is, its variables filled in.
    pub home: &'a Url,
    /// What is noted on the way.
    pub trace: &'a Timings,
}

/// What a target said, for conditions, and what the plain rule makes of it, which counts where there are none.
#[derive(Debug)]
pub struct ProbeResponse {
    /// The status, where the protocol has one.
    pub status: Option<u16>,
    /// What was received, if anybody needs it.
    pub body: Vec<u8>,
    /// What a name server answered, as `NOERROR`.
    pub rcode: Option<String>,
    /// The plain rule's verdict.
    pub plain: Result<(), Failure>,
}

impl Default for ProbeResponse {
    fn default() -> Self {
        Self { status: None, body: Vec::new(), rcode: None, plain: Ok(()) }
    }
}

impl ProbeContext<'_> {
    /// What the service says of how it is asked.
    pub fn options(&self) -> &Options {
        &self.service.options
    }

    /// Whether a condition of the service looks at the body.
    pub fn needs_body(&self) -> bool {
        self.service.conditions.iter().any(Condition::needs_body)
    }

    /// The next phase begins now.
    pub fn enter(&self, phase: Phase) {
        self.trace.enter(phase, Instant::now());
    }

    /// Notes something that was seen.
    pub fn note(&self, note: impl FnOnce(&mut ProbeDetails)) {
        self.trace.note(note);
    }

    /// The text of `template` with its variables filled in.
    pub fn fill(&self, template: &Template) -> Result<String, Failure> {
        let filled = template.fill(&self.engine.rules.variables);
        filled.map_err(|error| Failure::new(Reason::LocalConfig, error.to_string()))
    }

    /// The addresses behind the host of `url` that may be dialled, in the order in which they are to be tried; never empty.
    pub async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, Failure> {
        self.enter(Phase::Resolving);
        let server = self.options().resolver;
        // A name server that a client of the API names is dialled too.
        dial::permitted(&self.engine.rules.policy, server.iter().map(|it| it.address).collect())?;
        let resolver = self.engine.resolver(server);
        let found = dial::resolve(&resolver, url, self.options().ip_family).await?;
        let addresses = dial::permitted(&self.engine.rules.policy, found)?;
        self.note(|seen| seen.address = addresses.first().copied());
        Ok(addresses)
    }

    /// A connection to the host and port of `url`.
    pub async fn connect(&self, url: &Url) -> Result<TcpStream, Failure> {
        let addresses = self.addresses(url).await?;
        self.enter(Phase::Connecting);
        let (stream, address) = dial::connect(&addresses).await?;
        self.note(|seen| seen.address = Some(address));
        Ok(stream)
    }

    /// Secures `stream` for the host of `url`, as the service says. A target that asks for a certificate is heard out, where
    /// nothing is spoken over TLS that would show its refusal (`Alpn::None`).
    pub async fn secure(
        &self,
        url: &Url,
        stream: TcpStream,
        alpn: Alpn,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        self.enter(Phase::Securing);
        let began = Instant::now();
        let options = self.tls_towards(url);
        let secured = self.engine.tls.secure(&options, alpn, url, stream).await?;
        let (mut stream, was_asked) = secured;
        if alpn == Alpn::Http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            let told = "in the TLS handshake: the server did not agree to HTTP/2 (ALPN)";
            return Err(Failure::new(Reason::Protocol, told));
        }
        self.note(|seen| tls::note(stream.get_ref().1, seen));
        self.trace.report(|report| report.certificates = tls::certificates(stream.get_ref().1));
        if was_asked {
            let took = began.elapsed();
            self.enter(Phase::Waiting);
            heard_out(&mut stream, took).await.map_err(|error| failure::of_tls(&error))?;
        }
        Ok(stream)
    }

    /// How TLS is spoken with `url`: what the service says of its own target is not said to another, where a redirect leads.
    fn tls_towards(&self, url: &Url) -> Cow<'_, TlsOptions> {
        let options = &self.options().tls;
        if url.origin() == self.home.origin() {
            return Cow::Borrowed(options);
        }
        let anonymous = TlsOptions {
            certificate: None,
            private_key: None,
            server_name: None,
            ..options.clone()
        };
        Cow::Owned(anonymous)
    }

    /// Whether `body` fulfils the conditions that speak of it.
    pub fn body_fulfils(&self, body: &[u8]) -> bool {
        let conditions = self.service.conditions.iter().filter(|it| it.needs_body());
        let facts = Facts { body: Body::new(body.to_vec(), true), ..Facts::default() };
        conditions.clone().next().is_some()
            && conditions.into_iter().all(|it| it.judge(&facts).is_ok())
    }

    /// A connection to `url`, secured when its scheme asks for it.
    pub async fn open(&self, url: &Url, alpn: Alpn) -> Result<Connection, Failure> {
        let stream = self.connect(url).await?;
        if url.scheme() == "http" {
            return Ok(Connection::plain(stream));
        }
        Ok(Connection::secured(self.secure(url, stream, alpn).await?))
    }
}

/// How long, at least and at most, a target that wants a certificate has to refuse ours or our having none.
const REFUSES_WITHIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Waits for the refusal of a target that may only wish for a certificate: twice as long as the handshake `took`.
async fn heard_out(stream: &mut TlsStream<TcpStream>, took: Duration) -> std::io::Result<()> {
    // What comes is only looked at: whoever reads next shall find it.
    let wait = (took * 2).clamp(REFUSES_WITHIN.0, REFUSES_WITHIN.1);
    let heard = tokio::time::timeout(wait, stream.fill_buf()).await;
    heard.unwrap_or(Ok(&[])).map(drop)
}
