//! `/maintenance`

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::api::error::ApiError;
use crate::domain::Origin;
use crate::domain::maintenance::{MaintenanceDefinition, Scope, Timing};
use crate::storage::maintenance::{ListMaintenance, MaintenanceChange, MaintenanceRecord};
use crate::ui::html::field::Form;
use crate::ui::html::frame::Section;
use crate::ui::html::maintenance::{Maintenance, Maintenances, page};
use crate::ui::pages::alerts::in_words;
use crate::ui::pages::forms;
use crate::ui::pages::forms::Values;
use crate::ui::pages::respond::{PageResult, html, see};
use crate::ui::pages::service_form::problems;
use crate::ui::pages::viewer::Viewer;

/// All maintenance, and the form of a new one.
pub async fn show(viewer: Viewer) -> PageResult {
    listed(&viewer, StatusCode::OK, Form::default()).await
}

async fn listed(viewer: &Viewer, status: StatusCode, form: Form) -> PageResult {
    let all = viewer.api.query(ListMaintenance).await?;
    let frame = viewer.frame(Section::Maintenance, 0);
    let all = all.iter().map(|record| of_record(record, viewer.now_ms)).collect();
    Ok(html(viewer, status, page(&frame, &Maintenances { all, form })))
}

/// Plans the maintenance of the form, or shows the form with what is wrong.
pub async fn create(mut viewer: Viewer) -> PageResult {
    let values = forms::values(viewer.form().await?);
    let object = maintenance_of(&values);
    let planned = async {
        let definition = MaintenanceDefinition::read(&object).map_err(|problems| {
            let problems = problems.into_iter().map(|one| format!("{}: {}", one.key, one.problem));
            ApiError::unprocessable(problems.collect())
        })?;
        let change = MaintenanceChange::Create { definition, retroactive: false };
        viewer.api.change_maintenance(change, viewer.source()).await
    };
    match planned.await {
        Ok(_) => see("/maintenance?done=planned"),
        Err(error) => {
            let problems = problems(error)?;
            listed(&viewer, StatusCode::UNPROCESSABLE_ENTITY, Form { values, problems }).await
        }
    }
}

/// Ends a maintenance and deletes it.
pub async fn delete(viewer: Viewer) -> PageResult {
    let id = viewer.record_id()?;
    viewer.api.change_maintenance(MaintenanceChange::Delete(id), viewer.source()).await?;
    see("/maintenance?done=deleted")
}

/// The maintenance of a form as the JSON of the API. A moment without a zone is one of UTC.
fn maintenance_of(values: &Values) -> Map<String, Value> {
    let mut object = Map::new();
    forms::put(&mut object, "match", json!({}));
    for name in ["match.name", "match.group", "every"] {
        if let Some(text) = forms::filled(values, name) {
            forms::put(&mut object, name, json!(forms::list(text)));
        }
    }
    for name in ["note", "start", "duration", "timezone"] {
        if let Some(text) = forms::filled(values, name) {
            object.insert(name.to_owned(), json!(text));
        }
    }
    for name in ["from", "to"] {
        if let Some(text) = forms::filled(values, name) {
            let has_seconds = text.matches(':').count() > 1;
            let seconds = if has_seconds { "" } else { ":00" };
            let zone = if text.ends_with('Z') { "" } else { "Z" };
            object.insert(name.to_owned(), json!(format!("{text}{seconds}{zone}")));
        }
    }
    object
}

fn of_record(record: &MaintenanceRecord, now_ms: i64) -> Maintenance {
    let maintenance = &record.maintenance;
    let definition = &maintenance.definition;
    let schedule = definition.schedule();
    let written = &definition.written.keys;
    let text = |key: &str| written.get(key).and_then(Value::as_str).unwrap_or_default();
    let (words, once_ms) = match &schedule.timing {
        Timing::Once { from_ms, to_ms } => (None, Some((*from_ms, *to_ms))),
        Timing::Recurring(recurrence) => {
            let days = written.get("every").and_then(Value::as_array).into_iter().flatten();
            let days: Vec<&str> = days.filter_map(Value::as_str).collect();
            let days = if days.is_empty() { "every day".to_owned() } else { days.join(", ") };
            let when = match text("cron") {
                "" => format!("{days} at {}", text("start")),
                cron => format!("cron {cron}"),
            };
            (Some(format!("{when} for {}, {}", text("duration"), recurrence.zone.name())), None)
        }
    };
    Maintenance {
        id: maintenance.id,
        note: definition.note.as_deref().unwrap_or_default().to_owned(),
        services: match &definition.scope {
            Scope::Matching(matcher) => in_words(matcher),
            Scope::Services(ids) => {
                let ids: Vec<String> = ids.iter().take(5).map(|id| id.get().to_string()).collect();
                format!("services with id {}", ids.join(", "))
            }
        },
        schedule: words,
        once_ms,
        active_until_ms: schedule.active_until(now_ms),
        next_start_ms: schedule.next_start(now_ms.saturating_add(1)),
        is_enabled: schedule.enabled,
        is_of_file: maintenance.origin == Origin::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_plans_once_or_repeatedly() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
            MaintenanceDefinition::read(&maintenance_of(&pairs.collect()))
        };
        let times =
            [("from", "2030-01-01T10:00"), ("to", "2030-01-01T11:30"), ("match.name", "a*")];
        let once = of(&times).unwrap();
        let Timing::Once { from_ms, to_ms } = once.schedule().timing else { unreachable!() };
        assert_eq!(to_ms - from_ms, 5_400_000);
        let weekly =
            [("start", "23:00"), ("duration", "1h"), ("every", "Sunday, Monday"), ("note", "x")];
        assert!(of(&weekly).is_ok());
        assert!(of(&[]).is_err());
    }
}
