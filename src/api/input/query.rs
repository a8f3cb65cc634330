//! What the query string of each request may say.

use std::time::Duration;

use actix_web::HttpRequest;

use super::service_id;
use crate::api::error::ApiError;
use crate::api::input::params::{Params, whole_number};
use crate::domain::Window;
use crate::domain::history::timeline::UnknownAs;
use crate::domain::{Invalid, Reason, ServiceId, State};
use crate::storage::history::events::ListEvents;
use crate::storage::history::series::Grid;
use crate::storage::history::ticks::ListTicks;
use crate::storage::history::uptime::{GetUptime, ListUptime};
use crate::storage::reader::{ListServices, Status};

/// Most buckets of a series.
pub const BUCKETS_LIMIT: usize = 2_000;

/// Buckets of a series that says no step, at most.
const BUCKETS_BY_ITSELF: i64 = 400;

/// Steps that a series takes by itself, in seconds; beyond them whole days.
const STEPS_S: [i64; 17] =
    [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];
const DAY_MS: i64 = 86_400_000;

/// The window that is looked at when nothing is said.
const DAY: Duration = Duration::from_secs(86_400);

/// The words of `all` as a sentence names them.
fn one_of<'a>(all: impl IntoIterator<Item = &'a str>) -> String {
    format!("one of {}", all.into_iter().collect::<Vec<_>>().join(", "))
}

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

    /// What a tick says.
    fn state(&mut self) -> Option<State> {
        const STATES: [State; 3] = [State::Up, State::Down, State::Unknown];
        self.take("state", &one_of(STATES.map(State::as_str)), |text| {
            STATES.into_iter().find(|state| state.as_str() == text)
        })
    }

    fn unknown(&mut self) -> UnknownAs {
        let expected = one_of(UnknownAs::ALL.map(UnknownAs::as_str));
        self.take("unknown", &expected, UnknownAs::from_word).unwrap_or_default()
    }

    /// The buckets of a series over `window`.
    fn grid(&mut self, window: Window) -> Grid {
        let length = window.to_ms.saturating_sub(window.from_ms).max(1);
        let step_ms = match self.step_ms() {
            Some(step_ms) => step_ms,
            None => STEPS_S
                .into_iter()
                .map(|step_s| step_s * 1_000)
                .find(|step_ms| length / step_ms <= BUCKETS_BY_ITSELF)
                .unwrap_or_else(|| (length / BUCKETS_BY_ITSELF / DAY_MS + 1) * DAY_MS),
        };
        let grid = Grid::over(window, step_ms);
        if grid.count > BUCKETS_LIMIT {
            let least_s = (length / (BUCKETS_LIMIT as i64 - 1)).div_euclid(1_000) + 1;
            let count = grid.count;
            let expected = format!(
                "at least {least_s} seconds: at most {BUCKETS_LIMIT} buckets, this step makes {count}"
            );
            let step = self.get("step").unwrap_or_default();
            self.refuse("step", &Invalid::quoted(step, expected));
        }
        grid
    }

    fn step_ms(&mut self) -> Option<i64> {
        let expected =
            "a whole number of seconds or a span of time such as 5m, 1h or 1d, from 1s to 366d";
        self.take("step", expected, |text| {
            let seconds = match whole_number::<u64>(text) {
                Some(seconds) => Duration::from_secs(seconds),
                None => crate::domain::time::duration::span(text)?,
            };
            let is_whole = seconds.subsec_nanos() == 0;
            let fits = (1..=366 * 86_400).contains(&seconds.as_secs());
            (is_whole && fits).then(|| seconds.as_secs().cast_signed() * 1_000)
        })
    }
}

/// Which services are wanted.
pub fn list_services(request: &HttpRequest) -> Result<ListServices, ApiError> {
    let mut params = Params::new(request, &["page", "limit", "status", "q", "group", "reason"]);
    let wanted = ListServices {
        status: params.status(),
        part: params.part(),
        group: params.get("group"),
        reason: params.reason(),
        page: params.page(),
    };
    params.done(wanted)
}

