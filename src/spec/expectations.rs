//! The fields of an HTTP response's expectations: reader and writer of all dialects.

use serde_json::{Map, Value, json};

use crate::domain::invalid::Invalid;
use crate::domain::service::bytes_regex::BytesRegex;
use crate::domain::service::expectations::{Expectations, HeaderRegex, StatusRange};
use crate::spec::field::{
    ACCEPT_STATUS, BODY_LACKS, BODY_MATCHES, Dialect, Field, HEADER_LACKS, HEADER_MATCHES,
};
use crate::spec::field_reader::FieldReader;
use crate::spec::problem::{Problem, Rejection};
use crate::spec::values;

/// Most entries of a field.
const ENTRIES_MAX: usize = 50;

const NAME: &str = "name";
const REGEX: &str = "regex";

fn allow_missing(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Api | Dialect::Store => "allow_missing",
        Dialect::File => "allow-missing",
    }
}

impl FieldReader<'_> {
    pub(super) fn expectations(&mut self) -> Option<Box<Expectations>> {
        let statuses = self.take(ACCEPT_STATUS, |value, dialect| {
            let expected = "a list of at most 50 statuses such as 404 or 200-299";
            let parse = |text: &str| StatusRange::parse(values::trimmed(text, dialect));
            values::list(value, dialect, ENTRIES_MAX, expected, parse)
        });
        let expectations = Expectations {
            accept_status: statuses.unwrap_or_default(),
            body_matches: self.regexes(BODY_MATCHES),
            body_lacks: self.regexes(BODY_LACKS),
            header_matches: self.header_regexes(HEADER_MATCHES),
            header_lacks: self.header_regexes(HEADER_LACKS),
        };
        (expectations != Expectations::default()).then(|| Box::new(expectations))
    }

    fn regexes(&mut self, field: Field) -> Vec<BytesRegex> {
        let regexes = self.take(field, |value, dialect| {
            let expected = "a list of at most 50 regular expressions";
            values::list(value, dialect, ENTRIES_MAX, expected, BytesRegex::parse)
        });
        regexes.unwrap_or_default()
    }

    fn header_regexes(&mut self, field: Field) -> Vec<HeaderRegex> {
        let items = self.take(field, |value, dialect| {
            let items = value.as_array().filter(|items| items.len() <= ENTRIES_MAX);
            let expected = "a list of at most 50 mappings with name and regex";
            items.ok_or_else(|| Invalid::new(values::shown(value, dialect), expected))
        });
        let mut regexes = Vec::new();
        for (nth, item) in items.into_iter().flatten().enumerate() {
            // Entries are counted from 1 in the services file and from 0 in the API.
            let number = nth + usize::from(self.dialect == Dialect::File);
            let path = format!("{}.{number}", field.path(self.dialect));
            match header_regex(item, &path, self.dialect) {
                Ok(regex) => regexes.push(regex),
                Err(problems) => self.problems.extend(problems),
            }
        }
        regexes
    }
}

