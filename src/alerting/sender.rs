//! Sends a message to a channel.

mod push;

use std::sync::Arc;

use ::http::Method;
use serde_json::{Map, Value};

use crate::alerting::channel_keys::Fill;
use crate::alerting::client_options::ClientOptions;
use crate::alerting::dialer::Dialer;
use crate::alerting::http;
use crate::alerting::judge::{AnswerRules, judge, safe_error};
use crate::alerting::kind::Kind;
use crate::alerting::parts::{RenderError, Request};
use crate::alerting::request::{Form, Job, Renderer, ShownRequest};
use crate::alerting::row::{Code, Markup, Shape};
use crate::alerting::text::{self, Text};
use crate::alerting::{alertmanager, smtp};
use crate::domain::alert::{Attempt, Channel, Message};
use crate::domain::maintenance::zone::Zone;
use crate::domain::{Origin, Variables};
use crate::probe::exchange::ExchangeClient;
use crate::probe::net::policy::Policy;
use crate::probe::net::proxy::Proxy;
use crate::probe::net::resolver_health::ResolverHealth;
use crate::probe::net::tls::Trust;

/// What requests are made with.
#[derive(Clone)]
pub struct SenderRules {
    pub trust: Trust,
    /// Which addresses may be dialled.
    pub policy: Policy,
    pub resolver_health: Arc<ResolverHealth>,
    /// Values of `${NAME}` in the keys of channels.
    pub variables: Variables,
    /// In which times are written.
    pub zone: Zone,
}

/// Renders and sends messages. Not `Send`: built inside its arbiter.
pub struct Sender {
    renderer: Renderer,
    dialer: Dialer,
    exchanges: ExchangeClient,
}

impl Sender {
    pub fn new(rules: SenderRules) -> Self {
        let SenderRules { trust, policy, resolver_health, variables, zone } = rules;
        Self {
            renderer: Renderer::new(zone, variables),
            dialer: Dialer::new(policy, trust, resolver_health),
            exchanges: ExchangeClient::new(),
        }
    }

    /// Writes times in `zone` from now on.
    pub fn set_zone(&self, zone: Zone) {
        self.renderer.set_zone(zone);
    }

    /// Sends `message` to `channel`, with `overrides` of its keys: at most two requests, the second
    /// in plain form after the first was refused.
    pub async fn send(
        &self,
        channel: &Channel,
        overrides: &Map<String, Value>,
        message: &Message,
    ) -> Attempt {
        let Some(kind) = Kind::find(&channel.kind) else {
            return channel_failed(&format!("unknown kind of channel: {}", channel.kind), &[]);
        };
        let job = Job { kind, channel, overrides, message };
        let client = match ClientOptions::read(&channel.options.client, channel.origin) {
            Ok(client) => client,
            Err(problems) => {
                let problem = problems.first().map(ToString::to_string).unwrap_or_default();
                return channel_failed(&problem, &[]);
            }
        };
        let proxy = client.proxy.as_ref().map(|proxy| proxy.url(self.renderer.variables()));
        let proxy = match proxy.transpose() {
            Ok(url) => url.map(|url| Proxy { url }),
            Err(error) => return channel_failed(&format!("client.proxy-url: {error}"), &[]),
        };
        let route = Route { client: &client, proxy: proxy.as_ref() };
        match &kind.row.shape {
            Shape::Requests(_) | Shape::Code(Code::Webhook | Code::Custom) => {
                self.send_http(&job, &route).await
            }
            Shape::Code(Code::Email) => self.send_mail(&job, &route).await,
            Shape::Code(Code::Alertmanager) => self.push(&job, &route).await,
        }
    }

    /// The request for `message`, without secrets; `None` when nothing would be sent.
    pub fn show(
        &self,
        channel: &Channel,
        overrides: &Map<String, Value>,
        message: &Message,
    ) -> Result<Option<ShownRequest>, String> {
        let kind = Kind::find(&channel.kind)
            .ok_or_else(|| format!("unknown kind of channel: {}", channel.kind))?;
        let job = Job { kind, channel, overrides, message };
        self.renderer.show(&job).map_err(|error| error.to_string())
    }

    async fn send_http(&self, job: &Job<'_>, route: &Route<'_>) -> Attempt {
        let secrets = self.renderer.secrets(job);
        let first = self.attempt(job, Form::Full, route, &secrets).await;
        match first {
            Attempt::MessageRefused { http_status: Some(_), .. }
                if self.renderer.has_plain_form(job) =>
            {
                self.attempt(job, Form::Plain, route, &secrets).await
            }
            other => other,
        }
    }