/// Which events of a service are wanted.
pub fn list_events(request: &HttpRequest, now_ms: i64) -> Result<ListEvents, ApiError> {
    let service_id = Some(service_id(request)?);
    let known = ["page", "limit", "reason", "event", "from", "to"];
    let mut params = Params::new(request, &known);
    let wanted = ListEvents { service_id, ..params.events(now_ms) };
    params.done(wanted)
}

/// Which events of all services are wanted.
pub fn list_all_events(request: &HttpRequest, now_ms: i64) -> Result<ListEvents, ApiError> {
    let known = ["page", "limit", "reason", "event", "from", "to", "service"];
    let mut params = Params::new(request, &known);
    let wanted = params.events(now_ms);
    params.done(wanted)
}

impl Params {
    fn events(&mut self, now_ms: i64) -> ListEvents {
        let service = self.take("service", "the id of a service", |text| {
            whole_number(text).and_then(ServiceId::new)
        });
        ListEvents {
            service_id: service,
            window: self.open_window(now_ms),
            state: self.event(),
            reason: self.reason(),
            page: self.page(),
        }
    }
}

/// Which ticks of a service are wanted.
pub fn list_ticks(request: &HttpRequest, now_ms: i64) -> Result<ListTicks, ApiError> {
    let service_id = service_id(request)?;
    let mut params = Params::new(request, &["from", "to", "state", "reason", "limit", "cursor"]);
    let wanted = ListTicks {
        service_id,
        window: params.open_window(now_ms),
        state: params.state(),
        reason: params.reason(),
        before: params.take("cursor", "next_cursor of an earlier answer", whole_number),
        limit: params.limit() as usize,
    };
    params.done(wanted)
}

/// What a series tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesOf {
    /// Counts and response times.
    ResponseTime,
    /// Time up, down, unknown and paused.
    Uptime,
    /// Where the response time went.
    Phases,
}

impl SeriesOf {
    const ALL: [Self; 3] = [Self::ResponseTime, Self::Uptime, Self::Phases];

    /// The word for it in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResponseTime => "response_time",
            Self::Uptime => "uptime",
            Self::Phases => "phases",
        }
    }
}

/// Which series is wanted.
#[derive(Debug, Clone, Copy)]
pub struct WantedSeries {
    /// Whose.
    pub service_id: ServiceId,
    /// Of what.
    pub of: SeriesOf,
    /// In which buckets.
    pub grid: Grid,
    /// What unknown time counts as.
    pub unknown: UnknownAs,
}

/// Which series of a service is wanted.
pub fn series(request: &HttpRequest, now_ms: i64) -> Result<WantedSeries, ApiError> {
    let service_id = service_id(request)?;
    let mut params = Params::new(request, &["from", "to", "window", "step", "of", "unknown"]);
    let window = params.window(DAY, now_ms);
    let of = params.take("of", &one_of(SeriesOf::ALL.map(SeriesOf::as_str)), |text| {
        SeriesOf::ALL.into_iter().find(|of| of.as_str() == text)
    });
    let of = of.unwrap_or(SeriesOf::ResponseTime);
    if of != SeriesOf::Uptime && params.get("unknown").is_some() {
        params.refuse("unknown", &"allowed with of=uptime only");
    }
    let wanted =
        WantedSeries { service_id, of, grid: params.grid(window), unknown: params.unknown() };
    params.done(wanted)
}

/// Which uptime of a service is wanted.
pub fn uptime(request: &HttpRequest, now_ms: i64) -> Result<GetUptime, ApiError> {
    let service_id = service_id(request)?;
    let mut params = Params::new(request, &["from", "to", "window", "unknown"]);
    let window = params.window(DAY, now_ms);
    let wanted = GetUptime { service_id, window, unknown: params.unknown() };
    params.done(wanted)
}

/// Which uptime of all services is wanted.
pub fn list_uptime(request: &HttpRequest, now_ms: i64) -> Result<ListUptime, ApiError> {
    let known = ["from", "to", "window", "unknown", "page", "limit"];
    let mut params = Params::new(request, &known);
    let window = params.window(DAY, now_ms);
    let wanted = ListUptime { window, unknown: params.unknown(), page: params.page() };
    params.done(wanted)
}

