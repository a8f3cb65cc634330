//! Trees: JSON of which each text is a template. What is rendered cannot be invalid JSON.

use minijinja::Value as Filled;
use serde_json::{Map, Value};

use crate::alerting::row::{Markup, Tree};
use crate::alerting::template::{
    Escape, TemplateError, Templates, is_template, single_expression, to_json,
};

/// The key of a mapping that is left out unless its expression is true.
const CONDITION: &str = "if";

/// Renders trees of one body.
pub struct TreeRenderer<'r> {
    pub templates: &'r Templates,
    pub markup: Markup,
    pub context: &'r Filled,
}

impl TreeRenderer<'_> {
    /// `None` when nothing of the tree is left.
    pub fn render(&self, tree: &Tree) -> Result<Option<Value>, TemplateError> {
        match tree {
            Value::String(text) => self.leaf(text),
            Value::Array(items) if !items.is_empty() => {
                let mut rendered = Vec::with_capacity(items.len());
                for item in items {
                    rendered.extend(self.render(item)?);
                }
                Ok((!rendered.is_empty()).then(|| rendered.into()))
            }
            Value::Object(fields) if !fields.is_empty() => self.mapping(fields),
            literal => Ok(Some(literal.clone())),
        }
    }

    /// The pairs of a form: one for each item of a list.
    pub fn form<'f>(
        &self,
        fields: impl Iterator<Item = (&'f String, &'f Value)>,
    ) -> Result<Vec<(String, String)>, TemplateError> {
        let mut pairs = Vec::new();
        for (name, value) in fields {
            match self.render(value)? {
                None => {}
                Some(Value::Array(items)) => {
                    pairs.extend(items.iter().map(|item| (name.clone(), form_text(item))));
                }
                Some(value) => pairs.push((name.clone(), form_text(&value))),
            }
        }
        Ok(pairs)
    }

    fn mapping(&self, fields: &Map<String, Value>) -> Result<Option<Value>, TemplateError> {
        if let Some(Value::String(condition)) = fields.get(CONDITION)
            && !self.templates.evaluate(condition, self.context)?.is_true()
        {
            return Ok(None);
        }
        let mut rendered = Map::new();
        for (name, value) in fields.iter().filter(|(name, _)| *name != CONDITION) {
            if let Some(value) = self.render(value)? {
                rendered.insert(name.clone(), value);
            }
        }
        Ok((!rendered.is_empty()).then_some(Value::Object(rendered)))
    }

    fn leaf(&self, text: &str) -> Result<Option<Value>, TemplateError> {
        if let Some(expression) = single_expression(text) {
            let value = self.templates.evaluate(expression, self.context)?;
            return Ok(to_json(&value, self.markup));
        }
        if !is_template(text) {
            return Ok(Some(text.into()));
        }
        let text = self.templates.render(text, Escape::Body(self.markup), self.context)?;
        Ok((!text.is_empty()).then(|| text.into()))
    }
}

fn form_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn render(tree: &Value, markup: Markup, context: &Filled) -> Option<Value> {
        let templates = Templates::new();
        TreeRenderer { templates: &templates, markup, context }.render(tree).unwrap()
    }

    #[test]
    fn a_leaf_keeps_the_type_of_its_expression_and_empty_ones_go() {
        let context = context! {
            n => 5, list => ["a<", ""], map => context! {k => "<", none => ()}, empty => "",
            no => false, text => "x",
        };
        let tree = json!({
            "number": "{{ n }}", "text": "{{ n }} ", "list": "{{ list }}", "map": "{{ map }}",
            "boolean": "{{ no }}", "gone": "{{ empty }}", "undefined": "{{ a.b.c }}",
            "object": {"gone": "{{ empty }}"}, "items": ["{{ empty }}", {"a": "{{ empty }}"}],
            "literal": [[], {}, "", 1.5, true, null], "mixed": "<b>{{ list[0] }}</b>",
            "left": {"if": "no", "a": 1}, "kept": {"if": "n > 4", "a": 1},
        });
        assert_eq!(
            render(&tree, Markup::Html, &context).unwrap(),
            json!({
                "number": 5, "text": "5 ", "list": ["a&lt;"], "map": {"k": "&lt;"},
                "boolean": false, "literal": [[], {}, "", 1.5, true, null],
                "mixed": "<b>a&lt;</b>", "kept": {"a": 1},
            })
        );
        assert_eq!(render(&json!({"a": ["{{ empty }}"]}), Markup::Plain, &context), None);
    }

    #[test]
    fn a_form_repeats_the_name_for_each_item() {
        let context = context! {to => ["a", "b"], n => 1, no => ""};
        let fields =
            json!({"to": "{{ to }}", "n": "{{ n }}", "gone": "{{ no }}", "t": "x {{ n }}"});
        let templates = Templates::new();
        let renderer =
            TreeRenderer { templates: &templates, markup: Markup::Plain, context: &context };
        let pairs = renderer.form(fields.as_object().unwrap().iter()).unwrap();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (&n[..], &v[..])).collect();
        assert_eq!(pairs, [("n", "1"), ("t", "x 1"), ("to", "a"), ("to", "b")]);
    }

    proptest! {
        /// Whatever is filled in, it stays a text at its place.
        #[test]
        fn a_value_cannot_change_the_tree(value in "[a{}%\\[\\]\"\\\\<&*_` k]{1,40}") {
            let tree = json!({"a": {"b": "x {{ v }} y"}, "c": "{{ v }}"});
            let rendered = render(&tree, Markup::Plain, &context! {v => value.clone()}).unwrap();
            prop_assert_eq!(rendered, json!({"a": {"b": format!("x {value} y")}, "c": value}));
        }
    }
}
