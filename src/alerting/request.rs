//! From a message to the request of a channel, with secrets filled in or masked.

use std::cell::RefCell;
use std::collections::BTreeMap;

use minijinja::Value as Filled;
use serde_json::{Map, Value};
use url::{Position, Url};

use crate::alerting::channel_keys::{self, Fill};
use crate::alerting::kind::Kind;
use crate::alerting::markup::{cut_escaped, escape_within};
use crate::alerting::parts::{Parts, RenderError, Request};
use crate::alerting::row::{Code, Limits, Markup, Requests, Shape, Signer};
use crate::alerting::row_request::RowContext;
use crate::alerting::template::{Escape, Templates};
use crate::alerting::text::{self, Text};
use crate::alerting::{context, custom, sigv4, webhook};
use crate::domain::alert::{Channel, Message, MessageState};
use crate::domain::maintenance::zone::Zone;
use crate::domain::secret::MASK;
use crate::domain::secret::names::is_secret_header;
use crate::domain::secret::url::{Requests as ShownRequests, mask};
use crate::domain::{Origin, Template, Variables};

/// Longest title and message, in characters, of a row without limits.
const TITLE_LIMIT: usize = 1_024;
const MESSAGE_LIMIT: usize = 16 * 1_024;
/// Longest body, in bytes.
const BODY_LIMIT: usize = 64 * 1_024;
/// How often a message is shortened until the body is within its limit.
const SHORTENINGS: usize = 6;

/// Everything that a request is rendered from.
#[derive(Clone, Copy)]
pub struct Job<'j> {
    pub kind: Kind,
    pub channel: &'j Channel,
    /// Keys that replace those of the channel.
    pub overrides: &'j Map<String, Value>,
    pub message: &'j Message,
}

/// Which of two bodies is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With markup, and with the templates of the user.
    Full,
    /// The `plain` body of the row, with built-in texts.
    Plain,
}

/// A request as it may be shown: without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    /// What is wrong with the templates of the user.
    pub notes: Vec<String>,
}

/// Title and message for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// Escaped by the row's markup.
    pub escaped: Text,
    pub plain: Text,
    /// What is wrong with the templates of the user.
    pub notes: Vec<String>,
}

/// Renders requests.
pub struct Renderer {
    templates: Templates,
    /// In which times are written.
    zone: RefCell<Zone>,
    variables: Variables,
}

impl Renderer {
    pub fn new(zone: Zone, variables: Variables) -> Self {
        Self { templates: Templates::new(), zone: RefCell::new(zone), variables }
    }

    /// Writes times in `zone` from now on.
    pub fn set_zone(&self, zone: Zone) {
        self.zone.replace(zone);
    }

    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// `None` when nothing has to be sent.
    pub fn render(&self, job: &Job<'_>, form: Form) -> Result<Option<Request>, RenderError> {
        let Some(parts) = self.parts(job, form, Fill::Real(&self.variables))?.0 else {
            return Ok(None);
        };
        let url = Url::parse(&parts.url).ok().filter(is_http).ok_or_else(|| {
            RenderError::Channel("the URL is not a valid http:// or https:// URL".to_owned())
        })?;
        let Parts { method, headers, body, .. } = parts;
        let mut request = Request { method, url, headers, body };
        if let Shape::Requests(requests) = &job.kind.row.shape
            && let Some(Signer::Sigv4(service)) = &requests.sign
        {
            let keys = self.keys(job, Fill::Real(&self.variables))?;
            let key = |name: &str| keys.get(name).and_then(Value::as_str).unwrap_or_default();
            let credentials = sigv4::Credentials {
                access_key_id: key("access-key-id"),
                secret_access_key: key("secret-access-key"),
                region: key("region"),
                service,
            };
            sigv4::sign(&mut request, &credentials, job.message.now_ms);
        }
        Ok(Some(request))
    }

