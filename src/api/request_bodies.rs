//! JSON request bodies, for the OpenAPI document. [`spec`] reads and validates them.
//!
//! [`spec`]: crate::spec

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

/// The body of `POST /v1/services`. Unknown fields are rejected, as are fields that do not apply to
/// the scheme of the URL.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewService {
    /// Unique within its group among the services that are not deleted.
    #[schema(min_length = 1, max_length = 255, example = "payment-gateway")]
    name: String,
    /// The target. Its scheme selects the protocol: http, https, ws, wss, tcp, tls, udp, starttls,
    /// dns, icmp, grpc, grpcs, ssh, exec (where `PLUGINS_DIR` is set) or push. Secrets in it are
    /// masked in responses.
    #[schema(max_length = 2083, example = "https://pay.example.org/health")]
    url: String,
    /// Group for display and filtering; null or an empty text means no group.
    #[schema(required = false, max_length = 255)]
    group: Option<String>,
    /// Whether the service is probed.
    #[schema(required = false, default = true)]
    enabled: bool,
    /// Seconds between probes; null or absent means the configured default.
    #[schema(required = false, minimum = 0.1, maximum = 2592000)]
    interval_seconds: Option<f64>,
    /// Timeout of a probe in seconds; null or absent means the configured default.
    #[schema(required = false, minimum = 0.001, maximum = 3600)]
    timeout_seconds: Option<f64>,
    /// Conditions on the response, in Gatus's syntax; null or an empty list means the default rule
    /// of the protocol (HTTP: a status below 400).
    #[schema(required = false, max_items = 50,
        example = json!(["[STATUS] == 200", "[RESPONSE_TIME] < 500"]))]
    conditions: Option<Vec<String>>,
    /// HTTP request method, in upper or lower case, and not CONNECT; default GET.
    #[schema(required = false, pattern = "^[A-Za-z]{1,20}$", example = "POST")]
    method: Option<String>,
    /// HTTP request headers; `Host`, `User-Agent` and `Accept` replace the defaults of the probe.
    /// Values of headers with the name of a secret are masked in responses.
    /// At most 50.
    #[schema(required = false, example = json!({"Accept": "application/json"}))]
    headers: Option<HashMap<String, Option<String>>>,
    /// Data to send: the body of an HTTP request, text over TCP or TLS, a WebSocket message.
    /// Masked in responses unless `SHOW_REQUESTS` is true.
    /// At most 262,144 bytes; an empty text is sent as such.
    #[schema(required = false, max_length = 262144)]
    body: Option<String>,
    /// Whether `body` is a GraphQL query: sent as `{"query": …}`, by default with POST and
    /// `Content-Type: application/json`.
    #[schema(required = false, default = false)]
    graphql: Option<bool>,
    /// Credentials for HTTP basic authentication.
    #[schema(required = false)]
    basic_auth: Option<BasicAuth>,
    /// Token for HTTP bearer authentication; masked in responses.
    /// At most 8,192 bytes without control characters.
    #[schema(required = false, max_length = 8192)]
    bearer_token: Option<String>,
    /// Client credentials of OAuth 2.0, whose token replaces other credentials.
    #[schema(required = false)]
    oauth2: Option<OAuth2>,
    /// HTTP proxy (http or https) through which the target is probed. Secrets in it are masked in
    /// responses.
    #[schema(required = false, max_length = 2083, example = "http://proxy.example.org:3128")]
    proxy_url: Option<String>,
    /// Whether redirects are followed.
    #[schema(required = false, default = true)]
    follow_redirects: Option<bool>,
    /// Most redirects to follow.
    #[schema(required = false, default = 10, maximum = 100)]
    max_redirects: Option<u32>,
    /// Required HTTP version: `1.0`, `1.1` or `2`.
    #[schema(required = false, pattern = "^(1\\.0|1\\.1|2)$", example = "1.1")]
    http_version: Option<String>,
    /// Most bytes of a response body to read. A larger body fails with `too_large` if a condition
    /// needs the body.
    #[schema(required = false, default = 1048576, minimum = 1, maximum = 67108864)]
    body_limit_bytes: Option<u32>,
    /// Pattern that must occur in the response over TCP, TLS or a WebSocket; `*` matches any text.
    /// Masked in responses unless `SHOW_REQUESTS` is true.
    #[schema(required = false, example = "220 *ESMTP")]
    expect: Option<String>,
    /// Statuses of HTTP that are up, instead of those below 400: statuses, and ranges such as
    /// `200-299`. They hold beside conditions.
    #[schema(required = false, max_items = 50, example = json!(["200-299", "404"]))]
    accept_status: Option<Vec<String>>,
    /// Regular expressions in the syntax of RE2, of 1 to 2,048 bytes, which must each match the
    /// body of the HTTP response. They hold beside conditions.
    #[schema(required = false, max_items = 50, example = json!(["(?i)welcome"]))]
    body_matches: Option<Vec<String>>,
    /// Regular expressions of which none may match the body of the HTTP response.
    #[schema(required = false, max_items = 50, example = json!(["(?i)fatal error"]))]
    body_lacks: Option<Vec<String>>,
    /// Regular expressions which must each match a value of a header of the HTTP response.
    #[schema(required = false, inline, max_items = 50)]
    header_matches: Option<Vec<HeaderRegex>>,
    /// Regular expressions of which none may match a value of a header of the HTTP response.
    #[schema(required = false, inline, max_items = 50)]
    header_lacks: Option<Vec<HeaderRegex>>,
    /// Whether to skip the verification of the target's certificate.
    #[schema(required = false, default = false)]
    insecure: Option<bool>,
    /// TLS settings.
    #[schema(required = false)]
    tls: Option<Tls>,
    /// Protocol that is upgraded to TLS (starttls): `smtp`, `imap`, `pop3`, `ftp`, `ldap`,
    /// `postgresql`, `xmpp` or `xmpp-server`; absent means that of the port, or `smtp`.
    #[schema(
        required = false,
        pattern = "^(smtp|imap|pop3|ftp|ldap|postgresql|xmpp|xmpp-server)$"
    )]
    starttls_protocol: Option<String>,
    /// Address family: `ip` (both), `ip4` or `ip6`.
    #[schema(required = false, default = "ip", pattern = "^ip[46]?$")]
    ip_family: Option<String>,
    /// Name server to query instead of the system's name servers.
    #[schema(required = false, example = "udp://1.1.1.1:53")]
    resolver: Option<String>,
    /// The DNS query (dns).
    #[schema(required = false)]
    dns: Option<Dns>,
    /// Arguments of the plugin (exec), each at most 8,192 bytes without NUL. Masked in responses,
    /// as a whole, unless `SHOW_REQUESTS` is true.
    #[schema(required = false, max_items = 100, example = json!(["-H", "db.example.org"]))]
    args: Option<Vec<String>>,
    /// Service name in the gRPC health check request (grpc, grpcs); absent means the whole server.
    #[schema(required = false)]
    grpc_service: Option<String>,
    /// Heartbeat settings of a push service (push).
    #[schema(required = false)]
    heartbeat: Option<Heartbeat>,
    /// Consecutive failures that begin a downtime.
    #[schema(required = false, default = 1, minimum = 1, maximum = 100)]
    failure_threshold: Option<u32>,
    /// Consecutive successes that end a downtime.
    #[schema(required = false, default = 1, minimum = 1, maximum = 100)]
    success_threshold: Option<u32>,
    /// Seconds until the next confirmation probe after an unconfirmed failure; default 1.
    #[schema(required = false, minimum = 0.1, maximum = 2592000)]
    confirm_interval_seconds: Option<f64>,
    /// The service level objective.
    #[schema(required = false)]
    slo: Option<Slo>,
    /// Labels of the metrics of the service. At most 20; names of at most 100 letters, digits and
    /// `_`, which begin with neither a digit nor `__`; values of at most 255 characters. On
    /// `/metrics`, `exported_` stands before a name that the metrics use themselves.
    #[schema(required = false, example = json!({"team": "payments"}))]
    labels: Option<HashMap<String, Option<String>>>,
    /// What is reported, to which channels. Absent or null: the policies that match apply. Empty:
    /// nothing is reported.
    #[schema(required = false, inline, max_items = 100)]
    alerts: Option<Vec<AlertRule>>,
    /// Services without which this one cannot be up, by `group/name`, or `name` without a group:
    /// while one of them is down, alerts of this service are suppressed. A name without a service
    /// has no effect.
    #[schema(required = false, max_items = 50, example = json!(["core/router"]))]
    depends_on: Option<Vec<String>>,
    /// When the service is reported as degraded (alert kind `degraded`).
    #[schema(required = false)]
    degraded: Option<Degraded>,
    /// Days before the expiry of the certificate at which it is reported (alert kind
    /// `certificate`), from 1 to 365; `[14, 7, 1]` by default.
    #[schema(required = false, max_items = 10, example = json!([30, 7]))]
    certificate_days: Option<Vec<i64>>,
}