    async fn send_mail(&self, job: &Job<'_>, route: &Route<'_>) -> Attempt {
        let keys = self.renderer.keys(job, Fill::Real(self.renderer.variables()));
        let settings = keys.map_err(|error| error.to_string());
        let settings = match settings.and_then(|keys| smtp::Settings::read(&keys)) {
            Ok(settings) => settings,
            Err(error) => return channel_failed(&error, &[]),
        };
        let texts = self.renderer.texts(job, Markup::Plain, Form::Full).plain;
        let Route { client, proxy } = route;
        let mail = smtp::Mail {
            message: job.message,
            subject: &texts.title,
            text: &texts.message,
            // A client of the API must not read what private addresses answer.
            quotes_private: job.channel.origin == Origin::File,
        };
        smtp::send(&self.dialer, *proxy, &settings, client, &mail).await
    }

    /// Posts one alert to each Alertmanager of the channel, as for a test.
    async fn push(&self, job: &Job<'_>, route: &Route<'_>) -> Attempt {
        let keys = self.renderer.keys(job, Fill::Real(self.renderer.variables()));
        let settings = keys.map_err(|error| error.to_string());
        let settings = match settings.and_then(|keys| alertmanager::Settings::read(&keys)) {
            Ok(settings) => settings,
            Err(error) => return channel_failed(&error, &[]),
        };
        let Text { title, message: text } =
            self.renderer.texts(job, Markup::Plain, Form::Full).plain;
        let alert = alertmanager::Alert { message: job.message, title: &title, text: &text };
        let body = alertmanager::body(&settings, &[alert], None, job.message.now_ms).to_string();
        let mut result = Attempt::Delivered { http_status: None, reference: None };
        for url in settings.endpoints {
            let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
            let body = Some(body.clone());
            let request = Request { method: Method::POST, url, headers, body };
            let attempt = self.request(job, &request, route, &[]).await;
            if !matches!(attempt, Attempt::Delivered { .. }) {
                result = attempt;
            }
        }
        result
    }

    async fn attempt(
        &self,
        job: &Job<'_>,
        form: Form,
        route: &Route<'_>,
        secrets: &[String],
    ) -> Attempt {
        let request = match self.renderer.render(job, form) {
            Ok(Some(request)) => request,
            Ok(None) => {
                let reference = job.message.reference.clone();
                return Attempt::Delivered { http_status: None, reference };
            }
            Err(RenderError::Channel(error)) => return channel_failed(&error, secrets),
            Err(RenderError::Message(error)) => {
                let error = safe_error(&error, secrets);
                return Attempt::MessageRefused { http_status: None, error };
            }
        };
        self.request(job, &request, route, secrets).await
    }

    async fn request(
        &self,
        job: &Job<'_>,
        request: &Request,
        route: &Route<'_>,
        secrets: &[String],
    ) -> Attempt {
        let Route { client, proxy } = route;
        let exchange = request.exchange();
        let sent = http::send(&self.dialer, &self.exchanges, &exchange, client, *proxy);
        let (answer, peer) = match sent.await {
            Ok(answered) => answered,
            Err(failure) => return channel_failed(&failure.detail, secrets),
        };
        // A client of the API must not read what private addresses answer.
        let quotes = job.channel.origin == Origin::File || !http::is_private(peer);
        let rules = match &job.kind.row.shape {
            Shape::Requests(requests) => {
                let ended = text::is_resolved(job.message.state);
                AnswerRules::of(requests, ended, job.message.reference.is_some(), quotes)
            }
            Shape::Code(_) => AnswerRules { quotes, ..AnswerRules::default() },
        };
        match judge(&answer, &rules) {
            Attempt::Delivered { http_status, reference } => {
                let reference = reference.or_else(|| job.message.reference.clone());
                Attempt::Delivered { http_status, reference }
            }
            Attempt::ChannelFailed { http_status, error, retry_after } => {
                let error = safe_error(&error, secrets);
                Attempt::ChannelFailed { http_status, error, retry_after }
            }
            Attempt::MessageRefused { http_status, error } => {
                Attempt::MessageRefused { http_status, error: safe_error(&error, secrets) }
            }
        }
    }
}

/// How a channel is connected to.
struct Route<'r> {
    client: &'r ClientOptions,
    proxy: Option<&'r Proxy>,
}

fn channel_failed(error: &str, secrets: &[String]) -> Attempt {
    let error = safe_error(error, secrets);
    Attempt::ChannelFailed { http_status: None, error, retry_after: None }
}

#[cfg(test)]
mod tests;
