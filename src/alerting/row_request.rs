//! The parts of one request of a row.

use std::collections::BTreeMap;

use minijinja::Value as Filled;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::alerting::markup::header;
use crate::alerting::parts::{IDEMPOTENCY_KEY, Parts, RenderError, idempotency_key};
use crate::alerting::row::{Body, Markup, RequestForm, Requests, Tree};
use crate::alerting::table;
use crate::alerting::template::{Escape, Templates, single_expression, to_json};
use crate::alerting::tree::TreeRenderer;
use crate::domain::alert::Message;

/// Renders the parts of one request of a row.
pub struct RowContext<'r> {
    pub templates: &'r Templates,
    pub markup: Markup,
    /// For `base`: nothing but the keys.
    pub keys: Filled,
    pub all: Filled,
}

impl RowContext<'_> {
    pub fn with_recipient(&mut self, recipient: Option<String>) {
        let Some(recipient) = recipient else { return };
        let recipient = BTreeMap::from([("recipient", Filled::from_safe_string(recipient))]);
        self.all = minijinja::context! { ..Filled::from(recipient), ..self.all.clone() };
    }

    pub fn parts(
        &self,
        requests: &Requests,
        request: &RequestForm,
        body: Option<(&'static str, String)>,
        keys: &Map<String, Value>,
        message: &Message,
    ) -> Result<Parts, RenderError> {
        let path = self.templates.render(&request.path, Escape::Path, &self.all)?;
        let base = match keys.get(table::BASE_URL).and_then(Value::as_str) {
            Some(base) => base.to_owned(),
            None => self.templates.render(&requests.base, Escape::None, &self.keys)?,
        };
        let base = if path.starts_with('/') { base.trim_end_matches('/') } else { &base };
        let mut headers = Vec::new();
        for (name, value) in requests.headers.iter().chain(&request.headers) {
            if let Some(value) = self.header(value)? {
                headers.push((name.clone(), value));
            }
        }
        let (content_type, body) = body.unzip();
        let defaults = [
            ("Content-Type", content_type.map(str::to_owned)),
            (IDEMPOTENCY_KEY, Some(idempotency_key(message))),
        ];
        for (name, value) in defaults {
            let is_set = headers.iter().any(|(set, _)| set.eq_ignore_ascii_case(name));
            headers.extend(value.filter(|_| !is_set).map(|value| (name.to_owned(), value)));
        }
        let method = request.method.clone();
        Ok(Parts { method, url: format!("{base}{path}"), headers, body })
    }

    fn header(&self, template: &str) -> Result<Option<String>, RenderError> {
        let value = match single_expression(template) {
            Some(expression) => {
                let value = self.templates.evaluate(expression, &self.all)?;
                match to_json(&value, Markup::Plain) {
                    None => return Ok(None),
                    Some(Value::String(text)) => header(&text),
                    Some(other) => header(&other.to_string()),
                }
            }
            None => self.templates.render(template, Escape::Header, &self.all)?,
        };
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// The type and the text of the body.
    pub fn body(
        &self,
        request: &RequestForm,
        plain: Option<&Tree>,
    ) -> Result<Option<(&'static str, String)>, RenderError> {
        const JSON: &str = "application/json";
        const FORM: &str = "application/x-www-form-urlencoded";
        let trees =
            TreeRenderer { templates: self.templates, markup: self.markup, context: &self.all };
        let json = |tree| -> Result<_, RenderError> {
            let value = trees.render(tree)?.unwrap_or_else(|| Value::Object(Map::new()));
            Ok(Some((JSON, value.to_string())))
        };
        let form = |pairs: Vec<(String, String)>| {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(pairs);
            Some((FORM, form.finish()))
        };
        match (&request.body, plain) {
            (Body::Json(_), Some(tree)) => json(tree),
            (Body::Json(tree), None) => json(tree),
            (Body::Form(_), Some(Value::Object(fields))) => Ok(form(trees.form(fields.iter())?)),
            (Body::Form(fields), _) => Ok(form(trees.form(fields.iter())?)),
            (Body::Text(text), _) => {
                let text = self.templates.render(text, Escape::Body(self.markup), &self.all)?;
                Ok(Some(("text/plain; charset=utf-8", text)))
            }
            (Body::None, _) => Ok(None),
        }
    }
}