/// An entry of `header_matches` and `header_lacks`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderRegex {
    /// Name of the header, in any case.
    #[schema(min_length = 1, max_length = 256, example = "Content-Type")]
    name: String,
    /// Regular expression in the syntax of RE2.
    #[schema(min_length = 1, max_length = 2048, example = "^application/json")]
    regex: String,
    /// Whether a response without the header fulfils the expectation.
    #[schema(required = false, default = false)]
    allow_missing: Option<bool>,
}

/// An entry of `alerts`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// Name of the channel.
    #[schema(min_length = 1, max_length = 100, example = "slack")]
    channel: String,
    /// Whether the entry is used.
    #[schema(required = false, default = true)]
    enabled: Option<bool>,
    /// Kinds of alerts: `down`, `certificate`, `degraded`, `flapping`, `slo-fast`, `slo-slow`,
    /// `slo-ticket`; `down` by default.
    #[schema(required = false, max_items = 12, example = json!(["down", "certificate"]))]
    on: Option<Vec<String>>,
    /// `info`, `warning` or `critical`; by default that of the kind.
    #[schema(required = false, pattern = "^(info|warning|critical)$", example = "critical")]
    severity: Option<String>,
    /// Consecutive failures that begin an alert.
    #[schema(required = false, default = 3, minimum = 1, maximum = 100000)]
    failure_threshold: Option<u32>,
    /// Consecutive successes that end it.
    #[schema(required = false, default = 2, minimum = 1, maximum = 100000)]
    success_threshold: Option<u32>,
    /// Whether the end is delivered.
    #[schema(required = false, default = false)]
    send_on_resolved: Option<bool>,
    /// Part of each message; at most 4,096 bytes.
    #[schema(required = false, max_length = 4096)]
    description: Option<String>,
    /// Seconds between reminders; null or absent for none.
    #[schema(required = false, minimum = 300, maximum = 2592000, example = 3600)]
    minimum_reminder_interval_seconds: Option<f64>,
    /// Keys of the kind of the channel that have another value for this entry; texts are masked in
    /// responses. At most 16,384 bytes.
    #[schema(required = false, example = json!({"webhook-url": "https://hooks.example.org/b"}))]
    provider_override: Option<HashMap<String, serde_json::Value>>,
}

