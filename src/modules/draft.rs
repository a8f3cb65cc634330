//! A module while it is read: the fields of a service, and where each came from.

use serde_json::{Map, Value, json};

use crate::domain::Definition;
use crate::domain::service::options::ModuleOptions;
use crate::domain::service::template::Template;
use crate::modules::block::{Place, Problems};
use crate::modules::{Prober, TlsRule};
use crate::spec::field::{Field, HEADERS, NAME, URL};
use crate::spec::{Dialect, read};

/// The name of each service; it is shown nowhere.
const SERVICE_NAME: &str = "probe";

/// A module that is not complete.
#[derive(Default)]
pub struct Draft {
    fields: Map<String, Value>,
    /// By their paths in the API.
    places: Vec<(&'static str, Place)>,
    pub is_secured: bool,
    pub upgrades: bool,
    pub tls_rule: Option<TlsRule>,
    pub of_module: ModuleOptions,
}

impl Draft {
    /// Sets a field, of which a value at `place` is the source.
    pub fn put(&mut self, field: Field, value: impl Into<Value>, place: Place) {
        let value = value.into();
        match field.api.split_once('.') {
            None => drop(self.fields.insert(field.api.to_owned(), value)),
            Some((outer, inner)) => {
                let nested = self.fields.entry(outer).or_insert_with(|| json!({}));
                nested[inner] = value;
            }
        }
        self.places.push((field.api, place));
    }

    pub fn put_header(&mut self, name: &str, value: &str, place: Place) {
        let headers = self.fields.entry(HEADERS.api).or_insert_with(|| json!({}));
        headers[name] = literal(value);
        self.places.push((HEADERS.api, place));
    }

    pub fn has(&self, field: Field) -> bool {
        self.places.iter().any(|(known, _)| *known == field.api)
    }

    /// The definition of a service with these fields, of the module at `module`; its target stands
    /// for another one.
    pub fn definition(
        &self,
        prober: Prober,
        module: &Place,
        problems: &mut Problems,
    ) -> Option<Definition> {
        let mut fields = self.fields.clone();
        fields.insert(NAME.api.to_owned(), json!(SERVICE_NAME));
        fields.insert(URL.api.to_owned(), json!(self.sample_url(prober)));
        // Files are named in it, and its texts are templates.
        match read(&fields, Dialect::Store) {
            Ok(definition) => Some(definition),
            Err(found) => {
                for problem in found {
                    let is_of = |(field, _): &&(&str, Place)| {
                        let rest = problem.path.strip_prefix(field);
                        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                    };
                    let place = self.places.iter().find(is_of).map(|(_, place)| place);
                    let place = place.unwrap_or(module);
                    problems.add(place.line, format!("{}: {}", place.path, problem.rejection));
                }
                None
            }
        }
    }

    fn sample_url(&self, prober: Prober) -> &'static str {
        match prober {
            Prober::Http => "http://127.0.0.1/",
            // Of these, only `tls` has the fields of TLS.
            Prober::Tcp if self.is_secured || self.upgrades => "tls://127.0.0.1:1",
            Prober::Tcp => "tcp://127.0.0.1:1",
            Prober::Icmp => "icmp://127.0.0.1",
            Prober::Dns => "dns://127.0.0.1",
            Prober::Grpc if self.is_secured => "grpcs://127.0.0.1:1",
            Prober::Grpc => "grpc://127.0.0.1:1",
            Prober::WebSocket => "ws://127.0.0.1/",
        }
    }
}

/// A text in which a dollar sign begins no variable.
pub fn literal(text: &str) -> Value {
    json!(Template::literal(text).as_written())
}
