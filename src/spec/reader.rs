//! From a mapping to a definition, with every problem found.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::values;
use super::*;
use crate::domain::condition::Condition;
use crate::domain::condition::wildcard::Wildcard;
use crate::domain::history::slo::Slo;
use crate::domain::invalid::Invalid;
use crate::domain::service::options::{
    BODY_LIMIT as BODY_LIMIT_BYTES, BasicAuth, DnsQuestion, Heartbeat, IpFamily, MAX_REDIRECTS,
    Options, TlsOptions,
};
use crate::domain::service::target::Target;
use crate::domain::service::template::Template;
use crate::domain::service::thresholds::Thresholds;
use crate::domain::service::{Definition, Group, Interval, Name, Timeout};
use crate::spec::values::shown;

/// Fields that have no default to go back to.
const NEVER_NULL: [Field; 3] = [NAME, URL, ENABLED];

/// A whole definition.
pub fn read(map: &Map<String, Value>, dialect: Dialect) -> Result<Definition, Vec<Problem>> {
    let mut reader = Reader::new(map, dialect);
    for required in [NAME, URL] {
        let is_told = reader.problems.iter().any(|it| it.path == required.path(dialect));
        if reader.value(required).is_none() && !is_told {
            reader.reject(required, Rejection::Required);
        }
    }
    let definition = reader.definition();
    match definition {
        Some(definition) if reader.problems.is_empty() => Ok(definition),
        _ => Err(reader.problems),
    }
}

/// Checks a part of a definition by itself: a change that a client of the API asks for.
pub fn check_part(map: &Map<String, Value>) -> Result<(), Vec<Problem>> {
    let mut reader = Reader { is_part: true, ..Reader::new(map, Dialect::Api) };
    reader.basics();
    reader.options();
    if reader.problems.is_empty() { Ok(()) } else { Err(reader.problems) }
}

/// The options that [`write_options`] has stored.
pub fn read_options(map: &Map<String, Value>) -> Result<Arc<Options>, Vec<Problem>> {
    let mut reader = Reader::new(map, Dialect::Store);
    let options = reader.options();
    if reader.problems.is_empty() { Ok(options) } else { Err(reader.problems) }
}

struct Reader<'v> {
    map: &'v Map<String, Value>,
    dialect: Dialect,
    /// Whether this is a part of a definition only, so that what is missing may be there already.
    is_part: bool,
    problems: Vec<Problem>,
}

/// What every service has; `None` where nothing, or nothing good, was said.
struct Basics {
    name: Option<Name>,
    target: Option<Target>,
    group: Option<Group>,
    enabled: Option<bool>,
    interval: Option<Interval>,
    timeout: Option<Timeout>,
    conditions: Vec<Condition>,
}

impl<'v> Reader<'v> {
    fn new(map: &'v Map<String, Value>, dialect: Dialect) -> Self {
        let mut reader = Self { map, dialect, is_part: false, problems: Vec::new() };
        reader.reject_unknown(map, "");
        if dialect == Dialect::Api {
            for field in NEVER_NULL {
                if map.get(field.api).is_some_and(Value::is_null) {
                    let expected = "a value, since the field has no default";
                    reader.reject(field, Invalid::new("null", expected));
                }
            }
        }
        reader
    }

