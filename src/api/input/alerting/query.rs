//! The query strings of alerting.

use actix_web::HttpRequest;

use crate::api::error::ApiError;
use crate::api::input::params::{Params, one_of, whole_number};
use crate::domain::access::GroupLimit;
use crate::domain::alert::{AlertKind, AlertState, DeliveryOutcome, MessageState, Suppression};
use crate::domain::{PageRequest, ServiceId};
use crate::storage::alerting::{ListAlerts, ListDeliveries};

/// States of a test message.
pub const TEST_STATES: [MessageState; 4] =
    [MessageState::Firing, MessageState::Still, MessageState::Resolved, MessageState::Digest];

/// The page of a list without filters.
pub fn page(request: &HttpRequest) -> Result<PageRequest, ApiError> {
    let mut params = Params::new(request, &["page", "limit"]);
    let page = params.page();
    params.done(page)
}

/// The query of `GET /v1/alerts`.
pub fn list_alerts(request: &HttpRequest, groups: &GroupLimit) -> Result<ListAlerts, ApiError> {
    let known = ["page", "limit", "state", "kind", "service", "group", "suppressed"];
    let mut params = Params::new(request, &known);
    let states = one_of(AlertState::ALL.map(AlertState::as_str));
    let kinds = one_of(AlertKind::ALL.map(AlertKind::as_str));
    let causes = one_of(Suppression::ALL.map(Suppression::as_str));
    let query = ListAlerts {
        state: params.take("state", &states, AlertState::from_word),
        kind: params.take("kind", &kinds, AlertKind::from_word),
        service_id: params.take("service", "the id of a service", |text| {
            whole_number(text).and_then(ServiceId::new)
        }),
        group: params.get("group").map(str::to_owned),
        suppressed_by: params.take("suppressed", &causes, Suppression::from_word),
        groups: groups.clone(),
        page: params.page(),
    };
    params.done(query)
}

/// The query of `GET /v1/deliveries`.
pub fn list_deliveries(request: &HttpRequest) -> Result<ListDeliveries, ApiError> {
    let mut params = Params::new(request, &["page", "limit", "channel", "alert", "outcome"]);
    let outcomes = one_of(DeliveryOutcome::ALL.map(DeliveryOutcome::as_str));
    let query = ListDeliveries {
        channel_id: params.take("channel", "the id of a channel", id),
        alert_id: params.take("alert", "the id of an alert", id),
        outcome: params.take("outcome", &outcomes, DeliveryOutcome::from_word),
        page: params.page(),
    };
    params.done(query)
}

/// The id of a record.
fn id(text: &str) -> Option<i64> {
    whole_number(text).filter(|id| *id > 0)
}

/// The state of a test message, `firing` by default.
pub fn test_state(request: &HttpRequest) -> Result<MessageState, ApiError> {
    let mut params = Params::new(request, &["state"]);
    let state = params.take("state", &one_of(TEST_STATES.map(MessageState::as_str)), |text| {
        TEST_STATES.into_iter().find(|state| state.as_str() == text)
    });
    params.done(state.unwrap_or(MessageState::Firing))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_filters_of_alerts_are_words_and_ids() {
        let read = |query: &str| {
            let request = TestRequest::with_uri(&format!("/v1/alerts?{query}")).to_http_request();
            list_alerts(&request, &GroupLimit::NONE).map_err(|error| error.to_string())
        };
        let query = "state=firing&kind=slo-fast&service=7&group=&suppressed=quiet-hours&page=2";
        let expected = ListAlerts {
            state: Some(AlertState::Firing),
            kind: Some(AlertKind::SloFast),
            service_id: ServiceId::new(7),
            group: Some(String::new()),
            suppressed_by: Some(Suppression::QuietHours),
            groups: GroupLimit::NONE,
            page: PageRequest { page: 2, limit: 100 },
        };
        assert_eq!(read(query), Ok(expected));
        for (query, problem) in [
            ("state=open", "state: invalid value \"open\", expected one of pending, firing"),
            ("kind=up", "kind: invalid value \"up\", expected one of down, certificate"),
            ("service=0", "service: invalid value \"0\", expected the id of a service"),
            ("suppressed=1", "suppressed: invalid value \"1\", expected one of maintenance"),
            ("held=1", "\"held\": unknown parameter"),
        ] {
            let error = read(query).unwrap_err();
            assert!(error.contains(problem), "{problem} in {error}");
        }
    }

    #[test]
    fn a_test_is_of_a_firing_alert_unless_it_says_otherwise() {
        let read = |query: &str| {
            let request = TestRequest::with_uri(&format!("/?{query}")).to_http_request();
            test_state(&request).map_err(|error| error.to_string())
        };
        assert_eq!(read(""), Ok(MessageState::Firing));
        assert_eq!(read("state=digest"), Ok(MessageState::Digest));
        let error = read("state=missed").unwrap_err();
        assert!(error.contains("expected one of firing, still, resolved, digest"), "{error}");
    }
}
