//! From a definition to a mapping with the names of the API. Defaults are left out.

use http::Method;
use serde_json::{Map, Value, json};

use crate::domain::condition::wildcard::Wildcard;
use crate::domain::secret::names::is_secret_header;
use crate::domain::secret::pieces::{MASK, is_placeholder};
use crate::domain::secret::url::Requests;
use crate::domain::service::definition::Definition;
use crate::domain::service::interval::{Interval, Timeout};
use crate::domain::service::label::Group;
use crate::domain::service::options::{
    BODY_LIMIT as BODY_LIMIT_BYTES, BasicAuth, HttpVersion, IpFamily, MAX_REDIRECTS, Options, Pem,
    TlsVersion,
};
use crate::domain::service::server_url::ServerUrl;
use crate::domain::service::starttls::StartTlsProtocol;
use crate::domain::service::template::Template;
use crate::domain::service::thresholds::Thresholds;
use crate::domain::time::duration;
use crate::spec::alert_rules;
use crate::spec::expectations;
use crate::spec::field::*;
use crate::spec::form::Form;

pub fn write(definition: &Definition, form: Form) -> Map<String, Value> {
    let mut map = write_options(&definition.options, form);
    let mut put = |field: Field, value: Value| drop(map.insert(field.api.to_owned(), value));
    put(NAME, json!(definition.name.as_str()));
    put(
        URL,
        match form {
            Form::Masked(requests) => json!(definition.target.shown(requests)),
            Form::Stored | Form::Literal => json!(definition.target.as_str()),
        },
    );
    put(GROUP, json!(definition.group.as_ref().map(Group::as_str)));
    put(ENABLED, json!(definition.enabled));
    put(INTERVAL, json!(definition.interval.map(Interval::as_seconds)));
    put(TIMEOUT, json!(definition.timeout.map(Timeout::as_seconds)));
    let conditions: Vec<String> = definition.conditions.iter().map(ToString::to_string).collect();
    put(CONDITIONS, json!(conditions));
    map
}

pub fn write_options(options: &Options, form: Form) -> Map<String, Value> {
    let mut writer = Writer { map: Map::new(), form };
    writer.request(options);
    if let Some(expected) = &options.expectations {
        for (field, value) in expectations::write(expected) {
            writer.put(field, Some(value));
        }
    }
    writer.tls(options);
    let family = match options.ip_family {
        IpFamily::Any => None,
        IpFamily::V4 => Some("ip4"),
        IpFamily::V6 => Some("ip6"),
    };
    writer.put(IP_FAMILY, family);
    writer.put(
        RESOLVER,
        options.resolver.map(|server| {
            let transport = if server.over_tcp { "tcp" } else { "udp" };
            format!("{transport}://{}", server.address)
        }),
    );
    if let Some(question) = &options.dns {
        writer.put(QUERY_NAME, Some(&question.name));
        writer.put(QUERY_TYPE, Some(question.kind.name()));
        writer.put(EXPECTED, (!question.expected.is_empty()).then_some(&question.expected));
    }
    writer.args(options);
    writer.put(GRPC_SERVICE, options.grpc_service.as_ref());
    if let Some(heartbeat) = &options.heartbeat {
        writer.secret(TOKEN, Some(&heartbeat.token));
        writer.put(GRACE, Some(heartbeat.grace.as_secs_f64()));
        writer.put(OPTIONAL, heartbeat.is_optional.then_some(true));
    }
    writer.thresholds(&options.thresholds);
    if let Some(slo) = options.slo {
        writer.put(SLO_TARGET, Some(slo.target_percent));
        writer.put(SLO_WINDOW, Some(duration::format_span(slo.window)));
    }
    let labels = options.labels.iter().map(|label| (label.name().to_owned(), label.value().into()));
    let labels: Map<String, Value> = labels.collect();
    writer.put(LABELS, (!labels.is_empty()).then_some(labels));
    writer.put(ALERTS, options.alerts.as_ref().map(|rules| alert_rules::write(rules, form)));
    writer.put(DEPENDS_ON, (!options.depends_on.is_empty()).then_some(&options.depends_on));
    if let Some(degraded) = options.degraded {
        writer.put(SLOW, Some(degraded.response_time.as_secs_f64()));
        writer.put(SLOW_RESULTS, Some(degraded.results));
    }
    writer.put(CERTIFICATE_DAYS, options.certificate_days.as_ref());
    writer.map
}

/// Merges `change` into `map` (RFC 7396): values replace, null removes, objects are merged. The
/// names of headers are matched regardless of case.
pub fn merge(map: &mut Map<String, Value>, change: &Map<String, Value>) {
    merge_by(map, change, |known, key| known == key);
}

