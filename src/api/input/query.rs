//! The query string of each request.

use std::time::Duration;

use actix_web::HttpRequest;

use crate::api::error::ApiError;
use crate::api::input::params::{Params, one_of, whole_number};
use crate::api::input::path::service_id;
use crate::api::views::series::SeriesOf;
use crate::domain::access::GroupLimit;
use crate::domain::audit::Action;
use crate::domain::history::timeline::{CountAs, Counting};
use crate::domain::live::{LiveMoment, LiveView, StateFilter};
use crate::domain::time::duration;
use crate::domain::{Invalid, Reason, ServiceId, State, Status, Window};
use crate::storage::audit::ListAudit;
use crate::storage::history::series::Grid;
use crate::storage::history::ticks::ListTicks;
use crate::storage::history::uptime::{GetUptime, ListUptime};
use crate::storage::records::{ListEvents, ListServices};

/// Most buckets of a series.
const MAX_BUCKETS: usize = 2_000;

/// Most buckets of a series with the default step.
const MAX_DEFAULT_BUCKETS: i64 = 400;

/// Most services that a stream names.
const STREAM_SERVICES: usize = 200;

/// States of a tick.
pub const TICK_STATES: [State; 3] = [State::Up, State::Down, State::Unknown];

/// Default steps of a series, in seconds; beyond them, whole days.
const DEFAULT_STEPS_S: [i64; 17] =
    [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];
const DAY_MS: i64 = 86_400_000;

/// Length of the default window.
const DAY: Duration = Duration::from_secs(86_400);

impl Params {
    fn status(&mut self) -> Option<Status> {
        self.take("status", &one_of(Status::ALL.map(Status::as_str)), |text| {
            Status::ALL.into_iter().find(|status| status.as_str() == text)
        })
    }

    fn reason(&mut self) -> Option<Reason> {
        self.take("reason", &one_of(Reason::all().map(Reason::as_str)), Reason::from_word)
    }

    fn event(&mut self) -> Option<State> {
        self.take("event", &one_of(State::ALL.map(State::event)), State::from_event)
    }

    /// The state of a tick.
    fn state(&mut self) -> Option<State> {
        self.take("state", &one_of(TICK_STATES.map(State::as_str)), |text| {
            TICK_STATES.into_iter().find(|state| state.as_str() == text)
        })
    }

    fn counting(&mut self) -> Counting {
        let expected = one_of(CountAs::ALL.map(CountAs::as_str));
        let mut count_as =
            |name| self.take(name, &expected, CountAs::from_word).unwrap_or_default();
        Counting { unknown: count_as("unknown"), planned: count_as("planned") }
    }

    /// The buckets of a series over `window`.
    fn grid(&mut self, window: Window) -> Grid {
        let grid = match self.step_ms() {
            Some(step_ms) => Grid::over(window, step_ms),
            None => series_grid(window),
        };
        if grid.count > MAX_BUCKETS {
            let length_ms = window.to_ms.saturating_sub(window.from_ms);
            let least_s = (length_ms / (MAX_BUCKETS as i64 - 1)).div_euclid(1_000) + 1;
            let count = grid.count;
            let expected = format!(
                "at least {least_s} seconds: at most {MAX_BUCKETS} buckets, this step makes {count}"
            );
            let step = self.get("step").unwrap_or_default();
            self.reject("step", &Invalid::quoted(step, expected));
        }
        grid
    }

    fn step_ms(&mut self) -> Option<i64> {
        let expected = "whole seconds or a duration such as 5m, 1h or 1d, from 1s to 366d";
        self.take("step", expected, |text| {
            let seconds = match whole_number::<u64>(text) {
                Some(seconds) => Duration::from_secs(seconds),
                None => duration::parse_span(text)?,
            };
            let is_whole = seconds.subsec_nanos() == 0;
            let fits = (1..=366 * 86_400).contains(&seconds.as_secs());
            (is_whole && fits).then(|| seconds.as_secs().cast_signed() * 1_000)
        })
    }
}

/// The buckets over `window` with the default step.
pub fn series_grid(window: Window) -> Grid {
    let length_ms = window.to_ms.saturating_sub(window.from_ms).max(1);
    let mut steps_ms = DEFAULT_STEPS_S.into_iter().map(|step_s| step_s * 1_000);
    let step_ms = steps_ms.find(|step_ms| length_ms / step_ms <= MAX_DEFAULT_BUCKETS);
    let whole_days = || (length_ms / MAX_DEFAULT_BUCKETS / DAY_MS + 1) * DAY_MS;
    Grid::over(window, step_ms.unwrap_or_else(whole_days))
}

