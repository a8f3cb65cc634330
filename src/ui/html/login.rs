//! The page that asks for a token, and pages for errors.

use maud::{Markup, html};

use crate::ui::html::field::{Field, Form, Input, field, other_problems};
use crate::ui::html::frame::Frame;
use crate::ui::html::parts::icon;

/// The form for a token. `back` is the path to which a success leads.
pub fn page(frame: &Frame, form: &Form, back: &str) -> Markup {
    let token = Field {
        name: "token",
        label: "Token",
        help: "API_TOKEN, or a token that the command `token create` printed. The session lasts \
               12 hours.",
        placeholder: "",
        input: Input::Secret,
        is_required: true,
    };
    let content = html! {
        section.card.login aria-labelledby="login-title" {
            div.in.form {
                h1 #login-title { "Sign in" }
                (other_problems(form, &["token"]))
                form.form method="post" action="/login" {
                    input type="hidden" name="back" value=(back);
                    (field(&token, form))
                    div { button.btn.go { "Sign in" } }
                }
            }
        }
    };
    frame.page("Sign in", &content)
}

/// A page for an error, with the words of the API.
pub fn error(frame: &Frame, title: &str, problems: &[String]) -> Markup {
    let content = html! {
        div.verdict { (icon("warn", "s-degraded")) div { h1 { (title) } } }
        div.note.bad {
            (icon("warn", "s-down"))
            ul { @for problem in problems { li { (problem) } } }
        }
        p { a href="/" { "To the overview" } }
    };
    frame.page(title, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_token_is_not_shown_again() {
        let problems = vec!["token: wrong token".to_owned()];
        let page = page(&Frame::default(), &Form { problems, ..Form::default() }, "/services?q=\"");
        let page = page.into_string();
        assert!(page.contains("token: wrong token") && page.contains("type=\"password\""));
        assert!(page.contains("name=\"back\" value=\"/services?q=&quot;\""), "{page}");
    }
}
