//! Texts with variables, such as `Bearer ${TOKEN}`. Variables are filled in for each probe, so that
//! no secret of the environment is stored, logged or shown by the API.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::domain::invalid::Invalid;

/// Values of variables: the environment at the start. Cheap to clone.
#[derive(Clone, Default)]
pub struct Variables(Arc<HashMap<String, String>>);

impl Variables {
    pub fn new(variables: HashMap<String, String>) -> Self {
        Self(Arc::new(variables))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} variables", self.0.len())
    }
}

/// A variable that a template names and the environment lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {0} not set")]
pub struct UnsetVariable(pub String);

/// A text in which `${NAME}` is a variable and `$$` a dollar sign, as in Gatus.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(String);

enum Part<'a> {
    Literal(&'a str),
    Variable(&'a str),
}

impl Template {
    pub const EXPECTED: &'static str =
        "a text in which ${NAME} names a variable and $$ is a dollar sign";

    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let template = Self(text.to_owned());
        let names_are_good = template.variables().all(is_name);
        if names_are_good && !template.has_open_brace() {
            return Ok(template);
        }
        Err(Invalid::quoted(text, Self::EXPECTED))
    }

    /// The text in which every variable has braces: `$NAME` becomes `${NAME}`, as Gatus reads it.
    pub fn with_braces(text: &str) -> String {
        let mut rest = text;
        let mut result = String::with_capacity(text.len());
        while let Some(at) = rest.find('$') {
            let (before, after) = (&rest[..=at], &rest[at + 1..]);
            result.push_str(before);
            let name = bare_name(after);
            // Of `$$`, both belong together.
            let taken = if after.starts_with('$') { 1 } else { name.len() };
            if name.is_empty() {
                result.push_str(&after[..taken]);
            } else {
                result.push_str(&format!("{{{name}}}"));
            }
            rest = &after[taken..];
        }
        result + rest
    }

    /// The text of a YAML file in which variables have no braces, which mean a mapping to YAML:
    /// `{url: ${URL}}`. Braces that separate a name from what follows stay.
    pub fn without_braces(yaml: &str) -> Cow<'_, str> {
        if !yaml.contains("${") {
            return Cow::Borrowed(yaml);
        }
        let mut result = String::with_capacity(yaml.len());
        let mut rest = yaml;
        while let Some(at) = rest.find('$') {
            let (before, after) = (&rest[..=at], &rest[at + 1..]);
            result.push_str(before);
            let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            // Behind a backslash may be an escaped letter.
            let continues = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '\\';
            match braced.filter(|(name, next)| {
                !name.is_empty() && bare_name(name) == *name && !next.starts_with(continues)
            }) {
                Some((name, next)) => {
                    result.push_str(name);
                    rest = next;
                }
                None => {
                    let taken = usize::from(after.starts_with('$'));
                    result.push_str(&after[..taken]);
                    rest = &after[taken..];
                }
            }
        }
        Cow::Owned(result + rest)
    }

    /// The template that fills to exactly `text`.
    pub fn literal(text: &str) -> Self {
        Self(text.replace('$', "$$"))
    }

    pub fn as_written(&self) -> &str {
        &self.0
    }

    /// The filled text; `None` when the template has a variable.
    pub fn as_literal(&self) -> Option<String> {
        self.fill_each(|_| None).ok()
    }

    /// The names of the variables.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts().filter_map(|part| match part {
            Part::Variable(name) => Some(name),
            Part::Literal(_) => None,
        })
    }

    /// The error names the first variable that is not set.
    pub fn fill(&self, variables: &Variables) -> Result<String, UnsetVariable> {
        self.fill_each(|name| variables.get(name).map(str::to_owned))
    }

    /// The template with everything but variables replaced by `***`.
    pub fn masked(&self) -> String {
        let mut masked = String::new();
        for part in self.parts() {
            match part {
                Part::Literal(_) if masked.ends_with("***") => {}
                Part::Literal(_) => masked.push_str("***"),
                Part::Variable(name) => masked.push_str(&format!("${{{name}}}")),
            }
        }
        masked
    }

    /// Like [`fill`](Self::fill), with values from `lookup`.
    pub fn fill_each(
        &self,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<String, UnsetVariable> {
        let mut filled = String::with_capacity(self.0.len());
        for part in self.parts() {
            match part {
                Part::Literal(text) => filled.push_str(text),
                Part::Variable(name) => {
                    let value = lookup(name).ok_or_else(|| UnsetVariable(name.to_owned()))?;
                    filled.push_str(&value);
                }
            }
        }
        Ok(filled)
    }

    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let mut rest = self.0.as_str();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            if let Some(after) = rest.strip_prefix("$$") {
                rest = after;
                return Some(Part::Literal("$"));
            }
            if let Some((name, after)) =
                rest.strip_prefix("${").and_then(|inner| inner.split_once('}'))
            {
                rest = after;
                return Some(Part::Variable(name));
            }
            // Any other dollar sign is a literal.
            let next = rest.char_indices().skip(1).find(|(_, c)| *c == '$').map(|(at, _)| at);
            let (literal, after) = rest.split_at(next.unwrap_or(rest.len()));
            rest = after;
            Some(Part::Literal(literal))
        })
    }

    fn has_open_brace(&self) -> bool {
        self.parts().any(|part| matches!(part, Part::Literal(text) if text.starts_with("${")))
    }
}

