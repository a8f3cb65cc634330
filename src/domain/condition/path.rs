//! A path into a JSON body: `.user.name`, `.items[0].id`, `[1]`, `["a.b"]`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde_json::Value;
use serde_json::value::RawValue;

/// Steps from the root; without steps, the path is the whole body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Path {
    /// Parses the text behind `[BODY]`. A key with a dot or a bracket is a JSON string in
    /// brackets.
    pub fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let step;
            (step, rest) = match rest.strip_prefix('.') {
                Some(after) => {
                    let end = after.find(['.', '[']).unwrap_or(after.len());
                    let (key, rest) = after.split_at(end);
                    (Step::Key(is_plain(key).then(|| key.to_owned())?), rest)
                }
                None if rest.starts_with("[\"") => quoted(&rest[1..])?,
                None => {
                    let (index, rest) = rest.strip_prefix('[')?.split_once(']')?;
                    let is_index =
                        !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
                    (Step::Index(index.parse().ok().filter(|_| is_index)?), rest)
                }
            };
            steps.push(step);
        }
        Some(Self(steps))
    }

    /// Whether the path is the whole body, which need not be JSON then.
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// The value at the path.
    pub fn find<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(root, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        })
    }

    /// The value at the path as `json` writes it; a number keeps all its digits.
    pub fn find_text<'j>(&self, json: &'j str) -> Option<&'j str> {
        self.0.iter().try_fold(json.trim(), |text, step| {
            let found = match step {
                Step::Key(key) => {
                    let fields: HashMap<Cow<'_, str>, &RawValue> =
                        serde_json::from_str(text).ok()?;
                    *fields.get(key.as_str())?
                }
                Step::Index(index) => {
                    let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                    *items.get(*index)?
                }
            };
            Some(found.get())
        })
    }
}

/// A key that a dot may precede: within a condition, nothing ends or splits it.
fn is_plain(key: &str) -> bool {
    !key.is_empty() && key == key.trim() && !key.contains(['.', '[', ']', '"'])
}

/// The key of `text`, which begins with a JSON string and `]`, and the rest.
fn quoted(text: &str) -> Option<(Step, &str)> {
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let key = strings.next()?.ok()?;
    let rest = text[strings.byte_offset()..].strip_prefix(']')?;
    Some((Step::Key(key), rest))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| match step {
            Step::Key(key) if is_plain(key) => write!(f, ".{key}"),
            Step::Key(key) => write!(f, "[{}]", Value::from(key.as_str())),
            Step::Index(index) => write!(f, "[{index}]"),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_maps_and_lists() {
        let root = json!({"a": {"b": [10, {"c": "x"}]}, "d e": 1, "p(q)": 2, "x.y": {"[z]": 3}});
        let find = |path: &str| Path::parse(path).unwrap().find(&root).cloned();
        assert_eq!(find(".a.b[1].c"), Some(json!("x")));
        assert_eq!(find(".a.b[0]"), Some(json!(10)));
        assert_eq!(find(".a.b[2]"), None);
        assert_eq!(find(".a.x"), None);
        assert_eq!(find("[0]"), None);
        assert_eq!(find(""), Some(root.clone()));
        assert_eq!(find(".d e"), Some(json!(1)));
        assert_eq!(find(".p(q)"), Some(json!(2)));
        assert_eq!(find("[\"x.y\"][\"[z]\"]"), Some(json!(3)));
        for bad in ["a", ".", "..a", "[", "[x]", "[-1]", "[]", ".a ", "[\"a]", "[\"a\"", ".a]"] {
            assert_eq!(Path::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_path_prints_in_its_shortest_form() {
        for (text, printed) in [
            ("[\"a\"].b", ".a.b"),
            ("[\"a.b\"]", "[\"a.b\"]"),
            ("[\"\"]", "[\"\"]"),
            ("[\"q\\\"\"]", "[\"q\\\"\"]"),
            (".a b[1]", ".a b[1]"),
        ] {
            let path = Path::parse(text).unwrap();
            assert_eq!(path.to_string(), printed);
            assert_eq!(Path::parse(printed), Some(path));
        }
    }

    #[test]
    fn the_text_of_a_number_keeps_its_digits() {
        let json = r#" {"a": [0.10, {"b": 123456789012345678901}], "a b": 1e400} "#;
        let text = |path: &str| Path::parse(path).unwrap().find_text(json);
        assert_eq!(text(".a[0]"), Some("0.10"));
        assert_eq!(text(".a[1].b"), Some("123456789012345678901"));
        assert_eq!(text(".a b"), Some("1e400"));
        assert_eq!(text(".a[2]"), None);
        assert_eq!(text(".x"), None);
    }
}
