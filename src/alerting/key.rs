//! A key of a channel, as the table of providers describes it: its type, and which values are
//! valid.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::{Invalid, Origin, Template};

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Key {
    pub required: bool,
    pub secret: bool,
    #[serde(rename = "type")]
    pub value_type: ValueType,
    pub default: Option<Value>,
    /// Of an integer: least and greatest value.
    pub range: Option<(i64, i64)>,
    /// Valid texts.
    pub one_of: Vec<String>,
    /// The first characters of a text or URL.
    pub begins: Option<String>,
    /// Number of characters of a text.
    pub length: Option<usize>,
    /// Greatest number of characters of a text.
    pub longest: Option<usize>,
    /// Number of segments of a URL's path.
    pub segments: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueType {
    #[default]
    Text,
    Url,
    Integer,
    Boolean,
    /// Of texts; also one text, with commas between the items.
    List,
    /// A list of integers; also one text, with commas between them.
    Integers,
    /// Of texts, or of mappings of texts.
    Map,
}

impl ValueType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Url => "url",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::List => "list",
            Self::Integers => "integers",
            Self::Map => "map",
        }
    }
}

impl Key {
    /// Checks a value as it is written. One with a variable (`${NAME}`) is checked as far as
    /// possible: [`typed`](Self::typed) checks what it fills to.
    pub fn check(&self, value: &Value, origin: Origin) -> Result<(), Invalid> {
        if origin == Origin::Api {
            return self.typed(value).map(drop);
        }
        if has_variable(value) {
            return texts_of(value).into_iter().try_for_each(|text| {
                Template::parse(text).map(drop).map_err(|why| self.shown(value, why))
            });
        }
        self.typed(&literal(value)).map(drop)
    }

    /// The value in the type of the key. Texts are accepted for each type but maps, since a file
    /// has every scalar as a text.
    pub fn typed(&self, value: &Value) -> Result<Value, Invalid> {
        let invalid = || self.invalid(value);
        let text = scalar(value);
        match self.value_type {
            ValueType::Text => {
                let text = text.ok_or_else(invalid)?;
                let is_valid = (self.one_of.is_empty() || self.one_of.contains(&text))
                    && self.begins.as_ref().is_none_or(|begin| text.starts_with(begin))
                    && self.length.is_none_or(|length| text.chars().count() == length)
                    && self.longest.is_none_or(|longest| text.chars().count() <= longest)
                    && !(self.required && text.is_empty());
                // An optional key may be switched off by an empty text.
                let is_off = text.is_empty() && !self.required;
                if is_valid || is_off { Ok(Value::String(text)) } else { Err(invalid()) }
            }
            ValueType::Url => {
                let text = text.ok_or_else(invalid)?;
                let url = url::Url::parse(&text).map_err(|_| invalid())?;
                let segments = || url.path_segments().into_iter().flatten();
                let is_valid = matches!(url.scheme(), "http" | "https")
                    && url.has_host()
                    && self.begins.as_ref().is_none_or(|begin| text.starts_with(begin))
                    && self.segments.is_none_or(|count| {
                        segments().count() == count && segments().all(|part| !part.is_empty())
                    });
                if is_valid { Ok(Value::String(text)) } else { Err(invalid()) }
            }
            ValueType::Integer => {
                let number: i64 = text.and_then(|text| text.parse().ok()).ok_or_else(invalid)?;
                let (least, greatest) = self.range.unwrap_or((i64::MIN, i64::MAX));
                if (least..=greatest).contains(&number) {
                    Ok(Value::from(number))
                } else {
                    Err(invalid())
                }
            }
            ValueType::Boolean => match text.as_deref() {
                Some("true") => Ok(Value::Bool(true)),
                Some("false") => Ok(Value::Bool(false)),
                _ => Err(invalid()),
            },
            ValueType::List => {
                let items: Vec<Value> = match value {
                    Value::Array(items) => {
                        let items = items.iter().map(scalar).map(|item| item.map(Value::String));
                        items.collect::<Option<_>>().ok_or_else(invalid)?
                    }
                    _ => {
                        let text = text.ok_or_else(invalid)?;
                        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                        items.map(Value::from).collect()
                    }
                };
                if self.required && items.is_empty() { Err(invalid()) } else { Ok(items.into()) }
            }
            ValueType::Integers => {
                let list = Key { value_type: ValueType::List, ..Key::default() };
                let items = list.typed(value).map_err(|_| invalid())?;
                let items = items.as_array().into_iter().flatten();
                let number = |item: &Value| item.as_str().and_then(|item| item.parse().ok());
                let numbers = items.map(|item| number(item).map(|number: i64| Value::from(number)));
                numbers.collect::<Option<Value>>().ok_or_else(invalid)
            }
            ValueType::Map => match value {
                Value::Object(fields) => texts_in(fields, 1).ok_or_else(invalid),
                _ => Err(invalid()),
            },
        }
    }