/// What the query of a heartbeat says.
pub struct Beat {
    /// The token, where no header could be sent.
    pub token: Option<String>,
    /// Whether the job did well.
    pub success: bool,
    /// What went wrong.
    pub error: String,
}

/// Reads the query of a heartbeat.
pub fn heartbeat(request: &HttpRequest) -> Result<Beat, ApiError> {
    let mut params = Params::new(request, &["token", "success", "error"]);
    let success = params.take("success", "true or false", |text| match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    });
    let error = params.get("error").unwrap_or_else(|| "the job reported a failure".to_owned());
    let beat = Beat { token: params.get("token"), success: success.unwrap_or(true), error };
    params.done(beat)
}

/// Refuses every query parameter.
pub fn no_params(request: &HttpRequest) -> Result<(), ApiError> {
    Params::new(request, &[]).done(())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::domain::PageRequest;

    const NOW_MS: i64 = 1_795_413_298_500;

    #[test]
    fn a_query_is_refused_for_each_parameter_that_cannot_be_used() {
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
            assert!(list_services(&request).is_err(), "{bad}");
        }
        let request =
            TestRequest::with_uri("/v1/services?page=2&limit=1000&status=up&q=a%20b&group=")
                .to_http_request();
        let wanted = list_services(&request).unwrap();
        assert_eq!(wanted.page, PageRequest { page: 2, limit: 1_000 });
        assert_eq!((wanted.status, wanted.part.as_deref()), (Some(Status::Up), Some("a b")));
        assert_eq!(wanted.group.as_deref(), Some(""));
    }

    fn series_of(query: &str) -> Result<WantedSeries, String> {
        let request = TestRequest::with_uri(&format!("/v1/services/1/series?{query}"))
            .param("id", "1")
            .to_http_request();
        series(&request, NOW_MS).map_err(|error| error.to_string())
    }

    #[test]
    fn a_window_that_makes_no_sense_is_refused_with_the_reason() {
        for (query, told) in [
            (
                "from=1795413297&to=1795413297",
                "to: invalid value \"1795413297\", expected a time after from",
            ),
            (
                "from=2026-11-24T00:00:00Z",
                "from: invalid value \"2026-11-24T00:00:00Z\", expected a time before now",
            ),
            (
                "from=1795413299&to=1795413300",
                "from: invalid value \"1795413299\", expected a time before now",
            ),
            ("from=yesterday", "from: invalid value \"yesterday\", expected unix seconds or RFC"),
            ("window=1fortnight", "window: invalid value \"1fortnight\", expected a span"),
            ("window=1h&from=1", "window: not allowed together with from or to"),
            (
                "window=1y&step=60",
                "step: invalid value \"60\", expected at least 15776 seconds: at most 2000 buckets",
            ),
            ("step=0", "step: invalid value \"0\", expected"),
            ("step=1.5s", "step: invalid value \"1.5s\", expected"),
            ("of=latency", "of: invalid value \"latency\", expected one of response_time"),
            (
                "of=uptime&unknown=maybe",
                "unknown: invalid value \"maybe\", expected one of exclude, down, up",
            ),
            ("unknown=down", "unknown: allowed with of=uptime only"),
            ("window=1us", "window: invalid value \"1us\", expected"),
        ] {
            let error = series_of(query).unwrap_err();
            assert!(error.contains(told), "{query}: {error}");
        }
    }

    #[test]
    fn the_smallest_step_of_the_error_is_valid() {
        let error = series_of("window=1y&step=60").unwrap_err();
        let least = error.rsplit("at least ").next().unwrap().split(' ').next().unwrap();
        let wanted = series_of(&format!("window=1y&step={least}")).unwrap();
        assert!(wanted.grid.count <= BUCKETS_LIMIT && wanted.grid.count > BUCKETS_LIMIT / 2);
    }

    #[test]
    fn a_series_takes_a_step_by_itself_and_whole_buckets() {
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
    fn moments_are_seconds_or_rfc_3339() {
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