    /// The value of `field`; null counts as not given.
    fn value(&self, field: Field) -> Option<&'v Value> {
        let mut steps = field.path(self.dialect).split('.');
        let first = self.map.get(steps.next()?)?;
        let value = steps.try_fold(first, |value, step| value.get(step))?;
        (!value.is_null()).then_some(value)
    }

    fn reject(&mut self, field: Field, rejection: impl Into<Rejection>) {
        self.reject_path(field.path(self.dialect).to_owned(), rejection);
    }

    fn reject_path(&mut self, path: String, rejection: impl Into<Rejection>) {
        self.problems.push(Problem { path, rejection: rejection.into() });
    }

    fn take<T>(
        &mut self,
        field: Field,
        parse: impl FnOnce(&'v Value, Dialect) -> Result<T, Invalid>,
    ) -> Option<T> {
        match parse(self.value(field)?, self.dialect) {
            Ok(taken) => Some(taken),
            Err(invalid) => {
                self.reject(field, invalid);
                None
            }
        }
    }

    /// Refuses keys that no field has, and values that should be mappings and are none.
    fn reject_unknown(&mut self, map: &Map<String, Value>, prefix: &str) {
        for (key, value) in map {
            let path = format!("{prefix}{key}");
            let inner = format!("{path}.");
            let paths = || FIELDS.iter().map(|field| field.path(self.dialect));
            let is_key = !key.contains('.');
            if is_key && paths().any(|known| known == path) {
                continue;
            }
            if is_key && paths().any(|known| known.starts_with(&inner)) {
                match value {
                    Value::Object(nested) => self.reject_unknown(nested, &inner),
                    Value::Null => {}
                    _ => {
                        // The value may be a credential.
                        self.reject_path(path, Invalid::hidden("a mapping"));
                    }
                }
                continue;
            }
            let mut known: Vec<&str> =
                paths().filter_map(|known| known.strip_prefix(prefix)?.split('.').next()).collect();
            known.dedup();
            let known = known.join(", ");
            let rejection = match self.dialect {
                Dialect::File => Rejection::UnknownKey(known),
                Dialect::Api | Dialect::Store => Rejection::UnknownField(known),
            };
            self.reject_path(path, rejection);
        }
    }

    fn definition(&mut self) -> Option<Definition> {
        let basics = self.basics();
        let options = self.options();
        let (name, target) = (basics.name?, basics.target?);
        self.check_kind(target.kind());
        Some(Definition {
            name,
            target,
            group: basics.group,
            enabled: basics.enabled.unwrap_or(true),
            interval: basics.interval,
            timeout: basics.timeout,
            conditions: basics.conditions,
            options,
        })
    }

    fn basics(&mut self) -> Basics {
        let asks_dns = self.value(QUERY_NAME).is_some();
        Basics {
            name: self.take(NAME, |value, dialect| Name::parse(values::text(value, dialect)?)),
            target: self.target(asks_dns),
            group: self
                .take(GROUP, |value, dialect| Group::parse(values::text(value, dialect)?))
                .flatten(),
            enabled: self.take(ENABLED, values::truth),
            interval: self.take(INTERVAL, |value, dialect| {
                Interval::from_seconds(values::seconds(value, dialect)?)
            }),
            timeout: self.take(TIMEOUT, |value, dialect| {
                Timeout::from_seconds(values::seconds(value, dialect)?)
            }),
            conditions: self
                .take(CONDITIONS, |value, dialect| {
                    values::list(
                        value,
                        dialect,
                        "a list of at most 50 conditions",
                        Condition::parse,
                    )
                })
                .unwrap_or_default(),
        }
    }

    fn target(&mut self, asks_dns: bool) -> Option<Target> {
        let is_address =
            self.value(URL).and_then(Value::as_str).is_some_and(|url| !url.contains("://"));
        if self.is_part && is_address {
            // Good for a service that asks DNS; the whole will tell.
            return None;
        }
        self.take(URL, |value, dialect| target(value, dialect, asks_dns))
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
            Ok(values::truth(value, dialect)? != (dialect == Dialect::File))
        });
        let redirects = self.take(REDIRECTS, |value, dialect| {
            values::whole(value, dialect, (0, 100), "a whole number from 0 to 100")
        });
        let body_limit = self.take(BODY_LIMIT, |value, dialect| {
            let expected = "a number of bytes from 1 to 67108864";
            values::whole(value, dialect, (1, 64 * 1024 * 1024), expected)
        });
        let options = Options {
            method: self.take(METHOD, values::method),
            headers: self.headers(),
            body: self.take(SENT, values::template),
            basic_auth: self.basic_auth(),
            bearer_token: self.take(BEARER, values::credential),
            follows_redirects: follow.unwrap_or(true),
            max_redirects: redirects.map_or(MAX_REDIRECTS, |number| number as u32),
            http_version: self.take(HTTP_VERSION, values::http_version),
            body_limit: body_limit.map_or(BODY_LIMIT_BYTES, |number| number as usize),
            expect: self
                .take(EXPECT, |value, dialect| Ok(Wildcard::new(values::text(value, dialect)?))),
            tls: self.tls(),
            ip_family: self.take(IP_FAMILY, values::ip_family).unwrap_or(IpFamily::Any),
            resolver: self.take(RESOLVER, values::name_server),
            dns: self.dns(),
            grpc_service: self
                .take(GRPC_SERVICE, |value, dialect| Ok(values::text(value, dialect)?.to_owned())),
            heartbeat: self.heartbeat(),
            thresholds: self.thresholds(),
            slo: self.slo(),
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
            (None, Some(_)) => self.missing(USERNAME, "with a password"),
            (Some(_), None) => self.missing(PASSWORD, "with a username"),
        }
    }

    fn tls(&mut self) -> TlsOptions {
        let tls = TlsOptions {
            insecure: self.take(INSECURE, values::truth).unwrap_or(false),
            ca: self.take(CA, values::pem),
            certificate: self.take(CERTIFICATE, values::pem),
            private_key: self.take(PRIVATE_KEY, values::pem),
            server_name: self.take(SERVER_NAME, values::host_name),
            min_version: self.take(MIN_VERSION, values::tls_version),
        };
        match (&tls.certificate, &tls.private_key) {
            (Some(_), None) => self.missing::<()>(PRIVATE_KEY, "with a certificate"),
            (None, Some(_)) => self.missing(CERTIFICATE, "with a private key"),
            _ => None,
        };
        tls
    }

    fn dns(&mut self) -> Option<DnsQuestion> {
        let name = self.take(QUERY_NAME, values::query_name);
        let kind = self.take(QUERY_TYPE, values::record_kind);
        let expected = self.take(EXPECTED, |value, dialect| {
            let expected = "a list of at most 50 answers";
            values::list(value, dialect, expected, |text| Ok(text.to_owned()))
        });
        match (name, kind) {
            (Some(name), Some(kind)) => {
                Some(DnsQuestion { name, kind, expected: expected.unwrap_or_default() })
            }
            (None, None) if expected.is_none() => None,
            (Some(_), None) => self.missing(QUERY_TYPE, "with a name"),
            (None, _) => self.missing(QUERY_NAME, "with a type"),
        }
    }

    fn heartbeat(&mut self) -> Option<Heartbeat> {
        let token = self.take(TOKEN, values::credential);
        let grace = self.take(GRACE, |value, dialect| {
            let seconds = values::seconds(value, dialect)?;
            if (0.0..=2_592_000.0).contains(&seconds) {
                return Ok(Duration::from_secs_f64(seconds));
            }
            Err(Invalid::new(shown(value, dialect), "a time from 0 to 30 days"))
        });
        match token {
            Some(token) if token.as_written().is_empty() => self.missing(TOKEN, "by a heartbeat"),
            Some(token) => Some(Heartbeat { token, grace: grace.unwrap_or_default() }),
            None if grace.is_some() => self.missing(TOKEN, "with a grace"),
            None => None,
        }
    }

    fn thresholds(&mut self) -> Thresholds {
        let mut threshold = |field| {
            let taken = self.take(field, |value, dialect| {
                values::whole(value, dialect, (1, 100), "a whole number from 1 to 100")
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
            None if window.is_some() => self.missing(SLO_TARGET, "with a window"),
            None => None,
        }
    }

    fn missing<T>(&mut self, field: Field, reason: &'static str) -> Option<T> {
        // A value that was rejected is not missing.
        if self.value(field).is_none() && !self.is_part {
            self.reject(field, Rejection::RequiredWith(reason));
        }
        None
    }

    /// Refuses what is not for targets of `kind`, and misses what they need.
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
            Kind::Dns => drop(self.missing::<()>(QUERY_NAME, "by dns targets")),
            Kind::Push => drop(self.missing::<()>(TOKEN, "by push targets")),
            _ => {}
        }
    }
}

/// A target. As in Gatus, a name server may be given by its address alone. What a client of the API writes names no
/// variables, or it could have the secrets of this machine sent to wherever it likes.
fn target(value: &Value, dialect: Dialect, asks_dns: bool) -> Result<Target, Invalid> {
    let written = values::text(value, dialect)?;
    if asks_dns && !written.contains("://") {
        let address = written.parse::<std::net::Ipv6Addr>();
        let host = address.map_or(written.to_owned(), |address| format!("[{address}]"));
        return Target::parse(&format!("dns://{host}"));
    }
    match dialect {
        Dialect::File => Target::template(written),
        Dialect::Api | Dialect::Store => Target::parse(written),
    }
}
