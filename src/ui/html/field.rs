//! Fields of forms, with their errors beside them.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::ui::html::parts::icon;

/// The values of a form as they were sent, and what is wrong with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    pub values: BTreeMap<String, String>,
    /// `FIELD: message` each, in the words of the API.
    pub problems: Vec<String>,
}

impl Form {
    pub fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Messages about the field with this name, or about a part of it.
    pub fn errors(&self, name: &str) -> Vec<&str> {
        self.problems.iter().filter(|problem| is_about(problem, name)).map(String::as_str).collect()
    }

    /// Messages about none of the fields with these names.
    pub fn others(&self, names: &[&str]) -> Vec<&str> {
        let problems = self
            .problems
            .iter()
            .filter(|problem| !names.iter().any(|name| is_about(problem, name)));
        problems.map(String::as_str).collect()
    }

    /// Whether the field with this name is the first with an error.
    fn is_first(&self, name: &str) -> bool {
        self.problems.first().is_some_and(|problem| is_about(problem, name))
    }
}

/// Whether a problem such as `slo.target: …` or `conditions[2]: …` is about the field.
fn is_about(problem: &str, name: &str) -> bool {
    problem.strip_prefix(name).is_some_and(|rest| rest.starts_with([':', '.', '[', ' ']))
}

/// How a field is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    Text,
    Url,
    Secret,
    Number,
    Lines,
    Check,
    /// A moment in UTC.
    Moment,
    /// Value and label of each choice.
    Choice(&'static [(&'static str, &'static str)]),
}

/// A field of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name in the API.
    pub name: &'a str,
    pub label: &'a str,
    pub help: &'a str,
    pub placeholder: &'a str,
    pub input: Input,
    pub is_required: bool,
}

/// The field with its label, its help and its errors.
pub fn field(field: &Field<'_>, form: &Form) -> Markup {
    let Field { name, label, help, input, is_required, .. } = *field;
    let errors = form.errors(name);
    let described = format!("h-{name}");
    let described = Some(&described).filter(|_| !help.is_empty() || !errors.is_empty());
    html! {
        div.field {
            @if input == Input::Check {
                label.check for={ "f-" (name) } { (control(field, form, described)) (label) }
            } @else {
                label for={ "f-" (name) } {
                    (label) @if !is_required { span.help { " optional" } }
                }
                (control(field, form, described))
            }
            @if let Some(described) = described {
                div id=(described) {
                    @for error in errors { p.error { (icon("warn", "")) (error) } }
                    @if !help.is_empty() { p.help { (help) } }
                }
            }
        }
    }
}

fn control(field: &Field<'_>, form: &Form, described: Option<&String>) -> Markup {
    let Field { name, placeholder, input, is_required, .. } = *field;
    let (id, value) = (format!("f-{name}"), form.value(name));
    let invalid = (!form.errors(name).is_empty()).then_some("true");
    let focus = form.is_first(name);
    let kind = match input {
        Input::Url => "url",
        Input::Secret => "password",
        Input::Moment => "datetime-local",
        _ => "text",
    };
    html! {
        @match input {
            Input::Lines => {
                textarea id=(id) name=(name) placeholder=(placeholder) aria-invalid=[invalid]
                    aria-describedby=[described] autofocus[focus] spellcheck="false" { (value) }
            }
            Input::Check => {
                input id=(id) name=(name) type="checkbox" value="true" checked[value == "true"]
                    aria-invalid=[invalid] aria-describedby=[described] autofocus[focus];
            }
            Input::Choice(choices) => {
                select id=(id) name=(name) aria-invalid=[invalid] aria-describedby=[described]
                    autofocus[focus] {
                    @for (choice, label) in choices {
                        option value=(choice) selected[value == *choice] { (label) }
                    }
                }
            }
            Input::Text | Input::Url | Input::Secret | Input::Number | Input::Moment => {
                input id=(id) name=(name) type=(kind) value=(value) placeholder=(placeholder)
                    inputmode=[(input == Input::Number).then_some("decimal")]
                    required[is_required] aria-invalid=[invalid] aria-describedby=[described]
                    autofocus[focus] autocomplete="off";
            }
        }
    }
}

/// The problems that belong to no field of the form.
pub fn other_problems(form: &Form, names: &[&str]) -> Markup {
    let others = form.others(names);
    html! {
        @if !others.is_empty() {
            div.note.bad role="alert" {
                (icon("warn", "s-down"))
                ul { @for problem in others { li { (problem) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: Field<'static> = Field {
        name: "url",
        label: "Address",
        help: "Its scheme selects the protocol.",
        placeholder: "",
        input: Input::Url,
        is_required: true,
    };

    fn form(problems: &[&str]) -> Form {
        let values = [("url".to_owned(), "ht\"tp".to_owned())].into();
        Form { values, problems: problems.iter().map(|&problem| problem.to_owned()).collect() }
    }

    #[test]
    fn an_error_stands_beside_its_field_and_the_first_one_has_the_focus() {
        let form = form(&["url: invalid value \"x\", expected a URL", "name: required"]);
        let markup = field(&URL, &form).into_string();
        for part in [
            "value=\"ht&quot;tp\"",
            "aria-invalid=\"true\" aria-describedby=\"h-url\" autofocus",
            "url: invalid value &quot;x&quot;, expected a URL</p>",
            "Its scheme selects",
        ] {
            assert!(markup.contains(part), "{part} in {markup}");
        }
        let name = field(&Field { name: "name", ..URL }, &form).into_string();
        assert!(name.contains("name: required") && !name.contains("autofocus"));
    }

    #[test]
    fn a_problem_of_a_part_belongs_to_the_field() {
        let form = form(&["conditions[1]: invalid", "slo.target: invalid", "url2: unknown"]);
        assert_eq!(form.errors("conditions").len(), 1);
        assert_eq!(form.errors("slo.target").len(), 1);
        assert_eq!(form.errors("url").len(), 0);
        assert_eq!(form.others(&["conditions", "slo.target", "url"]), ["url2: unknown"]);
    }
}
