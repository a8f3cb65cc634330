//! A row of the table of providers: what a kind of channel needs, and how its requests look. The
//! format is described at the head of `providers.yaml`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::alerting::key::Key;

/// A kind of channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub class: Class,
    pub keys: BTreeMap<String, Key>,
    pub shape: Shape,
    pub limits: Limits,
    /// The key whose items are recipients of one request each.
    pub each: Option<String>,
}

/// What a kind of channels is for the people that read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    Chat,
    Sms,
    Mail,
    /// An alert opens an incident, which its end closes.
    Incident,
    /// An alert opens an issue, which its end closes.
    Tracker,
    /// Receives each change as data.
    Stream,
}

impl Class {
    /// The word in the table and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Sms => "sms",
            Self::Mail => "mail",
            Self::Incident => "incident",
            Self::Tracker => "tracker",
            Self::Stream => "stream",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// The requests of the table.
    Requests(Box<Requests>),
    Code(Code),
}

/// Kinds whose requests code makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    Webhook,
    Custom,
    Email,
    Alertmanager,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Requests {
    /// Template of the begin of each URL.
    pub base: String,
    /// Templates of the headers of each request.
    pub headers: BTreeMap<String, String>,
    pub begin: RequestForm,
    /// The request that reports the end; `None`: the same as the begin.
    pub resolve: Option<RequestForm>,
    /// The request that reports anything else about what the begin opened; `None`: nothing is
    /// reported.
    pub update: Option<RequestForm>,
    pub markup: Markup,
    /// The body for one more attempt after a refusal.
    pub plain: Option<Tree>,
    /// JSON pointer.
    pub remember: Option<String>,
    pub success: Option<Success>,
    /// Statuses that mean success; empty: 200 to 299.
    pub accept: Vec<u16>,
    pub retry_after: Option<RetryPointer>,
    pub sign: Option<Signer>,
}

/// One request, with the templates of its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestForm {
    pub method: http::Method,
    /// Template of path and query.
    pub path: String,
    /// In addition to those of all requests.
    pub headers: BTreeMap<String, String>,
    pub body: Body,
    /// 404 and 410 mean success.
    pub gone_is_success: bool,
}

/// A body with templates.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    None,
    Json(Tree),
    Form(BTreeMap<String, Value>),
    Text(String),
}

/// JSON whose texts are templates.
pub type Tree = Value;

/// How values are escaped in a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Markup {
    #[default]
    Plain,
    Html,
    /// HTML with the few tags and entities of Telegram.
    Telegram,
    Slack,
    Markdown,
}

/// What a 2xx answer must have.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Success {
    /// JSON pointer in which `*` is each item of a list.
    pub pointer: String,
    pub is: Value,
    /// Values with which the channel failed, and not the message.
    #[serde(default)]
    pub busy: Vec<Value>,
}

/// Where an answer says when the next attempt may be made.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum RetryPointer {
    /// Seconds.
    Seconds(String),
    In {
        pointer: String,
        unit: Unit,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    S,
    Ms,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signer {
    /// AWS Signature Version 4 for this service.
    Sigv4(String),
}

/// What the receiver takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Characters.
    pub title: Option<usize>,
    /// Characters.
    pub message: Option<usize>,
    /// Bytes.
    pub body: Option<usize>,
    pub per_minute: Option<u32>,
}

impl Row {
    /// Time until a channel of this kind may send one more message.
    pub fn refill(&self) -> Duration {
        match (self.limits.per_minute, self.class) {
            (Some(messages), _) => (Duration::from_secs(60) / messages.max(1)).max(Self::REFILL),
            (None, Class::Sms) => Self::SMS_REFILL,
            (None, _) => Self::REFILL,
        }
    }

    const REFILL: Duration = Duration::from_secs(15);
    const SMS_REFILL: Duration = Duration::from_secs(60);

    /// The texts of the row that are templates, with the name of their field.
    pub fn templates(&self) -> Vec<(String, &str)> {
        let Shape::Requests(requests) = &self.shape else { return Vec::new() };
        let mut found = vec![("base".to_owned(), requests.base.as_str())];
        for (name, value) in &requests.headers {
            found.push((format!("headers.{name}"), value));
        }
        requests.begin.templates("", &mut found);
        if let Some(resolve) = &requests.resolve {
            resolve.templates("resolve.", &mut found);
        }
        if let Some(update) = &requests.update {
            update.templates("update.", &mut found);
        }
        if let Some(plain) = &requests.plain {
            leaves("plain", plain, &mut found);
        }
        found
    }
}

impl RequestForm {
    fn templates<'r>(&'r self, prefix: &str, found: &mut Vec<(String, &'r str)>) {
        let method = self.method.as_str().to_ascii_lowercase();
        found.push((format!("{prefix}{method}"), &self.path));
        for (name, value) in &self.headers {
            found.push((format!("{prefix}headers.{name}"), value));
        }
        match &self.body {
            Body::None => {}
            Body::Json(tree) => leaves(&format!("{prefix}json"), tree, found),
            Body::Form(pairs) => {
                for (name, value) in pairs {
                    leaves(&format!("{prefix}form.{name}"), value, found);
                }
            }
            Body::Text(text) => found.push((format!("{prefix}text"), text)),
        }
    }
}

/// The texts of `tree`, with their paths.
fn leaves<'r>(path: &str, tree: &'r Tree, found: &mut Vec<(String, &'r str)>) {
    match tree {
        Value::String(text) => found.push((path.to_owned(), text)),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                leaves(&format!("{path}.{at}"), item, found);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                leaves(&format!("{path}.{name}"), value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
