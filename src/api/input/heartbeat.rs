//! The query string of a heartbeat, as a report of a job.

use std::time::Duration;

use actix_web::HttpRequest;

use crate::api::error::ApiError;
use crate::api::input::params::Params;
use crate::domain::Invalid;
use crate::domain::time::duration;

/// Error message of a failure that was reported without one.
const NO_MESSAGE: &str = "the job reported a failure";

/// Longest duration of a job: 30 days, as the longest interval.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// A result that a job reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Error message of a failed job; `None` for a success.
    pub failure: Option<String>,
    /// Zero when the job reports none.
    pub duration: Duration,
}

/// The query of a heartbeat.
#[derive(Debug, PartialEq, Eq)]
pub struct HeartbeatReport {
    /// The token, from a client that cannot send the header.
    pub token: Option<String>,
    pub report: Report,
}

/// The query of `/v1/services/{id}/heartbeat`. Unknown parameters are ignored, since other programs
/// add them. The known ones:
///
/// - `success` decides. Without it, `error` with a text reports a failure, and so does
///   `status=down`, as Uptime Kuma pushes it, with the text of `msg`.
/// - `duration` is a duration as in Go, and `ping` a number of milliseconds, as of Uptime Kuma; a
///   value that is neither is ignored.
pub fn heartbeat(request: &HttpRequest) -> Result<HeartbeatReport, ApiError> {
    let mut params = Params::with_foreign(request, &["token", "success", "error"]);
    let success = params.success();
    let is_down = params.get("status").is_some_and(|word| word.eq_ignore_ascii_case("down"));
    let error = params.text("error");
    let message = error.or_else(|| params.text("msg").filter(|_| is_down));
    let has_failed = success.map_or(is_down || error.is_some(), |success| !success);
    let milliseconds = |text: &str| {
        let seconds = text.parse::<f64>().ok()? / 1e3;
        Duration::try_from_secs_f64(seconds).ok()
    };
    let duration = params.text("duration").and_then(go_duration);
    let duration = duration.or_else(|| params.text("ping").and_then(milliseconds));
    let report = HeartbeatReport {
        token: params.get("token").map(str::to_owned),
        report: Report {
            failure: has_failed.then(|| message.unwrap_or(NO_MESSAGE).to_owned()),
            duration: duration.filter(|duration| *duration <= LONGEST).unwrap_or_default(),
        },
    };
    params.done(report)
}

/// The query of `/api/v1/endpoints/{key}/external`. Error for a missing or an invalid `success`;
/// an invalid `duration` is the inner error, which Gatus reports after a wrong token.
///
/// Source: `api/external_endpoint.go` of Gatus.
pub fn external(request: &HttpRequest) -> Result<Result<Report, ApiError>, ApiError> {
    let mut params = Params::with_foreign(request, &["success"]);
    let success = params.success();
    if params.get("success").is_none() {
        params.reject("success", &Invalid::new("nothing", "true or false"));
    }
    let success = params.done(success.unwrap_or_default())?;
    let params = Params::with_foreign(request, &[]);
    Ok(params.external_report(success))
}

impl Params {
    fn success(&mut self) -> Option<bool> {
        self.take("success", "true or false", |text| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    }

    /// A parameter with a text.
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|text| !text.is_empty())
    }

    fn external_report(mut self, success: bool) -> Result<Report, ApiError> {
        let expected = "a duration as in Go from 0s to 720h, such as 300ms or 1m30s";
        let parse = |text: &str| match text {
            "" => Some(Duration::ZERO),
            text => go_duration(text).filter(|duration| *duration <= LONGEST),
        };
        let duration = self.take("duration", expected, parse).unwrap_or_default();
        let failure = (!success).then(|| self.text("error").unwrap_or_default().to_owned());
        self.done(Report { failure, duration })
    }
}

impl Report {
    /// Adds the error message of the body to that of the query. A failure without both has a
    /// default message.
    pub fn with_body(self, error: Option<String>) -> Self {
        let failure = self.failure.map(|of_query| {
            let all = [of_query, error.unwrap_or_default()];
            let texts: Vec<String> = all.into_iter().filter(|text| !text.is_empty()).collect();
            if texts.is_empty() { NO_MESSAGE.to_owned() } else { texts.join("; ") }
        });
        Self { failure, ..self }
    }
}

