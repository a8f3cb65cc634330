//! From a mapping to a definition. All problems are reported, not only the first.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::domain::alert::rule::Degraded;
use crate::domain::condition::expression::Condition;
use crate::domain::condition::wildcard::Wildcard;
use crate::domain::history::slo::Slo;
use crate::domain::invalid::Invalid;
use crate::domain::service::definition::{CONDITIONS_MAX, Definition};
use crate::domain::service::dns_question::DnsQuestion;
use crate::domain::service::interval::{Interval, Timeout};
use crate::domain::service::label::{Group, Name};
use crate::domain::service::labels::{Label, Labels};
use crate::domain::service::options::{
    BODY_LIMIT as BODY_LIMIT_BYTES, BasicAuth, ClientCredentials, Heartbeat, IpFamily,
    MAX_REDIRECTS, Options, TlsOptions,
};
use crate::domain::service::registrable::{host_of, registrable_domain};
use crate::domain::service::target::{Kind, Target};
use crate::domain::service::template::{Template, Variables};
use crate::domain::service::thresholds::Thresholds;
use crate::spec::field::*;
use crate::spec::field_reader::FieldReader;
use crate::spec::problem::{Problem, Rejection};
use crate::spec::values;

/// Most records that a dns query can expect.
const EXPECTED_MAX: usize = 50;

/// Most parents of a service.
const PARENTS_MAX: usize = 50;

/// Most scopes of a token.
const SCOPES_MAX: usize = 50;

/// Reads a whole definition.
pub fn read(map: &Map<String, Value>, dialect: Dialect) -> Result<Definition, Vec<Problem>> {
    read_whole(FieldReader::new(map, dialect))
}

/// Reads the definition after a change, whose own fields [`check_part`] has checked. Conditions of
/// a former version stay, although a new one like them would be refused.
pub fn read_changed(map: &Map<String, Value>) -> Result<Definition, Vec<Problem>> {
    let mut reader = FieldReader::new(map, Dialect::Api);
    reader.keeps_conditions = true;
    read_whole(reader)
}

fn read_whole(mut reader: FieldReader<'_>) -> Result<Definition, Vec<Problem>> {
    let dialect = reader.dialect;
    for required in [NAME, URL] {
        let is_rejected =
            reader.problems.iter().any(|problem| problem.path == required.path(dialect));
        if reader.value(required).is_none() && !is_rejected {
            reader.reject(required, Rejection::Required);
        }
    }
    let definition = reader.definition();
    match definition {
        Some(definition) if reader.problems.is_empty() => Ok(definition),
        _ => Err(reader.problems),
    }
}

/// The kind of the target; `None` without a valid URL.
pub fn kind(map: &Map<String, Value>, dialect: Dialect) -> Option<Kind> {
    let reader = FieldReader::unchecked(map, dialect);
    let has_query = reader.value(QUERY_NAME).is_some();
    Some(target(reader.value(URL)?, dialect, has_query).ok()?.kind())
}

/// Validates each field of a change in the dialect of the API.
pub fn check_part(map: &Map<String, Value>) -> Result<(), Vec<Problem>> {
    let mut reader = FieldReader::new(map, Dialect::Api);
    reader.is_part = true;
    reader.basics();
    reader.options();
    if reader.problems.is_empty() { Ok(()) } else { Err(reader.problems) }
}

/// Reads options that [`write_options`](crate::spec::write_options) has stored.
pub fn read_options(map: &Map<String, Value>) -> Result<Arc<Options>, Vec<Problem>> {
    let mut reader = FieldReader::new(map, Dialect::Store);
    let options = reader.options();
    if reader.problems.is_empty() { Ok(options) } else { Err(reader.problems) }
}

/// The fields beside the options; `None` for a missing or an invalid field.
struct Basics {
    name: Option<Name>,
    target: Option<Target>,
    group: Option<Group>,
    enabled: Option<bool>,
    interval: Option<Interval>,
    timeout: Option<Timeout>,
    conditions: Vec<Condition>,
}

impl<'v> FieldReader<'v> {
    fn definition(&mut self) -> Option<Definition> {
        let basics = self.basics();
        let options = self.options();
        let (name, target) = (basics.name?, basics.target?);
        self.check_kind(target.kind());
        self.check_domain(&target, &options, &basics.conditions);
        Some(Definition {
            name,
            target,
            group: basics.group,
            enabled: basics.enabled.unwrap_or(true),
            interval: basics.interval,
            timeout: basics.timeout,
            conditions: basics.conditions.into(),
            options,
        })
    }

