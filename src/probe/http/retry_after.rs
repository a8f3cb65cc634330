//! The header `Retry-After` (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

use actix_http::header::HttpDate;

/// The time that the header names. `now_ms` is in unix milliseconds.
pub fn parse(text: &str, now_ms: i64) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until: HttpDate = text.trim().parse().ok()?;
    let until = SystemTime::from(until).duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(until.saturating_sub(Duration::from_millis(u64::try_from(now_ms).unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = 1_445_412_480_000;
        assert_eq!(parse("120", now), Some(Duration::from_secs(120)));
        let date = "Wed, 21 Oct 2015 07:28:30 GMT";
        assert_eq!(parse(date, now), Some(Duration::from_secs(30)));
        assert_eq!(parse("Wed, 21 Oct 2015 07:27:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(parse("soon", now), None);
        assert_eq!(parse("-1", now), None);
    }
}
