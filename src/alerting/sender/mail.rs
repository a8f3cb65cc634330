//! Messages to channels of kind `email`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Sender, channel_failed};
use crate::alerting::channel_keys::{self, Fill};
use crate::alerting::client_options::ClientOptions;
use crate::alerting::kind::Kind;
use crate::alerting::request::{Form, Job};
use crate::alerting::row::Markup;
use crate::alerting::smtp::{self, Mail, Settings};
use crate::domain::Origin;
use crate::domain::alert::{Attempt, Channel};
use crate::probe::net::proxy::Proxy;

/// What a request of a protocol of its own is made with.
pub(super) struct Prepared {
    /// Typed and filled.
    pub keys: Map<String, Value>,
    pub client: ClientOptions,
    pub proxy: Option<Proxy<'static>>,
}

impl Sender {
    /// The keys of a channel for a service of `group`. The error is a fault of the channel.
    pub(super) fn prepare(
        &self,
        kind: &Kind,
        channel: &Channel,
        overrides: &Map<String, Value>,
        group: Option<&str>,
    ) -> Result<Prepared, String> {
        let client = ClientOptions::read(&channel.options.client, channel.origin);
        let client = client.map_err(|problems| {
            problems.first().map(ToString::to_string).unwrap_or_default()
        })?;
        let variables = self.renderer.variables();
        let proxy = client.proxy.as_ref().map(|proxy| proxy.url(variables)).transpose();
        let proxy = proxy.map_err(|error| format!("client.proxy-url: {error}"))?;
        let proxy = proxy.map(|url| Proxy { url: Cow::Owned(url.into_owned()) });
        let keys = channel_keys::resolve(kind, channel, overrides, group, Fill::Real(variables))?;
        Ok(Prepared { keys, client, proxy })
    }

    pub(super) async fn send_mail(&self, job: &Job<'_>) -> Attempt {
        let group = job.message.facts.group.as_deref();
        let prepared = self.prepare(&job.kind, job.channel, job.overrides, group);
        let prepared = prepared.and_then(|prepared| {
            let settings = Settings::read(&prepared.keys)?;
            Ok((prepared, settings))
        });
        let (prepared, settings) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return channel_failed(&error, &[]),
        };
        let texts = self.renderer.texts(job, Markup::Plain, Form::Full).plain;
        let mail = Mail {
            message: job.message,
            subject: &texts.title,
            text: &texts.message,
            // A client of the API must not read what private addresses answer.
            quotes_private: job.channel.origin == Origin::File,
        };
        let Prepared { client, proxy, .. } = &prepared;
        smtp::send(&self.dialer, proxy.as_ref(), &settings, client, &mail).await
    }
}
