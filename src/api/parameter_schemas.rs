//! The values of the query parameters, for the OpenAPI document: from the constants with which
//! [`input`] checks them.
//!
//! [`input`]: crate::api::input

use serde_json::Value;
use utoipa::Modify;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{OpenApi, Schema};

use crate::api::input::alerting::TEST_STATES;
use crate::api::input::{PAGE_LIMIT, TICK_STATES};
use crate::api::views::series::SeriesOf;
use crate::domain::alert::{AlertKind, AlertState, DeliveryOutcome, MessageState, Suppression};
use crate::domain::audit::Action;
use crate::domain::history::timeline::CountAs;
use crate::domain::live::StateFilter;
use crate::domain::service::URL_MAX_CHARS;
use crate::domain::{Reason, State, Status};

/// Unix seconds, or RFC 3339 with seconds and an offset. A space may stand for the `T`, and for a
/// plus sign that a client did not escape.
const TIME: &str = concat!(
    r"^([0-9]+(\.[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}",
    r"(\.[0-9]+)?([Zz]|[+ -][0-9]{2}:[0-9]{2}))$",
);

/// A number of days, weeks or years, a duration as in Go, or both.
const SPAN: &str =
    r"([0-9]+[dwy]|([0-9]+[dwy])?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)";

/// Sets the schema of every query parameter.
pub struct ParameterSchemas;

impl Modify for ParameterSchemas {
    fn modify(&self, document: &mut OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let operations = [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete];
            operations.into_iter().flatten().for_each(|operation| set_schemas(path, operation));
        }
    }
}

fn set_schemas(path: &str, operation: &mut Operation) {
    // Their parameters are those of Prometheus.
    if path.starts_with("/api/v1/") {
        return;
    }
    for parameter in operation.parameters.iter_mut().flatten() {
        if parameter.parameter_in == ParameterIn::Query
            && let Some(schema) = schema(path, &parameter.name)
        {
            parameter.schema = Some(Schema::from(schema).into());
        }
    }
}

/// `None` for a parameter with any text.
fn schema(path: &str, name: &str) -> Option<ObjectBuilder> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    Some(match name {
        "page" => integer(KnownFormat::Int64, i64::from(u32::MAX)).default(Some(1.into())),
        "limit" => {
            let (default, most) = PAGE_LIMIT;
            integer(KnownFormat::Int32, most.into()).default(Some(default.into()))
        }
        "from" | "to" => text().pattern(Some(TIME)),
        "window" => text().pattern(Some(format!("^{SPAN}$"))),
        "step" => text().pattern(Some(format!("^([0-9]+|{SPAN})$"))),
        "cursor" => text().pattern(Some("^[0-9]+$")),
        "q" => text().max_length(Some(URL_MAX_CHARS)),
        "status" => one_of(Status::ALL.map(Status::as_str)),
        "reason" => one_of(Reason::all().map(Reason::as_str)),
        "event" => one_of(State::ALL.map(State::event)),
        "state" if path == "/v1/alerts" => one_of(AlertState::ALL.map(AlertState::as_str)),
        "state" if path == "/v1/channels/{id}/test" => {
            one_of(TEST_STATES.map(MessageState::as_str))
                .default(Some(MessageState::Firing.as_str().into()))
        }
        "state" if path == "/v1/stream" => one_of(StateFilter::ALL.map(StateFilter::as_str)),
        "services" => text().pattern(Some("^[1-9][0-9]*(,[1-9][0-9]*){0,199}$")),
        "since" => text().pattern(Some("^[0-9]+-[0-9]+$")),
        "state" => one_of(TICK_STATES.map(State::as_str)),
        "kind" => one_of(AlertKind::ALL.map(AlertKind::as_str)),
        "suppressed" => one_of(Suppression::ALL.map(Suppression::as_str)),
        "actor" => text().min_length(Some(1)),
        "action" => one_of(Action::ALL.iter().copied().map(Action::as_str)),
        "outcome" => one_of(DeliveryOutcome::ALL.map(DeliveryOutcome::as_str)),
        "of" => one_of(SeriesOf::ALL.map(SeriesOf::as_str))
            .default(Some(SeriesOf::ResponseTime.as_str().into())),
        "unknown" | "planned" => one_of(CountAs::ALL.map(CountAs::as_str))
            .default(Some(CountAs::default().as_str().into())),
        _ => return None,
    })
}

/// A whole number from 1 to `most`.
fn integer(format: KnownFormat, most: i64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(format)))
        .minimum(Some(1))
        .maximum(Some(most as isize))
}

fn one_of(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    let words: Vec<Value> = words.into_iter().map(Value::from).collect();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words))
}
