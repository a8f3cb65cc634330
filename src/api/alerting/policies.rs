//! Handlers of `/v1/policies`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};

use crate::api::alerting::{created, fields, page};
use crate::api::alerting_bodies::{NewPolicy, PolicyChange};
use crate::api::error::{ApiError, ApiResult};
use crate::api::error_responses::{BodyErrors, NotFoundError, ReadErrors, WriteErrors};
use crate::api::input;
use crate::api::query_parameters::PageParams;
use crate::api::state::Api;
use crate::api::views::alerting::policy::{PoliciesData, Policy, PolicyData};
use crate::api::views::envelope::{List, One, Success, success};
use crate::domain::{Origin, alert};
use crate::spec;
use crate::storage::alerting::{AlertingApplied, AlertingChange, GetPolicy, ListPolicies};

/// The policies, in the order in which they are tried.
#[utoipa::path(get, path = "/v1/policies", tag = "alerting",
    params(PageParams),
    responses(
        (status = 200, description = "A page of policies", body = Success<PoliciesData>),
        ReadErrors,
    ))]
pub async fn list(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let requested = input::alerting::page(&request)?;
    let found = page(requested, api.query(ListPolicies).await?);
    let policies = List::new(requested, found, |policy| Policy::new(&policy));
    Ok(success(StatusCode::OK, PoliciesData { policies }))
}

/// Adds a policy.
#[utoipa::path(post, path = "/v1/policies", tag = "alerting", security((), ("token" = [])),
    request_body = NewPolicy,
    responses(
        (status = 201, description = "The new policy", body = Success<PolicyData>,
            headers(("Location" = String, description = "Path of the new policy"))),
        WriteErrors,
        BodyErrors,
    ))]
pub async fn create(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> ApiResult {
    input::no_params(&request)?;
    let object = input::json_object(&request, payload, input::JSON, &api).await?;
    let policy = input::alerting::policy(&object)?;
    let policy = changed(&api, AlertingChange::CreatePolicy(policy), &request).await?;
    Ok(created("/v1/policies", policy.id, data(&policy)))
}

/// One policy.
#[utoipa::path(get, path = "/v1/policies/{id}", tag = "alerting",
    params(("id" = i64, Path, description = "Id of the policy", minimum = 1)),
    responses(
        (status = 200, description = "The policy", body = Success<PolicyData>),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let id = input::only_record_id(&request)?;
    let policy = api.query(GetPolicy(id)).await?;
    Ok(success(StatusCode::OK, data(&policy)))
}

/// Changes a policy. An absent field stays unchanged.
#[utoipa::path(patch, path = "/v1/policies/{id}", tag = "alerting", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the policy", minimum = 1)),
    request_body = PolicyChange,
    responses(
        (status = 200, description = "The changed policy", body = Success<PolicyData>),
        WriteErrors,
        BodyErrors,
        NotFoundError,
    ))]
pub async fn patch(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> ApiResult {
    let id = input::only_record_id(&request)?;
    let change = input::json_object(&request, payload, input::MERGE_PATCH, &api).await?;
    let _order = api.alerting_changes.lock().await;
    let before = api.query(GetPolicy(id)).await?;
    if before.origin == Origin::File {
        return Err(ApiError::of_the_file("policy", id, &before.name));
    }
    let policy = input::alerting::policy(&patched(&before, &change))?;
    let policy = changed(&api, AlertingChange::UpdatePolicy(id, policy), &request).await?;
    Ok(success(StatusCode::OK, data(&policy)))
}

/// Deletes a policy.
#[utoipa::path(delete, path = "/v1/policies/{id}", tag = "alerting", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the policy", minimum = 1)),
    responses(
        (status = 204, description = "Deleted"),
        WriteErrors,
        NotFoundError,
    ))]
pub async fn delete(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let id = input::only_record_id(&request)?;
    let _order = api.alerting_changes.lock().await;
    api.change_alerting(AlertingChange::DeletePolicy(id), api.source(&request)).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn changed(
    api: &Api,
    change: AlertingChange,
    request: &HttpRequest,
) -> Result<alert::Policy, ApiError> {
    match api.change_alerting(change, api.source(request)).await? {
        AlertingApplied::Policy(policy) => Ok(policy),
        _ => Err(ApiError::not_found()),
    }
}

fn data(policy: &alert::Policy) -> PolicyData {
    PolicyData { policy: One::new(Policy::new(policy)) }
}

/// The fields of `policy` after `change` (RFC 7396).
fn patched(policy: &alert::Policy, change: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = fields(&Policy::new(policy), &["id", "origin"]);
    // `channels` is the short form of `steps`.
    if change.get("channels").is_some_and(|channels| !channels.is_null()) {
        fields.remove("steps");
    }
    spec::merge(&mut fields, change);
    fields
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::domain::alert::{AlertKind, Matcher, PolicyOptions, Severity};

    #[test]
    fn a_policy_as_a_response_shows_it_changes_nothing() {
        let before = alert::Policy {
            id: 1,
            name: "core".to_owned(),
            origin: Origin::Api,
            position: 4,
            matcher: Matcher { group: vec!["core".to_owned()], ..Matcher::default() },
            options: PolicyOptions {
                on: vec![AlertKind::Down, AlertKind::Flapping],
                severity: Some(Severity::Info),
                steps: vec![
                    (Duration::ZERO, vec!["a".to_owned()]),
                    (Duration::from_millis(900_500), vec!["b".to_owned(), "c".to_owned()]),
                ],
                reminder: Some(Duration::from_secs(3_600)),
                description: "d".to_owned(),
                continues: true,
                quiet_passes: vec![Severity::Critical],
                ..PolicyOptions::default()
            },
        };
        let read =
            |change: Value| input::alerting::policy(&patched(&before, change.as_object().unwrap()));
        for change in [json!({}), json!(patched(&before, &Map::new()))] {
            let after = read(change).unwrap();
            assert_eq!((&after.name, after.position), (&before.name, before.position));
            assert_eq!((&after.matcher, &after.options), (&before.matcher, &before.options));
        }
        let after = read(json!({"channels": ["x"], "match": {"name": "a*"}, "severity": null}));
        let after = after.unwrap();
        assert_eq!(after.options.steps, [(Duration::ZERO, vec!["x".to_owned()])]);
        assert_eq!((after.matcher.group.len(), after.matcher.name.len()), (1, 1));
        assert_eq!(after.options.severity, None);
        assert!(read(json!({"id": 7})).is_err(), "read-only");
    }
}
