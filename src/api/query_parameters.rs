//! Query parameters that several requests share, for the OpenAPI document. [`input`] parses them;
//! their schemas are in `parameter_schemas`.
//!
//! [`input`]: crate::api::input

use utoipa::IntoParams;

/// A page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct PageParams {
    /// Page number, starting at 1; a page after the last one is empty
    page: Option<u32>,
    /// Most items per page
    limit: Option<u32>,
}

/// A time window.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct WindowParams {
    /// Start of the window, inclusive: unix seconds, also with a fraction, or RFC 3339 with an
    /// offset, from 1970 to 9999; before now and before `to`; default: 24 hours before `to`
    from: Option<String>,
    /// End of the window, exclusive, in the form of `from`; a later time means now; default: now
    to: Option<String>,
    /// Length of a window that ends now, such as 24h, 7d, 1y or 1d12h, at least a millisecond;
    /// instead of `from` and `to`
    window: Option<String>,
    /// How uptime counts unknown time
    unknown: Option<String>,
    /// How uptime counts time under maintenance that was down or unknown
    planned: Option<String>,
}

/// Filters of alerts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct AlertParams {
    /// Only alerts in this state
    state: Option<String>,
    /// Only alerts of this kind
    kind: Option<String>,
    /// Only alerts of the service with this id, also of one that was deleted
    #[param(minimum = 1)]
    service: Option<i64>,
    /// Only alerts of services of this group; empty: those without a group
    group: Option<String>,
    /// Only alerts that are suppressed by this
    suppressed: Option<String>,
}

/// Filters of deliveries.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct DeliveryParams {
    /// Only deliveries to the channel with this id
    #[param(minimum = 1)]
    channel: Option<i64>,
    /// Only deliveries of the alert with this id
    #[param(minimum = 1)]
    alert: Option<i64>,
    /// Only deliveries with this outcome
    outcome: Option<String>,
}

/// Filters of changes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct AuditParams {
    /// Only changes from this time on, which must be before now: unix seconds, also with a
    /// fraction, or RFC 3339 with an offset, from 1970 to 9999
    from: Option<String>,
    /// Only changes before this time, in the form of `from`
    to: Option<String>,
    /// Only changes by this actor, such as `API_TOKEN` or `token deploy`
    actor: Option<String>,
    /// Only changes of this kind
    action: Option<String>,
    /// Only changes of the service with this id, also of one that was deleted
    #[param(minimum = 1)]
    service: Option<i64>,
    /// Most items per page
    limit: Option<u32>,
    /// `next_cursor` of an earlier response
    cursor: Option<String>,
}

/// Filters of events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct EventParams {
    /// Only events that end after this time, which must be before now: unix seconds, also with a
    /// fraction, or RFC 3339 with an offset, from 1970 to 9999
    from: Option<String>,
    /// Only events that begin before this time, in the form of `from`
    to: Option<String>,
    /// Only events of this kind
    event: Option<String>,
    /// Only events with this failure reason
    reason: Option<String>,
}