    fn basics(&mut self) -> Basics {
        let condition = if self.keeps_conditions { Condition::parse } else { Condition::define };
        let has_query = self.value(QUERY_NAME).is_some();
        Basics {
            name: self.take(NAME, |value, dialect| Name::parse(values::line(value, dialect)?)),
            target: self.target(has_query),
            group: self
                .take(GROUP, |value, dialect| Group::parse(values::line(value, dialect)?))
                .flatten(),
            enabled: self.take(ENABLED, values::boolean),
            interval: self.take(INTERVAL, |value, dialect| {
                Interval::from_seconds(values::seconds(value, dialect)?)
            }),
            timeout: self.take(TIMEOUT, |value, dialect| {
                Timeout::from_seconds(values::seconds(value, dialect)?)
            }),
            conditions: self
                .take(CONDITIONS, |value, dialect| {
                    let expected = "a list of at most 50 conditions";
                    let read = |text: &str| condition(values::trimmed(text, dialect));
                    values::list(value, dialect, CONDITIONS_MAX, expected, read)
                })
                .unwrap_or_default(),
        }
    }

    fn target(&mut self, has_query: bool) -> Option<Target> {
        let is_address =
            self.value(URL).and_then(Value::as_str).is_some_and(|url| !url.contains("://"));
        if self.is_part && is_address {
            // Valid for a dns target; only the whole definition decides.
            return None;
        }
        self.take(URL, |value, dialect| target(value, dialect, has_query))
    }

