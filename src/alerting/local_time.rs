//! Times and durations as messages write them.

use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::domain::maintenance::zone::Zone;

/// A time in a zone.
#[derive(Debug, Clone, Copy)]
pub struct LocalTime(OffsetDateTime);

impl LocalTime {
    /// `at_ms` is in unix milliseconds.
    pub fn new(zone: &Zone, at_ms: i64) -> Self {
        let at_s = at_ms.div_euclid(1_000);
        let utc = OffsetDateTime::from_unix_timestamp(at_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let offset = i32::try_from(zone.segment(at_s).offset_s).unwrap_or(0);
        let offset = UtcOffset::from_whole_seconds(offset).unwrap_or(UtcOffset::UTC);
        Self(utc.checked_to_offset(offset).unwrap_or(utc))
    }

    /// RFC 3339, whole seconds.
    pub fn rfc3339(self) -> String {
        self.0.format(&Rfc3339).unwrap_or_default()
    }

    /// Such as `2026-11-29 12:03:04 +01:00`.
    pub fn full(self) -> String {
        let (time, offset) = (self.0, self.0.offset().whole_minutes());
        let sign = if offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
        format!("{} {} {sign}{hours:02}:{minutes:02}", time.date(), self.clock(true))
    }

    /// Such as `12:03`.
    fn clock(self, with_seconds: bool) -> String {
        let (hour, minute, second) = self.0.to_hms();
        let seconds = if with_seconds { format!(":{second:02}") } else { String::new() };
        format!("{hour:02}:{minute:02}{seconds}")
    }

    /// From this time to `end`: `12:03–12:40`, with the dates unless both are on the day of `now`.
    pub fn to(self, end: Self, now: Self) -> String {
        let is_today = self.0.date() == now.0.date() && end.0.date() == now.0.date();
        if is_today {
            return format!("{}–{}", self.clock(false), end.clock(false));
        }
        let dated = |time: Self| format!("{} {}", time.0.date(), time.clock(false));
        format!("{} – {}", dated(self), dated(end))
    }
}

/// Such as `45 s`, `37 min`, `2 h 5 min`, `3 d 4 h`.
pub fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {small_unit}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => two(hours, "h", minutes % 60, "min"),
        (days, hours, _) => two(days, "d", hours % 24, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_offset_also_after_a_change_of_the_clock() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let summer = LocalTime::new(&berlin, 1_792_889_999_000);
        assert_eq!(summer.full(), "2026-10-25 02:59:59 +02:00");
        let winter = LocalTime::new(&berlin, 1_792_890_000_000);
        assert_eq!(winter.full(), "2026-10-25 02:00:00 +01:00");
        assert_eq!(winter.rfc3339(), "2026-10-25T02:00:00+01:00");
        let half = Zone::parse("America/St_Johns").unwrap();
        assert_eq!(LocalTime::new(&half, 0).full(), "1969-12-31 20:30:00 -03:30");
        assert_eq!(LocalTime::new(&Zone::utc(), i64::MAX).full(), "1970-01-01 00:00:00 +00:00");
    }

    #[test]
    fn a_span_of_today_is_short() {
        let at = |ms| LocalTime::new(&Zone::utc(), ms);
        let day = 86_400_000;
        assert_eq!(at(43_380_000).to(at(45_600_000), at(50_000_000)), "12:03–12:40");
        assert_eq!(at(43_380_000).to(at(day), at(day + 1)), "1970-01-01 12:03 – 1970-01-02 00:00");
    }

    #[test]
    fn durations_have_at_most_two_units() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (2_220, "37 min"),
            (7_500, "2 h 5 min"),
            (7_200, "2 h"),
            (273_600, "3 d 4 h"),
        ] {
            assert_eq!(duration_text(Duration::from_secs(seconds)), expected);
        }
    }
}
