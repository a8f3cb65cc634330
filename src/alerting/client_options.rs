//! `client` of a channel: how it is connected to.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::domain::alert::channel::KeyProblem;
use crate::domain::service::options::{Pem, TlsOptions};
use crate::domain::service::server_url::ServerUrl;
use crate::domain::time::duration;
use crate::domain::{Invalid, Origin, Template};
use crate::services_file::similar::unknown_key;

#[derive(Debug, Clone, PartialEq)]
pub struct ClientOptions {
    /// For one attempt, the look-up and the answer included.
    pub timeout: Duration,
    pub tls: TlsOptions,
    /// HTTP proxy, `http://` only.
    pub proxy: Option<ServerUrl>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { timeout: Self::TIMEOUT, tls: TlsOptions::default(), proxy: None }
    }
}

impl ClientOptions {
    pub const TIMEOUT: Duration = Duration::from_secs(10);
    const TIMEOUT_MIN: Duration = Duration::from_millis(100);
    const TIMEOUT_MAX: Duration = Duration::from_secs(60);
    const KEYS: [&str; 4] = ["timeout", "insecure", "tls", "proxy-url"];
    const TLS_KEYS: [&str; 1] = ["ca-file"];

    /// Reads the keys of `client`; scalars may be texts. A channel of the API has literal texts,
    /// and certificates instead of the name of a file.
    pub fn read(client: &Map<String, Value>, origin: Origin) -> Result<Self, Vec<KeyProblem>> {
        let (mut options, mut problems) = (Self::default(), Vec::new());
        for (name, value) in client {
            let read = match name.as_str() {
                "timeout" => timeout(value).map(|timeout| options.timeout = timeout),
                "insecure" => boolean(value).map(|insecure| options.tls.insecure = insecure),
                "proxy-url" => proxy(value, origin).map(|proxy| options.proxy = proxy),
                "tls" => match value {
                    Value::Object(fields) => {
                        options.read_tls(fields, origin, &mut problems);
                        Ok(())
                    }
                    other => Err(Invalid::new(other, "a mapping with ca-file")),
                },
                unknown => {
                    let problem = unknown_key(unknown, Self::KEYS.into_iter());
                    problems.push(KeyProblem::new(format!("client.{unknown}"), problem));
                    Ok(())
                }
            };
            if let Err(why) = read {
                problems.push(KeyProblem::new(format!("client.{name}"), why));
            }
        }
        if problems.is_empty() { Ok(options) } else { Err(problems) }
    }

    fn read_tls(
        &mut self,
        fields: &Map<String, Value>,
        origin: Origin,
        problems: &mut Vec<KeyProblem>,
    ) {
        for (name, value) in fields {
            let key = format!("client.tls.{name}");
            match (name.as_str(), value) {
                ("ca-file", Value::String(text)) if text.contains("-----BEGIN CERTIFICATE") => {
                    self.tls.ca = Some(Pem::Text(text.clone()));
                }
                ("ca-file", _) if origin == Origin::Api => {
                    problems.push(KeyProblem::new(key, Invalid::hidden("certificates in PEM")));
                }
                ("ca-file", Value::String(path)) if !path.is_empty() => {
                    self.tls.ca = Some(Pem::File(PathBuf::from(path)));
                }
                ("ca-file", other) => {
                    problems.push(KeyProblem::new(key, Invalid::new(other, "a path")));
                }
                (unknown, _) => {
                    let problem = unknown_key(unknown, Self::TLS_KEYS.into_iter());
                    problems.push(KeyProblem::new(key, problem));
                }
            }
        }
    }
}

fn timeout(value: &Value) -> Result<Duration, Invalid> {
    let seconds = match value {
        Value::String(text) => duration::parse_seconds(text),
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let range = ClientOptions::TIMEOUT_MIN..=ClientOptions::TIMEOUT_MAX;
    let duration = duration.filter(|duration| range.contains(duration));
    duration.ok_or_else(|| Invalid::new(value, "100ms to 60s"))
}

fn boolean(value: &Value) -> Result<bool, Invalid> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" => Ok(false),
        other => Err(Invalid::new(other, "true or false")),
    }
}

fn proxy(value: &Value, origin: Origin) -> Result<Option<ServerUrl>, Invalid> {
    const EXPECTED: &str = "an http:// URL with a host";
    let Value::String(text) = value else { return Err(Invalid::hidden(EXPECTED)) };
    if text.is_empty() {
        return Ok(None);
    }
    let is_http = text.starts_with("http://");
    let template = match origin {
        Origin::Api => Some(Template::literal(text)),
        Origin::File => Template::parse(text).ok(),
    };
    let url = template.filter(|_| is_http).map(ServerUrl::new);
    url.and_then(Result::ok).map(Some).ok_or_else(|| Invalid::hidden(EXPECTED))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "takes what its callers write")]
    fn read(client: Value) -> Result<ClientOptions, Vec<String>> {
        let problems =
            |problems: Vec<KeyProblem>| problems.iter().map(ToString::to_string).collect();
        ClientOptions::read(client.as_object().unwrap(), Origin::File).map_err(problems)
    }

    #[test]
    fn all_options_are_read_also_as_texts() {
        let client = read(json!({
            "timeout": "3s", "insecure": "true", "tls": {"ca-file": "/ca.pem"},
            "proxy-url": "http://u:${PASS}@proxy:3128",
        }));
        let client = client.unwrap();
        assert_eq!(client.timeout, Duration::from_secs(3));
        assert!(client.tls.insecure && client.tls.ca.is_some() && client.proxy.is_some());
        assert_eq!(read(json!({})).unwrap(), ClientOptions::default());
    }

    #[test]
    fn a_channel_of_the_api_names_no_file_and_no_variable() {
        let read = |client: Value| ClientOptions::read(client.as_object().unwrap(), Origin::Api);
        assert!(read(json!({"tls": {"ca-file": "/etc/shadow"}})).is_err());
        let pem = "-----BEGIN CERTIFICATE-----\n";
        assert!(read(json!({"tls": {"ca-file": pem}})).is_ok());
        let proxy = read(json!({"proxy-url": "http://u:${PASS}@proxy:3128"})).unwrap().proxy;
        assert_eq!(proxy.unwrap().template().variables().count(), 0);
    }

    #[test]
    fn each_mistake_names_its_key() {
        let problems = read(json!({
            "timeout": "2m", "insecure": 1, "tls": {"ca": "x"}, "proxy-url": "https://u:s3cret@p",
            "proxyurl": 1,
        }));
        let mut problems = problems.unwrap_err();
        problems.sort();
        assert_eq!(
            problems,
            [
                "client.insecure: invalid value 1, expected true or false",
                "client.proxy-url: invalid value, expected an http:// URL with a host",
                "client.proxyurl: unknown key, did you mean proxy-url? expected one of timeout, \
                 insecure, tls, proxy-url",
                "client.timeout: invalid value \"2m\", expected 100ms to 60s",
                "client.tls.ca: unknown key, expected one of ca-file",
            ]
        );
    }
}
