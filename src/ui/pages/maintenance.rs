//! `/maintenance`

use actix_web::http::StatusCode;
use serde_json::Value;

use crate::api::alerting::maintenance;
use crate::api::error::ApiError;
use crate::api::visible_plans;
use crate::api::visible_plans::VisibleMaintenance;
use crate::domain::Origin;
use crate::domain::maintenance::{Maintenance, MaintenanceDefinition, Scope, Timing};
use crate::storage::maintenance::{GetMaintenance, ListMaintenance};
use crate::ui::html::field::Form;
use crate::ui::html::frame::Section;
use crate::ui::html::maintenance::{Maintenance as Row, Maintenances, page};
use crate::ui::html::maintenance_form::edit_page;
use crate::ui::pages::alerts::in_words;
use crate::ui::pages::forms;
use crate::ui::pages::maintenance_form;
use crate::ui::pages::respond::{PageResult, html, see};
use crate::ui::pages::service_form::problems;
use crate::ui::pages::viewer::Viewer;

/// All maintenance, and the form of a new one.
pub async fn show(viewer: Viewer) -> PageResult {
    listed(&viewer, StatusCode::OK, Form::default()).await
}

async fn listed(viewer: &Viewer, status: StatusCode, form: Form) -> PageResult {
    let all = rows(viewer).await?;
    let frame = viewer.frame(Section::Maintenance, 0);
    Ok(html(viewer, status, page(&frame, &Maintenances { all, form })))
}

/// The maintenance that the reader sees.
pub async fn rows(viewer: &Viewer) -> Result<Vec<Row>, ApiError> {
    let all = viewer.api.query(ListMaintenance).await?;
    let all = visible_plans::maintenance(&viewer.api, &viewer.caller(), all).await?;
    Ok(all.iter().map(|visible| of_record(visible, viewer.now_ms)).collect())
}

/// Plans the maintenance of the form, or shows the form with what is wrong.
pub async fn create(mut viewer: Viewer) -> PageResult {
    let values = forms::values(viewer.form().await?);
    let object = maintenance_form::object(&values, false);
    let (api, request) = (&viewer.api, &viewer.request);
    match maintenance::plan(api, &viewer.caller(), request, (&object, false)).await {
        Ok(_) => see("/maintenance?done=planned"),
        Err(error) => {
            let problems = problems(error)?;
            listed(&viewer, StatusCode::UNPROCESSABLE_ENTITY, Form { values, problems }).await
        }
    }
}

/// The form of a maintenance.
pub async fn edit(viewer: Viewer) -> PageResult {
    let definition = editable(&viewer).await?;
    let form = Form { values: maintenance_form::values(&definition), problems: Vec::new() };
    edit_form(&viewer, StatusCode::OK, &definition, &form)
}

/// Changes the maintenance as the form says, or shows the form with what is wrong.
pub async fn save(mut viewer: Viewer) -> PageResult {
    let values = forms::values(viewer.form().await?);
    let definition = editable(&viewer).await?;
    let before = maintenance_form::object(&maintenance_form::values(&definition), true);
    let patch = maintenance_form::change(&before, &maintenance_form::object(&values, true));
    let (api, id) = (&viewer.api, viewer.record_id()?);
    match maintenance::change(api, &viewer.caller(), &viewer.request, id, (patch, false)).await {
        Ok(_) => see(&format!("/maintenance?done=changed#m{id}")),
        Err(error) => {
            let form = Form { problems: problems(error)?, values };
            edit_form(&viewer, StatusCode::UNPROCESSABLE_ENTITY, &definition, &form)
        }
    }
}

/// The maintenance, if the reader may change it.
async fn editable(viewer: &Viewer) -> Result<MaintenanceDefinition, ApiError> {
    let record = viewer.api.query(GetMaintenance(viewer.record_id()?)).await?;
    let Maintenance { id, origin, definition } = record.maintenance;
    visible_plans::check_scope(&viewer.api, &viewer.caller(), &definition.scope).await?;
    match origin {
        Origin::Api => Ok(definition),
        Origin::File => {
            let note = definition.note.as_deref().unwrap_or_default();
            Err(ApiError::of_the_file("maintenance", id, note))
        }
    }
}

fn edit_form(
    viewer: &Viewer,
    status: StatusCode,
    definition: &MaintenanceDefinition,
    form: &Form,
) -> PageResult {
    let frame = viewer.frame(Section::Maintenance, 0);
    let note = definition.note.as_deref().unwrap_or_default();
    Ok(html(viewer, status, edit_page(&frame, viewer.record_id()?, note, form)))
}

/// Ends a maintenance and deletes it.
pub async fn delete(viewer: Viewer) -> PageResult {
    let id = viewer.record_id()?;
    maintenance::end(&viewer.api, &viewer.caller(), &viewer.request, id).await?;
    see("/maintenance?done=deleted")
}

fn of_record(visible: &VisibleMaintenance, now_ms: i64) -> Row {
    let maintenance = &visible.record.maintenance;
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
    Row {
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
        can_change: visible.is_within && maintenance.origin == Origin::Api,
    }
}
