//! The forms of a new service and of a change.

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::api::error::ApiError;
use crate::api::input;
use crate::api::services::{check_change, check_new};
use crate::domain::{Origin, ServiceId};
use crate::spec;
use crate::spec::Form as Masking;
use crate::storage::records::{Change, GetService, ServiceRecord};
use crate::ui::html::field::Form;
use crate::ui::html::frame::Section;
use crate::ui::html::service_form::{ServiceForm, page};
use crate::ui::pages::forms;
use crate::ui::pages::forms::Values;
use crate::ui::pages::respond::{PageResult, html, see};
use crate::ui::pages::viewer::Viewer;

/// The form of a new service.
pub async fn new(viewer: Viewer) -> PageResult {
    let values = Values::from([("enabled".to_owned(), "true".to_owned())]);
    let form = Form { values, problems: Vec::new() };
    show(&viewer, StatusCode::OK, &ServiceForm { form, ..ServiceForm::default() })
}

/// Adds the service of the form, or shows the form with what is wrong.
pub async fn create(mut viewer: Viewer) -> PageResult {
    let values = forms::values(viewer.form().await?);
    let object = match forms::service(&values) {
        Ok(object) => object,
        Err(problems) => {
            return again(&viewer, (values, problems), None, "POST /v1/services", None);
        }
    };
    let added = async {
        let definition = check_new(&viewer.api, &viewer.caller(), &object).await?;
        viewer.change(Change::Create(Box::new(definition))).await
    };
    match added.await {
        Ok(applied) => see(&format!("/services/{}?done=added", applied.id)),
        Err(error) => {
            let problems = problems(error)?;
            again(&viewer, (values, problems), None, "POST /v1/services", Some(&object))
        }
    }
}

/// The form of a service.
pub async fn edit(viewer: Viewer) -> PageResult {
    let record = editable(&viewer).await?;
    let form = Form { values: of_record(&viewer, &record), problems: Vec::new() };
    let service = Some(named(&record));
    show(&viewer, StatusCode::OK, &ServiceForm { form, service, request: None })
}

/// Changes the service as the form says, or shows the form with what is wrong.
pub async fn change(mut viewer: Viewer) -> PageResult {
    let values = forms::values(viewer.form().await?);
    let record = editable(&viewer).await?;
    let (id, service) = (record.id, Some(named(&record)));
    let request = format!("PATCH /v1/services/{id}");
    let before = forms::service(&of_record(&viewer, &record)).unwrap_or_default();
    let object = match forms::service(&values) {
        Ok(object) => object,
        Err(problems) => return again(&viewer, (values, problems), service, &request, None),
    };
    let patch = forms::change(&before, &object);
    let changed = async {
        let patch = input::patch(patch.clone())?;
        check_change(&viewer.api, &viewer.caller(), &record, &patch).await?;
        viewer.change(Change::Update(id, patch)).await
    };
    match changed.await {
        Ok(_) => see(&format!("/services/{id}?done=saved")),
        Err(error) => {
            let problems = problems(error)?;
            again(&viewer, (values, problems), service, &request, Some(&patch))
        }
    }
}

/// The service, unless the services file defines it.
async fn editable(viewer: &Viewer) -> Result<ServiceRecord, ApiError> {
    let record = viewer.visible(viewer.api.query(GetService(viewer.service_id()?)).await?)?;
    match record.origin {
        Origin::Api => Ok(record),
        Origin::File => {
            let name = record.definition.name.as_str();
            Err(ApiError::of_the_file("service", record.id.get(), name))
        }
    }
}

fn named(record: &ServiceRecord) -> (i64, String) {
    (record.id.get(), record.definition.name.as_str().to_owned())
}

fn of_record(viewer: &Viewer, record: &ServiceRecord) -> Values {
    forms::of_service(&spec::write(&record.definition, Masking::Masked(viewer.api.requests)))
}

/// What is wrong with a form; another error is a page of its own.
pub fn problems(error: ApiError) -> Result<Vec<String>, ApiError> {
    match error.status() {
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT | StatusCode::FORBIDDEN => {
            Ok(error.errors().to_vec())
        }
        _ => Err(error),
    }
}

/// The form once more.
fn again(
    viewer: &Viewer,
    (values, problems): (Values, Vec<String>),
    service: Option<(i64, String)>,
    request: &str,
    object: Option<&Map<String, Value>>,
) -> PageResult {
    let request = object.map(|object| curl(&viewer.base_url(), request, object));
    let form = Form { values, problems };
    show(viewer, StatusCode::UNPROCESSABLE_ENTITY, &ServiceForm { form, service, request })
}

/// The request of the API as a command. A single quote ends the text of a shell.
fn curl(base_url: &str, request: &str, object: &Map<String, Value>) -> String {
    let (method, path) = request.split_once(' ').unwrap_or_default();
    let body = json!(object).to_string().replace('\'', "'\\''");
    format!(
        "curl -X {method} {base_url}{path} \\\n  -H 'Content-Type: application/json' \\\n  \
         -d '{body}'"
    )
}

fn show(viewer: &Viewer, status: StatusCode, facts: &ServiceForm) -> PageResult {
    let frame = viewer.frame(Section::Services, 0);
    Ok(html(viewer, status, page(&frame, facts)))
}

/// The path of a service after a change.
pub fn after(id: ServiceId, word: &str) -> PageResult {
    see(&format!("/services/{id}?done={word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_quoted_for_a_shell() {
        let object = json!({"name": "it's"});
        let curl = curl("http://h", "POST /v1/services", object.as_object().unwrap());
        assert!(curl.contains("curl -X POST http://h/v1/services"));
        assert!(curl.ends_with("-d '{\"name\":\"it'\\''s\"}'"), "{curl}");
    }
}