/// The query of `GET /v1/services`.
pub fn list_services(request: &HttpRequest, groups: &GroupLimit) -> Result<ListServices, ApiError> {
    let mut params = Params::new(request, &["page", "limit", "status", "q", "group", "reason"]);
    let query = ListServices {
        status: params.status(),
        part: params.search(),
        group: params.get("group").map(str::to_owned),
        reason: params.reason(),
        groups: groups.clone(),
        page: params.page(),
    };
    params.done(query)
}

/// The query of `GET /v1/overview`: most services that need attention.
pub fn overview(request: &HttpRequest) -> Result<u32, ApiError> {
    let mut params = Params::new(request, &["limit"]);
    let limit = params.limit();
    params.done(limit)
}

/// What `GET /v1/stream` is about, and the moment from which it continues.
pub fn stream(
    request: &HttpRequest,
    groups: &GroupLimit,
) -> Result<(LiveView, Option<LiveMoment>), ApiError> {
    let mut params = Params::new(request, &["services", "group", "state", "since"]);
    let expected = format!("at most {STREAM_SERVICES} ids of services, separated by commas");
    let services = params.take("services", &expected, service_ids);
    let state = one_of(StateFilter::ALL.map(StateFilter::as_str));
    let state = params.take("state", &state, StateFilter::from_word);
    let since = params.take("since", "a moment such as 1795413298500-17", |text| text.parse().ok());
    let group = params.get("group").map(str::to_owned);
    let view = LiveView { services, group, state, groups: groups.clone() };
    let last = request.headers().get("Last-Event-ID");
    // A moment of another program is unknown: the stream begins with `reset`.
    let unknown = LiveMoment { boot: 0, seq: 0 };
    let last = last.map(|id| id.to_str().ok().and_then(|id| id.parse().ok()).unwrap_or(unknown));
    params.done((view, last.or(since)))
}

/// Ids separated by commas, sorted.
fn service_ids(text: &str) -> Option<Box<[ServiceId]>> {
    let ids = text.split(',').map(|id| whole_number(id).and_then(ServiceId::new));
    let mut ids: Vec<ServiceId> = ids.collect::<Option<_>>()?;
    ids.sort_unstable();
    ids.dedup();
    (ids.len() <= STREAM_SERVICES).then(|| ids.into())
}

/// The query of `GET /v1/services/{id}/events`; the guard has checked the group of the service.
pub fn list_events(request: &HttpRequest, now_ms: i64) -> Result<ListEvents, ApiError> {
    let service_id = Some(service_id(request)?);
    let known = ["page", "limit", "reason", "event", "from", "to"];
    let mut params = Params::new(request, &known);
    let query = ListEvents { service_id, ..params.events(now_ms) };
    params.done(query)
}

/// The query of `GET /v1/events`.
pub fn list_all_events(
    request: &HttpRequest,
    groups: &GroupLimit,
    now_ms: i64,
) -> Result<ListEvents, ApiError> {
    let known = ["page", "limit", "reason", "event", "from", "to", "service"];
    let mut params = Params::new(request, &known);
    let query = ListEvents { groups: groups.clone(), ..params.events(now_ms) };
    params.done(query)
}

impl Params {
    fn service(&mut self) -> Option<ServiceId> {
        self.take("service", "the id of a service", |text| {
            whole_number(text).and_then(ServiceId::new)
        })
    }

    fn events(&mut self, now_ms: i64) -> ListEvents {
        ListEvents {
            service_id: self.service(),
            window: self.open_window(now_ms),
            state: self.event(),
            reason: self.reason(),
            groups: GroupLimit::NONE,
            page: self.page(),
        }
    }
}

/// The query of `GET /v1/services/{id}/ticks`.
pub fn list_ticks(request: &HttpRequest, now_ms: i64) -> Result<ListTicks, ApiError> {
    let service_id = service_id(request)?;
    let mut params = Params::new(request, &["from", "to", "state", "reason", "limit", "cursor"]);
    let query = ListTicks {
        service_id,
        window: params.open_window(now_ms),
        state: params.state(),
        reason: params.reason(),
        before: params.take("cursor", "next_cursor of an earlier response", whole_number),
        limit: params.limit() as usize,
    };
    params.done(query)
}