/// Kubernetes allows dots and dashes in the names of variables.
fn is_name(name: &str) -> bool {
    !bare_name(name).is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// The name of a variable without braces at the begin of `text`, empty when there is none.
fn bare_name(text: &str) -> &str {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if begins { &text[..end] } else { "" }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        Variables::new(HashMap::from([("TOKEN".to_owned(), "s3cret$$".to_owned())]))
    }

    #[test]
    fn only_variables_and_double_dollars_are_replaced() {
        for (written, filled) in [
            ("Bearer ${TOKEN}", "Bearer s3cret$$"),
            ("${TOKEN}${TOKEN}", "s3cret$$s3cret$$"),
            ("$$5 and $${TOKEN}", "$5 and ${TOKEN}"),
            ("5$ and $x", "5$ and $x"),
            ("", ""),
            ("ünï$", "ünï$"),
        ] {
            assert_eq!(Template::parse(written).unwrap().fill(&variables()).unwrap(), filled);
        }
        assert_eq!(
            Template::parse("${NOT_SET}").unwrap().fill(&variables()),
            Err(UnsetVariable("NOT_SET".to_owned()))
        );
        for bad in ["${", "${}", "${a b}", "x ${1}", "${TOKEN"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_without_braces_is_a_variable_in_a_services_file() {
        for (written, with_braces) in [
            ("$TOKEN", "${TOKEN}"),
            ("a$TOKEN.b$_x-$y1", "a${TOKEN}.b${_x}-${y1}"),
            ("$$TOKEN $$$TOKEN", "$$TOKEN $$${TOKEN}"),
            ("${TOKEN}$TOKEN", "${TOKEN}${TOKEN}"),
            ("^a$", "^a$"),
            ("$(x) $ $/ $5 $é", "$(x) $ $/ $5 $é"),
            ("$$", "$$"),
            ("", ""),
        ] {
            assert_eq!(Template::with_braces(written), with_braces, "{written}");
        }
        assert!(Template::parse("${my.var-1}").is_ok(), "a name in Kubernetes");
        for (yaml, without) in [
            ("{a: ${A}, b: [${B},${C}]}", "{a: $A, b: [$B,$C]}"),
            ("${A}${B}/${C}d ${D}_ \"${E}\\x41\"", "$A$B/${C}d ${D}_ \"${E}\\x41\""),
            ("$${A} $$${B} ${a.b} ${} ${", "$${A} $$$B ${a.b} ${} ${"),
            ("$A", "$A"),
        ] {
            assert_eq!(Template::without_braces(yaml), without, "{yaml}");
        }
    }

    #[test]
    fn a_literal_fills_to_its_text() {
        for text in ["", "$", "$$", "${TOKEN}", "a$${b}c", "plain"] {
            let template = Template::parse(Template::literal(text).as_written()).unwrap();
            assert_eq!(template.as_literal().as_deref(), Some(text));
        }
    }

    #[test]
    fn a_mask_shows_only_the_variables() {
        let masked = |text: &str| Template::parse(text).unwrap().masked();
        assert_eq!(masked("Bearer ${TOKEN}"), "***${TOKEN}");
        assert_eq!(masked("hunter2$$"), "***");
        assert_eq!(masked(""), "");
        assert_eq!(format!("{:?}", Template::literal("hunter2")), "***");
    }
}
