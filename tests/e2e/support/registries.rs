//! Domain registries on loopback: RDAP servers and WHOIS servers, scripted by domain.

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use serde_json::json;

use super::wire::{Wire, read_until};
use super::{Launch, Peer};

/// How an RDAP server answers.
#[derive(Debug, Clone)]
pub enum RdapAnswer {
    /// A domain object whose registration expires at this time (RFC 3339).
    Expires(&'static str),
    /// A domain object without an event.
    Unpublished,
    /// This status, and these header lines.
    Status(u16, &'static str),
    /// The first, after a delay.
    After(Duration, &'static str),
    /// No answer.
    Silence,
}

/// A server of one registry, and the requests that it received.
pub struct RegistryServer {
    host: String,
    peer: Peer,
    requests: Arc<Mutex<Vec<String>>>,
}

impl RegistryServer {
    /// An RDAP server that answers every request so.
    pub fn rdap(answer: RdapAnswer) -> Self {
        Self::serving(None, move |wire, received| serve_rdap(wire, &answer, received))
    }

    /// The same on this address.
    pub fn rdap_at(address: &str, answer: RdapAnswer) -> Self {
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let received = Arc::clone(&requests);
        let listener = TcpListener::bind((address, 0)).unwrap();
        let peer = Peer::at(listener, move |mut connection| {
            serve_rdap(&mut connection, &answer, &received)
        });
        Self { host: address.to_owned(), peer, requests }
    }

    /// The same over TLS.
    pub fn rdap_over_tls(config: Arc<ServerConfig>, answer: RdapAnswer) -> Self {
        Self::serving(Some(config), move |wire, received| serve_rdap(wire, &answer, received))
    }

    /// A server, over TLS with a configuration, that sends every request to the same path of `to`.
    pub fn redirecting(config: Option<Arc<ServerConfig>>, to: String) -> Self {
        Self::serving(config, move |wire, received| {
            let head = read_until(wire, b"\r\n\r\n")?;
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            received.lock().unwrap().push(head);
            respond(wire, "302 Found", &format!("location: {to}{path}\r\n"), "")
        })
    }

    /// A server of one file over HTTP.
    pub fn file(content: String) -> Self {
        Self::serving(None, move |wire, received| {
            received.lock().unwrap().push(read_until(wire, b"\r\n\r\n")?);
            respond(wire, "200 OK", "", &content)
        })
    }

    /// A WHOIS server that answers every question so.
    pub fn whois(answer: String) -> Self {
        Self::serving(None, move |wire, received| {
            received.lock().unwrap().push(read_until(wire, b"\r\n")?);
            wire.write_all(answer.as_bytes())?;
            wire.flush()
        })
    }

    fn serving(
        config: Option<Arc<ServerConfig>>,
        talk: impl Fn(&mut dyn Wire, &Mutex<Vec<String>>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let received = Arc::clone(&requests);
        let talk = move |wire: &mut dyn Wire| talk(wire, &received);
        let peer = match config {
            None => Peer::tcp(talk),
            Some(config) => Peer::tls(config, talk),
        };
        Self { host: "127.0.0.1".to_owned(), peer, requests }
    }

    /// The heads of HTTP, or the questions of WHOIS, so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.peer.port())
    }

    /// The base URL of RDAP.
    pub fn base(&self, scheme: &str) -> String {
        format!("{scheme}://{}/rdap/", self.address())
    }
}

fn serve_rdap(
    wire: &mut dyn Wire,
    answer: &RdapAnswer,
    received: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let head = read_until(wire, b"\r\n\r\n")?;
    let path = head.split(' ').nth(1).unwrap_or_default();
    let domain = path.rsplit('/').next().unwrap_or_default().to_owned();
    received.lock().unwrap().push(head);
    let mut object = json!({"objectClassName": "domain", "ldhName": domain, "events": []});
    let mut expires = |at: &str| {
        object["events"] = json!([{"eventAction": "expiration", "eventDate": at}]);
    };
    match answer {
        RdapAnswer::Expires(at) => expires(at),
        RdapAnswer::After(delay, at) => {
            std::thread::sleep(*delay);
            expires(at);
        }
        RdapAnswer::Unpublished => {}
        RdapAnswer::Status(status, headers) => {
            return respond(wire, &format!("{status} Told"), headers, "{}");
        }
        RdapAnswer::Silence => return read_until(wire, b"never").map(drop),
    }
    respond(wire, "200 OK", "content-type: application/rdap+json\r\n", &object.to_string())
}

fn respond(wire: &mut dyn Wire, status: &str, headers: &str, body: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    wire.write_all(head.as_bytes())?;
    wire.write_all(body.as_bytes())?;
    wire.flush()
}

/// The text of a bootstrap file in which these suffixes have these base URLs.
pub fn bootstrap(services: &[(&str, String)]) -> String {
    let services: Vec<_> = services.iter().map(|(suffix, url)| json!([[suffix], [url]])).collect();
    json!({"version": "1.0", "publication": "2026-11-28T00:00:00Z", "services": services})
        .to_string()
}

impl Launch {
    /// Looks domains up at these RDAP servers only, by suffix.
    pub fn with_registries(self, services: &[(&str, String)]) -> Self {
        let file = self.write_file("dns.json", &bootstrap(services));
        self.with("RDAP_BOOTSTRAP", file.display()).with("WHOIS_SERVER", "off")
    }
}
