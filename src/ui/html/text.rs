//! Times, durations and numbers as text for people.

use maud::{Markup, html};
use time::OffsetDateTime;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A length of time in one or two units, rounded down: `42 s`, `6 min`, `3 h 12 min`, `5 d 4 h`.
pub fn span(ms: u64) -> String {
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match ms {
        0 => "0 s".to_owned(),
        _ if ms < SECOND_MS => format!("{ms} ms"),
        _ if ms < MINUTE_MS => format!("{} s", ms / SECOND_MS),
        _ if ms < HOUR_MS => format!("{} min", ms / MINUTE_MS),
        _ if ms < DAY_MS => two(ms / HOUR_MS, "h", ms % HOUR_MS / MINUTE_MS, "min"),
        _ if ms < 100 * DAY_MS => two(ms / DAY_MS, "d", ms % DAY_MS / HOUR_MS, "h"),
        _ => format!("{} d", ms / DAY_MS),
    }
}

/// A response time: `0.4 ms`, `53 ms`, `1.24 s`.
pub fn response(ms: f64) -> String {
    match ms {
        _ if ms < 10.0 => format!("{ms:.1} ms"),
        _ if ms < 1_000.0 => format!("{ms:.0} ms"),
        _ if ms < 10_000.0 => format!("{:.2} s", ms / 1e3),
        _ => format!("{:.1} s", ms / 1e3),
    }
}

/// A share of uptime, rounded down, so that 100 % means no downtime at all.
pub fn percent(percent: f64) -> String {
    let floored = (percent * 100.0).floor() / 100.0;
    if percent >= 100.0 { "100 %".to_owned() } else { format!("{floored:.2} %") }
}

/// A whole number with separators: `1,204`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 service`, `2 services`.
pub fn counted(number: u64, singular: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {singular}{plural}", count(number))
}

/// `text` in a query string.
pub fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// How a time is written; the script of the page writes it the same way in the reader's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `10:41:07 UTC`
    Clock,
    /// `10:41`
    Minute,
    /// `28 Nov, 10:41 UTC`, with the year when it is another one than now.
    Moment,
    /// `28 Nov`
    Day,
    /// `6 min`, the time since then.
    Age,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Minute => "minute",
            Self::Moment => "moment",
            Self::Day => "day",
            Self::Age => "age",
        }
    }
}

/// The time of day.
pub fn clock(at_ms: i64) -> Markup {
    let at = utc(at_ms);
    let text = format!("{:02}:{:02}:{:02} UTC", at.hour(), at.minute(), at.second());
    time(at_ms, Format::Clock, &text)
}

/// Hour and minute.
pub fn minute(at_ms: i64) -> Markup {
    let at = utc(at_ms);
    time(at_ms, Format::Minute, &format!("{:02}:{:02}", at.hour(), at.minute()))
}

/// Day and time of day.
pub fn moment(at_ms: i64, now_ms: i64) -> Markup {
    let at = utc(at_ms);
    let year = match at.year() {
        year if year == utc(now_ms).year() => String::new(),
        year => format!(" {year}"),
    };
    let (date, hour, minute) = (date(at), at.hour(), at.minute());
    time(at_ms, Format::Moment, &format!("{date}{year}, {hour:02}:{minute:02} UTC"))
}

/// The day of a slot, which is a day of UTC in every zone.
pub fn utc_day(at_ms: i64) -> String {
    date(utc(at_ms))
}

/// The day in the reader's zone.
pub fn day(at_ms: i64) -> Markup {
    time(at_ms, Format::Day, &date(utc(at_ms)))
}

/// The time since `at_ms`.
pub fn age(at_ms: i64, now_ms: i64) -> Markup {
    let ms = u64::try_from(now_ms.saturating_sub(at_ms)).unwrap_or_default();
    time(at_ms, Format::Age, &span(ms))
}

/// RFC 3339 in UTC, in whole seconds.
pub fn rfc3339(at_ms: i64) -> String {
    let at = utc(at_ms);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The value of an `<input type="datetime-local">`, in UTC.
pub fn input_minute(at_ms: i64) -> String {
    rfc3339(at_ms).chars().take(16).collect()
}

fn date(at: OffsetDateTime) -> String {
    format!("{} {}", at.day(), MONTHS[usize::from(u8::from(at.month()) - 1)])
}

/// Times outside of the calendar of the library are shown as 1970.
fn utc(at_ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1_000))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn time(at_ms: i64, format: Format, text: &str) -> Markup {
    let full = rfc3339(at_ms);
    html! { time datetime=(full) data-t=(format.name()) title=(full) { (text) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-29T10:41:07.500Z.
    const AT_MS: i64 = 1_795_948_867_500;

    #[test]
    fn lengths_are_for_people() {
        for (ms, text) in [
            (0, "0 s"),
            (250, "250 ms"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_600_000, "1 h"),
            (11_520_000, "3 h 12 min"),
            (446_400_000, "5 d 4 h"),
            (86_400_000, "1 d"),
            (86_400_000 * 412, "412 d"),
        ] {
            assert_eq!(span(ms), text);
        }
        let times = [(0.42, "0.4 ms"), (53.4, "53 ms"), (1_240.0, "1.24 s"), (12_340.0, "12.3 s")];
        for (ms, text) in times {
            assert_eq!(response(ms), text);
        }
    }

    #[test]
    fn only_full_uptime_is_100_percent() {
        for (value, text) in
            [(100.0, "100 %"), (99.9999, "99.99 %"), (99.5, "99.50 %"), (0.0, "0.00 %")]
        {
            assert_eq!(percent(value), text);
        }
    }

    #[test]
    fn numbers_are_separated() {
        for (number, text) in [(0, "0"), (999, "999"), (1_204, "1,204"), (1_000_000, "1,000,000")] {
            assert_eq!(count(number), text);
        }
        assert_eq!((counted(1, "service"), counted(1_204, "day")).0, "1 service");
        assert_eq!(counted(0, "day"), "0 days");
    }

    #[test]
    fn times_are_utc_and_machine_readable() {
        assert_eq!(rfc3339(AT_MS), "2026-11-29T10:41:07Z");
        assert_eq!(input_minute(AT_MS), "2026-11-29T10:41");
        let text = |markup: Markup| markup.into_string();
        assert_eq!(
            text(clock(AT_MS)),
            "<time datetime=\"2026-11-29T10:41:07Z\" data-t=\"clock\" \
             title=\"2026-11-29T10:41:07Z\">10:41:07 UTC</time>"
        );
        assert!(text(moment(AT_MS, AT_MS)).contains(">29 Nov, 10:41 UTC<"));
        assert!(text(moment(AT_MS, 0)).contains(">29 Nov 2026, 10:41 UTC<"));
        assert!(text(age(AT_MS - 360_000, AT_MS)).contains(">6 min<"));
        assert!(text(age(AT_MS + 1, AT_MS)).contains(">0 s<"));
        assert_eq!(utc_day(i64::MAX), "1 Jan");
    }
}
