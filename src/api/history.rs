//! Handlers of the history: ticks, series, uptime, objectives, events of all services.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};

use crate::api::budget::Items;
use crate::api::error::{ApiError, ApiResult, ErrorBody};
use crate::api::error_responses::{NotFoundError, ReadErrors};
use crate::api::input;
use crate::api::query_parameters::{EventParams, PageParams, WindowParams};
use crate::api::state::Api;
use crate::api::views::envelope::{List, One, Success, json, success};
use crate::api::views::series::{Series, SeriesData, SeriesOf};
use crate::api::views::ticks::{AllEventsData, ServiceEventView, Ticks, TicksData};
use crate::api::views::uptime::{
    ServiceUptimeView, SloData, SloStatus, UptimeData, UptimeView, UptimesData,
};
use crate::api::visibility;
use crate::clock::unix_ms;
use crate::domain::Window;
use crate::domain::access::Caller;
use crate::domain::history::slo;
use crate::domain::history::slo::BURN_WINDOWS;
use crate::storage::history::series::GetSeries;
use crate::storage::history::uptime::GetTotals;
use crate::storage::records::GetService;

/// The ticks of a service, newest first.
#[utoipa::path(get, path = "/v1/services/{id}/ticks", tag = "history",
    params(
        ("id" = i64, Path, description = "Id of the service", minimum = 1),
        ("from" = Option<String>, Query, 
            description = "Only ticks at or after this time: unix seconds or RFC 3339"),
        ("to" = Option<String>, Query, 
            description = "Only ticks before this time, in the form of `from`"),
        ("state" = Option<String>, Query, 
            description = "Only ticks of this state"),
        ("reason" = Option<String>, Query, description = "Only ticks with this failure reason"),
        ("limit" = Option<u32>, Query, description = "Most items per page"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the previous page"),
    ),
    responses(
        (status = 200, description = "A page of ticks", body = Success<TicksData>),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn ticks(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let query = input::list_ticks(&request, unix_ms())?;
    let limit = query.limit;
    let view = move |page| TicksData { ticks: Ticks::new(limit, page) };
    Ok(json(api.text((Items::Ticks, limit), query, view).await?))
}

/// A time series of a service in buckets of equal length.
///
/// Buckets start at multiples of the step since 1970, so the first and the last bucket may extend
/// beyond the window. Steps of whole hours or days are read from the roll-ups, which are retained
/// longer than the ticks.
#[utoipa::path(get, path = "/v1/services/{id}/series", tag = "history",
    params(
        ("id" = i64, Path, description = "Id of the service", minimum = 1),
        WindowParams,
        ("step" = Option<String>, Query, 
            description = "Length of a bucket, from 1s to 366d: whole seconds, or a duration such \
                           as 5m, 1h or 1d; at most 2000 buckets. Default: the shortest standard \
                           step with at most 400"),
        ("of" = Option<String>, Query, 
            description = "Content of the series"),
    ),
    responses(
        (status = 200, description = "The series", body = Success<SeriesData>),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn series(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let now_ms = unix_ms();
    let query = input::series(&request, now_ms)?;
    let (service_id, grid) = (query.service_id, query.grid);
    let (items, of, counting) = ((Items::Buckets, grid.count), query.of, query.counting);
    let text = if of == SeriesOf::Uptime {
        let windows = grid
            .starts()
            .map(|from_ms| Window { from_ms, to_ms: (from_ms + grid.step_ms).min(now_ms) })
            .collect();
        let view = move |totals: Vec<_>| Series::of_totals(grid, &totals, counting);
        let view = move |totals| SeriesData { series: One::new(view(totals)) };
        api.text(items, GetTotals { service_id, windows }, view).await?
    } else {
        let view = move |stats: Vec<_>| Series::of_stats(of, grid, &stats);
        let view = move |stats| SeriesData { series: One::new(view(stats)) };
        api.text(items, GetSeries { service_id, grid }, view).await?
    };
    Ok(json(text))
}

/// Time for which a service was up, down, unknown, paused and under maintenance.
#[utoipa::path(get, path = "/v1/services/{id}/uptime", tag = "history",
    params(
        ("id" = i64, Path, description = "Id of the service", minimum = 1),
        WindowParams,
    ),
    responses(
        (status = 200, description = "The uptime", body = Success<UptimeData>),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn uptime(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let query = input::uptime(&request, unix_ms())?;
    let uptime = api.query(query).await?;
    let uptime = One::new(UptimeView::new(query.window, &uptime));
    Ok(success(StatusCode::OK, UptimeData { uptime }))
}

/// The uptime of all services, ordered by service id.
#[utoipa::path(get, path = "/v1/uptime", tag = "history",
    params(
        WindowParams,
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of uptimes", body = Success<UptimesData>),
        ReadErrors,
    ))]
pub async fn all_uptime(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let query = input::list_uptime(&request, &caller.groups, unix_ms())?;
    let (requested, window) = (query.page, query.window);
    let view = move |page| {
        let view = |service| ServiceUptimeView::new(window, service);
        UptimesData { uptime: List::new(requested, page, view) }
    };
    Ok(json(api.text((Items::Uptimes, requested.limit as usize), query, view).await?))
}

/// The service level objective of a service: uptime, error budget and burn rates.
#[utoipa::path(get, path = "/v1/services/{id}/slo", tag = "history",
    params(
        ("id" = i64, Path, description = "Id of the service", minimum = 1),
        ("planned" = Option<String>, Query, 
            description = "How time under maintenance that was down or unknown counts"),
    ),
    responses(
        (status = 200, description = "The objective", body = Success<SloData>),
        (status = 404, description = "No service with this id, or it has no objective",
            body = ErrorBody),
        ReadErrors,
    ))]
pub async fn slo(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let (service_id, planned) = input::slo(&request)?;
    let service = api.query(GetService(service_id)).await?;
    let slo = service.definition.options.slo.ok_or_else(ApiError::no_slo)?;
    let now_ms = unix_ms();
    let ending_now = |length: Duration| {
        let length_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        Window { from_ms: now_ms.saturating_sub(length_ms), to_ms: now_ms }
    };
    let lengths = std::iter::once(slo.window).chain(BURN_WINDOWS.map(|(_, length)| length));
    let windows = lengths.map(ending_now).collect();
    let totals = api.query(GetTotals { service_id, windows }).await?;
    let Some((whole, recent)) = totals.split_first() else { return Err(ApiError::no_slo()) };
    let burn_rates: BTreeMap<_, _> = BURN_WINDOWS
        .iter()
        .zip(recent)
        .map(|((name, _), totals)| {
            (*name, slo::burn_rate(&totals.with_planned(planned), slo.target_percent))
        })
        .collect();
    let budget = slo::budget(&whole.with_planned(planned), slo.target_percent);
    let slo = One::new(SloStatus::new(&slo, (whole, planned), &budget, burn_rates));
    Ok(success(StatusCode::OK, SloData { slo }))
}

/// The events of all services, newest first.
#[utoipa::path(get, path = "/v1/events", tag = "history",
    params(
        EventParams,
        ("service" = Option<i64>, Query, 
            description = "Only events of the service with this id", minimum = 1),
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of events", body = Success<AllEventsData>),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn all_events(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let query = input::list_all_events(&request, &caller.groups, unix_ms())?;
    if let Some(id) = query.service_id {
        visibility::check_service(&api, &caller, id).await?;
    }
    let requested = query.page;
    let view =
        move |page| AllEventsData { events: List::new(requested, page, ServiceEventView::new) };
    Ok(json(api.text((Items::Events, requested.limit as usize), query, view).await?))
}
