//! What was: ticks, series, uptime, objectives, events of all services.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::Api;
use super::input;
use super::views;
use crate::api::error::{ApiError, ErrorBody};
use crate::api::input::SeriesOf;
use crate::api::parameters::{EventParams, PageParams, WindowParams};
use crate::api::responses::{Missing, ReadErrors};
use crate::api::views::series::{Series, SeriesData};
use crate::api::views::ticks::{AllEventsData, ServiceEventView, Ticks, TicksData};
use crate::api::views::uptime::{
    ServiceUptimeView, SloData, SloStatus, UptimeData, UptimeView, UptimesData,
};
use crate::api::views::{List, One, Success};
use crate::clock::unix_ms;
use crate::domain::Window;
use crate::domain::history::slo;
use crate::domain::history::slo::BURN_WINDOWS;
use crate::storage::history::series::GetSeries;
use crate::storage::history::uptime::GetTotals;
use crate::storage::reader::GetService;

type Answer = Result<HttpResponse, ApiError>;

/// Every result of a service, newest first.
#[utoipa::path(get, path = "/v1/services/{id}/ticks", tag = "history",
    params(
        ("id" = i64, Path, description = "Key of the service", minimum = 1),
        ("from" = Option<String>, Query, description = "Only those from this moment on: unix seconds or RFC 3339"),
        ("to" = Option<String>, Query, description = "Only those before this moment"),
        ("state" = Option<String>, Query, description = "Only those that say up, down or unknown"),
        ("reason" = Option<String>, Query, description = "Only those with this failure"),
        ("limit" = Option<u32>, Query, description = "Items an answer, 100 when not given", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the answer before"),
    ),
    responses(
        (status = 200, description = "A part of the ticks", body = Success<TicksData>),
        ReadErrors,
        Missing,
    ))]
pub async fn ticks(api: web::Data<Api>, request: HttpRequest) -> Answer {
    let wanted = input::list_ticks(&request, unix_ms())?;
    let page = api.ask(wanted).await?;
    let ticks = Ticks::new(wanted.limit, page);
    Ok(views::answer(StatusCode::OK, TicksData { ticks }))
}

/// A window of a service cut into equal buckets.
///
/// Buckets begin at multiples of the step since 1970, and the first and the last one are whole. Steps of whole hours or days are
/// read from the roll-ups, which are kept longer than the ticks.
#[utoipa::path(get, path = "/v1/services/{id}/series", tag = "history",
    params(
        ("id" = i64, Path, description = "Key of the service", minimum = 1),
        WindowParams,
        ("step" = Option<String>, Query, description = "Length of a bucket: seconds or a span such as 5m, 1h, 1d; a fitting one when not given, for at most 400 buckets; at most 2,000 buckets in any case"),
        ("of" = Option<String>, Query, description = "response_time (when not given), uptime or phases"),
    ),
    responses(
        (status = 200, description = "The series", body = Success<SeriesData>),
        ReadErrors,
        Missing,
    ))]
pub async fn series(api: web::Data<Api>, request: HttpRequest) -> Answer {
    let now_ms = unix_ms();
    let wanted = input::series(&request, now_ms)?;
    let (service_id, grid) = (wanted.service_id, wanted.grid);
    let series = if wanted.of == SeriesOf::Uptime {
        let windows = grid
            .starts()
            .map(|from_ms| Window { from_ms, to_ms: (from_ms + grid.step_ms).min(now_ms) })
            .collect();
        let totals = api.ask(GetTotals { service_id, windows }).await?;
        Series::of_totals(grid, &totals, wanted.unknown)
    } else {
        let stats = api.ask(GetSeries { service_id, grid }).await?;
        Series::of_stats(wanted.of, grid, &stats)
    };
    Ok(views::answer(StatusCode::OK, SeriesData { series: One::new(series) }))
}

/// How long a service was up, down, unknown and paused.
#[utoipa::path(get, path = "/v1/services/{id}/uptime", tag = "history",
    params(
        ("id" = i64, Path, description = "Key of the service", minimum = 1),
        WindowParams,
    ),
    responses(
        (status = 200, description = "The uptime", body = Success<UptimeData>),
        ReadErrors,
        Missing,
    ))]
pub async fn uptime(api: web::Data<Api>, request: HttpRequest) -> Answer {
    let wanted = input::uptime(&request, unix_ms())?;
    let uptime = api.ask(wanted).await?;
    let uptime = One::new(UptimeView::new(wanted.window, &uptime));
    Ok(views::answer(StatusCode::OK, UptimeData { uptime }))
}

/// The uptime of all services, by id.
#[utoipa::path(get, path = "/v1/uptime", tag = "history",
    params(
        WindowParams,
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of uptimes", body = Success<UptimesData>),
        ReadErrors,
    ))]
pub async fn all_uptime(api: web::Data<Api>, request: HttpRequest) -> Answer {
    let wanted = input::list_uptime(&request, unix_ms())?;
    let page = api.ask(wanted).await?;
    let view = |service| ServiceUptimeView::new(wanted.window, service);
    let uptime = List::new(wanted.page, page, view);
    Ok(views::answer(StatusCode::OK, UptimesData { uptime }))
}

/// How far a service keeps its objective: error budget and burn rates.
#[utoipa::path(get, path = "/v1/services/{id}/slo", tag = "history",
    params(("id" = i64, Path, description = "Key of the service", minimum = 1)),
    responses(
        (status = 200, description = "The objective", body = Success<SloData>),
        (status = 404, description = "No such living service, or it has no objective", body = ErrorBody),
        ReadErrors,
    ))]
pub async fn slo(api: web::Data<Api>, request: HttpRequest) -> Answer {
    let service_id = input::service_id(&request)?;
    input::no_params(&request)?;
    let service = api.ask(GetService(service_id)).await?;
    let slo = service.definition.options.slo.ok_or_else(ApiError::no_slo)?;
    let now_ms = unix_ms();
    let ending_now = |length: Duration| {
        let length_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        Window { from_ms: now_ms.saturating_sub(length_ms), to_ms: now_ms }
    };
    let lengths = std::iter::once(slo.window).chain(BURN_WINDOWS.map(|(_, length)| length));
    let windows = lengths.map(ending_now).collect();
    let totals = api.ask(GetTotals { service_id, windows }).await?;
    let Some((whole, burning)) = totals.split_first() else { return Err(ApiError::no_slo()) };
    let burn_rates: BTreeMap<_, _> = BURN_WINDOWS
        .iter()
        .zip(burning)
        .map(|((told, _), totals)| (*told, slo::burn_rate(totals, slo.target_percent)))
        .collect();
    let budget = slo::budget(whole, slo.target_percent);
    let slo = One::new(SloStatus::new(&slo, whole, &budget, burn_rates));
    Ok(views::answer(StatusCode::OK, SloData { slo }))
}

/// The events of all services, newest first.
#[utoipa::path(get, path = "/v1/events", tag = "history",
    params(
        EventParams,
        ("service" = Option<i64>, Query, description = "Only those of the service with this id", minimum = 1),
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of events", body = Success<AllEventsData>),
        ReadErrors,
        Missing,
    ))]
pub async fn all_events(api: web::Data<Api>, request: HttpRequest) -> Answer {
    let wanted = input::list_all_events(&request, unix_ms())?;
    let page = api.ask(wanted).await?;
    let events = List::new(wanted.page, page, ServiceEventView::new);
    Ok(views::answer(StatusCode::OK, AllEventsData { events }))
}