/// Reads the entry at `path`.
fn header_regex(item: &Value, path: &str, dialect: Dialect) -> Result<HeaderRegex, Vec<Problem>> {
    let problem = |key: &str, rejection: Rejection| {
        let path = if key.is_empty() { path.to_owned() } else { format!("{path}.{key}") };
        Problem { path, rejection }
    };
    let Some(map) = item.as_object() else {
        return Err(vec![problem("", Invalid::hidden("a mapping").into())]);
    };
    let mut problems = Vec::new();
    let keys = [NAME, REGEX, allow_missing(dialect)];
    for key in map.keys().filter(|key| !keys.contains(&key.as_str())) {
        let known = keys.join(", ");
        let rejection = match dialect {
            Dialect::File => Rejection::UnknownKey(known),
            Dialect::Api | Dialect::Store => Rejection::UnknownField(known),
        };
        problems.push(problem(key, rejection));
    }
    let value = |key: &str| map.get(key).filter(|value| !value.is_null());
    let name = match value(NAME) {
        None => Err(Rejection::Required),
        Some(value) => values::response_header(value, dialect).map_err(Rejection::from),
    };
    let regex = match value(REGEX) {
        None => Err(Rejection::Required),
        Some(value) => {
            values::text(value, dialect).and_then(BytesRegex::parse).map_err(Rejection::from)
        }
    };
    let allows = value(allow_missing(dialect)).map(|value| values::boolean(value, dialect));
    let allows = allows.transpose().map_err(Rejection::from);
    match (name, regex, allows) {
        (Ok(name), Ok(regex), Ok(allows)) if problems.is_empty() => {
            Ok(HeaderRegex { name, regex, allow_missing: allows.unwrap_or(false) })
        }
        (name, regex, allows) => {
            problems.extend(name.err().map(|it| problem(NAME, it)));
            problems.extend(regex.err().map(|it| problem(REGEX, it)));
            problems.extend(allows.err().map(|it| problem(allow_missing(dialect), it)));
            Err(problems)
        }
    }
}

/// The fields that are set, in the dialect of the API.
pub fn write(expectations: &Expectations) -> Vec<(Field, Value)> {
    let statuses = expectations.accept_status.iter().map(|range| json!(range.to_string()));
    let regexes = |all: &[BytesRegex]| all.iter().map(|it| json!(it.as_str())).collect();
    let headers = |all: &[HeaderRegex]| all.iter().map(write_header_regex).collect();
    let fields: [(Field, Vec<Value>); 5] = [
        (ACCEPT_STATUS, statuses.collect()),
        (BODY_MATCHES, regexes(&expectations.body_matches)),
        (BODY_LACKS, regexes(&expectations.body_lacks)),
        (HEADER_MATCHES, headers(&expectations.header_matches)),
        (HEADER_LACKS, headers(&expectations.header_lacks)),
    ];
    let set = fields.into_iter().filter(|(_, entries)| !entries.is_empty());
    set.map(|(field, entries)| (field, Value::Array(entries))).collect()
}

