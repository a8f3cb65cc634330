//! Templates of rows and of users, rendered within limits: a template can neither run for long nor
//! use much memory, and reads nothing but what is passed in.

use std::collections::BTreeMap;
use std::io;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value};
use ring::digest;

use crate::alerting::markup;
use crate::alerting::placeholders::{self, Placeholder};
use crate::alerting::row::Markup;

/// Work of one template: an instruction, or 64 bytes of text.
const FUEL: u64 = 50_000;
/// Nested calls and loops.
const RECURSION_LIMIT: usize = 32;
/// Longest template, in bytes.
pub const SOURCE_LIMIT: usize = 16 * 1024;
/// Longest text that a template renders to, in bytes.
pub const OUTPUT_LIMIT: usize = 64 * 1024;

/// How values are written into a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// As they are.
    None,
    Body(Markup),
    Path,
    Header,
}

impl Escape {
    const ALL: [Self; 8] = [
        Self::None,
        Self::Body(Markup::Plain),
        Self::Body(Markup::Html),
        Self::Body(Markup::Telegram),
        Self::Body(Markup::Slack),
        Self::Body(Markup::Markdown),
        Self::Path,
        Self::Header,
    ];

    /// The name of a template, from which the environment finds how to escape.
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Body(Markup::Plain) => "plain",
            Self::Body(Markup::Html) => "html",
            Self::Body(Markup::Telegram) => "telegram",
            Self::Body(Markup::Slack) => "slack",
            Self::Body(Markup::Markdown) => "markdown",
            Self::Path => "path",
            Self::Header => "header",
        }
    }

    fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|escape| escape.name() == name).unwrap_or(Self::None)
    }

    /// `text` as a value is written; a safe one is markup already.
    fn write(self, text: &str, is_safe: bool) -> String {
        match self {
            Self::Body(markup) if !is_safe => markup::escape(markup, text),
            Self::None | Self::Body(_) => text.to_owned(),
            Self::Path => markup::encode(text),
            Self::Header => markup::header(text),
        }
    }
}

/// Why a template cannot be used or rendered, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

/// Renders templates. Cheap to use, not to make.
pub struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    pub fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION_LIMIT);
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_auto_escape_callback(|name| AutoEscape::Custom(name.to_owned().into()));
        environment.set_formatter(write_value);
        // Shows all variables.
        environment.remove_global("debug");
        environment.add_filter("cut", cut);
        environment.add_filter("newlines", newlines);
        environment.add_filter("urlencode", |text: &str| markup::encode(text));
        environment.add_filter("base64", |text: &str| BASE64_STANDARD.encode(text));
        environment.add_filter("objects", objects);
        environment.add_filter("uuid", uuid);
        environment.add_filter("placeholders", fill_placeholders);
        Self { environment }
    }

    /// Whether `source` is a template. What fails only with some values is not found.
    pub fn check(&self, source: &str) -> Result<(), TemplateError> {
        check_length(source)?;
        let compiled = self.environment.template_from_named_str(Escape::None.name(), source);
        let template = compiled.map_err(|error| described(&error))?;
        let rendered = template.render_captured_to((), &mut Bounded(Vec::new()));
        check_names(rendered.map(drop))
    }

    /// Whether `source` is an expression.
    pub fn check_expression(&self, source: &str) -> Result<(), TemplateError> {
        let compiled = self.environment.compile_expression_owned(source.to_owned());
        let expression = compiled.map_err(|error| described(&error))?;
        check_names(expression.eval(()).map(drop))
    }

    pub fn render(
        &self,
        source: &str,
        escape: Escape,
        context: &Value,
    ) -> Result<String, TemplateError> {
        check_length(source)?;
        let template = self.environment.template_from_named_str(escape.name(), source);
        let template = template.map_err(|error| described(&error))?;
        let mut output = Bounded(Vec::new());
        let rendered = template.render_captured_to(context.clone(), &mut output);
        if let Err(error) = rendered.map(drop) {
            return Err(match error.kind() {
                ErrorKind::WriteFailure => {
                    TemplateError(format!("the text has more than {OUTPUT_LIMIT} bytes"))
                }
                _ => described(&error),
            });
        }
        String::from_utf8(output.0).map_err(|error| TemplateError(error.to_string()))
    }

    /// The value of an expression, in its type.
    pub fn evaluate(&self, source: &str, context: &Value) -> Result<Value, TemplateError> {
        let expression = self.environment.compile_expression_owned(source.to_owned());
        let expression = expression.map_err(|error| described(&error))?;
        expression.eval(context.clone()).map_err(|error| described(&error))
    }
}

impl Default for Templates {
    fn default() -> Self {
        Self::new()
    }
}

/// The expression of which `template` consists.
pub fn single_expression(template: &str) -> Option<&str> {
    let inner = template.strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}")).then_some(inner)
}