fn merge_by(
    map: &mut Map<String, Value>,
    change: &Map<String, Value>,
    is_same: fn(&str, &str) -> bool,
) {
    for (key, value) in change {
        let same = map.keys().find(|known| is_same(known, key)).cloned();
        let was = same.and_then(|known| map.remove(&known));
        match (was, value) {
            (_, Value::Null) => {}
            (Some(Value::Object(mut inner)), Value::Object(change)) => {
                let of_headers = |known: &str, key: &str| known.eq_ignore_ascii_case(key);
                merge_by(&mut inner, change, if key == HEADERS.api { of_headers } else { is_same });
                map.insert(key.clone(), Value::Object(inner));
            }
            _ => drop(map.insert(key.clone(), value.clone())),
        }
    }
}

/// Whether the user name is a token, with a password that says nothing.
pub fn is_token(auth: &BasicAuth) -> bool {
    auth.password.as_literal().is_some_and(|password| is_placeholder(&password))
}

struct Writer {
    map: Map<String, Value>,
    form: Form,
}

impl Writer {
    fn put(&mut self, field: Field, value: Option<impl serde::Serialize>) {
        let Some(value) = value else { return };
        let value = json!(value);
        match field.api.split_once('.') {
            None => drop(self.map.insert(field.api.to_owned(), value)),
            Some((outer, inner)) => {
                let nested = self.map.entry(outer).or_insert_with(|| json!({}));
                nested[inner] = value;
            }
        }
    }

    fn secret(&mut self, field: Field, template: Option<&Template>) {
        self.put(field, template.map(|template| self.text(template, true)));
    }

    fn text(&self, template: &Template, is_secret: bool) -> String {
        match self.form {
            Form::Masked(_) if is_secret => template.masked(),
            Form::Stored => template.as_written().to_owned(),
            // As the client wrote it; variables by name.
            Form::Literal | Form::Masked(_) => {
                template.as_literal().unwrap_or_else(|| template.as_written().to_owned())
            }
        }
    }

    fn server_url(&self, url: &ServerUrl) -> String {
        match self.form {
            Form::Stored => url.template().as_written().to_owned(),
            Form::Literal => url.written(),
            Form::Masked(requests) => url.shown(requests),
        }
    }

    fn masks_requests(&self) -> bool {
        self.form == Form::Masked(Requests::Masked)
    }

    fn request(&mut self, options: &Options) {
        self.put(METHOD, options.method.as_ref().map(Method::as_str));
        if !options.headers.is_empty() {
            let headers = options.headers.iter();
            let headers: Map<String, Value> = headers
                .map(|(name, value)| {
                    (name.clone(), json!(self.text(value, is_secret_header(name))))
                })
                .collect();
            self.put(HEADERS, Some(headers));
        }
        let masks_requests = self.masks_requests();
        self.put(SENT, options.body.as_ref().map(|body| self.text(body, masks_requests)));
        self.put(GRAPHQL, options.graphql.then_some(true));
        if let Some(auth) = &options.basic_auth {
            let is_token = masks_requests && is_token(auth);
            self.put(USERNAME, Some(self.text(&auth.username, is_token)));
            self.secret(PASSWORD, Some(&auth.password));
        }
        self.secret(BEARER, options.bearer_token.as_ref());
        if let Some(oauth2) = &options.oauth2 {
            self.put(TOKEN_URL, Some(self.server_url(&oauth2.token_url)));
            self.put(CLIENT_ID, Some(self.text(&oauth2.client_id, false)));
            self.secret(CLIENT_SECRET, Some(&oauth2.client_secret));
            self.put(SCOPES, (!oauth2.scopes.is_empty()).then_some(&oauth2.scopes));
        }
        self.put(PROXY_URL, options.proxy.as_ref().map(|proxy| self.server_url(proxy)));
        self.put(FOLLOW, (!options.follows_redirects).then_some(false));
        let limit = options.max_redirects;
        self.put(REDIRECTS, (limit != MAX_REDIRECTS).then_some(limit));
        self.put(HTTP_VERSION, options.http_version.map(HttpVersion::as_str));
        let limit = options.body_limit;
        self.put(BODY_LIMIT, (limit != BODY_LIMIT_BYTES).then_some(limit));
        let expect = options.expect.as_ref();
        let shown = |expect: &Wildcard| match masks_requests {
            true => MASK.to_owned(),
            false => expect.to_string(),
        };
        self.put(EXPECT, expect.map(shown));
    }

    /// Masked as a whole, since any argument may be a secret.
    fn args(&mut self, options: &Options) {
        let args = options.args.iter();
        let args: Vec<String> = match self.masks_requests() {
            true => args.take(1).map(|_| MASK.to_owned()).collect(),
            false => args.map(|arg| self.text(arg, false)).collect(),
        };
        self.put(ARGS, (!args.is_empty()).then_some(args));
    }