/// When a service is degraded.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Degraded {
    /// Response time in seconds above which a result is slow. Required.
    #[schema(minimum = 0.001, maximum = 3600, example = 0.8)]
    response_time_seconds: Option<f64>,
    /// Slow results in a row that begin an alert, and others in a row that end it.
    #[schema(format = Int64, default = 5, minimum = 1, maximum = 100)]
    results: Option<u32>,
}

/// Credentials for HTTP basic authentication.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// User name without a colon, at most 8,192 bytes; may be empty. Required with a password.
    #[schema(max_length = 8192, pattern = "^[^:]*$")]
    username: Option<String>,
    /// Password, at most 8,192 bytes; may be empty; masked in responses. Required with a username.
    #[schema(max_length = 8192)]
    password: Option<String>,
}

/// The client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// Token endpoint, http or https. Secrets in it are masked in responses. Required.
    #[schema(max_length = 2083, example = "https://login.example.org/token")]
    token_url: Option<String>,
    /// Client id, at most 8,192 bytes. Required.
    #[schema(max_length = 8192)]
    client_id: Option<String>,
    /// Client secret, at most 8,192 bytes; masked in responses. Required.
    #[schema(max_length = 8192)]
    client_secret: Option<String>,
    /// Requested scopes.
    #[schema(max_items = 50)]
    scopes: Option<Vec<String>>,
}

/// TLS settings. Certificates and keys are PEM text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Trusted certificates, of authorities or of the target itself, instead of the system's.
    #[schema(max_length = 262144, pattern = "-----BEGIN ")]
    ca: Option<String>,
    /// Client certificate with its chain.
    #[schema(max_length = 262144, pattern = "-----BEGIN ")]
    certificate: Option<String>,
    /// Private key of the client certificate, not encrypted; masked in responses.
    #[schema(max_length = 262144, pattern = "-----BEGIN ")]
    private_key: Option<String>,
    /// Server name for SNI and certificate verification, instead of the host of the URL.
    #[schema(min_length = 1)]
    server_name: Option<String>,
    /// Minimum TLS version: `1.2` or `1.3`.
    #[schema(pattern = "^1\\.[23]$")]
    min_version: Option<String>,
}

/// A DNS query.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// Name to query; it may be in Unicode, and `.` is the root. Required.
    #[schema(min_length = 1, max_length = 254, example = "example.org")]
    query_name: Option<String>,
    /// Record type, in upper or lower case, by name (A, MX, HTTPS …, ANY) or number (TYPE65).
    /// Required.
    #[schema(pattern = "^[A-Za-z0-9]{1,10}$", example = "A")]
    query_type: Option<String>,
    /// Expected answers in presentation form, in any order.
    #[schema(max_items = 50)]
    expected: Option<Vec<String>>,
}

/// Heartbeat settings of a push service.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Token that a heartbeat must present; masked in responses. Required.
    #[schema(min_length = 16, max_length = 8192)]
    token: Option<String>,
    /// Seconds after the end of the interval until a missing heartbeat is a failure.
    #[schema(default = 0, minimum = 0, maximum = 2592000)]
    grace_seconds: Option<f64>,
    /// Whether no heartbeat is ever late: the state is the one that was reported last.
    #[schema(default = false)]
    optional: Option<bool>,
}

/// A service level objective.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// Target uptime in percent. Required.
    #[schema(exclusive_minimum = 0, exclusive_maximum = 100, example = 99.9)]
    target: Option<f64>,
    /// Length of the window, `1h` to `366d`: a Go duration, optionally after a number of days
    /// (`d`), weeks (`w`) or years (`y`), such as `30d` or `1d12h`.
    #[schema(default = "30d", example = "30d")]
    window: Option<String>,
}

/// Placeholder for the schema of the body of `PATCH`, which the OpenAPI document derives from
/// [`NewService`].
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceChange {}
