//! `/alerts`: acknowledge and silence.

use std::cmp::Reverse;
use std::time::Duration;

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::actors::messages::alerting::Acknowledge;
use crate::api::alerting::silences;
use crate::api::error::ApiError;
use crate::api::input;
use crate::api::visibility;
use crate::api::visible_plans;
use crate::domain::access::Caller;
use crate::domain::alert;
use crate::domain::alert::{Acknowledgement, AlertState, Matcher, Suppression};
use crate::domain::time::duration;
use crate::domain::{Page, PageRequest, ServiceId};
use crate::storage::alerting::{ListAlerts, ListChannels, ListSilences};
use crate::storage::records::GetService;
use crate::ui::html::alerts::{Alert, Alerts, Silence, page};
use crate::ui::html::field::Form;
use crate::ui::html::frame::Section;
use crate::ui::html::paging::Position;
use crate::ui::pages::facts;
use crate::ui::pages::forms;
use crate::ui::pages::forms::Values;
use crate::ui::pages::respond::{PageResult, html, see};
use crate::ui::pages::service_form::problems;
use crate::ui::pages::viewer::{Viewer, stream_of};

/// Alerts of a state a page.
const ROWS: u32 = 50;

/// States of open alerts.
const OPEN: [Option<AlertState>; 3] =
    [Some(AlertState::Firing), Some(AlertState::Pending), Some(AlertState::Acknowledged)];

/// The open alerts, or all of them.
pub async fn show(viewer: Viewer) -> PageResult {
    // The form of a silence of one service.
    let id = viewer.query("service").and_then(|id| id.parse().ok()).and_then(ServiceId::new);
    let mut values = Values::new();
    if let Some(id) = id {
        let definition = viewer.visible(viewer.api.query(GetService(id)).await?)?.definition;
        values.insert("match.name".to_owned(), definition.name.as_str().to_owned());
        if let Some(group) = definition.group {
            values.insert("match.group".to_owned(), group.as_str().to_owned());
        }
    }
    listed(&viewer, StatusCode::OK, Form { values, problems: Vec::new() }).await
}

async fn listed(viewer: &Viewer, status: StatusCode, form: Form) -> PageResult {
    let has_ended = viewer.query("state").as_deref() == Some("all");
    let request = PageRequest { page: viewer.page_number(), limit: ROWS };
    let caller = viewer.caller();
    let list = |state| ListAlerts {
        groups: caller.groups.clone(),
        state,
        kind: None,
        service_id: None,
        group: None,
        suppressed_by: None,
        page: request,
    };
    let api = &viewer.api;
    let states: &[_] = if has_ended { &[None] } else { &OPEN };
    let mut found = Page { items: Vec::new(), total: 0 };
    for state in states {
        let of_state = api.query(list(*state)).await?;
        found.items.extend(of_state.items);
        found.total += of_state.total;
    }
    found.items.sort_by_key(|alert| Reverse(alert.id));
    let mut silences = api.query(ListSilences).await?;
    silences.retain(|silence| silence.to_ms > viewer.now_ms);
    let silences = silences.into_iter().filter_map(|silence| of_silence(&caller, silence));
    let has_channel = !api.query(ListChannels).await?.is_empty();
    let overview = viewer.overview().await?;
    let mut frame = viewer.frame(Section::Alerts, overview.counts.down.into());
    frame.stream = stream_of(&[], overview.moment).filter(|_| request.page == 1);
    let facts = Alerts {
        alerts: found.items.iter().map(of_alert).collect(),
        position: Position {
            page: request.page,
            limit: ROWS * states.len() as u32,
            total: found.total,
        },
        has_ended,
        silences: silences.collect(),
        form,
        has_channel,
    };
    Ok(html(viewer, status, page(&frame, &facts)))
}

/// Acknowledges an alert.
pub async fn acknowledge(mut viewer: Viewer) -> PageResult {
    let values = forms::values(viewer.form().await?);
    let mut object = Map::new();
    for name in ["by", "note"] {
        if let Some(text) = forms::filled(&values, name) {
            object.insert(name.to_owned(), json!(text));
        }
    }
    let given = input::alerting::acknowledgement(&object, viewer.now_ms)?;
    set(viewer, Some(given), "acknowledged").await
}

/// Takes an acknowledgement back.
pub async fn unacknowledge(viewer: Viewer) -> PageResult {
    set(viewer, None, "unacknowledged").await
}

async fn set(viewer: Viewer, acknowledgement: Option<Acknowledgement>, word: &str) -> PageResult {
    let alert_id = viewer.record_id()?;
    visibility::check_alert_id(&viewer.api, &viewer.caller(), alert_id).await?;
    let source = viewer.source();
    let command = Acknowledge { alert_id, acknowledgement, source };
    viewer.api.dispatcher.acknowledge.send(command).await.map_err(ApiError::from)??;
    see(&format!("/alerts?done={word}#a{alert_id}"))
}