    fn headers(&mut self) -> Vec<(String, Template)> {
        let Some(map) = self.take(HEADERS, values::headers) else { return Vec::new() };
        // A former version may have stored duplicates.
        if self.dialect != Dialect::Store {
            self.reject_duplicate_headers(map);
        }
        let mut headers = Vec::new();
        for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            match values::header(name, value, self.dialect) {
                Ok(header) => headers.push(header),
                Err(invalid) => self.reject_header(name, invalid),
            }
        }
        headers
    }

    fn reject_header(&mut self, name: &str, rejection: impl Into<Rejection>) {
        let name = values::shown_header_name(name);
        self.reject_path(format!("{}.{name}", HEADERS.path(self.dialect)), rejection);
    }

    /// Header names that differ in case only are one name (RFC 9110, section 5.1).
    fn reject_duplicate_headers(&mut self, headers: &Map<String, Value>) {
        for (nth, name) in headers.keys().enumerate() {
            if let Some(first) = headers.keys().take(nth).find(|it| it.eq_ignore_ascii_case(name)) {
                self.reject_header(name, Rejection::DuplicateHeader(first.clone()));
            }
        }
    }

    fn options(&mut self) -> Arc<Options> {
        let follow = self.take(FOLLOW, |value, dialect| {
            Ok(values::boolean(value, dialect)? != (dialect == Dialect::File))
        });
        let redirects = self.take(REDIRECTS, |value, dialect| {
            values::integer(value, dialect, (0, 100), "a whole number from 0 to 100")
        });
        let body_limit = self.take(BODY_LIMIT, |value, dialect| {
            let expected = "a number of bytes from 1 to 67108864";
            values::integer(value, dialect, (1, 64 * 1024 * 1024), expected)
        });
        let options = Options {
            method: self.take(METHOD, values::method),
            headers: self.headers(),
            body: self.take(SENT, values::template),
            graphql: self.take(GRAPHQL, values::boolean).unwrap_or(false),
            basic_auth: self.basic_auth(),
            bearer_token: self.take(BEARER, values::credential),
            oauth2: self.oauth2().map(Box::new),
            proxy: self.take(PROXY_URL, values::proxy).flatten(),
            follows_redirects: follow.unwrap_or(true),
            max_redirects: redirects.map_or(MAX_REDIRECTS, |number| number as u32),
            http_version: self.take(HTTP_VERSION, values::http_version),
            body_limit: body_limit.map_or(BODY_LIMIT_BYTES, |number| number as usize),
            expect: self
                .take(EXPECT, |value, dialect| Ok(Wildcard::new(values::text(value, dialect)?))),
            of_module: None,
            expectations: self.expectations(),
            tls: self.tls(),
            starttls_protocol: self.take(STARTTLS_PROTOCOL, values::starttls_protocol),
            ip_family: self.take(IP_FAMILY, values::ip_family).unwrap_or(IpFamily::Any),
            resolver: self.take(RESOLVER, values::name_server),
            dns: self.dns(),
            args: self.take(ARGS, values::args).unwrap_or_default(),
            grpc_service: self
                .take(GRPC_SERVICE, |value, dialect| Ok(values::text(value, dialect)?.to_owned())),
            heartbeat: self.heartbeat(),
            thresholds: self.thresholds(),
            slo: self.slo(),
            labels: self.labels(),
            alerts: self.alerts(),
            depends_on: self.depends_on(),
            degraded: self.degraded(),
            certificate_days: self.take(CERTIFICATE_DAYS, values::certificate_days),
        };
        let none = Options::none();
        if options == *none { none } else { Arc::new(options) }
    }

    fn basic_auth(&mut self) -> Option<BasicAuth> {
        let username = self.take(USERNAME, values::credential);
        let password = self.take(PASSWORD, values::credential);
        if username.as_ref().is_some_and(|name| name.as_written().contains(':')) {
            let expected = "a user name without a colon (RFC 7617, section 2)";
            self.reject(USERNAME, Invalid::hidden(expected));
        }
        match (username, password) {
            (Some(username), Some(password)) => Some(BasicAuth { username, password }),
            (None, None) => None,
            (None, Some(_)) => self.reject_missing(USERNAME, "with a password"),
            (Some(_), None) => self.reject_missing(PASSWORD, "with a username"),
        }
    }

    fn oauth2(&mut self) -> Option<ClientCredentials> {
        let token_url = self.take(TOKEN_URL, values::server_url);
        let client_id = self.take(CLIENT_ID, values::credential);
        let client_secret = self.take(CLIENT_SECRET, values::credential);
        let scopes = self.take(SCOPES, |value, dialect| {
            let expected = "a list of at most 50 scopes";
            values::list(value, dialect, SCOPES_MAX, expected, values::scope)
        });
        match (token_url, client_id, client_secret) {
            (Some(token_url), Some(client_id), Some(client_secret)) => Some(ClientCredentials {
                token_url,
                client_id,
                client_secret,
                scopes: scopes.unwrap_or_default(),
            }),
            (None, None, None) if scopes.is_none() => None,
            (token_url, client_id, client_secret) => {
                for (field, is_missing) in [
                    (TOKEN_URL, token_url.is_none()),
                    (CLIENT_ID, client_id.is_none()),
                    (CLIENT_SECRET, client_secret.is_none()),
                ] {
                    if is_missing {
                        self.reject_missing::<()>(field, "for the client credentials of OAuth 2.0");
                    }
                }
                None
            }
        }
    }

    fn tls(&mut self) -> TlsOptions {
        let tls = TlsOptions {
            insecure: self.take(INSECURE, values::boolean).unwrap_or(false),
            ca: self.take(CA, values::pem),
            certificate: self.take(CERTIFICATE, values::pem),
            private_key: self.take(PRIVATE_KEY, values::pem),
            server_name: self.take(SERVER_NAME, values::host_name),
            min_version: self.take(MIN_VERSION, values::tls_version),
        };
        match (&tls.certificate, &tls.private_key) {
            (Some(_), None) => self.reject_missing::<()>(PRIVATE_KEY, "with a certificate"),
            (None, Some(_)) => self.reject_missing(CERTIFICATE, "with a private key"),
            _ => None,
        };
        tls
    }

    fn dns(&mut self) -> Option<DnsQuestion> {
        let name = self.take(QUERY_NAME, values::query_name);
        let kind = self.take(QUERY_TYPE, values::record_kind);
        let expected = self.take(EXPECTED, |value, dialect| {
            let expected = "a list of at most 50 answers";
            values::list(value, dialect, EXPECTED_MAX, expected, |text| Ok(text.to_owned()))
        });
        match (name, kind) {
            (Some(name), Some(kind)) => {
                Some(DnsQuestion { name, kind, expected: expected.unwrap_or_default() })
            }
            (None, None) if expected.is_none() => None,
            (Some(_), None) => self.reject_missing(QUERY_TYPE, "with a name"),
            (None, _) => self.reject_missing(QUERY_NAME, "with a type"),
        }
    }

    fn heartbeat(&mut self) -> Option<Heartbeat> {
        let token = self.take(TOKEN, |value, dialect| {
            let token = values::credential(value, dialect)?;
            if token.as_written().is_empty() {
                return Err(Invalid::hidden("a text that is not empty"));
            }
            Ok(token)
        });
        let grace = self.take(GRACE, |value, dialect| {
            let seconds = values::seconds(value, dialect)?;
            if (0.0..=2_592_000.0).contains(&seconds) {
                return Ok(Duration::from_secs_f64(seconds));
            }
            Err(Invalid::new(values::shown(value, dialect), "a time from 0 to 30 days"))
        });
        let is_optional = self.take(OPTIONAL, values::boolean);
        match token {
            Some(token) => Some(Heartbeat {
                token,
                grace: grace.unwrap_or_default(),
                is_optional: is_optional.unwrap_or(false),
            }),
            None if grace.is_some() => self.reject_missing(TOKEN, "with a grace"),
            None if is_optional.is_some() => self.reject_missing(TOKEN, "with a heartbeat"),
            None => None,
        }
    }

    fn thresholds(&mut self) -> Thresholds {
        let mut threshold = |field| {
            let taken = self.take(field, |value, dialect| {
                values::integer(value, dialect, (1, 100), "a whole number from 1 to 100")
            });
            taken.unwrap_or(1) as u32
        };
        Thresholds {
            failure: threshold(FAILURE_THRESHOLD),
            success: threshold(SUCCESS_THRESHOLD),
            confirm_interval: self.take(CONFIRM_INTERVAL, |value, dialect| {
                Interval::from_seconds(values::seconds(value, dialect)?)
            }),
        }
    }

    fn slo(&mut self) -> Option<Slo> {
        let target = self.take(SLO_TARGET, values::slo_target);
        let window = self
            .take(SLO_WINDOW, |value, dialect| Slo::parse_window(values::text(value, dialect)?));
        match target {
            Some(target_percent) => {
                Some(Slo { target_percent, window: window.unwrap_or(Slo::WINDOW) })
            }
            None if window.is_some() => self.reject_missing(SLO_TARGET, "with a window"),
            None => None,
        }
    }

    fn depends_on(&mut self) -> Vec<String> {
        let parents = self.take(DEPENDS_ON, |value, dialect| {
            let expected = "a list of at most 50 names of services, such as group/name";
            let parse = |text: &str| {
                let name = values::trimmed(text, dialect);
                values::full_name(name).map(|()| name.to_owned())
            };
            values::list(value, dialect, PARENTS_MAX, expected, parse)
        });
        parents.unwrap_or_default()
    }

    fn degraded(&mut self) -> Option<Degraded> {
        let response_time = self.take(SLOW, values::slow);
        let results = self.take(SLOW_RESULTS, |value, dialect| {
            values::integer(value, dialect, (1, 100), "a whole number from 1 to 100")
        });
        match response_time {
            Some(response_time) => {
                let results = results.map_or(Degraded::RESULTS, |number| number as u32);
                Some(Degraded { response_time, results })
            }
            None if results.is_some() => self.reject_missing(SLOW, "with a number of results"),
            None => None,
        }
    }

    /// Rejects a condition on the expiry of a domain that no registry can have. Not in the services
    /// file, where a variable may be the host: there it is a local fault of the probe.
    fn check_domain(&mut self, target: &Target, options: &Options, conditions: &[Condition]) {
        let Some(condition) = conditions.iter().find(|condition| condition.needs_domain()) else {
            return;
        };
        let Ok(url) = target.url(&Variables::default()) else { return };
        let host = host_of(target.kind(), &url, options).unwrap_or_default();
        if self.dialect == Dialect::File || registrable_domain(host).is_some() {
            return;
        }
        let expected = "[DOMAIN_EXPIRATION] with a target below a registered domain, such as \
             status.example.org";
        self.reject(CONDITIONS, Invalid::quoted(condition.to_string(), expected));
    }

    fn labels(&mut self) -> Labels {
        let Some(map) = self.take(LABELS, values::labels) else { return Labels::default() };
        let mut labels = Vec::new();
        for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            let label = values::text(value, self.dialect).and_then(|text| Label::new(name, text));
            match label {
                Ok(label) => labels.push(label),
                Err(invalid) => {
                    let shown: String = name.chars().take(100).collect();
                    self.reject_path(format!("{}.{shown}", LABELS.path(self.dialect)), invalid);
                }
            }
        }
        Labels::new(labels)
    }

    /// Rejects fields that targets of `kind` do not have, and missing fields that they require.
    fn check_kind(&mut self, kind: Kind) {
        for field in FIELDS {
            if self.value(*field).is_some()
                && !field.kinds.is_empty()
                && !field.kinds.contains(&kind)
            {
                self.reject(*field, Rejection::Unsupported(kind));
            }
        }
        match kind {
            Kind::Dns => drop(self.reject_missing::<()>(QUERY_NAME, "by dns targets")),
            Kind::Push => drop(self.reject_missing::<()>(TOKEN, "by push targets")),
            _ => {}
        }
    }
}

/// As in Gatus, a name server may be an address without a scheme. Targets of the API have no
/// variables: a client could have the secrets of this machine sent to any address.
fn target(value: &Value, dialect: Dialect, has_query: bool) -> Result<Target, Invalid> {
    let written = values::text(value, dialect)?;
    if has_query && !written.contains("://") {
        let address = written.parse::<std::net::Ipv6Addr>();
        let host = address.map_or(written.to_owned(), |address| format!("[{address}]"));
        return Target::parse(&format!("dns://{host}"));
    }
    match dialect {
        Dialect::File => Target::template(written),
        Dialect::Api | Dialect::Store => Target::parse(written),
    }
}
