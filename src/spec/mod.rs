//! Everything that can be said of a service, under the names of the API and of the services file.
//!
//! One table ([`Field`]) and one reader ([`read`]) serve both, and the store keeps what [`write_options`] makes of it, so they
//! cannot disagree. A path with dots leads into a nested object.

mod patch;
mod problem;
mod reader;
mod values;
mod writer;

use crate::domain::service::target::Kind;

pub use patch::Patch;
pub use problem::{Problem, Rejection};
pub use reader::{check_part, read, read_options};
pub use writer::{Form, merge, write, write_options};

/// Who wrote what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A client of the API, in JSON: numbers of seconds, and texts that stand for themselves.
    Api,
    /// This program, into the store: as the API, with `${NAME}` for variables.
    Store,
    /// An operator, in the services file: Gatus's names, durations as in Go, and `${NAME}` for variables.
    File,
}

/// Something that can be said of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its path in the API.
    pub api: &'static str,
    /// Its path in the services file.
    pub file: &'static str,
    /// The kinds it is for; empty means every kind.
    pub kinds: &'static [Kind],
}

impl Field {
    /// Its path for that writer.
    pub fn path(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Api | Dialect::Store => self.api,
            Dialect::File => self.file,
        }
    }
}

/// Kinds that send a request with headers.
const REQUEST: &[Kind] = &[Kind::Http, Kind::WebSocket, Kind::Grpc];
/// Kinds that send a text.
const TEXT: &[Kind] = &[Kind::Http, Kind::WebSocket, Kind::Tcp, Kind::Tls];
/// Kinds that look for something in what comes.
const EXCHANGE: &[Kind] = &[Kind::WebSocket, Kind::Tcp, Kind::Tls];
/// Kinds that may speak TLS; http may be redirected to https.
const SECURED: &[Kind] = &[Kind::Http, Kind::WebSocket, Kind::Tls, Kind::StartTls, Kind::Grpc];
/// Kinds with a body of their own.
const BODY: &[Kind] = &[Kind::Http, Kind::WebSocket, Kind::Tcp, Kind::Tls, Kind::Grpc];

macro_rules! fields {
    ($($name:ident = $api:literal, $file:literal, $kinds:expr;)*) => {
        $(const $name: Field = Field { api: $api, file: $file, kinds: $kinds };)*
        /// Every field.
        pub const FIELDS: &[Field] = &[$($name),*];
    };
}

fields! {
    NAME = "name", "name", &[];
    URL = "url", "url", &[];
    GROUP = "group", "group", &[];
    ENABLED = "enabled", "enabled", &[];
    INTERVAL = "interval_seconds", "interval", &[];
    TIMEOUT = "timeout_seconds", "client.timeout", &[];
    CONDITIONS = "conditions", "conditions", &[];
    METHOD = "method", "method", &[Kind::Http];
    HEADERS = "headers", "headers", REQUEST;
    SENT = "body", "body", TEXT;
    USERNAME = "basic_auth.username", "basic-auth.username", REQUEST;
    PASSWORD = "basic_auth.password", "basic-auth.password", REQUEST;
    BEARER = "bearer_token", "bearer-token", REQUEST;
    FOLLOW = "follow_redirects", "client.ignore-redirect", &[Kind::Http];
    REDIRECTS = "max_redirects", "client.max-redirects", &[Kind::Http];
    HTTP_VERSION = "http_version", "client.http-version", &[Kind::Http];
    BODY_LIMIT = "body_limit_bytes", "client.body-limit", BODY;
    EXPECT = "expect", "expect", EXCHANGE;
    INSECURE = "insecure", "client.insecure", SECURED;
    CA = "tls.ca", "client.tls.ca-file", SECURED;
    CERTIFICATE = "tls.certificate", "client.tls.certificate-file", SECURED;
    PRIVATE_KEY = "tls.private_key", "client.tls.private-key-file", SECURED;
    SERVER_NAME = "tls.server_name", "client.tls.server-name", SECURED;
    MIN_VERSION = "tls.min_version", "client.tls.min-version", SECURED;
    IP_FAMILY = "ip_family", "client.network", &[];
    RESOLVER = "resolver", "client.dns-resolver", &[];
    QUERY_NAME = "dns.query_name", "dns.query-name", &[Kind::Dns];
    QUERY_TYPE = "dns.query_type", "dns.query-type", &[Kind::Dns];
    EXPECTED = "dns.expected", "dns.expected", &[Kind::Dns];
    GRPC_SERVICE = "grpc_service", "grpc-service", &[Kind::Grpc];
    TOKEN = "heartbeat.token", "heartbeat.token", &[Kind::Push];
    GRACE = "heartbeat.grace_seconds", "heartbeat.grace", &[Kind::Push];
    FAILURE_THRESHOLD = "failure_threshold", "failure-threshold", &[];
    SUCCESS_THRESHOLD = "success_threshold", "success-threshold", &[];
    CONFIRM_INTERVAL = "confirm_interval_seconds", "confirm-interval", &[];
    SLO_TARGET = "slo.target", "slo.target", &[];
    SLO_WINDOW = "slo.window", "slo.window", &[];
}

/// Names of headers whose values are nobody's business.
pub fn is_sensitive(header: &str) -> bool {
    const SIGNS: [&str; 10] =
        ["auth", "cookie", "cred", "jwt", "key", "pass", "secret", "session", "sign", "token"];
    let header = header.to_ascii_lowercase();
    SIGNS.iter().any(|sign| header.contains(sign))
}
