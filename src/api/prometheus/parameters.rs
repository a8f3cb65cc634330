//! Parameters of the query string and of a form.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::{HttpRequest, web};
use url::form_urlencoded;

use crate::api::input;
use crate::api::state::Api;
use crate::domain::time::timestamp;
use crate::promql::parse_duration;

use super::envelope::PrometheusError;

/// Largest time of a parameter, in Unix seconds: a hundred times the year 9999.
const MAX_SECONDS: f64 = 3e13;

/// Names and values, those of the form first.
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub async fn read(
        request: &HttpRequest,
        payload: web::Payload,
        api: &Api,
    ) -> Result<Self, PrometheusError> {
        let mut parameters = Vec::new();
        if request.method() == Method::POST {
            parameters.extend(input::form_fields(request, payload, api).await?);
        }
        parameters.extend(pairs(request.query_string().as_bytes()));
        Ok(Self(parameters))
    }

    /// The first value; an empty one counts as missing.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn required(&self, name: &str) -> Result<&str, PrometheusError> {
        self.get(name).ok_or_else(|| PrometheusError::invalid(name, "it is missing"))
    }

    /// Unix milliseconds.
    pub fn time(&self, name: &str) -> Result<Option<i64>, PrometheusError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match time(text) {
            Some(ms) => Ok(Some(ms)),
            None => {
                let why = format!("cannot parse {text:?} to a valid timestamp");
                Err(PrometheusError::invalid(name, why))
            }
        }
    }

    /// Milliseconds, above 0.
    pub fn duration(&self, name: &str) -> Result<Option<i64>, PrometheusError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match duration(text) {
            Some(ms) if ms > 0 => Ok(Some(ms)),
            Some(_) => Err(PrometheusError::invalid(name, "expected a duration above 0")),
            None => {
                let why = format!("cannot parse {text:?} to a valid duration");
                Err(PrometheusError::invalid(name, why))
            }
        }
    }

    /// The time that a query may take: at most `longest`.
    pub fn timeout(&self, longest: Duration) -> Result<Duration, PrometheusError> {
        let asked = self.duration("timeout")?;
        let asked = asked.map(|ms| Duration::from_millis(ms.unsigned_abs()));
        Ok(asked.map_or(longest, |asked| asked.min(longest)))
    }

    /// `None` without a limit, which 0 is too.
    pub fn limit(&self) -> Result<Option<usize>, PrometheusError> {
        let Some(text) = self.get("limit") else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(limit) => Ok((limit > 0).then_some(limit)),
            Err(_) => Err(PrometheusError::invalid("limit", "expected a number of at least 0")),
        }
    }
}

fn pairs(text: &[u8]) -> impl Iterator<Item = (String, String)> {
    form_urlencoded::parse(text).map(|(name, value)| (name.into_owned(), value.into_owned()))
}

/// Seconds with a fraction, or RFC 3339.
fn time(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        Ok(seconds) => milliseconds(seconds),
        Err(_) => timestamp::parse(text),
    }
}

/// Seconds with a fraction, or a duration such as `1h30m`.
fn duration(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        Ok(seconds) => milliseconds(seconds),
        Err(_) => parse_duration(text),
    }
}

fn milliseconds(seconds: f64) -> Option<i64> {
    (seconds.abs() <= MAX_SECONDS).then(|| (seconds * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        assert_eq!(time("4"), Some(4_000));
        assert_eq!(time("1795440660.123"), Some(1_795_440_660_123));
        assert_eq!(time("1970-01-01T00:00:01.5Z"), Some(1_500));
        for invalid in ["", "x", "NaN", "inf", "1e99", "2026-01-01"] {
            assert_eq!(time(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn durations_are_seconds_or_units() {
        assert_eq!(duration("15"), Some(15_000));
        assert_eq!(duration("0.5"), Some(500));
        assert_eq!(duration("1m30s"), Some(90_000));
        assert_eq!(duration("1.5m"), None);
    }

    #[test]
    fn the_form_goes_before_the_query_string() {
        let parameters = Parameters(pairs(b"a=1&b=&match%5B%5D=x&match[]=y+z&a=2").collect());
        assert_eq!(parameters.get("a"), Some("1"));
        assert_eq!(parameters.get("b"), None);
        assert_eq!(parameters.all("match[]").collect::<Vec<_>>(), ["x", "y z"]);
        let with_limit = |text: &str| Parameters(vec![("limit".into(), text.into())]).limit();
        assert!(matches!(with_limit("0"), Ok(None)));
        assert!(matches!(with_limit("3"), Ok(Some(3))));
        assert!(with_limit("-1").is_err());
    }
}
