//! The form of a service.

use maud::{Markup, html};

use crate::ui::html::field::{Field, Form, Input, field, other_problems};
use crate::ui::html::frame::{Frame, Section};
use crate::ui::html::parts::command;

/// Facts of the form.
#[derive(Debug, Clone, Default)]
pub struct ServiceForm {
    pub form: Form,
    /// Id and name of the service that is changed; `None` for a new one.
    pub service: Option<(i64, String)>,
    /// The request of the API that the form stands for; `None` before the first attempt.
    pub request: Option<String>,
}

const fn basic(name: &'static str, label: &'static str, input: Input) -> Field<'static> {
    Field { name, label, help: "", placeholder: "", input, is_required: false }
}

const NAME: Field<'static> = Field {
    help: "Unique within its group.",
    placeholder: "payment-gateway",
    is_required: true,
    ..basic("name", "Name", Input::Text)
};

const URL: Field<'static> = Field {
    help: "The scheme selects the protocol: https, tcp, tls, starttls, udp, icmp, dns, ws, ssh, \
           grpc, domain, push, exec.",
    placeholder: "https://pay.example.org/health",
    is_required: true,
    ..basic("url", "Address", Input::Text)
};

/// Fields that are always visible.
const MAIN: [Field<'static>; 4] = [
    NAME,
    URL,
    Field { placeholder: "core", ..basic("group", "Group", Input::Text) },
    Field {
        help: "One a line. Without any, the default of the protocol decides; for HTTP, a status \
               below 400 is up.",
        placeholder: "[STATUS] == 200\n[RESPONSE_TIME] < 500",
        ..basic("conditions", "Conditions", Input::Lines)
    },
];

const TIMES: [Field<'static>; 2] = [
    Field {
        help: "Seconds between probes.",
        ..basic("interval_seconds", "Interval", Input::Number)
    },
    Field { help: "Seconds for one probe.", ..basic("timeout_seconds", "Timeout", Input::Number) },
];

/// Fields that are folded.
const ADVANCED: [Field<'static>; 10] = [
    Field { placeholder: "GET", ..basic("method", "Method", Input::Text) },
    Field {
        help: "One a line. A value of *** keeps the stored secret.",
        placeholder: "Accept: application/json",
        ..basic("headers", "Headers", Input::Lines)
    },
    basic("body", "Body", Input::Lines),
    Field {
        help: "Results in a row until the service is down.",
        ..basic("failure_threshold", "Failures until down", Input::Number)
    },
    Field {
        help: "Results in a row until it is up again.",
        ..basic("success_threshold", "Successes until up", Input::Number)
    },
    Field {
        help: "Percent of uptime, such as 99.9.",
        ..basic("slo.target", "Objective", Input::Number)
    },
    Field { help: "Such as 30d.", ..basic("slo.window", "Window of the objective", Input::Text) },
    basic("insecure", "Accept any certificate", Input::Check),
    basic("enabled", "Probe this service", Input::Check),
    Field {
        help: "Every other field of the API, as a JSON object.",
        placeholder: "{\"follow_redirects\": false}",
        ..basic("more", "Other fields", Input::Lines)
    },
];

/// Every field of the form.
pub fn fields() -> impl Iterator<Item = &'static Field<'static>> {
    MAIN.iter().chain(&TIMES).chain(&ADVANCED)
}

/// The form of a first service: name and address.
pub fn simple_form(facts: &ServiceForm) -> Markup {
    html! {
        form.form method="post" action="/services/new" {
            input type="hidden" name="enabled" value="true";
            (field(&NAME, &facts.form))
            (field(&URL, &facts.form))
            div.row {
                button.btn.go { "Add the service" }
                a href="/services/new" { "All fields" }
            }
        }
    }
}

/// The page with the form.
pub fn page(frame: &Frame, facts: &ServiceForm) -> Markup {
    let (title, action, back) = match &facts.service {
        Some((id, name)) => {
            (format!("Edit {name}"), format!("/services/{id}/edit"), format!("/services/{id}"))
        }
        None => ("Add a service".to_owned(), "/services/new".to_owned(), "/services".to_owned()),
    };
    let form = &facts.form;
    let names: Vec<&str> = fields().map(|field| field.name).collect();
    let is_open = facts.service.is_some()
        && ADVANCED
            .iter()
            .any(|field| field.name != "enabled" && !form.value(field.name).is_empty());
    let has_error = ADVANCED.iter().any(|field| !form.errors(field.name).is_empty());
    let content = html! {
        div {
            p.crumbs { a href="/services" { "Services" } }
            h1 { (title) }
        }
        (other_problems(form, &names))
        form.form method="post" action=(action) {
            @for one in &MAIN { (field(one, form)) }
            div.pair { @for one in &TIMES { (field(one, form)) } }
            details open[is_open || has_error] {
                summary { "More settings" }
                div.form { @for one in &ADVANCED { (field(one, form)) } }
            }
            div.row {
                button.btn.go { @if facts.service.is_some() { "Save" } @else { "Add the service" } }
                a.btn href=(back) { "Cancel" }
            }
        }
        @if let Some(request) = &facts.request {
            details.form { summary { "The same by the API" } (command(request)) }
        }
    };
    Frame { section: Section::Services, ..frame.clone() }.page(&title, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advanced_fields_are_folded_until_one_is_used_or_wrong() {
        let page = |problems: &[&str], id: Option<i64>, value: &str| {
            let form = Form {
                values: [("method".to_owned(), value.to_owned())].into(),
                problems: problems.iter().map(|&problem| problem.to_owned()).collect(),
            };
            let service = id.map(|id| (id, "pay".to_owned()));
            page(&Frame::default(), &ServiceForm { form, service, request: None }).into_string()
        };
        assert!(page(&[], None, "").contains("<details><summary>More settings"));
        assert!(page(&["slo.target: invalid"], None, "").contains("<details open>"));
        assert!(page(&[], Some(7), "POST").contains("<details open>"));
        let edit = page(&["other: unknown field"], Some(7), "");
        assert!(edit.contains("action=\"/services/7/edit\"") && edit.contains(">other: unknown"));
    }

    #[test]
    fn field_names_are_unique() {
        let mut names: Vec<_> = fields().map(|field| field.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