    fn tls(&mut self, options: &Options) {
        let tls = &options.tls;
        self.put(INSECURE, tls.insecure.then_some(true));
        let text = |pem: &Option<Pem>| {
            pem.as_ref().map(|pem| match pem {
                Pem::Text(text) => text.clone(),
                Pem::File(path) => path.display().to_string(),
            })
        };
        self.put(CA, text(&tls.ca));
        self.put(CERTIFICATE, text(&tls.certificate));
        match (&tls.private_key, self.form) {
            (Some(Pem::Text(_)), Form::Masked(_)) => self.put(PRIVATE_KEY, Some(MASK)),
            (key, _) => self.put(PRIVATE_KEY, text(key)),
        }
        self.put(SERVER_NAME, tls.server_name.as_ref());
        let version = tls.min_version.map(|version| match version {
            TlsVersion::Tls12 => "1.2",
            TlsVersion::Tls13 => "1.3",
        });
        self.put(MIN_VERSION, version);
        self.put(STARTTLS_PROTOCOL, options.starttls_protocol.map(StartTlsProtocol::as_str));
    }

    fn thresholds(&mut self, thresholds: &Thresholds) {
        self.put(FAILURE_THRESHOLD, (thresholds.failure > 1).then_some(thresholds.failure));
        self.put(SUCCESS_THRESHOLD, (thresholds.success > 1).then_some(thresholds.success));
        self.put(CONFIRM_INTERVAL, thresholds.confirm_interval.map(Interval::as_seconds));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Invalid;
    use crate::domain::history::slo::Slo;
    use crate::spec::{Patch, Rejection};
    use crate::spec::{read, read_options};

    fn everything() -> Map<String, Value> {
        let all = json!({
            "name": "a", "url": "https://u:pw@a/", "group": "g", "enabled": false,
            "interval_seconds": 2.5, "timeout_seconds": 1.0, "conditions": ["[STATUS] == 200"],
            "method": "POST", "headers": {"X-Api-Key": "s3cret", "Accept": "text/$x"},
            "body": "costs $5", "graphql": true,
            "basic_auth": {"username": "u", "password": "s3cret"},
            "max_redirects": 3, "http_version": "1.1", "body_limit_bytes": 99,
            "accept_status": ["200-299", "404"], "body_matches": ["^ok$", "a|b"],
            "body_lacks": ["(?i)error"],
            "header_matches": [{"name": "Content-Type", "regex": "json"}],
            "header_lacks": [{"name": "X-Debug", "regex": ".", "allow_missing": true}],
            "insecure": true,
            "tls": {"ca": "-----BEGIN X", "certificate": "-----BEGIN C",
                    "private_key": "-----BEGIN s3cret", "server_name": "b.example",
                    "min_version": "1.3"},
            "oauth2": {"token_url": "https://u:pw@t/$x", "client_id": "id",
                       "client_secret": "s3cret", "scopes": ["a", "b"]},
            "proxy_url": "http://u:pw@proxy:3128",
            "ip_family": "ip4", "resolver": "tcp://1.1.1.1:53", "bearer_token": "s3cret",
            "failure_threshold": 3, "success_threshold": 2, "confirm_interval_seconds": 0.5,
            "slo": {"target": 99.9, "window": "30d"}
        });
        all.as_object().unwrap().clone()
    }

    #[test]
    fn header_names_are_case_insensitive() {
        for second in [json!("b"), Value::Null] {
            let twice = json!({
                "name": "a", "url": "http://a/", "headers": {"Accept": "a", "accept": second}
            });
            let problems = read(twice.as_object().unwrap(), Dialect::Api).unwrap_err();
            assert_eq!(
                problems[0].to_string(),
                "headers.accept: duplicate of \"Accept\", header names are case-insensitive"
            );
        }
    }

    #[test]
    fn a_definition_is_written_back_and_no_secret_is_shown() {
        let written = everything();
        let definition = read(&written, Dialect::Api).unwrap();
        assert_eq!(write(&definition, Form::Literal), written);
        let stored = write_options(&definition.options, Form::Stored);
        assert_eq!(stored["body"], "costs $$5", "a dollar sign of the API is a literal");
        assert_eq!(read_options(&stored).unwrap(), definition.options);
        let shown = |requests| json!(write(&definition, Form::Masked(requests))).to_string();
        for requests in [Requests::Masked, Requests::Shown] {
            let shown = shown(requests);
            assert!(!shown.contains("s3cret") && shown.contains("text/$x"), "{shown}");
            assert!(!shown.contains("pw@"), "{shown}");
            assert_eq!(shown.contains("costs $5"), requests == Requests::Shown, "{shown}");
        }
        let printed = format!("{definition:?}");
        assert!(!printed.contains("s3cret") && !printed.contains(":pw@"), "{printed}");
    }

    #[test]
    fn a_change_replaces_removes_and_merges() {
        let mut map = everything();
        let change = json!({
            "tls": {"ca": null, "min_version": "1.2"}, "method": null, "headers": {"Accept": "b"}
        });
        merge(&mut map, change.as_object().unwrap());
        let definition = read(&map, Dialect::Api).unwrap();
        assert_eq!((&definition.options.method, &definition.options.tls.ca), (&None, &None));
        assert_eq!(definition.options.headers.len(), 2);
        merge(&mut map, json!({"headers": {"x-API-key": null}}).as_object().unwrap());
        assert_eq!(
            map["headers"].as_object().unwrap().len(),
            1,
            "header names are case-insensitive"
        );
        assert_eq!(definition.options.tls.min_version, Some(TlsVersion::Tls12));
    }

    #[test]
    fn the_protocol_of_starttls_is_read_and_written_back() {
        let written = |url: &str, protocol: &str| {
            let map = json!({"name": "a", "url": url, "starttls_protocol": protocol});
            map.as_object().unwrap().clone()
        };
        let imap = written("starttls://a:1143", "imap");
        let definition = read(&imap, Dialect::Api).unwrap();
        assert_eq!(write(&definition, Form::Literal)["starttls_protocol"], "imap");
        let stored = write_options(&definition.options, Form::Stored);
        assert_eq!(read_options(&stored).unwrap(), definition.options);
        for (url, protocol, error) in [
            ("starttls://a:1143", "IMAP", "expected smtp, imap, pop3, ftp, ldap, postgresql"),
            ("tls://a:993", "imap", "not supported by tls targets"),
        ] {
            let problems = read(&written(url, protocol), Dialect::Api).unwrap_err();
            assert!(problems[0].to_string().contains(error), "{}", problems[0]);
        }
    }

    #[test]
    fn an_objective_is_read_in_both_dialects_and_requires_a_target() {
        let read_slo = |slo: Value, dialect| {
            let map =
                json!({"name": "a", "url": "push://a", "heartbeat": {"token": "t"}, "slo": slo});
            read(map.as_object().unwrap(), dialect).map(|definition| definition.options.slo)
        };
        let slo =
            |target: f64, window| Slo::new(target, duration::parse_span(window).unwrap()).ok();
        for (written, dialect, expected) in [
            (json!({"target": 99.9}), Dialect::Api, slo(99.9, "30d")),
            (json!({"target": 99, "window": "4w"}), Dialect::Api, slo(99.0, "28d")),
            (json!({"target": "99.95", "window": "24h"}), Dialect::File, slo(99.95, "1d")),
            (json!({}), Dialect::Api, None),
            (json!({"target": null, "window": null}), Dialect::Api, None),
        ] {
            assert_eq!(read_slo(written.clone(), dialect).unwrap(), expected, "{written}");
        }
        let target = "a percentage above 0 and below 100, such as 99.9";
        let window = "a time from 1h to 366d, such as 30d";
        for (written, dialect, path, rejection) in [
            (
                json!({"window": "7d"}),
                Dialect::Api,
                "slo.target",
                Rejection::RequiredWith("with a window"),
            ),
            (json!({"target": "99"}), Dialect::Api, "slo.target", invalid("\"99\"", target)),
            (json!({"target": 100}), Dialect::Api, "slo.target", invalid("100", target)),
            (json!({"target": "NaN"}), Dialect::File, "slo.target", invalid("NaN", target)),
            (
                json!({"target": 99, "window": "1m"}),
                Dialect::Api,
                "slo.window",
                invalid("1m", window),
            ),
            (
                json!({"target": 99, "window": 30}),
                Dialect::Api,
                "slo.window",
                invalid("30", "a string"),
            ),
        ] {
            let problems = read_slo(written, dialect).unwrap_err();
            let problems: Vec<_> =
                problems.into_iter().map(|problem| (problem.path, problem.rejection)).collect();
            assert_eq!(problems, [(path.to_owned(), rejection)]);
        }
    }

    fn invalid(value: &str, expected: &'static str) -> Rejection {
        Invalid::new(value, expected).into()
    }

    #[test]
    fn a_change_of_the_window_keeps_the_target() {
        let definition = read(&everything(), Dialect::Api).unwrap();
        let patched = |slo: Value| {
            let change = json!({"slo": slo});
            let patch = Patch::new(change.as_object().unwrap().clone()).unwrap();
            patch.apply(&definition)
        };
        let after = patched(json!({"window": "7d"})).unwrap();
        assert_eq!(
            write(&after, Form::Masked(Requests::Masked))["slo"],
            json!({"target": 99.9, "window": "7d"})
        );
        assert_eq!(patched(Value::Null).unwrap().options.slo, None);
        assert_eq!(patched(json!({"target": null})).unwrap_err()[0].path, "slo.target");
    }
}
