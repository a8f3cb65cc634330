//! A query string under reading: every problem is told at once.

use std::fmt;
use std::time::Duration;

use actix_web::HttpRequest;

use crate::api::error::ApiError;
use crate::domain::Invalid;
use crate::domain::PageRequest;
use crate::domain::Window;
use crate::domain::service::URL_MAX_CHARS;
use crate::domain::time::{duration, timestamp};

/// Items a page when nothing is said, and at most (contract, `limit`).
const PAGE_LIMIT: (u32, u32) = (100, 1_000);

/// Most parameters of a query string; whoever sends more means no good.
const LOOKED_AT: usize = 20;

const MOMENT: &str = "unix seconds or RFC 3339, such as 1795413298 or 2026-11-23T10:00:00Z";
const SPAN: &str = "a span of time such as 24h, 7d, 30d, 90d or 1y";

/// The parameters of a request, and what is wrong with them.
pub struct Params {
    pairs: Vec<(String, String)>,
    problems: Vec<String>,
}

impl Params {
    /// Those of `request`, of which only the `known` are accepted.
    pub fn new(request: &HttpRequest, known: &[&str]) -> Self {
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
        let mut problems = Vec::new();
        for (nth, (name, value)) in pairs.iter().take(LOOKED_AT).enumerate() {
            if !known.contains(&name.as_str()) {
                let expected = match known {
                    [] => "no parameters".to_owned(),
                    _ => format!("one of {}", known.join(", ")),
                };
                problems.push(format!("{name:?}: unknown parameter, expected {expected}"));
            } else if pairs[..nth].iter().any(|(earlier, _)| earlier == name) {
                problems.push(format!("{name}: duplicate parameter"));
            } else if value.contains(['\0', char::REPLACEMENT_CHARACTER]) {
                problems.push(Invalid::quoted(value, "UTF-8 text without NUL").of(name));
            }
        }
        if pairs.len() > LOOKED_AT {
            problems.push(format!("query: more than {LOOKED_AT} parameters"));
        }
        Self { pairs, problems }
    }

    /// The text of a parameter.
    pub fn get(&self, name: &str) -> Option<String> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// The parsed parameter; when `parse` returns `None`, the problem names what is `expected`.
    pub fn take<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.get(name)?;
        let taken = parse(&text);
        if taken.is_none() {
            self.refuse(name, &Invalid::quoted(text, expected.to_owned()));
        }
        taken
    }

    /// Adds a problem with a parameter.
    pub fn refuse(&mut self, name: &str, problem: &dyn fmt::Display) {
        self.problems.push(format!("{name}: {problem}"));
    }

    /// A whole number from 1 to `most`.
    pub fn number(&mut self, name: &str, default: u32, most: u32) -> u32 {
        self.take(name, &format!("a whole number from 1 to {most}"), |text| {
            whole_number(text).filter(|number| (1..=most).contains(number))
        })
        .unwrap_or(default)
    }

    /// The page of a list.
    pub fn page(&mut self) -> PageRequest {
        PageRequest { page: self.number("page", 1, u32::MAX), limit: self.limit() }
    }

    /// Most items of an answer.
    pub fn limit(&mut self) -> u32 {
        self.number("limit", PAGE_LIMIT.0, PAGE_LIMIT.1)
    }

    /// A part of a name or URL.
    pub fn part(&mut self) -> Option<String> {
        let part = self.get("q").filter(|part| !part.is_empty())?;
        if part.chars().count() > URL_MAX_CHARS {
            let expected = format!("at most {URL_MAX_CHARS} characters");
            self.refuse("q", &Invalid::quoted(&part, expected));
        }
        Some(part)
    }

    /// A span of time.
    pub fn span(&mut self, name: &str) -> Option<Duration> {
        let parse = |text: &str| duration::span(text).filter(|span| span.as_millis() > 0);
        self.take(name, SPAN, parse)
    }

    /// `from` and `to`, each of which may be left open.
    pub fn open_window(&mut self, now_ms: i64) -> Window {
        let from_ms = self.moment("from").unwrap_or(Window::ALL.from_ms);
        let to_ms = self.moment("to").unwrap_or(Window::ALL.to_ms);
        self.checked(Window { from_ms, to_ms }, now_ms)
    }

    /// `from` and `to`, or a `window` that ends now; `default` is how long it is when nothing is said. What lies in the future is
    /// cut off.
    pub fn window(&mut self, default: Duration, now_ms: i64) -> Window {
        let (from, to, span) = (self.moment("from"), self.moment("to"), self.span("window"));
        let names = ["from", "to"];
        if self.get("window").is_some() && names.iter().any(|name| self.get(name).is_some()) {
            self.refuse("window", &"not allowed together with from or to");
        }
        let length = span.unwrap_or(default).as_millis();
        let to_ms = to.unwrap_or(now_ms);
        let back = |ms: u128| to_ms.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX)).max(0);
        let from_ms = from.unwrap_or_else(|| back(length));
        let Window { from_ms, to_ms } = self.checked(Window { from_ms, to_ms }, now_ms);
        Window { from_ms, to_ms: to_ms.min(now_ms) }
    }

    fn checked(&mut self, window: Window, now_ms: i64) -> Window {
        if !self.problems.is_empty() {
            // What was refused stands for nothing here.
            return window;
        }
        if window.from_ms >= now_ms {
            let from = self.written("from", window.from_ms);
            self.refuse("from", &Invalid::new(from, "a time before now"));
        } else if window.from_ms >= window.to_ms {
            let to = self.written("to", window.to_ms);
            self.refuse("to", &Invalid::new(to, "a time after from"));
        }
        window
    }

    /// The parameter in quotes, or its default `ms`.
    fn written(&self, name: &str, ms: i64) -> String {
        self.get(name).map_or_else(|| timestamp::to_rfc3339(ms), |text| format!("{text:?}"))
    }

    fn moment(&mut self, name: &str) -> Option<i64> {
        self.take(name, MOMENT, |text| {
            // The plus of an offset is a space in a query string, unless it was escaped.
            timestamp::parse(text).or_else(|| timestamp::parse(&text.replace(' ', "+")))
        })
    }

    /// `read`, unless something is wrong.
    pub fn done<T>(self, read: T) -> Result<T, ApiError> {
        if self.problems.is_empty() { Ok(read) } else { Err(ApiError::bad_request(self.problems)) }
    }
}

/// Digits and nothing else.
pub fn whole_number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all_digits)
}
