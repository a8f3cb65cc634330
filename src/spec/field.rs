//! The table of fields: names in the API and in the services file, and the kinds of targets.

use crate::domain::service::target::Kind;

/// The written form that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// JSON of the API: durations are numbers of seconds, texts are literal.
    Api,
    /// JSON in the store: as in the API, but `${NAME}` is a variable.
    Store,
    /// Services file: names of Gatus, durations of Go, and `${NAME}` is a variable.
    File,
}

/// A field of a service. A path with dots leads into a nested object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Path in the API and in the store.
    pub api: &'static str,
    /// Path in the services file.
    pub file: &'static str,
    /// Kinds of targets that have the field; empty means all.
    pub kinds: &'static [Kind],
    /// Its text may be a secret: the variables of a services file are stored as they are written,
    /// and filled for each probe. Variables of other fields are filled when the file is read.
    pub is_template: bool,
}

impl Field {
    pub fn path(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Api | Dialect::Store => self.api,
            Dialect::File => self.file,
        }
    }
}

/// Kinds with request headers.
const REQUEST: &[Kind] = &[Kind::Http, Kind::WebSocket, Kind::Grpc];
/// Kinds that send a text.
const TEXT: &[Kind] = &[Kind::Http, Kind::WebSocket, Kind::Tcp, Kind::Tls, Kind::Udp];
/// Kinds that search the response for a pattern.
const EXCHANGE: &[Kind] = &[Kind::WebSocket, Kind::Tcp, Kind::Tls, Kind::Udp];
/// Kinds that may use TLS; http may redirect to https.
const SECURED: &[Kind] = &[Kind::Http, Kind::WebSocket, Kind::Tls, Kind::StartTls, Kind::Grpc];
/// Kinds that read a body.
const BODY: &[Kind] = &[Kind::Http, Kind::WebSocket, Kind::Tcp, Kind::Tls, Kind::Udp, Kind::Grpc];

macro_rules! fields {
    (@is_template) => { false };
    (@is_template template) => { true };
    ($($name:ident = $api:literal, $file:literal, $kinds:expr $(, $template:ident)?;)*) => {
        $(pub const $name: Field = Field {
            api: $api,
            file: $file,
            kinds: $kinds,
            is_template: fields!(@is_template $($template)?),
        };)*
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
    HEADERS = "headers", "headers", REQUEST, template;
    SENT = "body", "body", TEXT, template;
    GRAPHQL = "graphql", "graphql", &[Kind::Http];
    USERNAME = "basic_auth.username", "basic-auth.username", REQUEST, template;
    PASSWORD = "basic_auth.password", "basic-auth.password", REQUEST, template;
    BEARER = "bearer_token", "bearer-token", REQUEST, template;
    TOKEN_URL = "oauth2.token_url", "client.oauth2.token-url", REQUEST, template;
    CLIENT_ID = "oauth2.client_id", "client.oauth2.client-id", REQUEST, template;
    CLIENT_SECRET = "oauth2.client_secret", "client.oauth2.client-secret", REQUEST, template;
    SCOPES = "oauth2.scopes", "client.oauth2.scopes", REQUEST;
    PROXY_URL = "proxy_url", "client.proxy-url", REQUEST, template;
    FOLLOW = "follow_redirects", "client.ignore-redirect", &[Kind::Http];
    REDIRECTS = "max_redirects", "client.max-redirects", &[Kind::Http];
    HTTP_VERSION = "http_version", "client.http-version", &[Kind::Http];
    BODY_LIMIT = "body_limit_bytes", "client.body-limit", BODY;
    EXPECT = "expect", "expect", EXCHANGE;
    ACCEPT_STATUS = "accept_status", "client.accept-status", &[Kind::Http];
    BODY_MATCHES = "body_matches", "client.body-matches", &[Kind::Http];
    BODY_LACKS = "body_lacks", "client.body-lacks", &[Kind::Http];
    HEADER_MATCHES = "header_matches", "client.header-matches", &[Kind::Http];
    HEADER_LACKS = "header_lacks", "client.header-lacks", &[Kind::Http];
    INSECURE = "insecure", "client.insecure", SECURED;
    CA = "tls.ca", "client.tls.ca-file", SECURED;
    CERTIFICATE = "tls.certificate", "client.tls.certificate-file", SECURED;
    PRIVATE_KEY = "tls.private_key", "client.tls.private-key-file", SECURED;
    SERVER_NAME = "tls.server_name", "client.tls.server-name", SECURED;
    MIN_VERSION = "tls.min_version", "client.tls.min-version", SECURED;
    STARTTLS_PROTOCOL = "starttls_protocol", "starttls-protocol", &[Kind::StartTls];
    IP_FAMILY = "ip_family", "client.network", &[];
    RESOLVER = "resolver", "client.dns-resolver", &[];
    QUERY_NAME = "dns.query_name", "dns.query-name", &[Kind::Dns];
    QUERY_TYPE = "dns.query_type", "dns.query-type", &[Kind::Dns];
    EXPECTED = "dns.expected", "dns.expected", &[Kind::Dns];
    ARGS = "args", "args", &[Kind::Exec], template;
    GRPC_SERVICE = "grpc_service", "grpc-service", &[Kind::Grpc];
    TOKEN = "heartbeat.token", "heartbeat.token", &[Kind::Push], template;
    GRACE = "heartbeat.grace_seconds", "heartbeat.grace", &[Kind::Push];
    OPTIONAL = "heartbeat.optional", "heartbeat.optional", &[Kind::Push];
    FAILURE_THRESHOLD = "failure_threshold", "failure-threshold", &[];
    SUCCESS_THRESHOLD = "success_threshold", "success-threshold", &[];
    CONFIRM_INTERVAL = "confirm_interval_seconds", "confirm-interval", &[];
    SLO_TARGET = "slo.target", "slo.target", &[];
    SLO_WINDOW = "slo.window", "slo.window", &[];
    LABELS = "labels", "extra-labels", &[];
    ALERTS = "alerts", "alerts", &[];
    DEPENDS_ON = "depends_on", "depends-on", &[];
    SLOW = "degraded.response_time_seconds", "degraded.response-time", &[];
    SLOW_RESULTS = "degraded.results", "degraded.results", &[];
    CERTIFICATE_DAYS = "certificate_days", "certificate-days", &[];
}
