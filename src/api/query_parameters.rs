//! Query parameters that several requests share, for the OpenAPI document. [`input`] parses them.
//!
//! [`input`]: crate::api::input

use utoipa::IntoParams;

/// A page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct PageParams {
    /// Page number, starting at 1
    #[param(minimum = 1)]
    page: Option<u32>,
    /// Items per page; default 100
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// A time window.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct WindowParams {
    /// Start of the window, inclusive: unix seconds or RFC 3339; default: 24 hours before `to`
    from: Option<String>,
    /// End of the window, exclusive: unix seconds or RFC 3339; default: now
    to: Option<String>,
    /// Length of a window that ends now, such as 24h, 7d or 1y; instead of `from` and `to`
    window: Option<String>,
    /// How uptime counts unknown time: exclude (default), down or up
    unknown: Option<String>,
}

/// Filters of events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct EventParams {
    /// Only events that end after this time: unix seconds or RFC 3339
    from: Option<String>,
    /// Only events that begin before this time: unix seconds or RFC 3339
    to: Option<String>,
    /// Only events of this kind: uptime, downtime, unknown or paused
    event: Option<String>,
    /// Only events with this failure reason
    reason: Option<String>,
}