/// Whether something is filled into `text`.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// `value` as JSON, with its texts escaped. `None` when it is undefined, null or empty.
pub fn to_json(value: &Value, markup: Markup) -> Option<serde_json::Value> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => None,
        ValueKind::String => {
            let text = value.as_str().filter(|text| !text.is_empty())?;
            Some(Escape::Body(markup).write(text, value.is_safe()).into())
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<_> =
                value.try_iter().ok()?.filter_map(|item| to_json(&item, markup)).collect();
            (!items.is_empty()).then(|| items.into())
        }
        ValueKind::Map => {
            let fields: serde_json::Map<_, _> = value
                .try_iter()
                .ok()?
                .filter_map(|name| {
                    let field = value.get_item(&name).ok()?;
                    Some((name.to_string(), to_json(&field, markup)?))
                })
                .collect();
            (!fields.is_empty()).then(|| fields.into())
        }
        _ => serde_json::to_value(value).ok(),
    }
}

/// Filters, tests and functions are looked up at the rendering only.
fn check_names(rendered: Result<(), minijinja::Error>) -> Result<(), TemplateError> {
    match rendered {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::UnknownFilter
                    | ErrorKind::UnknownTest
                    | ErrorKind::UnknownFunction
                    | ErrorKind::UnknownMethod
            ) =>
        {
            Err(described(&error))
        }
        _ => Ok(()),
    }
}

fn check_length(source: &str) -> Result<(), TemplateError> {
    if source.len() <= SOURCE_LIMIT {
        return Ok(());
    }
    let length = source.len();
    Err(TemplateError(format!(
        "invalid template of {length} bytes, expected at most {SOURCE_LIMIT} bytes"
    )))
}

fn described(error: &minijinja::Error) -> TemplateError {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    TemplateError(markup::clean(&format!("{}{detail}{line}", error.kind()), markup::TEXT_LIMIT))
}

/// Writes a value, escaped as the name of the template says.
fn write_value(
    output: &mut Output,
    state: &mut State,
    value: &Value,
) -> Result<(), minijinja::Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(());
    }
    let escape = match state.auto_escape() {
        AutoEscape::Custom(name) => Escape::from_name(name),
        _ => Escape::None,
    };
    let written = match value.as_str() {
        Some(text) => escape.write(text, value.is_safe()),
        None => escape.write(&value.to_string(), false),
    };
    output.write_str(&written).map_err(minijinja::Error::from)
}

fn cut(value: &Value, limit: usize) -> Value {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let cut = markup::cut(&text, limit);
    if value.is_safe() { Value::from_safe_string(cut) } else { Value::from(cut) }
}

fn newlines(value: &Value, with: &str) -> Result<Value, minijinja::Error> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let lines = text.bytes().filter(|byte| *byte == b'\n').count();
    if text.len() + lines.saturating_mul(with.len()) > OUTPUT_LIMIT {
        return Err(ErrorKind::OutOfFuel.into());
    }
    let replaced = text.replace('\n', with);
    Ok(if value.is_safe() { Value::from_safe_string(replaced) } else { Value::from(replaced) })
}

fn objects(items: &Value, name: &str) -> Vec<Value> {
    let items = items.try_iter().into_iter().flatten();
    items.map(|item| Value::from(BTreeMap::from([(name.to_owned(), item)]))).collect()
}

