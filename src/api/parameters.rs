//! Parameters that several requests share, for the OpenAPI document; `input::query` reads them.

use utoipa::IntoParams;

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct PageParams {
    /// Number of the page, from 1
    #[param(minimum = 1)]
    page: Option<u32>,
    /// Items a page, 100 when not given
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// A window with an end.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct WindowParams {
    /// Unix seconds or RFC 3339; a day before `to` when not given
    from: Option<String>,
    /// Unix seconds or RFC 3339; now when not given
    to: Option<String>,
    /// In place of both: a span that ends now, such as 24h, 7d, 30d, 90d or 1y
    window: Option<String>,
    /// What unknown time counts as, in uptime: exclude (when not given), down or up
    unknown: Option<String>,
}

/// Which events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct EventParams {
    /// Only those that lasted at this moment or began later: unix seconds or RFC 3339
    from: Option<String>,
    /// Only those that began before this moment
    to: Option<String>,
    /// Only uptime, downtime, unknown or paused ones
    event: Option<String>,
    /// Only those with this failure
    reason: Option<String>,
}
