//! Parsing of query strings; every problem is collected.

use std::time::Duration;

use actix_web::HttpRequest;

use crate::api::error::ApiError;
use crate::domain::service::URL_MAX_CHARS;
use crate::domain::time::{duration, timestamp};
use crate::domain::{Invalid, PageRequest, Window};

/// Items per page: the default and the most (contract, `limit`).
pub const PAGE_LIMIT: (u32, u32) = (100, 1_000);

/// Most parameters of a query string, which bounds the work for one request.
const MAX_PARAMS: usize = 20;

const TIMESTAMP: &str = "unix seconds or RFC 3339, such as 1795413298 or 2026-11-23T10:00:00Z";
const DURATION: &str = "a duration such as 24h, 7d, 30d, 90d or 1y";

/// Rejects every query parameter.
pub fn no_params(request: &HttpRequest) -> Result<(), ApiError> {
    Params::new(request, &[]).done(())
}

/// The parameters of a query string, and the problems found so far.
pub struct Params {
    pairs: Vec<(String, String)>,
    problems: Vec<String>,
}

impl Params {
    /// Parses the query string; parameters that are not `known`, duplicates and text that is not
    /// UTF-8 are problems.
    pub fn new(request: &HttpRequest, known: &[&str]) -> Self {
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
        let mut params = Self { pairs: Vec::new(), problems: Vec::new() };
        for (nth, (name, value)) in pairs.iter().take(MAX_PARAMS).enumerate() {
            if !known.contains(&name.as_str()) {
                let expected = if known.is_empty() {
                    "no parameters".to_owned()
                } else {
                    one_of(known.iter().copied())
                };
                params.problems.push(format!("{name:?}: unknown parameter, expected {expected}"));
            } else if pairs[..nth].iter().any(|(earlier, _)| earlier == name) {
                params.problems.push(format!("{name}: duplicate parameter"));
            } else if value.contains(['\0', char::REPLACEMENT_CHARACTER]) {
                // The value may be a secret.
                params.reject(name, &Invalid::hidden("UTF-8 text without NUL"));
            }
        }
        if pairs.len() > MAX_PARAMS {
            let count = format!("{} parameters", pairs.len());
            params.reject("query", &Invalid::new(count, format!("at most {MAX_PARAMS}")));
        }
        Self { pairs, ..params }
    }

    /// As [`new`](Self::new), but parameters that are not `known` are ignored.
    pub fn with_foreign(request: &HttpRequest, known: &[&str]) -> Self {
        let query = request.query_string().as_bytes();
        let pairs = url::form_urlencoded::parse(query).into_owned().collect();
        let mut params = Self { pairs, problems: Vec::new() };
        for name in known {
            if params.pairs.iter().filter(|(given, _)| given == name).count() > 1 {
                params.problems.push(format!("{name}: duplicate parameter"));
            }
        }
        params
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The parsed value of a parameter; a value that `parse` returns `None` for is a problem.
    pub fn take<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.get(name)?;
        let value = parse(text);
        if value.is_none() {
            let invalid = Invalid::quoted(text, expected.to_owned());
            self.reject(name, &invalid);
        }
        value
    }

    /// Adds a problem.
    pub fn reject(&mut self, name: &str, invalid: &Invalid) {
        self.problems.push(invalid.of(name));
    }

    /// Adds the problem of a parameter that conflicts with another one.
    pub fn reject_conflict(&mut self, name: &str, message: &str) {
        self.problems.push(format!("{name}: {message}"));
    }

    /// A whole number from 1 to `max`.
    pub fn number(&mut self, name: &str, default: u32, max: u32) -> u32 {
        self.take(name, &format!("a whole number from 1 to {max}"), |text| {
            whole_number(text).filter(|number| (1..=max).contains(number))
        })
        .unwrap_or(default)
    }

    pub fn page(&mut self) -> PageRequest {
        PageRequest { page: self.number("page", 1, u32::MAX), limit: self.limit() }
    }

    /// Most items per page.
    pub fn limit(&mut self) -> u32 {
        self.number("limit", PAGE_LIMIT.0, PAGE_LIMIT.1)
    }

    /// A substring of a name or URL; an empty one is ignored.
    pub fn search(&mut self) -> Option<String> {
        let text = self.get("q").filter(|text| !text.is_empty())?.to_owned();
        if text.chars().count() > URL_MAX_CHARS {
            let expected = format!("at most {URL_MAX_CHARS} characters");
            self.reject("q", &Invalid::quoted(&text, expected));
        }
        Some(text)
    }

    pub fn duration(&mut self, name: &str) -> Option<Duration> {
        let parse = |text: &str| duration::parse_span(text).filter(|span| span.as_millis() > 0);
        self.take(name, DURATION, parse)
    }

    /// `from` and `to`, both optional without a default.
    pub fn open_window(&mut self, now_ms: i64) -> Window {
        let from_ms = self.timestamp("from").unwrap_or(Window::ALL.from_ms);
        let to_ms = self.timestamp("to").unwrap_or(Window::ALL.to_ms);
        self.checked(Window { from_ms, to_ms }, now_ms)
    }

    /// `from` and `to`, or a `window` that ends now. `to` defaults to now, and `from` to `default`
    /// before `to`. The window ends now at the latest.
    pub fn window(&mut self, default: Duration, now_ms: i64) -> Window {
        let (from, to) = (self.timestamp("from"), self.timestamp("to"));
        let length = self.duration("window");
        if self.get("window").is_some()
            && ["from", "to"].iter().any(|name| self.get(name).is_some())
        {
            self.reject_conflict("window", "not allowed together with from or to");
        }
        let length = length.unwrap_or(default).as_millis();
        let to_ms = to.unwrap_or(now_ms);
        let back = |ms: u128| to_ms.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX)).max(0);
        let from_ms = from.unwrap_or_else(|| back(length));
        let Window { from_ms, to_ms } = self.checked(Window { from_ms, to_ms }, now_ms);
        Window { from_ms, to_ms: to_ms.min(now_ms) }
    }

    /// Checks that `window` begins before now and before its end.
    fn checked(&mut self, window: Window, now_ms: i64) -> Window {
        if !self.problems.is_empty() {
            // The bounds may be the defaults of rejected parameters.
            return window;
        }
        if window.from_ms >= now_ms {
            self.reject("from", &self.invalid_time("from", window.from_ms, "a time before now"));
        } else if window.from_ms >= window.to_ms {
            self.reject("to", &self.invalid_time("to", window.to_ms, "a time after from"));
        }
        window
    }

    /// Shows the parameter as the client wrote it, or the time that it defaults to.
    fn invalid_time(&self, name: &str, at_ms: i64, expected: &'static str) -> Invalid {
        match self.get(name) {
            Some(text) => Invalid::quoted(text, expected),
            None => Invalid::new(timestamp::to_rfc3339(at_ms), expected),
        }
    }

    fn timestamp(&mut self, name: &str) -> Option<i64> {
        self.take(name, TIMESTAMP, |text| {
            // An unescaped plus sign of an offset decodes to a space.
            timestamp::parse(text).or_else(|| timestamp::parse(&text.replace(' ', "+")))
        })
    }

    /// `value`, or 400 with every problem.
    pub fn done<T>(self, value: T) -> Result<T, ApiError> {
        if self.problems.is_empty() { Ok(value) } else { Err(ApiError::bad_request(self.problems)) }
    }
}

/// Parses digits only: no sign, no spaces.
pub fn whole_number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all_digits)
}

/// `one of a, b, c`, for messages.
pub fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    format!("one of {}", words.into_iter().collect::<Vec<_>>().join(", "))
}