/// The query of `GET /v1/audit`.
pub fn list_audit(request: &HttpRequest, now_ms: i64) -> Result<ListAudit, ApiError> {
    let known = ["from", "to", "actor", "action", "service", "limit", "cursor"];
    let mut params = Params::new(request, &known);
    let actions = || Action::ALL.iter().copied().map(Action::as_str);
    let query = ListAudit {
        window: params.open_window(now_ms),
        actor: params.take("actor", "a name such as API_TOKEN or token deploy", |text| {
            (!text.is_empty()).then(|| text.to_owned())
        }),
        action: params
            .take("action", &one_of(actions()), |text| Action::from_word(text).map(Action::as_str)),
        service_id: params.service(),
        before_id: params.take("cursor", "next_cursor of an earlier response", whole_number),
        limit: params.limit(),
    };
    params.done(query)
}

/// A requested series.
#[derive(Debug, Clone, Copy)]
pub struct SeriesRequest {
    pub service_id: ServiceId,
    pub of: SeriesOf,
    pub grid: Grid,
    pub counting: Counting,
}

/// The query of `GET /v1/services/{id}/series`.
pub fn series(request: &HttpRequest, now_ms: i64) -> Result<SeriesRequest, ApiError> {
    let service_id = service_id(request)?;
    let mut params =
        Params::new(request, &["from", "to", "window", "step", "of", "unknown", "planned"]);
    let window = params.window(DAY, now_ms);
    let of = params.take("of", &one_of(SeriesOf::ALL.map(SeriesOf::as_str)), |text| {
        SeriesOf::ALL.into_iter().find(|of| of.as_str() == text)
    });
    let of = of.unwrap_or(SeriesOf::ResponseTime);
    for name in ["unknown", "planned"] {
        if of != SeriesOf::Uptime && params.get(name).is_some() {
            params.reject_conflict(name, "allowed with of=uptime only");
        }
    }
    let query =
        SeriesRequest { service_id, of, grid: params.grid(window), counting: params.counting() };
    params.done(query)
}

/// The query of `GET /v1/services/{id}/uptime`.
pub fn uptime(request: &HttpRequest, now_ms: i64) -> Result<GetUptime, ApiError> {
    let service_id = service_id(request)?;
    let mut params = Params::new(request, &["from", "to", "window", "unknown", "planned"]);
    let window = params.window(DAY, now_ms);
    let query = GetUptime { service_id, window, counting: params.counting() };
    params.done(query)
}

/// The query of `GET /v1/uptime`.
pub fn list_uptime(
    request: &HttpRequest,
    groups: &GroupLimit,
    now_ms: i64,
) -> Result<ListUptime, ApiError> {
    let known = ["from", "to", "window", "unknown", "planned", "page", "limit"];
    let mut params = Params::new(request, &known);
    let window = params.window(DAY, now_ms);
    let (counting, groups) = (params.counting(), groups.clone());
    let query = ListUptime { window, counting, groups, page: params.page() };
    params.done(query)
}