fn write_header_regex(regex: &HeaderRegex) -> Value {
    let HeaderRegex { name, regex, allow_missing: allows } = regex;
    let mut map = Map::new();
    map.insert(NAME.to_owned(), json!(name));
    map.insert(REGEX.to_owned(), json!(regex.as_str()));
    if *allows {
        map.insert(allow_missing(Dialect::Api).to_owned(), json!(true));
    }
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::service::expectations;
    use crate::spec::{Form, read, read_options, write, write_options};

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn problems(fields: &Value, dialect: Dialect) -> Vec<String> {
        let problems = read(&object(fields), dialect).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn results_name_the_fields() {
        for (name, field) in [
            (expectations::ACCEPT_STATUS, ACCEPT_STATUS),
            (expectations::BODY_MATCHES, BODY_MATCHES),
            (expectations::BODY_LACKS, BODY_LACKS),
            (expectations::HEADER_MATCHES, HEADER_MATCHES),
            (expectations::HEADER_LACKS, HEADER_LACKS),
        ] {
            assert_eq!(name, field.api);
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_back(
            statuses in vec("[1-9][0-9]{2}", 0..3),
            regexes in vec(vec("[a-z.^]{1,5}", 0..3), 2),
            headers in vec(vec(("[A-Za-z-]{1,9}", "[a-z.]{1,5}", any::<bool>()), 0..3), 2),
        ) {
            let headers: Vec<Vec<Value>> = headers
                .into_iter()
                .map(|all| {
                    let entry = |(name, regex, allows): (String, String, bool)| match allows {
                        true => json!({"name": name, "regex": regex, "allow_missing": true}),
                        false => json!({"name": name, "regex": regex}),
                    };
                    all.into_iter().map(entry).collect()
                })
                .collect();
            let mut written = object(&json!({
                "name": "a", "url": "http://a/", "enabled": true, "conditions": [], "group": null,
                "interval_seconds": null, "timeout_seconds": null,
                "accept_status": statuses, "body_matches": regexes[0], "body_lacks": regexes[1],
                "header_matches": headers[0], "header_lacks": headers[1],
            }));
            let definition = read(&written, Dialect::Api).unwrap();
            written.retain(|name, value| {
                let is_default = FIELDS.contains(&name.as_str()) && value == &json!([]);
                !is_default
            });
            prop_assert_eq!(&write(&definition, Form::Literal), &written);
            let stored = write_options(&definition.options, Form::Stored);
            prop_assert_eq!(&read_options(&stored).unwrap(), &definition.options);
        }
    }

    const FIELDS: [&str; 5] =
        ["accept_status", "body_matches", "body_lacks", "header_matches", "header_lacks"];

    #[test]
    fn the_services_file_has_the_same_fields() {
        let file = json!({"name": "a", "url": "http://a/", "client": {
            "accept-status": ["200-299", "404"], "body-matches": ["ok"], "body-lacks": ["error"],
            "header-matches": [{"name": "A", "regex": "b", "allow-missing": "true"}],
            "header-lacks": [{"name": "C", "regex": "d"}],
        }});
        let api = json!({"name": "a", "url": "http://a/",
            "accept_status": ["200-299", "404"], "body_matches": ["ok"], "body_lacks": ["error"],
            "header_matches": [{"name": "A", "regex": "b", "allow_missing": true}],
            "header_lacks": [{"name": "C", "regex": "d", "allow_missing": false}],
        });
        let of_file = read(&object(&file), Dialect::File).unwrap();
        assert_eq!(of_file, read(&object(&api), Dialect::Api).unwrap());
        assert!(of_file.options.expectations.is_some());
    }

    #[test]
    fn each_invalid_entry_is_named() {
        let api = json!({"name": "a", "url": "http://a/",
            "accept_status": ["2xx"], "body_matches": ["("], "body_lacks": "x",
            "header_matches": [{"name": "A", "regex": "b"}, {"name": "a b", "colour": 1}, 7],
        });
        assert_eq!(
            problems(&api, Dialect::Api),
            [
                "accept_status: invalid value \"2xx\", expected a status from 100 to 999, or a \
                 range such as 200-299",
                "body_matches: invalid value \"(\" (unclosed group), expected a regular expression \
                 of 1 to 2,048 bytes in the syntax of RE2, without look-around",
                "body_lacks: invalid value \"x\", expected a list of at most 50 regular \
                 expressions",
                "header_matches.1.colour: unknown or read-only field, expected one of name, \
                 regex, allow_missing",
                "header_matches.1.name: invalid value \"a b\", expected the name of a header",
                "header_matches.1.regex: required",
                "header_matches.2: invalid value, expected a mapping",
            ]
        );
        let file = json!({"name": "a", "url": "http://a/", "client": {
            "header-lacks": [{"name": "A", "regex": "b", "allow_missing": "true"}],
        }});
        assert_eq!(
            problems(&file, Dialect::File),
            ["client.header-lacks.1.allow_missing: unknown key, expected one of name, regex, \
              allow-missing"]
        );
    }

    #[test]
    fn only_http_has_them() {
        for (name, value) in FIELDS.iter().zip([
            json!(["200"]),
            json!(["a"]),
            json!(["a"]),
            json!([{"name": "A", "regex": "a"}]),
            json!([{"name": "A", "regex": "a"}]),
        ]) {
            for url in ["ws://a/", "tcp://a:1", "grpc://a:1", "icmp://a"] {
                let mut map = object(&json!({"name": "a", "url": url}));
                map.insert((*name).to_owned(), value.clone());
                let problems = problems(&Value::Object(map), Dialect::Api);
                let kind = url.split("://").next().unwrap();
                assert_eq!(problems, [format!("{name}: not supported by {kind} targets")]);
            }
        }
    }
}