/// Adds the silence of the form, or shows the form with what is wrong.
pub async fn silence(mut viewer: Viewer) -> PageResult {
    let values = forms::values(viewer.form().await?);
    let object = silence_of(&values, viewer.now_ms);
    match silences::add(&viewer.api, &viewer.caller(), &viewer.request, &object).await {
        Ok(_) => see("/alerts?done=silenced#silence"),
        Err(error) => {
            let problems = problems(error)?;
            listed(&viewer, StatusCode::UNPROCESSABLE_ENTITY, Form { values, problems }).await
        }
    }
}

/// The silence of a form as the JSON of the API; it begins now.
fn silence_of(values: &Values, now_ms: i64) -> Map<String, Value> {
    let mut object = Map::new();
    for name in ["match.name", "match.group"] {
        if let Some(text) = forms::filled(values, name) {
            forms::put(&mut object, name, json!(forms::list(text)));
        }
    }
    for name in ["by", "note"] {
        if let Some(text) = forms::filled(values, name) {
            object.insert(name.to_owned(), json!(text));
        }
    }
    let length = forms::filled(values, "length").and_then(duration::parse_span);
    if let Some(length) = length {
        let to_s = now_ms.div_euclid(1_000).saturating_add_unsigned(Duration::as_secs(&length));
        object.insert("to".to_owned(), json!(to_s));
    }
    object
}

/// Ends a silence.
pub async fn end_silence(viewer: Viewer) -> PageResult {
    let id = viewer.record_id()?;
    silences::end(&viewer.api, &viewer.caller(), &viewer.request, id).await?;
    see("/alerts?done=ended#silence")
}

fn of_alert(alert: &alert::Alert) -> Alert {
    let monitor = || "the monitor itself".to_owned();
    Alert {
        id: alert.id,
        service_id: alert.service_id.map(ServiceId::get),
        name: Some(alert.facts.name.clone()).filter(|it| !it.is_empty()).unwrap_or_else(monitor),
        group: alert.facts.group.clone(),
        kind: alert.kind.as_str(),
        severity: alert.severity.as_str(),
        state: alert.state.as_str(),
        since_ms: alert.since_ms,
        resolved_ms: alert.resolved_ms.filter(|_| alert.state == AlertState::Resolved),
        why: facts::why_alert(&alert.facts),
        suppressed_by: alert.suppressed_by.map(Suppression::as_str),
        acknowledged: alert.acknowledged.as_ref().map(|given| joined(&given.by, &given.note)),
    }
}

/// The silence as the caller sees it, if it concerns services of the caller.
fn of_silence(caller: &Caller, silence: alert::Silence) -> Option<Silence> {
    let can_end = visible_plans::check_silence(caller, &silence.matcher).is_ok();
    let silence = visible_plans::silence(caller, silence).ok()?;
    Some(Silence {
        id: silence.id,
        can_end,
        matches: in_words(&silence.matcher),
        from_ms: silence.from_ms,
        to_ms: silence.to_ms,
        note: joined(&silence.by, &silence.note),
    })
}

/// `ann: on it`
fn joined(by: &Option<String>, note: &Option<String>) -> String {
    let parts: Vec<&str> = [by, note].into_iter().filter_map(Option::as_deref).collect();
    parts.join(": ")
}

/// What a matcher selects.
pub fn in_words(matcher: &Matcher) -> String {
    let Matcher { group, name, kind, severity } = matcher;
    let parts = [("services", name), ("group", group), ("kind", kind), ("severity", severity)];
    let parts = parts.into_iter().filter(|(_, patterns)| !patterns.is_empty());
    let parts: Vec<String> =
        parts.map(|(word, patterns)| format!("{word} {}", patterns.join(", "))).collect();
    if parts.is_empty() { "all services".to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_795_948_867_500;

    #[test]
    fn a_silence_lasts_as_long_as_the_form_says() {
        let values = [("match.name", "db-*, pay"), ("length", "4h"), ("by", "ann"), ("note", "")];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let silence = silence_of(&values, NOW_MS);
        let read = input::alerting::silence(&silence, NOW_MS).unwrap();
        assert_eq!(read.matcher.name, ["db-*", "pay"]);
        assert_eq!((read.to_ms - NOW_MS).div_euclid(1_000), 4 * 3_600 - 1);
        assert_eq!((read.by.as_deref(), read.note), (Some("ann"), None));
        let empty = input::alerting::silence(&silence_of(&Values::new(), NOW_MS), NOW_MS);
        let errors = empty.unwrap_err().to_string();
        assert!(errors.contains("match: ") && errors.contains("to: required"), "{errors}");
    }

    #[test]
    fn a_matcher_is_told_in_words() {
        let matcher = Matcher {
            name: vec!["db-*".to_owned(), "pay".to_owned()],
            group: vec!["core".to_owned()],
            ..Matcher::default()
        };
        assert_eq!(in_words(&matcher), "services db-*, pay; group core");
        assert_eq!(in_words(&Matcher::default()), "all services");
    }
}