fn go_duration(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(duration::parse_seconds(text.strip_prefix('+').unwrap_or(text))?)
        .ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(query: &str) -> HttpRequest {
        TestRequest::with_uri(&format!("/?{query}")).to_http_request()
    }

    #[test]
    fn a_heartbeat_reports_success_unless_a_parameter_says_otherwise() {
        let jobs_failure = Some(NO_MESSAGE);
        for (query, failure) in [
            ("", None),
            ("status=up&msg=OK&ping=", None),
            ("status=UP&msg=fine&ping=12", None),
            ("status=down&msg=disk%20full&ping=", Some("disk full")),
            ("status=down", jobs_failure),
            ("status=down&success=true", None),
            ("status=down&msg=a&error=b", Some("b")),
            ("success=true&error=ignored", None),
            ("success=false", jobs_failure),
            ("success=false&error=", jobs_failure),
            ("success=false&msg=of%20another%20program", jobs_failure),
            ("success=false&error=caf%e9", Some("caf\u{fffd}")),
            ("error=", None),
            ("error=x", Some("x")),
            ("status=ill&duration=5s&rid=1&rid=2&%ff=%00", None),
        ] {
            let report = heartbeat(&request(query)).unwrap().report;
            assert_eq!(report.failure.as_deref(), failure, "{query}");
        }
        let many: Vec<String> = (0..50).map(|nth| format!("p{nth}={nth}")).collect();
        assert!(heartbeat(&request(&many.join("&"))).is_ok());
        for bad in ["success=maybe", "success=", "success=true&success=false", "token=a&token=b"] {
            assert!(heartbeat(&request(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_heartbeat_may_report_its_duration_and_never_fails_for_it() {
        for (query, ms) in [
            ("duration=5s", 5_000),
            ("duration=1m30s&ping=7", 90_000),
            ("ping=12.5&duration=", 12),
            ("ping=", 0),
            ("duration=soon", 0),
            ("duration=-5s", 0),
            ("duration=5", 0),
            ("duration=721h", 0),
            ("ping=-1", 0),
            ("ping=NaN", 0),
            ("ping=1e300", 0),
        ] {
            let duration = heartbeat(&request(query)).unwrap().report.duration;
            assert_eq!(duration.as_millis(), ms, "{query}");
        }
    }

    #[test]
    fn the_result_of_an_external_endpoint_is_read_as_in_gatus() {
        let read = |query: &str| external(&request(query)).ok().map(|report| report.ok());
        let report = |failure: Option<&str>, ms| {
            let (failure, duration) = (failure.map(str::to_owned), Duration::from_millis(ms));
            Some(Some(Report { failure, duration }))
        };
        for (query, expected) in [
            ("success=true", report(None, 0)),
            ("success=true&error=x&duration=1.5s", report(None, 1_500)),
            ("success=false&error=x&foreign=1", report(Some("x"), 0)),
            ("success=false", report(Some(""), 0)),
            ("success=true&duration=", report(None, 0)),
            ("success=true&duration=5", Some(None)),
            ("success=true&duration=-5s", Some(None)),
            ("success=true&duration=721h", Some(None)),
            ("", None),
            ("success=", None),
            ("success=1", None),
            ("success=True", None),
            ("error=x", None),
        ] {
            assert_eq!(read(query), expected, "{query}");
        }
    }

    #[test]
    fn the_messages_of_query_and_body_are_both_kept() {
        let failed = |query: &str, body: Option<&str>| {
            let report = Report { failure: Some(query.to_owned()), duration: Duration::ZERO };
            report.with_body(body.map(str::to_owned)).failure.unwrap()
        };
        assert_eq!(failed("a", Some("b")), "a; b");
        assert_eq!(failed("", Some("b")), "b");
        assert_eq!(failed("a", None), "a");
        assert_eq!(failed("", Some("")), NO_MESSAGE);
        let success = Report { failure: None, duration: Duration::ZERO };
        assert_eq!(success.clone().with_body(Some("b".to_owned())), success);
    }
}
