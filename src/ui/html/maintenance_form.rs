//! The form of planned work.

use maud::{Markup, html};

use crate::ui::html::field::{Field, Form, Input, field, other_problems};
use crate::ui::html::frame::{Frame, Section};

const fn one(name: &'static str, label: &'static str, input: Input) -> Field<'static> {
    Field { name, label, help: "", placeholder: "", input, is_required: false }
}

const NOTE: Field<'static> =
    Field { placeholder: "database upgrade", ..one("note", "Note", Input::Text) };

const ENABLED: Field<'static> = one("enabled", "It takes place", Input::Check);

const SCOPE: [Field<'static>; 2] = [
    Field {
        help: "A * stands for any characters.",
        placeholder: "db-*",
        ..one("match.name", "Services", Input::Text)
    },
    Field { placeholder: "core", ..one("match.group", "Group", Input::Text) },
];

const ONCE: [Field<'static>; 2] = [
    Field { help: "In UTC.", ..one("from", "From", Input::Moment) },
    Field { help: "In UTC.", ..one("to", "To", Input::Moment) },
];

const REPEATED: [Field<'static>; 5] = [
    Field { placeholder: "23:00", ..one("start", "Start", Input::Text) },
    Field { placeholder: "1h", ..one("duration", "Duration", Input::Text) },
    Field { placeholder: "Europe/Berlin", ..one("timezone", "Time zone", Input::Text) },
    Field {
        help: "Days, such as Saturday, Sunday; every day when empty.",
        placeholder: "Sunday",
        ..one("every", "On", Input::Text)
    },
    Field {
        help: "Five fields of cron, instead of a start and days.",
        placeholder: "0 3 * * sun",
        ..one("cron", "Cron", Input::Text)
    },
];

const OTHERS: [Field<'static>; 2] = [
    Field {
        help: "Instead of services and a group.",
        placeholder: "3, 7",
        ..one("service_ids", "Services by id", Input::Text)
    },
    one(
        "uptime",
        "Downtime meanwhile",
        Input::Choice(&[("exclude", "is planned"), ("count", "counts as ever")]),
    ),
];

/// Every field of the form.
pub fn fields() -> impl Iterator<Item = &'static Field<'static>> {
    let main = [&NOTE, &ENABLED].into_iter().chain(&SCOPE).chain(&ONCE);
    main.chain(&REPEATED).chain(&OTHERS)
}

/// The form of a new maintenance, or of the one with this id.
pub fn form(form: &Form, id: Option<i64>) -> Markup {
    let names: Vec<&str> = fields().map(|field| field.name).collect();
    let is_used = |field: &Field<'_>| {
        let value = form.value(field.name);
        !["", "exclude"].contains(&value) || !form.errors(field.name).is_empty()
    };
    let action = id.map_or("/maintenance".to_owned(), |id| format!("/maintenance/{id}/edit"));
    html! {
        (other_problems(form, &names))
        form.form method="post" action=(action) {
            (field(&NOTE, form))
            @if id.is_some() { (field(&ENABLED, form)) }
            div.pair { @for one in &SCOPE { (field(one, form)) } }
            div.pair { @for one in &ONCE { (field(one, form)) } }
            details open[REPEATED.iter().any(is_used)] {
                summary { "Or repeated" }
                div.form {
                    div.pair { @for one in &REPEATED[..2] { (field(one, form)) } }
                    div.pair { @for one in &REPEATED[2..4] { (field(one, form)) } }
                    (field(&REPEATED[4], form))
                }
            }
            details open[OTHERS.iter().any(is_used)] {
                summary { "More settings" }
                div.form { @for one in &OTHERS { (field(one, form)) } }
            }
            div.row {
                @if id.is_some() {
                    button.btn.go { "Save" }
                    a.btn href="/maintenance" { "Cancel" }
                } @else { button.btn.go { "Plan it" } }
            }
        }
    }
}

/// The page with the form of a maintenance.
pub fn edit_page(frame: &Frame, id: i64, note: &str, form: &Form) -> Markup {
    let title = match note {
        "" => format!("Edit maintenance {id}"),
        note => format!("Edit {note}"),
    };
    let content = html! {
        div {
            p.crumbs { a href="/maintenance" { "Maintenance" } }
            h1 { (title) }
            p.muted { "A change holds from now on; what was planned so far stays planned." }
        }
        (self::form(form, Some(id)))
    };
    Frame { section: Section::Maintenance, ..frame.clone() }.page(&title, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_form_stays_unfolded() {
        let values = [("start".to_owned(), "25:00".to_owned())].into();
        let form = Form { values, problems: vec!["start: invalid value".to_owned()] };
        let markup = super::form(&form, None).into_string();
        assert!(markup.contains("<details open>") && markup.contains("start: invalid value</p>"));
        assert!(markup.contains("action=\"/maintenance\"") && markup.contains("Plan it"));
        assert_eq!(markup.matches("<details>").count(), 1, "other settings are folded");
    }

    #[test]
    fn the_form_of_a_maintenance_has_its_values_and_can_disable_it() {
        let values = [("note", "disks"), ("enabled", "true"), ("uptime", "count")];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let form = Form { values, problems: Vec::new() };
        let page = edit_page(&Frame::default(), 3, "disks", &form).into_string();
        for part in [
            "<h1>Edit disks</h1>",
            "action=\"/maintenance/3/edit\"",
            "name=\"enabled\" type=\"checkbox\" value=\"true\" checked",
            "<option value=\"count\" selected>",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(
            edit_page(&Frame::default(), 3, "", &form).into_string().contains("maintenance 3<")
        );
    }
}
