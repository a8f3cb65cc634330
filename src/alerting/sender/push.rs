//! Alerts to channels of kind `alertmanager`.

use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::Map;
use url::Url;

use super::{Sender, channel_failed};
use crate::alerting::alertmanager::{Alert, Settings, body};
use crate::alerting::channel_keys::{self, Fill};
use crate::alerting::client_options::ClientOptions;
use crate::alerting::http as exchange;
use crate::alerting::judge::{AnswerRules, judge, safe_error};
use crate::alerting::kind::Kind;
use crate::alerting::parts::Request;
use crate::alerting::request::{Form, Job};
use crate::alerting::row::Markup;
use crate::alerting::text::Text;
use crate::clock::unix_ms;
use crate::domain::Origin;
use crate::domain::alert::{Attempt, Channel, Message};
use crate::probe::net::proxy::Proxy;

struct PreparedPush {
    kind: Kind,
    client: ClientOptions,
    proxy: Option<Proxy>,
    settings: Settings,
}

impl Sender {
    /// The settings of a channel of kind `alertmanager`, its variables filled in.
    pub fn alertmanager(&self, channel: &Channel) -> Result<Settings, String> {
        Ok(self.prepare_push(channel)?.settings)
    }

    fn prepare_push(&self, channel: &Channel) -> Result<PreparedPush, String> {
        let kind = Kind::find(&channel.kind).ok_or_else(|| "unknown kind of channel".to_owned())?;
        let client = ClientOptions::read(&channel.options.client, channel.origin);
        let client = client
            .map_err(|problems| problems.first().map(ToString::to_string).unwrap_or_default())?;
        let variables = self.renderer.variables();
        let proxy = client.proxy.as_ref().map(|proxy| proxy.url(variables)).transpose();
        let proxy = proxy.map_err(|error| format!("client.proxy-url: {error}"))?;
        let proxy = proxy.map(|url| Proxy { url });
        let fill = Fill::Real(variables);
        let keys = channel_keys::resolve(&kind, channel, &Map::new(), None, fill)?;
        Ok(PreparedPush { kind, client, proxy, settings: Settings::read(&keys)? })
    }

    /// One request with `messages` to the URL with this index, and with the watchdog of a monitor.
    pub async fn push_alerts(
        &self,
        channel: &Channel,
        url: usize,
        messages: &[Message],
        watchdog_of: Option<&str>,
    ) -> Attempt {
        let PreparedPush { kind, client, proxy, settings } = match self.prepare_push(channel) {
            Ok(prepared) => prepared,
            Err(error) => return channel_failed(&error, &[]),
        };
        let Some(endpoint) = settings.endpoints.get(url) else {
            return channel_failed("urls: the channel has fewer URLs now", &[]);
        };
        let texts = messages.iter().map(|message| {
            let job = Job { kind, channel, overrides: &Map::new(), message };
            self.renderer.texts(&job, Markup::Plain, Form::Full).plain
        });
        let texts: Vec<Text> = texts.collect();
        let alerts = messages.iter().zip(&texts);
        let alerts: Vec<Alert<'_>> = alerts
            .map(|(message, text)| Alert { message, title: &text.title, text: &text.message })
            .collect();
        let body = body(&settings, &alerts, watchdog_of, unix_ms()).to_string();
        let (url, authorization) = without_credentials(endpoint);
        let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        headers.extend(authorization.map(|value| ("Authorization".to_owned(), value)));
        let request = Request { method: Method::POST, url, headers, body: Some(body) };
        let secrets: Vec<String> = endpoint.password().map(decoded).into_iter().collect();
        let request = request.exchange();
        let sent = exchange::send(&self.dialer, &self.exchanges, &request, &client, proxy.as_ref());
        match sent.await {
            Err(failure) => channel_failed(&failure.detail, &secrets),
            Ok((answer, peer)) => {
                let quotes = channel.origin == Origin::File || !exchange::is_private(peer);
                safe(judge(&answer, &AnswerRules { quotes, ..AnswerRules::default() }), &secrets)
            }
        }
    }
}

/// The URL without its user and password, and the header in place of them.
fn without_credentials(url: &Url) -> (Url, Option<String>) {
    use base64::Engine;
    let mut plain = url.clone();
    if url.username().is_empty() && url.password().is_none() {
        return (plain, None);
    }
    // Both succeed for a URL with a host.
    let _ = plain.set_username("");
    let _ = plain.set_password(None);
    let login =
        format!("{}:{}", decoded(url.username()), url.password().map(decoded).unwrap_or_default());
    let login = base64::engine::general_purpose::STANDARD.encode(login);
    (plain, Some(format!("Basic {login}")))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn safe(attempt: Attempt, secrets: &[String]) -> Attempt {
    match attempt {
        Attempt::ChannelFailed { http_status, error, retry_after } => {
            let error = safe_error(&error, secrets);
            Attempt::ChannelFailed { http_status, error, retry_after }
        }
        Attempt::MessageRefused { http_status, error } => {
            Attempt::MessageRefused { http_status, error: safe_error(&error, secrets) }
        }
        delivered @ Attempt::Delivered { .. } => delivered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_of_a_url_become_a_header() {
        let url = "https://us%20er:p%40ss@am.example/api/v2/alerts".parse().unwrap();
        let (plain, header) = without_credentials(&url);
        assert_eq!(plain.as_str(), "https://am.example/api/v2/alerts");
        assert_eq!(header.as_deref(), Some("Basic dXMgZXI6cEBzcw=="));
        assert_eq!(without_credentials(&plain), (plain.clone(), None));
    }
}
