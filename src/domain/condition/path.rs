//! A path into a JSON body: `.user.name`, `.items[0].id`, `[1]`.

use std::fmt;

use serde_json::Value;

/// Steps from the root; without steps, the path is the whole body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Path {
    /// Parses the text behind `[BODY]`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let step;
            (step, rest) = if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (key, rest) = after.split_at(end);
                let is_key = !key.is_empty() && !key.contains([' ', ')', '(', ']']);
                (Step::Key(is_key.then(|| key.to_owned())?), rest)
            } else {
                let (index, rest) = rest.strip_prefix('[')?.split_once(']')?;
                let is_index = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
                (Step::Index(index.parse().ok().filter(|_| is_index)?), rest)
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
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| match step {
            Step::Key(key) => write!(f, ".{key}"),
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
        let root = json!({"a": {"b": [10, {"c": "x"}]}});
        let find = |path: &str| Path::parse(path).unwrap().find(&root).cloned();
        assert_eq!(find(".a.b[1].c"), Some(json!("x")));
        assert_eq!(find(".a.b[0]"), Some(json!(10)));
        assert_eq!(find(".a.b[2]"), None);
        assert_eq!(find(".a.x"), None);
        assert_eq!(find("[0]"), None);
        assert_eq!(find(""), Some(root.clone()));
        for bad in ["a", ".", "..a", "[", "[x]", "[-1]", "[]", ".a b"] {
            assert_eq!(Path::parse(bad), None, "{bad}");
        }
    }
}