    /// The request without secrets: those of the channel are masked, and a URL that has one from
    /// its path on. `None` when nothing would be sent.
    pub fn show(&self, job: &Job<'_>) -> Result<Option<ShownRequest>, RenderError> {
        let (masked, notes) = self.parts(job, Form::Full, Fill::Masked)?;
        let Some(masked) = masked else { return Ok(None) };
        let real = self.render(job, Form::Full).ok().flatten();
        let url = match real {
            Some(real) if Url::parse(&masked.url).is_ok_and(|url| url == real.url) => {
                mask(&masked.url, ShownRequests::Masked)
            }
            Some(real) => {
                let origin = &real.url[Position::BeforeHost..Position::AfterPort];
                format!("{}://{origin}/{MASK}", real.url.scheme())
            }
            None => mask(&masked.url, ShownRequests::Masked),
        };
        let headers = masked.headers.into_iter().map(|(name, value)| {
            let is_secret = is_secret_header(&name) && !value.contains(MASK);
            (name, if is_secret { MASK.to_owned() } else { value })
        });
        let method = masked.method.to_string();
        Ok(Some(ShownRequest { method, url, headers: headers.collect(), body: masked.body, notes }))
    }

    /// Whether a second form of the message exists, for a receiver that refuses the first.
    pub fn has_plain_form(&self, job: &Job<'_>) -> bool {
        let group = job.message.facts.group.as_deref();
        let has_template = Kind::TEXTS.iter().any(|name| {
            channel_keys::text_template(job.channel, job.overrides, group, name).is_some()
        });
        match &job.kind.row.shape {
            Shape::Requests(requests) => requests.plain.is_some() || has_template,
            Shape::Code(_) => false,
        }
    }

    /// The secrets of the channel, which no error may show.
    pub fn secrets(&self, job: &Job<'_>) -> Vec<String> {
        let keys = self.keys(job, Fill::Real(&self.variables));
        keys.map(|keys| channel_keys::secrets(&job.kind, &keys)).unwrap_or_default()
    }

    /// The keys of the channel for the message.
    pub fn keys(&self, job: &Job<'_>, fill: Fill<'_>) -> Result<Map<String, Value>, RenderError> {
        let group = job.message.facts.group.as_deref();
        channel_keys::resolve(&job.kind, job.channel, job.overrides, group, fill)
            .map_err(RenderError::Channel)
    }

    /// Title and message, by the templates of the user or built in, within the row's limits.
    pub fn texts(&self, job: &Job<'_>, markup: Markup, form: Form) -> Texts {
        self.texts_within(job, markup, form, &job.kind.row.limits)
    }

    fn texts_within(&self, job: &Job<'_>, markup: Markup, form: Form, limits: &Limits) -> Texts {
        let built_in = text::built_in(job.message, &self.zone.borrow());
        let fields = Filled::from(context::of_message(job.message, &self.zone.borrow(), &built_in));
        let group = job.message.facts.group.as_deref();
        let mut notes = Vec::new();
        let mut write = |name: &str, built_in: &str, limit: usize| {
            let template = channel_keys::text_template(job.channel, job.overrides, group, name)
                .filter(|_| form == Form::Full);
            let (mut texts, mut failed) = ([markup, Markup::Plain].map(|_| None), None);
            if let Some(template) = template {
                for (text, markup) in texts.iter_mut().zip([markup, Markup::Plain]) {
                    match self.templates.render(template, Escape::Body(markup), &fields) {
                        Ok(rendered) if rendered.trim().is_empty() => {}
                        Ok(rendered) => *text = Some(cut_escaped(markup, &rendered, limit)),
                        Err(error) => failed = Some(error),
                    }
                }
            }
            if let Some(error) = failed {
                notes.push(format!("The template `{name}` of this channel failed: {error}"));
            }
            let [escaped, plain] = texts;
            let write = |markup| escape_within(markup, built_in, limit);
            (
                escaped.unwrap_or_else(|| write(markup)),
                plain.unwrap_or_else(|| write(Markup::Plain)),
            )
        };
        let title = write("title", &built_in.title, limits.title.unwrap_or(TITLE_LIMIT));
        let limit = limits.message.unwrap_or(MESSAGE_LIMIT);
        let message = write("message", &built_in.message, limit);
        let mut escaped = Text { title: title.0, message: message.0 };
        let mut plain = Text { title: title.1, message: message.1 };
        for note in &notes {
            let with_note = |markup, text: &str| {
                let note = escape_within(markup, note, limit);
                cut_escaped(markup, &format!("{note}\n{text}"), limit)
            };
            escaped.message = with_note(markup, &escaped.message);
            plain.message = with_note(Markup::Plain, &plain.message);
        }
        Texts { escaped, plain, notes }
    }