/// The query of `GET /v1/services/{id}/slo`: as what planned time counts.
pub fn slo(request: &HttpRequest) -> Result<(ServiceId, CountAs), ApiError> {
    let service_id = service_id(request)?;
    let mut params = Params::new(request, &["planned"]);
    let planned = params.counting().planned;
    params.done((service_id, planned))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::domain::PageRequest;

    const NOW_MS: i64 = 1_795_413_298_500;

    #[test]
    fn a_query_with_an_invalid_parameter_is_rejected() {
        for bad in [
            "page=0",
            "page=-1",
            "limit=1001",
            "limit=x",
            "page=99999999999",
            "paeg=1",
            "page=1&page=2",
            "status=ill",
            "q=%ff",
            "q=a%00b",
            "=1",
            "limit=%2B5",
        ] {
            let request = TestRequest::with_uri(&format!("/v1/services?{bad}")).to_http_request();
            assert!(list_services(&request, &GroupLimit::NONE).is_err(), "{bad}");
        }
        let request =
            TestRequest::with_uri("/v1/services?page=2&limit=1000&status=up&q=a%20b&group=")
                .to_http_request();
        let request = list_services(&request, &GroupLimit::NONE).unwrap();
        assert_eq!(request.page, PageRequest { page: 2, limit: 1_000 });
        assert_eq!((request.status, request.part.as_deref()), (Some(Status::Up), Some("a b")));
        assert_eq!(request.group.as_deref(), Some(""));
    }

    #[test]
    fn a_stream_names_services_and_a_moment() {
        let parse = |query: &str, last: Option<&'static str>| {
            let mut request = TestRequest::with_uri(&format!("/v1/stream?{query}"));
            if let Some(last) = last {
                request = request.insert_header(("Last-Event-ID", last));
            }
            stream(&request.to_http_request(), &GroupLimit::NONE)
        };
        let (view, since) = parse("services=3,1,3&group=&state=flapping&since=7-9", None).unwrap();
        let ids = [1, 3].map(|id| ServiceId::new(id).unwrap());
        assert_eq!(view.services.as_deref(), Some(&ids[..]));
        assert_eq!((view.group.as_deref(), view.state), (Some(""), Some(StateFilter::Flapping)));
        assert_eq!(since, Some(LiveMoment { boot: 7, seq: 9 }));
        let (_, since) = parse("since=7-9", Some("7-10")).unwrap();
        assert_eq!(since, Some(LiveMoment { boot: 7, seq: 10 }));
        let (_, since) = parse("", Some("of another program")).unwrap();
        assert_eq!(since, Some(LiveMoment { boot: 0, seq: 0 }));
        let ids = |count: i64| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
        assert!(parse(&format!("services={}", ids(200)), None).is_ok());
        let many = format!("services={}", ids(201));
        for bad in [
            "services=",
            "services=0",
            "services=1,",
            "services=1;2",
            "state=ill",
            "since=7",
            "since=",
            "page=1",
            &many,
        ] {
            assert!(parse(bad, None).is_err(), "{bad}");
        }
    }

    fn series_of(query: &str) -> Result<SeriesRequest, String> {
        let request = TestRequest::with_uri(&format!("/v1/services/1/series?{query}"))
            .param("id", "1")
            .to_http_request();
        series(&request, NOW_MS).map_err(|error| error.to_string())
    }

    #[test]
    fn an_invalid_window_or_step_is_rejected_with_the_reason() {
        for (query, message) in [
            (
                "from=1795413297&to=1795413297",
                r#"to: invalid value "1795413297", expected a time after from"#,
            ),
            (
                "from=2026-11-24T00:00:00Z",
                r#"from: invalid value "2026-11-24T00:00:00Z", expected a time before now"#,
            ),
            (
                "from=1795413299&to=1795413300",
                r#"from: invalid value "1795413299", expected a time"#,
            ),
            (
                "to=1795499699",
                "from: invalid value 2026-11-23T05:54:59.000Z, expected a time before",
            ),
            (
                "from=yesterday",
                r#"from: invalid value "yesterday", expected unix seconds or RFC 3339"#,
            ),
            ("window=1fortnight", r#"window: invalid value "1fortnight", expected a duration"#),
            ("window=1h&from=1", "window: not allowed together with from or to"),
            (
                "window=1y&step=60",
                "expected at least 15776 seconds: at most 2000 buckets, this step makes 525601",
            ),
            ("step=0", r#"step: invalid value "0", expected"#),
            ("step=1.5s", r#"step: invalid value "1.5s", expected"#),
            ("of=latency", r#"of: invalid value "latency", expected one of response_time"#),
            ("of=uptime&unknown=maybe", "expected one of exclude, down, up"),
            ("unknown=down", "unknown: allowed with of=uptime only"),
            ("window=1us", r#"window: invalid value "1us", expected"#),
        ] {
            let error = series_of(query).unwrap_err();
            assert!(error.contains(message), "{query}: {error}");
        }
    }

    #[test]
    fn the_step_that_the_error_suggests_is_valid() {
        let error = series_of("window=1y&step=60").unwrap_err();
        let least = error.rsplit("at least ").next().unwrap().split(' ').next().unwrap();
        let request = series_of(&format!("window=1y&step={least}")).unwrap();
        assert!(request.grid.count <= MAX_BUCKETS && request.grid.count > MAX_BUCKETS / 2);
    }

    #[test]
    fn the_default_step_makes_whole_buckets() {
        for (query, step_s) in [
            ("window=5m", 1),
            ("window=24h", 300),
            ("window=7d", 1_800),
            ("window=30d", 7_200),
            ("window=90d", 21_600),
            ("window=1y", 86_400),
            ("from=0", 52 * 86_400),
        ] {
            let Grid { from_ms, step_ms, count } = series_of(query).unwrap().grid;
            assert_eq!(step_ms, step_s * 1_000, "{query}");
            assert!(from_ms % step_ms == 0 && count <= 402, "{query}: {count} from {from_ms}");
            let last = from_ms + step_ms * (count as i64 - 1);
            assert!((last..last + step_ms).contains(&NOW_MS), "{query}");
        }
    }

    #[test]
    fn timestamps_are_unix_seconds_or_rfc_3339() {
        let of = |from: &str| series_of(&format!("from={from}&to=1795413298&step=1s")).unwrap();
        for from in [
            "1795413000",
            "2026-11-23T05:50:00Z",
            "2026-11-23T06:50:00%2B01:00",
            "2026-11-23T06:50:00+01:00",
        ] {
            assert_eq!(of(from).grid.from_ms, 1_795_413_000_000, "{from}");
        }
    }
}