/// A UUID (RFC 9562, version 8) that is the same for the same text.
fn uuid(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let mut bytes: Vec<u8> = hash.as_ref().iter().copied().take(16).collect();
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// `text` with the placeholders of Gatus filled in.
fn fill_placeholders(state: &State, text: &str) -> String {
    let value = |object: &str, field: &str| {
        let object = state.lookup(object)?;
        object.get_attr(field).ok().filter(|value| !value.is_undefined() && !value.is_none())
    };
    let text_of = |object, field| value(object, field).map(|it| it.to_string()).unwrap_or_default();
    placeholders::fill(text, |placeholder| match placeholder {
        Placeholder::Description => text_of("alert", "description"),
        Placeholder::Name => text_of("service", "name"),
        Placeholder::Group => text_of("service", "group"),
        Placeholder::Url => text_of("service", "url"),
        Placeholder::Errors => {
            let detail = text_of("result", "detail");
            if detail.is_empty() { text_of("result", "reason") } else { detail }
        }
        Placeholder::Conditions => {
            let conditions = value("result", "conditions");
            let conditions = conditions.iter().filter_map(|list| list.try_iter().ok()).flatten();
            let lines = conditions.map(|condition| {
                let field = |name| condition.get_attr(name).unwrap_or_default();
                placeholders::condition_text(
                    &field("condition").to_string(),
                    field("success").is_true(),
                )
            });
            lines.collect::<Vec<_>>().join(", ")
        }
        Placeholder::State => text_of("alert", "status").to_uppercase(),
    })
}

/// Takes at most [`OUTPUT_LIMIT`] bytes.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_LIMIT {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "takes what its callers write")]
    fn render(source: &str, escape: Escape, context: Value) -> Result<String, String> {
        Templates::new().render(source, escape, &context).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_escaped_and_literal_parts_are_not() {
        let context = context! {
            name => "a_b*<&\"\u{202e}{{ key }}", safe => Value::from_safe_string("<b>".to_owned()),
        };
        for (escape, expected) in [
            (Escape::Body(Markup::Plain), "<i>a_b*<&\"\u{202e}{{ key }}</i><b>"),
            (Escape::Body(Markup::Html), "<i>a_b*&lt;&amp;&quot;\u{202e}{{ key }}</i><b>"),
            (Escape::Path, "<i>a_b%2A%3C%26%22%E2%80%AE%7B%7B%20key%20%7D%7D</i>%3Cb%3E"),
        ] {
            let rendered =
                render("<i>{{ name }}</i>{{ safe }}{{ no.such.name }}", escape, context.clone());
            assert_eq!(rendered.unwrap(), expected);
        }
        let header = render("{{ x }}", Escape::Header, context! {x => "a\r\nEvil: 1"});
        assert_eq!(header.unwrap(), "aEvil: 1");
    }

    #[test]
    fn filters_keep_what_is_safe() {
        let html = Escape::Body(Markup::Html);
        let context = context! {
            text => Value::from_safe_string("&lt;\nb".to_owned()), list => ["a", "b"],
        };
        for (source, expected) in [
            ("{{ text|newlines('<br>') }}", "&lt;<br>b"),
            ("{{ 'a<b'|cut(2) }}", "a…"),
            ("{{ 'a/b'|urlencode }} {{ 'u:p'|base64 }}", "a%2Fb dTpw"),
            ("{% for x in list|objects('n') %}{{ x.n }};{% endfor %}", "a;b;"),
            ("{{ text if no }}", ""),
        ] {
            assert_eq!(render(source, html, context.clone()).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn placeholders_and_hashes_are_filters_too() {
        let context = context! {
            text => "[ENDPOINT_GROUP]:[ENDPOINT_NAME] [RESULT_CONDITIONS] [X]",
            service => context! {name => "[ENDPOINT_GROUP]"},
            result => context! {conditions => [context! {condition => "a", success => false}]},
        };
        let plain = Escape::Body(Markup::Plain);
        let filled = render("{{ text|placeholders }}", plain, context).unwrap();
        assert_eq!(filled, ":[ENDPOINT_GROUP] ❌ - `a` [X]");
        let uuid = render("{{ 'a'|uuid }}", plain, context! {}).unwrap();
        assert_eq!(uuid, "ca978112-ca1b-8dca-bac2-31b39a23dc4d");
    }

    #[test]
    fn hostile_templates_end_and_say_why() {
        let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in \
                      range(9999) %}x{% endfor %}{% endfor %}{% endfor %}";
        let doubling = "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(64) %}{% set n.s = \
                        n.s ~ n.s %}{% endfor %}{{ n.s }}";
        let deep =
            format!("{}1{}", "{{ (".to_owned() + &"(".repeat(5_000), ")".repeat(5_001) + " }}");
        for (source, expected) in [
            (nested, "engine ran out of fuel"),
            (doubling, "engine ran out of fuel"),
            ("{{ 'x' * 300000000 }}", ""),
            ("{{ 'x' * 70000 }}", "the text has more than 65536 bytes"),
            ("{{ range(1000000000) }}", ""),
            ("{{ ('\n' * 60000)|newlines('x' * 60000) }}", "engine ran out of fuel"),
            ("{{ ('x' * 60000)|replace('x', 'x' * 60000) }}", "engine ran out of fuel"),
            ("{% include 'a' %}", ""),
            ("{{ debug() }}", "unknown function"),
            ("{{ deep", "syntax error"),
            ("{{ 1 / 0 }}", ""),
            (&deep, ""),
            (&"x".repeat(SOURCE_LIMIT + 1), "invalid template of 16385 bytes"),
        ] {
            let error = render(source, Escape::None, context! {}).unwrap_err();
            assert!(error.starts_with(expected), "{}: {error}", &source[..40.min(source.len())]);
            assert!(error.len() <= markup::TEXT_LIMIT && !error.contains('\n'));
        }
    }

    #[test]
    fn a_template_is_checked_without_rendering_it() {
        let templates = Templates::new();
        assert!(templates.check("{{ service.name|cut(3) }}{{ 1 / 0 }}").is_ok());
        let unknown = templates.check("{{ service.name|uper }}").unwrap_err().to_string();
        assert!(unknown.starts_with("unknown filter"), "{unknown}");
        let error = templates.check("a\n{{ service.name").unwrap_err().to_string();
        assert!(error.contains("syntax error") && error.ends_with("in line 2"), "{error}");
    }
}