    /// What is valid, as a noun phrase.
    pub fn expected(&self) -> String {
        match self.value_type {
            ValueType::Text if !self.one_of.is_empty() => {
                format!("one of {}", self.one_of.join(", "))
            }
            ValueType::Text => match (self.length, self.longest, &self.begins) {
                (Some(length), ..) => format!("a text of {length} characters"),
                (_, Some(longest), _) => format!("a text of at most {longest} characters"),
                (.., Some(begin)) => format!("a text that begins with {begin}"),
                _ if self.required => "a text that is not empty".to_owned(),
                _ => "a text".to_owned(),
            },
            ValueType::Url => match (self.segments, &self.begins) {
                (Some(count), _) => {
                    format!("an http:// or https:// URL with {count} segments in its path")
                }
                (None, Some(begin)) => format!("a URL that begins with {begin}"),
                (None, None) => "an http:// or https:// URL".to_owned(),
            },
            ValueType::Integer => match self.range {
                Some((least, greatest)) => format!("{least} to {greatest}"),
                None => "an integer".to_owned(),
            },
            ValueType::Boolean => "true or false".to_owned(),
            ValueType::List if self.required => "a list of at least one text".to_owned(),
            ValueType::List => "a list of texts".to_owned(),
            ValueType::Integers => "a list of integers".to_owned(),
            ValueType::Map => "a mapping of texts".to_owned(),
        }
    }

    fn invalid(&self, value: &Value) -> Invalid {
        self.shown(value, Invalid::hidden(self.expected()))
    }

    /// `why` with the value, unless it is a secret.
    fn shown(&self, value: &Value, why: Invalid) -> Invalid {
        if self.secret { Invalid::hidden(self.expected()) } else { why.shown_as(value) }
    }
}

/// Whether a text of `value` names a variable, or cannot be read.
fn has_variable(value: &Value) -> bool {
    texts_of(value)
        .into_iter()
        .any(|text| Template::parse(text).map_or(true, |template| template.as_literal().is_none()))
}

/// `value` with `$$` as a dollar sign in each text.
fn literal(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let filled = Template::parse(text).ok().and_then(|template| template.as_literal());
            Value::String(filled.unwrap_or_else(|| text.clone()))
        }
        Value::Array(items) => items.iter().map(literal).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), literal(value))).collect()
        }
        other => other.clone(),
    }
}

fn texts_of(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts_of).collect(),
        Value::Object(fields) => fields.values().flat_map(texts_of).collect(),
        _ => Vec::new(),
    }
}

/// `fields` with texts as values, or mappings of texts.
fn texts_in(fields: &Map<String, Value>, depth: usize) -> Option<Value> {
    let texts = fields.iter().map(|(name, value)| {
        let value = match value {
            Value::Object(fields) if depth > 0 => texts_in(fields, depth - 1)?,
            other => Value::String(scalar(other)?),
        };
        Some((name.clone(), value))
    });
    texts.collect::<Option<_>>().map(Value::Object)
}

/// The text of a scalar.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether a value means that the key is not set: null, or an empty text.
pub fn is_unset(value: &Value) -> bool {
    matches!(value, Value::Null) || value.as_str() == Some("")
}