    /// The parts of the request, and what is wrong with the user's templates.
    fn parts(
        &self,
        job: &Job<'_>,
        form: Form,
        fill: Fill<'_>,
    ) -> Result<(Option<Parts>, Vec<String>), RenderError> {
        let keys = self.keys(job, fill)?;
        match &job.kind.row.shape {
            Shape::Requests(requests) => self.row_parts(requests, job, form, &keys),
            Shape::Code(Code::Webhook) => {
                let texts = self.texts(job, Markup::Plain, form);
                let parts = webhook::parts(job.message, &texts.escaped, &keys, &self.zone.borrow());
                Ok((Some(parts.map_err(RenderError::Channel)?), texts.notes))
            }
            Shape::Code(Code::Custom) => {
                let parts = custom::parts(job.message, &keys).map_err(RenderError::Channel)?;
                Ok((Some(parts), Vec::new()))
            }
            Shape::Code(Code::Email | Code::Alertmanager) => Err(RenderError::Channel(format!(
                "channels of the kind {} are not sent by one HTTP request",
                job.kind.name
            ))),
        }
    }

    fn row_parts(
        &self,
        requests: &Requests,
        job: &Job<'_>,
        form: Form,
        keys: &Map<String, Value>,
    ) -> Result<(Option<Parts>, Vec<String>), RenderError> {
        let message = job.message;
        let ended = text::is_resolved(message.state);
        if requests.remember.is_some() {
            match (ended, &message.reference) {
                // The receiver knows nothing of it, or everything.
                (true, None) if message.state == MessageState::Missed => {
                    return Ok((None, Vec::new()));
                }
                (false, Some(_)) if requests.update.is_none() => return Ok((None, Vec::new())),
                (true, None) => {
                    let why = "the receiver's reference to the begin is unknown, so nothing can \
                               be closed";
                    return Err(RenderError::Message(why.to_owned()));
                }
                (true, Some(_)) | (false, _) => {}
            }
        }
        let other = match (ended, &message.reference) {
            (true, _) => requests.resolve.as_ref(),
            (false, Some(_)) => requests.update.as_ref(),
            (false, None) => None,
        };
        let request = other.unwrap_or(&requests.begin);
        let plain = requests.plain.as_ref().filter(|_| form == Form::Plain);
        let markup = if plain.is_some() { Markup::Plain } else { requests.markup };
        let mut limits = job.kind.row.limits.clone();
        let body_limit = limits.body.unwrap_or(BODY_LIMIT).min(BODY_LIMIT);
        for _ in 0..=SHORTENINGS {
            let texts = self.texts_within(job, markup, form, &limits);
            let fields = context::of_message(message, &self.zone.borrow(), &texts.plain);
            let mut context = RowContext {
                templates: &self.templates,
                markup,
                keys: Filled::from(BTreeMap::from([("key", context::key(keys))])),
                all: context::of_row(fields, &texts.escaped, &texts.plain, keys),
            };
            context.with_recipient(self.recipient(job, keys)?);
            let body = context.body(request, plain)?;
            let length = body.as_ref().map_or(0, |(_, body)| body.len());
            if length > body_limit {
                let used = texts.escaped.message.chars().count();
                limits.message = Some((used * body_limit / length * 9 / 10).max(1));
                limits.title =
                    Some(limits.title.unwrap_or(TITLE_LIMIT).min(body_limit / 16).max(1));
                continue;
            }
            let parts = context.parts(requests, request, body, keys, message)?;
            return Ok((Some(parts), texts.notes));
        }
        let why = format!("the body has more than {body_limit} bytes, also with a short message");
        Err(RenderError::Message(why))
    }
}

impl Renderer {
    /// The recipient with its variables filled in; the first one of the channel when the message
    /// names none, as in a test.
    fn recipient(
        &self,
        job: &Job<'_>,
        keys: &Map<String, Value>,
    ) -> Result<Option<String>, RenderError> {
        let Some(each) = &job.kind.row.each else { return Ok(None) };
        let Some(written) = &job.message.recipient else {
            let first = keys.get(each).and_then(|items| items.get(0)).and_then(Value::as_str);
            return Ok(first.map(str::to_owned));
        };
        if job.channel.origin == Origin::Api {
            return Ok(Some(written.clone()));
        }
        let template = Template::parse(written);
        let filled = template.map_err(|why| why.of(each)).and_then(|template| {
            template.fill(&self.variables).map_err(|error| format!("{each}: {error}"))
        });
        filled.map(Some).map_err(RenderError::Channel)
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

#[cfg(test)]
mod tests;
